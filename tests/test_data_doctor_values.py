"""The data doctor's faults of values, palettes and files of classes, each planted alone."""

from __future__ import annotations

import json
import re

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from lib.competitions import IGNORE
from lib.competitions.loader import parse
from lib.data.class_files import colour_of
from lib.data.doctor import counting
from lib.data.doctor.mixing import is_smeared
from lib.data.scenes import scene
from tests.doctor_folder import COLOURS, NAMES, SIDE, binary, only

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


def test_pictures_that_are_no_masks(folder, pictures):
    folder.masks(lambda labels: folder.colours()[labels])
    folder.mask("c", pictures["c"][0])
    told = next(each for each in folder.found() if each.check == "values")
    assert re.match(r"[\d,]+ rare colours that nobody explains, such as colour #", told.what)
    errors = [each for each in folder.found(folder.competition("colour")) if each.check == "values"]
    assert len(errors) == 9
    assert re.match(r"[\d,]+ more values that no class has: ", errors[-1].what)


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


def test_resizing_that_made_values_of_other_classes(folder, pictures):
    labels = cv2.resize(pictures["e"][1], (84, 80), interpolation=cv2.INTER_NEAREST)
    folder.mask("e", cv2.resize(labels, (168, 160)))
    for competition in (folder.competition(), None):
        told = only(folder.found(competition), "values", "warning", "1 mask that look.* made by bilinear resizing")
        assert told.where == (folder.path("masks", "e"),)
    folder.mask("e", cv2.resize(labels, (168, 160), interpolation=cv2.INTER_NEAREST))
    assert folder.found(folder.competition()) == ()


@pytest.mark.parametrize("times", [2, 2.5, 4])  # by 3, pixels are picked at their centres, and none is mixed
def test_masks_that_were_shrunk_without_averaging(folder, times):
    image, labels = scene(44, int(times * SIDE), int(times * (SIDE + 8)))
    labels[labels == IGNORE] = 1
    folder.image("e", cv2.resize(image, (SIDE + 8, SIDE), interpolation=cv2.INTER_AREA))
    for way in (cv2.INTER_LINEAR, cv2.INTER_NEAREST):
        folder.mask("e", cv2.resize(labels, (SIDE + 8, SIDE), interpolation=way))
        for competition in (folder.competition(), None):
            if way == cv2.INTER_NEAREST:
                assert folder.found(competition) == ()
            else:
                told = only(folder.found(competition), "values", "warning", "1 mask that look.* made by bilinear resiz")
                assert told.where == (folder.path("masks", "e"),)


def smeared(labels):
    return is_smeared(counting.count(labels[..., None])[0])


@pytest.mark.parametrize("seed", range(3))
def test_masks_of_thin_things_and_noise_are_not_taken_for_resized(seed):
    rng = np.random.default_rng(seed)
    owners = rng.uniform(0, 240, (60, 2))
    apart = np.hypot(*(np.mgrid[:240, :240][..., None] - owners.T[:, None, None]))
    patches = rng.integers(0, 6, 60).astype(np.uint8)[apart.argmin(-1)]
    assert not smeared(patches)
    for scale in (0.3, 0.5, 0.9, 2):
        assert smeared(cv2.resize(patches, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)), scale
        assert not smeared(cv2.resize(patches, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)), scale
    lines = patches.copy()
    for label in rng.integers(0, 6, 60).tolist():
        cv2.polylines(lines, [rng.integers(0, 240, (3, 2)).astype(np.int32)], False, label, 1)
    assert not smeared(lines)
    assert not smeared(rng.integers(0, 6, (200, 200)).astype(np.uint8))
    roads = np.full((240, 240), 4, np.uint8)
    for thick, label in ((11, 3), (9, 2)):  # along every road a pavement, one pixel wide
        for at in range(20, 240, 50):
            cv2.line(roads, (0, at), (239, 239 - at), label, thick)
    assert not smeared(roads)


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 4)))
def test_threes_in_a_row_are_counted_one_by_one(labels):
    values = counting.count(labels[..., None])[0]
    wanted = {name: dict.fromkeys(values.codes.tolist(), 0) for name in ("passed", "beside", "steep")}
    for plane in (labels.astype(int), labels.astype(int).T):
        for row in plane:
            for one, middle, other in zip(row, row[1:], row[2:], strict=False):
                three = sorted((one, middle, other))
                wanted["passed"][middle] += len(set(three)) == 3 and middle == three[1]
                outside = one != other and (middle < min(one, other) or middle > max(one, other))
                wanted["beside"][middle] += outside
                wanted["steep"][middle] += abs(one - other) >= 2 and not one == middle == other
    for name, counts in wanted.items():
        assert getattr(values, name).tolist() == list(counts.values()), name


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
