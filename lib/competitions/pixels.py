"""What a competition's TOML file may say about pixels: how images are read, how a mask file says which class is where.

[images]                        [masks]
bands = [2, 3, 4, 8]            coding = "colour"
nodata = -9999                  tolerance = 10
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from lib.validation import Strict

Resampling = Literal["nearest", "majority", "weighted"]


class Images(Strict):
    """How an image's pixels are read."""

    bands: Annotated[tuple[PositiveInt, ...], Field(min_length=1, max_length=64)] | None = None
    """The bands of each file that the model sees, from 1. Default: red, green and blue of an 8-bit picture, a grey one
    three times."""
    names: tuple[str, ...] | None = None
    """What the bands are called."""
    show: tuple[PositiveInt, PositiveInt, PositiveInt] | None = None
    """Three of `bands` that pictures for people show as red, green and blue. Default: the first three."""
    nodata: float | None = None
    """The value that means no data. Default: what each file says itself (a tag, an alpha band), and NaN."""
    orientation: Literal["stored", "exif"] = "stored"
    """Whether a camera's orientation tag is applied: masks fit the one or the other."""

    @model_validator(mode="after")
    def _names_fit(self) -> Images:
        if self.names is not None and len(self.names) != self.channels:
            raise ValueError(f"names: {len(self.names)} names for {self.channels} bands")
        strange = set(self.show or ()) - set(self.bands or (1, 2, 3))
        if strange:
            raise ValueError(f"show: band {strange.pop()} is not one of bands")
        return self

    @property
    def channels(self) -> int:
        """How many bands the model sees."""
        return len(self.bands) if self.bands else 3

    @property
    def shown(self) -> tuple[int, int, int]:
        """Places among the bands that the model sees of those that pictures show as red, green and blue."""
        if self.show is None:
            return 0, min(1, self.channels - 1), min(2, self.channels - 1)
        bands = self.bands or (1, 2, 3)
        return tuple(bands.index(band) for band in self.show)


class Masks(Strict):
    """How a mask file says which class a pixel has."""

    coding: Literal["index", "colour"] = "index"
    threshold: int | None = Field(default=None, ge=1, le=255)
    """Values at or above it count as 255, below as 0, before they are compared: for colours each channel (DeepGlobe:
    128), for index masks of 0 and 255 with soft borders the value."""
    tolerance: int = Field(default=0, ge=0, le=127)
    """A colour that no class has is read as the nearest class's when no channel differs by more."""
    resample: Resampling | None = None
    """How labels on another grid than their image's come onto it: the nearest label, the most frequent one, or the most
    frequent one with rare classes counting more. Default: image and mask must have one size."""
