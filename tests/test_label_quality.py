"""Labels that a model contradicts: each tile's numbers, the ranking, the page, and the list that the next run takes."""

import csv
import json
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import jaccard_score, log_loss

from lib import files
from lib.competitions import IGNORE, Pair, load
from lib.competitions.schema import Label, Masks
from lib.data import tiles
from lib.errors import UsageError
from lib.inference import bands, disagreement
from lib.inference.disagreement import FLOOR, SURE, at_size, compare, working_labels
from lib.inference.label_quality import Division, judge
from lib.inference.source import prepare
from lib.launching import labelling
from lib.rasters import encode_png, read_labels, write_labels
from lib.recipe import DataRecipe
from lib.reporting.tile_gallery import TileGallery
from tests.inferring import Pointwise, picture, predictor, whole
from tests.ready import TOML, field, ready_run

FIELD_CLASSES = 6
COMPETITION = load("sample").model_copy(update={"masks": Masks(), "ignore": (Label(name="unknown", value=IGNORE),)})


class Knows(torch.nn.Module):
    """Says the class that a picture's red channel names, the surer, the greener the pixel."""

    def __init__(self, classes: int = FIELD_CLASSES):
        super().__init__()
        self.unused, self.classes = torch.nn.Parameter(torch.zeros(1)), classes

    def forward(self, images):
        named = torch.nn.functional.one_hot((images[:, 0].long() // 40).clamp(max=self.classes - 1), self.classes)
        return named.permute(0, 3, 1, 2).float() * (images[:, 1:2].float() / 32)


def drawn(named: np.ndarray, sureness: int = 160) -> np.ndarray:
    """The picture in which `Knows` sees these classes."""
    return np.stack([named * 40 + 20, np.full_like(named, sureness), np.zeros_like(named)], -1).astype(np.uint8)


def blocks(rng, shape=(120, 150), block=15) -> np.ndarray:
    """Classes in a patchwork."""
    coarse = rng.integers(0, FIELD_CLASSES, (-(-shape[0] // block), -(-shape[1] // block)))
    return coarse.repeat(block, 0).repeat(block, 1)[: shape[0], : shape[1]].astype(np.uint8)


def stored(folder, name, image, labels) -> Pair:
    path, mask = folder / f"{name}.png", folder / f"{name}_mask.png"
    files.write(path, encode_png(image))
    write_labels(mask, labels, COMPETITION)
    return Pair(name, path, mask, name)


# A tile's numbers


@settings(max_examples=25)
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    scale=st.sampled_from([0.5, 1.0, 1.7]),
    side=st.integers(16, 64),
    seed=st.integers(0, 99),
)
def test_a_tile_is_what_scikit_learn_says_of_its_pixels(tmp_path_factory, height, width, scale, side, seed):
    rng = np.random.default_rng(seed)
    labels = rng.choice([0, 1, 2, 3, 4, 5, IGNORE], (height, width)).astype(np.uint8)
    pair = stored(tmp_path_factory.mktemp("tile"), "a", picture(height, width, seed), labels)
    teller = predictor(Pointwise(6, seed), data__scale=scale)
    with prepare(pair, teller) as prepared:
        seen = working_labels(pair, COMPETITION, prepared)
        found = compare(teller, prepared, seen, 6, side)
        probabilities = whole(teller, prepared.reader)
    if scale == 1:
        assert np.array_equal(seen, labels)
    assert np.array_equal(found.prediction, probabilities.argmax(0))
    counted = 0
    places = {window: at_size(window, (height, width), seen.shape) for window in tiles.grid((height, width), side)}
    for window, (top, bottom, left, right) in places.items():
        truth = seen[top:bottom, left:right]
        known = truth != IGNORE
        if not known.any():
            continue
        tile, table = found.tiles[counted], found.tables[counted]
        counted += 1
        p = probabilities[:, top:bottom, left:right][:, known].T.astype(float)
        said = p.argmax(1)
        assert tile.window == window
        assert tile.pixels == known.sum() == table[:, :-1].sum()
        assert tile.labelled == pytest.approx(known.mean())
        floored = np.clip(p, FLOOR, 1)
        expected = -np.log(floored[np.arange(len(said)), truth[known]]).mean()
        assert tile.loss == pytest.approx(expected, rel=1e-4)
        if p.min() > FLOOR:
            assert tile.loss == pytest.approx(
                log_loss(truth[known], p / p.sum(1, keepdims=True), labels=range(6)), 1e-4
            )
        assert table[:, -1].sum() / tile.pixels == pytest.approx(tile.loss)
        present = sorted(set(truth[known]) | set(said))
        assert tile.iou == pytest.approx(jaccard_score(truth[known], said, labels=present, average="macro"))
        assert tile.contradicted == pytest.approx(((p.max(1) >= SURE) & (said != truth[known])).mean())
    assert counted == len(found.tiles)


def test_the_most_frequent_disagreement_is_named(tmp_path):
    named = np.full((40, 60), 2, np.uint8)
    labels = named.copy()
    labels[:, :12], labels[:10, 20:30], labels[:, 50:] = 4, 1, IGNORE
    pair = stored(tmp_path, "a", drawn(named), labels)
    with prepare(pair, predictor()) as prepared:
        (tile,) = compare(predictor(Knows()), prepared, working_labels(pair, COMPETITION, prepared), 6, 64).tiles
    assert tile.confused == (4, 2, 12 * 40 / 2000)
    assert tile.contradicted == pytest.approx((12 * 40 + 100) / 2000)
    assert tile.labelled == pytest.approx(50 / 60)
    labels[:] = np.where(labels == IGNORE, IGNORE, 2)
    with prepare(pair, predictor()) as prepared:
        (right,) = compare(predictor(Knows()), prepared, labels, 6, 64).tiles
    assert (right.confused, right.iou, right.contradicted) == (None, 1.0, 0.0)
    assert right.loss < 0.1 < tile.loss


def test_neither_panels_nor_pieces_change_a_number(tmp_path, monkeypatch):
    rng = np.random.default_rng(5)
    pair = stored(tmp_path, "a", picture(150, 400), rng.integers(0, 6, (150, 400)).astype(np.uint8))

    def compared():
        with prepare(pair, predictor()) as prepared:
            return compare(predictor(Pointwise(6)), prepared, working_labels(pair, COMPETITION, prepared), 6, 70)

    once = compared()
    monkeypatch.setattr(bands, "BAND_BYTES", 1)
    monkeypatch.setattr(bands, "PIECE_BYTES", 6 * 4 * 128 * 7)
    assert len(bands.panels(predictor(Pointwise(6)), (150, 400), 6)) > 2
    again = compared()
    assert [replace(tile, loss=0) for tile in again.tiles] == [replace(tile, loss=0) for tile in once.tiles]
    assert [tile.loss for tile in again.tiles] == pytest.approx([tile.loss for tile in once.tiles])
    assert np.array_equal(again.prediction, once.prediction)


# The ranking


def spoilt(kind: str, labels: np.ndarray, window, rng) -> np.ndarray:
    """A tile's labels gone wrong: two classes swapped, moved by 15 pixels, or painted over."""
    top, bottom, left, right = window
    tile = labels[top:bottom, left:right]
    if kind == "swap":
        one = np.bincount(tile.reshape(-1), minlength=6).argmax()
        other = (one + 1 + rng.integers(5)) % 6
        return np.where(tile == one, other, np.where(tile == other, one, tile))
    if kind == "shift":
        rows = np.minimum(np.arange(top, bottom) + 15, len(labels) - 1)
        return labels[np.ix_(rows, np.minimum(np.arange(left, right) + 15, labels.shape[1] - 1))]
    return np.full_like(tile, (np.bincount(tile.reshape(-1), minlength=6).argmin()))


def test_planted_errors_come_first(tmp_path):
    """A model that knows the land, sometimes unsure and sometimes wrong, finds nine wrong tiles of eighty."""
    rng = np.random.default_rng(0)
    pairs, planted = [], {}
    kinds = ["swap", "shift", "erase"] * 3
    for number in range(4):
        named = blocks(rng, (200, 250), 25)
        labels, seen = named.copy(), named.copy()
        wrong = cv2.resize(rng.random((20, 25)), (250, 200), interpolation=cv2.INTER_LINEAR) > 0.8
        seen[wrong] = (seen[wrong] + 1) % 6
        windows = tiles.grid((200, 250), 50)
        for place in rng.permutation(len(windows))[:3] if number < 3 else ():
            top, bottom, left, right = windows[place]
            kind = kinds[len(planted)]
            labels[top:bottom, left:right] = spoilt(kind, named, windows[place], rng)
            planted[tiles.name(f"i{number}", windows[place])] = kind
        pairs.append(stored(tmp_path, f"i{number}", drawn(seen, 100), labels))
    found = judge(predictor(Knows()), COMPETITION, pairs, Division.of([], []), 50)
    assert len(found.tiles) == 80
    ranked = [each.name for each in found.ranked("training")]
    first = ranked[: len(planted)]
    assert len(planted) == 9
    assert len(set(first) & set(planted)) >= 8, {name: ranked.index(name) for name in planted}
    worst = found.worst(share=0.1)["training"]
    assert [each.name for each in worst] == ranked[:8]
    assert [each.name for each in found.worst(0.1, most=3)["training"]] == ranked[:3]


def test_parts_are_ranked_apart_and_a_few_pixels_are_not_ranked(tmp_path):
    named = np.zeros((64, 64), np.uint8)
    few, wrong = np.full((64, 64), IGNORE, np.uint8), named.copy()
    few[:3, :10], wrong[:32] = 3, 5
    content = {"a": named, "b": wrong, "c": wrong, "few": few, "none": np.full_like(few, IGNORE)}
    pairs = [stored(tmp_path, name, drawn(named), labels) for name, labels in content.items()]
    a, b, c = pairs[:3]
    division = Division.of([a, tiles.part(b, (0, 32, 0, 64))], [c, tiles.part(b, (32, 64, 32, 64))])
    found = judge(predictor(Knows()), COMPETITION, pairs, division, 32)
    parts = {each.name: each.part for each in found.tiles}
    assert [parts[f"b@r{place}"] for place in ("0-32c0-32", "0-32c32-64", "32-64c0-32", "32-64c32-64")] == [
        *("validation", "validation", "training", "excluded")
    ]
    assert {parts[name] for name in parts if name[0] == "a"} == {"validation"}
    assert {parts[name] for name in parts if name[0] == "c"} == {"excluded"}
    (alone,) = [each for each in found.tiles if each.image == "few"]
    assert not alone.ranked
    assert alone not in found.ranked("training")
    assert not [name for name in parts if name.startswith("none")]
    worst = found.worst(share=0.3)
    assert [each.name for each in worst["validation"]] == ["b@r0-32c0-32", "b@r0-32c32-64"]
    assert sorted(worst) == ["training", "validation"], "what is left out already is not listed again"
    assert found.tables["excluded"][:, :-1].sum() == 64 * 64 + 32 * 32
    only = judge(predictor(Knows()), COMPETITION, pairs, division, 32, only=["validation"])
    assert {each.part for each in only.tiles} == {"validation"}
    assert {each.image for each in only.tiles} == {"a", "b"}


def test_what_was_not_trained_on_is_not_judged(tmp_path):
    """Official lists name what is trained on; what they keep for the test is nobody's to look at."""
    named = np.zeros((64, 64), np.uint8)
    pairs = [stored(tmp_path, name, drawn(named), named) for name in "ab"]
    trained = [replace(pairs[0], id="a_1", window=(0, 32, 32, 64))]
    division = Division.of([replace(pairs[0], id="a_0", window=(0, 32, 0, 32))], [], trained)
    found = judge(predictor(Knows()), COMPETITION, pairs, division, 32)
    assert {each.name: each.part for each in found.tiles} == {"a@r0-32c0-32": "validation", "a@r0-32c32-64": "training"}


def test_the_gallery_keeps_the_worst_of_each_part(tmp_path):
    gallery, rng = TileGallery(COMPETITION, most=2), np.random.default_rng(0)
    losses = rng.random(12)
    image, labels = rng.random((50, 70, 4), np.float32), np.zeros((50, 70), np.uint8)
    for number, loss in enumerate(losses):
        part = "training" if number % 2 else "validation"
        gallery.see(part, float(loss), f"t{number}", image, labels, labels, (10, 40, 0, 30))
    expected = [f"t{n}" for half in (0, 1) for n in sorted(range(half, 12, 2), key=lambda n: -losses[n])[:2]]
    assert sorted(gallery.panels) == sorted(expected)
    panels = dict(gallery.panels[expected[0]])
    assert list(panels) == ["image", "label", "prediction", "errors"]
    shown = cv2.imdecode(np.frombuffer(panels["label"], np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape[0] / shown.shape[1] == pytest.approx(50 / 70, abs=0.01)
    times = shown.shape[0] / 50
    assert times >= 3
    assert shown[round(40 * times) - 2, round(15 * times)].min() > 200, "the tile's lower edge is framed"


# The command


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A finished run of two images, one of them held out, whose labels are wrong in one quarter."""
    monkeypatch.setenv("SWATH_RUNS", str(tmp_path / "runs"))
    data = field(tmp_path / "data")
    competition = ready_run(tmp_path / "runs", data).competition
    for name in ("i0", "i1"):
        path = data / "masks" / f"{name}.png"
        labels = read_labels(path, competition)
        labels[:20, :20] = 1 - labels[:20, :20]
        write_labels(path, labels, competition)
    return ready_run(tmp_path / "runs", data)


def the_models_are(monkeypatch, model) -> None:
    """All checkpoints that are loaded hold this model."""
    from lib.models import checkpoint

    load = checkpoint.load
    monkeypatch.setattr(checkpoint, "load", lambda path: replace(load(path), model=model.eval()))


class Bright(torch.nn.Module):
    """Crop where it is bright, which is where `field` has it."""

    def __init__(self):
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, images):
        grey = images.float().mean(1) / 32 - 4
        return torch.stack([-grey, grey], 1)


def test_the_worst_tiles_are_shown_and_listed_and_the_next_run_takes_the_list(run, monkeypatch, capsys):
    the_models_are(monkeypatch, Bright())
    labelling.labels(labelling.Wish(side=20, most=1))
    said = capsys.readouterr()
    folder = run.folder / "labels"
    assert sorted(path.name for path in folder.iterdir()) == ["exclude.txt", "labels.csv", "labels.html"]

    rows = list(csv.DictReader((folder / "labels.csv").read_text().splitlines()))
    sizes = {"i0": (37, 45), "i1": (41, 47)}
    expected = {tiles.name(image, window) for image, size in sizes.items() for window in tiles.grid(size, 20)}
    assert {row["name"] for row in rows} == expected
    assert {(row["image"], row["part"]) for row in rows} == {("i0", "validation"), ("i1", "training")}
    firsts = {row["part"]: row for row in rows if row["rank"] == "1"}
    for part, image in (("validation", "i0"), ("training", "i1")):
        row = firsts[part]
        assert (row["name"], row["listed"]) == (f"{image}@r0-20c0-20", "1")
        assert float(row["iou"]) == 0
        assert float(row["contradicted"]) == 1
        assert {row["label"], row["prediction"]} == {"soil", "crop"}
    assert sum(int(row["listed"]) for row in rows) == 2

    listed = DataRecipe(exclude=str(folder / "exclude.txt")).exclude
    assert listed == ("i1@r0-20c0-20", "i0@r0-20c0-20")
    assert [tiles.parse(name) for name in listed] == [("i1", (0, 20, 0, 20)), ("i0", (0, 20, 0, 20))]
    lines = (folder / "exclude.txt").read_text().splitlines()
    assert re.fullmatch(
        r"i1@r0-20c0-20  # loss \d\.\d\d, IoU 0\.00, label says \w+, model says \w+, \d+% of the tile", lines[4]
    )

    assert "held out, so the model is a fair judge" in said.out
    assert "the model has seen these labels, so their disagreement is understated" in said.out
    assert "i0@r0-20c0-20" in said.out
    assert f"--set data.exclude={folder / 'exclude.txt'}" in said.err
    assert f"next: python launch.py -c {run.folder}/competition.toml --data {run.data} --set model." in said.err

    page = (folder / "labels.html").read_text()
    assert page.count("<figure>") == len(rows)
    assert page.count("data:image/jpeg;base64,") == 4 * len(rows)
    assert len(re.findall(r'<span class="mark">listed</span>\s+<span>loss', page)) == 2
    assert page.index("i0@r0-20c0-20</code>") < page.index("i1@r0-20c0-20</code>")
    assert "The model has seen these labels and has partly learned even the wrong ones." in page
    assert not re.search(r"""(?:src|href)=["'](?!data:)|https?://""", page)


def test_what_a_run_left_out_stays_left_out_and_is_judged_apart(run, monkeypatch, capsys):
    from lib.models import checkpoint
    from tests.ready import RECIPE

    recipe = RECIPE.model_copy(update={"data": RECIPE.data.model_copy(update={"exclude": ("i1@r0-20c0-20",)})})
    checkpoint.save(run.checkpoint, checkpoint.load(run.checkpoint).model, run.competition, recipe, 0.5, 1)
    the_models_are(monkeypatch, Bright())
    labelling.labels(labelling.Wish(side=20, share=0.01), as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["excluded_before"] == ["i1@r0-20c0-20"]
    apart = [tiles.parse(tile["name"]) for tile in document["parts"]["excluded"]["worst"]]
    assert apart == [("i1", (0, 20, 0, 20)), ("i1", (10, 30, 0, 20))], "half of the second was left out too"
    assert len(document["exclude"]) == 2
    assert "i1@r0-20c0-20" not in document["exclude"]
    assert DataRecipe(exclude=document["files"]["exclude"]).exclude == ("i1@r0-20c0-20", *reversed(document["exclude"]))


def test_a_run_on_kaggle_is_trained_again_there(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SWATH_RUNS", str(tmp_path / "runs"))
    the_models_are(monkeypatch, Bright())
    run = ready_run(tmp_path / "runs", field(tmp_path / "data"), place="kaggle", accelerator="t4x2")
    labelling.labels(labelling.Wish(side=20, on="train"))
    assert f"next: python launch.py --gpu t4x2 -c {run.folder}/competition.toml --set model" in capsys.readouterr().err


def test_one_part_alone(run, monkeypatch, capsys):
    the_models_are(monkeypatch, Bright())
    labelling.labels(labelling.Wish(on="validation", side=20, share=0), as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert (list(document["parts"]), document["images"], document["exclude"]) == (["validation"], 1, [])
    shares = {row["name"]: row["contradicted"] for row in document["parts"]["validation"]["classes"]}
    assert set(shares) == {"soil", "crop"}
    assert all(0.1 < share < 0.5 for share in shares.values())


def test_an_image_that_cannot_be_read_costs_no_other(run, program):
    (run.data / "images" / "i1.png").write_bytes(b"no picture")
    done = program("launch.py", "labels", "--side", 20, code=1, SWATH_RUNS=str(run.folder.parent))
    assert "1 images could not be compared, the others are:" in done.stderr
    assert "i1.png" in done.stderr
    assert "validation: 6 tiles" in done.stdout
    assert (run.folder / "labels" / "labels.html").is_file()


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"on": "test"}, "--on test: there is no such part"),
        ({"tta": "d5"}, "--tta d5"),
        ({"run": "nothing"}, "there is no run 'nothing'"),
    ],
)
def test_words_that_mean_nothing(run, wish, words):
    with pytest.raises(UsageError, match=re.escape(words)):
        labelling.labels(labelling.Wish(**wish))


def test_overlapping_classes_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("SWATH_RUNS", str(tmp_path / "runs"))
    toml = TOML.replace(
        'sample = "sample_submission.csv"\n', 'sample = "sample_submission.csv"\n[submission]\noverlap = true\n'
    )
    ready_run(tmp_path / "runs", field(tmp_path / "data"), toml=toml)
    with pytest.raises(UsageError, match="the classes of field overlap"):
        labelling.labels(labelling.Wish())


def test_nothing_is_left_half_written(run, monkeypatch):
    the_models_are(monkeypatch, Bright())

    def interrupted(*words):
        raise KeyboardInterrupt

    monkeypatch.setattr(disagreement, "confusion", interrupted)
    with pytest.raises(KeyboardInterrupt):
        labelling.labels(labelling.Wish(side=20))
    assert not (run.folder / "labels").exists()
