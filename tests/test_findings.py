"""What a check finds in files that are almost right, what it says it costs, and that right files stay silent."""

import gzip

import numpy as np
import pytest

from lib.competitions import load
from lib.rasters.instances import components
from lib.submissions import check, expected, inspect, write

SIZE = (60, 90)


def preset(name, **change):
    own = load(name)
    table = change.pop("table", {})
    form = own.submission.model_copy(update={"size": SIZE, **change})
    if table:
        form = form.model_copy(update={"csv": form.csv.model_copy(update=table)})
    return own.model_copy(update={"submission": form})


def discs(value: int = 1) -> np.ndarray:
    """A label map of three discs."""
    rows, columns = np.ogrid[: SIZE[0], : SIZE[1]]
    found = [
        (rows - r) ** 2 + (columns - c) ** 2 < radius**2 for r, c, radius in ((15, 20, 11), (40, 70, 9), (50, 12, 4))
    ]
    return np.logical_or.reduce(found).astype(np.uint8) * value


@pytest.fixture
def made(tmp_path):
    """Writes a file, changed by `change`; what a check finds, without the masks and with them."""

    def made(competition, masks, change=lambda text: text, written=None, with_masks=False):
        layout = expected(competition, dict.fromkeys(masks, SIZE))
        path = tmp_path / f"file{competition.submission.suffix}"
        write(masks.__getitem__, written or competition, layout, path)
        if competition.submission.csv:
            path.write_text(change(path.read_text()), newline="")
        return inspect(path, competition, layout, masks.__getitem__ if with_masks else None)

    return made


def told(found, severity="problem") -> str:
    return " | ".join(f"{each.sentence} / {each.cost}" for each in found if each.severity == severity)


@pytest.mark.parametrize(("right", "wrong"), [("C", "F"), ("F", "C")])
@pytest.mark.parametrize("name", ["tgs-salt", "severstal", "uw-madison-gi", "airbus-ship"])
def test_the_wrong_order_of_pixels_is_told_from_the_shapes_alone(made, name, right, wrong):
    kinds = {"uw-madison-gi": discs().astype(np.uint32), "airbus-ship": components(discs(), [1])}
    masks = {"a": kinds.get(name, discs())}
    competition, other = (preset(name, table={"order": order}) for order in (right, wrong))
    assert told(made(competition, masks)) == ""
    said = told(made(competition, masks, written=other))
    assert "the masks look transposed" in said
    assert "most of the score" in said
    said = told(made(competition, masks, written=other, with_masks=True))
    words = {"C": "row by row", "F": "column by column"}
    assert f"numbered {words[wrong]}, and the competition numbers them {words[right]}" in said


def test_a_start_off_by_one_is_told_beside_the_masks(made):
    competition = preset("tgs-salt")
    said = told(made(competition, {"a": discs()}, written=preset("tgs-salt", table={"base": 0}), with_masks=True))
    assert "every run starts one pixel too early" in said
    assert "Dice 0.9" in said


def rows(*changes):
    def change(text):
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        return text

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (rows(("id,rle_mask", "id;rle_mask")), "parted by semicolons"),
        (rows(("id,rle_mask", "rle_mask,id")), "the same in another order"),
        (lambda text: "".join(f"{n},{line}\n" for n, line in enumerate(text.splitlines())).replace("0,", ",", 1),
         "pandas wrote its row numbers too"),
        (rows(("\na,", "\na.png,")), "the ids carry .png: a.png instead of a"),
        (rows(("\nb,", "\nb,nan")), "pandas wrote a missing value"),
        (rows(("\nb,", "\nb,1.0 2.0")), "the numbers were floats"),
        (rows(("\nb,", "\nb,[1 2]")), "a Python list was printed"),
        (rows(("\nb,", '\nb,"1,2"')), "parted by commas"),
        (rows(("\nb,", "\nb,5399 3")), "ends at pixel 5401 of an image of 5400 pixels"),
        (rows(("\nb,", "\nb,9 2 1 2")), "starts before the one before it ends"),
        (rows(("\nb,", '\nb,"1 2\n3 1"')), "goes over several lines"),
        (rows(("\nb,", '\nb,"1 2')), "has a quotation mark that nothing closes"),
        (rows(("\nb,", "\nb,1e3 2")), "a number in scientific notation"),
        (rows(("\nb,", f"\nb,1{'0' * 30} 2")), "no image has so many pixels"),
        (rows(("id,rle_mask\n", "")), "the first line is a row, and the header is missing"),
        (lambda text: "", "the columns are missing; the competition wants id, rle_mask: the file is empty"),
        (lambda text: text.replace("\n", "\r"), "its lines end with CR alone"),
        (rows(("\na,", "\na ,")), "the ids have blanks: 'a ' instead of 'a'"),
        (rows(("\na,", "\nA,")), "the ids are spelled with other capital letters: 'A' instead of 'a'"),
        (rows(("\na,", "\ntest/a,")), "the ids name a folder: 'test/a' instead of 'a'"),
    ],
)  # fmt: skip
def test_slips_of_the_writer(made, change, said):
    found = made(preset("tgs-salt"), {"a": discs(), "b": discs(0)}, change)
    assert said in told(found)
    assert all(each.cost for each in found)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("7.0_{}", "the ids have numbers that were floats: '7.0_1' instead of '7_1'"),
        ("007_{}", "the ids have other zeros before a number: '007_1' instead of '7_1'"),
        ("7-{}", "the ids have another sign between their parts: '7-1' instead of '7_1'"),
        ("7.png_{}", "the ids carry .png: 7.png_1 instead of 7_1"),
    ],
)
def test_ids_that_are_almost_those_of_the_sample(submit, tmp_path, wrong, said):
    for name, shape in (("sample", "7_{}"), ("file", wrong)):
        lines = [f"{shape.format(number)}," for number in range(1, 25)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["ImageClassId,rle_mask", *lines]) + "\n")
    assert said in submit("check", "file.csv", "-c", "centralesupelec-harvey", "--sample", "sample.csv", code=1)


@pytest.mark.parametrize(
    ("begins", "said"), [(0, "low: 5_0 is there and 5_24 is not"), (2, "high: 5_25 is there and 5_1 is not")]
)
def test_classes_that_are_counted_from_another_first_one(submit, tmp_path, begins, said):
    for name, first in (("sample", 1), ("file", begins)):
        lines = [f"{image}_{number}," for image in (5, 7) for number in range(first, first + 24)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["ImageClassId,rle_mask", *lines]) + "\n")
    found = submit("check", "file.csv", "-c", "centralesupelec-harvey", "--sample", "sample.csv", code=1)
    assert f"the last numbers of the ids are one too {said}" in found
    odd = (tmp_path / "sample.csv").read_text().replace("5_3,", "5_30,")
    (tmp_path / "file.csv").write_text(odd)
    found = submit("check", "file.csv", "-c", "centralesupelec-harvey", "--sample", "sample.csv", code=1)
    assert "one too" not in found, "a single wrong number is no shift"


def test_files_of_another_format_and_files_of_nothing(submit, tmp_path):
    table = "id,rle_mask\na,\n"
    for content, said in (
        (gzip.compress(table.encode()), "is compressed with gzip"),
        (b"PK\3\4" + bytes(30), "a zip archive, or a workbook of Excel"),
        (table.encode("utf-16"), "is written in UTF-16"),
        ("id,rle_mask\n\xe4,\n".encode("latin-1"), "line 2 is not UTF-8"),
        (b"id,rle_mask\n", "file.csv holds no masks"),
    ):
        (tmp_path / "file.csv").write_bytes(content)
        assert said in submit("check", "file.csv", "-c", "tgs-salt", code=1)


def test_a_quotation_mark_left_open_does_not_pull_in_the_file(submit, tmp_path, monkeypatch):
    monkeypatch.setattr("lib.submissions.containers.table_index.LONGEST", 5000)
    (tmp_path / "file.csv").write_text('id,rle_mask\na,"1 5\n' + "b,\n" * 5000)
    assert "the row at line 2 goes over several lines" in submit("check", "file.csv", "-c", "tgs-salt", code=1)
    (tmp_path / "file.csv").write_text("id,rle_mask\na," + "1 " * 5000)
    assert "line 2 has more than 5,000 bytes: refused" in submit("check", "file.csv", "-c", "tgs-salt", code=1)


def test_a_file_of_other_fields_is_not_taken_for_names(submit, tmp_path):
    """Its ids would be as long as its masks."""
    (tmp_path / "file.csv").write_text(f"id;rle_mask\na;{'1 2 ' * 200}\n")
    assert "1 columns, not 2" in submit("decode", "file.csv", "-c", "tgs-salt", "--out", "m", code=1)


def test_rows_that_contradict_each_other(submit, tmp_path):
    for name, text in (("siim-acr", "ImageId,EncodedPixels\na,-1\na,0 5\n"),
                       ("airbus-ship", "ImageId,EncodedPixels\na.jpg,\na.jpg,\n")):  # fmt: skip
        (tmp_path / "file.csv").write_text(text)
        assert "a: a row for an empty mask stands beside another" in submit("check", "file.csv", "-c", name)


def test_sizes_that_no_image_has_and_units_that_nobody_says(submit, tmp_path):
    head = "ImageID,ImageWidth,ImageHeight,PredictionString\n"
    for width, height in ((-5, 3), ("x", 3), (99999, 99999)):
        (tmp_path / "file.csv").write_text(f"{head}a,{width},{height},\n")
        said = submit("check", "file.csv", "-c", "openimages-hpa", code=1)
        assert f"a says {width}x{height}, which is no width and height of an image" in said
    rows = "".join(f"a,{number},MULTIPOLYGON EMPTY\n" for number in range(1, 11))
    (tmp_path / "file.csv").write_text(f"ImageId,ClassType,MultipolygonWKT\n{rows}")
    said = submit("check", "file.csv", "-c", "dstl")
    assert "or their units, which grid_sizes.csv says" in said
    (tmp_path / "file.csv").write_text(f"ImageId,ClassType,MultipolygonWKT\n{rows.replace('MULTIPOLYGON', 'POINT')}")
    assert "is neither POLYGON nor MULTIPOLYGON" in submit("check", "file.csv", "-c", "dstl", code=1)


def test_what_does_not_decode_is_not_called_empty(made):
    assert "every mask is empty" not in told(
        made(preset("tgs-salt"), {"a": discs()}, rows(("\na,", "\na,x"))), "warning"
    )


def test_what_is_strange_is_no_problem(made):
    competition, masks = preset("tgs-salt"), {"a": discs(), "b": discs(0)}
    assert made(competition, masks) == []
    for change, said in (
        (lambda text: "\ufeff" + text, "byte order mark"),
        (lambda text: text.replace("\n", "\r\n"), "lines end with CR LF"),
        (rows(("\nb,", "\nb,7 2 9 2")), "1 masks have runs that touch"),
    ):
        found = made(competition, masks, change)
        assert told(found) == ""
        assert said in told(found, "warning")


def test_a_file_of_nothing_and_classes_that_are_never_there(made):
    found = made(preset("tgs-salt"), {"a": discs(0)})
    assert "every mask is empty / it scores as many of the pairs as the truth leaves empty" in told(found, "warning")
    found = made(preset("google-contrails"), {"a": discs(0)})
    assert "every mask is empty / it scores 0" in told(found, "warning")
    found = made(preset("severstal"), {"a": discs(3)})
    assert "3 classes are never predicted: defect-1, defect-2, defect-4" in told(found, "warning")


def test_what_scorers_fail_on(made):
    found = made(preset("sartorius"), {"a": components(discs(), [1])}, lambda text: text + "a,\n")
    assert "the scorer fails on an empty row: leave it out" in told(found)
    found = made(preset("airbus-ship"), {"a": components(discs(), [1])}, lambda text: text + "a.jpg,900 10\n")
    assert "instances" in told(found)
    assert "share pixels / Kaggle refuses the file" in told(found)
    empty = preset("vesuvius-ink", table={"allow_empty": True})
    found = made(preset("vesuvius-ink"), {"a": discs(0)}, written=empty)
    assert "a has no ink, and the scorer fails on an empty mask / no score at all" in told(found)


def test_components_below_the_least_area(made):
    found = made(preset("tgs-salt", min_area=60), {"a": discs()}, written=preset("tgs-salt"))
    assert "1 images have components of fewer than 60 pixels" in told(found, "warning")


def with_values(competition, *values):
    """The competition with other values in its pictures."""
    form = competition.submission
    table = form.zip.model_copy(update={"values": values})
    return competition.model_copy(update={"submission": form.model_copy(update={"zip": table})})


def test_pictures_of_0_and_1_where_255_belongs_and_the_other_way_round(made):
    masks, roads, cities = {"a": discs()}, preset("deepglobe-road"), preset("open-cities")
    said = told(made(roads, masks, written=with_values(roads, 0, 1)))
    assert "holds nothing above 1, and is read with threshold 128" in said
    said = told(made(cities, masks, written=with_values(cities, 0, 255)))
    assert "holds 0 and 255, where 0 and 1 belong" in said


def test_instances_are_compared_one_by_one(made, tmp_path):
    competition, found = preset("dsb-2018"), components(discs(), [1])
    layout = expected(competition, {"a": SIZE})
    write(lambda image: found[:2], competition, layout, tmp_path / "two.csv")
    (problem,) = check(tmp_path / "two.csv", competition, layout, lambda image: found)
    assert "a: 1 of 3 instances are not in the file, which has 2" in problem


def test_many_images_do_not_make_many_sentences(made):
    masks = {f"{number:02}": discs() for number in range(25)}
    found = made(preset("tgs-salt"), masks, lambda text: text.replace(" ", ", "))
    assert len(found) < 15
    found = made(preset("tgs-salt"), masks, written=preset("tgs-salt", table={"base": 0}), with_masks=True)
    assert "15 more images differ from their masks" in told(found)
