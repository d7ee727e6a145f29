"""Images' counts in a file, so that sets which were counted apart can be scored as one: an archive of arrays.

    write(folder / "counts.npz", [count, …])
    score(Tally.of([*read(one), *read(other)], competition, ids), competition)

Reading never unpickles code.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from lib import files
from lib.errors import Failed
from lib.scoring.instances import Pairs
from lib.scoring.tally import Count, Found


def write(path: Path, counts: Sequence[Count]) -> None:
    """Write the counts of images, in their order."""
    arrays = {"images": np.array(len(counts))}
    for place, count in enumerate(counts):
        arrays |= {f"{place}/{name}": value for name, value in _arrays(count).items()}
    with files.replacing(path) as file:
        np.savez_compressed(file, **arrays)


def read(path: Path) -> list[Count]:
    """The counts of images, in their order; `Failed` when the file is missing or is none of these."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            found: list[dict[str, np.ndarray]] = [{} for _ in range(int(stored["images"]))]
            for name in stored.files:
                place, inside, key = name.partition("/")
                if inside:
                    found[int(place)][key] = stored[name]
        return [_count(arrays) for arrays in found]
    except FileNotFoundError:
        raise Failed(f"the counts {path} are missing") from None
    except (OSError, ValueError, KeyError, IndexError, BadZipFile) as error:
        raise Failed(f"{path} does not hold counts: {error}") from None


def _arrays(count: Count) -> dict[str, np.ndarray]:
    found = {"areas": count.areas, "pixels": np.array(count.pixels)}
    if count.table is not None:
        found["table"] = count.table
    if count.size is not None:
        found["size"] = np.array(count.size)
    for rule, areas in count.joined.items():
        found[f"joined/{rule}"] = areas
    for index, one in count.found.items():
        parts = {"number": np.array(one.truth), "confidences": one.confidences, **vars(one.pairs)}
        found |= {f"found/{index}/{name}": value for name, value in parts.items()}
    for index, (truth, predicted) in count.planes.items():
        found[f"planes/{index}/truth"], found[f"planes/{index}/predicted"] = truth, predicted
    return found


def _count(arrays: dict[str, np.ndarray]) -> Count:
    def numbers(kind: str) -> list[int]:
        return sorted({int(name.split("/")[1]) for name in arrays if name.startswith(f"{kind}/")})

    def found(index: int) -> Found:
        of = {name.rpartition("/")[2]: value for name, value in arrays.items() if name.startswith(f"found/{index}/")}
        return Found(int(of["number"]), of["confidences"], Pairs(of["truth"], of["predicted"], of["iou"]))

    return Count(
        areas=arrays["areas"],
        pixels=int(arrays["pixels"]),
        table=arrays.get("table"),
        joined={rule: arrays[f"joined/{rule}"] for rule in numbers("joined")},
        found={index: found(index) for index in numbers("found")},
        planes={
            index: (arrays[f"planes/{index}/truth"], arrays[f"planes/{index}/predicted"]) for index in numbers("planes")
        },
        size=tuple(arrays["size"].tolist()) if "size" in arrays else None,
    )
