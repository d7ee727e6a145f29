"""The benchmarks: every row has every column, a wrong result is seen, and it ends the command with exit code 1."""

import json
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks import __main__ as program
from benchmarks import cases, launching, loading, measure
from benchmarks.case import Case, Disagreement, Inputs

PROJECT = Path(__file__).resolve().parents[1]
MEASURED = ("kit_seconds", "peer_seconds", "ratio", "kit_bytes", "peer_bytes")
TOOLBELT = pytest.mark.skipif(not find_spec("pytorch_toolbelt"), reason="requirements-dev.txt leaves it out")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Inputs:
    """The cases' inputs, 200 x 150."""
    made = Inputs(tmp_path_factory.mktemp("inputs"))
    program.prepare(made, 0.05)
    return made


def case_of(name: str, peer: str) -> Case:
    return next(case for case in cases.EVERY if (case.name, case.peer_name) == (name, peer))


@pytest.mark.parametrize("words", [["rle", "restore"], ["launch.py"]], ids="-".join)
def test_every_row_agrees_and_has_all_columns(words):
    done = CliRunner().invoke(program.app, [*words, "--json", "--repeat", "1", "--scale", "0.05"])
    assert done.exit_code == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["height"], document["width"], document["classes"]) == (200, 150, 25)
    assert all(count > 1000 for count in document["runs"].values())
    wanted = [(c.name, c.peer_name) for c in cases.EVERY if any(word in c.name.lower() for word in words)]
    assert [(row["case"], row["peer"]) for row in document["rows"]] == wanted
    for row in document["rows"]:
        assert row["agreed"] is True
        assert all(row[key] >= 0 for key in MEASURED), row
        assert row["ratio"] == pytest.approx(row["peer_seconds"] / row["kit_seconds"])


def test_a_disagreement_is_printed_untimed_and_is_exit_code_1(monkeypatch):
    def compare(ours, theirs, inputs):
        if ours != theirs:
            raise Disagreement(f"{ours} is not {theirs}")
        return ""

    wrong = Case("sum", "someone", lambda inputs: lambda: 3, lambda inputs: lambda: 4, compare)
    monkeypatch.setattr(cases, "EVERY", (wrong,))
    monkeypatch.setattr(measure, "seconds", lambda *_: pytest.fail("timed before the results agreed"))
    done = CliRunner().invoke(program.app, ["--json", "--scale", "0.02"])
    assert done.exit_code == 1
    (row,) = json.loads(done.stdout)["rows"]
    assert row["note"] == "3 is not 4"
    assert row["agreed"] is False
    assert all(row[key] is None for key in MEASURED)
    done = CliRunner().invoke(program.app, ["--scale", "0.02"])
    assert done.exit_code == 1
    assert "DISAGREE: 3 is not 4" in done.stdout


def test_a_peer_that_is_not_installed_is_told_and_breaks_no_other_row(monkeypatch):
    def absent(inputs):
        raise ModuleNotFoundError("No module named 'peer'", name="peer")

    alone = Case("merge", "peer", lambda inputs: lambda: 3, absent, lambda *_: "", "pip install peer")
    wrong = Case("sum", "someone", lambda inputs: lambda: 3, lambda inputs: lambda: 4, compare_nothing)
    monkeypatch.setattr(cases, "EVERY", (alone,))
    done = CliRunner().invoke(program.app, ["--scale", "0.02"])
    assert done.exit_code == 0
    assert "not measured: pip install peer" in done.stdout
    monkeypatch.setattr(cases, "EVERY", (alone, wrong))
    done = CliRunner().invoke(program.app, ["--json", "--scale", "0.02"])
    assert done.exit_code == 1
    assert [row["agreed"] for row in json.loads(done.stdout)["rows"]] == [None, False]
    monkeypatch.setattr(cases, "EVERY", (replace(alone, install=""),))
    done = CliRunner().invoke(program.app, ["--scale", "0.02"])
    assert "peer is not installed" in str(done.exception)


def test_predicted_images_are_whole_and_a_missing_one_is_seen(inputs):
    case = case_of("predict images", "bare forward passes")
    masks, windows = (case.call(side, inputs)() for side in ("kit", "peer"))
    assert case.compare(masks, windows, inputs) == ", 2 windows of 512 pixels in 2 images"
    with pytest.raises(Disagreement, match="masks are missing"):
        case.compare(masks[1:], windows, inputs)


@pytest.mark.parametrize("kind", loading.KINDS)
def test_crops_are_as_many_and_as_large_and_others_are_seen(kind, inputs):
    ours, theirs = (side(inputs, kind, workers=0)() for side in (loading.kit, loading.usual))
    assert "the kit read the set once before" in loading.alike(ours, theirs, inputs, kind)
    with pytest.raises(Disagreement, match="crops are"):
        loading.alike((ours[0], (63, *ours[1][1:])), theirs, inputs, kind)


def compare_nothing(ours, theirs, inputs):
    raise Disagreement("never the same")


def spoiled(result):
    """A kit's result with one thing wrong in it."""
    if isinstance(result, dict):
        text = result[3]
        return result | {3: text.replace(" 1", " 2", 1) if " " in text else text[:-1] + chr(ord(text[-1]) ^ 1)}
    if isinstance(result, np.ndarray):
        changed = result.copy()
        changed[1, 1] = (changed[1, 1] + 1) % 25
        return changed
    if isinstance(result, subprocess.CompletedProcess):
        return subprocess.CompletedProcess(result.args, 1, result.stdout, result.stderr)
    first, *others = result
    return iter([~first, *others])


@pytest.mark.parametrize(
    ("name", "peer"),
    [
        ("RLE encode, order F", "pycocotools"),
        ("RLE encode, order C", "pycocotools"),
        ("RLE encode, order C", "notebook lines"),
        ("RLE decode, order F", "pycocotools"),
        ("COCO RLE encode", "pycocotools"),
        ("COCO RLE decode", "pycocotools"),
        ("confusion table", "torchmetrics"),
        ("confusion table", "torchmetrics, unchecked"),
        ("confusion table", "scikit-learn"),
        ("confusion table", "smp get_stats"),
        ("restore", "torch interpolate + argmax"),
        ("launch.py --help", "kaggle --version"),
        pytest.param("merge windows", "pytorch-toolbelt TileMerger", marks=TOOLBELT),
    ],
)
def test_one_wrong_value_of_the_kit_is_seen(name, peer, inputs):
    case = case_of(name, peer)
    kit, theirs = case.call("kit", inputs), case.call("peer", inputs)
    case.compare(kit(), theirs(), inputs)
    with pytest.raises(Disagreement):
        case.compare(spoiled(kit()), theirs(), inputs)


def test_pushing_and_fetching_agree_with_the_official_client_and_a_difference_is_seen(tmp_path):
    small = Inputs(tmp_path)
    fetching = launching.fetching(12, 0.002)
    ours, theirs = (fetching.call(side, small)() for side in ("kit", "peer"))
    assert fetching.compare(ours, theirs, small) == ""
    (tmp_path / "official" / "masks" / "3.png").write_bytes(b"other")
    with pytest.raises(Disagreement, match=r"3\.png is not what the session left"):
        fetching.compare(ours, theirs, small)
    pushing = case_of("push", "kaggle kernels push")
    ours, theirs = (pushing.call(side, small)() for side in ("kit", "peer"))
    assert pushing.compare(ours, theirs, small) == ""
    launching.kaggle(tmp_path).kernels[ours.stdout.strip()].latest.text += "#"
    with pytest.raises(Disagreement, match="another kernel"):
        pushing.compare(ours, theirs, small)


def test_memory_is_that_of_the_call(inputs, monkeypatch):
    """64 MB that a call touches and gives up are its peak; what was there before is not."""
    before = np.ones(32_000_000, np.uint8)

    def call():
        return int(np.ones(64_000_000, np.uint8)[-1])

    case = Case("ones", "nobody", lambda inputs: call, lambda inputs: lambda: None, lambda *_: "")
    monkeypatch.setattr(cases, "EVERY", (case, replace(case, name="other")))
    assert 60e6 < measure.peak_here("ones", "nobody", "kit", inputs) < 72e6
    assert measure.peak_here("ones", "nobody", "peer", inputs) < 4e6
    assert before[0] == 1


def test_sides_take_turns():
    turns = []

    def side(name):
        return lambda: (turns.append(name), measure.time.sleep(measure.TURN))

    kit, peer = measure.seconds(side("kit"), side("peer"), repeat=2)
    assert turns == ["kit", "peer", "kit", "peer"]
    assert min(kit, peer) >= measure.TURN * 0.99


def test_an_unknown_name_is_a_wrong_use_that_lists_the_rows():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "nothing-like-it"], cwd=PROJECT, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "error: no row is called nothing-like-it" in done.stderr
    assert "restore / torch" in done.stderr
