"""From probabilities to masks: biases, thresholds and minimum areas, by default none of them.

    decision = Decision.of(competition, files.read_json(run.folder / "thresholds.json"))
    labels = decided.feed(rows)                        # a Decider: rows of probabilities to rows of labels
    labels = without_small(labels, decision.min_area)  # at the original size

A class's bias multiplies its probability before the likeliest class is taken; multiplying commutes with bilinear
interpolation, so it is done at the working size. A threshold, where classes overlap, is compared with the restored
probability of its class alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from lib.competitions import Competition
from lib.errors import UsageError
from lib.inference.restore import Restorer

FILE = "thresholds.json"
"""A run's own decision, in its folder."""


@dataclass(frozen=True)
class Decision:
    """How masks are taken from probabilities: a number a class each, in the classes' order."""

    bias: tuple[float, ...]
    """Factors of the probabilities; 1: as they are. Without meaning where classes overlap."""
    threshold: tuple[float, ...]
    """Where classes overlap: the probability from which on a pixel has the class. Else without meaning."""
    min_area: tuple[int, ...]
    """Connected components (8 neighbours) of fewer pixels at the original size are given up."""
    multilabel: bool = False

    @classmethod
    def plain(cls, classes: int, multilabel: bool = False) -> Decision:
        """The likeliest class, or every class from one half on, of whatever size."""
        return cls((1.0,) * classes, (0.5,) * classes, (0,) * classes, multilabel)

    @classmethod
    def of(cls, competition: Competition, document: Mapping[str, Any]) -> Decision:
        """The decision that a JSON document describes by class names; `UsageError` for what is no such document."""
        names, found = competition.names, cls.plain(len(competition.classes), competition.multilabel)
        try:
            for key, kind, low in (("bias", float, 1e-6), ("threshold", float, 0.0), ("min_area", int, 0)):
                table = document.get(key, {})
                unknown = set(table) - set(names)
                if unknown:
                    raise ValueError(f"{key}: there is no class {sorted(unknown)[0]!r}")
                own = getattr(found, key)
                values = tuple(kind(table.get(name, own[place])) for place, name in enumerate(names))
                if not all(low <= value < float("inf") for value in values):
                    raise ValueError(f"{key}: a value is out of range")
                found = replace(found, **{key: values})
        except (ValueError, TypeError, AttributeError) as error:
            raise UsageError(
                f"the thresholds do not fit {competition.name}: {error}", "python submit.py tune"
            ) from None
        return found

    def document(self, competition: Competition) -> dict[str, Any]:
        """What `of` reads."""
        keys = ("threshold", "min_area") if self.multilabel else ("bias", "min_area")
        return {key: dict(zip(competition.names, asdict(self)[key], strict=True)) for key in keys}

    @property
    def is_plain(self) -> bool:
        """Whether it changes nothing."""
        return self == Decision.plain(len(self.bias), self.multilabel)

    def biased(self, rows: torch.Tensor) -> torch.Tensor:
        """Probabilities (C, r, w) of which the largest is the class that a pixel is given; without overlap."""
        if all(value == 1 for value in self.bias):
            return rows
        return rows * torch.tensor(self.bias, device=rows.device)[:, None, None]

    @property
    def dtype(self) -> type:
        """What masks are made of: label maps uint8, bit planes uint32."""
        return np.uint32 if self.multilabel else np.uint8


class Decider:
    """Probabilities (C, r, w) at the working size, as they come, to masks at the original size; no areas yet.

    The masks are label maps (n, W) uint8, or bit planes (n, W) uint32 with bit c set for class c. A pixel exactly at
    its threshold has the class.
    """

    def __init__(
        self,
        decision: Decision,
        source: tuple[int, int],
        target: tuple[int, int],
        columns: tuple[int, int] | None = None,
        first_row: int = 0,
    ) -> None:
        """The arguments of `Restorer`, behind the decision."""
        count = len(decision.bias) if decision.multilabel else 1
        self._restorers = [Restorer(source, target, columns, first_row) for _ in range(count)]
        self._decision = decision
        self._same = tuple(source) == tuple(target)

    @property
    def columns_in(self) -> tuple[int, int]:
        """The columns of the probabilities that have to be fed."""
        return self._restorers[0].columns_in

    @property
    def row_in(self) -> int:
        """The first row that has to be fed."""
        return self._restorers[0].row_in

    def feed(self, rows: torch.Tensor) -> np.ndarray:
        """The masks of the rows of pixels that are settled by now; there may be none."""
        if self._decision.multilabel:
            return self._bits(rows.cpu().numpy())
        biased = self._decision.biased(rows)
        if self._same and rows.is_cuda:
            return biased.argmax(0).to(torch.uint8).cpu().numpy()
        return self._restorers[0].feed(biased.cpu().numpy())

    def _bits(self, rows: np.ndarray) -> np.ndarray:
        """A class against its threshold is a class against a constant: of equals, the class wins, which comes first."""
        bits = None
        for index, (restorer, level) in enumerate(zip(self._restorers, self._decision.threshold, strict=True)):
            against = np.full_like(rows[index], level)
            plane = (restorer.feed(np.stack([rows[index], against])) == 0).astype(np.uint32) << np.uint32(index)
            bits = plane if bits is None else bits | plane
        return bits
