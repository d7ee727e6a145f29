"""The loaders of a rank: its share of every step's crops, and of the validation images.

crops = crop_loader(TrainingCrops(...), recipe, Share(rank=0, ranks=2), "cuda", first_step=120)
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import torch
from torch.utils.data import DataLoader

from lib.data.datasets import EpochShare, ImageShare, TrainingCrops, WholeImages, as_it_is
from lib.data.ready import Ready
from lib.recipe import Recipe


class Share(NamedTuple):
    """Which of how many ranks this one is, of how many runs that share the machine."""

    rank: int = 0
    ranks: int = 1
    beside: int = 1


def crop_loader(
    crops: TrainingCrops, recipe: Recipe, share: Share, device: str, first_step: int = 0, steps: int | None = None
) -> DataLoader:
    """This rank's crops from a step on: batches (n, B, crop, crop) and (n, crop, crop) uint8, n crops a forward pass.

    `steps`: of one epoch; by default the data set's.
    """
    train = recipe.train
    order = EpochShare(steps or crops.steps(), train.batch, share.rank, share.ranks, max(1, train.epochs), first_step)
    return DataLoader(
        crops,
        batch_size=train.batch // share.ranks // train.accumulate,
        sampler=order,
        **_loading(recipe, share, device),
    )


def image_loader(ready: Ready, recipe: Recipe, share: Share, device: str) -> DataLoader:
    """This rank's validation images, one by one as they are."""
    return DataLoader(
        WholeImages(ready.held_out, ready.reading, recipe.data.scale),
        batch_size=None,
        sampler=ImageShare(len(ready.held_out), share.rank, share.ranks),
        collate_fn=as_it_is,
        **_loading(recipe, share, device),
    )


def _loading(recipe: Recipe, share: Share, device: str) -> dict[str, Any]:
    workers = recipe.data.workers
    if workers is None:
        workers = max(1, (os.cpu_count() or 1) // (share.ranks * share.beside)) if device == "cuda" else 0
    return {
        "num_workers": workers,
        "persistent_workers": workers > 0,
        "pin_memory": device == "cuda",
        "generator": torch.Generator().manual_seed(recipe.train.seed),  # the global one belongs to the model
    }
