"""What `launch.py` and `submit.py` share: plain help, and the rule that stdout is data and stderr is talk."""

from __future__ import annotations

import json
import sys
from typing import Any

import typer


def program(about: str | None) -> typer.Typer:
    """An empty program with the house's habits: plain help, no completion, errors left to `guarded`."""
    return typer.Typer(
        help=about,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def say(document: Any, as_json: bool, lines: list[str]) -> None:
    """One JSON document on stdout, or lines."""
    if as_json:
        print(json.dumps(document, indent=2, ensure_ascii=False, default=str))
    elif lines:
        print("\n".join(lines))


def next_step(command: str) -> None:
    """The command to type now, on stderr."""
    print(f"next: {command}", file=sys.stderr)
