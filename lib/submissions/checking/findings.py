"""What a check finds: a sentence, how grave it is, and what it costs.

found = Findings(competition)
found.problem("3 ids missing: a_1, a_2, a_3", found.refused)
found.problems          # sentences; a warning is none
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from lib.competitions import Competition

MOST = 10
"""Images that get a sentence of their own for one kind of finding; the rest are counted."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong (`problem`) or strange (`warning`) in a file, and its price."""

    severity: Literal["problem", "warning"]
    sentence: str
    cost: str


class Findings:
    """Findings as they come."""

    def __init__(self, competition: Competition) -> None:
        who = "Kaggle" if competition.kaggle.competition else "the server"
        self.refused = f"{who} refuses the file"
        self.found: list[Finding] = []
        self.counts: dict[str, int] = {}

    def problem(self, sentence: str, cost: str) -> None:
        """Note what would be refused, or score less than its masks."""
        self.found.append(Finding("problem", sentence, cost))

    def warning(self, sentence: str, cost: str) -> None:
        """Note what may be meant, and is strange."""
        self.found.append(Finding("warning", sentence, cost))

    def of_image(self, kind: str, sentence: str, cost: str) -> None:
        """Note a problem of one image; behind the first of a kind, images are only counted."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if self.counts[kind] <= MOST:
            self.problem(sentence, cost)

    def close(self) -> list[Finding]:
        """All findings, with the images that were only counted."""
        for kind, count in self.counts.items():
            if count > MOST:
                self.problem(f"{count - MOST} more images {kind}", "see the sentences above")
        self.counts.clear()
        return self.found

    @property
    def problems(self) -> list[str]:
        """The sentences of problems."""
        return [finding.sentence for finding in self.found if finding.severity == "problem"]


def document(found: list[Finding]) -> dict[str, Any]:
    """Findings as `--json` prints them: `problems` and `warnings` are sentences, `findings` have all."""
    return {
        "problems": [finding.sentence for finding in found if finding.severity == "problem"],
        "warnings": [finding.sentence for finding in found if finding.severity == "warning"],
        "findings": [asdict(finding) for finding in found],
    }
