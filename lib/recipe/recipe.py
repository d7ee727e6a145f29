"""The recipe in full: its tables together, and what follows from them."""

from __future__ import annotations

from pathlib import Path

from lib.errors import UsageError
from lib.recipe.data import DataRecipe
from lib.recipe.infer import InferRecipe
from lib.recipe.model import POOLING, ModelRecipe
from lib.recipe.train import TrainRecipe
from lib.validation import Strict

WINDOW = 640
"""The largest side of a prediction window that nobody asked for, where crops are not larger."""


class Recipe(Strict):
    """What `kernels/train.py` does, in full."""

    model: ModelRecipe = ModelRecipe()
    data: DataRecipe = DataRecipe()
    train: TrainRecipe = TrainRecipe()
    infer: InferRecipe = InferRecipe()

    def must_share(self, ranks: int) -> None:
        """Raise `UsageError` when a step's crops cannot be shared out evenly, or are too few for the model."""
        batch, accumulate = self.train.batch, self.train.accumulate
        if batch is None:
            return
        if batch % ranks:
            raise UsageError(
                f"train.batch = {batch} cannot be divided over {ranks} GPUs",
                f"--set train.batch={max(1, round(batch / ranks)) * ranks}, or fewer ranks: --set train.ranks=1",
            )
        shares = ranks * accumulate
        if batch % shares:
            raise UsageError(
                f"train.batch = {batch} cannot be divided over {ranks} rank(s) x train.accumulate = {accumulate}",
                f"--set train.batch={max(1, round(batch / shares)) * shares}",
            )
        if batch == shares and self.model.architecture in POOLING:
            raise UsageError(
                f"train.batch = {batch} gives each pass of {ranks} rank(s) one crop, and {self.model.architecture} "
                "needs two: its batch norm follows a pooling over the whole crop",
                f"--set train.batch={2 * shares}",
            )

    def of_fold(self, fold: int) -> Recipe:
        """The recipe of one model of `train.folds`: an own run, but for the fold that it holds out."""
        alone = {"folds": 0, "gpus": "ranks"} | ({"ranks": 1} if self.train.gpus == "folds" else {})
        data = self.data.model_copy(update={"folds": self.train.folds, "fold": fold})
        return self.model_copy(update={"data": data, "train": self.train.model_copy(update=alone)})

    @property
    def window(self) -> int:
        """Side of the prediction windows, in pixels at the working size."""
        return self.infer.window or max(self.data.crop, min(2 * self.data.crop, WINDOW))

    @property
    def starts_from(self) -> Path | None:
        """The file of weights that the run starts from, when the recipe names one by its path."""
        origin = self.model.origin
        return Path(origin.name) if origin.kind == "file" else None

    @property
    def needs_hub(self) -> bool:
        """Whether the run downloads pretrained weights."""
        return self.model.origin.kind in ("imagenet", "hub")
