"""Several models in one run, each trained without another part of the data: the session's first process starts them.

    train_folds(Path(__file__), folders, root, "cuda", processes=2, limit=limit, say=print)

Each fold is the kernel again, in a process and a folder of its own (working/folds/<number>/). Images are decoded once,
for all of them. One fold trains after another, with every GPU; with `train.gpus = "folds"` each GPU trains one, the
longest first. A later session finds what is finished, goes on with what was begun, begins the rest: the same weights,
bit for bit on a CPU, as those of one session.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lib import files, progress
from lib.errors import Failed, UsageError
from lib.folders import FOLD, FOLDS, OOF, STATE, SUMMARY, Fold, Folders
from lib.training import devices, fold_summary
from lib.training.fold_plan import Part, in_order, plan_folds
from lib.training.fold_processes import FoldProcesses, cards
from lib.training.fold_progress import FoldProgress
from lib.training.fold_summary import folder_of, is_finished, own_summary
from lib.training.limit import Limit
from lib.training.resume import earlier_folds

MOST = 15e9
"""Bytes of predictions, before they are packed, that a run keeps at most: Kaggle takes 20 GB of outputs."""


def train_folds(
    script: Path, folders: Folders, root: Path, device: str, processes: int, limit: Limit, say: Callable[[str], None]
) -> dict[str, Any]:
    """Train every fold of the run as far as the session lasts, and put together what they leave; returns the summary.

    `processes`: ranks of a step, or folds side by side. Raises `Failed` that names the fold which failed; what the
    others have by then is saved.
    """
    return Session(script, folders, root, device, processes, limit, say).run()


class Session:
    """A run of folds in one session."""

    def __init__(
        self,
        script: Path,
        folders: Folders,
        root: Path,
        device: str,
        processes: int,
        limit: Limit,
        say: Callable[[str], None],
    ) -> None:
        competition, recipe = folders.competition(), folders.recipe()
        self.folders, self.device, self.limit, self.say = folders, device, limit, _one_at_a_time(say)
        self.apart = recipe.train.gpus == "folds"
        self.beside = min(processes, recipe.train.folds) if self.apart else 1
        self.ranks = 1 if self.apart else processes
        earlier = earlier_folds(folders)
        self.parts = plan_folds(competition, recipe, root, folders.scratch, say)
        self.seconds_before = self._bring(earlier) if earlier else 0.0
        self.done = {part.number for part in self.parts if is_finished(self._folder(part))}
        self.progress = FoldProgress([part.steps for part in self.parts], self.done, self.seconds_before)
        self.keeps, self.oof = self._room()
        self.processes = FoldProcesses(script, self._hear)
        limit.ends = self.processes.kill

    def run(self) -> dict[str, Any]:
        """Train what is left to train; returns the run's summary."""
        self._write()
        begun = [part.number for part in self.parts if (self._folder(part) / STATE).is_file()]
        left = [part for part in in_order(self.parts, self.beside, begun) if part.number not in self.done]
        if self.done or begun:
            self.say(
                f"goes on from {self.folders.resumes}: {len(self.done)} of {len(self.parts)} folds are done"
                + (f", {len(begun)} begun" if begun else "")
            )
        self.processes.listen()
        failed, moved = self._train(left)
        summary = self._write()
        if self.processes.asked:
            files.write_manifest(self.folders.outputs)
            raise Failed(f"asked to end, with {len(self.done)} of {len(self.parts)} folds done; the states are saved")
        if failed:
            number, code = failed
            how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            others = [part.number for part in left if part.number not in self.done | {number}]
            raise Failed(
                f"fold {number} of {len(self.parts)} {how}; {len(self.done)} folds are done"
                + (f", and the state of what else was begun is saved (left: {_listed(others)})" if others else ""),
                "what it said last stands above; go on with what is left: python launch.py --resume RUN",
            )
        if not summary["finished"]:
            if not moved:
                raise Failed(
                    f"the session's limit of {self.limit.seconds:.0f} s is too short: no fold came further",
                    "give each session more time with --timeout",
                )
            self.say(f"stopped before the session's limit: {len(self.done)} of {len(self.parts)} folds are done")
            return summary
        self._tell(summary)
        return summary

    def _train(self, left: list[Part]) -> tuple[tuple[int, int] | None, bool]:
        """Run the folds' processes; the first that failed, with its exit code, and whether any came further."""
        failed, moved, ends = None, False, False
        free = list(cards(os.environ, self.beside)) if self.apart else ["all"]
        places: dict[int, str] = {}
        while left or self.processes.running:
            while left and free and not ends and not self.processes.asked and not self.limit.calls():
                part = left.pop(0)
                places[part.number] = free.pop(0)
                self.say(
                    f"fold {part.number} of {len(self.parts)}: {part.training} images to train on, {part.steps} steps"
                )
                self.processes.start(part.number, self._environment(part, places[part.number]))
            if not self.processes.running:
                break
            for number, code in self.processes.ended():
                free.append(places.pop(number))
                own = own_summary(folder_of(self.folders, number))
                if is_finished(folder_of(self.folders, number)):
                    self._finished(number)
                moved = moved or number in self.done or (code == 0 and own.get("moved") is True)
                if code and not ends and not self.processes.asked:
                    failed, ends = (number, code), True
                    self.processes.ask()
                ends = ends or number not in self.done  # the session's limit came
                self._write()
        return failed, moved

    def _finished(self, number: int) -> None:
        (folder_of(self.folders, number) / STATE).unlink(missing_ok=True)
        self.done.add(number)
        self.progress.finished(number)

    def _environment(self, part: Part, place: str) -> dict[str, str]:
        """What a fold's process is told."""
        found = {FOLD: json.dumps(asdict(Fold(part.number, self.beside, self.keeps, os.getpid())))}
        if self.apart and self.device == "cuda":
            found["CUDA_VISIBLE_DEVICES"] = place
        if self.beside > 1:
            cores = max(1, (os.cpu_count() or 1) // self.beside)
            found["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", str(cores))
        return found

    def _hear(self, number: int, line: str) -> None:
        """Pass on what a fold says; its progress becomes the run's."""
        record = progress.parse(line)
        if record is not None:
            self.say(progress.line(self.progress.told(number, record)))
        else:
            self.say(f"fold {number}: {line}" if self.beside > 1 else line)

    def _folder(self, part: Part) -> Path:
        return folder_of(self.folders, part.number)

    def _room(self) -> tuple[bool, dict[str, Any]]:
        """Whether the predictions of all images have room among the outputs, and what the summary says of them."""
        size = sum(part.bytes for part in self.parts)
        self.folders.outputs.mkdir(parents=True, exist_ok=True)
        room = min(MOST, shutil.disk_usage(self.folders.outputs).free / 2)
        words = f"the probabilities of {sum(len(part.held_out) for part in self.parts)} images, each by the fold that"
        if size > room:
            self.say(
                f"{words} holds it out, take {size / 1e6:,.0f} MB before they are packed, and {room / 1e6:,.0f} MB are "
                "for them: they are not kept; the score is there all the same (a smaller data.scale makes them smaller)"
            )
            return False, {"kept": False, "megabytes": round(size / 1e6, 1)}
        self.say(f"{words} holds it out, go to {OOF}/: {size / 1e6:,.0f} MB at most, before they are packed")
        return True, {"kept": True, "megabytes": round(size / 1e6, 1)}

    def _write(self) -> dict[str, Any]:
        about = {
            "limit": self.limit.seconds,
            "oof": self.oof,
            "devices": devices.describe(),
            "device": self.device,
            "ranks": self.ranks,
            "side_by_side": self.beside,
            "precision": devices.precision(self.folders.recipe().train, self.device),
            "seconds": round(self.progress.seconds, 1),
            "bundle": os.environ.get("SWATH_BUNDLE"),
        }
        return fold_summary.write(self.folders, self.parts, about)

    def _tell(self, summary: dict[str, Any]) -> None:
        metric, rows = summary["metric"], summary["folds"]
        values = ", ".join(f"{row['value']:.4f}" for row in rows)
        self.say(f"{metric['label']} of all {len(summary['images'])} images, each out of its fold: "
                 f"{metric['value']:.4f} (the folds: {values})")  # fmt: skip

    def _bring(self, earlier: Path) -> float:
        """Copy what an earlier session left; the seconds of the run until then.

        Raises `UsageError` when it is of another recipe, or of other images than are here.
        """
        summary = own_summary(earlier)
        own = json.loads(json.dumps(self.folders.recipe().model_dump(), default=str))
        if summary.get("recipe") != own or summary.get("competition") != self.folders.competition().name:
            raise UsageError(
                f"{earlier / SUMMARY} is of another competition or recipe than this run", "start it without --resume"
            )
        for part in self.parts:
            there = own_summary(earlier / FOLDS / str(part.number)).get("validation")
            if there is not None and there != list(part.held_out):
                raise UsageError(
                    f"fold {part.number} under {earlier} held out other images than are here",
                    "mount the same version of the data",
                )
        for name in (FOLDS, OOF):
            for path in sorted((earlier / name).rglob("*")):
                if path.is_file() and path.name != files.MANIFEST:
                    files.copy(path, self.folders.outputs / path.relative_to(earlier))
        return float(summary.get("seconds") or 0.0)


def _one_at_a_time(say: Callable[[str], None]) -> Callable[[str], None]:
    """`say`, for several threads: no line is broken by another one."""
    lock = threading.Lock()

    def speak(text: str) -> None:
        with lock:
            say(text)

    return speak


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))
