"""Brings home what a kernel left on a Colab machine, in pieces that the command can carry, each file checked."""

from __future__ import annotations

import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from lib import files
from lib.launching import durations
from lib.launching.colab_command import ColabCommand, NotThere
from lib.launching.manifest import Entry
from lib.launching.session import LostConnection

AT_ONCE = 4
PATIENCE = durations.from_environment("SWATH_COLAB_PATIENCE", 1800)
"""Seconds that a file may fail to come before the machine is released without it: a machine that waits costs units."""


class Piece(Entry):
    """An output and where its bytes lie on the machine, in order."""

    sources: list[str]


def bring_home(colab: ColabCommand, machine: str, folder: Path) -> str:
    """Download every output into `folder`; what could not be had, in words, or nothing."""
    try:
        listed = [Piece.model_validate(entry) for entry in json.loads(_bytes(colab, machine, "swath-outputs.json"))]
    except (NotThere, LostConnection, ValueError) as error:
        return f"its outputs could not be listed: {error}"

    def bring(piece: Piece) -> str | None:
        try:
            for attempt in _attempts():
                with attempt, files.replacing(files.inside(folder, piece.name)) as file:
                    for source in piece.sources:
                        file.write(_bytes(colab, machine, source))
                    file.flush()
                    if not piece.is_met_by(Path(file.name)):
                        raise LostConnection(f"{piece.name} arrived damaged")
        except (NotThere, LostConnection):
            return piece.name
        return None

    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        lost = [name for name in pool.map(bring, sorted(listed, key=lambda piece: piece.bytes)) if name]
    return f"{len(lost)} of its outputs could not be brought home: {', '.join(lost[:5])}" if lost else ""


def _bytes(colab: ColabCommand, machine: str, source: str) -> bytes:
    """One file of the machine's working folder; the command writes it to a file first."""
    for attempt in _attempts():
        with attempt, tempfile.TemporaryDirectory(prefix="swath-") as folder:
            target = Path(folder) / "file"
            colab.download(machine, f"content/{source}", target)
            return target.read_bytes()
    raise AssertionError("unreachable")


def _attempts() -> Retrying:
    return Retrying(
        stop=stop_after_delay(PATIENCE),
        wait=wait_exponential(multiplier=0.5, max=60),
        retry=retry_if_exception_type(LostConnection),
        reraise=True,
    )
