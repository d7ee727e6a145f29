"""A run's page and tables as `python launch.py` brings them home: read as a reader does, counted by other libraries."""

import base64
import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torchmetrics.classification import MulticlassF1Score, MulticlassJaccardIndex, MulticlassRecall

from lib import files
from lib.competitions import parse
from lib.models import build
from lib.models.blocks import blocks
from lib.recipe import Recipe
from lib.reporting.confusion_picture import confusion_picture
from lib.reporting.run_page import RunReport, page
from lib.training.growing import numbers, read
from tests.ready import TOML


class Reader(HTMLParser):
    """Sections by their headings: rows of text cells, pictures, and every address that the page names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.heading, self.tables, self.images, self.addresses, self.opened = "", {}, {}, [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.opened.append(tag)
        own = dict(attributes)
        self.addresses += [own[key] for key in ("src", "href", "xlink:href", "srcset", "action") if key in own]
        if tag == "h2":
            self.heading = ""
        elif tag == "tr":
            self.tables.setdefault(self.heading, []).append([])
        elif tag in ("td", "th"):
            self.tables[self.heading][-1].append("")
        elif tag == "img":
            self.images.setdefault(self.heading, []).append(own)

    def handle_endtag(self, tag):
        while self.opened and self.opened.pop() != tag:
            pass

    def handle_data(self, data):
        if "h2" in self.opened:
            self.heading += data
        elif ("td" in self.opened or "th" in self.opened) and self.tables.get(self.heading):
            self.tables[self.heading][-1][-1] += data


@pytest.fixture(scope="module")
def outputs(main_job):
    program, run, _ = main_job
    return program.runs / run["id"] / "outputs"


@pytest.fixture(scope="module")
def html(outputs):
    return (outputs / "report.html").read_text()


@pytest.fixture(scope="module")
def reader(html):
    return Reader(html)


@pytest.fixture(scope="module")
def summary(outputs):
    return files.read_json(outputs / "summary.json")


@pytest.fixture(scope="module")
def rows(outputs):
    return numbers(read(outputs / "metrics.csv"))


def pixels_of(table: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Labels of as many pixels as a confusion table counts: truth, prediction."""
    classes = np.arange(len(table))
    truth = np.repeat(np.repeat(classes, len(table)), table.reshape(-1))
    prediction = np.repeat(np.tile(classes, len(table)), table.reshape(-1))
    return torch.from_numpy(truth), torch.from_numpy(prediction)


def test_the_page_is_told_and_needs_no_network(main_job, html, reader):
    program, run, _ = main_job
    path = program.runs / run["id"] / "outputs" / "report.html"
    for command in ("status", "fetch"):
        assert f"  page: {path}\n" in program("launch.py", command, run["id"]).stdout
    assert all(address.startswith("data:") for address in reader.addresses)
    assert not re.search(r"https?:|//|@import|url\(", re.sub(r'"data:[^"]*"', "", html).replace("</", ""))
    assert len(html) < 2_500_000


def test_the_headline_is_the_score_beside_its_baselines(html, summary):
    metric = summary["metric"]
    assert f'<p class="value">{metric["value"]:.4f}</p>' in html
    assert f"<dt>majority class everywhere</dt><dd>{metric['baselines']['majority']:.4f}</dd>" in html
    assert "python submit.py --run RUN" in html


def test_the_class_table_is_torchmetrics(reader, summary):
    table = np.array(summary["table"]["pixels"])[:, :-1]
    prediction, truth = reversed(pixels_of(table))
    columns = []
    for metric in (MulticlassJaccardIndex, MulticlassF1Score, MulticlassRecall):
        columns.append(metric(len(table), average=None)(prediction, truth).tolist())
    rows = reader.tables["Classes"]
    head = rows[0]
    assert [row[0] for row in rows[1:]] == summary["table"]["classes"][:-1]
    for name, values in zip(("IoU", "Dice", "accuracy"), columns, strict=True):
        assert [row[head.index(name)] for row in rows[1:]] == [f"{value:.3f}" for value in values]
    shares = table.sum(axis=1) / table.sum()
    assert [row[head.index("share of truth")] for row in rows[1:]] == [f"{share:.1%}" for share in shares]
    guesses = [row[head.index("majority's IoU")] for row in rows[1:]]
    assert guesses == [f"{share if share == shares.max() else 0:.3f}" for share in shares]


def test_the_confusions_are_shares_of_the_rows(reader, summary):
    table = np.array(summary["table"]["pixels"])
    shown = reader.tables["Confusions"][1:]
    for row, counts in zip(shown, table, strict=True):
        share = counts[counts.size - len(table) - 1 : len(row) - 1] / counts.sum()
        assert row[1:] == [f"{100 * value:.1f}" if value >= 0.0005 else "·" for value in share]


def test_pictures_are_inside_and_can_be_looked_at(reader, summary, outputs):
    worst, best = reader.images["Worst validation images"], reader.images["Best validation images"]
    ranked = sorted((value, name) for name, value in summary["images"].items() if value is not None)
    assert len(ranked) == 10
    assert list(dict.fromkeys(one["alt"].split(":")[0] for one in worst)) == [name for _, name in ranked[:5]]
    assert list(dict.fromkeys(one["alt"].split(":")[0] for one in best)) == [name for _, name in ranked[:-5:-1]]
    assert len(worst) == 4 * 5
    assert len(best) == 4 * 4
    for one in (*worst, *best):
        content = base64.b64decode(one["src"].split(",")[1])
        assert cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR).shape[2] == 3
    assert {path.stem for path in (outputs / "overlays").iterdir()} == {name for _, name in ranked[:6]}


def test_confusion_csv_has_the_summarys_table_at_the_best_epoch(outputs, summary, rows):
    cells = numbers(read(outputs / "confusion.csv"), words=("truth", "prediction"))
    assert sorted({cell["epoch"] for cell in cells}) == [row["epoch"] for row in rows]
    best = [cell for cell in cells if cell["epoch"] == summary["metric"]["epoch"]]
    found = {(cell["truth"], cell["prediction"]): cell["pixels"] for cell in best}
    names = summary["table"]["classes"]
    for name, counts in zip(names, summary["table"]["pixels"], strict=False):
        assert [found.get((name, other), 0) for other in names] == counts
        shares = [cell["share"] for cell in best if cell["truth"] == name]
        assert sum(shares) == pytest.approx(1)


def test_metrics_csv_has_every_class_of_every_validation(rows, summary):
    best = next(row for row in rows if row["epoch"] == summary["metric"]["epoch"])
    for entry in summary["classes"]:
        for column, key in (("iou", "iou"), ("dice", "dice"), ("accuracy", "recall")):
            assert best[f"{column}:{entry['name']}"] == pytest.approx(entry[key])
    assert all(0 < row["grad_norm"] <= row["grad_norm_max"] for row in rows)
    assert all(row["miou"] < row["accuracy"] for row in rows)


def test_gradients_csv_has_every_block_at_few_steps_of_every_epoch(outputs, summary):
    measured = numbers(read(outputs / "gradients.csv"), words=("block",))
    recipe = Recipe.model_validate(summary["recipe"])
    names = list(blocks(build(recipe.model, len(summary["classes"]), pretrained=False)))
    steps = sorted({row["step"] for row in measured})
    assert len(steps) == 3 * recipe.train.epochs, "the sample's epochs have steps enough for three"
    assert [row["block"] for row in measured] == names * len(steps)
    assert all(row["grad_norm"] > 0 for row in measured)
    assert all(0 <= row["update_ratio"] < 1 for row in measured)


def test_tensorboard_reads_the_same_curves(outputs, rows):
    found = EventAccumulator(str(outputs / "tensorboard"), {"scalars": 0, "images": 0}).Reload()
    assert [event.step for event in found.Scalars("validation/metric")] == [row["step"] for row in rows]
    for tag, column in (("validation/metric", "metric"), ("iou/forest", "iou:forest"), ("dice/water", "dice:water")):
        assert [event.value for event in found.Scalars(tag)] == pytest.approx([row[column] for row in rows])
    assert len(found.Images("confusion")) == len(rows)
    assert {"train/loss", "train/lr", "train/grad_norm", "speed/images_per_s"} <= set(found.Tags()["scalars"])
    assert any(tag.startswith("update_ratio/") for tag in found.Tags()["scalars"])


def test_the_recipe_says_first_what_differs(reader, summary):
    rows = reader.tables["Recipe"]
    changed = rows[1 : 1 + next(place for place, row in enumerate(rows[1:]) if len(row) == 2)]
    assert ["model.encoder", summary["recipe"]["model"]["encoder"], "resnet34"] in changed
    usual = dict(row for row in rows if len(row) == 2)
    assert usual["model.architecture"] == "unet"
    assert not {row[0] for row in changed} & set(usual)


def test_the_session_is_told(html, summary, reader):
    assert summary["bundle"] in html
    (session,) = summary["sessions"]
    assert session["steps"] == summary["training"]["steps"]
    assert (session["gpus"], session["seconds"] >= summary["seconds"]) == (0, True)
    assert reader.tables["Session"][1][0] == "1"


SUMMARY = {
    "finished": False,
    "epochs_done": 0,
    "metric": None,
    "classes": None,
    "table": None,
    "training": {"images": 1, "steps": 2, "steps_per_epoch": 4},
    "validation": ["i1"],
    "division": "at random",
    "devices": ["devices: 2 GPU(s)", "  GPU 0: <Tesla T4>"],
    "device": "cuda",
    "ranks": 2,
    "precision": "16-mixed",
    "seconds": 4000.0,
    "sessions": [{"seconds": 5400.0, "gpus": 2, "steps": 1}, {"seconds": 1800.0, "gpus": 2, "steps": 2}],
    "bundle": "abc",
}


@pytest.fixture
def field(tmp_path):
    (tmp_path / "field.toml").write_text(TOML.replace('name = "soil"', 'name = "<b>soil"'))
    return parse(tmp_path / "field.toml")


def test_a_run_that_was_stopped_early_has_a_page_that_says_how_to_go_on(field):
    text = page(RunReport(field, Recipe(), SUMMARY, facts={"train.lr, found by trying": 0.0021}))
    assert "python launch.py --resume RUN" in text
    assert "not over" in text
    assert "&lt;Tesla T4&gt;" in text
    assert "<dd>2.00 h</dd>" in text, "two GPUs of a session count once"
    assert "<dd>0.0021</dd>" in text
    assert "polyline" not in text.split("</style>")[1]


def test_names_are_text_and_what_is_undefined_is_a_dash(field):
    entry = {"iou": None, "dice": None, "precision": None, "recall": None, "truth": 0, "predicted": 0, "hits": 0}
    classes = [{"name": "<b>soil"} | entry, {"name": "crop"} | entry | {"iou": 0.5, "truth": 4, "recall": 1.0}]
    metric = {"label": "Dice", "value": 0.5, "epoch": 1, "per_class": {"crop": 0.5}, "baselines": {"empty": 0.0}}
    more = {"metric": metric, "classes": classes, "finished": True}
    rows = [{"epoch": 1, "loss": float("nan"), "metric": 0.5, "iou:<b>soil": None, "iou:crop": 0.5, "lr": 0.1}]
    reader = Reader(page(RunReport(field, Recipe(), SUMMARY | more, rows)))
    soil, crop = reader.tables["Classes"][1:]
    assert soil[:3] == ["<b>soil", "–", "–"]
    assert soil[-1] == "–"
    assert crop[2] == "0.500"


def test_the_confusion_picture_is_darkest_where_most_pixels_are():
    table = np.array([[90, 10, 0], [0, 50, 50], [0, 0, 0]])
    names, side = ("water", "forêt", "bare"), 46
    sheet = confusion_picture(np.pad(table, ((0, 0), (0, 1))), names)
    top, left = (size - 8 - side * 3 for size in sheet.shape[:2])
    corners = sheet[top + 2 : top + 3 * side : side, left + 2 : left + 3 * side : side].astype(int)
    assert corners[0, 0].sum() < corners[0, 1].sum() < corners[0, 2].sum() == 3 * 255
    assert (corners[2] == 255).all(), "a class without pixels has no shares"
    assert corners[0, 0][2] > corners[0, 0][0], "right is blue"
    assert corners[1, 2][0] > corners[1, 2][2], "wrong is red"
    with_none = confusion_picture(np.pad(table, ((0, 0), (0, 1)), constant_values=5), names)
    assert with_none.shape[1] == sheet.shape[1] + side
    assert confusion_picture(np.eye(60, dtype=int), [f"class {n}" for n in range(60)]).shape[0] < 1000
