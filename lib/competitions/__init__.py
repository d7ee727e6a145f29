"""Competitions as data: one TOML file each, with its loader.

    competition = load("dubai")              # lib/competitions/dubai.toml
    competition = load("severstal")          # lib/competitions/presets/: a file and its score, without data
    competition = load("my/field.toml")      # a user's own, perhaps over one of these

A competition says which classes there are, where images and masks lie under the data root, where Kaggle keeps
them, how a submission is written and how it is scored. Nothing here reads a pixel.
"""

from lib.competitions.layout import Pair, find_pairs
from lib.competitions.loader import available, load, parse, presets, spelled
from lib.competitions.metrics import Metric, Rule
from lib.competitions.schema import IGNORE, Competition, Label

__all__ = [
    "IGNORE",
    "Competition",
    "Label",
    "Metric",
    "Pair",
    "Rule",
    "available",
    "find_pairs",
    "load",
    "parse",
    "presets",
    "spelled",
]
