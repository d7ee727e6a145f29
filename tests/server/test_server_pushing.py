"""A pushed script: it runs, it is on record, or it is refused."""

import json
import os
from pathlib import Path

import pytest
import requests
from slugify import slugify

from tests.server.helpers import message, text_of, wait_for


def test_a_pushed_script_runs_and_its_outputs_come_home(server, api, push, tmp_path):
    script = """
import json, os, pathlib, sys
pathlib.Path("checkpoints").mkdir()
pathlib.Path("checkpoints/best weights.pt").write_bytes(bytes(range(256)))
facts = {"argv": sys.argv, "cwd": os.getcwd(), "env": dict(os.environ), "kaggle": sorted(os.listdir(".."))}
facts["leads its process group"] = os.getpgrp() == os.getpid()
pathlib.Path("facts.json").write_text(json.dumps(facts))
print("trained")
"""
    server.env["EXTRA"] = "1"
    pushed = push(script)
    assert (pushed.version_number, pushed.error) == (1, "")
    assert pushed.url.endswith("/tester/sea-ice")
    wait_for(lambda: api.kernels_status("tester/sea-ice").status.name == "COMPLETE")

    home = tmp_path / "outputs"
    names, token = api.kernels_output("tester/sea-ice", str(home))
    assert sorted(Path(name).relative_to(home).as_posix() for name in names) == [
        "checkpoints/best weights.pt",
        "facts.json",
        "sea-ice.log",
    ]
    assert not token
    assert (home / "checkpoints/best weights.pt").read_bytes() == bytes(range(256))
    assert text_of(json.loads((home / "sea-ice.log").read_text())) == "trained\n"

    folder = server.kernels["sea-ice"].latest.folder
    facts = json.loads((home / "facts.json").read_text())
    assert facts["argv"] == [str(folder / "src/script.py")]
    assert facts["cwd"] == str(folder / "working")
    assert facts["kaggle"] == ["input", "src", "temp", "working"]
    assert facts["leads its process group"]
    assert facts["env"]["KAGGLE_KERNEL_RUN_TYPE"] == "Batch"
    assert facts["env"]["EXTRA"] == "1"
    assert facts["env"]["HOME"] != os.environ["HOME"]
    assert not {"KAGGLE_API_TOKEN", "PYTHONPATH", "PYTEST_CURRENT_TEST"} & set(facts["env"])


def test_what_was_sent_is_on_record(server, api, push):
    push(
        "print('ü')",
        timeout="600",
        machine_shape="NvidiaTeslaP100",
        is_private=False,
        keywords=["gpu", "no such tag"],
    )
    version = server.kernels["sea-ice"].latest
    assert version.text == "print('ü')"
    assert "text" not in version.metadata
    sent = {"machineShape": "NvidiaTeslaP100", "isPrivate": False, "enableInternet": False}
    assert version.metadata.items() >= {**sent, "sessionTimeoutSeconds": 600, "newTitle": "Sea ice"}.items()
    assert server.requests[-1] == ("SaveKernel", {**version.metadata, "text": version.text})


def test_get_kernel_says_what_the_server_made_of_it(server, sdk, push, tmp_path):
    server.datasets["me/tiles"] = tmp_path
    sources, tags = ["me/tiles", "me/typo"], ["gpu", "no such tag"]
    push(machine_shape="NvidiaTeslaP100", dataset_sources=sources, keywords=tags)
    push("print('again')", machine_shape="NvidiaTeslaP100", is_private=False)
    answer = sdk("get_kernel")
    metadata = answer.metadata
    assert (metadata.current_version_number, metadata.slug, metadata.author) == (2, "sea-ice", "tester")
    assert (metadata.is_private, metadata.enable_gpu, metadata.enable_internet) == (False, True, False)
    assert "is_private" in metadata, "an optional field is sent although it is false"
    assert metadata.machine_shape == "NvidiaTeslaT4", "the retired P100 becomes T4 x2"
    assert answer.blob.source == "print('again')"
    first = sdk("get_kernel", version_label="v1")
    assert first.blob.source == "print('hello')"
    assert first.metadata.dataset_data_sources == ["me/tiles"]
    assert first.metadata.category_ids == ["gpu"]
    assert first.metadata.is_private is True
    assert first.metadata.current_version_number == 2


@pytest.mark.parametrize("title", ["Sea ice", "U-Net, 2nd try!", "  deepglobe__r50 (fold 3) ", "It's ROADS"])
def test_the_title_makes_the_slug(server, push, title):
    pushed = push(title=title)
    assert pushed.url.split("/")[-2:] == ["tester", slugify(title)]
    assert list(server.kernels) == [slugify(title)]
    assert server.kernels[slugify(title)].title == title


# Refusals


def test_a_taken_title(server, push):
    push(title="Sea ice")
    with pytest.raises(requests.HTTPError) as caught:
        push(title="Sea ice", id="tester/other-slug")
    assert caught.value.response.status_code == 409
    assert message(caught) == "The requested title is already in use by a notebook."
    assert len(server.kernels["sea-ice"].versions) == 1


def test_a_source_of_a_megabyte(server, push):
    line = "#" + "x" * 99
    assert push(line * 9_999).version_number == 1
    with pytest.raises(requests.HTTPError) as caught:
        push(line * 10_000)
    assert caught.value.response.status_code == 400
    assert message(caught) == "The kernel source must be less than 1 megabytes in size."
    assert len(server.kernels["sea-ice"].versions) == 1


@pytest.mark.parametrize(
    ("fields", "code", "said"),
    [
        ({"new_title": "Ice!", "slug": "tester/ice"}, 400, "Title must be at least five characters"),
        ({"slug": "other/sea-ice"}, 403, "Permission 'kernels.create' was denied"),
        ({"kernel_type": "notebook"}, 400, "This server runs Python scripts only."),
        ({"id": 77}, 404, "Kernel 77 was not found."),
    ],
)
def test_other_refused_pushes(server, sdk, fields, code, said):
    good = {"text": "", "language": "python", "kernel_type": "script", "new_title": "Sea ice"}
    with pytest.raises(requests.HTTPError) as caught:
        sdk("save_kernel", **{**good, "slug": "tester/sea-ice", **fields})
    assert (caught.value.response.status_code, message(caught)) == (code, said)
    assert server.kernels == {}
