"""From cases to rows: first do both sides agree, then how long, then how much memory.

for row in run(cases, inputs, repeat=5):
    print(row.case, row.peer, row.ratio)
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from benchmarks import measure
from benchmarks.case import Case, Disagreement, Inputs, Row

TOGETHER = 2
"""Processes that measure memory at a time; nothing is timed by then."""


def run(cases: Sequence[Case], inputs: Inputs, repeat: int) -> list[Row]:
    """A row a case. Says on stderr how far it is."""
    rows = []
    for case in cases:
        rows.append(timed(case, inputs, repeat))
        print(f"{case.name} / {case.peer_name}: {rows[-1].result}", file=sys.stderr)
    print("memory ...", file=sys.stderr)
    alone = {(case.name, case.peer_name) for case in cases if not case.in_workers}
    return with_memory(rows, inputs, alone)


def timed(case: Case, inputs: Inputs, repeat: int) -> Row:
    """Compare the results; where they agree, take the times. `ModuleNotFoundError` for a peer that should be there."""
    try:
        kit, peer = case.call("kit", inputs), case.call("peer", inputs)
    except ModuleNotFoundError:
        if not case.install:
            raise
        return Row(case.name, case.peer_name, agreed=None, note=case.install)
    try:
        note = case.compare(kit(), peer(), inputs)
    except Disagreement as error:
        return Row(case.name, case.peer_name, agreed=False, note=str(error))
    seconds = measure.seconds(kit, peer, repeat)
    if case.gives:
        count, what = case.gives
        note = f": {count / seconds[0]:.3g} against {count / seconds[1]:.3g} {what} a second{note}"
    return Row(case.name, case.peer_name, True, note, *seconds)


def with_memory(rows: list[Row], inputs: Inputs, alone: Collection[tuple[str, str]]) -> list[Row]:
    """The rows with the memory of both sides; the kit's is measured once for all the peers of a case. `alone`: case and
    peer of those that work in one process."""
    agreed = [row for row in rows if row.agreed and (row.case, row.peer) in alone]
    kits = {row.case: (row.case, row.peer, "kit") for row in reversed(agreed)}
    peers = {row: (row.case, row.peer, "peer") for row in agreed}
    jobs = [*kits.values(), *peers.values()]
    with ThreadPoolExecutor(TOGETHER) as pool:
        found = dict(zip(jobs, pool.map(lambda job: measure.peak(*job, inputs), jobs), strict=True))
    full = {row: replace(row, kit_bytes=found[kits[row.case]], peer_bytes=found[peers[row]]) for row in agreed}
    return [full.get(row, row) for row in rows]
