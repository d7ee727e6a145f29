"""Images for a Colab machine, which mounts nothing of Kaggle's: exactly the files that a competition's patterns name.

for part in parts(named(pairs, root, mount), folder):   # a tar in pieces, each gone when the next is asked for
    upload(part.path)
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lib.competitions import Competition, Pair, find_pairs
from lib.errors import Refused

LARGEST = 2 << 30
"""Most bytes that are sent up from this machine: at 20 Mbit/s they take a quarter of an hour, and Colab counts it."""

PART = 32 << 20
"""Bytes a piece: the command sends a file as one JSON document, held in memory at both ends."""


Named = tuple[Path, str]
"""A file of this machine, and its name below input/ there."""


@dataclass(frozen=True)
class Part:
    """A piece of the tar, in a file of this machine."""

    path: Path
    sha256: str


def wanted(pairs: Iterable[Pair]) -> list[Path]:
    """The files of `pairs`, each once."""
    return sorted({path for pair in pairs for path in (pair.image, pair.mask) if path is not None})


def size(pairs: Iterable[Pair]) -> int:
    """Bytes of the files of `pairs`."""
    return sum(path.stat().st_size for path in wanted(pairs))


def check_size(pairs: Iterable[Pair], largest: int = LARGEST) -> None:
    """`Refused` when the files of `pairs` are more than is sent up from here."""
    there = size(pairs)
    if there > largest:
        raise Refused(
            f"the images and masks are {spell(there)}, and more than {spell(largest)} is not sent up to Colab",
            "run it where the data set is mounted: --on kaggle, or bring a folder with fewer images",
        )


def describe(competition: Competition, data: Path | None, weights: Sequence[Path] = ()) -> str:
    """What will be sent up, in words; `weights`: the checkpoints that predict, where it is a prediction."""
    said = "made on the machine"
    if data is not None:
        pairs = find_pairs(competition.data.test, data, False) if weights else find_pairs(competition.data.train, data)
        what = "images are" if weights else "images and their masks are"
        said = f"{len(pairs)} {what} sent up, {spell(size(pairs))}"
    if weights:
        said += f"; checkpoints: {len(weights)}, {spell(sum(path.stat().st_size for path in weights))}"
    return said


def named(pairs: Iterable[Pair], root: Path, mount: str) -> list[Named]:
    """The files of `pairs`, each with its name below input/."""
    return [(path, f"{mount}/{path.relative_to(root).as_posix()}") for path in wanted(pairs)]


def training_files(competition: Competition, root: Path, mount: str) -> list[Named]:
    """The training images, their masks, and the lists that divide them."""
    lists = competition.data.lists
    named_lists = [root / name for name in (lists.train, lists.validation) if name] if lists else []
    pairs = find_pairs(competition.data.train, root)
    return [
        *named(pairs, root, mount),
        *((path, f"{mount}/{path.relative_to(root).as_posix()}") for path in named_lists),
    ]


def test_files(competition: Competition, root: Path, mount: str) -> list[Named]:
    """The test images, their truth, the sample submission and the grid's table, as far as they are there."""
    from lib.submissions.job import find_job  # reads headers of images, which training's data need not

    job, table = find_job(competition, root), competition.submission.csv
    others = [job.sample, root / table.grid if table and table.grid else None]
    paths = [*wanted(job.images), *job.truth.values(), *(path for path in others if path and path.is_file())]
    return [(path, f"{mount}/{path.relative_to(root).as_posix()}") for path in paths]


def parts(things: Iterable[Named], folder: Path, most: int = PART) -> Iterator[Part]:
    """The files as a tar, in pieces of at most `most` bytes, written to `folder` one at a time.

    They are read through their links, so that a folder of links arrives as files.
    """
    pieces = _Pieces()
    with tarfile.open(fileobj=pieces, mode="w|", format=tarfile.PAX_FORMAT, dereference=True) as tar:
        for path, name in things:
            tar.add(path, name, recursive=False)
            yield from pieces.whole(folder, most)
    yield from pieces.whole(folder, most, rest=True)


def spell(count: int) -> str:
    """Bytes for a person: `312.5 MB`."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.1f} {unit}" if isinstance(count, float) else f"{count} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


class _Pieces:
    """A file that only grows at its end and is taken away from its front."""

    def __init__(self) -> None:
        self.held = bytearray()
        self.number = 0

    def write(self, content: bytes) -> int:
        self.held += content
        return len(content)

    def whole(self, folder: Path, most: int, rest: bool = False) -> Iterator[Part]:
        while len(self.held) >= most or (rest and self.held):
            content = bytes(self.held[:most])
            del self.held[:most]
            path = folder / f"data-{self.number:03d}.part"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            self.number += 1
            try:
                yield Part(path, hashlib.sha256(content).hexdigest())
            finally:
                path.unlink(missing_ok=True)
