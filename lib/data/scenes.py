"""Land seen from above, drawn from a seed: fields, forest, scrub, towns, bare ground, lakes, a river, roads, a cloud.

    image, labels = scene(seed=7, height=301, width=509)     # (H, W, 3) uint8 RGB, (H, W) uint8

Colours overlap between classes on purpose and vary from region to region, so that a pixel's colour alone does not
decide; texture does: furrows, crowns, mottles, roofs, smooth water, gravel. The labels are those of `sample.toml`.
"""

from __future__ import annotations

import cv2
import numpy as np

from lib.competitions import IGNORE

URBAN, FIELD, RANGE, FOREST, WATER, BARREN = range(6)

SHARES = {URBAN: 0.16, FIELD: 0.34, RANGE: 0.17, FOREST: 0.17, WATER: 0.07, BARREN: 0.09}
"""How often a region is drawn from each class: fields dominate, water and bare ground are rare."""

PALETTES = {
    URBAN: [(150, 142, 136), (132, 124, 118), (160, 146, 126)],
    FIELD: [(132, 140, 84), (104, 122, 72), (158, 146, 104), (140, 120, 90)],
    RANGE: [(138, 136, 92), (116, 120, 78), (150, 138, 102)],
    FOREST: [(72, 92, 62), (88, 102, 66), (62, 82, 64)],
    WATER: [(58, 78, 88), (72, 88, 84), (88, 96, 84)],
    BARREN: [(164, 148, 122), (150, 132, 108), (142, 134, 122)],
}
"""Base colours (RGB) that a region of each class may have, before its own shift of light."""


def scene(seed: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw one scene; the same arguments give the same pixels.

    Returns the image, (H, W, 3) uint8 RGB, and its label map, (H, W) uint8: class indices, 255 under cloud.
    """
    rng = np.random.default_rng([seed, height, width])
    regions, classes = _regions(rng, height, width)
    image = np.zeros((height, width, 3), np.float32)
    for region, label in enumerate(classes):
        inside = regions == region
        if inside.any():
            _paint(image, inside, label, rng)
    labels = np.asarray(classes, np.uint8)[regions]
    _river(image, labels, rng)
    _roads(image, labels, rng)
    image = _photograph(image, rng)
    _cloud(image, labels, rng)
    return np.clip(image, 0, 255).astype(np.uint8), labels


def _regions(rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, list[int]]:
    """A patchwork: each pixel belongs to the nearest of some centres, seen through a bent grid."""
    count = max(8, round(height * width / 72**2))
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    rows += 14 * _noise(rng, height, width, 14)
    columns += 14 * _noise(rng, height, width, 14)
    best = np.full((height, width), np.inf, np.float32)
    regions = np.zeros((height, width), np.int32)
    for region in range(count):
        row, column = rng.uniform(0, height), rng.uniform(0, width)
        distance = (rows - row) ** 2 + (columns - column) ** 2
        nearer = distance < best
        best[nearer] = distance[nearer]
        regions[nearer] = region
    classes = rng.choice(list(SHARES), size=count, p=list(SHARES.values()))
    return regions, [int(label) for label in classes]


def _paint(image: np.ndarray, inside: np.ndarray, label: int, rng: np.random.Generator) -> None:
    """Fill a region with its class's colour and texture, in a light and orientation of its own."""
    rows, columns = _box(inside)
    part = inside[rows, columns]
    shape = part.shape
    angle = rng.uniform(0, np.pi)
    y, x = np.mgrid[rows, columns].astype(np.float32)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    if label == FIELD:
        period = rng.uniform(5, 8)
        light = rng.uniform(16, 26) * np.sin(2 * np.pi * across / period + rng.uniform(0, 6))
        light += 4 * _noise(rng, *shape, 8)
    elif label == RANGE:
        light = rng.uniform(14, 20) * _noise(rng, *shape, 4.5)
    elif label == FOREST:
        light = rng.uniform(18, 26) * _noise(rng, *shape, 1.5)
    elif label == URBAN:
        light = _blocks(along, across, rng)
    elif label == WATER:
        light = 4 * _noise(rng, *shape, 12)
    else:
        light = rng.uniform(9, 14) * _noise(rng, *shape, 0.7) + 8 * _noise(rng, *shape, 16)
    base = np.float32(PALETTES[label][rng.integers(len(PALETTES[label]))])
    colour = (base + rng.normal(0, 6, 3)) * rng.uniform(0.84, 1.16)
    image[rows, columns][part] = colour.astype(np.float32) + light[part][:, None]


def _blocks(along: np.ndarray, across: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Roofs of different brightness in rows, with streets between."""
    length, depth = rng.uniform(8, 14), rng.uniform(7, 11)
    house = (np.floor(along / length).astype(np.int64) * 7919 + np.floor(across / depth).astype(np.int64) * 104729) % 61
    roofs = rng.uniform(-38, 48, 61).astype(np.float32)
    street = (along % length < 2) | (across % depth < 2)
    return np.where(street, np.float32(-24), roofs[house])


def _river(image: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> None:
    if rng.random() < 0.5:
        return
    line = _wander(rng, *labels.shape, bend=0.16)
    mask = np.zeros(labels.shape, np.uint8)
    cv2.polylines(mask, [line], False, 1, thickness=int(rng.integers(6, 12)))
    _paint(image, mask.astype(bool), WATER, rng)
    labels[mask > 0] = WATER


def _roads(image: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> None:
    for _ in range(rng.integers(1, 3)):
        line = _wander(rng, *labels.shape, bend=0.03)
        mask = np.zeros(labels.shape, np.uint8)
        cv2.polylines(mask, [line], False, 1, thickness=int(rng.integers(3, 5)))
        image[mask > 0] = np.float32((128, 124, 122)) * rng.uniform(0.85, 1.25)
        labels[mask > 0] = URBAN


def _wander(rng: np.random.Generator, height: int, width: int, bend: float) -> np.ndarray:
    """Points of a line from one edge of the scene to the opposite one, swinging by `bend` of its side."""
    t = np.linspace(-0.05, 1.05, 40)
    swing = sum(rng.normal(0, bend / k) * np.sin(np.pi * k * t + rng.uniform(0, 6)) for k in (1, 2, 3))
    position = rng.uniform(0.15, 0.85) + rng.normal(0, 0.25) * (t - 0.5) + swing
    x, y = (t, position) if rng.random() < 0.5 else (position, t)
    return np.stack([x * width, y * height], axis=1).round().astype(np.int32)


def _photograph(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The camera: a soft lens, the day's light and haze, noise."""
    image = cv2.GaussianBlur(image, (0, 0), 0.6)
    image = image * rng.uniform(0.92, 1.08, 3).astype(np.float32) + np.float32(rng.uniform(-6, 10))
    return image + rng.normal(0, 3, image.shape).astype(np.float32)


def _cloud(image: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> None:
    """One soft white patch over every fourth scene; what lies under it is unknown."""
    if rng.random() < 0.75:
        return
    height, width = labels.shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    row, column = rng.uniform(0, height), rng.uniform(0, width)
    radius = rng.uniform(0.10, 0.18) * min(height, width)
    distance = np.hypot(rows - row, columns - column) / radius + 0.5 * _noise(rng, height, width, 10)
    veil = 1 / (1 + np.exp(6 * (distance - 1)))
    image += (np.float32(238) - image) * veil[..., None]
    labels[veil > 0.5] = IGNORE


def _noise(rng: np.random.Generator, height: int, width: int, sigma: float) -> np.ndarray:
    """Smooth noise (H, W) float32 with mean 0 and deviation 1; `sigma` is the size of its grain in pixels.

    Coarse grain is drawn on a coarser grid and enlarged.
    """
    step = max(1, int(sigma / 2))
    rows, columns = -(-height // step) + 2, -(-width // step) + 2
    field = rng.standard_normal((rows, columns), dtype=np.float32)
    field = cv2.GaussianBlur(field, (0, 0), sigma / step, borderType=cv2.BORDER_REFLECT_101)
    if step > 1:
        field = cv2.resize(field, (columns * step, rows * step), interpolation=cv2.INTER_CUBIC)
    field = field[:height, :width]
    return (field - field.mean()) / max(float(field.std()), 1e-6)


def _box(inside: np.ndarray) -> tuple[slice, slice]:
    """The smallest rectangle around the True pixels."""
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
