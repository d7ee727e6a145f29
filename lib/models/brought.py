"""Weights that a session finds below /kaggle/input: those that its run brought, and those of data sets and models.

What a run brings in a private data set, and is checked here, the bundle names in `SWATH_WEIGHTS`, as JSON:

    {"dataset": "me/swath-weights-resnet34-1a2b3c4d", "file": "encoder.safetensors", "sha256": "…"}

What `model.weights` names is mounted in one of Kaggle's layouts:

    path = mounted_weights(origin("dataset:me/nets/unet/best.pth"), inputs)
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from lib import files
from lib.errors import DataError
from lib.mounts import DEPTH, below, mounted, places
from lib.recipe.origin import LAYOUTS, PARTS, Origin

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


def mounted_weights(origin: Origin, inputs: Path) -> Path:
    """The file in the data set or the model that the origin names; `DataError` when it is not there."""
    folders = [folder for folder in _mounts(origin, inputs) if folder.is_dir()]
    found = next((folder / origin.inside for folder in folders if (folder / origin.inside).is_file()), None)
    if found:
        return found
    what = {"dataset": "data set", "model": "model"}[origin.kind]
    if folders:
        raise DataError(
            f"the {what} {origin.name} has no file {origin.inside}; {mounted(folders[0], root='in it are')}",
            f"name one of its files: --set model.weights={origin.kind}:{origin.name}/FILE",
        )
    raise DataError(
        f"the {what} {origin.name} is not under {inputs}; {mounted(inputs)}",
        f"look whether it is there and READY: https://www.kaggle.com/{LAYOUTS[origin.kind]}/{origin.name}",
    )


def _mounts(origin: Origin, inputs: Path) -> Iterator[Path]:
    """Where the data set or the model may be mounted; Kaggle writes a model's framework in small letters."""
    owner, slug, *rest = origin.name.split("/")
    tails = ["/".join(rest)]
    if len(origin.name.split("/")) == PARTS["model"]:
        tails.append("/".join([rest[0].lower(), *rest[1:]]))
    roots = [inputs / LAYOUTS[origin.kind] / owner / slug, inputs / slug]
    roots += [folder for folder in below(inputs) if folder.name == slug]
    yield from (root / tail for root in roots for tail in tails)


def _places(inputs: Path, dataset: str, name: str) -> Iterator[Path]:
    slug = dataset.split("/")[1]
    yield from (folder / name for folder in places(inputs, "datasets", dataset))
    yield from (folder / name for folder in below(inputs, DEPTH + 1) if folder.name == slug)
