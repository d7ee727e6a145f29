"""Numbers of masks that are whole and wrong: foreground that is not the value it should be, classes off by one."""

from __future__ import annotations

import numpy as np

from lib.competitions import IGNORE
from lib.data.doctor.findings import Finding
from lib.data.doctor.judge import Judge, Table, about


def foreground(table: Table, judge: Judge, left: np.ndarray) -> Finding | None:
    """One foreground class whose value in the masks is not the competition's."""
    competition = judge.competition
    values = sorted(competition.values)
    if judge.kind != "index" or len(values) != 2 or values[0] != 0:
        return None
    threshold, most = competition.masks.threshold, int(table.codes.max())
    name = competition.names[competition.values.index(values[1])]
    if threshold is not None and 0 < most < threshold:
        words = f"foreground is {most}, below masks.threshold = {threshold}, so that nothing is {name}"
        return about(table, int(table.codes.argmax()), "error", words, f"leave threshold out, and set value = {most}")
    strange = table.codes[left]
    if len(strange) == 1 and set(table.codes.tolist()) <= {0, int(strange[0]), IGNORE}:
        place = int(np.flatnonzero(left)[0])
        words = f"foreground is {strange[0]}, not {values[1]}"
        return about(table, place, "error", words, f"set value = {strange[0]} for {name} in [[classes]]")
    return None


def foreground_alone(table: Table, judge: Judge, made: np.ndarray) -> list[Finding]:
    """Without a competition: two values, of which the upper one is not 255."""
    rest = table.codes[~made]
    if judge.kind != "index" or len(rest) != 2 or rest[0] != 0 or rest[1] == 255:
        return []
    place = int(np.flatnonzero(~made)[1])
    usual = "looks black to the eye" if rest[1] < 16 else "is near 255, which other tools expect"
    words = (
        f"foreground is {rest[1]}, not 255: it {usual}"
        if rest[1] < 16 or rest[1] > 240
        else f"foreground is {rest[1]}, not 255"
    )
    level = "note" if rest[1] == 1 else "warning"
    return [about(table, place, level, words, f"say so in [[classes]]: value = {rest[1]}")]


def off_by_one(table: Table, judge: Judge, left: np.ndarray) -> Finding | None:
    """Values that begin one above, or one below, the classes'."""
    if judge.kind != "index" or left.sum() != 1:
        return None
    values, place = sorted(judge.competition.values), int(np.flatnonzero(left)[0])
    strange, present = int(table.codes[place]), set(table.codes[table.meaning != IGNORE].tolist())
    low, high = values[0], values[-1]
    if values != list(range(low, high + 1)):
        return None
    if strange == high + 1 and low not in present:
        words = f"values are {low + 1} to {strange} where classes are {low} to {high}: off by one"
        return about(
            table, place, "error", words, f"give classes their values: value = {low + 1} for the first, and so on"
        )
    if strange == high + 1:
        words = f"values are {low} to {strange}, {len(values) + 1} of them for {len(values)} classes"
        fix = f"describe the missing class; or, if {low} is no data: [[ignore]] value = {low}, classes from {low + 1}"
        return about(table, place, "error", words, fix)
    if strange == low - 1 and high not in present:
        words = f"values are {strange} to {high - 1} where classes are {low} to {high}: off by one"
        return about(
            table, place, "error", words, f"give classes their values: value = {strange} for the first, and so on"
        )
    return None


def is_binary(table: Table, judge: Judge, made: np.ndarray) -> bool:
    """Whether beside mixed values there are only 0 and one more."""
    rest = table.codes[~made]
    return judge.kind == "index" and len(rest) == 2 and rest[0] == 0 and bool(made.any())
