"""The commands that predict: any images, ensembles, thresholds, probabilities, pseudo-labels; in this process."""

import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

import submit
from lib import files
from lib.errors import SwathError
from lib.rasters import masks_in

FAST = ("--tta", "none")


@pytest.fixture
def trained(main_job, scenes, tmp_path, cache, monkeypatch):
    """The main job's run in a folder of one's own, and two images; a command's last line and document are returned."""
    program, run, _ = main_job
    shutil.copytree(program.runs / run["id"], tmp_path / "runs" / run["id"])
    for name in ("5000", "5007"):
        (tmp_path / "images").mkdir(exist_ok=True)
        shutil.copyfile(scenes / "test" / f"{name}_sat.png", tmp_path / "images" / f"{name}.png")
    monkeypatch.setenv("SWATH_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SWATH_CACHE", str(cache))
    return tmp_path / "runs" / run["id"]


def typed(*words) -> tuple[dict, str]:
    """What a command prints with --json, and the last line of what it says; its error is raised."""
    done = CliRunner().invoke(submit.app, [*map(str, words), "--json"])
    if done.exception:
        raise done.exception
    return json.loads(done.stdout), done.stderr.strip().splitlines()[-1]


def share(folder, competition, label: int) -> float:
    return float(np.mean(masks_in(folder, competition)("5000") == label))


def test_any_images_with_a_run_or_a_checkpoint(trained, tmp_path, competition):
    """A bad image is told; the run's weights twice are an ensemble that says what the run says."""
    bad = tmp_path / "images" / "bad.jpg"
    bad.write_bytes(b"\xff\xd8 no picture")
    words = ("predict", "--images", tmp_path / "images", *FAST, "--out")
    with pytest.raises(SwathError, match=r"(?s)1 of 3 images failed.*bad\.jpg") as caught:
        typed(*words, tmp_path / "one")
    assert caught.value.exit_code == 1
    bad.unlink()
    again, following = typed(*words, tmp_path / "one", "--run", trained.name[-4:])
    assert (again["images"], again["kept"]) == (["5000", "5007"], 2)
    assert following.startswith("next: python submit.py encode")
    weights = trained / "outputs" / "checkpoints" / "best.safetensors"
    typed(*words, tmp_path / "two", "--checkpoint", weights, "--checkpoint", f"{weights}=0.5", "--scales", "1")
    typed(*words, tmp_path / "three", "--run", f"{trained.name}=2", "--scales", "0.5")
    one, two, three = (masks_in(tmp_path / name, competition) for name in ("one", "two", "three"))
    assert np.mean(one("5000") == two("5000")) > 0.999
    assert 0.3 < np.mean(one("5000") == three("5000")) < 0.995, "another scale is another view"
    single, _ = typed(*words[:2], tmp_path / "images" / "5007.png", *FAST, "--out", tmp_path / "four")
    assert single["images"] == ["5007"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--checkpoint", "none.safetensors"), "does not exist"),
        (("--run", "2026=-1"), "a weight is a number above 0"),
        (("--images", "none", "--out", "x"), "none does not exist"),
        (("--images", "."), "--images goes with --out"),
        (("--scales", "big"), "numbers above 0"),
        (("--tta", "d5"), "no such set of orientations"),
        (("--thresholds", "none.json"), "do not exist"),
    ],
)
def test_a_wrong_word_is_told_before_any_work(trained, words, reason):
    with pytest.raises(SwathError, match=reason) as caught:
        typed("predict", *words)
    assert caught.value.exit_code == 2
    assert not (trained / "predictions").exists() or not list((trained / "predictions").glob("*.part"))


def test_thresholds_are_searched_written_and_used(trained, tmp_path, competition):
    found, following = typed("tune", *FAST)
    assert following == "next: python submit.py --tta none", "as it was searched"
    own = files.read_json(trained / "thresholds.json")
    assert own["scores"] == {key: found[key] for key in ("before", "after", "fair")} | {"images": 10}
    assert own["bias"] == found["decision"]["bias"]
    assert found["before"] == pytest.approx(files.read_json(trained / "run.json")["metrics"]["value"], abs=2e-3)
    files.write_json(trained / "thresholds.json", own | {"bias": {"water": 1000.0}, "min_area": {}})
    words = ("predict", "--images", tmp_path / "images", *FAST, "--out")
    typed(*words, tmp_path / "own")
    typed(*words, tmp_path / "plain", "--no-thresholds")
    typed(*words, tmp_path / "of others", "--run", f"{trained.name}=2")
    typed(*words, tmp_path / "named", "--run", f"{trained.name}=2", "--thresholds", trained / "thresholds.json")
    water = {name: share(tmp_path / name, competition, 4) for name in ("own", "plain", "of others", "named")}
    assert water["own"] == water["named"] > water["plain"] + 0.1
    assert water["of others"] == water["plain"], "thresholds are for the members that they were searched with"


def test_probabilities_blended_are_the_masks(trained, tmp_path, competition):
    words = ("predict", "--images", tmp_path / "images", *FAST, "--out")
    _, following = typed(*words, tmp_path / "p", "--probabilities")
    assert following == f"next: python submit.py blend {tmp_path / 'p'} -c sample --out MASKS"
    typed("blend", tmp_path / "p", f"{tmp_path / 'p'}=3", "-c", "sample", "--out", tmp_path / "blended")
    typed(*words, tmp_path / "masks")
    for image in ("5000", "5007"):
        one, other = (masks_in(tmp_path / name, competition)(image) for name in ("blended", "masks"))
        assert np.mean(one == other) > 0.99


def test_pseudo_labels_from_the_command_line(trained, tmp_path):
    out = tmp_path / "pseudo"
    made, following = typed("pseudo", "--images", tmp_path / "images", "--out", out, *FAST, "--confidence", "0.8")
    assert made["images"] == ["5000", "5007"]
    assert sum(made["shares"].values()) == pytest.approx(1)
    assert following == f"next: python launch.py -c {out / 'sample.toml'} --data {out}"
