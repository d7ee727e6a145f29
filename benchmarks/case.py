"""What a row of the table compares: one thing done by the kit and by a peer.

    Case("RLE encode, order F", "pycocotools", kit, peer, compare)

`kit` and `peer` take the inputs, bring them into the form that side likes best, and return the call to measure, so
that reading and converting count for neither.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np

Side = Literal["kit", "peer"]
Call = Callable[[], Any]
"""One run of what is measured. A result that is an iterator is drained, each item dropped before the next."""


class Disagreement(Exception):
    """The two sides gave different results; the message says where."""


@dataclass(frozen=True)
class Inputs:
    """A folder with what the cases work on: arrays as NAME.npy, and folders for commands to write into."""

    folder: Path

    def array(self, name: str) -> np.ndarray:
        """An array of `scene`, read into memory."""
        import numpy as np

        return np.load(self.folder / f"{name}.npy")

    def scratch(self, name: str) -> Path:
        """A folder of that name, made when it is not there."""
        path = self.folder / name
        path.mkdir(exist_ok=True)
        return path


@dataclass(frozen=True)
class Case:
    """One row: the same thing done by the kit and by a peer."""

    name: str
    peer_name: str
    kit: Callable[[Inputs], Call]
    peer: Callable[[Inputs], Call]
    compare: Callable[[Any, Any, Inputs], str]
    """Takes the kit's result, the peer's and the inputs; returns a remark or "", or raises `Disagreement`."""
    install: str = ""
    """The command that installs a peer which requirements-dev.txt leaves out; without it the row is not measured."""
    gives: tuple[int, str] | None = None
    """How many of what a call gives: "64 crops", of which the row says how many a second."""
    in_workers: bool = False
    """Whether other processes do the work; the memory of the one that calls says nothing then."""

    def call(self, side: Side, inputs: Inputs) -> Call:
        """What to measure of a side, its inputs in memory."""
        return (self.kit if side == "kit" else self.peer)(inputs)


@dataclass(frozen=True)
class Row:
    """What came out for a case. Where the results disagree, `note` says how and nothing was measured."""

    case: str
    peer: str
    agreed: bool | None
    """None: the peer is not installed, and `note` says how it would be."""
    note: str = ""
    kit_seconds: float | None = None
    peer_seconds: float | None = None
    kit_bytes: int | None = None
    peer_bytes: int | None = None

    @property
    def ratio(self) -> float | None:
        """How many times the kit's time the peer takes."""
        return self.peer_seconds / self.kit_seconds if self.kit_seconds and self.peer_seconds else None

    @property
    def result(self) -> str:
        """Whether the results agree, in words."""
        if self.agreed is None:
            return f"not measured: {self.note}"
        return ("agree" if self.agreed else "DISAGREE: ") + self.note
