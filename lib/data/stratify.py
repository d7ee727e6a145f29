"""Groups divided so that every part holds every class, in like amounts: iterative stratification.

    part = stratify(counts, ratios=[0.8, 0.2])      # (G,) int: each group's part, from (G, C) pixels

K. Sechidis, G. Tsoumakas, I. Vlahavas, "On the stratification of multi-label data", ECML PKDD 2011: the rarest class
first, and each of its groups to the part that still lacks most of it. Two changes: amounts are pixels, not yes or no,
and afterwards single groups move for as long as that brings a class to a part that lacks it, or else makes parts more
alike.
"""

from __future__ import annotations

import numpy as np

STARTS = 24
"""Divisions to begin from: iterative stratification's, then random ones for as long as a part lacks a class."""
STEPS = 400
"""Groups that are moved at most after a start."""


def stratify(counts: np.ndarray, ratios: list[float]) -> np.ndarray:
    """(G,) int: the part of each group; `ratios` are the parts' shares, 1 in all.

    `counts` are (G, C) amounts, such as pixels of each class; a column of ones makes parts of so many groups. A class
    that m groups hold is brought to min(m, parts) of the parts wherever that can be found.
    """
    amounts = np.asarray(counts, np.float64)
    amounts = amounts[:, amounts.any(axis=0)]
    shares = amounts / amounts.sum(axis=0)
    best, parts = (np.inf, np.inf), np.zeros(len(amounts), int)
    for start in range(STARTS):
        chance = np.random.default_rng(start)
        first = chance.choice(len(ratios), len(amounts), p=ratios) if start else _greedy(shares, np.array(ratios))
        score, found = _improved(shares, first, np.array(ratios))
        if score < best:
            best, parts = score, found
        if best[0] == 0:
            break
    return parts


def missing(counts: np.ndarray, parts: np.ndarray, number: int) -> np.ndarray:
    """(C,) int: in how many of `number` parts each class is not, though it has groups enough to be in them."""
    there = np.asarray(counts) > 0
    held = sum((there[parts == part].any(axis=0)).astype(int) for part in range(number))
    return np.minimum(there.sum(axis=0), number) - held


def _greedy(shares: np.ndarray, ratios: np.ndarray) -> np.ndarray:
    """Iterative stratification: `shares` (G, C) of each class's amount."""
    there = shares > 0
    lacking = np.repeat(ratios[:, None], shares.shape[1], axis=1)
    parts = np.full(len(shares), -1)
    while (parts < 0).any():
        left = there[parts < 0].sum(axis=0)
        if not left.any():
            break
        rarest = np.lexsort((np.arange(len(left)), np.where(left > 0, left, len(shares) + 1)))[0]
        group = np.argmax(np.where(parts < 0, shares[:, rarest], -1))
        part = np.lexsort((-lacking.sum(axis=1), -lacking[:, rarest]))[0]
        parts[group] = part
        lacking[part] -= shares[group]
    return np.maximum(parts, 0)


def _improved(shares: np.ndarray, parts: np.ndarray, ratios: np.ndarray) -> tuple[tuple[float, float], np.ndarray]:
    """The best single move of a group, again and again; the score is what is missing, then how unlike the parts are."""
    number, there = len(ratios), shares > 0
    wanted = np.minimum(there.sum(axis=0), number)
    sums = np.stack([shares[parts == part].sum(axis=0) for part in range(number)])
    holders = np.stack([there[parts == part].sum(axis=0) for part in range(number)])
    parts = parts.copy()
    score = float((wanted - (holders > 0).sum(axis=0)).sum()), float(np.abs(sums - ratios[:, None]).sum())
    for _ in range(STEPS):
        away = sums[parts] - shares, holders[parts] - there
        own = np.abs(sums - ratios[:, None]).sum(axis=1)
        held = (holders > 0).sum(axis=0)
        lost = ((holders[parts] > 0) & (away[1] == 0)).astype(int)
        unlike_away = np.abs(away[0] - ratios[parts][:, None]).sum(axis=1)
        moves = []
        for part in range(number):
            gained = (holders[part] == 0) & there
            lack = (wanted - held + lost - gained).sum(axis=1).astype(float)
            unlike = np.abs(sums[part] + shares - ratios[part]).sum(axis=1) + unlike_away - own[parts] - own[part]
            lack[parts == part] = np.inf
            moves.append(np.stack([lack, unlike + own.sum()]))
        lack, unlike = np.stack(moves, axis=1)
        place = np.lexsort((unlike.ravel(), lack.ravel()))[0]
        best = float(lack.ravel()[place]), float(unlike.ravel()[place])
        if best >= (score[0], score[1] - 1e-9):
            break
        part, group = divmod(int(place), len(shares))
        for table, change in ((sums, shares[group]), (holders, there[group].astype(int))):
            table[parts[group]] -= change
            table[part] += change
        parts[group], score = part, best
    return score, parts
