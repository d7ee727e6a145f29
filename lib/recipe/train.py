"""`train.…`: epochs, steps, loss, optimizer, schedule, averages, devices, folds."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from lib.recipe import choices
from lib.recipe.words import Auto, AutoInt
from lib.validation import Strict


def _numbers(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


class TrainRecipe(Strict):
    epochs: int = Field(default=40, ge=0)
    """0: validate the weights and stop."""
    batch: AutoInt = Field(default=16, ge=1)
    """Crops an optimizer step, over all ranks together. auto: found by trying before the first step, the smallest that
    trains about as fast as any that fits into the memory and leaves an epoch 20 steps."""
    accumulate: int = Field(default=1, ge=1)
    """Forward passes that a rank's share of a step is divided into, where it does not fit at once."""
    steps: AutoInt = Field(default=None, ge=1)
    """Optimizer steps an epoch. auto: about as many pixels as the training images have."""
    loss: Annotated[str, AfterValidator(choices.loss)] = "ce + dice"
    """A sum such as `0.5*ce(smooth=0.1) + 0.5*dice` of ce, focal, dice, log_cosh_dice, jaccard, tversky, focal_tversky,
    lovasz (lib/recipe/choices.py has their options)."""
    class_weights: Annotated[
        Literal["none", "frequency", "samples", "effective"] | tuple[Annotated[float, Field(ge=0)], ...],
        BeforeValidator(_numbers),
    ] = "none"
    """Weights of the classes in ce and focal, from the training images' pixels: 1 − a class's frequency · inverse
    number of samples · effective number of samples (lib/data/balance.py). Or a number for each class."""
    optimizer: Annotated[str, AfterValidator(choices.optimizer)] = "adamw"
    """One of torch's by name, with its options: `sgd(momentum=0.9, nesterov=true)`."""
    lr: Annotated[float | None, Auto] = Field(default=1e-3, gt=0, le=10)
    """The learning rate at its peak. auto: found by a range test before the first step (lr_range.png shows it)."""
    encoder_lr: float = Field(default=1.0, gt=0, le=100)
    """The encoder's learning rate over `lr`."""
    weight_decay: float = Field(default=1e-2, ge=0)
    """The optimizer's, on weights; biases and norms are left alone."""
    schedule: Annotated[str, AfterValidator(choices.schedule)] = "cosine"
    """How the learning rate goes from its peak to the end: cosine, poly(power=0.9), onecycle, step, constant, or
    plateau(factor=0.5, patience=3), which lowers it when the metric stands still."""
    warmup: float = Field(default=0.05, ge=0, lt=1)
    """Share of all steps in which the learning rate rises linearly to its peak; onecycle has a rise of its own."""
    clip: float = Field(default=1.0, ge=0)
    """Largest gradient norm; 0 leaves gradients as they are."""
    ema: float = Field(default=0.0, ge=0, lt=1)
    """Decay of a moving average of the weights, which is then what is validated and kept, such as 0.999; 0: none."""
    average_best: int = Field(default=0, ge=0, le=20)
    """Average the weights of so many best epochs at the end, and keep the average if it scores better; 0: not."""
    patience: int = Field(default=0, ge=0)
    """Stop after so many epochs without a better score; 0: never."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Decides the random weights, the split into training and validation, and every crop."""
    precision: Annotated[Literal["auto", "32", "16", "bf16"], BeforeValidator(str)] = "auto"
    """auto: bf16 where the GPU has it natively, fp16 on older GPUs, 32 on a CPU."""
    channels_last: bool = True
    """Keep maps with their channels together in memory, as tensor cores and CPUs read them."""
    compile: bool = False
    """torch.compile the model: a minute or more at the start, and quicker steps on a GPU."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: GPUs when there are any; a run that was sent to GPUs and finds none stops at once."""
    ranks: AutoInt = Field(default=None, ge=1, le=64)
    """Processes that share a step, each with its own share of the crops in loss and batch norm. auto: one a GPU, one
    on a CPU."""
    sync_batchnorm: bool = False
    """Batch norms see the crops of all ranks (GPUs only); else each rank's see its own, and the first's are kept."""
    folds: int = Field(default=0, ge=0, le=20)
    """Train so many models, each without another part of the data, and keep the predictions of the parts left out."""
    gpus: Literal["ranks", "folds"] = "ranks"
    """What several GPUs do: share each step, or train a fold each, the longest first."""

    @model_validator(mode="before")
    @classmethod
    def _two_weights_are_a_sum(cls, content: Any) -> Any:
        """Checkpoints may say `ce` and `dice`, the weights of these two losses."""
        if not isinstance(content, dict) or not {"ce", "dice"} & content.keys():
            return content
        rest = {key: value for key, value in content.items() if key not in ("ce", "dice")}
        return {"loss": f"{content.get('ce', 1.0)}*ce + {content.get('dice', 1.0)}*dice"} | rest

    @model_validator(mode="after")
    def _ranks_share_a_step(self) -> TrainRecipe:
        if self.ranks and self.batch and self.batch % self.ranks:
            raise ValueError(f"batch = {self.batch} cannot be divided over ranks = {self.ranks}")
        for name, what in (("folds", "folds"), ("average_best", "averaged epochs")):
            if getattr(self, name) == 1:
                raise ValueError(f"{name} = 1: {what} are two or more; 0 is none")
        if self.gpus == "folds" and not self.folds:
            raise ValueError("gpus = 'folds' needs folds: for example --set train.folds=5")
        return self
