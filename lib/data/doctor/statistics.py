"""What the pixels of the images are: sizes, bands, types, each band's range, mean and deviation, dark and blank ones.

bands = Bands(3, np.uint8); bands.see(pixels); bands.table()      # of one image, strip by strip
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.competitions import Competition
from lib.data.doctor.findings import Example, Finding, several

if TYPE_CHECKING:
    from lib.data.doctor.records import Record

SAMPLE = 4096
"""Pixels of an image that are kept for percentiles of numbers with more than 8 bits."""

PERCENTILES = (1, 50, 99)
DARK = 12
"""Mean of 255 below which an 8-bit image is dark."""

BINS = 32
"""Bars of a histogram."""


class Bands:
    """Sums over one image's bands; pixels of no data are counted apart."""

    def __init__(self, bands: int, dtype: np.dtype, nodata: float | None = None) -> None:
        self.bands, self.dtype, self.nodata = bands, np.dtype(dtype), nodata
        self.pixels = self.missing = 0
        self.count, self.sum, self.squares = np.zeros(bands), np.zeros(bands), np.zeros(bands)
        self.low, self.high = np.full(bands, np.inf), np.full(bands, -np.inf)
        self.histogram = np.zeros((bands, 256), np.int64)
        """Of 8-bit bands: how often each value stands."""
        self.sample: list[np.ndarray] = []
        """Of other bands: (n, B) values."""

    def see(self, pixels: np.ndarray) -> None:
        """Add a strip (h, W, B)."""
        flat = pixels.reshape(-1, self.bands)
        self.pixels += len(flat)
        if self.dtype == np.uint8 and self.nodata is None:
            for band in range(self.bands):
                self.histogram[band] += np.bincount(flat[:, band], minlength=256)
            values = np.arange(256.0)
            self.count = self.histogram.sum(axis=1).astype(float)
            self.sum, self.squares = self.histogram @ values, self.histogram @ values**2
            there = [np.flatnonzero(row) for row in self.histogram]
            self.low, self.high = np.array([row[0] for row in there]), np.array([row[-1] for row in there])
            return
        known = np.isfinite(flat) if flat.dtype.kind == "f" else np.ones(flat.shape, bool)
        if self.nodata is not None and np.isfinite(self.nodata):
            known &= flat != self.nodata
        self.missing += int((~known.all(axis=1)).sum())
        values = np.where(known, flat, 0).astype(np.float64)
        self.count += known.sum(axis=0)
        self.sum += values.sum(axis=0)
        self.squares += (values**2).sum(axis=0)
        far = np.where(known, flat, np.nan).astype(np.float64)
        self.low = np.fmin(self.low, np.fmin.reduce(far, axis=0))
        self.high = np.fmax(self.high, np.fmax.reduce(far, axis=0))
        self.sample.append(far[:: max(1, len(far) // SAMPLE)][:SAMPLE].astype(np.float32))

    @property
    def means(self) -> np.ndarray:
        """Mean of each band, (B,)."""
        return self.sum / np.maximum(self.count, 1)

    @property
    def blank(self) -> bool:
        """Whether every band has one value only."""
        return bool(self.count.sum() and (self.high <= self.low).all())


def table(bands: Sequence[Bands]) -> list[dict[str, Any]]:
    """A row for each band over images of one kind: mean, std, min, max, percentiles, a histogram."""
    rows = []
    for band in range(bands[0].bands if bands else 0):
        pixels = sum(each.count[band] for each in bands)
        if not pixels:
            continue
        mean = sum(each.sum[band] for each in bands) / pixels
        deviation = max(0.0, sum(each.squares[band] for each in bands) / pixels - mean**2) ** 0.5
        values, weights = _values(bands, band)
        low, high = min(each.low[band] for each in bands), max(each.high[band] for each in bands)
        places = np.searchsorted(np.cumsum(weights), np.array(PERCENTILES) / 100 * weights.sum())
        bars, _ = np.histogram(
            values, BINS, (float(low), float(high) if high > low else float(low) + 1), weights=weights
        )
        rows.append(
            {
                "band": band + 1,
                "mean": round(float(mean), 4),
                "std": round(float(deviation), 4),
                "min": float(low),
                "max": float(high),
                "percentiles": {
                    str(share): float(values[min(place, len(values) - 1)])
                    for share, place in zip(PERCENTILES, places, strict=True)
                },
                "histogram": [round(float(bar), 5) for bar in bars / max(bars.sum(), 1)],
            }
        )
    return rows


def _values(bands: Sequence[Bands], band: int) -> tuple[np.ndarray, np.ndarray]:
    """Sorted values of a band with their weights."""
    if not bands[0].sample:
        return np.arange(256), sum(each.histogram[band] for each in bands)
    values = np.concatenate([part[:, band] for each in bands for part in each.sample])
    values = np.sort(values[np.isfinite(values)])
    return values, np.ones(len(values))


def facts(records: Sequence[Record]) -> dict[str, Any]:
    """Sizes, bands and statistics of the images that could be read."""
    known = [record.image for record in records if record.image.bands]
    sizes = Counter(picture.head.shape for picture in known)
    kinds = Counter((picture.head.format, picture.head.bands, picture.head.dtype) for picture in known)
    common = next(iter(kinds.most_common(1)), ((None, 0, None), 0))[0]
    alike = [picture.bands for picture in known if (picture.head.bands, picture.head.dtype) == common[1:]]
    missing, pixels = sum(each.bands.missing for each in known), sum(each.bands.pixels for each in known)
    return {
        "sizes": [{"height": h, "width": w, "images": number} for (h, w), number in sizes.most_common()],
        "kinds": [
            {"format": form, "bands": bands, "dtype": dtype, "images": number}
            for (form, bands, dtype), number in kinds.most_common()
        ],
        "bands": table(alike),
        "nodata": missing / pixels if pixels else 0.0,
    }


def check(records: Sequence[Record], competition: Competition | None) -> list[Finding]:
    """Blank and dark images, images of no data, images that differ in bands or type from the others."""
    known = [record.image for record in records if record.image.bands]
    found = []

    def tell(level: str, chosen: list, what: str, fix: str) -> None:
        if chosen:
            paths = tuple(picture.path for picture in chosen)
            example = Example(chosen[0].path)
            found.append(Finding(level, "statistics", what, paths, len(paths) / len(known), fix, example))

    nothing = [picture for picture in known if not picture.bands.count.any()]
    blank = [picture for picture in known if picture.bands.blank]
    dark = [
        picture
        for picture in known
        if picture.bands.dtype == np.uint8 and not picture.bands.blank and picture.bands.means[:3].mean() < DARK
    ]
    none = [
        picture for picture in known if picture not in nothing and picture.bands.missing > 0.5 * picture.bands.pixels
    ]
    away = "look at them, and leave them out if they show nothing: data.exclude"
    tell("warning", nothing, f"{several(len(nothing), 'image')} hold nothing but no-data", away)
    tell("warning", blank, f"{several(len(blank), 'image')} of one single value", away)
    tell("warning", dark, f"{several(len(dark), 'image')} nearly black (mean below {DARK} of 255)", away)
    tell("note", none, f"{several(len(none), 'image')} more than half of which is no-data", away)
    found += _kinds(known, competition)
    return found


def _kinds(known: list, competition: Competition | None) -> list[Finding]:
    found = []
    kinds = Counter((picture.head.bands, picture.head.dtype) for picture in known)
    if len(kinds) > 1:
        common = kinds.most_common(1)[0][0]
        rare = [picture for picture in known if (picture.head.bands, picture.head.dtype) != common]
        words = ", ".join(f"{several(bands, 'band')} of {dtype} ({count})" for (bands, dtype), count in kinds.items())
        what = f"images are of {len(kinds)} kinds: {words}"
        fix = "convert the odd ones, or name the bands that all have: images.bands"
        paths = tuple(picture.path for picture in rare)
        found.append(Finding("warning", "statistics", what, paths, len(rare) / len(known), fix, Example(rare[0].path)))
    wanted = max(competition.images.bands) if competition and competition.images.bands else 0
    short = [picture for picture in known if picture.head.bands < wanted]
    if short:
        what = f"{several(len(short), 'image')} with fewer bands than images.bands asks for ({wanted})"
        paths = tuple(picture.path for picture in short)
        fix = "bring the files with all bands, or change images.bands"
        found.append(Finding("error", "statistics", what, paths, len(short) / len(known), fix, Example(short[0].path)))
    return found
