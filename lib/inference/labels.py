"""From an image's pixels to its mask at the original size, in bands: neither probabilities nor labels are held whole.

for top, left, labels in label_blocks(predictor, source, size, decision):    # labels (n, w) of rows top, top + 1, …
    part.add(top, left, labels)

mask = predict_labels(predictor, image, size, decision)                      # the whole mask, in memory
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from lib.inference.areas import without_small
from lib.inference.bands import panels, probability_bands
from lib.inference.decision import Decider, Decision
from lib.inference.predictor import Predictor
from lib.rasters.geotiff import Block
from lib.rasters.reader import Pixels, Reader, working_shape

See = Callable[[int, int, torch.Tensor], None]
"""Is shown probabilities (C, r, w) at the working size, with the row and the column of their first pixel."""


def label_blocks(
    predictor: Predictor,
    source: Reader,
    size: tuple[int, int],
    decision: Decision,
    left: int = 0,
    row: int = 0,
    see: See | None = None,
) -> Iterator[Block]:
    """The mask's blocks (top, left, (n, w)), panel by panel of columns, each from the top; minimum areas not applied.

    `source` is at the working size, `size` the mask's. `left`, `row`: go on in the panel that begins at column `left`,
    whose rows above `row` are done. `see` is shown all probabilities on their way.
    """
    height, width = size
    for begin, end in panels(predictor, source.shape, len(decision.bias)):
        columns = [-(-edge * width // source.shape[1]) for edge in (begin, end)]
        first_row = row if columns[0] == left else 0
        if columns[0] < left or columns[0] == columns[1] or first_row == height:
            continue
        whole = columns == [0, width]
        decider = Decider(decision, source.shape, size, None if whole else tuple(columns), first_row)
        top = first_row
        for first, rows in probability_bands(predictor, source, decider.columns_in, decider.row_in):
            if see:
                see(first, decider.columns_in[0], rows)
            labels = decider.feed(rows)
            if len(labels):
                yield top, columns[0], labels
                top += len(labels)


def predict_labels(predictor: Predictor, image: np.ndarray, size: tuple[int, int], decision: Decision) -> np.ndarray:
    """The mask of an image in memory, (H, W, 3) uint8 at its original size: (height, width) = `size`."""
    return labels_of(predictor, Pixels(image).at(working_shape(image.shape[:2], predictor.scale)), size, decision)


def labels_of(
    predictor: Predictor, source: Reader, size: tuple[int, int], decision: Decision, see: See | None = None
) -> np.ndarray:
    """The mask of an image at the working size, with small components taken away."""
    mask = np.empty(size, decision.dtype)
    for top, left, block in label_blocks(predictor, source, size, decision, see=see):
        mask[top : top + block.shape[0], left : left + block.shape[1]] = block
    return without_small(mask, decision.min_area)
