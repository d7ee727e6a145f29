"""How far a model and the labels of an image disagree, tile by tile.

with prepare(pair, predictor) as prepared:
    labels = working_labels(pair, competition, prepared)          # (h, w) uint8 at the working size
    compared = compare(predictor, prepared, labels, classes=6, side=512)
compared.tiles[0].loss, compared.tiles[0].iou, compared.tiles[0].contradicted

Pixels are compared at the working size, with the labels brought there by nearest neighbour: the very pixels and labels
that the model was trained on and is scored with in its loss. Probabilities come in bands and are forgotten; of an image
stay a number a tile and the predicted label map. Tiles are counted in the image's own pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from lib.competitions import IGNORE, Competition, Pair
from lib.competitions.layout import Window
from lib.data.tiles import grid
from lib.inference.bands import panels, probability_bands
from lib.inference.predictor import Predictor
from lib.inference.source import Prepared
from lib.rasters.labels import open_labels
from lib.rasters.reader import open_image
from lib.scoring.confusion import areas_of, confusion

FLOOR = 1e-4
"""The smallest probability whose logarithm is taken: a single pixel costs at most 9.2."""

SURE = 0.9
"""The probability from which on a prediction is confident: one that differs from the label contradicts it."""


@dataclass(frozen=True)
class Tile:
    """What is known of one tile; of its pixels that the labels do not ignore, `pixels` at the working size."""

    window: Window
    pixels: int
    labelled: float
    """The share of the tile that these pixels are."""
    loss: float
    """Mean cross-entropy: -ln of the probability of the pixel's labelled class, not less than `FLOOR`."""
    iou: float
    """Mean over the classes that the labels or the prediction have in the tile."""
    contradicted: float
    """Share of pixels for which the model is at least `SURE` of another class than the label's."""
    confused: tuple[int, int, float] | None
    """The most frequent disagreement: labelled class, predicted class, share of the pixels; None without any."""


@dataclass(frozen=True, eq=False)
class Compared:
    """An image's tiles that have labelled pixels, and both label maps at the working size, (h, w) uint8."""

    tiles: list[Tile]
    tables: list[np.ndarray]
    """Of each tile, (C, C + 1) float64: pixels by labelled (rows) and predicted class, then the sum of their loss."""
    labels: np.ndarray
    prediction: np.ndarray


def working_labels(pair: Pair, competition: Competition, prepared: Prepared) -> np.ndarray:
    """An image's labels (h, w) uint8 at the size that the model sees it at, 255 ignored, as they are without data.

    Raises `DataError` for a mask that cannot be read or has another size than its image.
    """
    height, width = prepared.reader.shape
    with open_image(pair.image, competition.images) as image, open_labels(pair.mask, competition, image) as own:
        labels = own.at((height, width)).read(0, height, 0, width)
        valid = image.at((height, width)).valid(0, height, 0, width)
    return labels if valid is None else np.where(valid, labels, np.uint8(IGNORE))


def compare(predictor: Predictor, prepared: Prepared, labels: np.ndarray, classes: int, side: int) -> Compared:
    """Predict an image and compare it with its labels, (h, w) uint8 at the working size, in tiles of `side` pixels of
    the image itself."""
    shape, prediction = prepared.reader.shape, np.empty(prepared.reader.shape, np.uint8)
    windows = grid(prepared.shape, side)
    places = [at_size(window, prepared.shape, shape) for window in windows]
    waiting, counts, found = list(range(len(windows))), {}, {}
    for begin, end in panels(predictor, shape, classes):
        for top, rows in probability_bands(predictor, prepared.reader, (begin, end)):
            bottom = top + rows.shape[1]
            truth = labels[top:bottom, begin:end]
            loss, likeliest, sure = _seen(rows, truth)
            prediction[top:bottom, begin:end] = likeliest
            for number in waiting:
                high, low, left, right = places[number]
                if high >= bottom or low <= top or left >= end or right <= begin:
                    continue
                part = slice(max(high, top) - top, low - top), slice(max(left, begin) - begin, right - begin)
                count = counts.setdefault(number, _Count(classes))
                count.add(truth[part], likeliest[part], loss[part], sure[part])
                if low <= bottom and right <= end:  # its last pixels are in
                    found[number] = counts.pop(number).tile(windows[number], places[number])
            waiting = [number for number in waiting if number not in found]
    pairs = [found[number] for number in sorted(found) if found[number]]
    return Compared([tile for tile, _ in pairs], [table for _, table in pairs], labels, prediction)


def at_size(window: Window, own: tuple[int, int], size: tuple[int, int]) -> Window:
    """A window of an image of `own` height and width, where the image has another `size`; a pixel at the least."""
    edges = []
    for (begin, end), there, here in zip((window[:2], window[2:]), own, size, strict=True):
        first = min(round(begin * here / there), here - 1)
        edges += [first, max(first + 1, round(end * here / there))]
    return tuple(edges)


class _Count:
    """The sums of a tile whose rows are coming."""

    def __init__(self, classes: int) -> None:
        self.table = np.zeros((classes, classes), np.int64)
        self.losses = np.zeros(classes)
        self.sure_of_another = 0

    def add(self, labels: np.ndarray, prediction: np.ndarray, loss: np.ndarray, sure: np.ndarray) -> None:
        classes = len(self.table)
        self.table += confusion(labels, prediction, classes)
        self.losses += np.bincount(labels.reshape(-1), loss.reshape(-1), minlength=256)[:classes]
        self.sure_of_another += int(np.count_nonzero(sure & (prediction != labels) & (labels < classes)))

    def tile(self, window: Window, place: Window) -> tuple[Tile, np.ndarray] | None:
        """The tile and its table; None where all of it is ignored."""
        pixels = int(self.table.sum())
        if not pixels:
            return None
        hits, labelled, predicted = areas_of(self.table).T
        union = labelled + predicted - hits
        wrong = self.table - np.diag(np.diagonal(self.table))
        label, other = divmod(int(wrong.argmax()), len(wrong))
        tile = Tile(
            window,
            pixels,
            pixels / ((place[1] - place[0]) * (place[3] - place[2])),
            float(self.losses.sum() / pixels),
            float(np.mean(hits[union > 0] / union[union > 0])),
            self.sure_of_another / pixels,
            (label, other, int(wrong[label, other]) / pixels) if wrong.any() else None,
        )
        return tile, np.c_[self.table, self.losses]


@torch.inference_mode()
def _seen(rows: torch.Tensor, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of probabilities (C, r, w): the loss (r, w) float32, 0 where labels are ignored; the likeliest class,
    uint8; whether the model is sure of it, bool."""
    classes = len(rows)
    truth = torch.from_numpy(np.ascontiguousarray(labels)).to(rows.device).long()
    known = truth < classes
    own = rows.gather(0, torch.where(known, truth, 0)[None])[0]
    loss = torch.where(known, -own.clamp(FLOOR, 1).log(), 0.0)
    highest, likeliest = rows.max(0)
    return loss.cpu().numpy(), likeliest.to(torch.uint8).cpu().numpy(), (highest >= SURE).cpu().numpy()
