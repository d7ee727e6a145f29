"""Competitions as data: one TOML file each, with its loader.

    competition = load("dubai")              # lib/competitions/dubai.toml
    competition = load("my/field.toml")      # a user's own

A competition says which classes there are, where images and masks lie under the data root, where Kaggle keeps
them, how a submission is written and how it is scored. Nothing here reads a pixel.
"""

from lib.competitions.formats import Metric
from lib.competitions.layout import Pair, find_pairs
from lib.competitions.loader import available, load, parse, spelled
from lib.competitions.schema import IGNORE, Competition, Label

__all__ = ["IGNORE", "Competition", "Label", "Metric", "Pair", "available", "find_pairs", "load", "parse", "spelled"]
