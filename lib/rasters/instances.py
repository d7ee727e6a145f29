"""Instances: the objects of a class told apart, each as runs of pixels.

Instance(index=1, runs=np.array([[0, 3], [768, 771]]), confidence=0.9)     # pixels 0..2 and 768..770
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Instance:
    """One object of an image.

    `index`: its class. `runs`: (n, 2) int64, half-open intervals of pixels numbered row by row from 0, sorted and
    disjoint. `confidence`: 0..1.
    """

    index: int
    runs: np.ndarray
    confidence: float = 1.0

    @property
    def area(self) -> int:
        """Its pixels."""
        return int((self.runs[:, 1] - self.runs[:, 0]).sum())
