"""Rasters by windows: read as rasterio reads them whole, written with the place that they came with, resumed."""

import subprocess
import sys
import warnings

import cv2
import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from lib.competitions import Pair, load
from lib.errors import DataError
from lib.inference import folder as folders
from lib.inference import restore
from lib.inference.folder import predict_folder
from lib.inference.output import MaskOutput
from lib.inference.source import prepare
from lib.rasters import masks_in, read_image, read_labels
from lib.rasters.geotiff import PartFile, in_tiles, write_geotiff
from lib.rasters.reader import Pixels, open_image
from tests.inferring import Pointwise, picture, predictor, whole
from tests.programs import PROJECT

PLACE = {"crs": "EPSG:32631", "transform": rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 4_600_000)}


def save(path, image, **more):
    bands = image.transpose(2, 0, 1) if image.ndim == 3 else image[None]
    form = {"driver": "GTiff", "dtype": image.dtype.name, "count": len(bands)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", height=image.shape[0], width=image.shape[1], **form, **more) as file:
            file.write(bands)
    return path


def test_a_window_is_the_whole_there(tmp_path):
    image = picture(130, 170)
    for path in (
        save(tmp_path / "a.tif", image, tiled=True, blockxsize=64, blockysize=64, compress="deflate", **PLACE),
        save(tmp_path / "b.gtif", image),
    ):
        with open_image(path) as source:
            assert source.shape == (130, 170)
            assert np.array_equal(source.read(0, 130, 0, 170), read_image(path))
            assert np.array_equal(source.read(11, 100, 60, 161), image[11:100, 60:161])


def test_a_mask_that_has_a_place_is_read_without_a_word(tmp_path, capfd):
    """OpenCV knows no tags of places."""
    labels = picture(40, 50)[..., 0] % 5
    path = save(tmp_path / "a.tif", labels, **PLACE)
    assert np.array_equal(read_labels(path, load("landcover-ai")), labels)
    assert capfd.readouterr().err == ""


def test_grey_and_more_bands(tmp_path):
    image = picture(40, 50)
    with open_image(save(tmp_path / "grey.tif", image[..., 0], **PLACE)) as source:
        assert np.array_equal(source.read(3, 9, 5, 8), np.repeat(image[3:9, 5:8, :1], 3, axis=2))
    with open_image(save(tmp_path / "four.tif", np.dstack([image, image[..., 0]]), **PLACE)) as source:
        assert np.array_equal(source.read(3, 9, 5, 8), image[3:9, 5:8])


@pytest.mark.parametrize("kind", ["two bands", "16 bits", "cut short", "missing"])
def test_what_is_no_image(tmp_path, kind):
    path, image = tmp_path / "a.tif", picture(40, 50)
    if kind != "missing":
        save(path, image[..., :2] if kind == "two bands" else image.astype(np.uint16) if kind == "16 bits" else image)
    if kind == "cut short":
        path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DataError, match=r"a\.tif"), open_image(path) as source:
        source.read(0, 40, 0, 50)


def test_a_working_size_is_read_by_windows_as_at_once(tmp_path):
    image = picture(301, 403)
    path = save(tmp_path / "a.tif", image, **PLACE)
    with open_image(path) as raster:
        small = raster.at((101, 140))
        full = small.read(0, 101, 0, 140).astype(int)
        assert abs(full - cv2.resize(image, (140, 101), interpolation=cv2.INTER_AREA)).max() <= 2
        for top, bottom, left, right in ((0, 40, 0, 140), (33, 101, 20, 77), (100, 101, 139, 140)):
            window = small.read(top, bottom, left, right).astype(int)
            assert abs(window - full[top:bottom, left:right]).max() <= 1


def test_a_mask_keeps_the_place_of_its_image(tmp_path):
    """Also at a size that the competition fixes; an image without a place has a PNG."""
    image, competition = picture(60, 80), load("sample")
    paths = [save(tmp_path / "a.tif", image, nodata=9, **PLACE), save(tmp_path / "b.tif", image)]
    pairs = [Pair(path.stem, path, None, path.stem) for path in paths]
    teller = predictor(Pointwise(6))
    for name, size in (("own", None), ("fixed", (30, 20))):
        submission = competition.submission.model_copy(update={"size": size})
        sized = competition.model_copy(update={"submission": submission})
        outcome = predict_folder(MaskOutput(teller, sized, tmp_path / name), pairs)
        assert outcome.made == ["a", "b"]
        assert sorted(path.name for path in (tmp_path / name).glob("[!.]*.[pt]*")) == ["a.tif", "b.png"]
        expected = restore(whole(teller, Pixels(image)), size or (60, 80))
        assert all(np.array_equal(masks_in(tmp_path / name, sized)(each), expected) for each in "ab")
        with rasterio.open(tmp_path / name / "a.tif") as mask, rasterio.open(paths[0]) as source:
            assert (mask.crs, mask.nodata, mask.count, mask.dtypes) == (source.crs, 9, 1, ("uint8",))
            assert mask.bounds == source.bounds


def test_tiles_are_filled_before_they_are_compressed(tmp_path):
    labels = np.random.default_rng(0).integers(0, 9, (1300, 600)).astype(np.uint8)
    rows = [(top, labels[top : top + 371]) for top in range(0, 1300, 371)]
    blocks = list(in_tiles(rows))
    assert [(top, block.shape[0]) for top, _, block in blocks] == [(0, 512), (512, 512), (1024, 276)]
    write_geotiff(tmp_path / "a.tif", labels.shape, np.uint8, blocks)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(tmp_path / "a.tif") as file:
            assert np.array_equal(file.read(1), labels)
            assert file.profile["tiled"]
            assert file.compression.name == "deflate"


def test_a_part_of_another_identity_is_begun_again(tmp_path):
    for identity, rows in (("one", 0), ("one", 2), ("other", 0)):
        part = PartFile(tmp_path / "a.tif", (4, 3), np.uint8, {"made by": identity})
        assert (part.left, part.rows) == (0, rows)
        part.add(rows, 0, np.full((2, 3), rows + 1))
        part.close()
    assert part.path.stat().st_size == 12


KILLED = """
import os, signal, sys
from pathlib import Path
from lib.competitions import Pair, load
from lib.inference import folder
from lib.inference.output import MaskOutput
from lib.inference.source import prepare
from tests.inferring import Pointwise, predictor

class Mortal(Pointwise):
    left = int(sys.argv[2])

    def forward(self, images):
        Mortal.left -= 1
        if not Mortal.left:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(images)

folder.prepare = lambda pair, predictor: prepare(pair, predictor, large=1000)
root = Path(sys.argv[1])
output = MaskOutput(predictor(Mortal(6)), load("sample"), root / "out")
folder.predict_folder(output, [Pair("a", root / "a.tif", None, "a")], {"members": ["x"]})
print(int(sys.argv[2]) - Mortal.left)
"""


def test_a_large_raster_survives_a_kill_at_any_moment(tmp_path, monkeypatch):
    """Killed in the middle, the same command makes what is missing only, and the mask is that of one go."""
    image, competition = picture(300, 150), load("sample")
    path = save(tmp_path / "a.tif", image, nodata=0, **PLACE)

    def run(windows):
        command = [sys.executable, "-c", KILLED, str(tmp_path), str(windows)]
        return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)

    assert run(11).returncode == -9
    assert not (tmp_path / "out" / "a.tif").exists()
    assert (tmp_path / "out" / ".a.tif.part").stat().st_size == 300 * 150
    done = run(1000)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == 12, "of six rows of three windows three were done, the last of which is seen again"
    monkeypatch.setattr(folders, "prepare", lambda pair, predictor: prepare(pair, predictor, large=10**9))
    predict_folder(MaskOutput(predictor(Pointwise(6)), competition, tmp_path / "once"), [Pair("a", path, None, "a")])
    assert np.array_equal(*(masks_in(tmp_path / name, competition)("a") for name in ("out", "once")))
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == ["a.tif", "predictions.json"]
