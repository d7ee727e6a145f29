"""Torch datasets: random crops to train on, whole images to validate on.

Every crop is drawn from (seed, epoch, its number) alone, so the number of workers or ranks changes nothing but who
draws it.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from lib.competitions import Competition, Pair
from lib.data.augment import training_transform
from lib.rasters import header_size, read_image, read_labels
from lib.recipe import Recipe


class TrainingCrops(Dataset):
    """Augmented crops: item (epoch, number) is a (3, crop, crop) uint8 image and its (crop, crop) int64 labels."""

    def __init__(self, pairs: list[Pair], competition: Competition, recipe: Recipe, copies: int = 1) -> None:
        """`copies`: how many processes of this machine will hold the set, and so share the cache's megabytes."""
        self.pairs = pairs
        self.competition = competition
        self.recipe = recipe
        self.transform = training_transform(recipe.data.augment, recipe.data.crop)
        areas = [height * width * recipe.data.scale**2 for height, width in (header_size(p.image) for p in pairs)]
        self.pixels = sum(areas)
        self.weights = np.asarray(areas) / self.pixels
        self.keep = self.pixels * 4 * copies <= recipe.data.cache_gigabytes * 1e9
        self._kept: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def steps(self) -> int:
        """Optimizer steps that see about as many pixels as the images have, unless the recipe says how many."""
        crops = self.pixels / self.recipe.data.crop**2
        return self.recipe.train.steps or max(1, round(crops / self.recipe.train.batch))

    def __getitem__(self, item: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        epoch, number = item
        rng = np.random.default_rng([self.recipe.train.seed, epoch, number])
        image, labels = self._scene(int(rng.choice(len(self.pairs), p=self.weights)))
        self.transform.set_random_seed(int(rng.integers(2**31)))
        drawn = self.transform(image=image, mask=labels)
        pixels = np.ascontiguousarray(drawn["image"].transpose(2, 0, 1))
        return torch.from_numpy(pixels), torch.from_numpy(drawn["mask"].astype(np.int64))

    def _scene(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Image and labels at the working size; kept in memory when the whole set fits."""
        if index in self._kept:
            return self._kept[index]
        pair = self.pairs[index]
        image, labels = read_image(pair.image), read_labels(pair.mask, self.competition)
        if self.recipe.data.scale != 1:
            image = to_working_size(image, self.recipe.data.scale)
            labels = cv2.resize(labels, image.shape[1::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        if self.keep:
            self._kept[index] = image, labels
        return image, labels


class WholeImages(Dataset):
    """Item i: (number, (H, W, 3) uint8 image, (H, W) uint8 labels), at the original size."""

    def __init__(self, pairs: list[Pair], competition: Competition) -> None:
        self.pairs = pairs
        self.competition = competition

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[int, np.ndarray, np.ndarray]:
        pair = self.pairs[index]
        return index, read_image(pair.image), read_labels(pair.mask, self.competition)


class EpochShare(Sampler[tuple[int, int]]):
    """This rank's crops of all epochs from step `first` on: of each epoch's, numbers rank, rank + ranks, …"""

    def __init__(self, steps: int, batch: int, rank: int, ranks: int, epochs: int = 1, first: int = 0) -> None:
        """`first`: how many steps of all `epochs * steps` were done before."""
        self.steps, self.batch = steps, batch
        self.rank, self.ranks = rank, ranks
        self.todo = range(first, epochs * steps)

    def __len__(self) -> int:
        return len(self.todo) * self.batch // self.ranks

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for step in self.todo:
            epoch, number = divmod(step, self.steps)
            for place in range(self.rank, self.batch, self.ranks):
                yield epoch, number * self.batch + place


class ImageShare(Sampler[int]):
    """This rank's validation images, each exactly once over all ranks: nothing is padded or repeated."""

    def __init__(self, images: int, rank: int, ranks: int) -> None:
        self.numbers = range(rank, images, ranks)

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers)


def as_it_is(item: tuple) -> tuple:
    """Collates nothing: a validation item reaches the loop as the arrays it is."""
    return item


def to_working_size(image: np.ndarray, scale: float) -> np.ndarray:
    """An image resized by `scale`: averaged when it shrinks, bilinear when it grows."""
    if scale == 1:
        return image
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
