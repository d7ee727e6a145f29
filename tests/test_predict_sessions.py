"""A prediction in several sessions: the next one takes the masks of the last, and the file is that of a single one."""

import shutil

import pytest

from lib import files
from lib.training.limit import Limit
from tests.loopback import Competition
from tests.loopback.quick_kernel import quick_python
from tests.programs import program_in
from tests.ready import SLUG, field, ready_run

FIRST = "20260101-000000-field-abcd"


class Looks(Limit):
    """Has no time left from the given look at the clock on."""

    def __init__(self, looks):
        super().__init__(3600)
        self.looks = looks

    def calls(self, needed=0):
        self.looks -= 1
        return self.looks < 0


@pytest.fixture
def in_session(predict_kernel, predict_session, monkeypatch):
    """Runs a session with a limit; `after`: it goes on from the outputs of the one before, mounted there."""
    working, inputs = predict_session[0] / "working", predict_session[0] / "input"

    def run(looks, after=None):
        monkeypatch.setattr(predict_kernel.Limit, "here", lambda: Looks(looks))
        monkeypatch.setenv("SWATH_RESUMES", "me/first" if after else "")
        if after:
            shutil.rmtree(inputs / after, ignore_errors=True)
            shutil.copytree(working, inputs / after)
        shutil.rmtree(working)
        working.mkdir()
        predict_kernel.main()
        return files.read_json(working / "summary.json")

    return run


@pytest.mark.parametrize("place", ["notebooks/me/first", "first", "datasets/me/swath-state-1234abcd"])
def test_sessions_that_end_at_their_limit_make_the_file_of_one(in_session, predict_session, capsys, place):
    working = predict_session[0] / "working"
    whole = in_session(9)["submission"]
    file = (working / "submission.csv").read_bytes()
    capsys.readouterr()
    in_session(1)
    left = in_session(1, place)
    assert (left["finished"], left["images_done"], left["left"]) == (False, 2, ["t2"])
    end = in_session(9, place)
    assert (end["finished"], end["images_done"], end["kept"]) == (True, 3, 2)
    assert end["submission"] == whole
    assert (working / "submission.csv").read_bytes() == file
    said = capsys.readouterr().out
    assert "stopped before the session's limit: 1 of 3 images predicted" in said
    assert "goes on from me/first: 2 images are predicted already" in said
    assert not (working / "predictions").exists(), "only the file comes home"


def test_what_cannot_be_taken_is_made_again_or_told(in_session, predict_session, monkeypatch, capsys):
    root, data, _, _ = predict_session
    in_session(2)
    shutil.copyfile(data / "test/t2.png", data / "test/t0.png")
    assert in_session(9, "first")["kept"] == 1, "t0 is another image now"
    in_session(1)
    monkeypatch.setenv("SWATH_BUNDLE", "another")
    with pytest.raises(SystemExit):
        in_session(9, "first")
    assert "nothing under" in (said := capsys.readouterr().err)
    assert "was left by an unfinished session of this run; mounted are:" in said
    monkeypatch.setenv("SWATH_BUNDLE", "abc")
    with pytest.raises(SystemExit):
        in_session(0)
    assert "give each session more time with --timeout" in capsys.readouterr().err
    monkeypatch.setenv("KAGGLE_IS_COMPETITION_RERUN", "1")
    in_session(9, "first")
    assert files.read_json(root / "working/summary.json")["kept"] == 0, "hidden images have masks of their own"


def test_a_session_that_is_ended_leaves_what_it_has(in_session, predict_kernel, predict_session, monkeypatch):
    working, predict = predict_session[0] / "working", predict_kernel.MaskOutput.predict

    def ended(output, image, *words):
        return predict(output, image, *words) if image != "t2" else exit("as SIGTERM does")

    monkeypatch.setattr(predict_kernel.MaskOutput, "predict", ended)
    with pytest.raises(SystemExit):
        in_session(9)
    names = [entry["name"] for entry in files.read_json(working / "manifest.json")["files"]]
    assert names == ["predictions/t0.png", "predictions/t1.png", "summary.json"]
    monkeypatch.setattr(predict_kernel.MaskOutput, "predict", predict)
    assert in_session(9, "first")["kept"] == 2


SCRIPT = r"""
import hashlib, json, pathlib
def write(name, text):
    path = pathlib.Path(name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
before = sorted(path.name for path in pathlib.Path("../input").glob("*/*/*/predictions/*.png"))
masks = [*before, f"t{len(before)}.png"]
print("from", *before, flush=True)
done = {"images_done": len(masks), "images": 3}
if len(masks) < 3:
    for name in masks:
        write(f"predictions/{name}", name)
    write("summary.json", json.dumps({"finished": False, **done}))
    raise SystemExit(EXIT)
write("submission.csv", "id,rle\nt2,\nt1,\nt0,1 3\n")
sha256 = hashlib.sha256(pathlib.Path("submission.csv").read_bytes()).hexdigest()
made = {"file": "submission.csv", "sha256": sha256, "bytes": 1, "rows": 3, "images": 3, "which": "test"}
made |= {"sample": None, "problems": [], "score": None, "made_of": {"tta": "none"}}
write("summary.json", json.dumps({"finished": True, **done, "submission": made}))
"""


@pytest.fixture
def sender(server, tmp_path):
    """A run that was trained here, and a competition for it; a session predicts one image."""
    data = field(tmp_path / "data")
    ready_run(tmp_path / "runs", data)
    server.competitions[SLUG] = Competition(lambda path: 0.75, data=data)
    server.python = quick_python(tmp_path)
    server.env["QUICK_KERNEL_SCRIPT"] = SCRIPT.replace("EXIT", "0")
    own = {**server.client_env(tmp_path / "home"), "SWATH_POLL_SECONDS": "0.05"}
    return program_in(tmp_path, tmp_path / "cache", **own)


WORDS = ("launch.py", "--kernel", "predict", "--gpu", "t4x2")


def sources(server) -> list[tuple]:
    """What each kernel was pushed with: kernels, and how many data sets."""
    sent = [kernel.latest.metadata for kernel in server.kernels.values()]
    return [(one.get("kernelDataSources", []), len(one["datasetDataSources"])) for one in sent]


def test_a_chain_of_predictions_is_one_run_with_one_file(server, sender):
    run = sender.json(*WORDS, "--chain", 9)
    names = [f"tester/{run['id']}{end}" for end in ("", "-2", "-3")]
    assert sources(server) == [([], 1), ([names[0]], 1), ([names[1]], 1)], "the weights' data set, and the last session"
    assert (run["finished"], run["images_done"], run["images"]) == (True, 3, 3)
    assert run["submissions"][0]["problems"] == []
    home = sender.runs / run["id"] / "outputs"
    assert sorted(path.name for path in home.rglob("*") if path.is_file()) == ["submission.csv", "summary.json"]
    log = (sender.runs / run["id"] / "log.txt").read_text()
    assert [line for line in log.splitlines() if line.startswith("from")] == [
        "from",
        "from t0.png",
        "from t0.png t1.png",
    ]
    done = sender("launch.py", "--resume", run["id"], code=1)
    assert "has predicted all its images" in done.stderr
    assert f"next: python submit.py send --run {run['id']}" in done.stderr


def test_a_prediction_is_gone_on_with_by_hand(server, sender):
    done = sender(*WORDS)
    (run,) = (path for path in sender.runs.glob("2*") if path.name != FIRST)
    assert "complete (1 of 3 images are predicted)" in done.stdout
    assert f"next: python launch.py --resume {run.name}" in done.stderr
    server.env["QUICK_KERNEL_SCRIPT"] = SCRIPT.replace("EXIT", "1")
    assert "failed" in sender("launch.py", "--resume", run.name, code=1).stdout
    server.delete(f"{run.name}-2")
    server.env["QUICK_KERNEL_SCRIPT"] = SCRIPT.replace("EXIT", "0")
    assert "submission.csv: 3 rows" in sender("launch.py", "--resume", run.name).stdout
    assert sources(server)[-1] == ([], 2), "what a failed session left goes up"
    state = next(path for name, path in server.datasets.items() if "/swath-state-" in name)
    left = sorted(path.relative_to(state).as_posix() for path in state.rglob("*") if path.is_file())
    assert left == ["predictions/t0.png", "predictions/t1.png", "summary.json"]
