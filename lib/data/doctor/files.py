"""Files that cannot be read, and masks saved in a way that changes their values."""

from __future__ import annotations

from collections.abc import Sequence

from lib.competitions import Competition
from lib.data.doctor.findings import Example, Finding, several
from lib.data.doctor.records import Record


def check(records: Sequence[Record], competition: Competition | None) -> list[Finding]:
    """Unreadable and truncated files, empty ones, JPEG masks, masks with numbers that are not whole."""
    found = []
    for kind in ("image", "mask"):
        seen = [
            file for record in records if (file := getattr(record, kind)) and not (record.stray and kind == "image")
        ]
        broken = [file for file in seen if file.error]
        if broken:
            what = f"{several(len(broken), kind)} that cannot be read: the first {broken[0].error}"
            fix = "download the files again, or leave them out of the data folder"
            example = Example(broken[0].path) if kind == "image" else Example(mask=broken[0].path)
            paths = tuple(file.path for file in broken)
            found.append(Finding("error", "files", what, paths, len(broken) / len(seen), fix, example))
    masks = [record for record in records if record.mask and record.mask.readable]
    lossy = [record for record in masks if record.mask.head.format == "JPEG"]
    if lossy:
        told = competition is not None and (competition.masks.threshold or competition.masks.tolerance)
        kinds = max(len(record.mask.values.codes) for record in lossy)
        what = f"{several(len(lossy), 'mask')} saved as JPEG, which changes values: up to {kinds:,} in one"
        fix = "save masks as PNG from their source; or read them with masks.threshold or masks.tolerance"
        example = Example(lossy[0].shown, lossy[0].mask.path)
        paths = tuple(record.mask.path for record in lossy)
        level = "warning" if told else "error"
        found.append(Finding(level, "files", what, paths, len(lossy) / len(masks), fix, example))
    fractional = [record for record in masks if record.mask.values.fractional]
    if fractional:
        what = f"{several(len(fractional), 'mask')} with numbers that are not whole, which are no classes"
        fix = "save class numbers as whole numbers"
        example = Example(fractional[0].shown, fractional[0].mask.path)
        paths = tuple(record.mask.path for record in fractional)
        found.append(Finding("error", "files", what, paths, len(fractional) / len(masks), fix, example))
    return found
