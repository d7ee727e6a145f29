"""Run lengths: all classes of a label map to text, and back.

    python -m benchmarks rle

The peers are pycocotools, which has a C loop and a format of its own, and the lines that most Kaggle notebooks copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.case import Call, Case, Disagreement, Inputs

if TYPE_CHECKING:
    import numpy as np

    from lib.submissions.rle import Order


def encode(order: Order, inputs: Inputs) -> Call:
    """The kit: every class in one pass."""
    from benchmarks.scene import CLASSES
    from lib.submissions import rle

    labels = inputs.array("labels")
    return lambda: rle.encode(labels, CLASSES, order)


def encode_idiom(order: Order, inputs: Inputs) -> Call:
    """The notebooks' lines, a class at a time."""
    import numpy as np

    from benchmarks.scene import CLASSES

    def text(mask: np.ndarray) -> str:
        pixels = mask.flatten(order)
        pixels = np.concatenate([[0], pixels, [0]])
        runs = np.where(pixels[1:] != pixels[:-1])[0] + 1
        runs[1::2] -= runs[::2]
        return " ".join(str(x) for x in runs)

    labels = inputs.array("labels")
    return lambda: {value: text((labels == value).astype(np.uint8)) for value in range(CLASSES)}


def encode_pycocotools(order: Order, inputs: Inputs) -> Call:
    """pycocotools, a class at a time.

    It counts column by column. So for C it gets the transposed mask, which costs nothing; for F the label map is
    turned once, which is cheaper than turning 25 masks.
    """
    import numpy as np
    from pycocotools import mask as coco

    from benchmarks.scene import CLASSES

    labels = inputs.array("labels")

    def run() -> list[dict[str, Any]]:
        by_column = labels.T if order == "C" else np.asfortranarray(labels)
        return [coco.encode((by_column == value).view(np.uint8)) for value in range(CLASSES)]

    return run


def same_text(ours: dict[int, str], theirs: dict[int, str], inputs: Inputs) -> str:
    """The texts of every class are equal."""
    for value, text in theirs.items():
        if ours[value] != text:
            raise Disagreement(f"class {value}: {ours[value][:40]!r}, and the peer has {text[:40]!r}")
    return ""


def same_masks(order: Order, ours: dict[int, str], theirs: list[dict[str, Any]], inputs: Inputs) -> str:
    """The kit's texts decode to what pycocotools decodes its own to."""
    from pycocotools import mask as coco

    from lib.submissions import rle

    shape = inputs.array("labels").shape
    for value, coded in enumerate(theirs):
        decoded = coco.decode(coded)
        different = (rle.decode(ours[value], shape, order) != (decoded.T if order == "C" else decoded)).sum()
        if different:
            raise Disagreement(f"class {value}: {different:,} pixels differ")
    return ""


def decode(inputs: Inputs) -> Call:
    """The kit: a mask a class, dropped before the next."""
    from lib.submissions import rle

    labels, texts = _texts(inputs)
    return lambda: (rle.decode(text, labels.shape, "F") for text in texts)


def decode_idiom(inputs: Inputs) -> Call:
    """The notebooks' lines: a slice a run."""
    import numpy as np

    labels, texts = _texts(inputs)
    height, width = labels.shape

    def mask(text: str) -> np.ndarray:
        s = text.split()
        starts, lengths = [np.asarray(x, dtype=int) for x in (s[0:][::2], s[1:][::2])]
        starts -= 1
        ends = starts + lengths
        img = np.zeros(height * width, dtype=np.uint8)
        for lo, hi in zip(starts, ends, strict=True):
            img[lo:hi] = 1
        return img.reshape(width, height).T

    return lambda: (mask(text) for text in texts)


def decode_pycocotools(inputs: Inputs) -> Call:
    """pycocotools, from its own compressed counts."""
    from pycocotools import mask as coco

    coded = encode_pycocotools("F", inputs)()
    return lambda: (coco.decode(each) for each in coded)


def same_pixels(ours: Iterator[np.ndarray], theirs: Iterator[np.ndarray], inputs: Inputs) -> str:
    """The masks of every class are equal."""
    for value, (mask, other) in enumerate(zip(ours, theirs, strict=True)):
        if (mask != other).any():
            raise Disagreement(f"class {value}: {int((mask != other).sum()):,} pixels differ")
    return ""


def _texts(inputs: Inputs) -> tuple[np.ndarray, list[str]]:
    from benchmarks.scene import CLASSES
    from lib.submissions import rle

    labels = inputs.array("labels")
    return labels, list(rle.encode(labels, CLASSES, "F").values())


def _encoding(order: Order) -> tuple[Case, Case]:
    name, kit = f"RLE encode, order {order}", partial(encode, order)
    return (
        Case(name, "pycocotools", kit, partial(encode_pycocotools, order), partial(same_masks, order)),
        Case(name, "notebook lines", kit, partial(encode_idiom, order), same_text),
    )


CASES = (
    *_encoding("F"),
    *_encoding("C"),
    Case("RLE decode, order F", "pycocotools", decode, decode_pycocotools, same_pixels),
    Case("RLE decode, order F", "notebook lines", decode, decode_idiom, same_pixels),
)
