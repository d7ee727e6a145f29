"""What the tests share: the programs run as a user runs them, the sample's scenes, one real training run."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from filelock import FileLock

from lib import files
from lib.competitions import load
from lib.data import sample
from tests import doctor_folder
from tests.doctor_folder import Folder
from tests.loopback import KaggleServer
from tests.loopback.colab import Colab
from tests.programs import PROJECT, Here, Program, program_in, threads
from tests.ready import RECIPE, SLUG, TOML, field, ready_run

hypothesis.settings.register_profile("untimed", deadline=None)  # by default an example fails after 200 ms
hypothesis.settings.load_profile("untimed")

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # programs compile once, as on a user's machine
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # torch's threads that wait in a spin starve everything beside them
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # there is a worker for every core


FIRST = (
    "main_job",
    "folds",
    "chain_here",
    "ranks",
    "sweep",
    "launch_on_kaggle",
    "launch_on_colab",
    "session_end",
    "resume",
)
"""Files of the longest tests: one that is begun last keeps a worker busy alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first; workers take files in this order."""
    order = {f"test_{name}": place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def scenes(cache) -> Path:
    """The sample's data root."""
    return sample.build(cache)


@pytest.fixture(scope="session")
def competition():
    return load("sample")


@pytest.fixture
def program(tmp_path, cache) -> Program:
    return program_in(tmp_path, cache)


def once(factory, name: str, make) -> Path:
    """A folder that `make(folder)` fills in one of the workers; the others wait for it."""
    own = factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / name
    with FileLock(f"{folder}.lock"):
        if not (folder / "made").exists():
            make(folder)
            (folder / "made").touch()
    return folder


@pytest.fixture(scope="session")
def main_job(tmp_path_factory, cache) -> tuple[Program, dict, str]:
    """`python launch.py`, for real and in full: the program, the run's JSON document, what it said on stderr."""

    def make(folder: Path) -> None:
        done = program_in(folder, cache)("launch.py", "--json")
        files.write_json(folder / "said.json", [done.stdout, done.stderr])

    folder = once(tmp_path_factory, "main", make)
    out, err = files.read_json(folder / "said.json")
    return program_in(folder, cache), json.loads(out), err


@pytest.fixture(scope="session")
def submission(main_job, tmp_path_factory) -> tuple[Program, dict]:
    """`python submit.py` after the main job: the program and its JSON document."""
    program, _, _ = main_job
    folder = once(
        tmp_path_factory, "submission", lambda folder: files.write_json(folder / "said.json", program.json("submit.py"))
    )
    return program, files.read_json(folder / "said.json")


@pytest.fixture
def server(tmp_path, cache) -> Iterator[KaggleServer]:
    """A Kaggle of one's own."""
    with KaggleServer(tmp_path / "server") as server:
        server.env |= {"SWATH_CACHE": str(cache)} | threads()
        yield server


@pytest.fixture
def on_kaggle(server, tmp_path, cache) -> Program:
    """A program whose client speaks to `server`."""
    return program_in(tmp_path, cache, **server.client_env(tmp_path / "home"), SWATH_POLL_SECONDS="0.2")


@pytest.fixture
def colab(tmp_path) -> Colab:
    """A Colab of one's own, and its command's stand-in."""
    return Colab(tmp_path / "colab")


@pytest.fixture
def small_dubai(tmp_path) -> tuple[Path, set[str]]:
    """A data root of two pairs, one of them a link, and what a training run needs of it."""
    root, needed = tmp_path / "land", set()
    for name in ("images/a.jpg", "masks/a.png", "images/b.jpg", "masks/b.png"):
        path = root / "Semantic segmentation dataset" / "Tile 1" / name
        files.write(path, f"bytes {name[-5:]}")
        needed.add(path.relative_to(root).as_posix())
    path.rename(tmp_path / "elsewhere.png")
    path.symlink_to(tmp_path / "elsewhere.png")
    files.write(root / "classes.json", "not asked for")
    return root, needed


@pytest.fixture
def submit(tmp_path, monkeypatch):
    """Runs a command of `submit.py` in this process; what it printed, and what it said."""
    from lib.launching.submitting.filing import app

    monkeypatch.chdir(tmp_path)

    def submit(*words, code: int = 0):
        done = Here(app)(*words, code=code)
        return done.stdout + done.stderr

    return submit


@pytest.fixture
def launch(tmp_path, cache, monkeypatch) -> Here:
    """Runs a command of `launch.py` in this process, with folders of its own."""
    import launch

    own = program_in(tmp_path, cache).environment
    for name in ("HOME", "SWATH_RUNS", "SWATH_CACHE", "COLUMNS"):
        monkeypatch.setenv(name, own[name])
    return Here(launch.app)


@pytest.fixture
def folder(tmp_path) -> Folder:
    """A small healthy data set, to plant faults into."""
    return Folder(tmp_path / "data")


@pytest.fixture
def pictures() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Its images and labels."""
    return doctor_folder.pictures()


@pytest.fixture(scope="session")
def predict_kernel():
    """kernels/predict.py as a module."""
    spec = importlib.util.spec_from_file_location("predict_kernel", PROJECT / "kernels" / "predict.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def predict_session(tmp_path, monkeypatch, request):
    """Kaggle's folders with a run's outputs and the competition mounted, as the bundle leaves them to the kernel."""
    data = field(tmp_path / "data")
    names, toml = (f"2026010{n}-000000-field-000{n}" for n in (1, 2)), getattr(request, "param", TOML)
    runs = [ready_run(tmp_path / "runs", data, name, n, toml) for n, name in enumerate(names, start=1)]
    root = tmp_path / "kaggle"
    for name in ("working", "temp", "input/notebooks/me", "input/competitions"):
        (root / name).mkdir(parents=True)
    (root / "input/competitions" / SLUG).symlink_to(data)
    for run in runs:
        (root / "input/notebooks/me" / run.id).symlink_to(run.outputs)
    files.write(root / "payload/competition.toml", (runs[0].folder / "competition.toml").read_bytes())
    files.write(root / "payload/recipe.json", RECIPE.model_dump_json())
    members = [{"run": run.id, "sha256": files.sha256(run.checkpoint), "weight": 1.0} for run in runs]
    files.write_json(root / "payload/plan.json", {"kernel": "predict.py", "gpu": "none", "members": members[:1]})
    for name, value in (("ROOT", root), ("PAYLOAD", root / "payload"), ("BUNDLE", "abc")):
        monkeypatch.setenv(f"SWATH_{name}", str(value))
    before = signal.getsignal(signal.SIGTERM)
    yield root, data, runs, members
    signal.signal(signal.SIGTERM, before)
