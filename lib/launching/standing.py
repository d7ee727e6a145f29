"""What local and public scores say about each other, and which submission to trust.

standing = Standing.of("sea-ice", rows)
standing.spearman                        # 0.94
standing.trusted                         # the row to select; standing.advice says why

The public board is a sample of the test set, and so is the validation: neither is the truth. Trusted is the best local
score among the submissions whose public score is not far below what the others let expect.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

FEWEST = 3
"""Pairs of scores below which a correlation says nothing."""

LOW = 0.5
"""A rank correlation below which local scores do not tell the board's order."""


@dataclass(frozen=True)
class Row:
    """A file of the ledger: `local` is its own score, or else its run's on validation; `noise` half an interval."""

    file: str
    run: str
    local: float | None = None
    public: float | None = None
    noise: float | None = None
    ref: int | None = None

    @property
    def name(self) -> str:
        """What a person calls it."""
        return f"submission {self.ref} of {self.run}" if self.ref else f"{self.file} of {self.run}"


@dataclass(frozen=True)
class Standing:
    """One competition's submissions."""

    competition: str
    pairs: tuple[Row, ...]
    """Those with both scores."""
    pearson: float | None
    spearman: float | None
    trusted: Row | None
    leader: Row | None
    """The best on the public board."""
    noise: float | None

    @classmethod
    def of(cls, competition: str, rows: Sequence[Row]) -> Standing:
        """Look at the submissions of a competition, of which some may lack a score."""
        pairs = tuple(row for row in rows if row.local is not None and row.public is not None)
        local, public = [row.local for row in pairs], [row.public for row in pairs]
        noises = [row.noise for row in pairs if row.noise is not None]
        noise = statistics.median(noises) if noises else None
        scored = [row for row in rows if row.public is not None]
        return cls(
            competition,
            pairs,
            correlation(local, public),
            correlation(ranks(local), ranks(public)),
            max(_consistent(pairs, noise or 0.0), key=lambda row: (row.local, row.public), default=None),
            max(scored, key=lambda row: row.public, default=None),
            noise,
        )

    @property
    def advice(self) -> list[str]:
        """Sentences: which submission to trust, and what speaks against it."""
        if self.trusted is None:
            return ["no submission has both a local and a public score yet: there is nothing to compare"]
        best, first = self.trusted, self.leader
        said = [f"trust {best.name}: the best local score ({best.local:.5f}) that its public one does not contradict"]
        near = [row for row in self.pairs if row is not best and abs(best.local - row.local) <= (self.noise or 0.0)]
        if near and self.noise:
            said.append(
                f"{len(near)} more lie within the noise of the local score (±{self.noise:.5f}): "
                "their order here may be chance"
            )
        if self.spearman is not None and self.spearman < LOW:
            said.append(
                f"local and public scores hardly go together (rank correlation {self.spearman:.2f} over "
                f"{len(self.pairs)}): the validation is unlike the test set, or all differences are noise"
            )
        contradicted = [row for row in self.pairs if row.local > best.local]
        if contradicted:
            odd = max(contradicted, key=lambda row: row.local)
            said.append(
                f"{odd.name} scores higher here ({odd.local:.5f}), and far lower on the board than that lets expect "
                f"({odd.public:g}): look for a leak in its validation"
            )
        if first is not None and first is not best:
            worse = first.local is not None and best.local - first.local > (self.noise or 0.0)
            risk = f", but is worse here ({first.local:.5f}): risk of a shake-up" if worse else ""
            said.append(
                f"{first.name} leads the public board ({first.public:g}){risk}; where two may be selected, take both"
            )
        return said


def correlation(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Pearson's correlation; None for fewer than `FEWEST` pairs, or where a side is constant."""
    if len(one) < FEWEST:
        return None
    try:
        return statistics.correlation(one, other)
    except statistics.StatisticsError:
        return None


def ranks(values: Sequence[float]) -> list[float]:
    """The rank of each value from 1, ties sharing their mean: Spearman's correlation is Pearson's of these."""
    order = sorted(values)
    return [order.index(value) + (order.count(value) + 1) / 2 for value in values]


def _consistent(pairs: Sequence[Row], noise: float) -> list[Row]:
    """The pairs whose public score is not far below what the median difference to the local one lets expect.

    Far is more than the noise, and than three median deviations.
    """
    if len(pairs) < FEWEST:
        return list(pairs)
    differences = [row.public - row.local for row in pairs]
    middle = statistics.median(differences)
    spread = statistics.median(abs(difference - middle) for difference in differences)
    far = max(noise, 3 * spread)
    return [row for row, difference in zip(pairs, differences, strict=True) if difference >= middle - far]
