"""What the ways of bringing labels onto their image's grid do to each class, where they lie on another one.

lines = compared(diagnosis)         # a table as text; [] where the competition's masks have their images' grid
"""

from __future__ import annotations

from lib.data.doctor.findings import Diagnosis
from lib.errors import DataError
from lib.rasters.comparison import compare
from lib.rasters.reader import open_image

MOST = 16
"""Windows of a large raster that are compared: of labels ten times finer, one has 26 million."""


def compared(diagnosis: Diagnosis) -> list[str]:
    """The comparison (lib/rasters/comparison.py) of the first pair that can be read, on windows spread over it."""
    competition = diagnosis.judge.competition
    if competition is None or competition.masks.resample is None:
        return []
    for record in diagnosis.images:
        if record.mask is None or not record.mask.readable:
            continue
        try:
            with open_image(record.image.path, competition.images) as image:
                lines = compare(record.mask.path, competition, image, most=MOST).lines()
        except DataError:
            continue  # told among the findings
        return [f"labels onto the image's grid (masks.resample = {competition.masks.resample}):", *lines]
    return []
