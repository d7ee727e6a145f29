"""The tables of a run: per-class measures as scikit-learn counts them; what is undefined is empty."""

import csv
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, jaccard_score, recall_score

from lib.competitions import load, parse
from lib.recipe import Recipe, TrainRecipe
from lib.scoring import Tally, score, take
from lib.training import keeper as keeping
from lib.training.growing import Growing, numbers, read
from lib.training.keeper import Keeper, confusions, measures
from lib.training.validation import Validation
from lib.training.watch import Watch
from tests.ready import TOML

NOWHERE = 3
"""A class that neither truth nor prediction has."""


def validation(competition, truth, prediction) -> Validation:
    tally = Tally.of([take(truth, prediction, competition)], competition, ["one"])
    table = None if tally.tables is None else tally.tables.sum(axis=0)
    return Validation(score(tally, competition), table, [(0, 0.5)], [])


@pytest.fixture
def maps(competition):
    rng = np.random.default_rng(0)
    classes = [label for label in range(len(competition.classes)) if label != NOWHERE]
    truth, prediction = (rng.choice(classes, (40, 50)).astype(np.uint8) for _ in range(2))
    truth[:5] = 255
    return truth, prediction


def test_measures_are_scikit_learns(maps, competition):
    found = measures(validation(competition, *maps))
    known = maps[0] != 255
    truth, prediction = (side[known] for side in maps)
    labels = list(range(len(competition.classes)))
    for family, metric in (("iou", jaccard_score), ("dice", f1_score), ("accuracy", recall_score)):
        values = metric(truth, prediction, labels=labels, average=None, zero_division=0)
        for label, name in enumerate(competition.names):
            expected = None if label == NOWHERE else pytest.approx(values[label])
            assert found[f"{family}:{name}"] == expected
    assert found["accuracy"] == pytest.approx(accuracy_score(truth, prediction))
    present = [label for label in labels if label != NOWHERE]
    assert found["miou"] == pytest.approx(jaccard_score(truth, prediction, labels=present, average="macro"))


def test_undefined_is_an_empty_cell_and_a_later_column_widens_the_table(maps, competition, tmp_path, monkeypatch):
    monkeypatch.setattr(keeping.checkpoint, "save", lambda *words: None)
    keeper, heard = Keeper(tmp_path, competition, Recipe()), []
    keeper.hears.append(lambda row, table: heard.append((row["epoch"], table.sum())))
    keeper.keep(None, validation(competition, *maps), {"epoch": 1, "step": 10, "lr": 0.1})
    keeper.keep(None, validation(competition, *maps), {"epoch": 2, "step": 20, "lr": 0.1, "lr:encoder": 0.01})
    with open(tmp_path / "metrics.csv", newline="") as file:
        first, second = csv.DictReader(file)
    name = competition.names[NOWHERE]
    assert [first[key] for key in (f"iou:{name}", f"dice:{name}", f"accuracy:{name}")] == ["", "", ""]
    assert (first["lr:encoder"], second["lr:encoder"]) == ("", "0.01")
    assert first[f"score:{name}"] == str(keeper.best.score.per_class[name] or "")
    assert heard == [(1, 35 * 50), (2, 35 * 50)]


def test_confusions_are_the_table_with_shares_of_its_rows(maps, competition, tmp_path):
    result = validation(competition, *maps)
    table = Growing(tmp_path / "confusion.csv", ("epoch", "truth", "prediction", "pixels", "share"))
    for epoch in (1, 2):
        table.add(confusions(epoch, result.table, competition.names))
    rows = numbers(read(table.path), words=("truth", "prediction"))
    classes = len(competition.classes)
    assert len(rows) == 2 * classes**2, "no column of pixels of no class, where there are none"
    for row in rows:
        true, predicted = (competition.names.index(row[key]) for key in ("truth", "prediction"))
        assert row["pixels"] == result.table[true, predicted]
        total = result.table[true].sum()
        assert row["share"] == (pytest.approx(result.table[true, predicted] / total) if total else None)


def test_pixels_of_no_class_have_rows_where_there_are_any():
    rows = list(confusions(1, np.array([[3, 1, 4], [0, 2, 0]]), ("a", "b")))
    assert [(row["truth"], row["prediction"], row["pixels"]) for row in rows] == [
        ("a", "a", 3), ("a", "b", 1), ("a", "none", 4), ("b", "a", 0), ("b", "b", 2),
    ]  # fmt: skip
    many = np.zeros((100, 101), np.int64)
    many[7, 9] = 5
    assert [row["pixels"] for row in confusions(1, many, tuple(map(str, range(100))))] == [5]


def test_classes_that_overlap_have_measures_and_no_table(tmp_path, monkeypatch):
    (tmp_path / "field.toml").write_text(
        TOML.replace("[submission.csv]", "[submission]\noverlap = true\n[submission.csv]")
    )
    field = parse(tmp_path / "field.toml")
    assert field.kind == "bits"
    truth = np.array([[1, 2], [3, 0]], np.uint32)
    result = validation(field, truth, np.array([[1, 3], [1, 0]], np.uint32))
    monkeypatch.setattr(keeping.checkpoint, "save", lambda *words: None)
    keeper = Keeper(tmp_path, field, Recipe())
    keeper.keep(None, result, {"epoch": 1, "step": 1})
    (row,) = keeper.rows
    assert (row["iou:soil"], row["iou:crop"], row["accuracy"]) == (pytest.approx(2 / 3), 0.5, None)
    assert not (tmp_path / "confusion.csv").exists()


@given(rows=st.integers(0, 6), cut=st.integers(0, 200), keep=st.integers(0, 6))
def test_what_a_killed_session_left_is_taken_over_row_by_row(tmp_path_factory, rows, cut, keep):
    folder = tmp_path_factory.mktemp("cut")
    first, second = (Growing(folder / name, ("step", "block", "norm")) for name in ("first.csv", "second.csv"))
    written = [{"step": step, "block": 'a "b", c', "norm": None if step % 2 else 0.25} for step in range(1, rows + 1)]
    for row in written:
        first.add([row])
    if rows:
        first.path.write_bytes(first.path.read_bytes()[:cut])
    whole = max(0, first.path.read_text().count("\n") - 1) if rows else 0
    second.take_over(first.path, lambda row: int(row["step"]) <= keep)
    second.add([{"step": 99, "block": "end", "norm": 1.0}])
    expected = [*written[: min(whole, keep)], {"step": 99, "block": "end", "norm": 1.0}]
    assert numbers(read(second.path), words=("block",)) == expected


NORMS = st.lists(st.floats(0, 1e6, width=32) | st.sampled_from([math.inf, math.nan]), max_size=30)


@given(norms=NORMS, looks=st.sets(st.integers(0, 30)))
def test_norms_of_an_epoch_are_the_same_whenever_one_looks(norms, looks):
    """And whether or not a session ended in it. Norms that are no numbers, of steps left out, do not count."""
    watches = [Watch(TrainRecipe(epochs=1), 100, prints=False) for _ in range(2)]
    for place, norm in enumerate(norms):
        for watch in watches:
            watch.step(torch.tensor(1.0), 1.0, 0.0, torch.tensor(norm))
        if place in looks:
            watches[0].record(place, 0.1)
            watches[0].load_state_dict(watches[0].state_dict(), torch.device("cpu"))
    one, other = (watch.record(len(norms), 0.1) for watch in watches)
    known = [norm for norm in norms if math.isfinite(norm)]
    assert one["grad_norm"] == other["grad_norm"] == (pytest.approx(np.mean(known)) if known else None)
    assert one["grad_norm_max"] == other["grad_norm_max"] == (max(known) if known else None)


def test_rates_of_groups_have_columns_where_there_are_several():
    watch = Watch(TrainRecipe(), 10, prints=False)
    assert {key: value for key, value in watch.record(0, 0.1).items() if key.startswith("lr")} == {"lr": 0.1}
    rates = watch.record(0, {"encoder": 0.01, "rest": 0.1})
    assert [rates[key] for key in ("lr", "lr:encoder", "lr:rest")] == [0.1, 0.01, 0.1]
    assert "lr:all" not in watch.record(0, {"all": 0.1})
    heard = []
    watch.hears.append(heard.append)
    watch.say({"step": 1})
    assert heard == [{"step": 1}], "whoever hears it is told, whether or not this rank prints"


def test_the_presets_of_this_kit_have_measures_for_every_class():
    """Whatever a competition's own rule is, IoU, Dice and accuracy of all its classes are there."""
    for name in ("severstal", "deepglobe"):
        competition = load(name)
        shape = (32, 32)
        truth = np.zeros(shape, np.uint32 if competition.kind == "bits" else np.uint8)
        found = measures(validation(competition, truth, truth))
        for family in ("iou", "dice", "accuracy"):
            assert [key.split(":")[1] for key in found if key.startswith(f"{family}:")] == list(competition.names)
