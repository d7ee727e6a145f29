"""The built-in competition's data: generated once into a cache folder, laid out as `sample.toml` says.

root = build(cache)      # <cache>/sample-1/{train,test,truth,sample_submission.csv}
"""

from __future__ import annotations

import csv
import io
import os
import shutil
import tempfile
from pathlib import Path

from lib import files
from lib.competitions import Competition, load
from lib.competitions.patterns import fill
from lib.data.scenes import scene
from lib.rasters import encode_png, write_colours

VERSION = 1
"""Raised whenever the scenes change, so that an old cache is not taken for the new data."""

TRAIN_SIZES = [(281, 313), (256, 337), (301, 269), (327, 263), (289, 289), (263, 341), (311, 277), (243, 353)]
TRAIN_SCENES = 48
TEST_SIZES = [
    (301, 509), (257, 311), (333, 245), (289, 401), (275, 363), (401, 239),
    (317, 317), (251, 447), (365, 283), (229, 375), (343, 297), (293, 331),
]  # fmt: skip


def build(cache: Path) -> Path:
    """The sample's data root under `cache`; generated when it is not there yet.

    Another process that builds at the same time does no harm: the first to finish is kept.
    """
    root = Path(cache) / f"sample-{VERSION}"
    if root.is_dir():
        return root
    Path(cache).mkdir(parents=True, exist_ok=True)
    growing = Path(tempfile.mkdtemp(prefix=".sample-", dir=cache))
    try:
        _write(growing, load("sample"))
        os.chmod(growing, 0o755)
        os.rename(growing, root)
    except OSError:
        if not root.is_dir():
            raise
    finally:
        shutil.rmtree(growing, ignore_errors=True)
    return root


def _write(root: Path, competition: Competition) -> None:
    data = competition.data
    for number in range(TRAIN_SCENES):
        height, width = TRAIN_SIZES[number % len(TRAIN_SIZES)]
        image, labels = scene(number, height, width)
        identity = {"id": f"{1000 + number}"}
        files.write(root / fill(data.train.images, identity), encode_png(image))
        write_colours(root / fill(data.train.masks, identity), labels, competition)
    rows = io.StringIO(newline="")
    writer = csv.writer(rows, lineterminator="\n")
    writer.writerow(competition.submission.csv.columns)
    for number, (height, width) in enumerate(TEST_SIZES):
        image, labels = scene(500 + number, height, width)
        identity = {"id": f"{5000 + 7 * number}"}
        files.write(root / fill(data.test.images, identity), encode_png(image))
        write_colours(root / fill(data.test.masks, identity), labels, competition)
        for index in competition.sent:
            names = {**identity, "class": str(competition.values[index]), "name": competition.names[index]}
            writer.writerow([fill(competition.submission.csv.id, names), "1 1"])
    files.write(root / "sample_submission.csv", rows.getvalue())
