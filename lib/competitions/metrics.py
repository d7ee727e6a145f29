"""What a competition's TOML file may say about the rule that scores it: one value on each axis.

    [metric]
    measure = "dice"
    pool = "pairs"
    empty = 1

A rule of several measures is their weighted sum:

    [[metric.parts]]
    weight = 0.4
    measure = "dice"
    …
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lib.validation import Strict

PIXELS = ("dice", "iou", "fbeta", "precision", "recall", "accuracy", "balanced-accuracy", "kappa")
INSTANCES = ("instance-accuracy", "instance-fbeta", "average-precision")

Measure = Literal[
    "dice", "iou", "fbeta", "precision", "recall", "accuracy", "balanced-accuracy", "kappa",
    "iou-sweep", "instance-accuracy", "instance-fbeta", "average-precision", "hausdorff",
]  # fmt: skip

MEANINGS = {
    "beta": ("fbeta", "instance-fbeta"),
    "thresholds": ("iou-sweep", *INSTANCES),
    "reaches": ("iou-sweep", *INSTANCES),
    "ranking": ("average-precision",),
    "merge": (*PIXELS, "iou-sweep"),
    "inside": (*PIXELS, "iou-sweep"),
}
"""The measures that a key says something to; every other key says something to all of them."""

SWEEP = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""IoU thresholds .5, .55, … .95."""

WORDS = {
    "dice": "Dice",
    "iou": "IoU",
    "fbeta": "F{beta:g}",
    "precision": "precision",
    "recall": "recall",
    "accuracy": "accuracy",
    "balanced-accuracy": "balanced accuracy",
    "kappa": "Cohen's kappa",
    "iou-sweep": "precision over IoU {sweep}",
    "instance-accuracy": "instance precision over IoU {sweep}",
    "instance-fbeta": "instance F{beta:g} at IoU {sweep}",
    "average-precision": "average precision at IoU {sweep}",
    "hausdorff": "(1 - normalised 3-D Hausdorff)",
}
POOLS = {
    "pairs": "mean {} over images and classes",
    "image": "mean {} over images",
    "set": "macro {}",
    "global": "global {}",
}


VOLUMES = "mean {} over volumes and classes"
"""Of a distance, however the rule is pooled."""


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"it is not a regular expression: {error}") from None
    return text


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("a class stands there twice")
    return names


Names = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_each_once)]


class Rule(Strict):
    """One measure and how it is pooled."""

    measure: Measure = "dice"
    """Of pixels: dice, iou, fbeta, precision, recall, accuracy, balanced-accuracy, kappa. Of whole masks: iou-sweep
    (the share of IoU thresholds that an image's IoU exceeds), hausdorff (of volumes; always a mean over pairs of volume
    and class). Of instances: instance-accuracy (hits / (hits + false + missed), averaged over IoU thresholds),
    instance-fbeta, average-precision (ranked by confidence).

    accuracy, balanced-accuracy and kappa are of pixels whose truth is a class that counts."""
    pool: Literal["pairs", "image", "set", "global"] = "set"
    """pairs: the mean over every (image, class) pair. image: an image's classes are counted together, then the mean
    over images. set: a class's pixels are counted over the whole set, then the mean over classes. global: one count
    over all images and classes."""
    mean: Literal["arithmetic", "harmonic"] = "arithmetic"
    """The mean over classes."""
    beta: float = Field(default=1.0, gt=0)
    """How many times more recall counts than precision, in F measures."""
    thresholds: Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(min_length=1)] = SWEEP
    """IoU that an instance (or a mask) must exceed to be found; the measure is averaged over them."""
    reaches: bool = False
    """An IoU equal to a threshold is enough."""
    ranking: Literal["openimages", "coco"] = "openimages"
    """How average-precision reads its curve. openimages: the area under the interpolated curve; an instance is a hit
    when the true one that it overlaps most is still free. coco: the mean of 101 points of the curve, of at most 100
    instances an image and class; an instance takes the best true one that is still free."""
    empty: Literal[0, 1, "skip"] = "skip"
    """The score of a pair (image, class) that neither truth nor prediction has; of the accuracies and kappa, which
    count what both lack too, only where nothing at all counts."""
    absent: Literal["count", 0, "skip"] = "count"
    """A class that the prediction has and the truth has not. count: it costs what false positives cost. 0: it scores 0.
    skip: it does not count. average-precision knows no false positives without truth: count is skip."""
    classes: Names | None = None
    """The classes that count. Default: those that the submission holds."""
    merge: bool = False
    """The classes that count are taken together as one."""
    inside: Names | None = None
    """Only pixels whose truth is one of these classes count. Default: all."""

    @property
    def label(self) -> str:
        """The rule in a few words, as tables print it."""
        first, last = self.thresholds[0], self.thresholds[-1]
        sweep = f"{first:g}" if first == last else f"{first:g}:{last:g}"
        pool = VOLUMES if self.measure == "hausdorff" else POOLS[self.pool]
        pool = f"harmonic {pool}" if self.mean == "harmonic" else pool
        return pool.format(WORDS[self.measure].format(beta=self.beta, sweep=sweep))

    @property
    def needs_instances(self) -> bool:
        """Whether it tells instances of a class apart."""
        return self.measure in INSTANCES


class Part(Rule):
    """A rule with its weight in a sum."""

    weight: float = Field(gt=0)


class Metric(Rule):
    """The competition's rule for a score: one measure, or `parts` and their weights."""

    parts: tuple[Part, ...] = ()
    also: tuple[Rule, ...] = ()
    """Further rules, shown beside the score."""
    group: Annotated[str, AfterValidator(_regex)] | None = None
    """A regular expression whose match in an image's id names its group: a city, a volume of slices. Scores are shown
    by group, and hausdorff takes a group's images as one volume, in the order of their ids."""

    @model_validator(mode="after")
    def _parts_or_measure(self) -> Metric:
        own = self.model_fields_set - {"parts", "also", "group"}
        if self.parts and own:
            raise ValueError(f"{', '.join(sorted(own))}: with [[metric.parts]] these stand in the parts")
        return self

    def must_use_its_keys(self) -> None:
        """Raise `ValueError` for a key that is not at its default and that its measure, or its pool, has no use for."""
        for rule in (*(self.parts or (self,)), *self.also):
            changed = {key for key in MEANINGS if getattr(rule, key) != type(rule).model_fields[key].default}
            idle = {key for key in changed if rule.measure not in MEANINGS[key]}
            if rule.mean == "harmonic" and (rule.pool != "set" or rule.measure == "hausdorff"):
                idle |= {"mean"}
            if idle:
                raise ValueError(f"metric.{min(idle)}: {rule.measure}, pooled by {rule.pool!r}, has no use for it")

    @property
    def rules(self) -> tuple[Part, ...]:
        """The rules of the sum; a metric of one measure is the sum of that one."""
        if self.parts:
            return self.parts
        own = {name: getattr(self, name) for name in Rule.model_fields}
        return (Part(weight=1.0, **own),)

    @property
    def label(self) -> str:
        """The rule in a few words, as tables print it."""
        if not self.parts:
            return super().label
        return " + ".join(f"{part.weight:g} {part.label}" for part in self.parts)
