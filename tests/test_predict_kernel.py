"""kernels/predict.py: test images to a checked file, in the visible run and in the rerun that nobody may lose."""

import json
import os

import numpy as np
import pytest
from scipy import ndimage

from lib import files
from lib.competitions import find_pairs
from lib.errors import DataError
from lib.inference import ensemble, restore
from lib.inference.output import MaskOutput
from lib.models import checkpoint
from lib.models.found import checkpoints
from lib.rasters import read_image
from lib.submissions import read
from lib.submissions.job import find_job
from lib.submissions.pipeline import make_file
from lib.training.limit import Limit
from tests.inferring import predict
from tests.programs import program_in
from tests.ready import SLUG, TOML, field, ready_run

INSTANCES = TOML.replace('id = "{id}"', 'id = "{id}"\nunit = "instance"').replace('"dice"', '"instance-fbeta"')
INSTANCES = INSTANCES.replace('pool = "pairs"', 'pool = "image"')


def rows(path):
    return dict(line.split(",") for line in path.read_text().splitlines())


def test_the_file_is_the_one_that_is_made_at_home(predict_kernel, predict_session):
    root, data, runs, _ = predict_session
    predict_kernel.main()
    own = checkpoint.load(runs[0].checkpoint)
    job = find_job(runs[0].competition, data)
    images = {pair.id: read_image(pair.image) for pair in job.images}
    masks = {name: restore(predict(own.model, image, own.recipe), image.shape[:2]) for name, image in images.items()}
    made = make_file(job, masks.__getitem__, runs[0].folder)
    said = files.read_json(root / "working/summary.json")
    assert said["submission"]["sha256"] == made["sha256"] == files.sha256(root / "working/submission.csv")
    assert said["submission"]["score"] == json.loads(json.dumps(made["score"]))
    assert said["submission"]["problems"] == []
    assert said["submission"]["made_of"] == {"runs": [runs[0].id], "tta": "none", "scales": [1.0]}
    listed = {entry["name"]: entry["sha256"] for entry in files.read_json(root / "working/manifest.json")["files"]}
    assert listed["submission.csv"] == made["sha256"]
    assert set(listed) == {"submission.csv", "summary.json"}


@pytest.mark.parametrize("predict_session", [INSTANCES], indirect=True)
def test_instances_are_components_and_an_image_that_fails_has_none(predict_kernel, predict_session, monkeypatch):
    root, data, runs, _ = predict_session
    predict_kernel.main()
    own, competition = checkpoint.load(runs[0].checkpoint), runs[0].competition
    found = dict(read(root / "working/submission.csv", competition, find_job(competition, data).layout()))
    assert files.read_json(root / "working/summary.json")["submission"]["problems"] == []
    for image, instances in found.items():
        labels = predict(own.model, read_image(data / "test" / f"{image}.png"), own.recipe).argmax(0)
        numbers, count = ndimage.label(labels == 1, np.ones((3, 3)))
        assert len(instances) == count > 0
        assert sorted(each.area for each in instances) == sorted(np.bincount(numbers.reshape(-1))[1:])
    before = (root / "working/submission.csv").read_text().splitlines()
    files.write(data / "test/t1.png", b"no image")
    monkeypatch.setenv(predict_kernel.RERUN, "1")
    predict_kernel.main()
    after = (root / "working/submission.csv").read_text().splitlines()
    assert [line for line in after if not line.startswith("t1")] == [line for line in before if line[:2] != "t1"]
    assert [line for line in after if line.startswith("t1")] == ["t1,"], "its size is not known, and it has no instance"


def test_several_runs_are_averaged(predict_kernel, predict_session):
    root, data, runs, members = predict_session
    plan = files.read_json(root / "payload/plan.json")
    files.write_json(root / "payload/plan.json", plan | {"members": members})
    predict_kernel.main()
    competition = runs[0].competition
    loaded = [checkpoint.load(run.checkpoint) for run in runs]
    layout = find_job(competition, data).layout()
    for image, labels in read(root / "working/submission.csv", competition, layout):
        pixels = read_image(data / "test" / f"{image}.png")
        mean = np.mean([predict(one.model, pixels, one.recipe) for one in loaded], axis=0)
        assert np.array_equal(labels, mean.argmax(0))


def test_thresholds_go_along(predict_kernel, predict_session):
    root, _, _, _ = predict_session
    plan = files.read_json(root / "payload/plan.json")
    files.write_json(root / "payload/plan.json", plan | {"thresholds": {"bias": {"crop": 1000.0, "soil": 1.0}}})
    predict_kernel.main()
    lengths = [sum(map(int, text.split()[1::2])) for text in list(rows(root / "working/submission.csv").values())[1:]]
    assert lengths == [45 * 49, 41 * 47, 37 * 45], "crop everywhere"


def test_an_image_that_fails_is_named_and_does_not_lose_the_others(predict_kernel, predict_session, capsys):
    root, data, _, _ = predict_session
    whole = (data / "test/t1.png").read_bytes()
    files.write(data / "test/t1.png", whole[: len(whole) // 2])
    with pytest.raises(SystemExit):
        predict_kernel.main()
    said = capsys.readouterr()
    assert "1 images failed (t1); no file was written" in said.err
    assert "3 of 3" not in said.out
    names = [entry["name"] for entry in files.read_json(root / "working/manifest.json")["files"]]
    assert names == ["predictions/t0.png", "predictions/t2.png", "summary.json"]


@pytest.mark.parametrize("damage", ["half", "no image"])
def test_in_the_rerun_it_gets_an_empty_mask(predict_kernel, predict_session, monkeypatch, capsys, damage):
    root, data, _, _ = predict_session
    predict_kernel.main()
    before = rows(root / "working/submission.csv")
    whole = (data / "test/t1.png").read_bytes()
    files.write(data / "test/t1.png", whole[: len(whole) // 2] if damage == "half" else b"no image")
    monkeypatch.setenv(predict_kernel.RERUN, "1")
    predict_kernel.main()
    assert rows(root / "working/submission.csv") == before | {"t1": ""}
    assert files.read_json(root / "working/summary.json")["submission"]["problems"] == []
    assert "empty masks stand for what is missing: 1 images failed (t1)" in capsys.readouterr().out


@pytest.mark.parametrize("predict_session", [TOML.replace("sample =", "allow_empty = false\nsample =")], indirect=True)
def test_in_the_rerun_no_mask_is_empty_where_that_would_crash_the_scorer(predict_kernel, predict_session, monkeypatch):
    root, data, _, _ = predict_session
    plan = files.read_json(root / "payload/plan.json")
    files.write_json(root / "payload/plan.json", plan | {"thresholds": {"bias": {"crop": 1.0, "soil": 1000.0}}})
    files.write(data / "test/t1.png", b"no image")
    monkeypatch.setenv(predict_kernel.RERUN, "1")
    predict_kernel.main()
    assert rows(root / "working/submission.csv") == {"id": "rle", "t2": "1 1", "t1": "1 1", "t0": "1 1"}
    assert files.read_json(root / "working/summary.json")["submission"]["problems"] == []


def test_hidden_images_stand_in_the_visible_ones_place(predict_kernel, predict_session, monkeypatch):
    root, data, _, _ = predict_session
    hidden = field(data.parent / "hidden", tests=5, seed=9)
    (root / "input/competitions" / SLUG).unlink()
    (root / "input/competitions" / SLUG).symlink_to(hidden)
    files.write(hidden / "sample_submission.csv", "id,rle\n" + "".join(f"t{n},\n" for n in (3, 1, 0, 4, 7)))
    monkeypatch.setenv(predict_kernel.RERUN, "1")
    predict_kernel.main()
    found = rows(root / "working/submission.csv")
    assert list(found) == ["id", "t3", "t1", "t0", "t4", "t7"], "the sample's ids, an image that is not there too"
    assert [name for name, text in found.items() if not text] == ["t7"]


def test_it_stops_in_time_for_the_file(predict_kernel, predict_session, tmp_path):
    _, data, runs, _ = predict_session
    now = iter(range(1000))
    limit = Limit(9, begin=0, clock=lambda: next(now))  # a second passes with each look
    loaded, done = ensemble.load([ensemble.Weighted(runs[0].checkpoint)]), predict_kernel.Done()
    pairs = find_pairs(runs[0].competition.data.test, data, masks=False)
    output = MaskOutput(loaded.predictor(), runs[0].competition, tmp_path / "out")
    predict_kernel.predict_all(pairs * 5, [output], limit, done)
    assert len(done.left) >= 5
    assert set(done.seconds) >= {"t0", "t1"}


@pytest.mark.parametrize(
    "place", ["notebooks/me/a/checkpoints", "a/checkpoints", "datasets/me/swath-weights-x", "b/c/d"]
)
def test_weights_are_known_by_their_content(tmp_path, place):
    files.write(tmp_path / "datasets/me/swath-other/best.safetensors", "other")
    files.write(tmp_path / place / "any.safetensors", "these")
    wanted = {"run": "r", "sha256": files.sha256(tmp_path / place / "any.safetensors")}
    assert checkpoints(tmp_path, [wanted]) == [tmp_path / place / "any.safetensors"]
    with pytest.raises(DataError, match=r"(?s)the weights of run s are not under .*swath-other"):
        checkpoints(tmp_path, [wanted, {"run": "s", "sha256": "0" * 64}])


def test_launch_predicts_here_and_brings_the_file_home(tmp_path):
    run = ready_run(tmp_path / "runs", field(tmp_path / "data"))
    program = program_in(tmp_path, tmp_path / "cache")
    done = program("launch.py", "--kernel", "predict")
    (new,) = (path.name for path in program.runs.glob("2*") if path.name != run.id)
    assert f"the test images with the weights of {run.id}, tta none" in done.stderr
    assert "submission.csv: 3 rows for 3 test images" in done.stdout
    assert f"next: python submit.py send --run {new}" in done.stderr
    (entry,) = files.read_json(program.runs / new / "run.json")["submissions"]
    assert (entry["problems"], entry["which"]) == ([], "test")
    assert entry["score"]["images"].keys() == {"t0", "t1", "t2"}
    assert os.path.samefile(entry["file"], program.runs / new / "outputs" / "submission.csv")


def test_a_plan_for_kaggle_names_what_brings_the_weights(tmp_path):
    data = field(tmp_path / "data")
    ready_run(tmp_path / "runs", data)
    attempt = {"ref": "me/20260102-000000-field-beef", "version": 1, "url": "", "status": "complete"}
    ready_run(tmp_path / "runs", data, attempt["ref"][3:], 1, place="kaggle", attempts=[attempt])
    program = program_in(tmp_path, tmp_path / "cache", KAGGLE_USERNAME="me", KAGGLE_KEY="k")
    words = ("launch.py", "--kernel", "predict", "--gpu", "t4x2", "--dry-run", "--set", "infer.tta=flips")
    sha256 = files.sha256(program.runs / attempt["ref"][3:] / "outputs/checkpoints/best.safetensors")
    thresholds = {"members": [{"checkpoint": sha256, "weight": 1.0}], "bias": {"crop": 2.0}}
    files.write_json(program.runs / attempt["ref"][3:] / "thresholds.json", thresholds)
    assert program.json(*words, "--run", "beef")["thresholds"] == thresholds
    assert "a weight is a number above 0" in program(*words, "--run", "beef=0", code=2).stderr
    plan = program.json(*words, "--run", "beef", "--run", "abcd=0.5")
    assert "thresholds" not in plan, "they were made for the first run alone"
    assert plan["metadata"]["kernel_sources"] == ["me/20260102-000000-field-beef"]
    assert plan["metadata"]["competition_sources"] == [SLUG]
    assert plan["metadata"]["dataset_sources"] == [f"me/{plan['uploads']['dataset']}"]
    assert plan["metadata"]["enable_internet"] is False
    assert plan["recipe"]["infer"]["tta"] == "flips"
    named = [(member["run"], member["weight"]) for member in plan["members"]]
    assert named == [(attempt["ref"][3:], 1.0), ("20260101-000000-field-abcd", 0.5)]
    assert "kernels/predict.py" in plan["files"]
    assert program.json(*words, "--chain", "2")["sessions"] == 2
    assert "--run names whose weights predict" in program("launch.py", "--run", "beef", code=2).stderr
    assert "was trained for field (soil, crop), not for sample" in program(*words, "-c", "sample", code=2).stderr
