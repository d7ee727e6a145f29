"""Joint augmentation of image and mask by albumentations: one draw moves both.

transform = training_transform("aerial", crop=256)
out = transform(image=image, mask=labels)       # (256, 256, 3) uint8, (256, 256) uint8
"""

from __future__ import annotations

import os

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # importing it would otherwise ask the network for a newer one

import albumentations as A
import cv2


def training_transform(policy: str, crop: int) -> A.Compose:
    """A random crop of side `crop`, then the policy's changes; images smaller than the crop are padded.

    Padding mirrors image and mask alike. Masks are only ever moved by nearest neighbour.
    """
    steps: list[A.BasicTransform] = [
        A.PadIfNeeded(crop, crop, border_mode=cv2.BORDER_REFLECT_101, p=1.0),
        A.RandomCrop(crop, crop, p=1.0),
    ]
    if policy == "aerial":
        steps.append(
            A.Affine(
                scale=(0.8, 1.25),
                rotate=(-20, 20),
                keep_ratio=True,
                interpolation=cv2.INTER_LINEAR,
                mask_interpolation=cv2.INTER_NEAREST,
                border_mode=cv2.BORDER_REFLECT_101,
                p=0.3,
            )
        )
    if policy in ("flips", "aerial"):
        steps.append(A.D4(p=1.0))
    if policy == "aerial":
        steps.append(A.RandomBrightnessContrast(brightness_limit=0.15, contrast_limit=0.15, p=0.5))
        steps.append(A.HueSaturationValue(hue_shift_limit=6, sat_shift_limit=15, val_shift_limit=8, p=0.3))
    return A.Compose(steps, seed=0)
