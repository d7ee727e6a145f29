"""The words of `submit.py`: the file, the score beside its baselines, the worst images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lib.files import shown

WORST = 3


def made_lines(made: dict[str, Any]) -> list[str]:
    """The file that was made, whether it is right, and what it scores."""
    holds = f"{made['rows']} rows for {made['images']} {made['which']} images, {made['bytes']:,} bytes"
    lines = [f"{shown(Path(made['file']))}: {holds}"]
    if made["problems"]:
        return lines + [f"  wrong: {problem}" for problem in made["problems"]]
    against = "ids, columns and order as in the sample submission" if made["sample"] else "ids as expected"
    lines.append(f"  decoded again: every pixel as predicted; {against}")
    return lines + (score_lines(made["score"]) if made["score"] else [])


def score_lines(scored: dict[str, Any]) -> list[str]:
    """The score, the baselines, the classes, the worst images."""
    base = scored["baselines"]
    lines = [
        f"{scored['rule']}: {scored['score']:.5f}",
        f"  empty {base['empty']:.5f}, majority class everywhere {base['majority']:.5f}",
        "  by class: "
        + ", ".join(
            f"{name} {'-' if value is None else f'{value:.3f}'}" for name, value in scored["per_class"].items()
        ),
    ]
    worst = sorted(scored["images"].items(), key=lambda item: item[1])[:WORST]
    return [*lines, "  worst images: " + ", ".join(f"{image} {value:.3f}" for image, value in worst)]


def sent_line(entry: dict[str, Any]) -> str:
    """The score on the board beside the local one."""
    local = (entry.get("score") or {}).get("score")
    beside = "" if local is None else f"; the local score was {local:.5f}"
    return f"submission {entry['ref']}: {entry['status']}, public score {entry['public_score']}{beside}"
