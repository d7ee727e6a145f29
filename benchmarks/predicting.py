"""Predicting: a whole image to its mask on the disk against the bare forward passes; windows merged.

    python -m benchmarks predict merge

The peer of `predict` does the one thing that cannot be left out: the model on every window of the decoded images, in
the same batches. What the ratio lacks of one is reading, softmax, blending, restoring, encoding and writing.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.case import Call, Case, Disagreement, Inputs

if TYPE_CHECKING:
    import numpy as np

IMAGES = 2
WINDOW, OVERLAP = 512, 0.25
ENCODER = "mobilenetv3_small_100"
CLASSES = 25

TOOLBELT = "pip install --no-deps pytorch-toolbelt"
"""Its dependencies bring opencv-python, whose cv2 overwrites the headless build's."""


def predict(inputs: Inputs) -> Call:
    """The kit: JPEGs to index PNGs."""
    from lib.competitions import Pair
    from lib.inference.folder import predict_folder
    from lib.inference.output import MaskOutput

    paths = photos(inputs)
    pairs = [Pair(path.stem, path, None, path.stem) for path in paths]
    predictor, competition = _predictor(), _competition()
    out = inputs.scratch("predicted")

    def call() -> list[Path]:
        shutil.rmtree(out)
        outcome = predict_folder(MaskOutput(predictor, competition, out), pairs)
        outcome.must_be_whole()
        return [out / f"{image}.png" for image in outcome.made]

    return call


def forward(inputs: Inputs) -> Call:
    """The model as it was trained on the very same windows, and nothing else."""
    import torch

    from lib.inference.windows import starts
    from lib.rasters import read_image

    model, _ = _model()
    images = [read_image(path) for path in photos(inputs)]

    @torch.inference_mode()
    def call() -> int:
        count = 0
        for image in images:
            pixels = torch.from_numpy(image).permute(2, 0, 1)[None]
            for top in starts(image.shape[0], WINDOW, OVERLAP):
                for left in starts(image.shape[1], WINDOW, OVERLAP):
                    model(pixels[..., top : top + WINDOW, left : left + WINDOW])
                    count += 1
        return count

    return call


def masks_are_whole(masks: list[Path], windows: int, inputs: Inputs) -> str:
    """Every mask has its image's size; says how many windows both sides saw."""
    from lib.rasters import header_size

    shape = inputs.array("labels").shape
    if any(header_size(path) != shape for path in masks) or len(masks) != IMAGES:
        raise Disagreement("masks are missing, or have another size than their images")
    return f", {windows} windows of {WINDOW} pixels in {IMAGES} images"


def merge(inputs: Inputs) -> Call:
    """The kit: bands of normalised windows; the labels of each band, so that no array of all classes is left."""
    import numpy as np

    from lib.inference.decision import Decision
    from lib.inference.labels import labels_of
    from lib.rasters.reader import Pixels

    shape = inputs.array("labels").shape
    given, source = _given(), Pixels(np.zeros((*shape, 3), np.uint8))

    def call() -> np.ndarray:
        given.number = 0
        return labels_of(given, source, shape, Decision.plain(CLASSES))

    return call


def toolbelt(inputs: Inputs) -> Call:
    """pytorch-toolbelt: TileMerger over the whole image, then argmax."""
    import torch
    from pytorch_toolbelt.inference.tiles import TileMerger

    from lib.inference.windows import starts, weights

    height, width = inputs.array("labels").shape
    given, high, wide = _given(), min(WINDOW, height), min(WINDOW, width)
    tile = torch.zeros(1, 3, high, wide, dtype=torch.uint8)

    @torch.inference_mode()
    def call() -> np.ndarray:
        given.number = 0
        merger = TileMerger((height, width), CLASSES, weights(high, wide), device="cpu")
        for top in starts(height, WINDOW, OVERLAP):
            for left in starts(width, WINDOW, OVERLAP):
                merger.integrate_batch(given(tile), [(left, top, wide, high)])
        return merger.merge().argmax(0).to(torch.uint8).numpy()

    return call


def same_labels(ours: np.ndarray, theirs: np.ndarray, inputs: Inputs) -> str:
    """All but one pixel in 100,000, where two classes are as likely to the last digit."""
    differ = float((ours != theirs).mean())
    if differ > 1e-5:
        raise Disagreement(f"{differ:.4%} of the labels differ")
    return f", but for {differ:.5%} near ties" if differ else ""


def photos(inputs: Inputs) -> list[Path]:
    """JPEGs of the label map's size, made of it."""
    import cv2
    import numpy as np

    folder = inputs.scratch("photos")
    labels = inputs.array("labels")
    for number in range(IMAGES):
        path = folder / f"{number}.jpg"
        if not path.exists():
            random = np.random.default_rng(number)
            colours = random.integers(40, 216, (256, 3)).astype(np.uint8)
            grain = random.integers(0, 32, (*labels.shape, 1)).astype(np.uint8)
            cv2.imwrite(str(path), np.roll(colours[labels], 97 * number, axis=0) + grain)
    return sorted(folder.iterdir())


def _predictor() -> Any:
    from lib.inference.predictor import Member, Predictor

    return Predictor([Member.on("cpu", *_model())])


def _model() -> tuple[Any, Any]:
    """A model as it comes from a checkpoint, and its recipe."""
    import torch

    from lib.models import build
    from lib.recipe import resolve

    torch.manual_seed(0)
    keys = {"model.encoder": ENCODER, "model.weights": "none", "infer.window": WINDOW, "infer.overlap": OVERLAP}
    recipe, _ = resolve([("benchmark", keys | {"infer.tta": "none"})])
    return build(recipe.model, CLASSES).eval(), recipe


def _competition() -> Any:
    from lib.competitions import Competition, Label, load

    sample = load("sample")
    classes = tuple(Label(name=f"class {index}") for index in range(CLASSES))
    made = sample.model_dump(exclude={"classes", "masks", "ignore"}) | {"classes": classes}
    return Competition.model_validate(made)


def _given() -> Any:
    """A predictor whose windows' probabilities are there already, four in turn."""
    import torch

    from lib.inference.predictor import Predictor

    class Given(Predictor):
        number = 0

        def __call__(self, tiles: torch.Tensor) -> torch.Tensor:
            self.number += 1
            return self.known[self.number % 4][None, :, : tiles.shape[2], : tiles.shape[3]]

    made = _predictor()
    made.__class__ = Given
    torch.manual_seed(1)
    coarse = torch.rand(4, CLASSES, 33, 33)
    made.known = torch.nn.functional.interpolate(coarse, (WINDOW, WINDOW), mode="bilinear").softmax(1)
    return made


CASES = (
    Case("predict images", "bare forward passes", predict, forward, masks_are_whole),
    Case("merge windows", "pytorch-toolbelt TileMerger", merge, toolbelt, same_labels, TOOLBELT),
)
