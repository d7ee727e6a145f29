"""The table that moves while a run trains, drawn from its latest progress.

epoch 3/12    step 64/300    loss 0.710    macro Dice 0.6123    best 0.6200
41.2 images/s    waiting for data 12 %    lr 0.0008
GPU 0  97 %  11.2 of 15.0 GB    GPU 1  96 %  11.1 of 15.0 GB
elapsed 1h02m    ETA 3h05m    session ends in 7h40m: it fits
"""

from __future__ import annotations

from rich.text import Text

from lib.launching import durations
from lib.launching.following.training_progress import Gpu, Progress

GB = 1e9
GAP = "    "


def draw(progress: Progress, metric: str, last: float | None, best: float | None) -> Text:
    """Four lines; `last` and `best`: the latest validation's metric, and the best, of the fold. A prediction has no
    epochs."""
    predicts = progress.epochs is None and progress.loss is None and progress.steps is not None
    searches = progress.trials is not None
    rows = [
        [f"trial {count(progress.step, progress.trials)}", f"running {progress.running}", f"best {number(best, 4)}"]
        if searches
        else [f"image {count(progress.step, progress.steps)}"]
        if predicts
        else [
            *([] if progress.fold is None else [f"fold {progress.fold} of {number(progress.folds, 0)}"]),
            f"epoch {count(progress.epoch, progress.epochs)}",
            f"step {count(progress.step, progress.steps)}",
            f"loss {number(progress.loss, 3)}",
            f"{metric} {number(last, 4)}",
            f"best {number(best, 4)}",
        ],
        []
        if searches
        else [
            f"{number(progress.images_per_s, 1)} images/s",
            *([f"waiting for data {share(progress.data_wait)}"] if progress.data_wait is not None else []),
            *([f"lr {progress.lr:.2g}"] if progress.lr is not None else []),
        ],
        [f"GPU {place}  {_gpu(gpu)}" for place, gpu in enumerate(progress.gpus)],
        [f"elapsed {duration(progress.seconds)}", f"ETA {duration(progress.eta)}", *_limit(progress)],
    ]
    style = "yellow" if progress.is_late else "cyan"
    return Text("\n".join(f"  {GAP.join(row)}" for row in rows if row), style=style)


def count(done: int | None, whole: int | None) -> str:
    """`3/12`."""
    return f"{'-' if done is None else done}/{'-' if whole is None else whole}"


def number(value: float | None, digits: int) -> str:
    """A number with so many digits behind the point; `-` for none."""
    return "-" if value is None else f"{value:.{digits}f}"


def share(value: float | None) -> str:
    """`97 %`."""
    return "-" if value is None else f"{100 * value:.0f} %"


def duration(seconds: float | None) -> str:
    """`3h05m`; `-` for none."""
    return "-" if seconds is None else durations.spell(seconds)


def _gpu(gpu: Gpu) -> str:
    memory = "" if gpu.memory is None else f"  {gpu.memory / GB:.1f}"
    return share(gpu.use) + memory + (f" of {gpu.of / GB:.1f} GB" if memory and gpu.of else " GB" if memory else "")


def _limit(progress: Progress) -> list[str]:
    if progress.limit_s is None:
        return []
    verdict = "" if progress.eta is None else ": too soon, it will stop itself" if progress.is_late else ": it fits"
    return [f"session ends in {durations.spell(progress.limit_s)}{verdict}"]
