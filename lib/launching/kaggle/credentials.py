"""Whose credentials the Kaggle client will find, and where, told without the network.

The client looks in this order: KAGGLE_API_TOKEN (a value, or a file's path), ~/.kaggle/access_token,
KAGGLE_USERNAME with KAGGLE_KEY, kaggle.json, `kaggle auth login`. A bad token hides a good kaggle.json behind it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lib.errors import Refused

HOW = (
    "create a token at https://www.kaggle.com/settings (API, Create New Token) and save it as ~/.kaggle/access_token, "
    "or put it into KAGGLE_API_TOKEN"
)


@dataclass(frozen=True)
class Source:
    """Where credentials lie; the user's name where the place tells it."""

    name: str
    owner: str | None = None


def needed() -> Source:
    """The first credentials that the client will find; `Refused` when there are none."""
    found = source()
    if found is None:
        raise Refused("there are no Kaggle credentials on this machine", HOW)
    return found


def source() -> Source | None:
    """The first credentials that the client will find; None when there are none."""
    return next(iter(sources()), None)


def sources() -> list[Source]:
    """All credentials on this machine, in the client's order: the first is used, and hides the others."""
    return list(_sources())


def _sources() -> Iterator[Source]:
    home = Path.home() / ".kaggle"
    if os.environ.get("KAGGLE_API_TOKEN"):
        yield Source("KAGGLE_API_TOKEN")
    for path in (home / "access_token", home / "access_token.txt"):
        if path.is_file() and path.read_text(errors="replace").strip():
            yield Source(str(path))
    if os.environ.get("KAGGLE_USERNAME") and os.environ.get("KAGGLE_KEY"):
        yield Source("KAGGLE_USERNAME and KAGGLE_KEY", os.environ["KAGGLE_USERNAME"])
    for folder in _config_folders():
        path = folder / "kaggle.json"
        if path.is_file():
            yield Source(str(path), _owner(path))
    if (home / "credentials.json").is_file():
        yield Source(str(home / "credentials.json"), _owner(home / "credentials.json"))


def _config_folders() -> list[Path]:
    if os.environ.get("KAGGLE_CONFIG_DIR"):
        return [Path(os.environ["KAGGLE_CONFIG_DIR"])]
    config = Path(os.environ.get("XDG_CONFIG_HOME", Path.home() / ".config"))
    return [Path.home() / ".kaggle", config / "kaggle"]


def _owner(path: Path) -> str | None:
    try:
        return json.loads(path.read_text()).get("username")
    except (OSError, ValueError, AttributeError):
        return None
