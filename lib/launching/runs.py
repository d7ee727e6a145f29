"""The runs on this machine: a folder each, and `run.json` in it says everything.

run = create(...)                # runs/20261120-092133-sample-4f1c/
run = find("4f1c")               # newest when left out; any part of the id that fits one run; 4f1c/2: fold 2 of it
run.update(status="running")     # read, change, write in one step, under a lock
"""

from __future__ import annotations

import datetime
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from lib import files
from lib.competitions import Competition, load, parse, spelled
from lib.errors import Failed, UsageError
from lib.folders import FOLDS, STATE, SUMMARY, runs_folder
from lib.launching import fold_outputs
from lib.launching.session import KernelRef, Status

PREDICT, TUNE = "predict", "tune"
"""The kernel that takes the weights of earlier runs; the one that searches a recipe's best values."""

MASKS = "predictions"
"""Among a session's outputs, what the next one goes on from: all that training needs; masks, and what made them."""

GOES_ON = ("checkpoints/kept/*", "metrics.csv", "confusion.csv", "gradients.csv", "tensorboard/*")
"""What training's tables, curves and averages go on from, where they are."""

TRIALS = "tune/trials"
"""The same of a search: each trial's record, and the state of those that were not over."""

SHAPE = {
    "status": str,
    "place": str,
    "accelerator": str,
    "created": str,
    "competition_file": str,
    "attempts": list,
    "submissions": list,
}
"""What every run.json has."""


@dataclass(frozen=True)
class Run:
    """A run's folder; of a run of folds, perhaps one fold alone."""

    folder: Path
    fold: int | None = None

    @property
    def id(self) -> str:
        """The run's name, and its folder's."""
        return self.folder.name

    @property
    def word(self) -> str:
        """What `--run` takes for it."""
        return self.id if self.fold is None else f"{self.id}/{self.fold}"

    @property
    def outputs(self) -> Path:
        """What came home."""
        return self.folder / "outputs"

    @property
    def kernel(self) -> Path:
        """Exactly what was pushed for the latest session: kernel/, then kernel-2/, kernel-3/, …"""
        return self._of_latest("kernel")

    @property
    def session(self) -> Path:
        """Kaggle's folders of the latest session, when the run is on this machine."""
        return self._of_latest("session")

    @property
    def log(self) -> Path:
        """The session's log."""
        return self.folder / "log.txt"

    @property
    def checkpoint(self) -> Path:
        """The best weights, when they came home; of a run of folds, the first's that did."""
        return fold_outputs.best(self.outputs, next(iter(self.folds), self.fold))

    @property
    def folds(self) -> list[int]:
        """The folds of the run whose best weights came home, or the one that was named; empty where it has none."""
        found = fold_outputs.numbers(self.outputs)
        return found if self.fold is None else [fold for fold in found if fold == self.fold]

    @property
    def checkpoints(self) -> dict[int | None, Path]:
        """The best weights that predict for this run: of every fold, or of the run (None)."""
        return {fold: fold_outputs.best(self.outputs, fold) for fold in self.folds} or {None: self.checkpoint}

    @property
    def parts(self) -> list[Run]:
        """Each fold as a run of its own, with the images that it held out; the run itself where it has none."""
        return [replace(self, fold=fold) for fold in self.folds] or [self]

    @property
    def trains_folds(self) -> int:
        """How many models the run trains, each without another part of the data; 0: one, as usual."""
        content = self.read()
        if content.get("kernel") == PREDICT:
            return 0
        return content.get("recipe", {}).get("train", {}).get("folds") or 0

    @property
    def page(self) -> Path:
        """What is to be seen of a training run, when it came home."""
        return self.outputs / "report.html"

    @property
    def competition(self) -> Competition:
        """The competition as it was described when the run started."""
        return parse(self.folder / "competition.toml")

    @property
    def competition_word(self) -> str:
        """What `-c` takes for the run's competition: its name, or the path of a user's own file."""
        source = Path(self.read()["competition_file"])
        return spelled(source if source.is_file() else self.folder / "competition.toml")

    @property
    def data(self) -> Path | None:
        """The data root that the run was started with on this machine."""
        data = self.read()["data"]
        return Path(data) if data else None

    @property
    def held_out(self) -> list[str]:
        """Ids of the images that the run validated on."""
        path = self.outputs / SUMMARY
        if self.fold is not None:
            path = self.outputs / FOLDS / str(self.fold) / SUMMARY
        content = files.read_json(path)
        images = content.get("validation") if isinstance(content, dict) else None
        if not isinstance(images, list):
            raise Failed(f"{path} does not say which images were held out", f"python launch.py fetch {self.id}")
        return images

    @property
    def unfinished(self) -> str | None:
        """How far a run is that stopped itself before its session's limit; None when all of it is done."""
        content = self.read()
        if content.get("finished") is not False:
            return None
        if self.predicts:
            return f"{content.get('images_done')} of {content.get('images')} images are predicted"
        if self.searches:
            return f"{content.get('trials_done')} of {content.get('trials')} trials are over"
        whole = content["recipe"]["train"]["epochs"] * (self.trains_folds or 1)
        return f"{content.get('epochs_done')} of {whole} epochs are done"

    @property
    def predicts(self) -> bool:
        """Whether the run predicts a test set with other runs' weights; else it trains."""
        return self.read().get("kernel") == PREDICT

    @property
    def searches(self) -> bool:
        """Whether the run searches a recipe's best values."""
        return self.read().get("kernel") == TUNE

    @property
    def state(self) -> Path:
        """What an unfinished run goes on from, when it came home: a file, or a folder of masks, trials or folds."""
        name = MASKS if self.predicts else TRIALS if self.searches else STATE
        return self.outputs / (FOLDS if self.trains_folds else name)

    @property
    def left(self) -> dict[str, Path]:
        """The files that an unfinished run goes on from, by their names among its outputs; empty without its state."""
        if not self.state.exists():
            return {}
        if self.trains_folds:
            found = fold_outputs.left(self.outputs)
        elif self.predicts or self.searches:
            best = [self.checkpoint, self.outputs / "metrics.csv"] if self.searches else []
            found = [self.outputs / SUMMARY, *best, *sorted(self.state.rglob("*"))]
        else:
            kept = (path for name in GOES_ON for path in sorted(self.outputs.glob(name)))
            found = [self.state, self.checkpoint, *kept]
        return {path.relative_to(self.outputs).as_posix(): path for path in found if path.is_file()}

    def forget_state(self) -> None:
        """Remove what an earlier session left for the next one; a search's records stay."""
        if self.trains_folds:
            return fold_outputs.forget_states(self.outputs)
        if self.searches:
            for checkpoints in self.state.glob("*/checkpoints"):
                shutil.rmtree(checkpoints)
            return
        shutil.rmtree(self.state) if self.state.is_dir() else self.state.unlink(missing_ok=True)

    def _of_latest(self, name: str) -> Path:
        number = len(self.read()["attempts"])
        return self.folder / (name if number == 1 else f"{name}-{number}")

    def create(self, content: dict[str, Any]) -> None:
        """Write run.json for the first time."""
        files.write_json(self.folder / "run.json", {"id": self.id, **content})

    def read(self) -> dict[str, Any]:
        """The content of run.json; `Failed` when it is damaged."""
        content = files.read_json(self.folder / "run.json")
        if not isinstance(content, dict) or not all(isinstance(content.get(key), kind) for key, kind in SHAPE.items()):
            raise Failed(f"{self.folder / 'run.json'} is not a run's", "move its folder away")
        return content

    def update(self, **changes: Any) -> dict[str, Any]:
        """Change keys of run.json, whoever else is doing the same; returns the new content."""
        with FileLock(self.folder / "run.lock"):
            content = self.read() | changes
            files.write_json(self.folder / "run.json", content)
            return content

    def change(self, key: str, change: Callable[[Any], Any]) -> None:
        """Change one value of run.json by a function of what it is now."""
        with FileLock(self.folder / "run.lock"):
            content = self.read()
            content[key] = change(content[key])
            files.write_json(self.folder / "run.json", content)

    def ref(self) -> KernelRef:
        """The kernel of the latest attempt; `Failed` when none was pushed."""
        attempts = self.read()["attempts"]
        if not attempts or attempts[-1]["version"] is None:
            raise Failed(f"run {self.id} was never pushed", "start it again: python launch.py")
        last = attempts[-1]
        owner, slug = last["ref"].split("/")
        return KernelRef(owner, slug, last["version"], last["url"])


def now() -> str:
    """The time, as run.json holds it: UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def seconds_since(time: str) -> float:
    """Seconds that have passed since a time of run.json; 0 for what is no time."""
    try:
        return (datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(time)).total_seconds()
    except (ValueError, TypeError):
        return 0.0


def all_runs() -> list[Run]:
    """Every run, newest first."""
    folders = [path.parent for path in runs_folder().glob("*/run.json")]
    return [Run(folder) for folder in sorted(folders, key=lambda folder: folder.name, reverse=True)]


def find(name: str | None = None) -> Run:
    """The run whose id contains `name`, or a fold of it; the newest when it is None. `UsageError` when none or several
    fit."""
    name, fold = (None, None) if name is None else fold_outputs.run_and_fold(name)
    runs = all_runs()
    if not runs:
        raise UsageError(f"there are no runs in {runs_folder()}", "start one: python launch.py")
    if name is None:
        return runs[0]
    if not name:
        raise UsageError("RUN is empty", "name a run, or leave the word out for the newest")
    fitting = [run for run in runs if run.id == name] or [run for run in runs if name in run.id]
    if not fitting:
        raise UsageError(f"there is no run {name!r}", "see them all: python launch.py runs")
    if len(fitting) > 1:
        some = ", ".join(run.id for run in fitting[:5])
        raise UsageError(f"{name!r} fits {len(fitting)} runs: {some}", "write more of the id")
    return Run(fitting[0].folder, fold)


def competition_named(name: str | None, run: Run | None = None) -> tuple[Competition, str, Run | None]:
    """The competition of a name, or else the run's, or the newest finished run's; the word that `-c` takes; the run."""
    if name is not None:
        return load(name), shlex.quote(name), run
    run = run or finished()
    return run.competition, run.competition_word, run


def sender(name: str | None = None) -> Run:
    """The run that `name` fits, or the newest that has weights or a file; `UsageError` for one that has neither."""
    if name is not None:
        run = find(name)
        return run if run.read()["submissions"] else finished(name)
    return next((run for run in all_runs() if _is_finished(run) or _has_file(run)), None) or finished()


def _has_file(run: Run) -> bool:
    try:
        return any("made" in entry for entry in run.read()["submissions"])
    except Failed:
        return False


def _is_finished(run: Run) -> bool:
    try:
        return run.checkpoint.is_file() and Status(run.read()["status"]).over
    except Failed:  # damaged: `launch.py runs` says so
        return False


def finished(name: str | None = None) -> Run:
    """The run that `name` fits, or the newest; `UsageError` when it brought no checkpoint home."""
    run = find(name) if name is not None else next(filter(_is_finished, all_runs()), None)
    if run is None:
        raise UsageError("there is no finished run yet", "train one: python launch.py")
    if not run.checkpoint.is_file():
        which = run.id if run.fold is None else f"{run.id}: its fold {run.fold}"
        raise UsageError(f"run {which} has brought no checkpoint home", f"python launch.py fetch {run.id}")
    return run


def one_model(run: Run) -> Run:
    """The run, when it has one model; `UsageError` for a run of folds of which none is named."""
    if run.fold is None and run.folds:
        raise UsageError(
            f"run {run.id} has {len(run.folds)} models, one for each fold",
            f"name one: {run.id}/{run.folds[0]}",
        )
    return run
