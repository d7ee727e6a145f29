"""What several tables of a recipe are written with: `auto`, lists of numbers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field


def _auto(value: Any) -> Any:
    return None if value == "auto" else value


def _numbers(value: Any) -> Any:
    """A list from "0.75, 1, 1.25", or from one number."""
    return value.split(",") if isinstance(value, str) else [value] if isinstance(value, int | float) else value


Auto = BeforeValidator(_auto)
"""`auto` is None: the kit decides."""

AutoInt = Annotated[int | None, Auto]
Scale = Annotated[float, Field(gt=0, le=4)]
Scales = Annotated[tuple[Scale, ...], BeforeValidator(_numbers), Field(min_length=1)]
