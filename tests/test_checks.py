"""Every file is opened before training: a good folder passes, a bad file is named with its reason."""

import numpy as np
import pytest

from lib.competitions import find_pairs, load
from lib.data import checks
from lib.data.cache import Cache
from lib.data.reading import Reading
from lib.errors import DataError
from lib.rasters import encode_png
from lib.rasters.radiometry import IMAGENET


def check(pairs, competition, folder=None):
    return checks.check(pairs, Reading(competition, IMAGENET, Cache(folder, 1e9) if folder else None), (1.0,))


def folder_with(tmp_path, competition, *, image=None, mask=None):
    good = np.zeros((8, 9, 3), np.uint8)
    for number in range(3):
        path = tmp_path / "train" / f"{number}_sat.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode_png(good))
        (tmp_path / "train" / f"{number}_mask.png").write_bytes(encode_png(good))
    if image is not None:
        (tmp_path / "train" / "1_sat.png").write_bytes(image)
    if mask is not None:
        (tmp_path / "train" / "1_mask.png").write_bytes(mask)
    return find_pairs(competition.data.train, tmp_path)


@pytest.mark.parametrize("cached", [True, False])
def test_a_good_folder_passes_the_check(tmp_path, competition, cached):
    assert check(folder_with(tmp_path, competition), competition, tmp_path / "cache" if cached else None) == 3 * cached


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"mask": encode_png(np.zeros((8, 10, 3), np.uint8))}, r"1_sat.png is 9x8 .*, its mask 1_mask.png is 10x8"),
        ({"image": b"broken"}, "1_sat.png is not a readable image"),
        (
            {"image": encode_png(np.random.default_rng(0).integers(0, 255, (8, 9, 3)).astype(np.uint8))[:-40]},
            "cut short",
        ),
    ],
)
def test_a_bad_file_is_named(tmp_path, competition, bad, said):
    with pytest.raises(DataError, match=said):
        check(folder_with(tmp_path, competition, **bad), competition)


def test_a_strange_colour_is_named(tmp_path):
    dubai = load("dubai").model_copy(update={"data": load("sample").data})
    picture = np.full((8, 9, 3), dubai.classes[0].rgb, np.uint8)
    picture[2, 5] = (9, 9, 9)
    pairs = folder_with(tmp_path, dubai, mask=encode_png(picture))
    with pytest.raises(DataError, match=r"1_mask.png: colour #090909 is no class's .* row 2, column 5"):
        check(pairs, dubai)
