"""Weights that a run brought to its session in a private data set: found below /kaggle/input, and checked.

The bundle names them in `SWATH_WEIGHTS`, as JSON:

    {"dataset": "me/swath-weights-resnet34-1a2b3c4d", "file": "encoder.safetensors", "sha256": "…"}
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from lib import files
from lib.errors import DataError
from lib.mounts import DEPTH, below, mounted, places

VARIABLE = "SWATH_WEIGHTS"


def brought_weights(inputs: Path) -> Path | None:
    """The weights that came with the run; None when it brought none.

    Raises `DataError` when the file is not there, or is not the one that was sent.
    """
    if not os.environ.get(VARIABLE):
        return None
    asked = json.loads(os.environ[VARIABLE])
    found = next((path for path in _places(inputs, asked["dataset"], asked["file"]) if path.is_file()), None)
    if found is None:
        raise DataError(
            f"the weights {asked['file']} of the data set {asked['dataset']} are not under {inputs}; {mounted(inputs)}",
            f"look whether it is READY: https://www.kaggle.com/datasets/{asked['dataset']}, then launch again",
        )
    if files.sha256(found) != asked["sha256"]:
        raise DataError(
            f"{found} is not the file that was sent: its SHA-256 is another",
            f"delete the data set, and launch again: https://www.kaggle.com/datasets/{asked['dataset']}",
        )
    return found


def _places(inputs: Path, dataset: str, name: str) -> Iterator[Path]:
    slug = dataset.split("/")[1]
    yield from (folder / name for folder in places(inputs, "datasets", dataset))
    yield from (folder / name for folder in below(inputs, DEPTH + 1) if folder.name == slug)
