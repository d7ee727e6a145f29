"""The competitions that come with the kit: each file against a twin of its data, written and read back."""

import numpy as np
import pytest
import rasterio

from lib.competitions import available, find_pairs, load, parse
from lib.competitions.writing import write
from lib.errors import Refused
from lib.launching.preparing.plan import Request, make_plan
from lib.rasters import read_labels
from lib.recipe import resolve
from tests.twins import MAKERS, twin

NAMES = sorted(MAKERS)


@pytest.fixture(scope="module", params=NAMES)
def made(request, tmp_path_factory):
    return twin(request.param, tmp_path_factory.mktemp(request.param))


def test_every_competition_has_a_twin():
    assert available() == NAMES == ["catalonia", "deepglobe", "dfc2019", "dubai", "harvey", "landcoverai", "sample"]
    for name in NAMES:
        competition = load(name)
        assert (competition.name, bool(competition.title)) == (name, True)
        resolve([("recipe", competition.recipe), ("laptop", competition.laptop)])


def test_every_image_of_a_twin_has_its_mask(made):
    train = find_pairs(made.competition.data.train, made.root)
    assert {pair.id for pair in train} == set(made.labels)
    assert all(pair.mask.is_file() for pair in train)
    if made.competition.data.test:
        tests = find_pairs(made.competition.data.test, made.root, masks=False)
        assert len(tests) >= 2
        assert {pair.id for pair in tests}.isdisjoint(made.labels)


def test_masks_hold_what_was_drawn(made):
    """Read by the kit where it reads such files, and by rasterio or its values otherwise."""
    values = np.full(256, 255, np.int32)
    for pair in find_pairs(made.competition.data.train, made.root):
        drawn = made.labels[pair.id]
        if made.competition.masks.resample:
            with rasterio.open(pair.mask) as file:
                stored = file.read(1)
            for index, value in enumerate(made.competition.values):
                values[value] = index
            assert np.array_equal(values[stored], drawn)
        else:
            assert np.array_equal(read_labels(pair.mask, made.competition), drawn)
    seen = set(np.concatenate([np.unique(labels) for labels in made.labels.values()]).tolist())
    assert seen - {255} == set(range(len(made.competition.classes)))
    assert (255 in seen) == bool(made.competition.ignore)


def test_a_twin_is_the_same_every_time(made, tmp_path):
    again = twin(made.competition.name, tmp_path)
    for name, labels in made.labels.items():
        assert np.array_equal(again.labels[name], labels)
    names = sorted(path.relative_to(made.root) for path in made.root.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", NAMES)
def test_a_competition_written_is_the_competition(tmp_path, name):
    write(tmp_path / "own.toml", load(name), about="Two lines\nof words.")
    assert parse(tmp_path / "own.toml") == load(name)


def test_the_official_lists_name_whole_tiles(tmp_path):
    made = twin("landcoverai", tmp_path)
    lists, sizes = made.competition.data.lists, {name: labels.shape for name, labels in made.labels.items()}
    lines = {key: (tmp_path / getattr(lists, key)).read_text().split() for key in ("train", "validation", "test")}
    named = [line for each in lines.values() for line in each]
    assert len(set(named)) == len(named) > 4
    for line in named:
        image, k = line.rsplit("_", 1)
        height, width = sizes[image]
        row, column = divmod(int(k), -(-width // lists.tile))
        assert (row + 1) * lists.tile <= height
        assert (column + 1) * lists.tile <= width
    assert any(int(line.rsplit("_", 1)[1]) >= 2 for line in named)  # past a row's incomplete tile


def test_two_dates_share_one_raster_of_labels(tmp_path):
    made = twin("catalonia", tmp_path)
    april, august = find_pairs(made.competition.data.train, tmp_path)
    assert (april.id, august.id) == ("april", "august")
    assert april.mask == august.mask == tmp_path / "labels.tif"
    assert april.group == august.group
    with rasterio.open(april.image) as image, rasterio.open(april.mask) as labels:
        assert (image.count, image.dtypes[0], labels.dtypes[0]) == (10, "uint16", "uint8")
        assert made.competition.images.channels == image.count
        assert (image.bounds, image.crs) == (labels.bounds, labels.crs)
        assert (labels.height, labels.width) == (10 * image.height, 10 * image.width)


def test_views_of_one_place_are_one_group(tmp_path):
    made = twin("dfc2019", tmp_path)
    groups = {pair.id: pair.group for pair in find_pairs(made.competition.data.train, tmp_path)}
    assert groups["JAX_004_006"] == groups["JAX_004_010"] == "JAX_004"
    assert groups["JAX_068_001"] != groups["JAX_004_006"]


@pytest.mark.parametrize(
    ("name", "dataset"),
    [
        ("deepglobe", "balraj98/deepglobe-land-cover-classification-dataset"),
        ("dubai", "humansintheloop/semantic-segmentation-of-aerial-imagery"),
        ("landcoverai", "adrianboguszewski/landcoverai"),
    ],
)
def test_a_push_names_the_kaggle_data_set(program, name, dataset):
    plan = program.json("launch.py", "-c", name, "--gpu", "t4x2", "--dry-run", "--json")
    assert dataset in str(plan)


@pytest.mark.parametrize("name", ["catalonia", "dfc2019", "harvey"])
def test_without_data_on_kaggle_a_push_is_refused_with_the_key(name):
    with pytest.raises(Refused, match=f"{name} names no data on Kaggle") as caught:
        make_plan(Request(competition=name, gpu="t4x2"), {})
    assert "[kaggle]" in caught.value.hint
