"""The kernel's machine-readable line, printed every few seconds among its other words.

    @progress {"epoch": 3, "epochs": 12, "step": 64, "steps": 300, "loss": 0.71, "images_per_s": 41.2, …}

    epoch, epochs, step, steps    where training is; step and steps count over all epochs
    fold, folds                   which fold of a run of folds says this, from 0, and of how many; epochs, loss and
                                  metric are its own, steps and seconds those of all folds
    loss                          the epoch's mean so far
    metric                        the competition's, behind a validation only
    lr, images_per_s              the next step's learning rate; the epoch's crops a second
    lr:GROUP                      of each group of parameters, where they differ
    grad_norm, grad_norm_max      the epoch's mean and largest gradient norm, before it is clipped
    data_wait                     share of the epoch's training time that was spent waiting for the loader, 0..1
    seconds                       of this run so far, over all of its sessions
    limit_s                       seconds until the session's limit; null without one
    gpus                          [{"use": 0..1, "memory": bytes, "of": bytes}, …] where there are any
    nan                           names of the values above that are no numbers, such as ["loss"]; each of them is null

A kernel that searches counts trials as steps, says how many there are of them (`trials`) and how many are `running`,
and the best metric so far. A kernel that predicts counts images as steps, and has neither epochs nor a loss.

Whoever follows the log turns these into a live table. Importing this module needs no torch.
"""

from __future__ import annotations

import json
import math
from typing import Any

PREFIX = "@progress "


def line(record: dict[str, Any]) -> str:
    """A record as one line of valid JSON; numbers are rounded to six significant digits."""
    nan = [key for key, value in record.items() if isinstance(value, float) and not math.isfinite(value)]
    told = {key: None if key in nan else _rounded(value) for key, value in record.items()}
    return PREFIX + json.dumps(told | ({"nan": nan} if nan else {}))


def parse(text: str) -> dict[str, Any] | None:
    """The record of a line, or None when the line is something else."""
    if not text.startswith(PREFIX):
        return None
    try:
        record = json.loads(text[len(PREFIX) :])
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _rounded(value: Any) -> Any:
    return float(f"{value:.6g}") if isinstance(value, float) else value
