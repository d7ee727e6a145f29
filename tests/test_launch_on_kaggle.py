"""`launch.py --gpu` through the official client against a server that really runs what is pushed."""

import json
import re
import sys

import pytest
from slugify import slugify

from lib import files
from lib.launching.preparing.bundle import LIMIT
from lib.rasters import encode_png, read_image, read_labels, write_labels
from tests.loopback import (
    EMPTY,
    UNKNOWN_STATUS,
    CutLog,
    Expired,
    HtmlPage,
    Refuse,
    Reset,
    Truncate,
    WrongBytes,
)
from tests.programs import ON_T4, TINY, WITHOUT_GPU, only, threads


def test_push_follow_fetch(server, on_kaggle):
    done = on_kaggle(*ON_T4, *WITHOUT_GPU, "--timeout", "1h30m", "--json")
    run = json.loads(done.stdout)
    kernel = only(server.kernels)
    version = kernel.latest

    sent = version.metadata
    assert sent["isPrivate"] is True
    assert sent["enableInternet"] is False
    assert sent["machineShape"] == "NvidiaTeslaT4"
    assert sent["enableGpu"] is True
    assert sent["sessionTimeoutSeconds"] == 5400
    assert sent["slug"] == f"tester/{slugify(sent['newTitle'])}" == f"tester/{run['id']}"
    assert len(version.text.encode()) < LIMIT
    assert version.text.encode() == (on_kaggle.runs / run["id"] / "kernel" / "kernel.py").read_bytes()

    assert run["status"] == version.status.lower() == "complete"
    assert run["attempts"][0] | {"started": ""} == {
        "ref": f"tester/{run['id']}",
        "version": 1,
        "url": f"https://www.kaggle.com/code/tester/{run['id']}",
        "status": "complete",
        "started": "",
        "timeout": 5400,
        "log_start": 0,
    }
    assert version.records[0]["data"].startswith("devices: "), "what it runs on comes first"
    log = (on_kaggle.runs / run["id"] / "log.txt").read_text()
    assert log == "".join(record["data"] for record in version.records)
    left = {name: path.read_bytes() for name, path in version.outputs()}
    for name, content in left.items():
        assert (on_kaggle.runs / run["id"] / "outputs" / name).read_bytes() == content or name == "manifest.json"
    assert "checkpoints/best.safetensors" in left
    assert not [name for name in left if name.startswith(("lib/", "kernels/"))], "the payload stays out of the outputs"
    asked = [body for name, body in server.requests if name == "GetKernelSessionStatus"]
    assert asked
    assert all(body["versionLabel"] == "v1" for body in asked)
    assert server.count("SaveKernel") == 1
    assert "epoch" in done.stderr
    assert f"next: python submit.py --run {run['id']}" in done.stderr


def test_a_run_is_picked_up_by_other_processes(server, on_kaggle, scenes, tmp_path, competition):
    """Detached; a user's own competition, data under the old mount layout; then a server that misbehaves."""
    server.layout = "old"
    data = tmp_path / "data"
    for number, path in enumerate(sorted((scenes / "train").glob("*_sat.png"))[:6]):
        files.write(data / "images" / f"{number}.png", encode_png(read_image(path)))
        labels = read_labels(path.with_name(path.name.replace("_sat", "_mask")), competition)
        labels[labels == 255] = 0
        write_labels(data / "masks" / f"{number}.png", labels, competition)
    server.datasets["me/own-field"] = data
    own = tmp_path / "own.toml"
    own.write_text(
        'name = "own"\n[kaggle]\ndatasets = ["me/own-field"]\n'
        '[data.train]\nimages = "images/{id}.png"\nmasks = "masks/{id}.png"\n'
        + "".join(f'[[classes]]\nname = "c{number}"\n' for number in range(6))
        + '[submission.zip]\npixels = "index"\n'
        + '[recipe]\nmodel.encoder = "mobilenetv3_small_050"\nmodel.weights = "none"\n'
    )
    detached = on_kaggle("launch.py", "--gpu", "p100", "-c", own, *TINY, *WITHOUT_GPU, "--detach")
    run_id = detached.stdout.strip()
    assert "Kaggle has retired the P100 and gives 2 x T4 instead" in detached.stderr
    assert only(server.kernels).latest.metadata["machineShape"] == "NvidiaTeslaP100"
    assert on_kaggle.json("launch.py", "status")["status"] in ("queued", "running")

    server.faults.add("logs", CutLog(1))
    server.faults.add("logs", Refuse(500))
    server.faults.add("logs", CutLog(2, clean=False))
    server.faults.add("GetKernelSessionStatus", HtmlPage(503), times=2)
    server.faults.add("GetKernelSessionStatus", Refuse(429, retry_after="1"))
    server.faults.add("GetKernelSessionStatus", EMPTY)
    server.faults.add("GetKernelSessionStatus", UNKNOWN_STATUS)
    followed = on_kaggle("launch.py", "logs", "-f", run_id[-4:])
    version = only(server.kernels).latest
    assert version.wait() == "COMPLETE"
    for stream in ("stdout", "stderr"):
        said = "".join(record["data"] for record in version.records if record["stream_name"] == stream)
        assert [line for line in said.splitlines() if line not in followed.stdout.splitlines()] == []
    assert len(followed.stdout.splitlines()) == len("".join(r["data"] for r in version.records).splitlines())

    server.faults.add("download", WrongBytes(), match="best.safetensors")
    server.faults.add("download", Truncate(100), match="metrics.csv")
    server.faults.add("download", Expired(), match="summary.json")
    server.faults.add("download", Reset(), match="manifest.json")
    fetched = on_kaggle.json("launch.py", "fetch")
    assert server.faults.pending == []
    assert fetched["status"] == "complete"
    assert fetched["metrics"]["label"] == "macro Dice"
    outputs = on_kaggle.runs / run_id / "outputs"
    for entry in files.read_json(outputs / "manifest.json")["files"]:
        assert files.sha256(outputs / entry["name"]) == entry["sha256"]
    assert not [path for path in outputs.rglob("*") if path.name.endswith(".part")]
    assert on_kaggle("launch.py", "logs").stdout == "".join(record["data"] for record in version.records)

    before = len(server.requests)
    assert "all of it was here already" in on_kaggle("launch.py", "fetch").stdout
    moved = [name for name, _ in server.requests[before:] if name.startswith("/download")]
    assert moved == [], "not even the manifest"
    assert run_id in on_kaggle("launch.py", "runs").stdout
    made = on_kaggle.json("submit.py", "--data", data, "--tta", "none")
    assert made["problems"] == []
    assert made["which"] == "validation"
    assert made["score"]["score"] == pytest.approx(fetched["metrics"]["value"], abs=1e-3)


def test_a_session_without_its_gpu_stops_at_once_and_says_why(server, on_kaggle):
    """What an account without a verified phone gets, silently, from Kaggle."""
    done = on_kaggle(*ON_T4, code=1)
    assert "a GPU was asked for and this session has none" in done.stderr
    assert "phone" in done.stderr
    assert "failed" in done.stdout
    assert "@progress" not in (next(on_kaggle.runs.glob("*/log.txt"))).read_text()


@pytest.mark.parametrize(
    ("credentials", "said"),
    [
        ({"KAGGLE_API_TOKEN": ""}, "there are no Kaggle credentials on this machine"),
        ({"KAGGLE_API_TOKEN": "KGAT_expired"}, "does not accept the credentials from KAGGLE_API_TOKEN"),
    ],
    ids=["none", "bad"],
)
def test_credentials_are_asked_for_before_anything_else(server, on_kaggle, credentials, said):
    done = on_kaggle(*ON_T4, "--json", code=3, **credentials)
    assert said in done.stderr
    assert "kaggle.com/settings" in done.stderr
    assert said in json.loads(done.stdout)["error"]
    assert server.count("SaveKernel") == 0
    assert not list(on_kaggle.runs.glob("*"))


def test_a_bad_token_that_hides_a_good_key_is_named(server, on_kaggle, tmp_path):
    """The client falls back to kaggle.json, and sends the bad token all the same."""
    files.write_json(tmp_path / "home" / ".kaggle" / "kaggle.json", {"username": "tester", "key": server.key})
    done = on_kaggle(*ON_T4, *WITHOUT_GPU, code=3, KAGGLE_API_TOKEN="KGAT_expired")
    assert "from KAGGLE_API_TOKEN" in done.stderr
    assert "hides a good kaggle.json" in done.stderr
    fine = on_kaggle(*ON_T4, *WITHOUT_GPU, "--detach", "--json", KAGGLE_API_TOKEN="")
    assert json.loads(fine.stdout)["attempts"][0]["ref"].startswith("tester/")


def test_a_dry_run_writes_the_folder_without_account_or_network(on_kaggle):
    done = on_kaggle(
        "launch.py", "--gpu", "t4x2", "--dry-run", KAGGLE_API_TOKEN="", KAGGLE_API_ENDPOINT="http://127.0.0.1:9"
    )
    folder = on_kaggle.runs / "dry-run" / "kernel"
    assert sorted(path.name for path in folder.iterdir()) == ["kernel-metadata.json", "kernel.py"]
    metadata = json.loads((folder / "kernel-metadata.json").read_text())
    assert metadata["machine_shape"] == "NvidiaTeslaT4"
    assert metadata["enable_internet"] is True
    assert slugify(metadata["title"]) == metadata["id"].split("/")[-1]
    assert re.search(r"bundle +\d+ files, [\d,]+ bytes, sha256 [0-9a-f]{16}", done.stdout)
    assert "Kaggle gives 2 x T4" in done.stdout
    assert "not asked" in done.stdout
    first = (folder / "kernel.py").read_bytes()
    document = on_kaggle.json("launch.py", "--gpu", "t4x2", "--dry-run")
    assert (folder / "kernel.py").read_bytes() == first
    assert document["bundle"]["bytes"] == len(first)
    assert document["recipe"]["model"]["encoder"] == "resnet34"
    assert on_kaggle.json("launch.py", "runs") == []


def test_what_a_dry_run_writes_runs_in_a_clean_interpreter(on_kaggle, tmp_path, cache):
    """By hand, in an empty folder, without argument: what Kaggle does with it."""
    import subprocess

    on_kaggle("launch.py", "--dry-run", *TINY)
    work = tmp_path / "elsewhere"
    work.mkdir()
    clean = {"PATH": "/usr/bin:/bin", "HOME": str(work), "SWATH_CACHE": str(cache)} | threads()
    kernel = on_kaggle.runs / "dry-run" / "kernel" / "kernel.py"
    done = subprocess.run([sys.executable, "-I", kernel], cwd=work, env=clean, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("devices: ")
    assert (work / "kaggle" / "working" / "checkpoints" / "best.safetensors").is_file()


def test_an_encoder_that_does_not_exist_is_not_pushed(server, on_kaggle):
    done = on_kaggle(*ON_T4, "--set", "model.encoder=resnet5o", code=2)
    assert "has no model 'resnet5o'" in done.stderr
    assert "did you mean" in done.stderr
    assert server.count("SaveKernel") == 0
    assert not list(on_kaggle.runs.glob("*"))
