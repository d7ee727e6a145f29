"""The words of `submit.py`: the file, the score beside its baselines, the worst images."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lib.competitions import Competition
from lib.errors import first
from lib.files import shown, typed
from lib.submissions.checking.findings import Finding
from lib.submissions.layout import Layout

WORST = 3
COMPARE = "python launch.py runs"
"""Shows the runs side by side, with their scores here and on the board."""


def made_lines(made: dict[str, Any]) -> list[str]:
    """The file that was made, whether it is right, and what it scores; a session's file has no page here."""
    holds = f"{made['rows']} rows for {made['images']} {made['which']} images, {made['bytes']:,} bytes"
    lines = [f"{shown(Path(made['file']))}: {holds}"]
    if made["problems"]:
        return lines + [f"  wrong: {problem}" for problem in made["problems"]]
    against = "ids, columns and order as in the sample submission" if made["sample"] else "ids as expected"
    lines.append(f"  decoded again: every pixel as predicted; {against}")
    lines += score_lines(made["score"] | {"files": made.get("score_files", ())}) if made["score"] else []
    return lines + ([f"  no page: {made['no_page']}"] if made.get("no_page") else [])


def check_lines(file: Path, layout: Layout, found: list[Finding]) -> list[str]:
    """What is wrong or strange in a file and what it costs, or that nothing is."""
    words = {"problem": "wrong", "warning": "strange"}
    lines = [f"{words[each.severity]}: {each.sentence}\n  costs: {each.cost}" for each in found]
    if any(each.severity == "problem" for each in found):
        return lines
    return [*lines, f"{file}: {len(layout.rows)} rows for {len(layout.images)} images, nothing wrong"]


def score_lines(scored: dict[str, Any]) -> list[str]:
    """The score, its interval and baselines, parts and groups, the classes, where the errors are, the worst images."""
    base, low_high = scored["baselines"], scored["interval"]
    between = f", 95 % within {low_high[0]:.3f} .. {low_high[1]:.3f}" if low_high else ""
    lines = [f"{scored['rule']}: {scored['score']:.5f} over {len(scored['images'])} images{between}"]
    lines += [f"  note: {sentence}" for sentence in scored.get("notes", ())]
    if left_out := scored.get("left_out"):
        lines.append(f"  {len(left_out)} images of the truth have no mask here, and do not count: {first(left_out, 3)}")
    if no_truth := scored.get("no_truth"):
        lines.append(f"  {len(no_truth)} masks have no truth, and do not count: {first(no_truth, 3)}")
    majority = f", majority class everywhere {base['majority']:.5f}" if "majority" in base else ""
    lines.append(f"  baselines: empty file {base['empty']:.5f}{majority}")
    lines += [f"  {part['weight']:g} x {_number(part['value'], 5)}  {part['label']}" for part in scored["parts"]]
    lines += [f"  beside it: {_number(rule['value'], 5)}  {rule['label']}" for rule in scored["also"]]
    if scored["groups"]:
        lines.append("  by group: " + _list(scored["groups"].items()))
        lines += [f"  by group, {rule['label']}: {_list(rule['groups'].items())}" for rule in scored["also"]]
    lines += class_lines(scored)
    if scored["details"]:
        lines.append(f"  {_border_line(scored['details'])}")
    known = [(image, value) for image, value in scored["images"].items() if value is not None]
    worst = sorted(known, key=lambda item: item[1])[:WORST]
    lines += [f"  worst images: {_list(worst)}"] if worst else []
    pages = [path for path in scored.get("files", ()) if path.endswith(".html")]
    return lines + [f"  page: {shown(Path(path))}" for path in pages]


def class_lines(scored: dict[str, Any]) -> list[str]:
    """A row for each class that the rule counts: its own score, then IoU, Dice, precision, recall, share of the truth.

    Where the rule tells instances apart, precision and recall are followed by the instances that were found.
    """
    rows = [row for row in scored["classes"] if row["name"] in scored["per_class"]]
    width = max([len(row["name"]) for row in rows] + [5])
    everything = sum(row["truth"] for row in scored["classes"]) or 1
    lines = [f"  {'class':{width}}  score    IoU   Dice  prec.  recall   truth"]
    for row in rows:
        numbers = [_number(scored["per_class"][row["name"]], 3)]
        numbers += [_number(row[key], 3) for key in ("iou", "dice", "precision", "recall")]
        cells = "  ".join(f"{number:>5}" for number in numbers[:4]) + f"  {numbers[4]:>6}"
        found = row.get("instances")
        more = f"  {found['hits']} of {found['truth']} instances, {found['predicted']} predicted" if found else ""
        lines.append(f"  {row['name']:{width}}  {cells}  {row['truth'] / everything:6.1%}{more}")
    return lines if rows else []


def _border_line(details: dict[str, Any]) -> str:
    near = details["boundary"][0]
    far = details["boundary"][-1]
    return (
        f"errors: {near['share_of_errors']:.0%} within {near['to']} px of a true border, where "
        f"{near['share_of_pixels']:.0%} of the pixels are; {far['share_of_errors']:.0%} from {far['from']} px on"
    )


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _list(items: Iterable[tuple[str, float | None]]) -> str:
    return ", ".join(f"{name} {_number(value, 3)}" for name, value in items)


def after_made(competition: Competition, made: dict[str, Any], run: str) -> str:
    """What to type when a run's file is right: send it where a leaderboard waits for it, else compare the runs."""
    waited_for = competition.kaggle.competition and made["which"] == "test"
    return f"python submit.py send --run {run}" if waited_for else COMPARE


def after_check(competition: Competition, word: str, file: Path) -> str:
    """What to type when anyone's file is right; `word` is what `-c` takes."""
    return _send(competition, word, file) or f"python submit.py score {typed(file)} --truth DIR -c {word}"


def after_score(competition: Competition, word: str, file: Path) -> str:
    """What to type when a file, or a folder of masks, has a score here."""
    if file.is_dir() and not competition.submission.folder:
        return f"python submit.py encode {typed(file)} -c {word} --out FILE"
    return _send(competition, word, file) or COMPARE


def _send(competition: Competition, word: str, file: Path) -> str | None:
    return f"python submit.py send {typed(file)} -c {word}" if competition.kaggle.competition else None
