"""When training is over before its last epoch: a score that no longer gets better, weights that are no numbers.

stopping = Stopping(patience=5)
stopping.heed(0.83)                  # each validation's score
stopping.has_waited                  # whether that was enough
"""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass
class Stopping:
    """Counts validations without a better score; `patience` 0 waits for ever."""

    patience: int = 0
    best: float | None = None
    waited: int = 0
    """Validations since the best."""
    diverged: int | None = None
    """The epoch after which the weights were not numbers any more."""

    def heed(self, score: float) -> None:
        """Hear of a validation's score, higher is better."""
        if self.best is None or score > self.best:
            self.best, self.waited = score, 0
        else:
            self.waited += 1

    @property
    def has_waited(self) -> bool:
        """Whether the patience is over."""
        return bool(self.patience) and self.waited >= self.patience

    def state_dict(self) -> dict[str, float | int | None]:
        """Where it stands."""
        return asdict(self)

    def load_state_dict(self, state: dict[str, float | int | None]) -> None:
        """Go on from there."""
        vars(self).update(state)
