"""`launch.py competitions`: which there are, what one says in full, and a new one from a folder of images and masks.

\b
python launch.py competitions                        all names: title, classes, where the data is
python launch.py competitions show dubai             one as TOML, its preset written out
python launch.py competitions new field --data DIR   look at a folder, write field.toml
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lib import files
from lib.errors import SwathError, UsageError
from lib.files import typed
from lib.launching import options
from lib.launching.terminal import next_step, program, refuse_misplaced, say, talk

if TYPE_CHECKING:
    from lib.competitions import Competition
    from lib.data.discover import Found, Question

NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,39}")

competitions = program(__doc__)

Known = Annotated[str, typer.Argument(metavar="NAME|FILE.toml", help="One of the kit's, or your own.")]
Fresh = Annotated[str, typer.Argument(metavar="NAME", help="Small letters, digits and hyphens.")]
Folder = Annotated[Path, typer.Option("--data", metavar="DIR", help="The data root.", parser=options._path)]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Default: NAME.toml here.", parser=options._path)
]
Unasked = Annotated[bool, typer.Option("-y", "--yes", help="Ask nothing: defaults, with comments where to fill in.")]
Over = Annotated[bool, typer.Option("--force", help="Replace a file that is there.")]


@competitions.callback(invoke_without_command=True)
def everything(context: typer.Context, as_json: options.Json = False) -> None:
    """Without a command: list."""
    if context.invoked_subcommand:
        return refuse_misplaced(context)
    _list(as_json)


@competitions.command("list")
def listing(as_json: options.Json = False) -> None:
    """All competitions and presets: title, classes, where the data is."""
    _list(as_json)


@competitions.command()
def show(name: Known, as_json: options.Json = False) -> None:
    """One competition in full, as TOML that can be saved and changed."""
    from lib.competitions import load
    from lib.competitions.writing import resolved

    competition = load(name)
    document = competition.model_dump(mode="json", exclude_defaults=True)
    say(document, as_json, resolved(competition).splitlines())


@competitions.command()
def new(
    name: Fresh,
    data: Folder,
    out: Out = None,
    yes: Unasked = False,
    force: Over = False,
    as_json: options.Json = False,
) -> None:
    """Look at a folder, say what is there and why, ask what no file says, write the competition's TOML file."""
    path = out or Path(f"{name}.toml")
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name of a competition", "2 to 40 small letters, digits and hyphens: my-field")
    if path.exists() and not force:
        raise UsageError(f"{typed(path)} is there already", "another name with --out FILE, or --force to replace it")
    from lib.data.discover import discover, draft

    found = discover(data)
    tell(found)
    asks = not yes and sys.stdin.isatty() and sys.stderr.isatty()
    answers = _asked(found.questions) if asks else {}
    text = draft(found, name, answers)
    competition = written(path, text)
    pairs = _paired(competition, data)
    missing = [question for question in found.questions if not answers.get(question.key)]
    document = {
        "file": str(path),
        "name": name,
        "pairs": pairs,
        "found": competition.model_dump(mode="json", exclude_defaults=True),
        "why": found.why,
        "fill_in": [{"key": q.key, "question": q.words, "default": q.default} for q in missing],
        "notes": found.notes,
    }
    say(document, as_json, [f"{typed(path)}: {pairs} pair(s), {len(competition.classes)} classes"])
    if missing:
        talk(f"fill in: {len(missing)} key(s) that no file says, marked `fill in` in {typed(path)}")
    next_step(f"python launch.py doctor -c {typed(path)} --data {typed(data)}")
    talk(f"then: python launch.py -c {typed(path)} --data {typed(data)}")


def tell(found: Found) -> None:
    """What was found and why, on stderr."""
    for line in found.summary:
        talk(line)
    data = found.table["data"]
    for part in ("train", "test"):
        if part in data:
            patterns = "  +  ".join(data[part][key] for key in ("images", "masks") if key in data[part])
            talk(f"{part}: {patterns}   ({found.why[f'data.{part}.images']})")
    for key, reason in found.why.items():
        if key.startswith(("data.train.group", "data.lists", "images.", "masks.", "submission")):
            talk(f"{key} = {json.dumps(_at(found.table, key))}   ({reason})")
    for kind in ("classes", "ignore"):
        for place, label in enumerate(found.table.get(kind, ())):
            code = label["colour"] if found.table["masks"]["coding"] == "colour" else label["value"]
            word = "class " if kind == "classes" else "ignore"
            talk(f"{word} {code}  {label['name']}   ({found.why[f'{kind}.{place}']})")
    for note in found.notes:
        talk(f"look: {note}")


def written(path: Path, text: str) -> Competition:
    """Write the file, once it has been seen to load."""
    from lib.competitions import parse

    draft = path.with_name(f".{path.name}.draft")
    files.write(draft, text)
    try:
        competition = parse(draft)
        files.write(path, text)
    finally:
        draft.unlink(missing_ok=True)
    return competition


def _at(table: Any, key: str) -> Any:
    for word in key.split("."):
        table = table[word]
    return table


def _paired(competition: Competition, data: Path) -> int:
    """How many pairs the competition finds; what hinders it is told, and is the data's, not the file's."""
    from lib.competitions import find_pairs

    try:
        return len(find_pairs(competition.data.train, data))
    except SwathError as error:
        talk(f"look: {error.reason}" + (f"; {error.hint}" if error.hint else ""))
        return 0


def _asked(questions: Iterable[Question]) -> dict[str, str]:
    """Answers from the terminal; an empty one is the default."""
    answers = {}
    for question in questions:
        choices = f" [{'/'.join(question.choices)}]" if question.choices else ""
        while True:
            answer = typer.prompt(f"{question.words}{choices}", default=question.default, err=True).strip()
            if not question.choices or answer in question.choices:
                break
            talk(f"one of: {', '.join(question.choices)}")
        answers[question.key] = answer
    return answers


def _list(as_json: bool) -> None:
    from lib.competitions import available, load, presets

    rows = [_row(load(name), name) for name in (*available(), *presets())]
    names, titles = (max(len(row[key]) for row in rows) for key in ("name", "title"))
    lines = [f"{r['name']:{names}}  {r['title']:{titles}}  {len(r['classes']):3} classes  {r['data']}" for r in rows]
    say(rows, as_json, lines)
    next_step("python launch.py competitions show dubai")


def _row(competition: Competition, name: str) -> dict[str, Any]:
    kaggle = competition.kaggle
    if competition.data.built_in:
        where = "generated here"
    elif competition.data.train is None:
        where = "none: a file and its score"
    elif kaggle.datasets or kaggle.competition:
        where = f"on Kaggle: {', '.join(kaggle.datasets) or kaggle.competition}"
    else:
        where = "yours: --data DIR"
    return {"name": name, "title": competition.title, "classes": competition.names, "data": where}
