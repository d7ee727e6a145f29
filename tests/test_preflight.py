"""What is asked before a push: refused, waited for or shown, before anything is spent."""

import json
import re
from pathlib import Path

import pytest

from lib import files
from lib.competitions import load
from tests.loopback import EMPTY, Competition, HtmlPage, Refuse, Replace
from tests.loopback.quick_kernel import quick_python
from tests.programs import ON_T4, WITHOUT_GPU, interrupt, only, wait_for

PUSH = (*ON_T4, *WITHOUT_GPU, "--detach")


@pytest.fixture(autouse=True)
def quick(server, tmp_path):
    """These tests are of the launcher: the kernel that is pushed is real, what runs it here is not."""
    server.python = quick_python(tmp_path)


def card(text):
    """The rows of a card by their names, each as its mark and its words."""
    found = re.findall(r"^(ok|warn|fail|\?)? +([a-z]+(?: limit)?)  +(.*)$", text, re.MULTILINE)
    return {name: (mark, words) for mark, name, words in found}


def nothing_was_started(server, program):
    return server.count("SaveKernel") == 0 and not list(program.runs.glob("*"))


def busy(server, *titles, shape="NvidiaTeslaT4", seconds="600"):
    """Sessions that were started from elsewhere, and go on for long."""
    server.env["QUICK_KERNEL_SECONDS"] = seconds
    for title in titles:
        kernel = {
            "slug": f"tester/{title}",
            "newTitle": title,
            "text": "",
            "language": "python",
            "kernelType": "script",
        }
        pushed = server.kernel_service.save_kernel(kernel | {"machineShape": shape, "enableGpu": bool(shape)})
        assert pushed["versionNumber"] == 1, pushed
    server.env["QUICK_KERNEL_SECONDS"] = "0"


# Hours


@pytest.mark.parametrize(
    ("left", "reserved", "words", "said"),
    [
        (6.02, 0, ("--timeout", "11h"), "--timeout 6h01m"),
        (6.02, 2, ("--timeout", "11h"), "--timeout 4h01m"),
        (0.05, 0, (), "this week's GPU hours are used up"),
        (0.05, 0, ("--timeout", "4m"), "--timeout 3m"),
    ],
)
def test_hours_that_are_not_there_are_refused_with_the_longest_limit_that_is(
    server, on_kaggle, left, reserved, words, said
):
    server.gpu_hours_left, server.gpu_hours_reserved = left, reserved
    done = on_kaggle(*PUSH, *words, code=3)
    assert said in done.stderr
    assert "--force" in done.stderr
    assert card(done.stderr)["quota"][0] == "fail"
    assert nothing_was_started(server, on_kaggle)


def test_without_a_limit_asked_for_the_session_gets_the_hours_that_are_left(server, on_kaggle):
    server.gpu_hours_left = 6.02
    done = on_kaggle(*PUSH, "--json")
    version = only(server.kernels).latest
    run = json.loads(done.stdout)
    assert version.metadata["sessionTimeoutSeconds"] == 21660 == run["attempts"][-1]["timeout"]
    assert run["timeout"] is None, "another week may have more for a later session"
    assert "\nSESSION = {'limit': 21660, 'resumes': None}\n" in version.text
    assert card(done.stderr)["time limit"][1].startswith("6h01m")
    assert card(done.stderr)["quota"][0] == "warn"


def test_force_asks_for_hours_that_are_not_there_all_the_same(server, on_kaggle):
    server.gpu_hours_left = 6
    done = on_kaggle(*PUSH, "--timeout", "11h", "--force")
    assert only(server.kernels).latest.metadata["sessionTimeoutSeconds"] == 39600
    assert "forced: quota" in done.stderr


# Slots


@pytest.mark.parametrize("lean", [False, True])
def test_a_third_session_is_refused_with_the_names_of_the_two(server, on_kaggle, lean):
    """Whether the listing of kernels tells what they run on, or each has to be asked."""
    server.lean_listing = lean
    busy(server, "at-dawn", "at-noon")
    busy(server, "on-a-cpu", shape="")
    done = on_kaggle(*PUSH, code=3)
    assert "2 are running: tester/at-dawn, tester/at-noon\n" in done.stderr
    assert "--wait-slot" in done.stderr
    assert nothing_was_started(server, on_kaggle)
    server.kernels["at-dawn"].latest.cancel()
    done = on_kaggle(*PUSH)
    assert card(done.stderr)["slots"] == ("ok", "1 of 2 GPU sessions running: at-noon")
    assert server.count("SaveKernel") == 1


def test_force_leaves_the_slots_to_kaggle(server, on_kaggle):
    busy(server, "at-dawn", "at-noon")
    assert "Maximum batch GPU session count of 2 reached." in on_kaggle(*PUSH, "--force", code=3).stderr
    assert server.count("SaveKernel") == 1
    assert not list(on_kaggle.runs.glob("*"))


def test_wait_slot_pushes_once_a_session_has_ended(server, on_kaggle):
    busy(server, "at-dawn", "at-noon")
    launcher = on_kaggle.start(*PUSH, "--wait-slot")
    wait_for(lambda: server.count("ListKernels") > 2)
    assert nothing_was_started(server, on_kaggle)
    server.kernels["at-noon"].latest.cancel()
    _, said = launcher.communicate(timeout=240)
    assert launcher.returncode == 0, said
    assert said.count("waiting: 2 of 2 GPU sessions running: at-dawn, at-noon") == 1
    assert server.count("SaveKernel") == 1


def test_what_kaggle_counts_otherwise_is_waited_for_too_and_remembered(server, on_kaggle):
    """One slot where two are usual: the push itself is refused, and teaches the number."""
    server.gpu_slots = 1
    busy(server, "at-dawn")
    launcher = on_kaggle.start(*PUSH, "--wait-slot", SWATH_POLL_SECONDS="600")
    said = next(line for line in launcher.stderr if line.startswith("waiting: "))
    assert "Maximum batch GPU session count of 1 reached." in said
    interrupt(launcher)
    assert launcher.returncode == 130
    assert not list(on_kaggle.runs.glob("*")), "Ctrl-C while waiting leaves nothing"
    pushes = server.count("SaveKernel")
    assert "Kaggle runs 1 GPU sessions of yours at a time" in on_kaggle(*PUSH, code=3).stderr
    assert server.count("SaveKernel") == pushes
    learned = Path(server.env["SWATH_CACHE"]) / "slots.json"
    facts = files.read_json(learned)
    facts[f"{server.url} tester GPU"]["learned"] -= 2 * 86_400
    files.write_json(learned, facts)
    on_kaggle(*PUSH, code=3)
    assert server.count("SaveKernel") == pushes + 1, "a day later Kaggle may give more again"


def test_a_push_without_a_slot_is_repeated_until_there_is_one(server, on_kaggle):
    """Where Kaggle does not tell what runs, only the push finds out."""
    busy(server, "at-dawn", "at-noon")
    server.faults.add("ListKernels", Refuse(500))
    launcher = on_kaggle.start(*PUSH, "--wait-slot")
    wait_for(lambda: server.count("SaveKernel") > 1)
    server.kernels["at-dawn"].latest.cancel()
    out, said = launcher.communicate(timeout=240)
    assert launcher.returncode == 0, said
    assert out.strip() in server.kernels
    assert [path.name for path in on_kaggle.runs.glob("2*")] == [out.strip()]


def test_runs_of_this_machine_count_even_when_kaggle_does_not_list_them(server, on_kaggle):
    server.env["QUICK_KERNEL_SECONDS"] = "600"
    first, second = (on_kaggle(*PUSH).stdout.strip() for _ in range(2))
    server.faults.add("ListKernels", HtmlPage(503))
    done = on_kaggle(*PUSH, code=3)
    verdict, words = card(done.stderr)["slots"]
    assert (verdict, words.split(":")[0]) == ("fail", "at least 2 of 2 GPU sessions running")
    assert f"tester/{first}" in done.stderr
    assert f"tester/{second}" in done.stderr
    assert server.count("SaveKernel") == 2


@pytest.mark.parametrize("what", ["slot", "data"])
def test_ctrl_c_while_waiting_leaves_nothing(server, on_kaggle, own, what):
    words = (*PUSH, "--wait-slot") if what == "slot" else own(datasets=["me/tiles"])
    server.dataset_states["me/tiles"] = ["BLOBS_RECEIVED"]
    if what == "slot":
        busy(server, "at-dawn", "at-noon")
    launcher = on_kaggle.start(*words)
    wait_for(lambda: server.count("ListKernels") > 1)  # asked again: it has begun to wait
    said = interrupt(launcher)
    assert launcher.returncode == 130
    assert "Traceback" not in said
    assert nothing_was_started(server, on_kaggle)


def test_a_run_here_has_no_slots_to_wait_for(program):
    assert "--wait-slot is for Kaggle" in program("launch.py", "--wait-slot", code=2).stderr
    assert not program.runs.exists()


# Sources


@pytest.fixture
def own(server, tmp_path, scenes):
    """A push of a competition that names these data sets and this competition of Kaggle's."""
    server.datasets["me/tiles"] = server.datasets["me/broken"] = scenes

    def words(datasets=(), competition=None):
        kaggle = f"datasets = {json.dumps(list(datasets))}\n" + (
            f'competition = "{competition}"\n' if competition else ""
        )
        text = (
            f'name = "own"\n[kaggle]\n{kaggle}[data.train]\nimages = "i/{{id}}.png"\nmasks = "m/{{id}}.png"\n'
            + "".join(f'[[classes]]\nname = "c{number}"\n' for number in range(len(load("sample").classes)))
            + '[submission.zip]\npixels = "index"\n[recipe]\n'
            + "".join(f"model.{key} = {json.dumps(value)}\n" for key, value in load("sample").recipe["model"].items())
        )
        (tmp_path / "own.toml").write_text(text)
        return ("launch.py", "--gpu", "t4x2", "-c", tmp_path / "own.toml", *WITHOUT_GPU, "--detach")

    return words


def test_sources_that_no_session_could_have_are_all_named(server, on_kaggle, own):
    server.dataset_states["me/broken"] = ["FAILED"]
    server.competitions["sea"] = Competition(scorer=float, user_has_entered=False)
    done = on_kaggle(*own(["me/typo", "me/broken", "me/tiles"], "sea"), code=3)
    assert "data set me/typo is not there, or is not yours to see" in done.stderr
    assert "data set me/broken is FAILED" in done.stderr
    assert "https://www.kaggle.com/competitions/sea/rules" in done.stderr
    assert "me/tiles is" not in done.stderr
    assert nothing_was_started(server, on_kaggle)


def test_a_source_that_is_not_shown_to_the_user_is_refused(server, on_kaggle, own):
    server.faults.add("GetDatasetStatus", Refuse(403, "Permission 'datasets.get' was denied"))
    assert "is not there, or is not yours to see" in on_kaggle(*own(["me/tiles"], "sea"), code=3).stderr
    assert nothing_was_started(server, on_kaggle)


def test_a_data_set_is_waited_for_until_it_is_ready(server, on_kaggle, own):
    """Also past a question that is not answered: that is no reason to push."""
    server.dataset_states["me/tiles"] = ["NOT_YET_PERSISTED", "BLOBS_RECEIVED", "REPROCESSING", "READY"]
    server.faults.add("GetDatasetStatus", Refuse(500), skip=1)
    done = on_kaggle(*own(["me/tiles"]))
    version = only(server.kernels).latest
    assert list(version.sources.mounts) == ["datasets/me/tiles"]
    for state in ("NOT_YET_PERSISTED", "BLOBS_RECEIVED", "REPROCESSING"):
        assert done.stderr.count(f"waiting: data set me/tiles is not READY yet ({state})") == 1
    assert server.count("GetDatasetStatus") == 5


def test_a_data_set_that_fails_while_it_is_waited_for_is_refused(server, on_kaggle, own):
    server.dataset_states["me/tiles"] = ["BLOBS_RECEIVED", "FAILED"]
    done = on_kaggle(*own(["me/tiles"]), code=3)
    assert "waiting: data set me/tiles" in done.stderr
    assert "me/tiles is FAILED" in done.stderr
    assert nothing_was_started(server, on_kaggle)


def test_force_does_not_wait_for_data(server, on_kaggle, own):
    server.dataset_states["me/tiles"] = ["BLOBS_RECEIVED"]
    on_kaggle(*own(["me/tiles"]), "--force")
    assert only(server.kernels).latest.sources.mounts == {}


# Questions without an answer


def test_questions_that_are_not_answered_stand_in_nobodys_way(server, on_kaggle, own):
    server.faults.add("GetAcceleratorQuotaStatistics", Refuse(500))
    server.faults.add("ListKernels", HtmlPage(200))
    server.faults.add("GetDatasetStatus", Refuse(429, retry_after="1"))
    rows = card(on_kaggle(*own(["me/tiles"])).stderr)
    assert rows["quota"] == rows["slots"] == ("?", "not answered")
    assert rows["sources"] == ("?", "me/tiles not answered")
    assert server.faults.pending == []
    assert server.count("SaveKernel") == 1


def test_an_answer_of_another_shape_is_none(server, on_kaggle):
    server.faults.add("GetAcceleratorQuotaStatistics", EMPTY)
    server.faults.add("ListKernels", Replace({"kernels": [{"ref": "odd"}, {"lastRunTime": "soon"}]}))
    rows = card(on_kaggle(*PUSH).stderr)
    assert rows["quota"] == rows["slots"] == ("?", "not answered")


def test_credentials_that_are_refused_to_a_question_refuse_the_push(server, on_kaggle):
    server.faults.add("ListKernels", Refuse(401, "Unauthenticated"))
    done = on_kaggle(*PUSH, "--json", code=3)
    assert "does not accept the credentials from KAGGLE_API_TOKEN" in json.loads(done.stdout)["error"]
    assert nothing_was_started(server, on_kaggle)


# The card


def test_the_card_says_everything_on_one_screen(server, on_kaggle):
    pushed = on_kaggle(*PUSH, "--timeout", "2h30m")
    rows = card(pushed.stderr)
    version = only(server.kernels).latest
    assert rows["kernel"][1] == f"tester/{pushed.stdout.strip()}" == version.metadata["slug"]
    assert rows["time limit"][1] == "2h30m"
    assert rows["quota"][1].startswith("30h00m of 30h00m left until ")
    assert rows["quota"][1].endswith("; this run takes 2h30m at most")
    assert rows["secrets"][0] == rows["sources"][0] == rows["slots"][0] == rows["quota"][0] == "ok"
    assert rows["accelerator"][1] == "t4x2: asked as NvidiaTeslaT4, Kaggle gives 2 x T4, 15 GB each"
    assert rows["internet"][1] == "off"
    state = files.read_json(on_kaggle.runs / pushed.stdout.strip() / "run.json")
    assert f"{state['bundle']['bytes']:,} bytes, sha256 {state['bundle']['sha256'][:16]}" in rows["bundle"][1]
    dry = on_kaggle("launch.py", "--gpu", "p100", "--dry-run", "--set", "train.epochs=3")
    lines = dry.stdout.splitlines()
    assert sum(1 + (len(line) - 1) // 100 for line in lines) <= 24, "one screen of 100 columns"
    asked = card(dry.stdout)
    assert {name for name in rows if name not in asked} == set()
    assert {name: asked[name][0] for name in ("quota", "slots", "sources")} == dict.fromkeys(
        ("quota", "slots", "sources"), "?"
    )
    assert asked["quota"][1].startswith("not asked")


# The account


def test_quota_says_used_reserved_and_left(server, on_kaggle):
    server.gpu_hours_left, server.gpu_hours_reserved = 26.96625, 2
    document = on_kaggle.json("launch.py", "quota")
    hours = {"used_hours": 3.03375, "reserved_hours": 2.0, "left_hours": 24.96625, "allowed_hours": 30.0}
    assert document["gpu"] == pytest.approx(hours, abs=1e-4)
    assert document["refresh"].endswith("+00:00")
    done = on_kaggle("launch.py", "quota")
    assert re.search(r"GPU +3h02m +2h00m +24h57m +30h00m", done.stdout)
    assert "next: python launch.py --gpu t4x2" in done.stderr
    server.faults.add("GetAcceleratorQuotaStatistics", HtmlPage(503))
    assert "Kaggle is busy" in on_kaggle("launch.py", "quota", code=1).stderr
