"""The training loop, as a Lightning module: one step, one validation image, the optimizer, the score."""

from __future__ import annotations

import math

import numpy as np
import pytorch_lightning as pl
import torch
import torch.distributed as dist

from lib.competitions import Competition
from lib.inference import restore
from lib.inference.predict import predict
from lib.models import Segmenter
from lib.recipe import Recipe
from lib.scoring import Score, confusion_with_none, image_score, score
from lib.scoring.confusion import areas_of
from lib.training.losses import Loss


class Segmentation(pl.LightningModule):
    """Trains a `Segmenter`; after each validation `score` and `table` hold the whole set's result on every rank."""

    def __init__(self, model: Segmenter, competition: Competition, recipe: Recipe, steps: int) -> None:
        super().__init__()
        self.model = model
        self.competition = competition
        self.recipe = recipe
        self.steps = steps
        self.loss = Loss(recipe.train)
        self.score: Score | None = None
        self.table: np.ndarray | None = None
        self.image_scores: list[tuple[int, float | None]] = []
        self._tables: list[tuple[int, np.ndarray]] = []

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], number: int) -> torch.Tensor:
        images, labels = batch
        return self.loss(self.model(images), labels)

    def on_validation_epoch_start(self) -> None:
        self._tables = []  # batch-norm statistics are rank 0's: DDP hands them out before the first image

    def validation_step(self, item: tuple[int, np.ndarray, np.ndarray], number: int) -> None:
        """One whole image, at its original size, by the functions that make a submission."""
        index, image, truth = item
        labels = restore(predict(self.model, image, self.recipe, tta="none"), truth.shape)
        self._tables.append((index, confusion_with_none(truth, labels, len(self.competition.classes))))

    def on_validation_epoch_end(self) -> None:
        """Bring all ranks' tables together and score them as one set."""
        shares = [self._tables]
        if dist.is_initialized():
            shares = [None] * dist.get_world_size()
            dist.all_gather_object(shares, self._tables)
        tables = sorted((item for share in shares for item in share), key=lambda item: item[0])
        counts = np.stack([areas_of(table) for _, table in tables])
        self.table = sum(table for _, table in tables)
        self.score = score(counts, self.competition)
        self.image_scores = [
            (index, image_score(areas, self.competition)) for (index, _), areas in zip(tables, counts, strict=True)
        ]

    def configure_optimizers(self) -> dict:
        """AdamW; the learning rate rises linearly over the warm-up, then falls along a cosine to zero."""
        recipe = self.recipe.train
        decayed = [p for p in self.model.parameters() if p.ndim > 1]
        plain = [p for p in self.model.parameters() if p.ndim <= 1]  # biases and norms
        groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=recipe.lr)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, self.steps, recipe.warmup))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def transfer_batch_to_device(self, batch, device, dataloader_idx):
        """Validation items stay arrays on the CPU; `predict` moves what it needs."""
        return batch if isinstance(batch[1], np.ndarray) else super().transfer_batch_to_device(batch, device, 0)


def rate(step: int, steps: int, warmup: float) -> float:
    """The learning rate's share of its peak at `step` of `steps`."""
    rising = max(1, round(steps * warmup))
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rising) / max(1, steps - rising))))
