"""From a competition's data to a scored submission, by the two commands: bands, other grids, parts of images, lists."""

import csv
import json

import numpy as np
import pytest
import rasterio

from lib import files
from lib.competitions import find_pairs
from lib.data.lists import numbered
from lib.rasters import header_size
from tests.programs import given
from tests.twins import twin

SHORT = given({"train.epochs": 1, "train.steps": 2, "train.batch": 2, "data.crop": 64, "data.tile": 64})


SIDES = ("top", "bottom", "left", "right")


def overlap(one, other) -> int:
    """Pixels that two windows share."""
    down, across = (min(one[k + 1], other[k + 1]) - max(one[k], other[k]) for k in (0, 2))
    return max(0, down) * max(0, across)


def trained(program, name: str, root, *words: str) -> tuple[dict, dict, str]:
    """The run's document, the session's summary and its log."""
    run = program.json("launch.py", "-c", name, "--data", root, *SHORT, *words)
    folder = program.runs / run["id"]
    return run, files.read_json(folder / "outputs" / "summary.json"), (folder / "log.txt").read_text()


def test_ten_bands_and_labels_ten_times_finer(program, tmp_path):
    """Two dates of one place: held out are blocks of both, and labels come onto the images' grid."""
    made = twin("catalonia", tmp_path / "data")
    run, summary, log = trained(
        program, "catalonia", made.root, *given({"data.block": 24, "data.crop": 32, "data.tile": 32})
    )
    windows = {name: tuple(window) for name, window in summary["windows"].items()}
    assert set(windows) == set(summary["validation"])
    places = {month: {windows[name] for name in windows if name.startswith(month)} for month in ("april", "august")}
    assert places["april"] == places["august"] != set()
    assert len(summary["radiometry"]["low"]) == 10
    assert summary["radiometry"]["clip"] is True
    assert "spatial blocks" in summary["division"]
    assert "transport-network" in log, "the class balance"
    truth = np.array(summary["table"]["pixels"]).sum()
    area = sum((bottom - top) * (right - left) for top, bottom, left, right in windows.values())
    assert 0.5 * area < truth <= area, "each pixel of the image's grid once, but for what has no label"

    masks = tmp_path / "masks"
    april = made.root / "images" / "april.tif"
    program("submit.py", "predict", "--images", april, "--run", run["id"], "--out", masks, "--tta", "none")
    with rasterio.open(masks / "april.tif") as mask, rasterio.open(april) as image:
        assert (mask.crs, mask.transform, mask.shape) == (image.crs, image.transform, image.shape)
        assert set(np.unique(mask.read(1))) <= set(made.competition.values)


def test_official_lists_of_tiles(program, tmp_path):
    """Trained and validated on the tiles that the lists name; those of the test list are the submission, whose labels
    nobody reviews."""
    made = twin("landcoverai", tmp_path / "data")
    lists = {name: (made.root / f"{name}.txt").read_text().split() for name in ("train", "val", "test")}
    scale = given({"data.scale": 0.25})
    _, summary, _ = trained(program, "landcoverai", made.root, *scale)
    assert summary["validation"] == sorted(lists["val"])
    assert summary["training"]["images"] == len(lists["train"])
    assert {bottom - top for top, bottom, _, _ in summary["windows"].values()} == {512}
    scored = program.json("submit.py", "--tta", "none")
    assert (scored["which"], scored["problems"]) == ("test", [])
    assert set(scored["score"]["images"]) == set(lists["test"])
    assert sum(row["truth"] for row in scored["score"]["classes"]) == 512 * 512 * len(lists["test"])
    reviewed = program.json("launch.py", "labels", "--side", 256)
    pairs = find_pairs(made.competition.data.train, made.root)
    tiles = {tile.id: tile for pair in pairs for tile in numbered(pair, 512, header_size(pair.image))}
    with open(reviewed["files"]["table"], newline="") as file:
        rows = [(row["image"], row["part"], *(int(row[key]) for key in SIDES)) for row in csv.DictReader(file)]
    assert len(rows) >= 4 * len(lists["train"]) + 4 * len(lists["val"])
    for image, part, *window in rows:
        own = [tiles[name] for name in lists["val" if part == "validation" else "train"]]
        shared = max(overlap(window, tile.window) for tile in own if tile.image.stem == image)
        assert 2 * shared >= 256 * 256, f"{window} of {image} is no {part} tile"
    tuned = program.json("submit.py", "tune", "--tta", "none")
    assert tuned["before"] == pytest.approx(summary["metric"]["value"], abs=2e-3), "8 bits a probability"


def test_a_set_is_divided_with_every_class_and_weighed(program, tmp_path):
    made = twin("dfc2019", tmp_path / "data")
    _, summary, log = trained(program, "dfc2019", made.root, *given({"data.scale": 1}))
    assert "class" in summary["division"]
    assert len({name.rpartition("_")[0] for name in summary["validation"]}) >= 1
    assert json.dumps(summary["recipe"]["train"]["class_weights"]) == '"effective"'
    assert "bridge *" in log, "the rare classes are marked"


@pytest.mark.parametrize(
    ("words", "said"),
    [({"data.folds": 9}, "4 groups cannot be split into 9 folds"), ({"data.exclude": ["OMA"]}, "OMA")],
)
def test_a_recipe_that_does_not_fit_the_data_is_told_before_pixels_are_read(program, tmp_path, words, said):
    made = twin("dfc2019", tmp_path / "data")
    done = program("launch.py", "-c", "dfc2019", "--data", made.root, *SHORT, *given(words), code=1)
    assert said in done.stderr
