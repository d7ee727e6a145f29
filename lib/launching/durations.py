"""Durations as people write them: `90m`, `11h30m`, `45s`."""

from __future__ import annotations

import os
import re

from lib.errors import UsageError

_UNITS = {"h": 3600, "m": 60, "s": 1}


def parse(text: str) -> int:
    """Seconds of `11h30m`, `90m`, `45s` or a plain number of seconds; `UsageError` for anything else."""
    if re.fullmatch("0*[1-9][0-9]*", text):
        return int(text)
    parts = re.findall(r"([0-9]+)([hms])", text)
    units = [unit for _, unit in parts]
    seconds = sum(int(number) * _UNITS[unit] for number, unit in parts)
    ordered = units == sorted(set(units), key="hms".index)
    if not parts or "".join(number + unit for number, unit in parts) != text or not ordered or seconds == 0:
        raise UsageError(f"{text!r} is not a duration", "write it as 90m, 11h30m or 45s")
    return seconds


def from_environment(name: str, default: float) -> float:
    """Seconds that a variable of the environment holds; `UsageError` when it holds no positive number."""
    try:
        seconds = float(os.environ.get(name, default))
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise UsageError(f"{name} = {os.environ[name]!r} is not a number of seconds", f"unset {name}")
    return seconds


def spell(seconds: float) -> str:
    """A duration for a person: `3h05m`, `12m40s`, `8s`."""
    whole = max(0, round(seconds))
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m{whole % 60:02d}s" if minutes else f"{whole}s"
