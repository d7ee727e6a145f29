"""Where a competition's data root is found, in a session and at home."""

import pytest

from lib.competitions import load
from lib.data.roots import find_root
from lib.errors import DataError
from lib.folders import Folders


@pytest.mark.parametrize(
    "place",
    [
        "datasets/humansintheloop/semantic-segmentation-of-aerial-imagery",
        "semantic-segmentation-of-aerial-imagery",
        "datasets/somebody/a-copy-of-it/inside",
        "somewhere",
    ],
)
def test_the_data_root_is_found_under_both_layouts_and_by_search(tmp_path, place):
    dubai = load("dubai")
    folders = Folders(tmp_path, tmp_path)
    image = tmp_path / "input" / place / "Semantic segmentation dataset/Tile 1/images/image_part_001.jpg"
    image.parent.mkdir(parents=True)
    image.touch()
    assert find_root(dubai, folders) == tmp_path / "input" / place


def test_no_data_root_shows_the_tree(tmp_path):
    (tmp_path / "input" / "datasets" / "me" / "other").mkdir(parents=True)
    with pytest.raises(DataError, match=r"(?s)no folder under .*input holds images like .*datasets/me/"):
        find_root(load("dubai"), Folders(tmp_path, tmp_path))
    with pytest.raises(DataError, match=r"mounted are:\n    nothing"):
        find_root(load("dubai"), Folders(tmp_path / "empty", tmp_path))
