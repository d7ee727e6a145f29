"""TIFF masks of any suffix, read by windows: index masks of any type, colours, palettes.

with TiffMask(path, colour=False) as mask:
    mask.shape, mask.nodata, mask.georeference
    mask.read(0, 512, 0, 512)               # (512, 512) as stored; (512, 512, 3) uint8 RGB of a colour mask
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lib.errors import DataError
from lib.rasters.opening import Closing, environment, georeference_of, is_one_bit, opened, palette_of, told


class TiffMask(Closing):
    """A TIFF mask on disk, open for reading; not for several threads at once.

    `colour`: whether colours are wanted, a palette's too, or the stored numbers. Raises `DataError` for a file that is
    missing or damaged, and for bands that are neither.
    """

    def __init__(self, path: Path, colour: bool) -> None:
        self.path, self.wanted = Path(path), colour
        with told(path):
            self._file = opened(path, OVERVIEW_LEVEL="NONE")  # an averaged overview has values of no class
        kinds = [each.name for each in self._file.colorinterp]
        self.dtype = np.dtype(self._file.dtypes[0])
        self.shape = self._file.height, self._file.width
        self.nodata, self.georeference = self._file.nodata, georeference_of(self._file)
        self._bands = self._file.count - ("alpha" in kinds)
        self.colour = self._bands >= 3 and self.dtype == np.uint8
        self._palette = palette_of(self._file)
        self._black_and_white = is_one_bit(self._file)
        if self._bands not in (1, 3) or (self._bands == 3 and not self.colour) or self.dtype.kind not in "uif":
            self.close()
            what = f"{self._file.count} band{'s' if self._file.count > 1 else ''} of {self.dtype}"
            raise DataError(f"{path} has {what}; a mask has one band, or 8-bit red, green and blue")
        if colour and self.dtype != np.uint8:
            self.close()
            raise DataError(f"{path} holds {self.dtype} values; a colour mask is 8-bit RGB", 'masks.coding = "index"')

    def read(self, top: int, bottom: int, left: int, right: int, shape: tuple[int, int] | None = None) -> np.ndarray:
        """A window; at `shape` every so many pixels of it only. `DataError` for colours where numbers are wanted."""
        from rasterio.windows import Window

        window = Window(left, top, right - left, bottom - top)
        bands = [1, 2, 3] if self.colour else [1]
        with told(self.path), environment():
            planes = self._file.read(bands, window=window, out_shape=(len(bands), *shape) if shape else None)
        if self.wanted:
            return self._colours(planes)
        if self.colour and not ((planes[0] == planes[1]) & (planes[0] == planes[2])).all():
            raise a_colour_picture(self.path)
        return planes[0]

    def _colours(self, planes: np.ndarray) -> np.ndarray:
        if self.colour:
            return np.ascontiguousarray(np.moveaxis(planes, 0, -1))
        if self._palette is not None:
            return self._palette[planes[0]]
        grey = planes[0] * np.uint8(255) if self._black_and_white else planes[0]
        return np.repeat(grey[..., None], 3, axis=-1)

    def close(self) -> None:
        self._file.close()


def a_colour_picture(source: Path | str) -> DataError:
    """What is said of colours where masks are coded by index."""
    return DataError(f"{source} is a colour picture, and masks are coded by index", 'set masks.coding = "colour"')
