"""Runs of folds at home: what is refused before anything is spent, which weights predict, counts that travel."""

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from lib import files
from lib.competitions import load
from lib.errors import DataError, Failed, UsageError
from lib.launching import fold_outputs
from lib.launching.following.live_table import draw
from lib.launching.following.metrics_file import MetricsFile
from lib.launching.following.training_progress import parse
from lib.launching.ledger_words import made_words
from lib.launching.preparing import members
from lib.launching.runs import Run, one_model
from lib.models.found import checkpoints
from lib.progress import line
from lib.scoring import Tally, counts_file, score, take
from tests.programs import given
from tests.ready import ready_run

FOLDS = ("--set", "train.folds=5")


def test_the_card_says_how_many_models_and_epochs(launch):
    said = launch("--dry-run", *FOLDS, *given({"train.epochs": 8})).stdout
    assert "5 folds of 8 epochs (40 in all), batch" in said
    said = launch("--dry-run", "--gpu", "t4x2", *FOLDS, *given({"train.gpus": "folds", "train.batch": 15})).stdout
    assert "in all, a fold on each GPU), batch 15" in said, "a batch that two ranks could not share"


@pytest.mark.parametrize(
    ("words", "reason", "hint"),
    [
        (given({"data.folds": 5}), "train.folds = 5 trains every fold, and data.folds = 5 one of them", "leave"),
        (given({"train.epochs": 0}), "train.epochs = 0 trains nothing", "no folds"),
        (("-c", "landcoverai", "--gpu", "t4x2"), "official lists of landcoverai", "--set data.split=group"),
        (given({"train.folds": 1}), "folds are two or more", ""),
    ],
)
def test_folds_that_make_no_sense_are_refused_at_home(launch, words, reason, hint):
    done = launch("--dry-run", *FOLDS, *words, code=2)
    assert reason in done.stderr
    assert hint in done.stderr


def test_more_folds_than_groups_are_refused_at_home(launch, small_dubai):
    """Two images, each a group of its own: by group there are no three folds."""
    root, _ = small_dubai
    words = ("--dry-run", "-c", "dubai", "--data", root, *given({"train.folds": 3, "data.split": "group"}))
    done = launch(*words, code=2)
    assert "holds 1 groups of images" in done.stderr or "holds 2 groups of images" in done.stderr
    assert "data.split=block" in done.stderr


# Which weights predict


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run of three folds that is over, of which the third left nothing; beside it a run without folds."""
    monkeypatch.setenv("SWATH_RUNS", str(tmp_path / "runs"))
    ready_run(tmp_path / "runs", tmp_path, "20260101-000000-field-0001", 1)
    made = ready_run(tmp_path / "runs", tmp_path, "20260102-000000-field-0002", 2)
    recipe = made.read()["recipe"]
    made.update(recipe=recipe | {"train": recipe["train"] | {"folds": 3, "gpus": "folds"}}, finished=False)
    for fold in range(2):
        other = ready_run(tmp_path / "others", tmp_path, f"2026-{fold}", 10 + fold)
        files.write(fold_outputs.best(made.outputs, fold), other.checkpoint.read_bytes())
        files.write(made.outputs / "folds" / str(fold) / "checkpoints" / "last.ckpt", b"state")
        files.write_json(made.outputs / "folds" / str(fold) / "summary.json", {"validation": [f"i{fold}"]})
    (made.outputs / "checkpoints" / "best.safetensors").unlink()
    return made


def test_the_folds_of_a_run_share_its_weight(run):
    found = members.chosen(["0001=0.5", "0002"])
    assert [(each.run.id[-4:], each.fold, each.weight) for each in found] == [
        ("0001", None, 0.5),
        ("0002", 0, 0.5),
        ("0002", 1, 0.5),
    ]
    assert [each.sha256 for each in found[1:]] == [files.sha256(fold_outputs.best(run.outputs, n)) for n in range(2)]
    assert [member.get("fold") for member in members.document(found)["members"]] == [None, 0, 1]
    assert list(members.travelling(found)) == [
        "20260101-000000-field-0001.safetensors",
        "20260102-000000-field-0002-fold-0.safetensors",
        "20260102-000000-field-0002-fold-1.safetensors",
    ]
    recipe = members.layer(found[1:])[1]
    assert (recipe["train"]["folds"], recipe["train"]["gpus"]) == (0, "ranks"), "a prediction trains no folds"


def test_one_fold_is_named_behind_a_slash(run):
    (only,) = members.chosen(["0002/1"])
    assert (only.fold, only.weight) == (1, 1.0)
    assert only.run.held_out == ["i1"]
    assert one_model(only.run) == only.run
    with pytest.raises(UsageError, match="its fold 2 has brought no checkpoint home"):
        members.chosen(["0002/2"])
    with pytest.raises(UsageError, match="has 2 models"):
        one_model(run)
    with pytest.raises(UsageError, match="named twice"):
        members.chosen(["0002/1", "field-0002/1"])


def test_the_session_finds_them_among_the_outputs_of_their_kernel(run, tmp_path):
    """Where Kaggle mounts a kernel's outputs, today and before 2026."""
    wanted = members.document(members.chosen(["0002"]))["members"]
    for mount in ("notebooks/me/slug", "slug"):
        link = tmp_path / mount.replace("/", "-") / mount
        link.parent.mkdir(parents=True)
        link.symlink_to(run.outputs)
        inputs = tmp_path / mount.replace("/", "-")
        assert checkpoints(inputs, wanted) == [fold_outputs.best(link, fold) for fold in range(2)]
    with pytest.raises(DataError, match="the weights of run"):
        checkpoints(tmp_path / "notebooks-me-slug", [{"run": "x", "sha256": "0"}])


def test_what_the_next_session_goes_on_from(run):
    run.update(epochs_done=7)
    assert run.unfinished == "7 of 120 epochs are done"
    assert set(run.left) == {"summary.json"} | {
        f"folds/{fold}/{name}"
        for fold in range(2)
        for name in ("checkpoints/best.safetensors", "checkpoints/last.ckpt", "summary.json")
    }
    run.forget_state()
    assert not list(run.outputs.rglob("last.ckpt"))
    assert len(Run(run.folder).folds) == 2


def test_the_ledger_tells_one_fold_from_all():
    assert made_words("0002", {"run": "0002", "folds": [1], "tta": "none", "scales": [1.0]}) == "fold 1, no tta"
    assert made_words("0002", {"run": "0002", "folds": [0, 1], "members": [{}, {}]}) == "2 folds"


# The live table


def test_each_fold_has_its_own_epochs_in_the_table_and_a_column(tmp_path):
    record = {"fold": 2, "folds": 5, "epoch": 3, "epochs": 8, "step": 90, "steps": 400, "loss": 0.5, "seconds": 90.0}
    progress = parse(line(record))
    assert "fold 2 of 5    epoch 3/8    step 90/400" in draw(progress, "macro Dice", None, None).plain
    assert progress.eta == 310.0
    MetricsFile(tmp_path / "metrics.csv").add(progress, 95.0)
    header, row = (tmp_path / "metrics.csv").read_text().splitlines()
    assert dict(zip(header.split(","), row.split(","), strict=True))["fold"] == "2"


# Counts


@pytest.mark.parametrize("name", ["sample", "dsb-2018", "uw-madison-gi", "severstal"])
@settings(max_examples=15)
@drawn(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 4))
def test_counts_that_were_written_score_as_those_that_were_not(tmp_path_factory, name, seed, count):
    """Label maps, instances and distances: a set in two files has the score of the set."""
    competition, rng = load(name), np.random.default_rng(seed)
    labels = max(1, len(competition.classes))
    counts = []
    for _ in range(2 * count):
        pair = rng.integers(0, labels, (2, 9, 11)).repeat(3, 1).repeat(3, 2).astype(np.uint8)
        counts.append(take(*pair, competition))
    folder = tmp_path_factory.mktemp("counts")
    counts_file.write(folder / "one.npz", counts[:count])
    counts_file.write(folder / "two.npz", counts[count:])
    ids = [str(number) for number in range(2 * count)]
    again = [*counts_file.read(folder / "one.npz"), *counts_file.read(folder / "two.npz")]
    assert score(Tally.of(again, competition, ids), competition) == score(
        Tally.of(counts, competition, ids), competition
    )


def test_a_file_that_holds_no_counts_is_named(tmp_path):
    (tmp_path / "counts.npz").write_bytes(b"PK nothing")
    with pytest.raises(Failed, match=r"counts\.npz does not hold counts"):
        counts_file.read(tmp_path / "counts.npz")
