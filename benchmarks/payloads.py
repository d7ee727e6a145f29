"""COCO's compressed run lengths: all classes of a label map to strings, and back.

    python -m benchmarks COCO

The peer is pycocotools, whose C code the format comes from. Each side begins with the label map: the peer, which takes
masks, gets its column-major masks made from it in the time that counts, as in `benchmarks.runs`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from benchmarks.case import Call, Case, Disagreement, Inputs
from benchmarks.runs import encode_pycocotools, same_pixels

if TYPE_CHECKING:
    import numpy as np


def encode(inputs: Inputs) -> Call:
    """The kit: runs of every class in one pass, then their strings."""
    from benchmarks.scene import CLASSES

    labels, payload = inputs.array("labels"), _payload()
    return lambda: payload.texts(labels, range(CLASSES))


def decode(inputs: Inputs) -> Call:
    """The kit: a mask a class, dropped before the next."""
    from lib.rasters import runs

    labels, payload = inputs.array("labels"), _payload()
    texts = encode(inputs)().values()

    def masks() -> Iterator[np.ndarray]:
        return (runs.mask(payload.runs(text, labels.shape), labels.shape, payload.order) for text in texts)

    return masks


def encode_peer(inputs: Inputs) -> Call:
    """pycocotools, a class at a time."""
    return encode_pycocotools("F", inputs)


def decode_peer(inputs: Inputs) -> Call:
    """pycocotools, from the same strings."""
    from pycocotools import mask as coco

    coded = encode_pycocotools("F", inputs)()
    return lambda: (coco.decode(each) for each in coded)


def same_strings(ours: dict[int, str], theirs: list[dict[str, Any]], inputs: Inputs) -> str:
    """The strings of every class are equal, byte for byte; a class that is not there has none with the kit."""
    for value, coded in enumerate(theirs):
        text = coded["counts"].decode()
        if ours[value] != text and (ours[value] or (inputs.array("labels") == value).any()):
            raise Disagreement(f"class {value}: {ours[value][:40]!r}, and the peer has {text[:40]!r}")
    return ""


def _payload() -> Any:
    from lib.submissions.payloads.payload import Payload

    return Payload("coco", "F")


CASES = (
    Case("COCO RLE encode", "pycocotools", encode, encode_peer, same_strings),
    Case("COCO RLE decode", "pycocotools", decode, decode_peer, same_pixels),
)
