"""Brings home what a kernel left on a Colab machine, in pieces that the command can carry, each file checked."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from lib import files
from lib.errors import SwathError
from lib.launching import durations
from lib.launching.colab.command import ColabCommand, NotThere
from lib.launching.fetching.manifest import Entry
from lib.launching.session import LostConnection

AT_ONCE = 4
PATIENCE = durations.from_environment("SWATH_COLAB_PATIENCE", 1800)
"""Seconds that a file may fail to come before the machine is released without it: a machine that waits costs units."""


class Piece(Entry):
    """An output and where its bytes lie on the machine, in order."""

    sources: list[str]


def bring_home(colab: ColabCommand, machine: str, folder: Path, patience: float = PATIENCE) -> str:
    """Download every output that is not in `folder` already; what could not be had, in words, or nothing."""

    def content(source: str) -> bytes:
        for attempt in _attempts(patience):
            with attempt:
                return colab.content(machine, source)
        raise AssertionError("tenacity raises in the end")

    try:
        listed = [Piece.model_validate(entry) for entry in json.loads(content("swath-outputs.json"))]
    except (NotThere, LostConnection, ValueError) as error:
        return f"its outputs could not be listed: {error}"

    def bring(piece: Piece) -> str | None:
        target = files.inside(folder, piece.name)
        if piece.is_met_by(target):
            return None
        try:
            for attempt in _attempts(patience):
                with attempt, files.replacing(target) as file:
                    for source in piece.sources:
                        file.write(content(source))
                    file.flush()
                    if not piece.is_met_by(Path(file.name)):
                        raise LostConnection(f"{piece.name} arrived damaged")
        except SwathError:  # also when there is no place for it here
            return piece.name
        return None

    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        lost = [name for name in pool.map(bring, sorted(listed, key=lambda piece: piece.bytes)) if name]
    return f"{len(lost)} of its outputs could not be brought home: {', '.join(lost[:5])}" if lost else ""


def _attempts(patience: float) -> Retrying:
    return Retrying(
        stop=stop_after_delay(patience),
        wait=wait_exponential(multiplier=0.5, max=60),
        retry=retry_if_exception_type(LostConnection),
        reraise=True,
    )
