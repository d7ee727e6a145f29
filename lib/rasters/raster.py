"""TIFF and GeoTIFF images of any suffix, bands and type, read through GDAL so that only a window is in memory.

with Raster(path, images, radiometry) as image:
    image.raw(0, 512, 0, 512)       # (512, 512, B) of the file's dtype
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from lib.competitions.pixels import Images
from lib.rasters.bands import PLAIN, Found, chosen_bands
from lib.rasters.base import ImageReader, Resized
from lib.rasters.opening import environment, georeference_of, opened, palette_of, told
from lib.rasters.orientation import exif_orientation, stored_window, turned, turned_shape, turned_transform
from lib.rasters.radiometry import IMAGENET, Radiometry


class Raster(ImageReader):
    """A TIFF on disk, open for reading; not for several threads at once.

    Raises `DataError` for a file that is missing or damaged, for a band that it lacks, and for one that is not 8-bit
    grey or RGB where `images.bands` does not choose.
    """

    def __init__(
        self,
        path: Path,
        images: Images = PLAIN,
        radiometry: Radiometry = IMAGENET,
        level: int | None = None,
    ) -> None:
        """`level`: one of the file's overviews, from 0, in its place."""
        self.path, self.images, self.radiometry = Path(path), images, radiometry
        with told(path), environment():
            self._file = file = opened(path, **({} if level is None else {"overview_level": level}))
            self._factors = [] if level is not None else file.overviews(1)
        try:
            kinds = [each.name for each in file.colorinterp]
            self._palette = palette_of(file)
            alpha = kinds.index("alpha") + 1 if "alpha" in kinds else None
            dtype = np.dtype(file.dtypes[0] if len(set(file.dtypes)) == 1 else np.result_type(*file.dtypes))
            found = Found(file.count, dtype, alpha) if self._palette is None else Found(3, np.dtype(np.uint8))
            self.dtype = found.dtype
            self.bands = chosen_bands(found, images, path)
        except BaseException:
            file.close()
            raise
        self._alpha = None if alpha in self.bands else alpha
        self._nodata = self._no_data()
        self._masked = self._nodata is None and (
            self._alpha is not None or "per_dataset" in [flag.name for flag in file.mask_flag_enums[0]]
        )
        if alpha is not None and self._alpha is None:
            self._masked = False  # transparency is one of the bands that the model sees
        self.may_lack_data = self._masked or self._nodata is not None or self.dtype.kind == "f"
        self.orientation = exif_orientation(path) if images.orientation == "exif" else 1
        self.shape = turned_shape((file.height, file.width), self.orientation)
        place = georeference_of(file)
        if place is not None and self.orientation != 1:
            place = replace(place, transform=turned_transform(place.transform, self.shape, self.orientation))
        self.georeference = place

    def _no_data(self) -> tuple[float, ...] | None:
        """The value of each band that means no data; of a palette, the index."""
        bands = (1,) if self._palette is not None else self.bands
        values = [self.images.nodata] * len(bands)
        if self.images.nodata is None:
            values = [self._file.nodatavals[band - 1] for band in bands]
        return None if None in values else tuple(values)

    def pixels(self, top: int, bottom: int, left: int, right: int) -> tuple[np.ndarray, np.ndarray | None]:
        from rasterio.windows import Window

        above, below, begin, end = stored_window((top, bottom, left, right), self.shape, self.orientation)
        window = Window(begin, above, end - begin, below - above)
        bands = (1,) if self._palette is not None else self.bands
        distinct = sorted(set(bands))
        with told(self.path), environment():
            planes = self._file.read(distinct, window=window)
            mask = self._file.read_masks(distinct[0], window=window) != 0 if self._masked else None
        stored = np.moveaxis(planes, 0, -1)
        if list(bands) != distinct:
            stored = stored[..., [distinct.index(band) for band in bands]]
        stored = np.ascontiguousarray(stored)
        valid = self._valid(stored, mask)
        if self._palette is not None:
            stored = self._palette[stored[..., 0]][..., [band - 1 for band in self.bands]]
        if self.orientation != 1:
            stored = np.ascontiguousarray(turned(stored, self.orientation))
            valid = None if valid is None else np.ascontiguousarray(turned(valid, self.orientation))
        return stored, valid

    def _valid(self, stored: np.ndarray, valid: np.ndarray | None) -> np.ndarray | None:
        """Which pixels have data: not where all bands have the no-data value, nor where any is no number."""
        if self._nodata is not None:
            valid = ~np.logical_and.reduce([_is(stored[..., band], value) for band, value in enumerate(self._nodata)])
        if stored.dtype.kind == "f":
            numbers = np.isfinite(stored).all(axis=-1)
            valid = numbers if valid is None else valid & numbers
        return None if valid is None or valid.all() else valid

    def at(self, shape: tuple[int, int]) -> ImageReader:
        """The raster at another size, from its smallest overview that is still larger, where it has some."""
        shape = int(shape[0]), int(shape[1])
        if shape == self.shape:
            return self
        shrink = min(own / seen for own, seen in zip(self.shape, shape, strict=True))
        fitting = [level for level, factor in enumerate(self._factors) if factor <= shrink]
        if not fitting:
            return Resized(self, shape)
        level = max(fitting, key=lambda level: self._factors[level])
        return Resized(Raster(self.path, self.images, self.radiometry, level), shape, self)

    def close(self) -> None:
        self._file.close()


def _is(plane: np.ndarray, value: float) -> np.ndarray:
    """Where a band has a value, as far as its type can hold it."""
    if np.isnan(value):
        return np.isnan(plane) if plane.dtype.kind == "f" else np.zeros(plane.shape, bool)
    with np.errstate(over="ignore"):
        return plane == (plane.dtype.type(value) if plane.dtype.kind == "f" else value)
