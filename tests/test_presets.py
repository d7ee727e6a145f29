"""Every preset's file: there and back, through the same functions as the commands, over small masks of odd sizes."""

import numpy as np
import pytest

from lib.competitions import load, presets
from lib.rasters import mask_folder, masks_in
from lib.rasters.instances import Instance, components
from lib.submissions import check, expected, read, write
from lib.submissions.containers.sent import as_sent, same

SIZES = {"im_7": (37, 53), "im_12": (64, 31), "im_3": (5, 2)}
EXTENTS = dict.fromkeys(SIZES, (0.0091, -0.0090))


def small(name):
    """A preset whose masks are small, where their size is fixed."""
    preset = load(name)
    form = preset.submission
    return preset.model_copy(update={"submission": form.model_copy(update={"size": (37, 53)})}) if form.size else preset


def blobs(rng, size, count: int) -> np.ndarray:
    """A label map (H, W) of rectangles, `count` labels."""
    labels = np.zeros(size, np.uint8)
    for _ in range(12):
        row, column = rng.integers(0, size[0]), rng.integers(0, size[1])
        height, width = rng.integers(1, 12, 2)
        labels[row : row + height, column : column + width] = rng.integers(0, count)
    return labels


def some_mask(competition, size, seed: int):
    """A mask of the competition's kind, every class somewhere in the small sizes' larger ones."""
    rng, count = np.random.default_rng(seed), len(competition.classes)
    labels = blobs(rng, size, count)
    if competition.kind == "labels":
        return labels
    if competition.kind == "bits":
        planes = [(blobs(rng, size, 2) * np.uint32(1 << index)).astype(np.uint32) for index in range(count)]
        return np.bitwise_or.reduce(planes)
    found = components(labels, competition.sent, 4)
    found += [Instance(found[0].index, found[0].runs)] if competition.submission.overlap else []
    return [Instance(each.index, each.runs, number % 7 / 8) for number, each in enumerate(found)]


@pytest.mark.parametrize("name", presets())
def test_there_and_back(name, tmp_path):
    competition = small(name)
    sizes = dict.fromkeys(SIZES, competition.submission.size) if competition.submission.size else SIZES
    if competition.submission.csv and competition.submission.csv.allow_empty is False:
        sizes = {"im_7": (37, 53)}
    masks = {image: some_mask(competition, size, seed) for seed, (image, size) in enumerate(sizes.items())}
    path = tmp_path / f"file{competition.submission.suffix}"
    layout = expected(competition, sizes, extents=EXTENTS)
    write(masks.__getitem__, competition, layout, path)
    found = dict(read(path, competition, layout))
    assert set(found) == set(sizes)
    for image, size in sizes.items():
        assert same(found[image], as_sent(masks[image], competition, size)), image
    assert check(path, competition, layout, masks.__getitem__) == []
    mask_folder.write(tmp_path / "masks", competition, layout.images, found.items(), {}, layout.sizes)
    brought = masks_in(tmp_path / "masks", competition)
    again = tmp_path / f"again{competition.submission.suffix}"
    write(brought, competition, expected(competition, brought.sizes(), extents=EXTENTS), again)
    assert content(again) == content(path), "encode(decode(file)) is the file"


def content(path) -> dict[str, bytes]:
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return {"" if file == path else file.relative_to(path).as_posix(): file.read_bytes() for file in files}
