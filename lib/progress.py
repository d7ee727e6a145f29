"""The kernel's machine-readable line, printed every few seconds among its other words.

    @progress {"epoch": 3, "epochs": 12, "step": 64, "steps": 300, "loss": 0.71, "images_per_s": 41.2}

Whoever follows the log turns these into a live table. Importing this module needs no torch.
"""

from __future__ import annotations

import json
from typing import Any

PREFIX = "@progress "


def line(record: dict[str, Any]) -> str:
    """A record as one line; numbers are rounded to six significant digits."""
    rounded = {key: float(f"{value:.6g}") if isinstance(value, float) else value for key, value in record.items()}
    return PREFIX + json.dumps(rounded)


def parse(text: str) -> dict[str, Any] | None:
    """The record of a line, or None when the line is something else."""
    if not text.startswith(PREFIX):
        return None
    try:
        record = json.loads(text[len(PREFIX) :])
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
