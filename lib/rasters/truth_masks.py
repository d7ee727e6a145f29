"""Truth masks of any kind from disk: label maps, bit planes, instances.

    mask = read_truth(path, competition, size)

Label maps are read by the competition's coding. Where classes overlap, each class may have a folder of its own with
masks `FOLDER/<class>/ID.png`, in which what is not 0 has the class, or a TIFF of 32 bits has bit c set for class c.
Instances are numbers in a mask (values that no class has), a folder a class where several have some; else the connected
components of a label map.
"""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np

from lib.competitions import Competition
from lib.rasters.coding import Coding, from_pixels
from lib.rasters.instances import Instance
from lib.rasters.masks import read_labels, read_pixels
from lib.rasters.tiff import read_planes

Size = tuple[int, int]


def folder_name(name: str) -> str:
    """A class's folder: its name, without what a file system would stumble over."""
    return re.sub(r'[\\/:*?"<>|]', "_", name)


def class_masks(folder: Path, competition: Competition) -> dict[str, Path]:
    """By image id, one of its masks in the folders of classes; empty when there are no such folders."""
    found: dict[str, Path] = {}
    for index in competition.sent:
        place = folder / folder_name(competition.names[index])
        for path in sorted(place.iterdir()) if place.is_dir() else ():
            if path.suffix.lower() in (".png", ".tif", ".tiff"):
                found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def read_truth(path: Path, competition: Competition, size: Size | None = None) -> np.ndarray | list[Instance]:
    """A truth in the competition's kind of mask, brought to `size` (height, width) by nearest neighbour.

    `path`: a mask of the image; of one in a class's folder, the other classes' are found beside it.
    """
    folders = {folder_name(competition.names[index]): index for index in competition.sent}
    if competition.kind == "labels":
        return resized(read_labels(path, competition), size)
    if path.parent.name not in folders:
        return _of_one(path, competition, size)
    siblings = {index: path.parent.parent / name / path.name for name, index in folders.items()}
    planes = {index: resized(read_pixels(one, False), size) for index, one in siblings.items() if one.is_file()}
    if competition.kind == "instances":
        return [part for index, plane in planes.items() for part in _things(plane, index)]
    bits = np.zeros(next(iter(planes.values())).shape, np.uint32)
    for index, plane in planes.items():
        bits |= (plane > 0).astype(np.uint32) << np.uint32(index)
    return bits


def resized(mask: np.ndarray, size: Size | None) -> np.ndarray:
    """A mask (H, W) of any type at another size, by nearest neighbour; itself when it has that size."""
    if size is None or mask.shape == tuple(size):
        return mask
    bytes_ = {1: np.uint8, 2: np.uint16, 4: np.float32}[mask.itemsize]
    return cv2.resize(mask.view(bytes_), tuple(size)[::-1], interpolation=cv2.INTER_NEAREST).view(mask.dtype)


def bits_of(labels: np.ndarray) -> np.ndarray:
    """A label map (H, W) uint8 as bit planes (H, W) uint32; 255 is no class."""
    table = np.zeros(256, np.uint32)
    table[:32] = np.uint32(1) << np.arange(32, dtype=np.uint32)
    return table[labels]


def _of_one(path: Path, competition: Competition, size: Size | None) -> np.ndarray | list[Instance]:
    """A single picture that stands for all classes."""
    if competition.kind == "bits":
        planes = read_planes(path)
        return resized(bits_of(read_labels(path, competition)) if planes is None else planes, size)
    coding = Coding.of(competition)
    pixels = resized(read_pixels(path, coding.kind == "colour"), size)
    known = {code for code, _ in coding.table}
    if coding.kind == "index" and len(competition.sent) == 1 and not set(np.unique(pixels).tolist()) <= known:
        return _things(pixels, competition.sent[0])
    return components(from_pixels(pixels, coding, source=path), competition.sent)


def _things(pixels: np.ndarray, index: int) -> list[Instance]:
    """Numbers as instances; where 255 alone stands beside 0, connected components."""
    if pixels.dtype == np.uint8 and set(np.unique(pixels).tolist()) <= {0, 255}:
        return components((pixels > 0).astype(np.uint8), [1], index)
    return numbered(pixels, index)


def components(labels: np.ndarray, classes: tuple[int, ...] | list[int], as_index: int | None = None) -> list[Instance]:
    """The connected components (8 neighbours) of classes of a label map (H, W) uint8 or of bit planes uint32."""
    found = []
    for index in classes:
        plane = (labels >> np.uint32(index)) & 1 if labels.dtype == np.uint32 else labels == index
        if plane.any():
            numbers = cv2.connectedComponents(plane.astype(np.uint8), connectivity=8, ltype=cv2.CV_32S)[1]
            found += numbered(numbers, index if as_index is None else as_index)
    return found


def numbered(numbers: np.ndarray, index: int) -> list[Instance]:
    """The instances of a map of numbers (H, W), 0: none, as instances of class `index`, in the order of the numbers."""
    flat = np.ascontiguousarray(numbers).reshape(-1)
    cuts = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts, ends = np.concatenate([[0], cuts]), np.concatenate([cuts, [flat.size]])
    owner = flat[starts]
    runs, owner = np.stack([starts, ends], axis=1)[owner != 0], owner[owner != 0]
    order = np.argsort(owner, kind="stable")
    places = np.flatnonzero(np.diff(owner[order])) + 1
    return [Instance(index, part.astype(np.int64)) for part in np.split(runs[order], places) if len(part)]
