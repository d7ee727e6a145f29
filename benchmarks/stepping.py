"""Training steps: the kit's loop against the bare forward and backward passes of the same model on the same batches.

    python -m benchmarks steps

The peer does what cannot be left out: forward, loss, backward, the gradients' norm, AdamW. What the ratio lacks of one
is the rest of a loop: the learning rate of each step, the clock and the limit, the progress line, the precision's
scaling. Both sides start from the same weights and must end at the same. On a machine with a GPU there are rows for its
precisions, whose remarks tell the most memory that each side took on the card.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.case import Call, Case, Disagreement, Inputs

if TYPE_CHECKING:
    import torch

STEPS = {"cpu": 10, "cuda": 40}
"""Of a call; gradients are measured at one step of ten on the CPU, at three of them on a GPU."""

SIZES = {"cpu": ("resnet18", 128, 8), "cuda": ("resnet34", 512, 16)}
"""Encoder, crop and batch."""

TOLERANCE = {"32-true": 0.1, "16-mixed": 0.1, "bf16-mixed": 0.2}
"""The norm of how far the weights may differ, over that of how far they have moved: threads add in any order, and AdamW
goes as far by a gradient of rounding errors as by any other."""

SEED = 0


def kit(inputs: Inputs, device: str, precision: str) -> Call:
    """`Training.train_epoch` on batches that are there."""
    from lib.competitions import load
    from lib.folders import PROJECT
    from lib.training.keeper import Keeper
    from lib.training.lightning import fabric_of
    from lib.training.limit import Limit
    from lib.training.loop import Training
    from lib.training.watch import Watch

    recipe, batches = _recipe(device), _batches(device)
    folder = Path(tempfile.mkdtemp(dir=inputs.folder))
    competition = load(PROJECT / "lib/competitions/sample.toml")

    def made() -> Training:
        model = _model(recipe)
        return Training(
            fabric_of(device, 1, precision, model),
            model,
            competition,
            recipe,
            {"steps": STEPS[device]},
            Watch(recipe.train, STEPS[device], lambda: {"limit_s": None}),
            Keeper(folder, competition, recipe),
            Limit(),
        )

    training = made()
    training.total = 10**9  # the rate stays at its peak, and epochs do not end

    def call() -> Any:
        _forget_peak(device)
        with contextlib.redirect_stdout(io.StringIO()):
            training.train_epoch(iter(batches))
        training.validations += 1
        _wait(device)
        return _end(training.model, device)

    return call


def bare(inputs: Inputs, device: str, precision: str) -> Call:
    """The same steps in as few lines as they need."""
    import torch

    from lib.training.losses import Loss
    from lib.training.optimizers import optimizer_of

    recipe, batches = _recipe(device), [[part.to(device) for part in batch] for batch in _batches(device)]
    model = _model(recipe).to(device).train()
    optimizer = optimizer_of(recipe.train, model)
    loss_of = Loss(recipe.train.loss)
    half = {"16-mixed": torch.float16, "bf16-mixed": torch.bfloat16}.get(precision)
    scaler = torch.amp.GradScaler(device, enabled=precision == "16-mixed")

    def call() -> Any:
        _forget_peak(device)
        for images, labels in batches:
            optimizer.zero_grad()
            with torch.autocast(device, half, enabled=half is not None):
                logits = model(images)
            scaler.scale(loss_of(logits.float(), labels.long())).backward()
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.train.clip)
            scaler.step(optimizer)
            scaler.update()
        _wait(device)
        return _end(model, device)

    return call


def same_weights(ours: Any, theirs: Any, inputs: Inputs, device: str, precision: str) -> str:
    """Both have moved, to the same place."""
    (own, own_peak), (other, other_peak) = ours, theirs
    start = dict(_model(_recipe(device)).named_parameters())
    moved = sum(float((own[name] - weights.detach()).square().sum()) for name, weights in start.items()) ** 0.5
    apart = sum(float((own[name] - other[name]).square().sum()) for name in own) ** 0.5 / max(moved, 1e-12)
    if not moved or apart > TOLERANCE[precision]:
        raise Disagreement(f"the weights are {apart:.2g} of their way apart")
    note = f", weights {apart:.1g} of their way apart"
    return note + (f"; peak {own_peak / 2**30:.2f} and {other_peak / 2**30:.2f} GiB on the card" if own_peak else "")


def _recipe(device: str) -> Any:
    from lib.recipe import resolve

    encoder, crop, batch = SIZES[device]
    keys = {"model.encoder": encoder, "model.weights": "none", "data.crop": crop, "train.batch": batch}
    recipe, _ = resolve([("benchmark", keys | {"train.schedule": "constant", "train.warmup": 0, "train.epochs": 1})])
    return recipe


def _model(recipe: Any) -> Any:
    import torch

    from lib.models import build

    torch.manual_seed(SEED)
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    return build(recipe.model, 6)


def _batches(device: str) -> list[tuple[torch.Tensor, torch.Tensor]]:
    import torch

    _, crop, batch = SIZES[device]
    generator = torch.Generator().manual_seed(SEED)
    made = [
        (
            torch.randint(0, 256, (batch, 3, crop, crop), dtype=torch.uint8, generator=generator).to(device),
            torch.randint(0, 6, (batch, crop, crop), dtype=torch.uint8, generator=generator).to(device),
        )
        for _ in range(2)
    ]
    return [made[number % 2] for number in range(STEPS[device])]


def _end(model: Any, device: str) -> tuple[dict[str, torch.Tensor], int]:
    """The weights, and the most bytes that tensors have had on the card since the call began."""
    import torch

    weights = {name: weights.detach().float().cpu().clone() for name, weights in model.named_parameters()}
    return weights, torch.cuda.max_memory_allocated() if device == "cuda" else 0


def _forget_peak(device: str) -> None:
    import torch

    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()


def _wait(device: str) -> None:
    import torch

    if device == "cuda":
        torch.cuda.synchronize()


def _has_gpu() -> bool:
    import shutil

    return shutil.which("nvidia-smi") is not None


def _case(device: str, precision: str) -> Case:
    crops = (STEPS[device] * SIZES[device][2], "crops")
    how = {"device": device, "precision": precision}
    return Case(
        f"{STEPS[device]} training steps, {device} {precision}",
        "bare forward and backward",
        partial(kit, **how),
        partial(bare, **how),
        partial(same_weights, **how),
        gives=crops,
        in_workers=device == "cuda",
    )


CASES = tuple(
    _case(device, precision)
    for device, precision in (
        ("cpu", "32-true"),
        *((("cuda", precision) for precision in TOLERANCE) if _has_gpu() else ()),
    )
)
