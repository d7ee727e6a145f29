"""What was found in a folder, as a competition's table, with what each guess rests on and what is left to ask."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.data.discover.coding import Coding, Entry
from lib.data.discover.images import Survey
from lib.errors import UsageError

MEASURES = ("iou", "dice", "accuracy", "fbeta")
POOLS = ("set", "pairs", "image", "global")
FILES = ("folder", "zip", "csv")


@dataclass(frozen=True)
class Question:
    """Something that no file says."""

    key: str
    """The key of the TOML file that holds the answer."""
    words: str
    default: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """A folder's data set."""

    root: Path
    table: dict[str, Any]
    """A competition's TOML, but for its name; complete, with defaults for what was not found."""
    why: dict[str, str]
    """Of each key, as in `data.train.images`, what it rests on."""
    questions: tuple[Question, ...]
    notes: tuple[str, ...]
    """What a person should know."""
    summary: tuple[str, ...]
    """What was looked at, a line each."""


def class_tables(coding: Coding) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, str], list[Question]]:
    """[[classes]] and [[ignore]], what they rest on, and a question for each class without a name."""
    why, questions, tables = {}, [], ([], [])
    ranks = sorted((entry.share for entry in coding.classes), reverse=True)
    taken: set[str] = set()
    for key, entries, into in (("classes", coding.classes, tables[0]), ("ignore", coding.ignore, tables[1])):
        for place, entry in enumerate(entries):
            name = _unused(entry.name or _made_up(entry, place, coding), taken)
            into.append({"name": name, **_told_by(entry, coding)})
            share = f"{entry.share:{'.2%' if entry.share >= 0.001 else '.4%'}} of the pixels looked at"
            rank = f", the {_nth(ranks.index(entry.share) + 1)} largest" if key == "classes" else ""
            why[f"{key}.{place}"] = f"{share}{rank}{'; ' + entry.why if entry.why else ''}"
            if not entry.name and key == "classes":
                shown = f"colour #{entry.value:06X}" if coding.masks["coding"] == "colour" else f"value {entry.value}"
                questions.append(Question(f"classes.{place}.name", f"Name of the class with {shown} ({share})", name))
    return *tables, why, questions


def _made_up(entry: Entry, place: int, coding: Coding) -> str:
    """A name for a class that has none: background and foreground of two, else by its value or place."""
    if coding.masks["coding"] == "colour":
        return f"class-{place}"
    if {each.value for each in coding.classes} in ({0, 1}, {0, 255}):
        return "foreground" if entry.value else "background"
    return f"class-{entry.value}"


def _told_by(entry: Entry, coding: Coding) -> dict[str, Any]:
    if coding.masks["coding"] == "colour":
        return {"colour": f"#{entry.value:06X}"}
    return {"value": entry.value} | ({"colour": f"#{entry.colour:06X}"} if entry.colour is not None else {})


def _unused(name: str, taken: set[str]) -> str:
    free = name if name not in taken else next(f"{name}-{n}" for n in range(2, 999) if f"{name}-{n}" not in taken)
    taken.add(free)
    return free


def _nth(place: int) -> str:
    ending = "th" if 10 <= place % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{ending}"


def recipes(survey: Survey) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    """[recipe] and [laptop] for images of these sizes, and what they rest on."""
    recipe: dict[str, Any] = {}
    why = {}
    side = min(survey.smallest)
    if side < 512:
        recipe = {"data": {"crop": max(32, side // 32 * 32)}}
        why["recipe.data.crop"] = f"the shortest side of an image is {side}"
    scale = round(min(1.0, max(0.05, 1000 / max(survey.largest))), 2)
    model = {"encoder": "mobilenetv3_small_100", "weights": "none", "decoder_channels": [128, 64, 32, 32, 16]}
    data = {"crop": min(192, max(32, int(side * scale) // 32 * 32))} | ({"scale": scale} if scale < 1 else {})
    why["laptop"] = "a small model on small crops, for a first run on this machine"
    return recipe, {"model": model, "data": data, "train": {"epochs": 10, "batch": 8, "lr": 0.003}}, why


def answered(table: dict[str, Any], answers: dict[str, str]) -> dict[str, Any]:
    """The table with answers to `Found.questions` in it; an empty answer leaves what was there.

    Raises `UsageError` for an answer that none of the choices is, or that names a class twice.
    """
    classes = [dict(each) for each in table["classes"]]
    renamed = {}
    for key, text in answers.items():
        if text and (match := re.fullmatch(r"classes\.(\d+)\.name", key)):
            place = int(match[1])
            renamed[classes[place]["name"]] = text
            classes[place]["name"] = text
    names = [each["name"] for each in classes]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UsageError(f"two classes would be called {twice!r}", "give each its own name")
    new = {**table, "classes": classes, "metric": dict(table["metric"]), "submission": dict(table["submission"])}
    own = new["submission"].get("csv")
    if own and "classes" in own:
        new["submission"]["csv"] = {**own, "classes": [renamed.get(name, name) for name in own["classes"]]}
    if title := answers.get("title"):
        new["title"] = title
    for key, known in (("measure", MEASURES), ("pool", POOLS)):
        if text := answers.get(f"metric.{key}"):
            _must_be(f"metric.{key}", text, known)
            new["metric"][key] = text
    if text := answers.get("submission"):
        _must_be("submission", text, FILES)
        new["submission"] = submission_of(text, new, new["submission"])
    kaggle = {}
    if text := answers.get("kaggle.datasets"):
        kaggle["datasets"] = [text]
    if text := answers.get("kaggle.competition"):
        kaggle["competition"] = text
    return {**new, "kaggle": kaggle} if kaggle else new


def submission_of(kind: str, table: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """[submission] with a table of this kind: `csv`, or pictures in a `zip` or a `folder`."""
    if kind in before:
        return before
    if kind == "csv":
        return {"csv": {"columns": ["id", "rle"], "id": "{id}_{class}"}}
    pictures: dict[str, Any] = {
        "member": "{id}.tif" if table["data"]["train"]["masks"].endswith(".tif") else "{id}.png"
    }
    values = [each.get("value", place) for place, each in enumerate(table["classes"])]
    if max(values) > 255:
        pictures["values"] = list(range(len(values)))
    return {kind: pictures}


def _must_be(key: str, text: str, known: tuple[str, ...]) -> None:
    if text not in known:
        raise UsageError(f"{key}: found {text!r}", f"one of: {', '.join(known)}")
