"""Augmentation moves image and mask together, and makes the changes that its policy names."""

import numpy as np
import pytest

from lib.data.augment import training_transform


@pytest.mark.parametrize("policy", ["none", "flips", "aerial"])
def test_image_and_mask_move_together(policy):
    """An image that shows its own labels still does after every geometric change."""
    transform = training_transform(policy, crop=48)
    still = [
        step
        for step in transform.transforms
        if type(step).__name__ in ("RandomBrightnessContrast", "HueSaturationValue")
    ]
    for step in still:
        step.p = 0.0
    rng = np.random.default_rng(0)
    agreed = []
    for seed in range(60):
        labels = np.kron(rng.integers(1, 7, (6, 8)), np.ones((17, 13))).astype(np.uint8)
        transform.set_random_seed(seed)
        drawn = transform(image=np.dstack([labels * 40] * 3), mask=labels)
        assert drawn["image"].shape == (48, 48, 3)
        assert drawn["mask"].min() >= 1, "nothing is brought in from outside the image"
        agreed.append(np.mean(np.abs(drawn["image"][..., 0] / 40 - drawn["mask"]) < 0.5))
    assert np.mean(agreed) > 0.97
    assert min(agreed) > 0.9


def orientations(labels: np.ndarray) -> set[bytes]:
    return {np.rot90(way, turns).tobytes() for way in (labels, labels[:, ::-1]) for turns in range(4)}


@pytest.mark.parametrize("policy", ["none", "flips", "aerial"])
def test_which_changes_a_policy_makes(policy):
    """`flips` draws all eight orientations and nothing else; `aerial` bends some of its crops besides."""
    labels = np.random.default_rng(0).integers(0, 6, (32, 32)).astype(np.uint8)
    image = np.dstack([labels * 40] * 3)
    transform = training_transform(policy, crop=32)
    masks, same_light = [], []
    for seed in range(100):
        transform.set_random_seed(seed)
        drawn = transform(image=image, mask=labels)
        masks.append(drawn["mask"].tobytes())
        same_light.append(np.array_equal(drawn["image"][..., 0], drawn["mask"] * 40))
    eight = orientations(labels)
    bent = sum(mask not in eight for mask in masks)
    assert set(masks) & eight == ({labels.tobytes()} if policy == "none" else eight)
    assert (10 < bent < 60) == (policy == "aerial")
    assert policy == "aerial" or (bent == 0 and all(same_light))


def test_an_image_smaller_than_the_crop_is_mirrored():
    labels = np.random.default_rng(0).integers(1, 6, (21, 35)).astype(np.uint8)
    image = np.dstack([labels * 40, labels * 7, labels])
    drawn = training_transform("none", crop=64)(image=image, mask=labels)
    rows, columns = (21, 22), (14, 15)
    assert np.array_equal(drawn["mask"], np.pad(labels, (rows, columns), mode="reflect"))
    assert np.array_equal(drawn["image"], np.pad(image, (rows, columns, (0, 0)), mode="reflect"))
