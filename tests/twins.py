"""Small twins of the competitions' data: the same folders, names, formats, bands, codings, lists, georeference.

    made = twin("catalonia", tmp_path)        # .root, .labels: what was drawn, {id: (H, W) uint8, 255 = ignored}

Every class and every ignored value stands in it somewhere. Labels have the mask file's own grid.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import rasterio
from affine import Affine
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning

from lib.competitions import IGNORE, Competition, load
from lib.competitions.patterns import fill

Drawn = tuple[str, np.ndarray, np.ndarray]
"""An id, an image (H, W, 3) uint8, and codes (H, W): class indices, then the entries of `ignore`."""


@dataclass(frozen=True)
class Twin:
    """A data root, and what was drawn into its masks."""

    root: Path
    competition: Competition
    labels: dict[str, np.ndarray]


def twin(name: str, folder: Path, seed: int = 0) -> Twin:
    """Write a competition's twin into `folder`; the same seed gives the same pixels."""
    competition, root = load(name), Path(folder)
    artist = Artist(competition, np.random.default_rng([seed, sum(name.encode())]))
    drawn = MAKERS[name](artist, root)
    count = len(competition.classes)
    return Twin(
        root, competition, {key: np.where(codes < count, codes, IGNORE).astype(np.uint8) for key, codes in drawn}
    )


class Artist:
    """Draws patchworks of a competition's classes, each class's patches in a colour of its own."""

    def __init__(self, competition: Competition, rng: np.random.Generator) -> None:
        self.competition, self.rng = competition, rng
        self.entries = (*competition.classes, *competition.ignore)
        self.paint = rng.integers(30, 225, (len(self.entries), 3))
        self.values = np.array([*competition.values, *(label.value or 0 for label in competition.ignore)])
        self.colours = np.uint8([label.rgb for label in self.entries])

    def codes(self, height: int, width: int, entries: int | None = None) -> np.ndarray:
        """(H, W) uint8: a patchwork in which each of the first `entries` (default: all) has at least a patch."""
        count = entries or len(self.entries)
        owners = np.concatenate([self.rng.permutation(count), self.rng.integers(0, count, count + 6)])
        rows, columns = self.rng.uniform(0, height, len(owners)), self.rng.uniform(0, width, len(owners))
        y, x = np.mgrid[:height, :width]
        distance = (y[..., None] - rows) ** 2 + (x[..., None] - columns) ** 2
        return owners[distance.argmin(-1)].astype(np.uint8)

    def photograph(self, codes: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8: the patches' colours and noise."""
        noise = self.rng.normal(0, 8, (*codes.shape, 3))
        return np.clip(self.paint[codes] + noise, 0, 255).astype(np.uint8)

    def scenes(self, ids: list[str], height: int, width: int) -> Iterator[Drawn]:
        for identity in ids:
            codes = self.codes(height, width)
            yield identity, self.photograph(codes), codes


def picture(path: Path, pixels: np.ndarray, **how: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **how)


def raster(path: Path, pixels: np.ndarray, **profile: object) -> None:
    """A GeoTIFF of (H, W) or (H, W, B) pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bands = np.moveaxis(np.atleast_3d(pixels), -1, 0)
    size = {"count": bands.shape[0], "height": bands.shape[1], "width": bands.shape[2], "dtype": bands.dtype}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", driver="GTiff", compress="deflate", **size, **profile) as file:
            file.write(bands)


def north_up(left: float, top: float, side: float) -> Affine:
    """The transform of a raster whose first pixel's upper left corner lies there; `side` in metres."""
    return Affine(side, 0, left, 0, -side, top)


def _deepglobe(artist: Artist, root: Path) -> Iterator[tuple[str, np.ndarray]]:
    rows = []
    for identity, image, codes in artist.scenes(["119", "2334", "855"], 96, 96):
        picture(root / f"train/{identity}_sat.jpg", image, quality=90)
        pure = artist.colours[codes].astype(np.int16)
        impure = pure + np.where(pure > 127, -1, 1) * artist.rng.integers(0, 60, pure.shape)
        picture(root / f"train/{identity}_mask.png", impure.astype(np.uint8))
        rows.append(f"{identity},train,train/{identity}_sat.jpg,train/{identity}_mask.png")
        yield identity, codes
    for part, identity in (("valid", "10452"), ("test", "4444"), ("test", "80")):
        picture(root / f"{part}/{identity}_sat.jpg", artist.photograph(artist.codes(96, 96)), quality=90)
        rows.append(f"{identity},{part},{part}/{identity}_sat.jpg,")
    (root / "metadata.csv").write_text("image_id,split,sat_image_path,mask_path\n" + "\n".join(rows) + "\n")
    names = ["urban_land", "agriculture_land", "rangeland", "forest_land", "water", "barren_land", "unknown"]
    lines = [",".join([name, *map(str, label.rgb)]) for name, label in zip(names, artist.entries, strict=True)]
    (root / "class_dict.csv").write_text("name,r,g,b\n" + "\n".join(lines) + "\n")


def _harvey(artist: Artist, root: Path) -> Iterator[tuple[str, np.ndarray]]:
    for identity, image, codes in artist.scenes(["6411", "7005", "10170"], 128, 96):
        picture(root / f"train_images/{identity}.jpg", image, quality=90)
        picture(root / f"train_masks/{identity}.png", codes)
        yield identity, codes
    tests = ["6290", "8800"]
    for identity in tests:
        picture(root / f"test_images/{identity}.jpg", artist.photograph(artist.codes(128, 96)), quality=90)
    rows = [f"{identity}_{number},1 1" for identity in tests for number in range(1, 25)]
    (root / "sample_submission.csv").write_text("ImageClassId,rle_mask\n" + "\n".join(rows) + "\n")


def _landcoverai(artist: Artist, root: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Two images of a few tiles of 512 pixels and a rest at the right and lower border."""
    lists: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for place, (identity, height, width) in enumerate(
        [("M-33-20-D-c-4-2", 1100, 1240), ("N-34-140-A-d-3-4", 1240, 700)]
    ):
        coarse = artist.codes(height // 20, width // 20)
        codes = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST)
        image = cv2.resize(artist.photograph(coarse), (width, height), interpolation=cv2.INTER_NEAREST)
        at = {"crs": "EPSG:2180", "transform": north_up(360_000 + 9_000 * place, 500_000, 0.25)}
        raster(root / f"images/{identity}.tif", image, **at)
        raster(root / f"masks/{identity}.tif", codes, **at)
        across = -(-width // 512)
        whole = [row * across + column for row in range(height // 512) for column in range(width // 512)]
        for turn, k in enumerate(whole):
            lists[("train", "train", "val", "test")[turn % 4]].append(f"{identity}_{k}")
        yield identity, codes
    for name, lines in lists.items():
        (root / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))
    (root / "split.py").write_text("TARGET_SIZE = 512\n")


def _catalonia(artist: Artist, root: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Labels ten times finer than the images, the same ones for both months."""
    codes = artist.codes(640, 800)
    spot = {"crs": "EPSG:25831"}
    raster(
        root / "labels.tif",
        artist.values[codes].astype(np.uint8),
        nodata=0,
        transform=north_up(400_000, 4_600_000, 1),
        **spot,
    )
    spectra = artist.rng.integers(300, 4000, (len(artist.entries), 10))
    for month, light in (("april", 1.0), ("august", 1.2)):
        image = spectra[codes[5::10, 5::10]] * light + artist.rng.normal(0, 60, (64, 80, 10))
        image[codes[5::10, 5::10] == len(artist.competition.classes)] = 0
        pixels = np.clip(image, 0, 10_000).astype(np.uint16)
        raster(root / f"images/{month}.tif", pixels, nodata=0, transform=north_up(400_000, 4_600_000, 10), **spot)
        yield month, codes


def _dfc2019(artist: Artist, root: Path) -> Iterator[tuple[str, np.ndarray]]:
    ids = ["JAX_004_006", "JAX_004_010", "JAX_068_001", "OMA_211_003", "OMA_211_008", "OMA_288_002", "OMA_288_030"]
    for identity, image, codes in artist.scenes(ids, 64, 64):
        raster(root / f"Track1-RGB/{identity}_RGB.tif", image)
        raster(root / f"Track1-Truth/{identity}_CLS.tif", artist.values[codes].astype(np.uint8))
        raster(root / f"Track1-Truth/{identity}_AGL.tif", codes.astype(np.float32) * 3)
        yield identity, codes
    for identity in ("JAX_160_001", "OMA_374_038"):
        raster(root / f"Validate-Track1/{identity}_RGB.tif", artist.photograph(artist.codes(64, 64)))


def _dubai(artist: Artist, root: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Tiles 2 and 4 with palettes, black borders, and a classes.json whose colours no mask has but for one."""
    folder = root / "Semantic segmentation dataset"
    black = len(artist.entries) - 1
    for tile in range(1, 5):
        for part in ("image_part_001", "image_part_002"):
            codes = artist.codes(72 + 9 * tile, 95, entries=black)
            if part == "image_part_002":
                codes[:, -1] = black
            picture(folder / f"Tile {tile}/images/{part}.jpg", artist.photograph(codes), quality=90)
            picture(folder / f"Tile {tile}/masks/{part}.png", artist.colours[codes])
            if tile in (2, 4):
                stored = Image.fromarray(codes)
                stored.putpalette(artist.colours.tobytes())
                stored.save(folder / f"Tile {tile}/masks/{part}.png")
            yield f"tile{tile}_{part}", codes
    wrong = {"Water": "#50E3C2", "Land (unpaved area)": "#F5A623", "Road": "#DE597F", "Building": "#D0021B"}
    said = wrong | {"Vegetation": "#417505", "Unlabeled": "#9B9B9B"}
    document = {"classes": [{"title": title, "shape": "polygon", "color": colour} for title, colour in said.items()]}
    (folder / "classes.json").write_text(json.dumps(document))


def _sample(artist: Artist, root: Path) -> Iterator[tuple[str, np.ndarray]]:
    data, rows = artist.competition.data, []
    for part, ids in ((data.train, ["1000", "1001", "1002"]), (data.test, ["5000", "5007"])):
        for identity, image, codes in artist.scenes(ids, 80, 112):
            picture(root / fill(part.images, {"id": identity}), image)
            picture(root / fill(part.masks, {"id": identity}), artist.colours[codes])
            if part is data.train:
                yield identity, codes
            else:
                rows += [f"{identity}_{index},1 1" for index in range(len(artist.competition.classes))]
    (root / "sample_submission.csv").write_text("ImageClassId,rle_mask\n" + "\n".join(rows) + "\n")


MAKERS: dict[str, Callable[[Artist, Path], Iterator[tuple[str, np.ndarray]]]] = {
    "catalonia": _catalonia,
    "deepglobe": _deepglobe,
    "dfc2019": _dfc2019,
    "dubai": _dubai,
    "harvey": _harvey,
    "landcoverai": _landcoverai,
    "sample": _sample,
}
