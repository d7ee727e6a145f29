"""Augmentation moves image and mask together, makes the changes its policy names, and is tested before training."""

import albumentations as A
import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from lib.competitions import IGNORE
from lib.data import augment
from lib.data.augment import augmentation, steps
from lib.data.selftest import self_test
from lib.errors import UsageError
from lib.recipe import DataRecipe, Recipe
from lib.recipe.data import POLICIES

BANDS = (1, 2, 3, 4, 5, 10, 13)


def patchwork(seed: int, cell: int = 13) -> np.ndarray:
    """(102, 104) labels 1..6 in squares."""
    return np.kron(np.random.default_rng(seed).integers(1, 7, (6, 8)), np.ones((17, cell))).astype(np.uint8)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("channels", "eight_bit"), [(3, True), (3, False), (1, True), (5, False), (13, True)])
def test_image_and_mask_move_together(policy, channels, eight_bit):
    """An image that shows its own labels still does after every geometric change."""
    transform = augmentation(policy, channels, crop=48, eight_bit=eight_bit)
    for step in transform.transforms:
        if isinstance(step, A.ImageOnlyTransform):
            step.p = 0.0
    agreed = []
    for seed in range(40):
        labels = patchwork(seed)
        transform.set_random_seed(seed)
        image = np.dstack([labels * 40] * channels) if eight_bit else np.dstack([labels / np.float32(6)] * channels)
        drawn = transform(image=image, mask=labels)
        assert drawn["image"].shape == (48, 48, channels)
        assert drawn["image"].dtype == image.dtype
        assert drawn["mask"].min() >= 1, "nothing is brought in from outside the image"
        seen = drawn["mask"] != IGNORE
        values = drawn["image"][..., -1] / 40 if eight_bit else drawn["image"][..., -1] * 6
        agreed.append(np.mean(np.abs(values - drawn["mask"])[seen] < 0.5))
        assert seen.mean() > 0.85
        assert policy == "strong" or seen.all(), "only the strong policy has holes"
    assert np.mean(agreed) > 0.96
    assert min(agreed) > 0.88


def orientations(labels: np.ndarray) -> set[bytes]:
    return {np.rot90(way, turns).tobytes() for way in (labels, labels[:, ::-1]) for turns in range(4)}


@pytest.mark.parametrize("policy", POLICIES)
def test_which_changes_a_policy_makes(policy):
    """`flips` draws all eight orientations and nothing else; others change the light; the last two bend crops."""
    labels = np.random.default_rng(0).integers(0, 6, (32, 32)).astype(np.uint8)
    image = np.dstack([labels * 40] * 3)
    transform = augmentation(policy, 3, crop=32)
    masks, same_light = [], []
    for seed in range(100):
        transform.set_random_seed(seed)
        drawn = transform(image=image, mask=labels)
        masks.append(drawn["mask"].tobytes())
        same_light.append(np.array_equal(drawn["image"][..., 0], drawn["mask"] * 40))
    eight = orientations(labels)
    bent = sum(mask not in eight for mask in masks)
    assert set(masks) & eight == ({labels.tobytes()} if policy == "none" else eight)
    low, high = {"aerial": (10, 60), "strong": (40, 90)}.get(policy, (0, 0))
    assert low <= bent <= high
    assert all(same_light) == (policy in ("none", "flips"))


def test_the_sample_is_augmented_as_before():
    """The README's scores rest on these very draws."""
    before = A.Compose(
        [
            A.PadIfNeeded(48, 48, border_mode=cv2.BORDER_REFLECT_101, p=1.0),
            A.RandomCrop(48, 48, p=1.0),
            A.Affine(
                scale=(0.8, 1.25),
                rotate=(-20, 20),
                keep_ratio=True,
                interpolation=cv2.INTER_LINEAR,
                mask_interpolation=cv2.INTER_NEAREST,
                border_mode=cv2.BORDER_REFLECT_101,
                p=0.3,
            ),
            A.D4(p=1.0),
            A.RandomBrightnessContrast(brightness_limit=0.15, contrast_limit=0.15, p=0.5),
            A.HueSaturationValue(hue_shift_limit=6, sat_shift_limit=15, val_shift_limit=8, p=0.3),
        ],
        seed=0,
    )
    now = augmentation("aerial", 3, crop=48)
    image = np.random.default_rng(0).integers(0, 256, (102, 104, 3)).astype(np.uint8)
    for seed in range(30):
        drawn = []
        for transform in (before, now):
            transform.set_random_seed(seed)
            drawn.append(transform(image=image, mask=patchwork(0)))
        assert np.array_equal(drawn[0]["image"], drawn[1]["image"])
        assert np.array_equal(drawn[0]["mask"], drawn[1]["mask"])


def test_an_image_smaller_than_the_crop_is_mirrored():
    labels = np.random.default_rng(0).integers(1, 6, (21, 35)).astype(np.uint8)
    image = np.dstack([labels * 40, labels * 7, labels])
    drawn = augmentation("none", 3, crop=64)(image=image, mask=labels)
    rows, columns = (21, 22), (14, 15)
    assert np.array_equal(drawn["mask"], np.pad(labels, (rows, columns), mode="reflect"))
    assert np.array_equal(drawn["image"], np.pad(image, (rows, columns, (0, 0)), mode="reflect"))


@pytest.mark.parametrize("policy", POLICIES)
def test_the_same_seed_is_the_same_draw(policy):
    image = np.random.default_rng(0).random((65, 65, 4), np.float32)
    one, other = (augmentation(policy, 4, crop=33, eight_bit=False) for _ in range(2))
    other(image=image, mask=patchwork(0)[:65, :65])
    for seed in (5, 6):
        for transform in (one, other):
            transform.set_random_seed(seed)
        drawn = [transform(image=image, mask=patchwork(0)[:65, :65]) for transform in (one, other)]
        assert np.array_equal(drawn[0]["image"], drawn[1]["image"])
        assert np.array_equal(drawn[0]["mask"], drawn[1]["mask"])


def test_bands_that_are_no_colours_change_by_themselves():
    """Hue is for 8-bit RGB; four bands, or values in 0..1, get a brightness each, and keep their precision."""
    kinds = {type(step).__name__ for channels in (1, 4, 13) for step in steps("aerial", channels)}
    assert "HueSaturationValue" not in kinds | {type(step).__name__ for step in steps("strong", 3, eight_bit=False)}
    colour = next(step for step in steps("aerial", 4, eight_bit=False) if type(step).__name__ == "MultiplicativeNoise")
    colour.p = 1.0
    image = np.full((9, 9, 4), 0.5, np.float32)
    drawn = A.Compose([colour], seed=0)(image=image, mask=np.zeros((9, 9), np.uint8))["image"]
    assert len(np.unique(drawn)) == 4
    assert all(len(np.unique(band)) == 1 for band in np.moveaxis(drawn, 2, 0))
    assert 0 < np.abs(drawn - image).max() <= 0.03 + 1e-6


@pytest.mark.parametrize("eight_bit", [True, False])
@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_passes_its_own_test_at_odd_sizes_and_any_bands(policy, eight_bit):
    labels = [np.random.default_rng(0).choice([0, 3, IGNORE], (31, 47)).astype(np.uint8), np.zeros((5, 7), np.uint8)]
    for number, channels in enumerate(BANDS):
        crop = (33, 48, 97)[number % 3]
        self_test(policy, Recipe(data=DataRecipe(crop=crop)), labels, channels, eight_bit)


def try_out(*tables, channels: int = 3, crop: int = 64, **more) -> None:
    policy = DataRecipe(augment=list(tables)).augment
    self_test(policy, Recipe(data=DataRecipe(crop=crop)), channels=channels, **more)


GOOD = (
    {"transform": "Rotate", "limit": [-30, 30]},
    {"transform": "ElasticTransform"},
    {"transform": "GridDropout"},
    {"transform": "CoarseDropout", "p": 0.2},
    {"transform": "RandomGamma", "gamma_limit": [80, 120]},
    {"transform": "GaussianBlur"},
    {"transform": "RandomResizedCrop", "size": [64, 64]},
)


def test_transforms_by_hand_do_what_their_tables_say():
    try_out(*GOOD)
    try_out(*GOOD, channels=7, eight_bit=False)
    transform = augmentation(GOOD, 3, crop=64)
    assert [type(step).__name__ for step in transform.transforms[2:]] == [table["transform"] for table in GOOD]
    assert transform.transforms[2].limit == (-30, 30)
    assert transform.transforms[5].p == 0.2


def test_what_comes_in_from_outside_is_reflected_or_has_no_label():
    labels = np.full((40, 40), 3, np.uint8)
    image = np.full((40, 40, 3), 90, np.uint8)
    turn = {"transform": "Rotate", "limit": [45, 45], "p": 1.0}
    drawn = augmentation([turn], 3)(image=image, mask=labels)
    assert (drawn["image"] == 90).all()
    assert (drawn["mask"] == 3).all()
    drawn = augmentation([turn | {"border_mode": cv2.BORDER_CONSTANT}], 3)(image=image, mask=labels)
    assert set(np.unique(drawn["mask"])) == {3, IGNORE}, "nobody is told that black corners are class 0"


@pytest.mark.parametrize(
    ("table", "said", "hint"),
    [
        ({"transform": "RandomGama"}, r"augment.0: albumentations has no transform 'RandomGama'", "RandomGamma"),
        ({"transform": "ToTensorV2"}, "no transform 'ToTensorV2'", "albumentations.ai"),
        ({"transform": "RandomGamma", "gama": 1}, "RandomGamma has no argument 'gama'", "gamma_limit"),
        (
            {"transform": "RandomGamma", "p": 2},
            "RandomGamma: p: Input should be less than or equal to 1",
            "gamma_limit",
        ),
        ({"transform": "RandomCrop"}, "RandomCrop: height: Field required", "height, width"),
    ],
)
def test_mistakes_by_hand_are_named(table, said, hint):
    with pytest.raises(UsageError, match=said) as told:
        augmentation([table], 3)
    assert hint in told.value.hint


def test_policies_that_no_recipe_takes():
    with pytest.raises(ValidationError, match="one of none, flips, light, aerial, strong"):
        DataRecipe(augment="aeril")
    with pytest.raises(UsageError, match="there is no policy 'aeril'"):
        steps("aeril")


@pytest.fixture
def broken(monkeypatch):
    """Transforms with a fault, among those of albumentations."""

    class FlipsTheImage(A.ImageOnlyTransform):
        def apply(self, img, **params):
            return np.ascontiguousarray(img[:, ::-1])

    class ShiftsTheImage(A.ImageOnlyTransform):
        def apply(self, img, **params):
            return np.roll(img, 8, axis=0)

    class FlipsTheMask(A.DualTransform):
        _targets = A.HorizontalFlip._targets

        def apply(self, img, **params):
            return img

        def apply_to_mask(self, mask, **params):
            return np.ascontiguousarray(mask[::-1])

    class DrawsTwice(A.Rotate):
        """Image and mask turn by different angles."""

        def apply_to_mask(self, mask, **params):
            matrix = cv2.getRotationMatrix2D((mask.shape[1] / 2, mask.shape[0] / 2), 33, 1)
            return cv2.warpAffine(
                mask, matrix, mask.shape[::-1], flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT_101
            )

    class Burns(A.ImageOnlyTransform):
        def apply(self, img, **params):
            return np.zeros_like(img)

    for kind in (FlipsTheImage, ShiftsTheImage, FlipsTheMask, DrawsTwice, Burns):
        monkeypatch.setitem(augment.TRANSFORMS, kind.__name__, kind)


@pytest.mark.parametrize("eight_bit", [True, False])
@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"transform": "FlipsTheImage"}, r"data.augment.1: FlipsTheImage moves or spoils the image alone: .* \d+ %"),
        ({"transform": "ShiftsTheImage"}, "ShiftsTheImage moves or spoils the image alone"),
        ({"transform": "Burns"}, "Burns moves or spoils the image alone: .* explains 0 %"),
        ({"transform": "FlipsTheMask"}, r"FlipsTheMask moves image and mask apart: .* only \d+ % of the pixels"),
        ({"transform": "DrawsTwice", "limit": [-20, 20]}, "DrawsTwice moves image and mask apart"),
        ({"transform": "Rotate", "mask_interpolation": 1}, r"Rotate makes labels that were not there, such as \d+"),
        (
            {"transform": "Rotate", "border_mode": 0, "fill_mask": 7},
            "Rotate makes labels that were not there, such as 7",
        ),
        ({"transform": "RandomScale", "scale_limit": [0.2, 0.3]}, "RandomScale makes .* a crop must keep its size"),
        ({"transform": "RandomCrop", "height": 200, "width": 200}, "RandomCrop fails on 64x64 pixels of 4"),
        ({"transform": "ToGray"}, "ToGray fails on 64x64 pixels of 4 .* bands"),
        ({"transform": "MixUp"}, "no transform 'MixUp'"),
        ({"transform": "FDA"}, "FDA fails on"),
    ],
)
def test_the_self_test_names_what_breaks_a_policy(broken, table, said, eight_bit):
    """A step that is rarely drawn is found, too, between steps that are right."""
    with pytest.raises(UsageError, match=said):
        try_out(*GOOD[:1], {"p": 0.01, **table}, *GOOD[4:6], channels=4, eight_bit=eight_bit)


def test_values_must_stay_in_their_range():
    with pytest.raises(UsageError, match=r"Normalize makes values from -.* outside of 0 to 1"):
        try_out({"transform": "Normalize"}, eight_bit=False)
    with pytest.raises(UsageError, match=r"Normalize makes .* bands of float32"):
        try_out({"transform": "Normalize"})
