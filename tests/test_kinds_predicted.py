"""Overlapping classes and instances from the images to the score, by the commands of `submit.py`.

Nothing is trained: the truth is what the random network says at a level of its own for each class.
"""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from sklearn.metrics import f1_score
from typer.testing import CliRunner

import submit
from lib import files
from lib.folders import Folders
from lib.inference import earlier
from lib.inference.output import MaskOutput
from lib.models import checkpoint
from lib.rasters import encode_png, masks_in, read_image
from tests.inferring import picture, predict
from tests.ready import ready_run

SIZE, HALF = (48, 64), (24, 32)
LEVELS = {"Fish": 0.3, "Flower": 0.7, "Gravel": 0.5, "Sugar": 0.8}

CLOUDS = """
name = "small-clouds"
preset = "understanding-clouds"
[data.train]
images = "images/{id}.png"
masks = "masks/Fish/{id}.png"
[data.test]
images = "test/{id}.png"
masks = "truth/Fish/{id}.png"
[submission]
size = [24, 32]
"""

FLAT = """
[data.train]
images = "images/{id}.png"
masks = "masks/{id}.png"
[data.test]
images = "test/{id}.png"
masks = "truth/{id}.png"
"""
SHIPS = f'name = "small-ships"\npreset = "airbus-ship"\n{FLAT}[submission]\nsize = [48, 64]\n'
VESSELS = f'name = "small-vessels"\npreset = "hubmap-vasculature"\n{FLAT}[submission]\nsize = [96, 128]\n'


def typed(*words) -> dict:
    """What a command prints with --json; its error is raised."""
    done = CliRunner().invoke(submit.app, [*map(str, words), "--json"])
    if done.exception and not (isinstance(done.exception, SystemExit) and not done.exit_code):
        raise done.exception
    return json.loads(done.stdout)


def made(folder, toml: str, monkeypatch):
    """A run whose network gives each class half of the pixels, and its data root, still without any mask."""
    data = folder / "data"
    for part, count in (("images", 4), ("test", 3)):
        for number in range(count):
            path = data / part / f"{part[0]}{number}.png"
            files.write(path, encode_png(picture(*SIZE, seed=number + 10 * len(part))))
    run = ready_run(folder / "runs", data, toml=toml)
    files.write_json(run.outputs / "summary.json", {"validation": [f"i{n}" for n in range(4)], "finished": True})
    own = checkpoint.load(run.checkpoint)
    with torch.inference_mode():
        images = torch.stack([torch.from_numpy(picture(*SIZE, seed=n)).permute(2, 0, 1) for n in range(4)])
        logits = own.model(images).float()
        head = next(module for module in reversed(list(own.model.modules())) if isinstance(module, torch.nn.Conv2d))
        scale = 2 / logits.std((0, 2, 3))
        head.weight *= scale[:, None, None, None]
        head.bias -= logits.mean((0, 2, 3))
        head.bias *= scale
    checkpoint.save(run.checkpoint, own.model, own.competition, own.recipe, 0.5, 1)
    monkeypatch.setenv("SWATH_RUNS", str(folder / "runs"))
    monkeypatch.setenv("SWATH_CACHE", str(folder / "cache"))
    return run, data, own


def seen(data, part: str, multilabel: bool, own):
    """Every image of a part with the network's probabilities, (C, 48, 64)."""
    for path in sorted((data / part).glob("*.png")):
        yield path.stem, predict(own.model, read_image(path), own.recipe, "none", multilabel)


def test_classes_that_overlap(tmp_path, monkeypatch):
    run, data, own = made(tmp_path, CLOUDS, monkeypatch)
    for part, folder in (("images", "masks"), ("test", "truth")):
        for image, p in seen(data, part, True, own):
            for name, plane in zip(LEVELS, p, strict=True):
                files.write(data / folder / name / f"{image}.png", encode_png(np.uint8(plane >= LEVELS[name]) * 255))
    found = typed("tune", "--tta", "none")
    assert found["helps"]
    assert found["after"] > found["before"] + 0.05
    assert found["searched"]["threshold"] == pytest.approx(LEVELS, abs=0.051)
    used = np.array([found["decision"]["threshold"][name] for name in LEVELS], np.float32)

    scores = {}
    for name, words in (("plain", ["--no-thresholds"]), ("tuned", [])):
        out, file = tmp_path / name, tmp_path / f"{name}.csv"
        assert typed("predict", *words, "--out", out)["images"] == ["t0", "t1", "t2"]
        typed("encode", out, "--out", file)
        assert typed("check", file, "--masks", out)["problems"] == []
        scores[name] = typed("score", file, "--truth", data / "truth")["score"]
        assert scores[name] == typed("score", out, "--truth", data / "truth")["score"]
    assert scores["tuned"] > scores["plain"] + 0.05

    pairs = []
    for image, p in seen(data, "test", True, own):
        bits = np.array(Image.open(tmp_path / "tuned" / f"{image}.tif"))
        assert bits.shape == HALF
        halved = p.reshape(4, 24, 2, 32, 2).mean((2, 4))  # bilinear at half the size
        for index, name in enumerate(LEVELS):
            mask = bits >> index & 1
            clear = abs(halved[index] - used[index]) > 1e-5
            assert np.array_equal(mask[clear], (halved[index] >= used[index])[clear])
            truth = p[index, ::2, ::2] >= LEVELS[name]  # nearest
            pairs.append(f1_score(truth.reshape(-1), mask.reshape(-1), zero_division=1.0))
    assert scores["tuned"] == pytest.approx(np.mean(pairs), abs=1e-9)

    typed("predict", "--probabilities", "--out", tmp_path / "p")
    blended = ("blend", tmp_path / "p", "--out", tmp_path / "blended", "--thresholds", run.folder / "thresholds.json")
    assert typed(*blended)["kept"] == 0
    assert typed(*blended)["kept"] == 3
    for image in ("t0", "t1", "t2"):
        both = [np.array(Image.open(tmp_path / name / f"{image}.tif")) for name in ("tuned", "blended")]
        assert np.mean(both[0] == both[1]) > 0.97, "but for the rounding of probabilities"


def test_instances_are_the_components_of_predicted_labels(tmp_path, monkeypatch):
    run, data, own = made(tmp_path, SHIPS, monkeypatch)
    wanted = {}
    for image, p in seen(data, "test", False, own):
        numbers, wanted[image] = ndimage.label(p.argmax(0) == 1, np.ones((3, 3)))
        files.write(data / "truth" / f"{image}.png", encode_png(numbers.astype(np.uint16)))
    assert sum(wanted.values()) > 3
    document = typed("--tta", "none")
    assert document["problems"] == []
    assert document["score"]["score"] == 1.0, "every component is found"
    rows = (run.folder / "submission.csv").read_text().splitlines()[1:]
    assert {image: sum(row.startswith(f"{image}.jpg,") for row in rows) for image in wanted} == wanted
    half = tmp_path / "half"
    shutil.copytree(data / "truth", half)
    numbers, _ = ndimage.label(np.arange(64) % 8 < 4)  # another truth: no component fits
    files.write(half / "t0.png", encode_png(np.tile(numbers, (48, 1)).astype(np.uint16)))
    assert typed("score", run.folder / "submission.csv", "--truth", half)["score"] < 1


def test_an_instance_is_as_sure_as_its_pixels_are_on_average(tmp_path, monkeypatch):
    run, data, own = made(tmp_path, VESSELS, monkeypatch)
    wanted = {}
    for image, p in seen(data, "test", False, own):
        whole = torch.nn.functional.interpolate(torch.from_numpy(p)[None], (96, 128), mode="bilinear")[0].argmax(0)
        numbers, count = ndimage.label(whole.numpy() == 1, np.ones((3, 3)))
        sure = torch.nn.functional.interpolate(torch.from_numpy(p.max(0))[None, None], (96, 128), mode="bilinear")
        wanted[image] = sorted(ndimage.mean(sure[0, 0].numpy(), numbers, np.arange(count) + 1))
        files.write(data / "truth" / f"{image}.png", encode_png(np.uint8(numbers % 2)))
    assert sum(map(len, wanted.values())) > 3
    document = typed("--tta", "none")
    assert document["problems"] == []
    assert 0 < document["score"]["score"] < 1

    typed("decode", run.folder / "submission.csv", "--out", tmp_path / "decoded")
    typed("predict", "--probabilities", "--tta", "none", "--out", tmp_path / "p")
    typed("blend", tmp_path / "p", "--out", tmp_path / "blended")
    for folder in (run.folder / "predictions", tmp_path / "decoded", tmp_path / "blended"):
        for image, sure in wanted.items():
            found = [each.confidence for each in masks_in(folder, own.competition)(image)]
            assert sorted(found) == pytest.approx(sure, abs=0.01)
            assert len(set(found)) > 1

    session = tmp_path / "input/notebooks/me/first"
    shutil.copytree(run.folder / "predictions", session / "predictions")
    earlier.begin(session, "abc", dict.fromkeys(wanted, 1))
    monkeypatch.setenv("SWATH_RESUMES", "me/first")
    output = MaskOutput(None, own.competition, tmp_path / "next")
    taken = earlier.take(Folders(tmp_path, tmp_path), "abc", output, dict.fromkeys(wanted, 1))
    both = [masks_in(folder, own.competition)(taken[0]) for folder in (output.folder, run.folder / "predictions")]
    assert [each.confidence for each in both[0]] == [each.confidence for each in both[1]] != []

    (run.folder / "predictions/confidences/t0.json").write_text("[1.0]")
    assert {each.confidence for each in masks_in(run.folder / "predictions", own.competition)("t0")} == {1.0}
    # those of other masks than the image's are not taken
