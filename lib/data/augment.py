"""Joint augmentation of image and mask by albumentations: one draw moves both.

transform = augmentation("aerial", channels=3, crop=256)
transform.set_random_seed(7)                    # the same seed, the same draw
out = transform(image=image, mask=labels)       # (256, 256, 3) uint8, (256, 256) uint8

Images are (H, W, B) uint8, or float32 in 0..1. Masks move by nearest neighbour alone; what comes in from outside of an
image is its reflection, for both alike.
"""

from __future__ import annotations

import difflib
import inspect
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # importing it would otherwise ask the network for a newer one

import albumentations as A
import cv2
from pydantic import ValidationError

from lib.competitions import IGNORE
from lib.errors import UsageError
from lib.validation import closest

Policy = str | Sequence[Mapping[str, Any]]
"""A name, or transforms by hand: {"transform": "RandomGamma", "gamma_limit": [80, 120], "p": 0.5}."""


def augmentation(policy: Policy, channels: int = 3, crop: int | None = None, eight_bit: bool = True) -> A.Compose:
    """The policy as one transform of `image` and `mask`; with `crop`, a random crop of that side comes first.

    An image smaller than the crop is mirrored to its size, and its mask alike. `eight_bit`: images are uint8; with
    three channels, they are taken for red, green and blue. Raises `UsageError` for a policy by hand that cannot be.
    """
    first: list[A.BasicTransform] = []
    if crop is not None:
        first = [
            A.PadIfNeeded(crop, crop, border_mode=cv2.BORDER_REFLECT_101, p=1.0),
            A.RandomCrop(crop, crop, p=1.0),
        ]
    return A.Compose([*first, *steps(policy, channels, eight_bit)], seed=0)


def steps(policy: Policy, channels: int = 3, eight_bit: bool = True) -> list[A.BasicTransform]:
    """The policy's own transforms, in their order, made anew."""
    if not isinstance(policy, str):
        return [_by_hand(number, dict(table)) for number, table in enumerate(policy)]
    rgb = channels == 3 and eight_bit
    match policy:
        case "none":
            return []
        case "flips":
            return [A.D4(p=1.0)]
        case "light":
            return [A.D4(p=1.0), _light(0.1, p=0.5)]
        case "aerial":
            return [
                _bent(scale=(0.8, 1.25), rotate=(-20, 20), p=0.3),
                A.D4(p=1.0),
                _light(0.15, p=0.5),
                _colour(rgb, hue=6, saturation=15, value=8, gain=0.06, p=0.3),
            ]
        case "strong":
            return [
                _bent(scale=(0.67, 1.5), rotate=(-45, 45), shear=(-8, 8), p=0.6),
                A.D4(p=1.0),
                _light(0.3, p=0.7),
                _colour(rgb, hue=12, saturation=30, value=16, gain=0.15, p=0.5),
                A.RandomGamma(gamma_limit=(75, 135), p=0.3),
                A.GaussianBlur(sigma_limit=(0.3, 1.2), p=0.2),
                A.GaussNoise(std_range=(0.01, 0.04), p=0.2),
                _holes(p=0.2),
            ]
        case _:
            raise UsageError(f"data.augment: there is no policy {policy!r}", "none, flips, light, aerial or strong")


def _bent(p: float, **limits: tuple[float, float]) -> A.Affine:
    return A.Affine(
        keep_ratio=True,
        interpolation=cv2.INTER_LINEAR,
        mask_interpolation=cv2.INTER_NEAREST,
        border_mode=cv2.BORDER_REFLECT_101,
        p=p,
        **limits,
    )


def _light(limit: float, p: float) -> A.BasicTransform:
    """Brightness and contrast of all bands together."""
    return A.RandomBrightnessContrast(brightness_limit=limit, contrast_limit=limit, p=p)


def _colour(rgb: bool, hue: int, saturation: int, value: int, gain: float, p: float) -> A.BasicTransform:
    """Hue, saturation and value of 8-bit RGB. Other bands have no hue: each is brighter or darker by itself."""
    if rgb:
        return A.HueSaturationValue(hue_shift_limit=hue, sat_shift_limit=saturation, val_shift_limit=value, p=p)
    return A.MultiplicativeNoise(multiplier=(1 - gain, 1 + gain), per_channel=True, p=p)


def _holes(p: float) -> A.BasicTransform:
    """Rectangles of one colour, of which nothing can be learnt: their labels are ignored."""
    sides = (0.05, 0.15)
    return A.CoarseDropout(
        num_holes_range=(1, 4),
        hole_height_range=sides,
        hole_width_range=sides,
        fill="random_uniform",
        fill_mask=IGNORE,
        p=p,
    )


def _by_hand(number: int, table: dict[str, Any]) -> A.BasicTransform:
    """A transform of the recipe: albumentations' own, by its name and arguments.

    Where the table does not say otherwise, what comes in from outside is reflected, or else has no label.
    """
    key, name = f"data.augment.{number}", table.pop("transform", None)
    kind = TRANSFORMS.get(name)
    if kind is None:
        near = difflib.get_close_matches(str(name), TRANSFORMS, n=1)
        hint = f"did you mean {near[0]}?" if near else "their names: https://albumentations.ai/docs"
        raise UsageError(f"{key}: albumentations has no transform {name!r} of images and masks", hint)
    known = {
        argument: parameter.default
        for argument, parameter in inspect.signature(kind.__init__).parameters.items()
        if argument not in ("self", "always_apply")
    }
    for argument in table:
        if argument not in known:
            raise UsageError(f"{key}: {name} has no argument {argument!r}", closest(argument, list(known)))
    if "border_mode" in known:
        table.setdefault("border_mode", cv2.BORDER_REFLECT_101)
    if known.get("fill_mask") is not None:
        table.setdefault("fill_mask", IGNORE)
    try:
        with warnings.catch_warnings(action="ignore"):  # of what newer versions call otherwise
            return kind(**{argument: _tuples(value) for argument, value in table.items()})
    except (ValueError, TypeError) as error:
        told = str(error).splitlines()[0]
        if isinstance(error.__cause__, ValidationError):
            told = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.__cause__.errors())
        raise UsageError(f"{key}: {name}: {told}", f"its arguments: {', '.join(known)}") from None


def _tuples(value: Any) -> Any:
    """Lists, which is what a TOML file has, as albumentations takes them."""
    return tuple(_tuples(inner) for inner in value) if isinstance(value, list | tuple) else value


TRANSFORMS = {
    name: kind
    for name, kind in vars(A).items()
    if inspect.isclass(kind)
    and issubclass(kind, A.DualTransform | A.ImageOnlyTransform)
    and not issubclass(kind, A.Transform3D)
    and kind not in (A.DualTransform, A.ImageOnlyTransform, A.Lambda)
}
"""What a policy by hand may name."""
