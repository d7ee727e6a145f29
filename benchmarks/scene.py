"""What the cases work on: a label map that looks like land from above, a prediction of it, and probabilities.

    write(Path("inputs"), scale=1)      # labels.npy, prediction.npy, probabilities.npy

Regions of three sizes, streets, houses and small objects, from a fixed seed: at full size about as many runs as a real
aerial mask of 25 classes has (60,000 to 75,000).
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

CLASSES = 25
SHAPE = 4000, 3000
WORKING = 368
"""Side of the square that a model predicts at."""

CELLS = 4, 6, 8
"""How many patches fit along the height, for large, middling and small regions."""


def write(folder: Path, scale: float = 1) -> None:
    """Write the three arrays, `scale` times as high and as wide as at full size."""
    random = np.random.default_rng(25)
    labels = label_map(random, tuple(max(32, round(side * scale)) for side in SHAPE))
    folder.mkdir(exist_ok=True)
    np.save(folder / "labels.npy", labels)
    np.save(folder / "prediction.npy", predicted(random, labels))
    np.save(folder / "probabilities.npy", probabilities(random, labels, max(16, round(WORKING * scale))))


def label_map(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """(H, W) uint8 with `CLASSES` values: the strongest of as many smooth fields, and things drawn on top."""
    height, width = shape
    labels, best = np.zeros(shape, np.uint8), np.full(shape, -np.inf, np.float32)
    for value in range(CLASSES):
        field = _field(random, shape, CELLS[value % len(CELLS)]) - 0.35 * (value % len(CELLS))
        np.putmask(labels, field > best, value)
        np.maximum(best, field, out=best)

    def points(count: int, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
        size = random.uniform(low, high, (count, 2)) * height / 4000
        return random.random((count, 2)) * (width, height), np.maximum(size, 1)

    for (x, y), (long, thick) in zip(*points(12, 8, 24), strict=True):  # streets
        angle = random.random() * np.pi
        bend, step = np.array([x, y]), np.array([np.cos(angle), np.sin(angle)]) * long * 80
        ends = np.array([bend - step, bend, bend + step + random.normal(0, thick * 10, 2)])
        cv2.polylines(labels, [ends.round().astype(np.int32)], False, int(random.integers(CLASSES)), round(thick))
    for centre, size in zip(*points(70, 25, 130), strict=True):  # houses
        corners = cv2.boxPoints((centre, size, random.uniform(0, 90)))
        cv2.fillPoly(labels, [corners.round().astype(np.int32)], int(random.integers(CLASSES)))
    for centre, size in zip(*points(200, 4, 14), strict=True):  # cars, trees
        middle, axes = centre.astype(int).tolist(), size.round().astype(int).tolist()
        cv2.ellipse(labels, middle, axes, random.uniform(0, 180), 0, 360, int(random.integers(CLASSES)), -1)
    return labels


def predicted(random: np.random.Generator, labels: np.ndarray) -> np.ndarray:
    """The label map as a model may see it: a little displaced, and wrong in patches."""
    moved = np.roll(labels, (3, -2), (0, 1))
    wrong = _field(random, labels.shape, 60) > 1.3
    moved[wrong] = (moved[wrong] + 1 + random.integers(CLASSES - 1)) % CLASSES
    return moved


def probabilities(random: np.random.Generator, labels: np.ndarray, side: int) -> np.ndarray:
    """(C, side, side) float32, summing to 1: shares of every class, blurred, with noise."""
    shares = np.empty((CLASSES, side, side), np.float32)
    for value in range(CLASSES):
        share = cv2.resize((labels == value).astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
        shares[value] = cv2.GaussianBlur(share, (0, 0), 1.5)
        shares[value] += 0.01 * random.random((side, side), np.float32)
    return shares / shares.sum(axis=0)


def count_runs(labels: np.ndarray) -> dict[str, int]:
    """Runs of equal pixels, row by row (C) and column by column (F)."""
    flat = {"C": labels.reshape(-1), "F": np.ascontiguousarray(labels.T).reshape(-1)}
    return {order: int(np.count_nonzero(pixels[1:] != pixels[:-1])) + 1 for order, pixels in flat.items()}


def _field(random: np.random.Generator, shape: tuple[int, int], cells: int) -> np.ndarray:
    """Smooth noise of variance about 1: `cells` patches along the height."""
    coarse = random.standard_normal((cells, max(2, cells * shape[1] // shape[0])), np.float32)
    field = cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)
    return field / field.std()
