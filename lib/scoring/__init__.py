"""Scores by the competition's own rule, from exact counts.

table = confusion(truth, prediction, classes=6)              # (6, 6) int64, rows: truth
counts = areas(truth, prediction, classes=6)                 # (6, 3) int64: hits, truth, predicted
result = score(counts[None], competition)                    # Score(value, per_class, baselines)
"""

from lib.scoring.confusion import areas, confusion, confusion_with_none
from lib.scoring.rules import Score, baselines, image_score, score

__all__ = ["Score", "areas", "baselines", "confusion", "confusion_with_none", "image_score", "score"]
