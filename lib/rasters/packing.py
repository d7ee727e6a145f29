"""Colours as one number each, 0xRRGGBB, and back; colours for classes that have none.

codes = packed(pixels)         # (H, W, 3) uint8 RGB → (H, W) uint32
rgb = channels(codes)          # → (H, W, 3) int32
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np


def packed(pixels: np.ndarray) -> np.ndarray:
    """The first three bands of pixels (H, W, B) uint8, B at least 3, as numbers 0xRRGGBB: (H, W) uint32."""
    colours = np.ascontiguousarray(pixels[..., :3])
    return cv2.cvtColor(colours, cv2.COLOR_RGB2BGRA).view("<u4")[..., 0] & 0xFFFFFF


def codes_of(pixels: np.ndarray) -> np.ndarray:
    """Pixels (H, W, B) as one number each, (H, W): of 8 bits and three bands or more the colours, else the first band
    as it is."""
    return packed(pixels) if pixels.shape[2] >= 3 and pixels.dtype == np.uint8 else pixels[..., 0]


def channels(codes: np.ndarray) -> np.ndarray:
    """Numbers 0xRRGGBB (…) of any integer type as red, green, blue: (…, 3) int32; higher bits are left out."""
    return np.stack([codes >> 16 & 255, codes >> 8 & 255, codes & 255], axis=-1).astype(np.int32)


def pack(rgb: Sequence[int]) -> int:
    """One colour as 0xRRGGBB."""
    red, green, blue = (int(part) for part in rgb)
    return red << 16 | green << 8 | blue


def made_up(index: int) -> np.ndarray:
    """A colour for a class that has none, (3,) uint8 RGB: hues a golden angle apart."""
    hsv = np.uint8([[[int(index * 111.25) % 180, 200, 230 if index % 2 else 170]]])
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0]
