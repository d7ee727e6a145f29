"""Writing rasters block by block: a label map that grows on disk and survives its process, and tiled GeoTIFFs.

    part = PartFile(path, shape, np.uint8, identity={"model": "…"})     # goes on where an earlier process stopped
    part.add(top, left, rows)                                           # rows [top, …), columns [left, …)
    write_geotiff(out, shape, np.uint8, part.blocks(), georeference)    # tiled, compressed, whole or not at all
    part.remove()

Pixels lie in `.NAME.part` as they are, and `.NAME.json` says which of them are there: it is written after them.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lib import files
from lib.errors import Failed
from lib.rasters.opening import environment, leave_unheard
from lib.rasters.places import Georeference

TILE = 512
"""Side of a GeoTIFF's tiles."""

Block = tuple[int, int, np.ndarray]
"""Top, left, and an array (h, w), or (bands, h, w)."""


class PartFile:
    """A raster (H, W) on disk that is being filled, panel of columns by panel, each from the top."""

    def __init__(self, target: Path, shape: tuple[int, int], dtype: Any, identity: Any) -> None:
        """Open `target`'s part, or begin a new one where there is none of this `identity`."""
        self.path = target.with_name(f".{target.name}.part")
        self.state = target.with_name(f".{target.name}.json")
        self.shape, self.dtype = shape, np.dtype(dtype)
        self.about = {"identity": identity, "shape": list(shape), "dtype": self.dtype.name}
        self.left, self.rows = 0, 0
        known = _state(self.state) if self.path.is_file() else {}
        if {key: known.get(key) for key in self.about} == self.about:
            self.left, self.rows = known["left"], known["rows"]
        else:
            self.remove()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(self.path, "r+b" if self.path.exists() else "w+b")  # noqa: SIM115 - closed by close()
        self._file.truncate(shape[0] * shape[1] * self.dtype.itemsize)

    def add(self, top: int, left: int, block: np.ndarray) -> None:
        """Write rows of the panel that begins at column `left`; what is above them and before it is there already."""
        width = self.shape[1]
        block = np.ascontiguousarray(block, self.dtype)
        with files.told(self.path):
            for row, pixels in [(top, block)] if block.shape[1] == width else enumerate(block, top):
                self._file.seek((row * width + left) * self.dtype.itemsize)
                self._file.write(pixels.tobytes())
            self._file.flush()
            os.fsync(self._file.fileno())
        self.left, self.rows = left, top + len(block)
        files.write_json(self.state, self.about | {"left": self.left, "rows": self.rows})

    def read(self, top: int, bottom: int, left: int = 0, right: int | None = None) -> np.ndarray:
        """A window (h, w) of what was written."""
        width = self.shape[1]
        self._file.seek(top * width * self.dtype.itemsize)
        rows = np.fromfile(self._file, self.dtype, (bottom - top) * width).reshape(-1, width)
        return rows[:, left:right]

    def blocks(self) -> Iterator[Block]:
        """All of it, from the top, as many rows at a time as a tile has."""
        for top in range(0, self.shape[0], TILE):
            yield top, 0, self.read(top, min(self.shape[0], top + TILE))

    def close(self) -> None:
        """Close the file; it stays."""
        self._file.close()

    def remove(self) -> None:
        """Delete it."""
        if hasattr(self, "_file"):
            self._file.close()
        self.state.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


def write_geotiff(
    path: Path,
    shape: tuple[int, int],
    dtype: Any,
    blocks: Iterable[Block],
    georeference: Georeference | None = None,
    bands: int = 1,
    names: tuple[str, ...] = (),
    tags: dict[str, str] | None = None,
) -> None:
    """Write blocks as a tiled, deflated GeoTIFF, whole or not at all.

    CRS, transform and nodata are those of `georeference`; a nodata value that `dtype` cannot hold is left out. `names`
    describe the bands. BigTIFF from 4 GB on. Raises `Failed` where nothing can be written.
    """
    import rasterio
    from rasterio.errors import RasterioError
    from rasterio.windows import Window

    path.parent.mkdir(parents=True, exist_ok=True)
    place = {"crs": georeference.crs, "transform": georeference.transform} if georeference else {}
    nodata = georeference.nodata if georeference else None
    if nodata is not None and np.can_cast(np.min_scalar_type(_whole(nodata)), dtype):
        place["nodata"] = nodata
    tiles = {"tiled": True, "blockxsize": TILE, "blockysize": TILE} if min(shape) >= TILE else {}
    form = {"driver": "GTiff", "height": shape[0], "width": shape[1], "count": bands, "dtype": np.dtype(dtype).name}
    form |= {"compress": "deflate", "bigtiff": "if_safer", "interleave": "band", "num_threads": "all_cpus"} | tiles
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".part", dir=path.parent)
    os.close(handle)
    leave_unheard()
    try:
        with environment(), rasterio.open(name, "w", **form, **place) as file:
            file.update_tags(**(tags or {}))
            for number, text in enumerate(names, start=1):
                file.set_band_description(number, text)
            for top, left, block in blocks:
                planes = block if block.ndim == 3 else block[None]
                file.write(planes, window=Window(left, top, planes.shape[2], planes.shape[1]))
        os.chmod(name, 0o644)
        os.replace(name, path)
    except RasterioError as error:
        raise Failed(
            f"{path} cannot be written: {str(error).splitlines()[0]}", "free space, or another place"
        ) from None
    finally:
        Path(name).unlink(missing_ok=True)


def in_tiles(rows: Iterable[tuple[int, np.ndarray]]) -> Iterator[Block]:
    """Bands of rows that follow each other, (…, h, w), as blocks of whole rows of tiles: none is compressed twice."""
    waiting: list[np.ndarray] = []
    begin = held = 0
    for _, band in rows:
        waiting.append(band)
        held += band.shape[-2]
        while held >= TILE:
            joined = np.concatenate(waiting, axis=-2) if len(waiting) > 1 else waiting[0]
            yield begin, 0, joined[..., :TILE, :]
            waiting, begin, held = [joined[..., TILE:, :]], begin + TILE, held - TILE
    if held:
        yield begin, 0, np.concatenate(waiting, axis=-2)


def _whole(value: float) -> Any:
    return int(value) if float(value).is_integer() else value


def _state(path: Path) -> dict[str, Any]:
    try:
        content = files.read_json(path)
    except Failed:
        return {}
    return content if isinstance(content, dict) else {}
