"""What the tests of the loopback server share besides fixtures."""

from functools import partial

import requests

from tests import programs

wait_for = partial(programs.wait_for, seconds=10.0)

GATED = """
import pathlib, time
print("one")
while not pathlib.Path("gate").exists():
    time.sleep(0.01)
print("two")
"""


def message(caught):
    """What Kaggle said, which the client's own exception does not show."""
    return caught.value.response.json()["error"]["message"]


def push_without_client(server, text):
    body = {"slug": "tester/sea-ice", "newTitle": "Sea ice", "language": "python", "kernelType": "script"}
    url = f"{server.url}/v1/kernels.KernelsApiService/SaveKernel"
    return requests.post(url, json={**body, "text": text}, auth=(server.owner, server.key)).json()


def text_of(records, stream="stdout"):
    return "".join(record["data"] for record in records if record["stream_name"] == stream)


def score(path):
    """The number in the file; anything else is an error."""
    return float(path.read_text())
