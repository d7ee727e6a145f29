"""A folder of masks that the kit writes: predictions, or what a file was decoded to.

write(folder, competition, ids, made, about)  # `made` gives pairs of id and mask

Labels: `ID.png`, an index picture (`ID.tif` where it has a place on the Earth). Bits: `CLASS/ID.png`, 0 and 255.
Instances: 16-bit numbers, in `ID.png` or, with several classes or where they may overlap, in `CLASS/ID.png`, and those
that overlap others in `CLASS~2/ID.png`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lib import files
from lib.competitions import Competition
from lib.errors import DataError, SwathError, UsageError
from lib.rasters.bits import plane
from lib.rasters.brought_masks import Mask, masks_in
from lib.rasters.coding import values
from lib.rasters.instances import Instance, layers
from lib.rasters.mask_names import INDEX, LAYER, confidences_of, folder_name, mask_files
from lib.rasters.masks import encode_png
from lib.rasters.reader import Georeference
from lib.rasters.tiff import encode_tiff

__all__ = ["INDEX", "mask_files", "masks_in", "write"]


def write(
    folder: Path,
    competition: Competition,
    ids: Sequence[str],
    masks: Iterable[tuple[str, Mask]],
    about: dict[str, Any],
    sizes: Mapping[str, tuple[int, int] | None] | None = None,
    place: Callable[[str], Georeference | None] = lambda image: None,
) -> None:
    """Write `masks`, pairs of id and mask of the competition's kind, and last predictions.json, which holds `about`.

    `ids` are all that will come; `sizes` (height, width) are needed for instances. Raises `UsageError` before any work
    when files would be overwritten that the kit did not write. When making the masks fails, what this call has written
    goes away again.
    """
    must_be_free(folder, ids, competition)
    before = _written(folder)
    fresh, written = [], set()
    try:
        for image, mask in masks:
            for name, content in _pictures(image, mask, competition, (sizes or {}).get(image), place(image)):
                path = files.inside(folder, name)
                fresh += [] if path.exists() else [path]
                if not (folder / INDEX).exists():
                    fresh.append(folder / INDEX)
                    files.write_json(folder / INDEX, {"images": []})
                files.write(path, content)
                written.add(path)
    except SwathError:
        for path in fresh:
            path.unlink(missing_ok=True)
        raise
    for path in before - written:  # of an earlier call, and no part of these
        path.unlink(missing_ok=True)
    usual = {f"{image}.png" for image in ids}
    names = sorted(path.relative_to(folder.resolve()).as_posix() for path in written)
    more = {"files": names} if set(names) != usual else {}
    files.write_json(folder / INDEX, {"images": list(ids), **about, **more})


def _pictures(
    image: str, mask: Mask, competition: Competition, size: tuple[int, int] | None, place: Georeference | None
) -> Iterator[tuple[str, bytes]]:
    """Names and contents of an image's files."""
    if competition.kind == "labels":
        pixels = values(competition)[mask]
        yield (f"{image}.tif", encode_tiff(pixels, place)) if place else (f"{image}.png", encode_png(pixels))
    elif competition.kind == "bits":
        for index in competition.sent:
            pixels = plane(mask, index).astype(np.uint8) * 255
            yield f"{folder_name(competition.names[index])}/{image}.png", encode_png(pixels)
    else:
        if size is None:
            raise DataError(f"the size of {image} is not known", "give --size HxW")
        if any(each.confidence != 1 for each in mask):
            yield confidences_of(image), json.dumps([each.confidence for each in mask]).encode()
        numbers = dict(enumerate(mask, start=1))
        if in_folders(competition):
            yield from _by_class(image, numbers, competition, size)
            return
        found = layers(numbers, size)
        if len(found) > 1:
            raise DataError(f"instances of {image} overlap, which {competition.name} refuses")
        yield f"{image}.png", encode_png(found[0])


def in_folders(competition: Competition) -> bool:
    """Whether instances stand in a folder for each class, as one picture would not hold them."""
    return competition.submission.overlap or len(competition.sent) > 1


def _by_class(
    image: str, numbers: dict[int, Instance], competition: Competition, size: tuple[int, int]
) -> Iterator[tuple[str, bytes]]:
    for index in competition.sent:
        own = {number: each for number, each in numbers.items() if each.index == index}
        if own or index == competition.sent[0]:  # so that an image without any has a mask too
            for layer, pixels in enumerate(layers(own, size), start=1):
                folder = folder_name(competition.names[index]) + (f"{LAYER}{layer}" if layer > 1 else "")
                yield f"{folder}/{image}.png", encode_png(pixels)


def _places(folder: Path, image: str, competition: Competition) -> list[Path]:
    """Where an image's masks may stand."""
    if competition.kind == "labels" or not (competition.kind == "bits" or in_folders(competition)):
        return [files.inside(folder, f"{image}{ending}") for ending in (".png", ".tif")]
    names = [folder_name(competition.names[index]) for index in competition.sent]
    folders = [path for name in names for path in (folder / name, *folder.glob(f"{name}{LAYER}[0-9]*"))]
    return [files.inside(path, f"{image}.png") for path in folders]


def _written(folder: Path) -> set[Path]:
    """The files that an earlier call has written."""
    content = files.read_json(folder / INDEX) if (folder / INDEX).is_file() else {}
    names = content.get("files") or [f"{image}.png" for image in content.get("images", ())]
    return {files.inside(folder, name) for name in names}


def must_be_free(folder: Path, ids: Sequence[str], competition: Competition) -> None:
    """Raise `UsageError` when files named like these masks are there that the kit did not write."""
    if (folder / INDEX).is_file():
        return
    taken = [path for image in ids for path in _places(folder, image, competition) if path.exists()]
    if taken:
        raise UsageError(
            f"{folder} holds {len(taken)} files that masks would overwrite, {taken[0].relative_to(folder.resolve())} "
            "among them, and nothing says that this kit wrote them",
            "choose a new folder with --out DIR",
        )
