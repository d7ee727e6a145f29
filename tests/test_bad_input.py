"""What a wrong word, folder or file gets: a sentence, a next step, an exit code, nothing half-written."""

import json
import shutil

import numpy as np
import pytest

from lib import files
from lib.rasters import encode_png
from tests.programs import TINY
from tests.ready import field, ready_run


@pytest.mark.parametrize(
    ("words", "code", "said", "hint"),
    [
        (("-c", "dubia"), 2, "there is no competition 'dubia'", "did you mean dubai?"),
        (("-c", "nowhere/own.toml"), 2, "the competition file nowhere/own.toml does not exist", "deepglobe"),
        (("--gpu", "t4"), 2, "there is no accelerator 't4'", "did you mean t4x2?"),
        (("--gpu", "v100"), 2, "there is no accelerator 'v100'", "none, t4x2, p100"),
        (("--on", "mars"), 2, "--on mars: there is no such place", "local, kaggle"),
        (("--on", "local", "--gpu", "t4x2"), 2, "--gpu t4x2 is Kaggle's", "uses the GPUs it finds"),
        (("--kernel", "predikt"), 2, "there is no such kernel", "train"),
        (("--set", "train.epoch=3"), 2, "train.epoch: unknown recipe key", "did you mean train.epochs?"),
        (("--set", "train.epochs=many"), 2, "train.epochs: found 'many'", ""),
        (("--recipe", "nowhere.toml"), 2, "nowhere.toml does not exist", ""),
        (("--timeout", "soon"), 2, "'soon' is not a duration", "11h30m"),
        (("--timeout", "\u00b2"), 2, "is not a duration", "11h30m"),
        (("--gpu", "t4x2", "--timeout", "13h"), 2, "Kaggle ends a session after 12h00m", "leave --timeout out"),
        (("--no-internet",), 2, "--internet and --no-internet are for Kaggle", ""),
        (("--set", "train.lr=inf"), 2, "train.lr: found inf", ""),
        (("--set", "train.seed=-1"), 2, "train.seed: found -1", ""),
        (("--set", "model.weights=nowhere.safetensors"), 2, "'nowhere.safetensors': there is no such file", "imagenet"),
        (("--gpu", "t4x2", "--set", "train.batch=5"), 2, "cannot be divided over 2 GPUs", "train.batch=4"),
        (("--set", "model.architecture=fpn"), 2, "decoder_channels goes with unet", ""),
        (("-c", ""), 2, "the competition file . is a folder", "deepglobe"),
        (("-c", "lib"), 2, "the competition file lib is a folder", "deepglobe"),
        (("--gpu", ""), 2, "there is no accelerator ''", "t4x2"),
        (("status", ""), 2, "there are no runs in", "python launch.py"),
        (("-c", "dubai"), 2, "dubai needs its data; it is on Kaggle: https://", "--data DIR"),
        (("-c", "dubai", "--data", "nowhere"), 2, "the data folder nowhere does not exist", "--data DIR"),
        (("--data", "lib"), 2, "sample makes its own scenes", "leave --data out"),
        (("--gpu", "t4x2", "--data", "lib"), 2, "--data is for runs on this machine", ""),
        (("--gpu", "t4x2", "--set", "model.weights=best.safetensors"), 2, "there is no such file", "or a checkpoint"),
        (("status",), 2, "there are no runs in", "python launch.py"),
        (("fetch", "0000"), 2, "there are no runs in", "python launch.py"),
        (("--no-such-flag",), 2, "No such option", "python launch.py --help"),
    ],
)
def test_wrong_words_of_launch(program, words, code, said, hint):
    done = program("launch.py", *words, "--json", code=code)
    assert said in done.stderr
    assert hint in done.stderr
    document = json.loads(done.stdout)
    assert said in document["error"]
    assert document["exit_code"] == code
    assert not program.runs.exists()


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (("launch.py", "--dry-run", "stop", "-y"), "stop"),
        (("launch.py", "--gpu", "t4x2", "runs"), "runs"),
        (("submit.py", "--run", "older", "send"), "send"),
        (("submit.py", "-c", "dubai", "check", "file.csv"), "check"),
    ],
)
def test_options_before_a_command_are_not_forgotten(program, words, command):
    """`--dry-run stop` would stop for real, `--run A send` would send another run's file."""
    said = program(*words, code=2).stderr
    assert words[1] in said
    assert f"before {command!r} would be ignored" in said


def test_a_reader_that_leaves_is_no_error(program):
    """`launch.py --dry-run | head -1`"""
    with program.start("launch.py", "--dry-run") as process:
        process.stdout.close()
        assert "Error" not in process.stderr.read()


def test_a_damaged_run_spoils_no_other(program):
    for letter, content in zip("abcd", ("", "{", "[]", '{"id": "x"}'), strict=True):
        files.write(program.runs / f"20260101-000000-sample-{4 * letter}" / "run.json", content)
    assert program("launch.py", "runs").stdout.count("damaged") == 4
    for letter in "abcd":
        assert f"{4 * letter}/run.json" in program("launch.py", "status", 4 * letter, code=1).stderr
    assert "there is no finished run yet" in program("submit.py", code=2).stderr


def test_a_place_that_cannot_be_written(program, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for runs in (tmp_path / "file", tmp_path / "file" / "below"):
        done = program("launch.py", "--dry-run", "--json", code=1, SWATH_RUNS=str(runs))
        assert str(tmp_path / "file") in json.loads(done.stdout)["error"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "there is no finished run yet"),
        (("check", "file.csv", "-c", "sample"), 2, "file.csv does not exist"),
        (("check", "README.md", "-c", "dubai"), 1, "README.md is not a readable zip file"),
        (("score", "file.csv", "--truth", "nowhere", "-c", "sample"), 2, "the truth folder nowhere does not exist"),
        (("encode", "nowhere", "-c", "sample", "--out", "x.csv"), 2, "nowhere is no folder"),
        (("decode", "LICENSE", "-c", "sample", "--out", "x"), 1, "LICENSE: 1 columns, not 2"),
    ],
)
def test_wrong_words_of_submit(program, words, code, said):
    assert said in program("submit.py", *words, code=code).stderr


@pytest.fixture
def folder(scenes, tmp_path):
    """A small data root of one's own, in the sample's layout, and its competition file."""
    root = tmp_path / "field"
    for number, path in enumerate(sorted((scenes / "train").glob("*_sat.png"))[:5]):
        for kind in ("sat", "mask"):
            files.write(
                root / "train" / f"{number}_{kind}.png", path.with_name(path.name.replace("sat", kind)).read_bytes()
            )
    text = (files.Path(__file__).parents[1] / "lib/competitions/sample.toml").read_text()
    own = tmp_path / "field.toml"
    own.write_text(text.replace('name = "sample"', 'name = "field"').replace("built_in = true", ""))
    return root, own


def remove(path):
    path.unlink()


@pytest.mark.parametrize(
    ("name", "change", "code", "said"),
    [
        ("3_mask.png", remove, 1, "3_sat.png has no mask: train/3_mask.png is missing"),
        ("3_sat.png", remove, 1, "3_mask.png is a mask without an image"),
    ],
)
def test_a_folder_with_a_hole_is_refused_before_anything_starts(program, folder, name, change, code, said):
    root, own = folder
    change(root / "train" / name)
    assert said in program("launch.py", "-c", own, "--data", root, code=code).stderr
    assert not program.runs.exists()


def test_a_folder_without_images(program, folder, tmp_path):
    _, own = folder
    (tmp_path / "empty").mkdir()
    done = program("launch.py", "-c", own, "--data", tmp_path / "empty", code=2)
    assert "no image under" in done.stderr
    assert "the folder holds nothing" in done.stderr


def cut(path):
    path.write_bytes(path.read_bytes()[:-30])


def shrink(path):
    path.write_bytes(encode_png(np.zeros((5, 7, 3), np.uint8)))


def smudge(path):
    picture = np.zeros((281, 313, 3), np.uint8)
    picture[9, 8] = (255, 0, 0)
    path.write_bytes(encode_png(picture))


def test_bad_pixels_stop_the_run_at_once_and_all_of_them_are_named(program, folder):
    """One run, three bad files: each in a sentence of its own."""
    root, own = folder
    cut(root / "train" / "1_sat.png")
    shrink(root / "train" / "2_mask.png")
    smudge(root / "train" / "0_mask.png")
    done = program("launch.py", "-c", own, "--data", root, *TINY, code=1)
    assert "1_sat.png is cut short" in done.stderr
    assert "2_sat.png is 269x301 (width x height), its mask 2_mask.png is 7x5 (width x height)" in done.stderr
    assert "0_mask.png: colour #FF0000 is no class's (0.00% of the pixels, first at row 9, column 8)" in done.stderr
    assert "failed (the kernel ended with exit code 1)" in done.stdout
    assert "epoch" not in done.stderr.split("data:")[1]


def test_a_checkpoint_of_another_competition(program, folder, tmp_path):
    root, own = folder
    run = ready_run(program.runs, root, toml=own.read_text().replace('name = "field"', 'name = "meadow"'))
    done = program("submit.py", "-c", own, "--data", root, code=2)
    assert "was trained for 'meadow'" in done.stderr
    assert "not for 'field'" in done.stderr
    assert run.id in str(sorted(program.runs.iterdir()))


def test_a_checkpoint_of_other_classes(program, folder, tmp_path):
    ready_run(program.runs, field(tmp_path / "data"))
    root, own = folder
    done = program("submit.py", "-c", own, "--data", root, code=2)
    assert "was trained for 'field' (soil, crop)" in done.stderr
    assert "not for 'field' (urban, " in done.stderr


def test_a_run_is_named_by_a_part_and_an_unclear_part_is_refused(program, tmp_path):
    run = ready_run(program.runs, field(tmp_path / "data"))
    assert f"{run.id}/session/state.json is missing" in program("launch.py", "status", "abcd", code=1).stderr
    twin = program.runs / (run.id[:-1] + "z")
    shutil.copytree(run.folder, twin, ignore=shutil.ignore_patterns("session", "outputs"))
    assert "fits 2 runs" in program("launch.py", "status", run.id[:-1], code=2).stderr
    assert "there is no run 'zzz'" in program("launch.py", "status", "zzz", code=2).stderr
    assert "has brought no checkpoint home" in program("submit.py", "--run", twin.name, code=2).stderr


def test_a_damaged_run_file(program):
    files.write(program.runs / "20260101-000000-sample-0000" / "run.json", '{"id": ')
    assert "run.json cannot be read" in program("launch.py", "status", code=1).stderr


def test_weights_that_cannot_come(program, tmp_path):
    """The hub is off and its cache empty: the run fails with the way out, and trains nothing."""
    hub = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")}
    done = program("launch.py", "--set", "model.weights=imagenet", *TINY, code=1, **hub)
    assert "the pretrained weights of mobilenetv3_small_100 did not load" in done.stderr
    assert "--set model.weights=none" in done.stderr
    assert not list(program.runs.glob("*/outputs/checkpoints/*"))
