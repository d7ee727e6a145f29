"""A competition back to a TOML file that loads as the same competition.

write(path, competition)
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lib import files
from lib.competitions.schema import Competition


def write(path: Path, competition: Competition, about: str = "") -> None:
    """Write a competition; `about` stands above it as a comment."""
    comment = "".join(f"# {line}\n" for line in about.splitlines())
    files.write(path, comment + to_toml(competition.model_dump(mode="json", exclude_defaults=True)))


def to_toml(table: dict[str, Any]) -> str:
    """A table of JSON's values as TOML text; values that are None are left out."""
    return "\n".join(_lines(table, ())) + "\n"


def _lines(table: dict[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    inner = {key: value for key, value in table.items() if isinstance(value, dict) or _is_tables(value)}
    for key, value in table.items():
        if key not in inner and value is not None:
            yield f"{_key(key)} = {_value(value)}"
    for key, value in inner.items():
        place = (*path, key)
        name = ".".join(map(_key, place))
        for each in value if isinstance(value, list) else [value]:
            yield f"\n[[{name}]]" if isinstance(value, list) else f"\n[{name}]"
            yield from _lines(each, place)


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)  # strings, numbers and truth values are written as in JSON


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else json.dumps(name)
