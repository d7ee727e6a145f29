"""COCO's results: a JSON list of objects with image_id, category_id, segmentation and score, read and written as a
stream.

    [{"image_id": "a", "category_id": 1, "segmentation": {"size": [256, 256], "counts": "…"}, "score": 0.9}, …]

(https://cocodataset.org/#format-results). One pass notes where each object stands, then they are read image by image.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lib.competitions import Competition
from lib.errors import DataError, UsageError
from lib.rasters import runs as rn
from lib.rasters.instances import Instance
from lib.submissions.containers.decoding import Part, assembled
from lib.submissions.containers.sent import as_sent, planes
from lib.submissions.containers.table_index import is_size
from lib.submissions.layout import Layout, Mask, Masks, Size, sized
from lib.submissions.payloads.payload import Payload

CHUNK = 1 << 20
LARGEST = 1 << 28
"""Bytes that one object may have."""


def write(masks: Masks, competition: Competition, layout: Layout, file: BinaryIO) -> None:
    """Write an object for each instance, or each class that an image has; one a line."""
    form, payload = competition.submission.coco, Payload.of(competition)
    begin = b"[\n"
    for image in layout.images:
        mask, size = masks(image), layout.sizes[image]
        if isinstance(mask, np.ndarray):
            mask = sized(mask, image, layout, competition.submission.resize == "nearest")
            size = mask.shape
        if size is None:
            raise DataError(f"the size of {image} is not known", "give --data DIR, or --size HxW")
        for each in _found(as_sent(mask, competition, size), competition):
            runs = rn.turned(each.runs, size, "C", "F")
            found = {
                "image_id": _number(image) if form.numbers else image,
                "category_id": competition.values[each.index],
                "segmentation": {"size": list(size), "counts": payload.text(runs, size)},
                "score": float(f"{each.confidence:.6g}"),
            }
            file.write(begin + json.dumps(found, ensure_ascii=False).encode())
            begin = b",\n"
    file.write(b"[]\n" if begin == b"[\n" else b"\n]\n")


def _found(mask: Mask, competition: Competition) -> list[Instance]:
    if competition.kind == "instances":
        return mask
    if competition.kind == "bits":
        runs = {index: rn.of_mask(plane, "C") for index, plane in planes(mask, competition).items()}
    else:
        runs = rn.of_values(mask, competition.sent, "C")
    return [Instance(index, part) for index, part in runs.items() if len(part)]


@dataclass
class Objects:
    """Where each object of a file stands, by image."""

    path: Path
    places: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """Offset and length in bytes of an image's objects."""
    sizes: dict[str, Size] = field(default_factory=dict)
    count: int = 0

    def of(self, image: str) -> Iterator[dict[str, Any]]:
        """An image's objects."""
        with open(self.path, "rb") as file:
            for offset, length in self.places.get(image, ()):
                file.seek(offset)
                yield json.loads(file.read(length))


def scan(path: Path) -> Objects:
    """Note where the objects of a file stand; `DataError` for a file that is no list of such objects."""
    objects = Objects(Path(path))
    for offset, length, found in _stream(Path(path)):
        size = (found.get("segmentation") or {}).get("size") if isinstance(found.get("segmentation"), dict) else None
        image = found.get("image_id")
        if type(image) not in (str, int) or not _is_text(str(image)) or not _is_size(size):
            raise DataError(f"{path}: object {objects.count + 1} has no image_id, or no segmentation with a size")
        image = str(image)
        objects.places.setdefault(image, []).append((offset, length))
        objects.sizes.setdefault(image, tuple(size))
        objects.count += 1
    return objects


class Results:
    """A file's masks, image by image; `objects` says where they stand."""

    def __init__(self, path: Path, competition: Competition, layout: Layout) -> None:
        self.path, self.competition, self.layout = path, competition, layout
        self.objects = scan(path)

    def __enter__(self) -> Results:
        return self

    def __exit__(self, *_) -> None:
        pass

    def size(self, image: str) -> Size:
        """An image's size, as the layout or its first object says."""
        size = self.layout.sizes[image] or self.objects.sizes.get(image)
        if size is None:
            raise DataError(f"the size of {image} is not known", "give --size HxW")
        return size

    def parts(self, image: str) -> list[Part]:
        """The masks of an image's objects; `DataError` for objects of another size, or of no class."""
        return parts(self.objects, image, self.competition, self.size(image))

    def mask(self, image: str) -> Mask:
        """An image's mask."""
        return assembled(self.parts(image), image, self.competition, "F", self.size(image), self.path)

    def must_fit(self) -> None:
        """Raise `DataError` for objects of images that nobody asked for."""
        extra = [image for image in self.objects.places if image not in set(self.layout.images)]
        if extra:
            raise DataError(f"{self.path} has objects of {len(extra)} images that nobody asked for: {extra[0]}")


def parts(objects: Objects, image: str, competition: Competition, size: Size) -> list[Part]:
    """The masks of an image's objects."""
    payload, found = Payload.of(competition), []
    indices = {competition.values[index]: index for index in competition.sent}
    for each in objects.of(image):
        source = f"{objects.path}: {image}"
        shape, counts, score = each["segmentation"]["size"], each["segmentation"].get("counts"), each.get("score", 1.0)
        if tuple(shape) != tuple(size):
            raise DataError(f"{source}: an object is of {shape[1]}x{shape[0]}, and the image has {size[1]}x{size[0]}")
        category = each.get("category_id")
        if type(category) is not int or category not in indices:
            raise DataError(f"{source}: category_id {category!r} is no class's")
        if type(score) not in (int, float) or not 0 <= score <= 1:
            raise DataError(f"{source}: the score {score!r} is not between 0 and 1")
        if not isinstance(counts, str):
            raise DataError(f"{source}: counts is not a text, as COCO's compressed run lengths are")
        try:
            runs = payload.runs(counts, size)
        except DataError as error:
            raise DataError(f"{source}: {error.reason}") from None
        found.append(Part(indices[category], runs, f"{image}", float(score)))
    return found


def _stream(path: Path) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Offset, length and content of each object of a JSON list; texts are read as Latin-1, so that places are bytes."""
    decoder, wanted = json.JSONDecoder(), "["
    try:
        with open(path, "rb") as file:
            text, base, place = "", 0, 0
            while True:
                while place < len(text) and text[place] in " \t\r\n":
                    place += 1
                sign = text[place : place + 1]
                if sign and sign not in wanted:
                    raise DataError(_misplaced(path, base + place, wanted))
                if sign and sign != "{":
                    wanted = {"[": "{]", ",": "{", "]": ""}[sign]
                    place += 1
                    continue
                if sign:
                    with suppress(ValueError, RecursionError):  # an object goes on in the next chunk, or is none
                        found, after = decoder.raw_decode(text, place)
                        piece = text[place:after]
                        found = found if piece.isascii() else json.loads(piece.encode("latin-1").decode("utf-8"))
                        yield base + place, after - place, found
                        place, wanted = after, ",]"
                        continue
                rest = len(text) - place  # twice as much each time, as each time its beginning is read again
                more = "" if rest > LARGEST else file.read(max(CHUNK, rest)).decode("latin-1")
                if not more and not wanted and not sign:
                    return
                if not more:
                    raise DataError(_misplaced(path, base + place, wanted))
                base, text, place = base + place, text[place:] + more, 0
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


def _misplaced(path: Path, offset: int, wanted: str) -> str:
    """What is wrong at a byte, where one of the signs in `wanted` should stand."""
    if wanted == "[":
        return f"{path} is not a JSON list of results"
    if not wanted:
        return f"{path}: something stands behind the end of the list, at byte {offset}"
    return f"{path}: what stands at byte {offset} is no object of COCO's results"


def _is_text(image: str) -> bool:
    """Whether an id can be printed; half of a pair of UTF-16, which JSON can write, cannot."""
    return bool(image) and not any("\ud800" <= sign <= "\udfff" for sign in image)


def _is_size(size: Any) -> bool:
    return isinstance(size, list) and len(size) == 2 and all(type(side) is int for side in size) and is_size(*size)


def _number(image: str) -> int:
    if not image.isdecimal():
        raise DataError(f"the image id {image!r} is no number", "submission.coco.numbers = false sends it as text")
    return int(image)
