"""Whose credentials the Kaggle client will find, and where, told without the network.

The client looks in this order: KAGGLE_API_TOKEN (a value, or a file's path), ~/.kaggle/access_token,
KAGGLE_USERNAME with KAGGLE_KEY, kaggle.json, `kaggle auth login`. A bad token hides a good kaggle.json behind it.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

HOW = (
    "create a token at https://www.kaggle.com/settings (API, Create New Token) and save it as ~/.kaggle/access_token, "
    "or put it into KAGGLE_API_TOKEN"
)


@dataclass(frozen=True)
class Source:
    """Where credentials lie; the user's name where the place tells it."""

    name: str
    owner: str | None = None


def source() -> Source | None:
    """The first credentials that the client will find; None when there are none."""
    home = Path.home() / ".kaggle"
    if os.environ.get("KAGGLE_API_TOKEN"):
        return Source("KAGGLE_API_TOKEN")
    for path in (home / "access_token", home / "access_token.txt"):
        if path.is_file() and path.read_text(errors="replace").strip():
            return Source(str(path))
    if os.environ.get("KAGGLE_USERNAME") and os.environ.get("KAGGLE_KEY"):
        return Source("KAGGLE_USERNAME and KAGGLE_KEY", os.environ["KAGGLE_USERNAME"])
    for folder in _config_folders():
        path = folder / "kaggle.json"
        if path.is_file():
            return Source(str(path), _owner(path))
    if (home / "credentials.json").is_file():
        return Source(str(home / "credentials.json"), _owner(home / "credentials.json"))
    return None


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
