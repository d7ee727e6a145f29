"""What is left of a predicted image: its mask, or its probabilities; and how each comes to the disk.

output = MaskOutput(predictor, competition, folder, decision)
write = output.predict("tile_7", prepared, identity)       # the model's part
write()                                                    # the encoder's, in another thread
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from lib import files
from lib.competitions import Competition
from lib.inference import probabilities
from lib.inference.areas import blocks_without_small
from lib.inference.bands import probability_bands
from lib.inference.confidence import Confidence
from lib.inference.decision import Decision
from lib.inference.labels import label_blocks, labels_of
from lib.inference.predictor import Predictor
from lib.inference.source import Prepared
from lib.rasters.coding import values
from lib.rasters.geotiff import Block, PartFile, write_geotiff
from lib.rasters.instances import components, neighbours
from lib.rasters.mask_names import confidences_of
from lib.rasters.masks import write_labels
from lib.rasters.reader import Georeference


class Output(ABC):
    """A folder with a file for every image; a subclass says which."""

    endings: tuple[str, ...] = (".png", ".tif")

    def __init__(self, predictor: Predictor | None, competition: Competition, folder: Path) -> None:
        """`predictor`: None where masks are made of stored probabilities."""
        self.predictor, self.competition, self.folder = predictor, competition, folder

    @property
    def identity(self) -> dict[str, Any]:
        """Every option that changes what is written."""
        return {"competition": self.competition.name} | (self.predictor.identity if self.predictor else {})

    def names(self, image: str) -> list[str]:
        """What an image's file may be called."""
        return [f"{image}{ending}" for ending in self.endings]

    def files(self, image: str) -> list[Path]:
        """The files of an image that are there."""
        return [path for name in self.names(image) if (path := files.inside(self.folder, name)).exists()]

    def forget(self, image: str) -> None:
        """Delete what is there of an image, also what was begun."""
        begun = [f".{image}.tif.{ending}" for ending in ("part", "json")]
        for name in (*self.names(image), confidences_of(image), *begun):
            files.inside(self.folder, name).unlink(missing_ok=True)

    @abstractmethod
    def predict(self, image: str, prepared: Prepared, identity: Any) -> Callable[[], None]:
        """Predict an image; returns what writes it, which needs the model no more."""


class MaskOutput(Output):
    """Masks: index PNGs in the competition's values, GeoTIFFs for georeferenced images and for large rasters.

    Where classes overlap, a mask is a TIFF of uint32 bit planes. Where the competition's file says how sure each
    instance is, a JSON list beside the mask does too, but for large rasters.
    """

    def __init__(
        self, predictor: Predictor | None, competition: Competition, folder: Path, decision: Decision | None = None
    ) -> None:
        super().__init__(predictor, competition, folder)
        self.decision = decision or Decision.plain(len(competition.classes), competition.multilabel)

    @property
    def identity(self) -> dict[str, Any]:
        size = self.competition.submission.size
        used = {"size": list(size) if size else None, "values": list(self.competition.values)}
        used |= {} if self.decision.is_plain else {"decision": self.decision.document(self.competition)}
        used |= {"confidences": True} if self.competition.submission.has_confidences else {}
        return super().identity | used

    def predict(self, image: str, prepared: Prepared, identity: Any) -> Callable[[], None]:
        """Predict an image's mask; a large raster's grows on disk and goes on where it was broken off."""
        size = self.competition.submission.size or prepared.shape
        place = at_size(prepared.georeference, prepared.shape, size)
        if prepared.large is None:
            confidence = self.confidence(prepared.reader.shape)
            labels = labels_of(self.predictor, prepared.reader, size, self.decision, confidence and confidence.see)
            return lambda: self.write(image, labels, place, confidence)
        part = self.part(image, size, identity | {"image": list(prepared.shape)})
        blocks = label_blocks(self.predictor, prepared.reader, size, self.decision, part.left, part.rows)
        return self.grown(image, part, blocks, place)

    def confidence(self, shape: tuple[int, int]) -> Confidence | None:
        """What looks at an image's probabilities, of `shape`, for how sure its instances are; None: nobody asks."""
        return Confidence(shape, self.decision) if self.competition.submission.has_confidences else None

    def write(
        self, image: str, labels: np.ndarray, place: Georeference | None, confidence: Confidence | None = None
    ) -> None:
        """Write a mask that is in memory, and before it how sure its instances are."""
        if confidence:
            found = components(labels, self.competition.sent, neighbours(self.competition))
            files.write_json(files.inside(self.folder, confidences_of(image)), confidence.of(found, labels.shape))
        if place is None and not self.decision.multilabel:
            write_labels(files.inside(self.folder, f"{image}.png"), labels, self.competition)
            return
        stored = self._stored(labels)
        write_geotiff(files.inside(self.folder, f"{image}.tif"), labels.shape, stored.dtype, [(0, 0, stored)], place)

    def part(self, image: str, size: tuple[int, int], identity: Any) -> PartFile:
        """The mask of a large raster, as far as an earlier process brought it."""
        return PartFile(files.inside(self.folder, f"{image}.tif"), size, self.decision.dtype, identity)

    def grown(
        self, image: str, part: PartFile, blocks: Iterable[Block], place: Georeference | None
    ) -> Callable[[], None]:
        """Bring a mask on disk to its end; returns what makes a GeoTIFF of it."""
        try:
            for top, left, block in blocks:
                part.add(top, left, block)
        except BaseException:
            part.close()
            raise
        return lambda: self._finish(image, part, place)

    def _finish(self, image: str, part: PartFile, place: Georeference | None) -> None:
        whole = part.blocks()
        if any(self.decision.min_area):
            whole = blocks_without_small(part.read, part.shape, self.decision.min_area)
        dtype = self._stored(np.zeros((1, 1), part.dtype)).dtype
        stored = ((top, left, self._stored(block)) for top, left, block in whole)
        write_geotiff(files.inside(self.folder, f"{image}.tif"), part.shape, dtype, stored, place)
        part.remove()

    def _stored(self, labels: np.ndarray) -> np.ndarray:
        return labels if self.decision.multilabel else values(self.competition)[labels]


class ProbabilityOutput(Output):
    """uint8 probabilities at the working size, as `lib.inference.probabilities` keeps them.

    A file is there whole or not at all: a large raster that was broken off is begun anew, unlike its mask.
    """

    endings = (".tif",)

    @property
    def identity(self) -> dict[str, Any]:
        return super().identity | {"probabilities": True, "classes": list(self.competition.names)}

    def predict(self, image: str, prepared: Prepared, identity: Any) -> Callable[[], None]:
        """Predict and write an image's probabilities, by bands."""
        shape = prepared.reader.shape
        probabilities.write(
            files.inside(self.folder, f"{image}.tif"),
            probability_bands(self.predictor, prepared.reader),
            shape,
            prepared.shape,
            self.competition.names,
            at_size(prepared.georeference, prepared.shape, shape),
        )
        return lambda: None


def at_size(georeference: Georeference | None, shape: tuple[int, int], size: tuple[int, int]) -> Georeference | None:
    """The georeference of an image of `shape` pixels when it is brought to `size`."""
    if georeference is None or tuple(shape) == tuple(size):
        return georeference
    from affine import Affine

    wide, high, old = shape[1] / size[1], shape[0] / size[0], georeference.transform
    placed = Affine(old.a * wide, old.b * high, old.c, old.d * wide, old.e * high, old.f)
    return Georeference(georeference.crs, placed, georeference.nodata)
