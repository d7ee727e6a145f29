"""A test of the augmentation that runs before training: an image that shows its mask must show it afterwards.

    self_test(recipe.data.augment, recipe, label_maps, channels=10, eight_bit=False)    # UsageError names the culprit

The image is made from the mask: its values are the labels', spread over all that a pixel can be. What moves one must
move the other, so image and mask stay equal but for the class borders, where an image is interpolated and a mask is
not. What changes the image alone must leave the mask bit for bit, and the labels' places in the image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import albumentations as A
import cv2
import numpy as np

from lib.competitions import IGNORE
from lib.data.augment import Policy, augmentation, steps
from lib.errors import UsageError
from lib.recipe import Recipe

SIZES = ((97, 131), (131, 97), (65, 64))
"""Odd and even sides of the pictures that each transform is tried on, no longer than a crop's."""
DRAWS = 2
"""Times that a transform is tried on each."""
CELL = 9
"""Side of the squares of one label in them, in pixels."""
LEVELS = 5
"""Labels in them."""
BORDER = 2
"""Pixels along class borders which are not compared."""
EQUAL = 0.9
"""Share of the other pixels that must be equal. Where an image is much enlarged, its borders are wider."""
SHOWN = 0.35
"""Share of the image's variance that its mask must explain (the correlation ratio η²) after a change of the image
alone: 1 for every change of single values, about 0.05 for an image that has moved away."""


def self_test(
    policy: Policy, recipe: Recipe, labels: Sequence[np.ndarray] = (), channels: int = 3, eight_bit: bool = True
) -> None:
    """Try each transform of the policy by itself, then all that move pixels together, crops included.

    `labels`: label maps (H, W) uint8 of the training set, for the last. Raises `UsageError` that names the transform
    which moves image or mask alone, makes labels that were not there, changes a crop's size, or fails on such images.
    """
    crop = recipe.data.crop
    moving = list(augmentation("none", channels, crop).transforms)
    for place, (step, forced) in enumerate(zip(*(steps(policy, channels, eight_bit) for _ in range(2)), strict=True)):
        forced.p = 1.0
        try:
            if _moves(forced, crop, channels, eight_bit):
                moving.append(step)
        except _Wrong as wrong:
            key = "data.augment" if isinstance(policy, str) else f"data.augment.{place}"
            raise UsageError(
                f"{key}: {type(step).__name__} {wrong}", "leave it out, or change its arguments"
            ) from wrong
    together = A.Compose(moving, seed=0)
    for mask in [*_patchworks(crop, draws=1), *map(_spread, labels)]:
        out = together(image=_shown(mask, channels, eight_bit), mask=mask)
        share = _equal(out["image"], out["mask"])
        if out["image"].shape != (crop, crop, channels) or out["mask"].shape != (crop, crop) or share < EQUAL:
            names = ", ".join(type(step).__name__ for step in moving[2:])
            raise UsageError(
                f"data.augment: behind {names} together, only {100 * share:.0f} % of the pixels show their label",
                "leave one of them out",
            )


class _Wrong(Exception):
    """What a transform does that it must not."""


def _moves(step: A.BasicTransform, crop: int, channels: int, eight_bit: bool) -> bool:
    """Whether a transform moves pixels of image and mask, or else changes the image alone; `_Wrong` otherwise."""
    apply = A.Compose([step], seed=0)
    explained, moves = [], False
    for mask in [_patchwork((crop, crop), crop), *_patchworks(crop, DRAWS)]:
        image = _shown(mask, channels, eight_bit)
        try:
            out = apply(image=image.copy(), mask=mask.copy())
        except Exception as error:  # whatever a library says of images that it is not made for
            raise _Wrong(f"fails on {_size(mask)} pixels of {channels} {image.dtype} bands: {_said(error)}") from error
        new, moved = out["image"], out["mask"]
        _check_form(image, mask, new, moved, keeps_size=mask.shape == (crop, crop))
        same = np.array_equal(moved, mask)
        if isinstance(step, A.ImageOnlyTransform) and not same:
            raise _Wrong("changes the mask, though it is one of the image alone")
        if same:
            explained.append(_explained(new, mask))
        elif (share := _equal(new, moved)) < EQUAL:
            raise _Wrong(
                f"moves image and mask apart: behind it only {100 * share:.0f} % of the pixels show their label"
            )
        moves |= not same
    if explained and np.mean(explained) < SHOWN:
        share = f"{100 * np.mean(explained):.0f} %"
        raise _Wrong(f"moves or spoils the image alone: behind it the mask explains {share} of what the image shows")
    return moves


def _check_form(image: np.ndarray, mask: np.ndarray, new: np.ndarray, moved: np.ndarray, keeps_size: bool) -> None:
    """Sizes, bands, types, values and labels behind a transform; `_Wrong` where they cannot be."""
    if new.shape[:2] != moved.shape or (keeps_size and new.shape[:2] != mask.shape):
        raise _Wrong(
            f"makes {_size(new)} pixels and a mask of {_size(moved)} from {_size(mask)}; a crop must keep its size"
        )
    if new.shape[2:] != image.shape[2:] or new.dtype != image.dtype or moved.dtype != mask.dtype:
        raise _Wrong(f"makes {new.shape[2:]} bands of {new.dtype} from {image.shape[2:]} of {image.dtype}")
    if new.dtype != np.uint8 and not (new.min() >= 0 and new.max() <= 1):
        raise _Wrong(f"makes values from {new.min():.3g} to {new.max():.3g}, outside of 0 to 1")
    strange = np.setdiff1d(moved, [*np.unique(mask), IGNORE])
    if strange.size:
        raise _Wrong(f"makes labels that were not there, such as {strange[0]}: masks must move by nearest neighbour")


def _patchworks(crop: int, draws: int) -> Iterator[np.ndarray]:
    for number in range(draws * len(SIZES)):
        height, width = SIZES[number % len(SIZES)]
        yield _patchwork((min(crop, height), min(crop, width)), number)


def _patchwork(shape: tuple[int, int], seed: int) -> np.ndarray:
    """Squares of random labels, (H, W) uint8: far from each other, so that a mixture of two is none of them."""
    height, width = shape
    cells = np.random.default_rng(seed).integers(0, LEVELS, (-(-height // CELL), -(-width // CELL)))
    return np.kron(cells * (250 // LEVELS), np.ones((CELL, CELL), int))[:height, :width].astype(np.uint8)


def _spread(labels: np.ndarray) -> np.ndarray:
    """A label map whose classes are spread over 0 to 250; ignored pixels stay 255."""
    known = labels[labels != IGNORE]
    step = 250 // max(1, int(known.max(initial=0)))
    return np.where(labels == IGNORE, IGNORE, labels * step).astype(np.uint8)


def _shown(mask: np.ndarray, channels: int, eight_bit: bool) -> np.ndarray:
    """The image (H, W, B) that is its mask in every band; float32 in 0..1 unless `eight_bit`."""
    image = np.repeat(mask[:, :, None], channels, axis=2)
    return image if eight_bit else (image / np.float32(255)).astype(np.float32)


def _inner(mask: np.ndarray) -> np.ndarray:
    """Where a mask has a label, and no other within `BORDER` pixels."""
    square = np.ones((2 * BORDER + 1, 2 * BORDER + 1), np.uint8)
    return (cv2.erode(mask, square) == cv2.dilate(mask, square)) & (mask != IGNORE)


def _equal(image: np.ndarray, mask: np.ndarray) -> float:
    """The share of inner pixels whose value is their label's in every band; 1 where there are none."""
    inner = _inner(mask)
    if not inner.any():
        return 1.0
    values = image[inner].astype(np.float32) * (1 if image.dtype == np.uint8 else 255)
    labels = mask[inner].astype(np.float32)
    near = np.abs(values - labels[:, None]).max(axis=1) < 250 / LEVELS / 4
    return float(near.mean())


def _explained(image: np.ndarray, mask: np.ndarray) -> float:
    """η² of the band that shows its mask best: one minus the variance within labels over that of all inner pixels."""
    inner = _inner(mask)
    labels, shares = mask[inner], []
    sizes = np.maximum(np.bincount(labels, minlength=256), 1)
    for band in np.moveaxis(image, 2, 0):
        values = band[inner].astype(np.float64)
        means = np.bincount(labels, values, minlength=256) / sizes
        total = values.var()
        shares.append(1 - ((values - means[labels]) ** 2).mean() / total if total > 0 else 0.0)
    return max(shares)


def _size(array: np.ndarray) -> str:
    return f"{array.shape[0]}x{array.shape[1]}"


def _said(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
