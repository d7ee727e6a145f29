"""Checkpoints of earlier runs among what a session has mounted, known by their content.

paths = checkpoints(folders.inputs, [{"run": "20261120-142513-sample-3c65", "sha256": "9f2c…"}])

They lie in the outputs of the kernel that trained them, or in a private data set; which of the two, and in which of
Kaggle's layouts, does not matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from lib import files
from lib.errors import DataError
from lib.mounts import DEPTH, below, mounted

LIKELY = (
    "notebooks/*/*/checkpoints",
    "*/checkpoints",
    "notebooks/*/*/folds/*/checkpoints",
    "*/folds/*/checkpoints",
    "datasets/*/swath-*",
    "swath-*",
)
"""Where a checkpoint usually is, in both layouts, so that a data set of many folders need not be searched."""


def checkpoints(inputs: Path, wanted: Sequence[Mapping[str, str]]) -> list[Path]:
    """The files below `inputs` with these SHA-256, in the order of `wanted`; `DataError` that names a missing one."""
    missing = {member["sha256"] for member in wanted}
    found: dict[str, Path] = {}
    for path in _candidates(inputs):
        if len(found) == len(missing):
            break
        found.setdefault(files.sha256(path), path)
        found = {sha256: place for sha256, place in found.items() if sha256 in missing}
    for member in wanted:
        if member["sha256"] not in found:
            raise DataError(
                f"the weights of run {member['run']} are not under {inputs}; {mounted(inputs)}",
                "look whether its kernel, or the data set with its weights, is still there, then launch again",
            )
    return [found[member["sha256"]] for member in wanted]


def _candidates(inputs: Path) -> Iterator[Path]:
    """Files that may be checkpoints, the likely ones first, each once."""
    likely = (folder for pattern in LIKELY for folder in sorted(inputs.glob(pattern)))
    seen = set()
    for folder in chain(likely, below(inputs, DEPTH + 1)):
        for path in sorted(folder.glob("*.safetensors")):
            if path not in seen:
                seen.add(path)
                yield path
