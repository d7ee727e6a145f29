"""A thing that was looked at before it matters, and how it stands.

Check("quota", "fail", "2h10m left, 11h00m asked", fix="--timeout 2h10m")
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Verdict = Literal["ok", "warn", "fail", "unknown"]

UNKNOWN: Verdict = "unknown"
"""Nobody was asked, or nobody answered."""

MARKS = {"ok": "ok", "warn": "warn", "fail": "fail", "unknown": "?"}


@dataclass(frozen=True)
class Check:
    """What was looked at, in the fewest words; `reason` is the whole sentence and `fix` what to do, where it fails."""

    name: str
    verdict: Verdict
    words: str
    reason: str = ""
    fix: str | None = None

    @property
    def failed(self) -> bool:
        """Whether it stands in the way."""
        return self.verdict == "fail"

    @property
    def why(self) -> str:
        """The sentence of its error."""
        return self.reason or f"{self.name}: {self.words}"


def row(name: str, words: str, verdict: Verdict | None = None) -> str:
    """A line of a card: a mark where there is a verdict, the name, what there is to say."""
    return f"{MARKS[verdict] if verdict else '':<5}{name:<12} {words}"


def lines(checks: Iterable[Check]) -> list[str]:
    """A line a check, and under those that are not well, what to do."""
    found = []
    for check in checks:
        found.append(row(check.name, check.words, check.verdict))
        if check.fix:
            found.append(f"{'':<18}fix: {check.fix}")
    return found


def documents(checks: Iterable[Check]) -> list[dict[str, Any]]:
    """Checks as `--json` prints them."""
    return [asdict(check) for check in checks]


def some(items: Iterable[str], width: int, joint: str = ", ") -> str:
    """As many items as fit into `width` characters, at least one, and how many more there are."""
    listed = list(items)
    for count in range(len(listed), 0, -1):
        more = f" and {len(listed) - count} more" if count < len(listed) else ""
        text = joint.join(listed[:count]) + more
        if len(text) <= width:
            return text
    return text if listed else ""
