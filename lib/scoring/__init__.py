"""Scores by the competition's own rule, from exact counts.

table = confusion(truth, prediction, classes=6)              # (6, 6) int64, rows: truth
counts = areas(truth, prediction, classes=6)                 # (6, 3) int64: hits, truth, predicted
result = score(counts[None], competition)                    # Score(value, per_class, baselines, …)

count = take(truth, prediction, competition)                 # all that any rule needs of an image: label maps, bit
tally = Tally.of([count, …], competition, ids)               # planes or instances; and of a set
result, low_high = score(tally, competition), interval(tally, competition)
"""

from lib.scoring.confusion import areas, confusion, confusion_with_none
from lib.scoring.rules import Score, image_score, image_scores, interval, score, value_of
from lib.scoring.tally import Count, Tally, by_areas, needs_masks, take

__all__ = [
    "Count",
    "Score",
    "Tally",
    "areas",
    "by_areas",
    "confusion",
    "confusion_with_none",
    "image_score",
    "image_scores",
    "interval",
    "needs_masks",
    "score",
    "take",
    "value_of",
]
