"""The data doctor's duplicates, tiles of one mosaic and misaligned pairs, each planted alone."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import Affine

from lib.competitions import IGNORE
from lib.data.doctor import examine
from lib.data.scenes import scene
from tests.doctor_folder import IDS, LAYOUT, SIDE, Folder, only

# duplicates and leakage


def test_duplicates(folder, pictures):
    for kind in ("images", "masks"):
        shutil.copy(folder.path(kind, "a"), folder.path(kind, "b"))
    only(folder.found(), "duplicates", "warning", "1 image there twice: the very same file")
    for part, names in (("train", "acde"), ("val", "bfgh")):
        for kind in ("images", "masks"):
            for name in names:
                folder.path(kind, name).rename(folder.path(f"{part}/{kind}", name))
    told = only(folder.found(), "duplicates", "error", "1 image there twice across training and validation")
    assert "one group" in told.fix
    noise = np.random.default_rng(0).integers(-3, 4, pictures["a"][0].shape)
    again = np.clip(pictures["a"][0] + noise, 0, 255).astype(np.uint8)
    Image.fromarray(again).save(folder.path("val/images", "b"))
    labels = pictures["a"][1].copy()
    labels[:80] = 2
    Image.fromarray(labels).save(folder.path("val/masks", "b"))
    near, masks = folder.found()
    assert (near.level, "nearly the same picture" in near.what) == ("error", True)
    assert (masks.level, masks.what) == ("warning", "1 pair of the same image with different masks")


def test_duplicates_across_the_competitions_own_split(folder):
    competition = folder.competition()
    parts = {record.id: record.part for record in examine(competition, folder.root).images}
    held_out = next(name for name in IDS if parts[name] == "validation")
    other = next(name for name in IDS if parts[name] == "training")
    for kind in ("images", "masks"):
        shutil.copy(folder.path(kind, held_out), folder.path(kind, other))
    told = only(
        folder.found(competition), "duplicates", "error", "across (training and validation|validation and training)"
    )
    assert set(told.where) == {folder.path("images", name) for name in (held_out, other)}


@pytest.mark.parametrize(("step", "how"), [(SIDE, "neighbours"), (SIDE - 56, "overlap")])
def test_tiles_of_one_mosaic(tmp_path, pictures, step, how):
    folder = Folder(tmp_path / "data")
    image, labels = scene(7, SIDE, 2 * SIDE)
    labels[labels == IGNORE] = 1
    for name, left in (("m1", 0), ("m2", step)):
        folder.image(name, image[:, left : left + SIDE])
        folder.mask(name, labels[:, left : left + SIDE])
    told = only(folder.found(folder.competition()), "leakage", "warning", how)
    assert set(told.where) == {folder.path("images", "m1"), folder.path("images", "m2")}
    grouped = '[data.train]\nimages = "images/{group}{n}.png"\nmasks = "masks/{group}{n}.png"\ngroup = "{group}"'
    for kind in ("images", "masks"):
        for name in IDS:
            folder.path(kind, name).rename(folder.path(kind, f"{name}0"))
    assert folder.found(folder.competition(layout=grouped)) == ()


# alignment


def test_masks_that_are_turned_or_moved(folder, pictures):
    folder.masks(lambda labels: np.ascontiguousarray(labels[:, ::-1]))
    for competition in (folder.competition(), None):
        only(folder.found(competition), "alignment", "error", "better mirrored left to right, over 8 pairs")
    folder.masks(lambda labels: np.roll(labels, (0, 6), (0, 1)))
    only(folder.found(folder.competition()), "alignment", "error", "moved 6 pixels left, over 8 pairs")


def test_one_mask_that_is_turned(folder, pictures):
    folder.mask("f", np.ascontiguousarray(pictures["f"][1][::-1, ::-1]))
    told = only(folder.found(folder.competition()), "alignment", "error", "1 mask that fit.* far better turned by 180")
    assert told.where == (folder.path("masks", "f"),)


def test_a_cameras_orientation(folder, pictures):
    exif = Image.Exif()
    exif[0x0112] = 6
    jpeg = LAYOUT.replace("images/{id}.png", "images/{id}.jpg")
    for name, (image, _) in pictures.items():
        folder.path("images", name).unlink()
        folder.image(f"{name}.jpg", np.ascontiguousarray(np.rot90(image)), exif=exif, quality=95)
    told = only(folder.found(folder.competition(layout=jpeg)), "sizes", "error", "orientation tag")
    assert told.fix == 'set images.orientation = "exif"'
    exif[0x0112] = 3
    for name, (image, _) in pictures.items():
        folder.image(f"{name}.jpg", image, exif=exif, quality=95)
    only(
        folder.found(folder.competition(layout=jpeg)),
        "alignment",
        "warning",
        "8 images with a camera's orientation tag",
    )


def test_georeferences_that_differ(folder, pictures):
    layout = LAYOUT.replace(".png", ".tif")
    for name, (image, labels) in pictures.items():
        place = 1000 * IDS.index(name)
        for kind, pixels, left in (("images", image, place), ("masks", labels[..., None], place)):
            folder.path(kind, name).unlink()
            shift = 30 if (kind, name) == ("masks", "g") else 0
            with rasterio.open(
                folder.path(kind, f"{name}.tif"), "w", driver="GTiff", width=168, height=160, count=pixels.shape[2],
                dtype="uint8", crs="EPSG:32615", transform=Affine(10, 0, left + shift, 0, -10, 0),
            ) as file:  # fmt: skip
                file.write(np.moveaxis(pixels, -1, 0))
    told = only(folder.found(folder.competition(layout=layout)), "alignment", "error", r"3\.0 pixels away")
    assert told.where == (folder.path("masks", "g.tif"),)
