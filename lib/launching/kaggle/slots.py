"""How many sessions Kaggle runs at a time for one user: a number of Kaggle's, corrected by what its refusals say.

most("GPU", "me")                                                        # 2
learn("me", "Maximum batch GPU session count of 1 reached.")             # from now on 1, on this machine
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

from filelock import FileLock

from lib import files
from lib.errors import Failed
from lib.folders import cache_folder

Kind = Literal["GPU", "CPU"]

USUAL: dict[Kind, int] = {"GPU": 2, "CPU": 5}
"""Sessions at a time, until a refusal says another number."""

REFUSAL = re.compile(r"Maximum batch (\w+) session count of (\d+) reached")


DAY = 86_400
"""Seconds that a refusal is believed for: Kaggle may give more again."""


def most(kind: Kind, owner: str) -> int:
    """Sessions of a kind that the user may have at a time, as far as this machine knows."""
    known = _known().get(_account(owner, kind), {})
    return known["most"] if time.time() - known.get("learned", 0) < DAY else USUAL[kind]


def learn(owner: str, refusal: str) -> bool:
    """Remember the number that a refusal names; False when the refusal is about something else."""
    found = REFUSAL.search(refusal)
    if not found:
        return False
    path = _file()
    with suppress(OSError, Failed):  # a number that cannot be kept is learnt again
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            fact = {"most": int(found[2]), "learned": time.time()}
            files.write_json(path, _known() | {_account(owner, found[1]): fact})
    return True


def _file() -> Path:
    return cache_folder() / "slots.json"


def _account(owner: str, kind: str) -> str:
    return " ".join(filter(None, [os.environ.get("KAGGLE_API_ENDPOINT"), owner, kind]))


def _known() -> dict[str, dict[str, float]]:
    try:
        content = files.read_json(_file()) if _file().is_file() else {}
    except Failed:
        return {}
    return content if isinstance(content, dict) else {}
