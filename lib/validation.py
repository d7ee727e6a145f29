"""What users write, checked on load: TOML files and pydantic models, with errors that name file and key.

    data = read_toml(path)
    competition = validated(Competition, data, source=lambda key: str(path))

A mistake reads: `dubai.toml: submission.csv.order: found 'X', allowed: 'C' or 'F'`.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from lib.errors import UsageError

Model = TypeVar("Model", bound=BaseModel)


class Strict(BaseModel):
    """A frozen value that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file; a missing or malformed one is a `UsageError` that names it."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def validated(model: type[Model], data: dict[str, Any], source: Callable[[str], str]) -> Model:
    """Build `model` from `data`; every mistake is named with its key, what was found and what is allowed.

    `source` says for a key which file or flag it came from.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        keys = [".".join(str(part) for part in mistake["loc"]) for mistake in error.errors()]
        sentences = [
            f"{source(key)}: {key or 'the whole file'}: {_reason(model, mistake)}"
            for key, mistake in zip(keys, error.errors(), strict=True)
        ]
        raise UsageError("\n       ".join(sentences)) from None


def closest(word: str, words: list[str]) -> str:
    """A hint for a misspelt word: the nearest of `words` first, then all of them."""
    near = difflib.get_close_matches(word, words, n=1)
    known = ", ".join(words)
    return f"did you mean {near[0]}? (all: {known})" if near else f"one of: {known}"


def _reason(model: type[BaseModel], mistake: Any) -> str:
    found = mistake["input"]
    match mistake["type"]:
        case "missing":
            return "the key is missing"
        case "extra_forbidden":
            *parents, name = mistake["loc"]
            return f"unknown key; {closest(str(name), _keys(model, parents))}"
        case "literal_error":
            return f"found {found!r}, allowed: {mistake['ctx']['expected']}"
        case "value_error":
            reason = str(mistake["ctx"]["error"])
            return reason if isinstance(found, dict) else f"found {found!r}: {reason}"
        case _:
            message = mistake["msg"]
            return f"found {found!r}: {message[:1].lower()}{message[1:]}"


def _keys(model: type[BaseModel], parents: list[str | int]) -> list[str]:
    """The keys of the table at `parents`, through nested models, lists and optional tables."""
    for part in parents:
        if isinstance(part, str):
            model = _model_in(model.model_fields[part].annotation)
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> Any:
    """The model inside an annotation such as `tuple[Label, ...]` or `Csv | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for option in get_args(annotation) if (found := _model_in(option))), None)
