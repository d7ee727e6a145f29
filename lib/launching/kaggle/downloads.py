"""Files by plain GET on signed addresses: connections that are kept, a Range where some bytes are here already.

http = client(connections=16)
receive(http, output, part)            # from any thread
"""

from __future__ import annotations

import re
from typing import Any

from lib.launching.fetching.parts import Part
from lib.launching.kaggle.client import CONNECT_SECONDS, READ_SECONDS
from lib.launching.session import LostConnection, Output

CHUNK = 1 << 18
"""Bytes that are taken at a time, at most."""


def client(connections: int) -> Any:
    """A `requests.Session` that several threads may use, and that keeps its connections."""
    import requests
    from requests.adapters import HTTPAdapter

    http = requests.Session()
    for scheme in ("https://", "http://"):
        http.mount(scheme, HTTPAdapter(pool_maxsize=connections))
    return http


def receive(http: Any, output: Output, part: Part) -> None:
    """Write what is missing of an output to its part; `LostConnection` when it broke off.

    If-Range has the server send the whole file when it is another by now.
    """
    import requests
    from urllib3.exceptions import HTTPError, ReadTimeoutError

    headers = {"Accept-Encoding": "identity"}
    if part.size:
        headers["Range"] = f"bytes={part.size}-"
        if part.etag:
            headers["If-Range"] = part.etag
    try:
        with http.get(output.source, headers=headers, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)) as answer:
            fits = answer.status_code not in (206, 416) or _goes_on(answer, part)
            if fits:
                _copy(answer, output, part)
    except (requests.Timeout, ReadTimeoutError):
        raise LostConnection(f"{output.name}: nothing came for {READ_SECONDS:g} s") from None
    except (requests.RequestException, HTTPError) as error:
        raise LostConnection(f"{output.name}: the connection was lost ({type(error).__name__})") from None
    if not fits and "Range" not in headers:
        raise LostConnection(f"{output.name}: a part came, and the whole file was asked for")
    if not fits:
        part.drop()
        receive(http, output, part)


def _goes_on(answer: Any, part: Part) -> bool:
    """Whether the answer is the rest of what is here."""
    start = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    same = not part.etag or _etag(answer) == part.etag
    return answer.status_code == 206 and part.size > 0 and start is not None and int(start[1]) == part.size and same


def _copy(answer: Any, output: Output, part: Part) -> None:
    if answer.status_code not in (200, 206):
        raise LostConnection(f"{output.name}: the server answered HTTP {answer.status_code}")
    if "text/html" in answer.headers.get("Content-Type", "") and not output.name.lower().endswith((".html", ".htm")):
        raise LostConnection(f"{output.name}: a web page came instead of the file")
    part.begin(_etag(answer), goes_on=answer.status_code == 206)
    while chunk := answer.raw.read1(CHUNK):  # what has come is written at once; a short body raises
        part.write(chunk)


def _etag(answer: Any) -> str:
    """The answer's ETag; empty for a weak one, which If-Range does not take."""
    etag = answer.headers.get("ETag", "")
    return "" if etag.startswith("W/") else etag
