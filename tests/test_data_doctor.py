"""`launch.py doctor --data DIR`: each fault, planted alone into a healthy folder, is found; else nothing is."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import Affine

from lib.competitions import IGNORE, load
from lib.competitions.loader import parse
from lib.data.doctor import counting, examine
from lib.data.doctor.classes_file import colour_of
from lib.data.scenes import scene
from tests.conftest import PROJECT

DUBAI = PROJECT.parent / "shared" / "data" / "dubai"

COLOURS = ["#00FFFF", "#FFFF00", "#FF00FF", "#00FF00", "#0000FF", "#FFFFFF"]
NAMES = ["urban", "field", "range", "forest", "water", "barren"]
SIDE = 160
IDS = "abcdefgh"


@pytest.fixture(scope="module")
def pictures() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Eight scenes with all classes; no pixel is ignored."""
    drawn = {}
    for number, name in enumerate(IDS):
        image, labels = scene(40 + number, SIDE, SIDE + 8)
        labels[labels == IGNORE] = 1
        drawn[name] = image, labels
    every = [set(np.unique(labels).tolist()) for _, labels in drawn.values()]
    assert all(sum(label in kinds for kinds in every) > 1 for label in range(6))
    return drawn


class Folder:
    """A data root of images/ID.png and masks/ID.png, and a competition that describes it."""

    def __init__(self, root: Path, pictures: dict) -> None:
        self.root, self.pictures = root, pictures
        for name in pictures:
            self.image(name, pictures[name][0])
            self.mask(name, pictures[name][1])

    def path(self, kind: str, name: str) -> Path:
        path = self.root / kind / (name if "." in name else f"{name}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def image(self, name: str, pixels: np.ndarray, **more) -> None:
        Image.fromarray(pixels).save(self.path("images", name), **more)

    def mask(self, name: str, pixels: np.ndarray) -> None:
        Image.fromarray(pixels).save(self.path("masks", name))

    def masks(self, change) -> None:
        """Every mask changed."""
        for name, (_, labels) in self.pictures.items():
            self.mask(name, change(labels.copy()))

    def colours(self) -> np.ndarray:
        return np.array([[int(text[start : start + 2], 16) for start in (1, 3, 5)] for text in COLOURS], np.uint8)

    def competition(self, coding="index", classes=6, first=0, masks="", images="", layout="", more=""):
        text = f'name = "field"\n{layout or LAYOUT}\n[images]\n{images}\n[masks]\ncoding = "{coding}"\n{masks}\n'
        for place in range(classes):
            text += f'[[classes]]\nname = "{NAMES[place]}"\ncolour = "{COLOURS[place]}"\n'
            text += f"value = {place + first}\n" if coding == "index" else ""
        text += f'{more}\n[submission.zip]\npixels = "index"\n[metric]\nmeasure = "iou"\n'
        path = self.root.parent / "field.toml"
        path.write_text(text)
        return parse(path)

    def found(self, competition=None):
        return examine(competition, self.root).findings


LAYOUT = '[data.train]\nimages = "images/{id}.png"\nmasks = "masks/{id}.png"'


@pytest.fixture
def folder(tmp_path, pictures) -> Folder:
    return Folder(tmp_path / "data", pictures)


def only(findings, check: str, level: str, words: str):
    """The one finding, which is of this check and level and says so."""
    said = [(finding.level, finding.check, finding.what) for finding in findings]
    assert len(findings) == 1, said
    assert (findings[0].check, findings[0].level) == (check, level), said
    assert re.search(words, findings[0].what), said
    assert findings[0].level == "note" or findings[0].fix
    return findings[0]


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


# values


def test_a_value_that_no_class_has(folder, pictures):
    labels = pictures["c"][1].copy()
    labels[30:40, 50:60] = 9
    folder.mask("c", labels)
    told = only(folder.found(folder.competition()), "values", "error", "value 9 is no class's: in 1 of 8 masks")
    assert told.share == pytest.approx(100 / (8 * SIDE * (SIDE + 8)))
    assert (told.example.mask, told.example.row, told.example.column) == (folder.path("masks", "c"), 30, 50)
    folder.masks(lambda labels: folder.colours()[labels])
    colour = folder.colours()[pictures["c"][1]]
    colour[30:40, 50:60] = (12, 13, 14)
    folder.mask("c", colour)
    only(folder.found(folder.competition("colour")), "values", "error", "colour #0C0D0E is no class's")
    only(folder.found(), "values", "warning", "colour #0C0D0E is rare and nobody explains it: in 1 of 8 masks")
    assert folder.found(folder.competition("colour", masks="tolerance = 20")) != ()
    black = folder.competition("colour", more='[[ignore]]\nname = "odd"\ncolour = "#0C0D0E"')
    only(folder.found(black), "values", "note", r"#0C0D0E \(odd\) is ignored: in 1 of 8 masks")


def test_a_colour_that_slipped(folder, pictures):
    folder.masks(lambda labels: folder.colours()[labels])
    colour = folder.colours()[pictures["c"][1]]
    colour[30:40, 50:60] = (5, 250, 250)
    folder.mask("c", colour)
    told = only(folder.found(folder.competition("colour")), "values", "error", "#05FAFA")
    assert told.fix == "it is near urban's #00FFFF: masks.tolerance = 5"
    assert folder.found(folder.competition("colour", masks="tolerance = 5")) == ()


def test_off_by_one(folder):
    folder.masks(lambda labels: labels + 1)
    only(folder.found(folder.competition()), "values", "error", "values are 1 to 6 where classes are 0 to 5")
    assert folder.found(folder.competition(first=1)) == ()
    only(folder.found(), "values", "note", "values are 1 to 6 and never 0")
    folder.masks(lambda labels: labels)
    only(folder.found(folder.competition(classes=5)), "values", "error", "values are 0 to 5, 6 of them for 5 classes")
    only(folder.found(folder.competition(first=1)), "values", "error", "values are 0 to 5 where classes are 1 to 6")


def binary(labels):
    return (labels > 2).astype(np.uint8)


@pytest.mark.parametrize("value", [254, 7])
def test_foreground_that_is_not_255(folder, value):
    folder.masks(lambda labels: binary(labels) * value)
    two = folder.competition(classes=2, more="")
    text = (folder.root.parent / "field.toml").read_text().replace("value = 1", "value = 255")
    (folder.root.parent / "field.toml").write_text(text)
    two = parse(folder.root.parent / "field.toml")
    told = only(folder.found(two), "values", "error", f"foreground is {value}, not 255")
    assert told.fix == f"set value = {value} for field in [[classes]]"
    only(folder.found(), "values", "warning", f"foreground is {value}, not 255")
    folder.masks(lambda labels: binary(labels) * 255)
    assert folder.found(two) == folder.found() == ()
    folder.masks(binary)
    only(folder.found(two), "values", "error", "foreground is 1, not 255")
    only(folder.found(), "values", "note", "looks black to the eye")
    (folder.root.parent / "field.toml").write_text(text.replace("[masks]\n", "[masks]\nthreshold = 128\n"))
    low = folder.found(parse(folder.root.parent / "field.toml"))
    assert "foreground is 1, below masks.threshold = 128" in low[0].what


def test_foreground_with_soft_borders(folder):
    def soft(labels):
        return cv2.resize(cv2.resize(binary(labels) * 255, (84, 80), interpolation=cv2.INTER_AREA), labels.shape[::-1])

    folder.masks(soft)
    told = only(folder.found(), "values", "warning", "foreground with soft borders")
    assert (told.check, told.fix) == ("values", "read them by a limit: masks.threshold = 128")
    folder.competition(classes=2)
    path = folder.root.parent / "field.toml"
    text = path.read_text().replace("value = 1", "value = 255")
    path.write_text(text)
    assert only(folder.found(parse(path)), "values", "error", "soft borders").share > 0.01
    path.write_text(text.replace("[masks]\n", "[masks]\nthreshold = 128\n"))
    assert folder.found(parse(path)) == ()


def test_labels_that_look_made_by_bilinear_resizing(folder, pictures):
    def blurred(pixels):
        return cv2.resize(cv2.resize(pixels, (84, 80), interpolation=cv2.INTER_NEAREST), (168, 160))

    folder.masks(lambda labels: blurred(labels * 40))
    told = only(folder.found(), "values", "warning", "look made by bilinear resizing")
    assert len(told.where) == 8
    folder.masks(lambda labels: blurred(folder.colours()[labels]))
    for competition in (folder.competition("colour"), None):
        told = next(each for each in folder.found(competition) if "bilinear" in each.what)
        assert "nearest neighbour" in told.fix
        assert told.level == ("error" if competition else "warning")


def test_colour_pictures_where_numbers_are_asked(folder):
    folder.masks(lambda labels: folder.colours()[labels])
    found = folder.found(folder.competition())
    assert found[0].level == "error"
    assert "pictures in colours" in found[0].what
    assert found[0].fix.startswith('set masks.coding = "colour"')


# palettes and files of classes


def palette_mask(folder, name, labels, table):
    picture = Image.fromarray(labels).convert("P")
    picture.putdata(labels.ravel().tolist())
    picture.putpalette([int(part) for colour in table for part in colour])
    picture.save(folder.path("masks", name))


def test_palette_masks_and_what_happens_if_they_are_read_the_other_way(folder, pictures):
    colours = folder.colours()
    folder.masks(lambda labels: colours[labels])
    for name in "ab":
        order = np.arange(6) if name == "a" else np.arange(6)[::-1]
        palette_mask(folder, name, np.argsort(order)[pictures[name][1]].astype(np.uint8), colours[order])
        assert np.array_equal(
            np.array(Image.open(folder.path("masks", name)).convert("RGB")), colours[pictures[name][1]]
        )
    told = only(folder.found(folder.competition("colour")), "palette", "warning", "2 of 8 masks are palette PNGs")
    assert "read as colours; a reader that takes their numbers gets 0 to 5" in told.what
    assert re.search(r"; number \d is #[0-9A-F]{6} and #[0-9A-F]{6} in different files \(2 palettes\)$", told.what)
    assert set(told.where) == {folder.path("masks", name) for name in "ab"}


def test_palette_masks_that_mean_the_other_thing(folder, pictures):
    grey = np.arange(0, 60, 10).repeat(3).reshape(6, 3)
    for name, (_, labels) in pictures.items():
        palette_mask(folder, name, labels, grey)
    only(folder.found(folder.competition()), "palette", "note", "read as numbers")
    wrong = next(each for each in folder.found(folder.competition("colour")) if each.check == "palette")
    assert (wrong.level, wrong.fix) == ("error", 'set masks.coding = "index"')
    for name, (_, labels) in pictures.items():
        palette_mask(folder, name, 100 + labels, np.concatenate([np.zeros((100, 3), int), folder.colours()]))
    wrong = next(each for each in folder.found(folder.competition()) if each.check == "palette")
    assert (wrong.level, wrong.fix) == ("error", 'set masks.coding = "colour"')


def test_a_file_of_classes_that_is_wrong(folder):
    folder.masks(lambda labels: folder.colours()[labels])
    right = {"classes": [{"title": name, "color": colour} for name, colour in zip(NAMES, COLOURS, strict=True)]}
    (folder.root / "classes.json").write_text(json.dumps(right))
    assert folder.found() == folder.found(folder.competition("colour")) == ()
    right["classes"][4]["color"] = "#50E3C2"
    (folder.root / "classes.json").write_text(json.dumps(right))
    told = only(folder.found(folder.competition("colour")), "classes file", "warning", "1 of its 6 colours in no mask")
    assert "(water #50E3C2)" in told.what
    assert "masks hold 1 colour that it does not list (#0000FF" in told.what
    assert told.fix.endswith("water #0000FF")
    (folder.root / "classes.json").unlink()
    rows = [
        "name,r,g,b",
        *(f"{name},{int(c[1:3], 16)},{int(c[3:5], 16)},7" for name, c in zip(NAMES, COLOURS, strict=True)),
    ]
    (folder.root / "class_dict.csv").write_text("\n".join(rows))
    told = only(folder.found(folder.competition("colour")), "classes file", "warning", "6 of its 6 colours in no mask")
    assert told.where == (folder.root / "class_dict.csv",)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *((text, 0x3C1098) for text in ("#3C1098", " #3c1098", [60, 16, 152], "60, 16, 152", "(60,16,152)")),
        *((text, None) for text in ("3C1098", "red", [1, 2], [1, 2, 256], None, 7, "1 2 3 4", [None, 1, 2])),
    ],
)
def test_colours_are_read_as_people_write_them(text, code):
    assert colour_of(text) == code


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
    folder = Folder(tmp_path / "data", pictures)
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
    folder = Folder(tmp_path / "data", pictures)
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


def test_the_command_tells_all_and_writes_a_page(program, folder, pictures):
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
    document = program.json("launch.py", "doctor", "--data", folder.root, "--out", folder.root.parent / "out")
    assert document["findings"] == []
    assert document["facts"]["images"] == 8
    assert Path(document["page"]) == folder.root.parent / "out" / "doctor-data.html"
    assert "Nothing wrong, nothing strange." in Path(document["page"]).read_text()


def test_words_that_make_no_sense(program, tmp_path):
    assert "--ceiling is for data" in program("launch.py", "doctor", "--ceiling", code=2).stderr
    assert "does not exist" in program("launch.py", "doctor", "--data", tmp_path / "none", code=2).stderr
    (tmp_path / "bare").mkdir()
    assert "no pairs of images and masks" in program("launch.py", "doctor", "--data", tmp_path / "bare", code=2).stderr
    assert "--data DIR" in program("launch.py", "doctor", "-c", "dubai", code=2).stderr


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
