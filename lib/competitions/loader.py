"""From a name or a path to a checked `Competition`."""

from __future__ import annotations

from pathlib import Path

from lib.competitions.schema import Competition
from lib.errors import UsageError
from lib.files import typed
from lib.validation import closest, read_toml, validated

HERE = Path(__file__).parent


def available() -> list[str]:
    """Names of the competitions that the kit brings."""
    return sorted(path.stem for path in HERE.glob("*.toml"))


def find(name: str | Path) -> Path:
    """The TOML file of a competition's name, or the path itself; `UsageError` when there is none."""
    if str(name) in available():
        return HERE / f"{name}.toml"
    path = Path(name).expanduser()
    if path.suffix == ".toml" or path.exists():
        if path.is_file():
            return path
        what = "is a folder" if path.is_dir() else "does not exist"
        raise UsageError(f"the competition file {path} {what}", f"a file NAME.toml, or {_names()}")
    raise UsageError(
        f"there is no competition {str(name)!r}", f"{closest(str(name), available())}; or a file NAME.toml"
    )


def spelled(file: Path) -> str:
    """The word that `-c` takes for a competition's file: the name of one of the kit's, else the path."""
    return file.stem if file.resolve().parent == HERE.resolve() else typed(file)


def load(name: str | Path) -> Competition:
    """Load and check a competition; a mistake names the file, the key, what was found and what is allowed."""
    return parse(find(name))


def parse(path: Path) -> Competition:
    """Load and check one TOML file."""
    return validated(Competition, read_toml(path), source=lambda key: str(path))


def _names() -> str:
    return "one of: " + ", ".join(available())
