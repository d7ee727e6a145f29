"""`launch.py doctor`: a line a thing, each with its fix, whatever is missing."""

import re
from types import SimpleNamespace

import pytest

from lib import files
from lib.launching.preparing import doctor


def verdicts(document):
    """Of everything but the disk, which may be nearly full where the tests run."""
    return {check["name"]: check["verdict"] for check in document if check["name"] != "disk"}


@pytest.mark.parametrize(("free", "verdict"), [(5 << 30, "ok"), ((5 << 30) - 1, "warn"), ((1 << 30) - 1, "fail")])
def test_a_disk_is_weighed(monkeypatch, tmp_path, free, verdict):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))
    check = doctor._disk(tmp_path / "runs" / "to-be")
    assert (check.verdict, bool(check.fix)) == (verdict, verdict != "ok")
    assert f"{free / (1 << 30):.1f} GiB free for" in check.words


def test_a_machine_that_can_launch(server, on_kaggle):
    done = on_kaggle("launch.py", "doctor")
    lines = [line for line in done.stdout.splitlines() if not line.startswith(("ok   disk", "warn disk", "fail disk"))]
    rest = lines if "ok   disk" in done.stdout else [line for line in lines if not line.lstrip().startswith("fix:")]
    assert len(rest) == 7
    assert all(line.startswith("ok ") for line in rest), done.stdout
    assert re.search(r"endpoint +http://127.0.0.1:\d+ \(KAGGLE_API_ENDPOINT\)", done.stdout)
    assert "from KAGGLE_API_TOKEN, of tester" in done.stdout
    assert "30h00m of 30h00m left" in done.stdout
    assert "0 of 2 GPU sessions running" in done.stdout
    assert "next: python launch.py --gpu t4x2 --dry-run" in done.stderr


def test_without_an_account_and_offline_everything_is_said_and_nothing_raised(program):
    document = program.json("launch.py", "doctor", code=1, KAGGLE_API_ENDPOINT="http://127.0.0.1:9")
    assert verdicts(document) == {
        "Python": "ok",
        "packages": "ok",
        "endpoint": "fail",
        "clock": "warn",
        "credentials": "fail",
        "quota": "warn",
        "slots": "warn",
    }
    assert all(check["fix"] for check in document if check["verdict"] != "ok")
    assert "kaggle.com/settings" in next(check["fix"] for check in document if check["name"] == "credentials")


def test_a_clock_that_is_wrong_hours_that_are_gone_and_credentials_that_are_hidden(server, on_kaggle, tmp_path):
    files.write_json(tmp_path / "home" / ".kaggle" / "kaggle.json", {"username": "tester", "key": server.key})
    server.clock_ahead = 3600
    server.gpu_hours_left = 0
    document = on_kaggle.json("launch.py", "doctor")
    said = {check["name"]: check for check in document}
    warned = {name for name, verdict in verdicts(document).items() if verdict == "warn"}
    assert warned == {"clock", "credentials", "quota"}
    assert re.match(r"3,\d{3} s behind the server's", said["clock"]["words"])
    assert re.search(r"from KAGGLE_API_TOKEN, which hides .*kaggle.json, of tester", said["credentials"]["words"])
    assert "kaggle.json" in said["credentials"]["fix"]


def test_a_bad_token_that_hides_a_good_key_is_named(server, on_kaggle, tmp_path):
    files.write_json(tmp_path / "home" / ".kaggle" / "kaggle.json", {"username": "tester", "key": server.key})
    done = on_kaggle("launch.py", "doctor", code=1, KAGGLE_API_TOKEN="KGAT_expired")
    (line,) = [line for line in done.stdout.splitlines() if "credentials" in line and line.startswith("fail")]
    assert "from KAGGLE_API_TOKEN, which hides" in line
    assert "does not accept the credentials" in line


def test_packages_that_are_not_as_wanted_are_each_named(program, tmp_path):
    import shutil

    from tests.programs import PROJECT

    copy = tmp_path / "project"
    shutil.copytree(PROJECT / "lib", copy / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(PROJECT / "launch.py", copy / "launch.py")
    (copy / "requirements.txt").write_text(
        "# wanted\nrich>=99  # newer\nno-such-package\npillow\nsix>=1; python_version < '3'\n"
    )
    document = program.json(copy / "launch.py", "doctor", code=1, KAGGLE_API_ENDPOINT="http://127.0.0.1:9")
    wrong = [check["words"] for check in document if check["name"] == "packages"]
    assert len(wrong) == 2
    assert re.match(r"rich [\d.]+ is here, rich>=99 is wanted", wrong[0])
    assert wrong[1] == "no-such-package is not installed"
