"""The words of `submit.py`: the file, the score beside its baselines, the worst images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lib.competitions import Competition
from lib.files import shown, typed
from lib.submissions.findings import Finding
from lib.submissions.layout import Layout

WORST = 3
COMPARE = "python launch.py runs"
"""Shows the runs side by side, with their scores here and on the board."""


def made_lines(made: dict[str, Any]) -> list[str]:
    """The file that was made, whether it is right, and what it scores."""
    holds = f"{made['rows']} rows for {made['images']} {made['which']} images, {made['bytes']:,} bytes"
    lines = [f"{shown(Path(made['file']))}: {holds}"]
    if made["problems"]:
        return lines + [f"  wrong: {problem}" for problem in made["problems"]]
    against = "ids, columns and order as in the sample submission" if made["sample"] else "ids as expected"
    lines.append(f"  decoded again: every pixel as predicted; {against}")
    return lines + (score_lines(made["score"]) if made["score"] else [])


def check_lines(file: Path, layout: Layout, found: list[Finding]) -> list[str]:
    """What is wrong or strange in a file and what it costs, or that nothing is."""
    words = {"problem": "wrong", "warning": "strange"}
    lines = [f"{words[each.severity]}: {each.sentence}\n  costs: {each.cost}" for each in found]
    if any(each.severity == "problem" for each in found):
        return lines
    return [*lines, f"{file}: {len(layout.rows)} rows for {len(layout.images)} images, nothing wrong"]


def score_lines(scored: dict[str, Any]) -> list[str]:
    """The score, the baselines, the classes, the worst images."""
    base = scored["baselines"]
    lines = [
        f"{scored['rule']}: {scored['score']:.5f} over {len(scored['images'])} images",
        f"  empty {base['empty']:.5f}, majority class everywhere {base['majority']:.5f}",
        "  by class: "
        + ", ".join(
            f"{name} {'-' if value is None else f'{value:.3f}'}" for name, value in scored["per_class"].items()
        ),
    ]
    known = [(image, value) for image, value in scored["images"].items() if value is not None]
    worst = sorted(known, key=lambda item: item[1])[:WORST]
    return [*lines, "  worst images: " + ", ".join(f"{image} {value:.3f}" for image, value in worst)]


def after_made(competition: Competition, made: dict[str, Any], run: str) -> str:
    """What to type when a run's file is right: send it where a leaderboard waits for it, else compare the runs."""
    waited_for = competition.kaggle.competition and made["which"] == "test"
    return f"python submit.py send --run {run}" if waited_for else COMPARE


def after_check(competition: Competition, word: str, file: Path) -> str:
    """What to type when anyone's file is right; `word` is what `-c` takes."""
    return _send(competition, word, file) or f"python submit.py score {typed(file)} --truth DIR -c {word}"


def after_score(competition: Competition, word: str, file: Path) -> str:
    """What to type when a file has a score here."""
    return _send(competition, word, file) or COMPARE


def _send(competition: Competition, word: str, file: Path) -> str | None:
    return f"python submit.py send {typed(file)} -c {word}" if competition.kaggle.competition else None
