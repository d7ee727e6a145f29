"""A recipe from its layers: defaults, competition, file, environment, `--set`; later ones win.

recipe, origins = resolve([("sample.toml", {"train": {"epochs": 12}}), ("--set", {"train.epochs": 30})])
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lib.errors import UsageError
from lib.recipe.recipe import Recipe
from lib.validation import closest, validated

ENVIRONMENT = "SWATH_"

Layer = tuple[str, Mapping[str, Any]]


def resolve(layers: list[Layer]) -> tuple[Recipe, dict[str, str]]:
    """Merge layers (later ones win) and check them; returns the recipe and each set key's layer.

    A layer is a name and a table, nested (`{"train": {"epochs": 3}}`) or dotted (`{"train.epochs": 3}`).
    Raises `UsageError` that names the layer, the key, what was found and what is allowed.
    """
    known = dict(leaves(Recipe().model_dump()))
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for name, table in layers:
        for key, value in leaves(table):
            if key not in known:
                raise UsageError(f"{name}: {key}: unknown recipe key", closest(key, sorted(known)))
            values[key], origins[key] = value, name
    return validated(Recipe, _nest(values), source=_layer_of(origins)), origins


def parse_setting(text: str) -> tuple[str, Any]:
    """One `--set KEY=VALUE`: the value is read as TOML, and as plain text when it is not TOML."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"--set {text!r}: write it as KEY=VALUE", "for example --set train.epochs=30")
    return key.strip(), _literal(value.strip())


def from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """Recipe keys set in the environment: `SWATH_TRAIN__EPOCHS=30` is train.epochs."""
    return {
        name.removeprefix(ENVIRONMENT).lower().replace("__", "."): _literal(value)
        for name, value in sorted(environment.items())
        if name.startswith(ENVIRONMENT) and "__" in name
    }


def _literal(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def leaves(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from leaves(value, f"{key}.")
        else:
            yield key, value


def _nest(values: Mapping[str, Any]) -> dict[str, Any]:
    """Tables from dotted keys: `{"train.lr": 0.001}` is `{"train": {"lr": 0.001}}`."""
    table: dict[str, Any] = {}
    for key, value in values.items():
        *parents, name = key.split(".")
        inner = table
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[name] = value
    return table


def _layer_of(origins: Mapping[str, str]) -> Callable[[str], str]:
    """For a key or a table, the last layer that set it."""

    def layer(key: str) -> str:
        setters = [name for known, name in origins.items() if known == key or known.startswith(f"{key}.")]
        return setters[-1] if setters else "recipe"

    return layer
