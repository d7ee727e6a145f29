"""A competition back to a TOML file that loads as the same competition.

write(path, competition)
text = to_toml(table, {"masks.coding": "what it rests on"})      # comments beside keys and above tables
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lib import files
from lib.competitions.schema import Competition

WIDE = 120


def write(path: Path, competition: Competition, about: str = "") -> None:
    """Write a competition; `about` stands above it as a comment."""
    files.write(path, commented(about.splitlines()) + resolved(competition))


def resolved(competition: Competition) -> str:
    """A competition in full, as TOML text: what its preset says is written out."""
    return to_toml(competition.model_dump(mode="json", exclude_defaults=True))


def commented(lines: Iterable[str]) -> str:
    """Lines as comments, broken where they are long."""
    broken = [short for line in lines for short in _broken(line)]
    return "".join(f"# {line}\n" for line in broken)


def to_toml(table: Mapping[str, Any], comments: Mapping[str, str] | None = None) -> str:
    """A table of JSON's values as TOML text; values that are None are left out.

    `comments`: of a key as in `data.train.images`, a table's as in `masks`, or an entry's as in `classes.0`.
    """
    return "\n".join(_lines(table, (), (), comments or {})) + "\n"


def _lines(
    table: Mapping[str, Any], path: tuple[str, ...], place: tuple[str, ...], comments: Mapping[str, str]
) -> Iterator[str]:
    """`path`: the keys that lead to the table; `place`: the same with the numbers of entries, as comments name it."""
    inner = {key: value for key, value in table.items() if isinstance(value, dict) or _is_tables(value)}
    for key, value in table.items():
        if key not in inner and value is not None:
            yield from _beside(_line(_key(key), value), comments.get(".".join((*place, key))))
    for key, value in inner.items():
        name = ".".join(map(_key, (*path, key)))
        many = isinstance(value, list)
        for number, each in enumerate(value if many else [value]):
            own = (*place, key, str(number)) if many else (*place, key)
            comment = comments.get(".".join(own))
            if many or comment or not _holds_tables_only(each):
                yield ""
                yield from _beside(f"[[{name}]]" if many else f"[{name}]", comment)
            yield from _lines(each, (*path, key), own, comments)


def _line(key: str, value: Any) -> str:
    """`key = value`; a list that is too long for a line stands on several."""
    line = f"{key} = {_value(value)}"
    if len(line) <= WIDE or not isinstance(value, list):
        return line
    rows = [""]
    for each in map(_value, value):
        rows = [*rows, ""] if len(rows[-1]) + len(each) + 6 > WIDE else rows
        rows[-1] += f"{', ' if rows[-1] else ''}{each}"
    return f"{key} = [\n" + "".join(f"    {row},\n" for row in rows) + "]"


def _holds_tables_only(table: Mapping[str, Any]) -> bool:
    """Whether the tables in it say that it is there."""
    return bool(table) and all(isinstance(value, dict) or _is_tables(value) for value in table.values())


def _beside(line: str, comment: str | None) -> Iterator[str]:
    """A line with its comment behind it, or above it where both together are long."""
    if comment and len(line) + len(comment) + 4 <= WIDE and "\n" not in line:
        yield f"{line}  # {comment}"
        return
    for part in _broken(comment) if comment else ():
        yield f"# {part}"
    yield line


def _broken(text: str) -> list[str]:
    if len(text) <= WIDE - 2:
        return [text]
    return textwrap.wrap(text, WIDE - 2, break_long_words=False, break_on_hyphens=False) or [""]


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)  # strings, numbers and truth values are written as in JSON


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else json.dumps(name)
