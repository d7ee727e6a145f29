"""`launch.py doctor --data DIR`: faults of pairs, files and statistics, planted alone, are found; else nothing is."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import Affine

from lib.competitions import load
from lib.data.doctor import counting, examine, records
from lib.rasters import stored
from tests.doctor_folder import IDS, LAYOUT, NAMES, SIDE, Folder, binary, only
from tests.programs import PROJECT

DUBAI = PROJECT.parent / "shared" / "data" / "dubai"


def test_a_healthy_folder_has_no_findings(folder):
    assert folder.found(folder.competition()) == ()
    assert folder.found() == ()
    facts = examine(folder.competition(), folder.root).facts
    assert (facts["images"], facts["masks"], sum(facts["parts"].values())) == (8, 8, 8)
    assert facts["sizes"] == [{"height": SIDE, "width": SIDE + 8, "images": 8}]


def test_facts_are_numpys(folder, pictures):
    facts = examine(folder.competition(), folder.root).facts
    labels = np.concatenate([labels.ravel() for _, labels in pictures.values()])
    for row in facts["classes"]:
        index = NAMES.index(row["name"])
        assert row["pixels"] == (labels == index).sum()
        assert row["masks"] == sum((labels == index).any() for _, labels in pictures.values())
    pixels = np.concatenate([image.reshape(-1, 3) for image, _ in pictures.values()]).astype(float)
    for band in facts["bands"]:
        column = pixels[:, band["band"] - 1]
        assert band["mean"] == pytest.approx(column.mean(), abs=1e-3)
        assert band["std"] == pytest.approx(column.std(), abs=1e-3)
        assert (band["min"], band["max"]) == (column.min(), column.max())
        assert band["percentiles"]["50"] == pytest.approx(np.percentile(column, 50), abs=1)


# pairs


def test_missing_partners_and_strays(folder):
    folder.path("masks", "c").rename(folder.path("masks", "zz"))
    for competition in (folder.competition(), None):
        lonely, stray = folder.found(competition)
        assert (lonely.level, lonely.check, stray.level, stray.check) == ("error", "pairs", "error", "pairs")
        assert lonely.where == (folder.path("images", "c"),)
        assert stray.where == (folder.path("masks", "zz"),)


def test_stems_that_collide(folder):
    for kind in ("images", "masks"):
        for tile, names in enumerate(("abcd", "efgh")):
            for number, name in enumerate(names):
                folder.path(kind, name).rename(folder.path(f"tile {tile}/{kind}", f"part{number}"))
    layout = '[data.train]\nimages = "tile {tile}/images/{part}.png"\nmasks = "tile {tile}/masks/{part}.png"\n'
    told = only(folder.found(folder.competition(layout=layout)), "ids", "note", "4 file names in several folders")
    assert "{tile}_{part}" in told.what
    wrong = folder.competition(layout=layout + 'id = "{part}"')
    ids = only(folder.found(wrong), "ids", "error", "4 ids that several images would have, such as 'part0'")
    assert "{tile}_{part}" in ids.fix
    only(folder.found(), "ids", "warning", "'part0' in 2 folders")


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("train/{}_sat.jpg", "train/{}_mask.png"),
        ("JPEGImages/images/{}.jpg", "SegmentationClass/masks/{}.png"),
        ("Segmentation set/images/{}.jpg", "Segmentation set/masks/{}.png"),
        ("img/{}.jpg", "gt/{}_gt.png"),
        ("val/images/{}.jpg", "val/labels/{}.png"),
    ],
)
def test_pairs_are_guessed_from_folders_and_endings(tmp_path, pictures, image, mask):
    for name, (pixels, labels) in pictures.items():
        for pattern, content in ((image, pixels), (mask, labels)):
            path = tmp_path / "x" / pattern.format(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(content).save(path)
    found = examine(None, tmp_path / "x")
    assert [(r.image.path.name[0], r.mask.path.name[0]) for r in found.images] == [(name, name) for name in IDS]
    assert found.findings == ()


def test_sizes_that_differ(folder, pictures):
    folder.mask("b", pictures["b"][1][:-2])
    told = only(folder.found(folder.competition()), "sizes", "error", "the image is 168x160, its mask 168x158")
    assert told.where == (folder.path("masks", "b"),)
    folder.mask("b", np.ascontiguousarray(pictures["b"][1].T))
    only(folder.found(folder.competition()), "sizes", "error", "rows and columns are swapped")
    only(folder.found(folder.competition(masks='resample = "nearest"')), "sizes", "note", "another size")


# files


@pytest.mark.parametrize("kind", ["images", "masks"])
@pytest.mark.parametrize("damage", ["cut", "empty", "text"])
def test_files_that_cannot_be_read(folder, kind, damage):
    path = folder.path(kind, "d")
    content = {"cut": path.read_bytes()[: path.stat().st_size // 2], "empty": b"", "text": b"404 not found"}[damage]
    path.write_bytes(content)
    told = only(folder.found(folder.competition()), "files", "error", f"1 {kind[:-1]} that cannot be read")
    assert told.where == (path,)
    if damage == "cut":
        assert "cut short" in told.what


def test_a_truncated_jpeg_and_a_truncated_tiff(folder, pictures):
    layout = LAYOUT.replace("images/{id}.png", "images/{id}")
    layout = layout.replace("masks/{id}.png", "masks/{id}.png").replace("images/{id}", "images/{id}.tif")
    for name in IDS:
        with rasterio.open(
            folder.path("images", f"{name}.tif"), "w", driver="GTiff", width=168, height=160, count=3, dtype="uint8",
            transform=Affine(1, 0, 0, 0, -1, 160), tiled=True, blockxsize=64, blockysize=64, compress="deflate",
        ) as file:  # fmt: skip
            file.write(np.moveaxis(pictures[name][0], -1, 0))
        folder.path("images", name).unlink()
    assert folder.found(folder.competition(layout=layout)) == ()
    path = folder.path("images", "e.tif")
    path.write_bytes(path.read_bytes()[:-9000])
    told = only(folder.found(folder.competition(layout=layout)), "files", "error", "1 image that cannot be read")
    assert told.where == (path,)
    cv2.imwrite(str(path), pictures["e"][0][..., ::-1])
    jpeg = cv2.imencode(".jpg", pictures["e"][0])[1].tobytes()
    path.write_bytes(jpeg[: len(jpeg) // 2])
    only(folder.found(folder.competition(layout=layout)), "files", "error", "cut short")


def test_masks_saved_as_jpeg(folder, pictures):
    layout = LAYOUT.replace("masks/{id}.png", "masks/{id}.jpg")
    for name, (_, labels) in pictures.items():
        folder.path("masks", name).unlink()
        folder.mask(f"{name}.jpg", folder.colours()[labels])
    found = folder.found(folder.competition("colour", layout=layout))
    assert [(each.level, each.check) for each in found if each.level == "error"] == [("error", "files")]
    assert "8 masks saved as JPEG" in found[0].what


# shares and statistics


def test_empty_masks_and_classes_that_are_not_there(folder, pictures):
    folder.mask("a", np.full((160, 168), 255, np.uint8))
    none = folder.competition(more='[[ignore]]\nname = "none"\nvalue = 255')
    empty = next(each for each in folder.found(none) if each.check == "shares")
    assert (empty.level, empty.where) == ("warning", (folder.path("masks", "a"),))
    folder.mask("a", np.full((160, 168), 2, np.uint8))
    only(folder.found(folder.competition()), "shares", "note", "1 mask of 8 with one class only")
    folder.masks(lambda labels: np.where(labels == 5, 1, labels))
    only(folder.found(folder.competition()), "classes", "warning", "1 class that no mask holds: barren is never learnt")
    holder = next(name for name in IDS if (pictures[name][1] == 5).any())
    folder.mask(holder, pictures[holder][1])
    only(folder.found(folder.competition()), "classes", "warning", "1 class held by one image only: barren")
    folder.masks(binary)
    folder.mask("a", np.zeros((160, 168), np.uint8))
    empty = next(each for each in folder.found() if each.check == "shares")
    assert empty.what == "1 empty mask of 8: background only"


def test_blank_dark_and_odd_images(folder, pictures):
    folder.image("a", np.full((160, 168, 3), 90, np.uint8))
    only(folder.found(folder.competition()), "statistics", "warning", "1 image of one single value")
    folder.image("a", pictures["a"][0] // 20)
    only(folder.found(folder.competition()), "statistics", "warning", "1 image nearly black")
    folder.image("a", np.ascontiguousarray(pictures["a"][0][..., 0]))
    only(folder.found(folder.competition()), "statistics", "warning", "images are of 2 kinds")
    folder.image("a", pictures["a"][0])
    bands = folder.competition(images="bands = [4, 3, 2]")
    only(folder.found(bands), "statistics", "error", r"8 images with fewer bands than images.bands asks for \(4\)")


def test_images_of_no_data(tmp_path, pictures):
    folder = Folder(tmp_path / "data")
    layout = LAYOUT.replace("images/{id}.png", "images/{id}.tif")
    for name, (image, _) in pictures.items():
        pixels = np.moveaxis(image.astype(np.float32), -1, 0)
        if name == "b":
            pixels[:] = -9999
        if name == "c":
            pixels[:, :100] = np.nan
        folder.path("images", name).unlink()
        with rasterio.open(
            folder.path("images", f"{name}.tif"), "w", driver="GTiff", width=168, height=160, count=3, dtype="float32",
            nodata=-9999, transform=Affine(2, 0, 0, 0, -2, 0),
        ) as file:  # fmt: skip
            file.write(pixels)
    diagnosis = examine(folder.competition(layout=layout), folder.root)
    assert [(each.level, each.where[0].stem) for each in diagnosis.findings] == [("warning", "b"), ("note", "c")]
    assert "nothing but no-data" in diagnosis.findings[0].what
    assert diagnosis.facts["nodata"] == pytest.approx((1 + 100 / 160) / 8)


# counting


def test_large_rasters_are_read_in_strips_and_give_the_same(folder, pictures, monkeypatch):
    layout = LAYOUT.replace(".png", ".tif")
    for name, (image, labels) in pictures.items():
        for kind, pixels in (("images", image.astype(np.uint16) * 20), ("masks", labels[..., None])):
            folder.path(kind, name).unlink()
            with rasterio.open(
                folder.path(kind, f"{name}.tif"), "w", driver="GTiff", width=168, height=160, count=pixels.shape[2],
                dtype=pixels.dtype, transform=Affine(2, 0, 0, 0, -2, 0),
            ) as file:  # fmt: skip
                file.write(np.moveaxis(pixels, -1, 0))
    whole = examine(folder.competition(layout=layout), folder.root)
    monkeypatch.setattr(stored, "LARGE", 5000)
    monkeypatch.setattr(records, "LARGE", 5000)
    monkeypatch.setattr(stored, "STRIP", 3100)
    heights = {len(strip) for _, strip in stored.strips(whole.images[0].image.path, whole.images[0].image.head)}
    assert heights == {18, 16}
    parts = examine(folder.competition(layout=layout), folder.root)
    assert whole.findings == parts.findings == ()
    assert whole.facts["classes"] == parts.facts["classes"]
    for one, other in zip(whole.facts["bands"], parts.facts["bands"], strict=True):
        assert [one[key] for key in ("mean", "std", "min", "max")] == [other[k] for k in ("mean", "std", "min", "max")]


def test_values_are_counted_as_numpy_counts_them():
    rng = np.random.default_rng(5)
    for dtype, shape in (
        ("uint8", (37, 53, 1)),
        ("int16", (41, 3, 1)),
        ("uint8", (29, 31, 3)),
        ("float32", (9, 11, 1)),
    ):
        pixels = rng.integers(0, 3, shape).astype(dtype) * (100 if dtype == "uint8" else -1)
        pixels = np.repeat(np.repeat(pixels, 3, 0), 2, 1)
        half = len(pixels) // 2
        values = counting.total([counting.count(pixels[:half])[0], counting.count(pixels[half:], half)[0]])
        codes = counting.codes_of(pixels).astype(np.int64)
        kinds, first, counts = np.unique(codes, return_index=True, return_counts=True)
        assert np.array_equal(values.codes, kinds)
        assert np.array_equal(values.counts, counts)
        assert np.array_equal(values.rows * pixels.shape[1] + values.columns, first)


# by hand


def test_the_command_tells_all_and_writes_a_page(program, launch, folder, pictures):
    labels = pictures["c"][1].copy()
    labels[30:40, 50:60] = 9
    folder.mask("c", labels)
    folder.competition()
    toml = folder.root.parent / "field.toml"
    done = program("launch.py", "doctor", "-c", toml, "--data", folder.root, code=1)
    lines = done.stdout.splitlines()
    assert lines[0].endswith("8 images, 8 masks (6 training, 2 validation)")
    assert re.match(r"error +values +value 9 is no class's: in 1 of 8 masks, 0.05% of all pixels", lines[1])
    assert lines[2].strip() == "see: masks/c.png at row 30, column 50"
    assert lines[3].strip().startswith("fix: add it to [[classes]]")
    assert "next: mend the errors, then python launch.py doctor" in done.stderr
    page = (program.runs / "doctor-field.html").read_text()
    assert page.count("data:image/jpeg;base64,") >= 2
    assert not re.search(r"https?://|src=\"(?!data:)", page)
    folder.mask("c", pictures["c"][1])
    document = launch.json("doctor", "--data", folder.root, "--out", folder.root.parent / "out")
    assert document["findings"] == []
    assert document["facts"]["images"] == 8
    assert Path(document["page"]) == folder.root.parent / "out" / "doctor-data.html"
    assert "Nothing wrong, nothing strange." in Path(document["page"]).read_text()


def test_words_that_make_no_sense(launch, tmp_path):
    assert "--ceiling is for data" in launch("doctor", "--ceiling", code=2).stderr
    assert "does not exist" in launch("doctor", "--data", tmp_path / "none", code=2).stderr
    (tmp_path / "bare").mkdir()
    assert "holds no picture" in launch("doctor", "--data", tmp_path / "bare", code=2).stderr
    assert "--data DIR" in launch("doctor", "-c", "dubai", code=2).stderr


def test_the_sample_is_healthy(scenes, competition):
    found = examine(competition, scenes)
    assert not found.failed
    assert {each.level for each in found.findings} <= {"note"}, [each.what for each in found.findings]
    assert found.facts["parts"]["test"] == 12


@pytest.mark.skipif(not DUBAI.is_dir(), reason=f"the real samples are not at {DUBAI}")
def test_the_real_dubai():
    everything = examine(load("dubai"), DUBAI).findings
    found = {each.check: each for each in everything if each.check != "values"}
    assert set(found) == {"palette", "classes file", "ids"}
    assert "18 of 54 masks are palette PNGs (Tile 2, Tile 4)" in found["palette"].what
    assert "5 of its 6 colours in no mask" in found["classes file"].what
    assert "9 file names in several folders each" in found["ids"].what
    ignored = [each.what for each in everything if each.check == "values"]
    assert any("#000000 (undocumented) is ignored: in 5 of 54 masks" in words for words in ignored)
    bare = [each for each in examine(None, DUBAI).findings if each.check == "values"]
    only(bare, "values", "warning", "colour #000000 is rare and nobody explains it: in 5 of 54 masks")
