"""The masks that an earlier session of the same prediction has made: the next one takes them.

    begin(folders.working, bundle, sources)              # summary.json says what the masks are to be made of
    made = take(folders, bundle, output, sources)        # ids whose masks lie in the output's folder now

Masks are taken where the very same bundle made them (code, weights, options, competition) of images with as many bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lib import files
from lib.competitions import Pair
from lib.errors import DataError, Failed
from lib.folders import Folders
from lib.inference.output import Output
from lib.mounts import below, mounted, places
from lib.rasters.mask_names import confidences_of

SUMMARY = "summary.json"

MASKS = "predictions"
"""The folder of masks among a session's outputs."""


def sources_of(pairs: Iterable[Pair]) -> dict[str, int]:
    """Bytes of each image by its id; an image that cannot be looked at has -1."""
    found = {}
    for pair in pairs:
        try:
            found[pair.id] = pair.image.stat().st_size
        except OSError:
            found[pair.id] = -1
    return found


def begin(working: Path, bundle: str, sources: Mapping[str, int], **more: Any) -> None:
    """Write a summary.json from which a next session can go on, should this one be ended without another word."""
    content = {"finished": False, "bundle": bundle, "images": len(sources), "sources": dict(sources)}
    files.write_json(working / SUMMARY, content | more)


def take(folders: Folders, bundle: str, output: Output, sources: Mapping[str, int]) -> list[str]:
    """Copy the masks of the session that this one goes on from into the output's folder; the ids of their images.

    Raises `DataError` with the top of the mounted tree when none of this bundle's are mounted: a session that was told
    to go on never starts anew in silence.
    """
    if folders.resumes is None:
        return []
    for folder in _places(folders.inputs, folders.resumes):
        before = _sources_in(folder, bundle)
        if before is not None:
            same = [image for image, size in sources.items() if size >= 0 and before.get(image) == size]
            return [image for image in same if _copy(image, folder / MASKS, output)]
    raise DataError(
        f"this session goes on from {folders.resumes}, and nothing under {folders.inputs} was left by an unfinished "
        f"session of this run; {mounted(folders.inputs)}",
        f"only a version that is COMPLETE is mounted with its outputs: see https://www.kaggle.com/code/{folders.resumes}",
    )


def _copy(image: str, folder: Path, output: Output) -> bool:
    """Copy an image's mask, where there is a whole one, and what is beside it."""
    names = [name for name in output.names(image) if files.inside(folder, name).is_file()]
    for name in (confidences_of(image), *names[:1]) if names else ():  # the mask last: it says that all is there
        path = files.inside(folder, name)
        if path.is_file():
            files.copy(path, files.inside(output.folder, name))
    return bool(names)


def _sources_in(folder: Path, bundle: str) -> Mapping[str, int] | None:
    """What the masks of an unfinished session were made of; None where no such session of this bundle left any."""
    try:
        summary = files.read_json(folder / SUMMARY)
    except Failed:
        return None
    fits = isinstance(summary, dict) and summary.get("bundle") == bundle and summary.get("finished") is False
    sources = summary.get("sources") if fits else None
    return sources if isinstance(sources, dict) else None


def _places(inputs: Path, resumes: str) -> Iterator[Path]:
    yield from places(inputs, "notebooks", resumes)
    yield from sorted((inputs / "datasets").glob("*/*"))
    yield from below(inputs)
