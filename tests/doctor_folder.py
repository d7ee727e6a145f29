"""A small healthy data set that tests of the data doctor plant faults into.

folder = Folder(tmp_path / "data")
folder.mask("c", labels)
told = only(folder.found(folder.competition()), "values", "error", "value 9 is no class's")
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

import numpy as np
from PIL import Image

from lib.competitions import IGNORE
from lib.competitions.loader import parse
from lib.data.doctor import examine
from lib.data.scenes import scene

COLOURS = ["#00FFFF", "#FFFF00", "#FF00FF", "#00FF00", "#0000FF", "#FFFFFF"]
NAMES = ["urban", "field", "range", "forest", "water", "barren"]
SIDE = 160
IDS = "abcdefgh"


@functools.cache
def pictures() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Eight scenes with all classes; no pixel is ignored."""
    drawn = {}
    for number, name in enumerate(IDS):
        image, labels = scene(40 + number, SIDE, SIDE + 8)
        labels[labels == IGNORE] = 1
        drawn[name] = image, labels
    every = [set(np.unique(labels).tolist()) for _, labels in drawn.values()]
    assert all(sum(label in kinds for kinds in every) > 1 for label in range(6))
    return drawn


class Folder:
    """A data root of images/ID.png and masks/ID.png, and a competition that describes it."""

    def __init__(self, root: Path) -> None:
        self.root, self.pictures = root, pictures()
        for name, (image, labels) in self.pictures.items():
            self.image(name, image)
            self.mask(name, labels)

    def path(self, kind: str, name: str) -> Path:
        path = self.root / kind / (name if "." in name else f"{name}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def image(self, name: str, pixels: np.ndarray, **more) -> None:
        Image.fromarray(pixels).save(self.path("images", name), **more)

    def mask(self, name: str, pixels: np.ndarray) -> None:
        Image.fromarray(pixels).save(self.path("masks", name))

    def masks(self, change) -> None:
        """Every mask changed."""
        for name, (_, labels) in self.pictures.items():
            self.mask(name, change(labels.copy()))

    def colours(self) -> np.ndarray:
        return np.array([[int(text[start : start + 2], 16) for start in (1, 3, 5)] for text in COLOURS], np.uint8)

    def competition(self, coding="index", classes=6, first=0, masks="", images="", layout="", more=""):
        text = f'name = "field"\n{layout or LAYOUT}\n[images]\n{images}\n[masks]\ncoding = "{coding}"\n{masks}\n'
        for place in range(classes):
            text += f'[[classes]]\nname = "{NAMES[place]}"\ncolour = "{COLOURS[place]}"\n'
            text += f"value = {place + first}\n" if coding == "index" else ""
        text += f'{more}\n[submission.zip]\npixels = "index"\n[metric]\nmeasure = "iou"\n'
        path = self.root.parent / "field.toml"
        path.write_text(text)
        return parse(path)

    def found(self, competition=None):
        return examine(competition, self.root).findings


LAYOUT = '[data.train]\nimages = "images/{id}.png"\nmasks = "masks/{id}.png"'


def only(findings, check: str, level: str, words: str):
    """The one finding, which is of this check and level and says so."""
    said = [(finding.level, finding.check, finding.what) for finding in findings]
    assert len(findings) == 1, said
    assert (findings[0].check, findings[0].level) == (check, level), said
    assert re.search(words, findings[0].what), said
    assert findings[0].level == "note" or findings[0].fix
    return findings[0]


def binary(labels: np.ndarray) -> np.ndarray:
    """Labels as background and one class, 0 and 1."""
    return (labels > 2).astype(np.uint8)
