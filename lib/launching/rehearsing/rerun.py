"""The hidden rerun, rehearsed: the bundle runs here on other images, without a network, and its time is estimated.

found = rehearse(RehearsalRequest(run, competition, "field", limit=9 * 3600, images=2000))
found.fits                               # whether 2,000 images would fit into nine hours
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lib import files, progress
from lib.competitions import Competition
from lib.errors import Failed
from lib.folders import runs_folder
from lib.launching import durations
from lib.launching.here.local import FOLDERS
from lib.launching.preparing.plan import Plan, Request, make_plan
from lib.launching.rehearsing import isolation
from lib.launching.runs import PREDICT, Run, all_runs
from lib.launching.terminal import talk

RERUN = "KAGGLE_IS_COMPETITION_RERUN"

SHARE = 0.9
"""Of the limit: an estimate beyond it is too close to fit."""


START = 60.0
"""Seconds that a session on Kaggle is given to unpack and import before its first image."""


@dataclass(frozen=True)
class RehearsalRequest:
    """The words of the command line, `limit` in seconds; `images` of the hidden set."""

    run: Run
    competition: Competition
    word: str
    data: Path | None
    tried: int
    images: int
    limit: int
    settings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pace:
    """How fast a place predicts: seconds before the first image, seconds an image."""

    place: str
    start: float
    image: float

    def estimate(self, images: int) -> float:
        """Seconds that so many images take."""
        return self.start + self.image * images


@dataclass(frozen=True)
class Rehearsal:
    """What the rehearsal found."""

    run: str
    isolation: str
    tried: int
    images: int
    limit: int
    paces: tuple[Pace, ...]
    """Here, and on Kaggle where these weights have predicted there."""
    problems: tuple[str, ...]
    file: str | None

    @property
    def seconds(self) -> float:
        """The estimate for the hidden images, by Kaggle's own pace where it is known."""
        return self.paces[-1].estimate(self.images)

    @property
    def fits(self) -> bool:
        """Whether the rerun ends well before the limit."""
        return self.seconds <= SHARE * self.limit

    @property
    def document(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return asdict(self) | {"seconds": round(self.seconds, 1), "fits": self.fits}

    @property
    def lines(self) -> list[str]:
        """Sentences with a verdict."""
        said = [f"rehearsed on {self.tried} other images, {self.isolation}"]
        said += [f"  wrong: {problem}" for problem in self.problems]
        if not self.problems:
            said.append(f"  {self.file}: decoded again, nothing wrong")
        said += [
            f"  {pace.place}: {pace.image:.2f} s an image and {pace.start:.0f} s before the first"
            for pace in self.paces
        ]
        share = self.seconds / self.limit
        verdict = "it fits" if self.fits else "too close to fit" if share <= 1 else "it does not fit"
        said.append(
            f"a rerun of {self.images:,} images would take about {durations.spell(self.seconds)} of "
            f"{durations.spell(self.limit)} at the pace of {self.paces[-1].place}: {verdict}"
        )
        return said


def rehearse(asked: RehearsalRequest) -> Rehearsal:
    """Run the bundle as the hidden rerun would; `Failed` when it ends without a file."""
    from lib.submissions.hidden import hidden_root

    plan = make_plan(
        Request(
            competition=shlex.split(asked.word)[0],
            kernel=PREDICT,
            place="local",
            data=asked.data,
            settings=asked.settings,
            timeout=str(asked.limit),
            runs=(asked.run.word,),
        )
    )
    folder = runs_folder() / "rehearsal"
    shutil.rmtree(folder, ignore_errors=True)
    hidden = hidden_root(plan.competition, plan.data, folder / "hidden", asked.tried)
    session = folder / "session"
    _lay_out(session, plan, hidden)
    way = isolation.best()
    talk(f"the bundle runs {isolation.WORDS[way]}, with {RERUN} set, on {asked.tried} images that it has not seen")
    began = time.monotonic()
    script = [sys.executable, str(session / "src" / "script.py")]
    code = isolation.run(script, session / "working", _environment(), way, asked.limit, _show)
    wall = time.monotonic() - began
    if code != 0:
        how = f"ended with exit code {code}" if code is not None else "did not end within the limit"
        raise Failed(f"the kernel {how}: Kaggle would count this submission as failed", f"its folder: {session}")
    summary = files.read_json(session / "working" / "summary.json")
    path = session / "working" / summary["submission"]["file"]
    here = Pace("this machine", max(0.0, wall - summary["seconds"]), summary["seconds"] / max(1, summary["images"]))
    problems = [*_problems(plan, hidden, path), *(f"{name}: {why}" for name, why in summary["failed"].items())]
    if summary["left"]:
        problems.append(f"no time was left for {len(summary['left'])} of {summary['images']} images")
    return Rehearsal(
        asked.run.id,
        isolation.WORDS[way],
        asked.tried,
        asked.images,
        asked.limit,
        (here, *_on_kaggle(asked.run)),
        tuple(problems),
        files.shown(path),
    )


def _lay_out(session: Path, plan: Plan, hidden: Path) -> None:
    """Kaggle's folders: the bundle, the hidden images in the competition's place, the weights' outputs."""
    for name in FOLDERS:
        (session / name).mkdir(parents=True)
    files.write(session / "src" / "script.py", plan.bundle.source)
    mounts = {plan.competition.mount: hidden, **{member.mount: member.run.outputs for member in plan.members}}
    for name, target in mounts.items():
        link = session / "input" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target.resolve(), target_is_directory=True)


def _environment() -> dict[str, str]:
    """This process's own, without what a session on Kaggle would not have."""
    own = ("PYTHON", "KAGGLE_", "SWATH_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return kept | {RERUN: "1", "KAGGLE_KERNEL_RUN_TYPE": "Batch"}


def _show(line: str) -> None:
    if progress.parse(line) is None:
        talk(f"  | {line}")


def _problems(plan: Plan, hidden: Path, path: Path) -> list[str]:
    """What the competition would refuse in the file, checked outside the kernel."""
    from lib.submissions import check
    from lib.submissions.job import find_job

    return check(path, plan.competition, find_job(plan.competition, hidden).layout())


def _on_kaggle(run: Run) -> list[Pace]:
    """The pace of the latest session on Kaggle that predicted with this run's weights; none before there was one."""
    for other in all_runs():
        try:
            content = other.read()
            if content["place"] != "kaggle" or {m["run"] for m in content.get("members", ())} != {run.id}:
                continue
            summary = files.read_json(other.outputs / "summary.json")
            return [
                Pace(
                    f"run {other.id} on Kaggle",
                    START,
                    summary["seconds"] / (summary["images"] - summary.get("kept", 0)),
                )
            ]
        except (Failed, KeyError, TypeError, ZeroDivisionError):  # not home, or somebody else's
            continue
    return []
