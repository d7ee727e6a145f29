"""A search's ranges and choices as Optuna knows them, and a trial's values on their way there and back.

    space = {key: distribution(key, value) for key, value in tuning.space.items()}
    values = decoded(optuna_trial.params)
    encoded(values, tuning) == optuna_trial.params

Choices travel as JSON: Optuna takes no lists and tables, which recipe keys such as data.scales are.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lib.recipe.tune import Range, TuneRecipe, is_whole

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


def distribution(key: str, value: Range | tuple[Any, ...]) -> BaseDistribution:
    """What Optuna draws a key's values from; with a step, the last whole one below `high` is the largest."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not isinstance(value, Range):
        return CategoricalDistribution([json.dumps(choice) for choice in value])
    whole = is_whole(key)
    step = value.step or (1 if whole else None)
    high = value.high if step is None else value.low + step * math.floor((value.high - value.low) / step + 1e-9)
    if whole:
        return IntDistribution(int(value.low), int(high), log=value.log, step=int(step))
    return FloatDistribution(float(value.low), float(high), log=value.log, step=step)


def encoded(values: Mapping[str, Any], tuning: TuneRecipe) -> dict[str, Any]:
    """A trial's values as Optuna knows them."""
    return {
        key: value if isinstance(tuning.space.get(key), Range) else json.dumps(value) for key, value in values.items()
    }


def decoded(config: Mapping[str, Any]) -> dict[str, Any]:
    """A trial's values from Optuna's."""
    return {key: json.loads(value) if isinstance(value, str) else value for key, value in config.items()}
