"""Torch datasets: crops to train on, drawn from tiles at one or several scales; whole images to validate on.

Every crop is drawn from (seed, epoch, its number) alone, so the number of workers or ranks changes nothing but who
draws it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from lib.competitions import Pair
from lib.data.augment import augmentation
from lib.data.census import Census
from lib.data.reading import Reading
from lib.data.sampling import Pool, anywhere, centre
from lib.data.tiles import area, around
from lib.recipe import Recipe


class TrainingCrops(Dataset):
    """Augmented crops: item (epoch, number) is an image (B, crop, crop), as fed, and its labels (crop, crop) uint8."""

    def __init__(self, census: Census, pool: Pool, reading: Reading, recipe: Recipe) -> None:
        """`census`: the tiles of the training pairs; `pool`: how likely each is drawn."""
        self.pairs, self.tiles = census.pairs, census.tiles
        self.pool, self.reading, self.recipe = pool, reading, recipe
        rule, data = reading.radiometry, recipe.data
        self.transform = augmentation(data.augment, rule.channels, None, rule.low is None)
        self.padding = augmentation(data.augment, rule.channels, data.crop, rule.low is None)
        """For images that are smaller than a crop: they are mirrored first."""
        drawn = [area(tile.core) for tile, chance in zip(self.tiles, pool.chances, strict=True) if chance > 0]
        self.pixels = sum(drawn) * recipe.data.scale**2
        """Of the tiles that are drawn from, at the working size."""

    def steps(self) -> int:
        """Optimizer steps that see about as many pixels as the tiles have, unless the recipe says how many."""
        crops = self.pixels / self.recipe.data.crop**2
        return self.recipe.train.steps or max(1, round(crops / self.recipe.train.batch))

    def __getitem__(self, item: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        epoch, number = item
        rng = np.random.default_rng([self.recipe.train.seed, epoch, number])
        image, labels = self.cut(rng)
        whole = image.shape[:2] == (self.recipe.data.crop, self.recipe.data.crop)
        transform = self.transform if whole else self.padding
        transform.set_random_seed(int(rng.integers(2**31)))
        drawn = transform(image=image, mask=labels)
        pixels = np.ascontiguousarray(drawn["image"].transpose(2, 0, 1))
        return torch.from_numpy(pixels), torch.from_numpy(np.ascontiguousarray(drawn["mask"]))

    def cut(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A crop as it lies in its image: around a pixel of a tile, shifted to stay inside its pair's part of the
        image, and smaller than asked where that is."""
        data = self.recipe.data
        number, rare = self.pool.draw(rng)
        tile = self.tiles[number]
        pair = self.pairs[tile.pair]
        scale = data.scale * data.scales[rng.integers(len(data.scales)) if len(data.scales) > 1 else 0]
        if rare is None:
            row, column = anywhere(tile.core, rng)
            middle = self.reading.place(pair, scale, row, column)
        else:
            window = self.reading.within(pair, scale, tile.window)
            row, column = centre(self.reading.window(pair, scale, window)[1], rare, rng)
            middle = row + window[0], column + window[2]
        image, labels = self.reading.window(pair, scale, around(middle, data.crop, self.reading.shape(pair, scale)))
        return np.array(image), np.array(labels)


class WholeImages(Dataset):
    """Item i: (number, image (h, w, B) at the working size, labels (H, W) uint8 at the original size)."""

    def __init__(self, pairs: list[Pair], reading: Reading, scale: float) -> None:
        self.pairs, self.reading, self.scale = pairs, reading, scale

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[int, np.ndarray, np.ndarray]:
        pair = self.pairs[index]
        return index, np.array(self.reading.image(pair, self.scale)), self.reading.truth(pair)


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


def as_it_is(item: Any) -> Any:
    """Collates nothing: a validation item reaches the loop as the arrays it is."""
    return item
