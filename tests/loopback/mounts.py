"""Data sources: which of them exist, and where a session finds them below /kaggle/input.

    sources = resolve(server, {"datasetDataSources": ["me/tiles", "me/typo"]})
    sources.rejected    # {"invalidDatasetSources": ["me/typo"]}
    sources.mounts      # {"datasets/me/tiles": Path(…)} in the new layout, {"tiles": Path(…)} in the old one

A session starts without the sources that were rejected.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import datasets

INVALID = {
    "datasetDataSources": "invalidDatasetSources",
    "competitionDataSources": "invalidCompetitionSources",
    "kernelDataSources": "invalidKernelSources",
    "modelDataSources": "invalidModelSources",
}


@dataclass(frozen=True)
class Sources:
    """`accepted` and `rejected` by their names on the wire; `mounts`: what lies where below input/."""

    accepted: dict[str, list[str]]
    rejected: dict[str, list[str]]
    mounts: dict[str, Path]


@dataclass(frozen=True)
class _Mount:
    new: str
    old: str
    target: Path | None  # None: the source is valid, but there is nothing to see


def resolve(server: Any, request: Mapping[str, Any]) -> Sources:
    """Look every source of a SaveKernel request up in the server's registries."""
    found = Sources({}, {}, {})
    for kind, invalid in INVALID.items():
        for source in request.get(kind, []):
            mount = _find(server, kind, source)
            if mount is None:
                found.rejected.setdefault(invalid, []).append(source)
                continue
            found.accepted.setdefault(kind, []).append(source)
            if mount.target is not None:
                found.mounts.setdefault(mount.new if server.layout == "new" else mount.old, mount.target)
    return found


def lay_out(folder: Path, mounts: Mapping[str, Path]) -> None:
    """Make Kaggle's folders below `folder`, with a symlink in input/ for every mount."""
    for name in ("src", "input", "working", "temp"):
        (folder / name).mkdir(parents=True)
    for name, target in mounts.items():
        link = folder / "input" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(Path(target).resolve(), target_is_directory=True)


def _find(server: Any, kind: str, source: str) -> _Mount | None:
    match kind, source.split("/"):
        case "datasetDataSources", [owner, slug, *_]:
            target = server.datasets.get(f"{owner}/{slug}")
            ready = datasets.state(server, f"{owner}/{slug}") == datasets.READY
            return target and _Mount(f"datasets/{owner}/{slug}", slug, target if ready else None)
        case "competitionDataSources", [slug]:
            competition = server.competitions.get(slug)
            if competition is None or not competition.user_has_entered:
                return None
            return _Mount(f"competitions/{slug}", slug, competition.data)
        case "kernelDataSources", [owner, slug, *version]:
            kernel = server.kernels.get(slug) if owner == server.owner else None
            if kernel is None:
                return None
            wanted = [one for one in kernel.versions if version in ([], [str(one.number)])]
            complete = [one for one in wanted if one.status == "COMPLETE"]
            target = complete[-1].folder / "working" if complete else None
            return _Mount(f"notebooks/{owner}/{slug}", slug, target)
        case "modelDataSources", [_, *rest]:
            target = server.models.get(source)
            return target and _Mount(f"models/{source}", "/".join(rest), target)
    return None
