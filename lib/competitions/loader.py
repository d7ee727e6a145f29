"""From a name or a path to a checked `Competition`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lib.competitions.schema import Competition
from lib.errors import UsageError
from lib.files import typed
from lib.validation import closest, read_toml, validated

HERE = Path(__file__).parent
PRESETS = HERE / "presets"
CONTAINERS = {"csv", "zip", "folder", "coco"}
"""Tables that say what a file is, of which a competition has one."""


def available() -> list[str]:
    """Names of the competitions that the kit brings with their data's layout."""
    return sorted(path.stem for path in HERE.glob("*.toml"))


def presets() -> list[str]:
    """Names of the submission files and scores that the kit knows."""
    return sorted(path.stem for path in PRESETS.glob("*.toml"))


def find(name: str | Path) -> Path:
    """The TOML file of a competition's name, or the path itself; `UsageError` when there is none."""
    for folder, names in ((HERE, available()), (PRESETS, presets())):
        if str(name) in names:
            return folder / f"{name}.toml"
    path = Path(name).expanduser()
    if path.suffix == ".toml" or path.exists():
        if path.is_file():
            return path
        what = "is a folder" if path.is_dir() else "does not exist"
        raise UsageError(f"the competition file {path} {what}", f"a file NAME.toml, or {_names()}")
    known = [*available(), *presets()]
    raise UsageError(f"there is no competition {str(name)!r}", f"{closest(str(name), known)}; or a file NAME.toml")


def spelled(file: Path) -> str:
    """The word that `-c` takes for a competition's file: the name of one of the kit's, else the path."""
    return file.stem if file.resolve().parent in (HERE.resolve(), PRESETS.resolve()) else typed(file)


def load(name: str | Path) -> Competition:
    """Load and check a competition; a mistake names the file, the key, what was found and what is allowed."""
    return parse(find(name))


def parse(path: Path) -> Competition:
    """Load and check one TOML file, laid over the preset that it names."""
    return validated(Competition, _over_preset(read_toml(path), path), source=lambda key: str(path))


def _over_preset(own: dict[str, Any], path: Path) -> dict[str, Any]:
    """A file's content over its preset's: tables are merged key by key, everything else replaces the preset's.

    A table that says what the file is leaves none of the preset's others; a rule of its own leaves none of its rule.
    """
    name = own.pop("preset", None)
    if name is None:
        return own
    if name not in presets():
        raise UsageError(f"{path}: preset: found {name!r}", closest(str(name), presets()))
    preset = read_toml(PRESETS / f"{name}.toml")
    file, rule = own.get("submission"), own.get("metric")
    if isinstance(file, dict) and CONTAINERS & file.keys():
        preset["submission"] = {k: v for k, v in preset["submission"].items() if k in file or k not in CONTAINERS}
    if isinstance(rule, dict) and {"measure", "parts"} & rule.keys():
        del preset["metric"]
    return _merged(preset, own)


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    both = below.keys() & above.keys()
    tables = {key for key in both if isinstance(below[key], dict) and isinstance(above[key], dict)}
    return below | above | {key: _merged(below[key], above[key]) for key in tables}


def _names() -> str:
    return "one of: " + ", ".join([*available(), *presets()])
