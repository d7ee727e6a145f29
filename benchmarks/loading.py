"""Loading: crops for training by the kit's loader, and by the way that is usual.

    python -m benchmarks load

The peer's data set reads an image and its mask whole for every crop (cv2.imread, or rasterio for ten bands), and
albumentations cuts the crop and changes it. The kit's has decoded every image once before, as a session does while it
checks the files; that is not in the time, and each row says how long it took.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.case import Call, Case, Disagreement, Inputs

if TYPE_CHECKING:
    import numpy as np

CROPS = 64
"""A call's crops; a loader's workers stay between calls, as between epochs."""

CROP, BATCH = 512, 8
IMAGES = 4
BANDS = 10

KINDS = {"4000x3000 JPEG": (4000, 3000), "2448x2448 JPEG": (2448, 2448), "10-band GeoTIFF": (2000, 2000)}
"""Height and width at full scale."""


def kit(inputs: Inputs, kind: str, workers: int) -> Call:
    """The kit's crops, from its cache."""
    from torch.utils.data import DataLoader

    from lib.data.datasets import EpochShare, TrainingCrops
    from lib.data.ready import make_ready
    from lib.recipe import resolve

    root, competition = _set(inputs, kind)
    keys = {"data.crop": CROP, "data.augment": "light", "data.validation": 1 / IMAGES}
    recipe, _ = resolve([("benchmark", keys | {"train.batch": BATCH, "train.steps": CROPS // BATCH})])
    began = time.perf_counter()
    ready = make_ready(competition, recipe, root, inputs.scratch("scratch"), lambda text: None)
    _seconds[kind] = time.perf_counter() - began
    crops = TrainingCrops(ready.census, ready.pool, ready.reading, recipe)
    sampler = EpochShare(CROPS // BATCH, BATCH, 0, 1)
    return partial(
        _drawn, DataLoader(crops, BATCH, sampler=sampler, num_workers=workers, persistent_workers=workers > 0)
    )


def usual(inputs: Inputs, kind: str, workers: int) -> Call:
    """Read the whole, crop, change."""
    from torch.utils.data import DataLoader

    root, _ = _set(inputs, kind)
    return partial(_drawn, DataLoader(Usual(root), BATCH, num_workers=workers, persistent_workers=workers > 0))


class Usual:
    """What tutorials write."""

    def __init__(self, root: Path) -> None:
        import albumentations as A

        self.images = sorted((root / "images").iterdir())
        self.masks = sorted((root / "masks").iterdir())
        steps = [A.PadIfNeeded(CROP, CROP), A.RandomCrop(CROP, CROP), A.D4(p=1)]
        self.transform = A.Compose([*steps, A.RandomBrightnessContrast(0.1, 0.1, p=0.5)])

    def __len__(self) -> int:
        return CROPS

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        import cv2
        import numpy as np

        place = number % (len(self.images) - 1)
        path = self.images[place]
        if path.suffix == ".tif":
            import rasterio

            with rasterio.open(path) as file:
                image = np.ascontiguousarray(file.read().transpose(1, 2, 0).astype(np.float32) / 10000).clip(0, 1)
        else:
            image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        drawn = self.transform(image=image, mask=cv2.imread(str(self.masks[place]), cv2.IMREAD_UNCHANGED))
        return np.ascontiguousarray(drawn["image"].transpose(2, 0, 1)), drawn["mask"]


def alike(ours: list[Any], theirs: list[Any], inputs: Inputs, kind: str) -> str:
    """As many crops, of the same shape."""
    for image, mask in (ours, theirs):
        channels = BANDS if "band" in kind else 3
        if image != (CROPS, channels, CROP, CROP) or mask != (CROPS, CROP, CROP):
            raise Disagreement(f"crops are {image} and {mask}")
    return f"; the kit read the set once before, in {_seconds[kind]:.1f} s"


_seconds: dict[str, float] = {}


def _drawn(loader: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shapes of all crops together."""
    count, image, mask = 0, None, None
    for images, masks in loader:
        count, image, mask = count + len(images), images.shape[1:], masks.shape[1:]
    return (count, *image), (count, *mask)


def _set(inputs: Inputs, kind: str) -> tuple[Path, Any]:
    """A folder of images and masks, and its competition."""
    import cv2
    import numpy as np

    from lib.competitions import Competition

    labels = inputs.array("labels")
    share = labels.shape[0] / 4000
    height, width = (max(CROP // 2, round(side * share)) for side in KINDS[kind])
    labels = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST)
    root = inputs.scratch(kind.replace(" ", "-"))
    bands = "band" in kind
    for number in range(IMAGES):
        folder = root / "masks"
        folder.mkdir(exist_ok=True)
        (root / "images").mkdir(exist_ok=True)
        path = root / "images" / f"{number}.{'tif' if bands else 'jpg'}"
        if path.exists():
            continue
        moved = np.roll(labels, 97 * number, axis=0)
        cv2.imwrite(str(folder / f"{number}.png"), moved)
        random = np.random.default_rng(number)
        grain = random.integers(0, 32, (height, width, 1)).astype(np.uint8)
        if bands:
            _write_bands(path, random.integers(200, 6000, (256, BANDS)).astype(np.uint16)[moved] + 30 * grain)
        else:
            cv2.imwrite(str(path), random.integers(40, 216, (256, 3)).astype(np.uint8)[moved] + grain)
    described = {
        "name": "benchmark",
        "data": {"train": {"images": f"images/{{id}}.{'tif' if bands else 'jpg'}", "masks": "masks/{id}.png"}},
        "images": {"bands": list(range(1, BANDS + 1))} if bands else {},
        "classes": [{"name": f"class {index}"} for index in range(25)],
        "submission": {"zip": {}},
    }
    return root, Competition.model_validate(described)


def _write_bands(path: Path, pixels: np.ndarray) -> None:
    """(H, W, B) uint16 as a tiled GeoTIFF."""
    import rasterio
    from rasterio import Affine

    height, width, bands = pixels.shape
    form = {
        "driver": "GTiff",
        "height": height,
        "width": width,
        "count": bands,
        "dtype": "uint16",
        "compress": "deflate",
    }
    place = {"crs": "EPSG:32631", "transform": Affine(10, 0, 300000, 0, -10, 4600000)}
    with rasterio.open(path, "w", **form, **place, tiled=True, blockxsize=256, blockysize=256) as file:
        file.write(pixels.transpose(2, 0, 1))


def _case(kind: str, workers: int) -> Case:
    reads = "rasterio" if "band" in kind else "cv2.imread"
    name = f"load crops, {kind}, {workers} worker{'s' if workers > 1 else ''}"
    sides: list[Callable] = [partial(side, kind=kind, workers=workers) for side in (kit, usual)]
    usual_name, same = f"{reads} of the whole + albumentations", partial(alike, kind=kind)
    return Case(name, usual_name, *sides, same, gives=(CROPS, "crops"), in_workers=True)


CASES = tuple(_case(kind, workers) for kind in KINDS for workers in (1, 2))
