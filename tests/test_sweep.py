"""`--sweep`: a queue of runs that keeps the slots busy, survives its process and ranks what came out."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import files
from lib.errors import UsageError
from lib.launching import trials
from lib.recipe import parse_setting
from tests.loopback import Reset
from tests.loopback.quick_kernel import quick_python
from tests.programs import ON_T4, TINY, WITHOUT_GPU, wait_for

SWEEP = "grid.train.lr = [0.1, 0.01, 0.001]\n[[trials]]\ntrain.seed = 1\n[[trials]]\ntrain.seed = 2\n"


@pytest.fixture
def words(server, tmp_path):
    """A sweep of six trials on a Kaggle with two slots."""
    server.python = quick_python(tmp_path)
    path = tmp_path / "trials.toml"
    path.write_text(SWEEP)
    return (*ON_T4, *WITHOUT_GPU, "--sweep", path)


def most_at_once(server) -> int:
    """The largest number of sessions that ran at a time."""
    spans = [version.span for kernel in server.kernels.values() for version in kernel.versions]
    return max(sum(begin <= at < end for begin, end in spans) for at, _ in spans)


def test_every_trial_runs_once_as_many_at_a_time_as_there_are_slots(server, on_kaggle, words):
    server.env["QUICK_KERNEL_SCORES"] = "1"
    done = on_kaggle.json(*words)
    assert len(server.kernels) == server.count("SaveKernel") == 6
    assert most_at_once(server) == 2
    ranked = done["trials"]
    values = [row["value"] for row in ranked]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == 6
    assert {row["trial"] for row in ranked} == {
        f"train.seed={seed} train.lr={lr}" for seed in (1, 2) for lr in (0.1, 0.01, 0.001)
    }
    for row in ranked:
        content = files.read_json(on_kaggle.runs / row["run"] / "run.json")
        assert content["metrics"]["value"] == row["value"]
        assert f"train.lr={content['recipe']['train']['lr']:g}" in row["trial"]
    asked = server.count("SaveKernel")
    again = on_kaggle(*words)
    assert server.count("SaveKernel") == asked, "what is done is not done again"
    assert re.search(r"rank +score +status +run +trial\n1 ", again.stdout)
    assert f"next: python submit.py --run {ranked[0]['run']}" in again.stderr


def test_a_killed_sweep_is_picked_up_by_the_same_command(server, on_kaggle, words):
    server.env["QUICK_KERNEL_SECONDS"] = "1"
    driver = on_kaggle.start(*words)
    wait_for(lambda: len(server.kernels) >= 3)
    driver.kill()
    driver.communicate()
    assert len(on_kaggle.json(*words)["trials"]) == 6
    assert len(server.kernels) == 6
    assert all(len(kernel.versions) == 1 for kernel in server.kernels.values())
    assert most_at_once(server) == 2


def test_a_full_house_is_waited_for_and_a_lost_answer_is_asked_for(server, on_kaggle, words):
    server.gpu_slots = 1
    server.faults.add("SaveKernel", Reset(work_done=True))
    assert {row["state"] for row in on_kaggle.json(*words)["trials"]} == {"complete"}
    assert len(server.kernels) == 6
    assert most_at_once(server) == 1


def test_a_quota_that_runs_out_ends_the_sweep_and_keeps_what_is_done(server, on_kaggle, words):
    server.gpu_hours_left = 0
    said = on_kaggle(*words, code=3).stderr
    assert "quota" in said
    assert "pick the sweep up with the same command" in said
    server.gpu_hours_left = 30
    assert {row["state"] for row in on_kaggle.json(*words)["trials"]} == {"complete"}


def test_failed_trials_are_tried_again_only_when_asked(server, on_kaggle, words):
    server.env["QUICK_KERNEL_EXIT"] = "1"
    assert {row["state"] for row in on_kaggle.json(*words, code=1)["trials"]} == {"failed"}
    assert server.count("SaveKernel") == 6
    del server.env["QUICK_KERNEL_EXIT"]
    on_kaggle(*words, code=1)
    assert server.count("SaveKernel") == 6
    assert {row["state"] for row in on_kaggle.json(*words, "--retry")["trials"]} == {"complete"}
    assert server.count("SaveKernel") == 12


def test_a_mistake_in_any_trial_is_found_before_the_first_push(server, on_kaggle, tmp_path):
    path = tmp_path / "trials.toml"
    for text, said in (
        ("grid.train.lr = [0.1, -1]", "train.lr"),
        ("grid.train.speed = [1, 2]", "train.speed: unknown recipe key"),
        ("grid.train.lr = 0.1", "is not a list of values"),
        ("", "holds no trial"),
        ("lr = [0.1]", "unknown key"),
        ('grid.model.encoder = ["mobilenetv3_small_050", "resnet5o"]', "has no model 'resnet5o'"),
    ):
        path.write_text(text)
        assert said in on_kaggle(*ON_T4, *WITHOUT_GPU, "--sweep", path, code=2).stderr
    assert "does not exist" in on_kaggle(*ON_T4, "--sweep", tmp_path / "none.toml", code=2).stderr
    assert server.count("SaveKernel") == 0


def test_a_sweep_here_runs_one_trial_after_another(program, tmp_path):
    path = tmp_path / "trials.toml"
    path.write_text("grid.train.seed = [1, 2]")
    done = program("launch.py", *TINY, "--sweep", path)
    assert done.stdout.count("complete") == 2
    assert len(list(program.runs.glob("2*/outputs/checkpoints/best.safetensors"))) == 2


def test_trials_are_the_product_of_the_grid_and_the_list(tmp_path):
    path = tmp_path / "trials.toml"
    path.write_text('grid.model.encoder = ["a b", "c"]\n[[trials]]\ntrain.lr = 0.5\n[[trials]]\ndata.crop = 64\n')
    assert [trial.name for trial in trials.read(path)] == [
        'train.lr=0.5 model.encoder="a b"',
        'train.lr=0.5 model.encoder="c"',
        'data.crop=64 model.encoder="a b"',
        'data.crop=64 model.encoder="c"',
    ]
    path.write_text("grid.train.lr = [1, 2]\n[[trials]]\ntrain.lr = 3")
    with pytest.raises(UsageError, match=r"train\.lr stands in the grid and in trials"):
        trials.read(path)
    path.write_text("grid.train.lr = " + str([n / 1000 for n in range(1, 300)]))
    with pytest.raises(UsageError, match="makes 299 trials, and 200 is the most"):
        trials.read(path)


@given(st.one_of(st.integers(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False), st.text()))
def test_a_trial_says_its_values_as_the_recipe_reads_them(value):
    assert parse_setting(f"some.key={trials._toml(value)}") == ("some.key", value)
