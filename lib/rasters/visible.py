"""Pixels for people: three bands as red, green and blue, whatever the file holds.

picture = visible(reader.read(0, h, 0, w), competition.images)      # (h, w, 3) uint8, of what a network is fed
picture = look(path, competition.images, (420, 315))                # of a file, at a size
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lib.competitions.pixels import Images
from lib.rasters.reader import open_image


def visible(fed: np.ndarray, images: Images) -> np.ndarray:
    """What the network is fed, (h, w, B) uint8 or float32 in 0..1, as (h, w, 3) uint8 RGB; an RGB picture is itself."""
    if fed.dtype == np.uint8 and fed.shape[2] == 3 and images.shown == (0, 1, 2):
        return fed
    chosen = fed[..., list(images.shown)]
    return chosen if chosen.dtype == np.uint8 else (np.clip(chosen, 0, 1) * 255).round().astype(np.uint8)


def look(path: Path, images: Images, shape: tuple[int, int]) -> np.ndarray:
    """An image of a file at a size, (h, w, 3) uint8; values that are not 8-bit are stretched to what this one holds.

    Raises `DataError` for a file that cannot be read.
    """
    with open_image(path, images) as image:
        view = image.at(shape)
        raw, valid = view.raw(0, shape[0], 0, shape[1]), view.valid(0, shape[0], 0, shape[1])
    if raw.dtype == np.uint8:
        return visible(raw, images)
    chosen = raw[..., list(images.shown)].astype(np.float32)
    known = chosen[np.isfinite(chosen).all(axis=2) & (True if valid is None else valid)]
    low, high = np.percentile(known, (2, 98), axis=0) if len(known) else (np.zeros(3), np.ones(3))
    stretched = np.nan_to_num((chosen - low) / np.maximum(high - low, 1e-12))
    return (np.clip(stretched, 0, 1) * 255).round().astype(np.uint8)
