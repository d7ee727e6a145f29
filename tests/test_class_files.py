"""Files that name classes, in every form that people write them; the doctor and drafts read the same ones."""

import json

import pytest

from lib.data.class_files import colour_of, tables

SOIL, CROP = 0x3C1098, 0x8429F6
CROP_3 = {"id": 3, "name": "crop"}


def read(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return [[(entry.name, entry.colour, entry.value) for entry in table] for table in tables(path)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "name,r,g,b\nsoil,60,16,152\ncrop,132,41,246\n"),
        ("a.csv", '\ufeffClass_Name, Hex\nsoil, 3C1098\ncrop,"#8429F6"\n'),
        ("a.csv", 'label,rgb\nsoil,"(60, 16, 152)"\ncrop,"rgb(132,41,246)"\n'),
        ("a.csv", "class,red,green,blue,more\nsoil,60,16,152\n,1,2,3\ncrop,132,41,246,1,2\n"),
        ("a.json", {"classes": [{"title": "soil", "color": "#3C1098"}, {"title": "crop", "color": "#8429f6"}]}),
        ("a.json", {"a": {"name": "soil", "rgb": [60, 16, 152]}, "b": {"name": "crop", "rgb": [132, 41, 246]}}),
        ("a.json", {"soil": "#3C1098", "crop": "#8429F6"}),
        ("a.json", {"soil": "3C1098", "crop": "8429F6"}),
        ("a.json", {"soil": [60, 16, 152], "crop": [132, 41, 246], "source": "a survey"}),
        ("a.json", {"meta": {"v": 1.5, "palette": {"#3C1098": "soil", "132, 41, 246": "crop"}}}),
        ("a.json", [{"name": "soil", "r": 60, "g": 16, "b": 152}, {"name": "crop", "r": 132, "g": 41, "b": 246}]),
    ],
)
def test_colours(tmp_path, name, content):
    assert read(tmp_path, name, content) == [[("soil", SOIL, None), ("crop", CROP, None)]]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "id,name\n0,soil\n3,crop\n"),
        ("a.csv", "label,category\n0,soil\n3,crop\n"),
        ("a.json", {"0": "soil", "3": "crop"}),
        ("a.json", {"info": {"url": "x"}, "categories": {"soil": 0, "crop": 3}}),
        ("a.json", {"images": [{"id": 9, "size": {"w": 5}}], "classes": [{"id": 0, "name": "soil"}, CROP_3]}),
    ],
)
def test_values(tmp_path, name, content):
    assert read(tmp_path, name, content) == [[("soil", None, 0), ("crop", None, 3)]]


def test_colours_and_values_and_names_alone(tmp_path):
    assert read(tmp_path, "a.csv", "name,value,color\nsoil,1,#3C1098\ncrop,2,\n") == [
        [("soil", SOIL, 1), ("crop", None, 2)]
    ]
    for name, content in (
        ("classes.txt", "soil\n\ncrop\n"),
        ("x.json", ["soil", "crop"]),
        ("x.csv", "name\nsoil\ncrop"),
    ):
        assert read(tmp_path, name, content) == [[("soil", None, None), ("crop", None, None)]]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train.txt", "a.png\nb.png\n"),
        ("a.csv", "image,mask\n1.png,2.png\n"),
        ("a.csv", "name,file\nsoil,1.png\ncrop,2.png\n"),
        ("a.json", '{"cut": '),
        ("a.json", "[" * 5000 + "]" * 5000),
        ("a.json", [{"size": {"w": 5, "h": 7}}]),
        ("a.json", 5),
        ("classes.txt", ""),
    ],
)
def test_files_that_name_no_class(tmp_path, name, content):
    assert read(tmp_path, name, content) == []


def test_large_and_missing_files_and_numbers_for_names(tmp_path):
    assert read(tmp_path, "classes.txt", "soil\n" * (1 << 18)) == []
    assert tables(tmp_path / "none.json") == []
    (tmp_path / "a.json").write_text('{"0": "#3C1098", "crop": "#8429F6"}')
    assert [entry.is_named for entry in tables(tmp_path / "a.json")[0]] == [False, True]


def test_what_is_said_to_be_a_colour_is_read_more_freely():
    assert colour_of("3C1098", loose=True) == colour_of("rgb(60, 16, 152)", loose=True) == SOIL
    assert colour_of("facade") is None
