"""What is left of a ranking of labels: a table of all tiles, and the list of those that the next run leaves out.

write_csv(folder / "labels.csv", found, worst, competition.names)
write_exclude(folder / "exclude.txt", worst, competition.names, head="…")      # data.exclude of the next run
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from lib import files
from lib.inference.disagreement import Tile
from lib.inference.label_quality import PARTS, TRAINING, VALIDATION, Judged, Judgement

COLUMNS = (
    *("name", "image", "part", "rank", "listed", "top", "bottom", "left", "right", "pixels", "labelled"),
    *("loss", "iou", "contradicted", "label", "prediction", "confused"),
)
"""labels.csv: a tile's numbers as `Tile` describes them; `listed`: 1 in the list to exclude; `label`, `prediction`,
`confused`: the most frequent disagreement and its share of the tile."""

NOTES = {
    TRAINING: "training, worst first",
    VALIDATION: "validation, worst first: this run did not train on them; they count where another split does",
}


def write_csv(path: Path, found: Judgement, worst: Mapping[str, Sequence[Judged]], names: Sequence[str]) -> None:
    """Every tile a row, by part and rank; the last of a part are those that are not ranked. `names`: the classes'."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    listed = {each.name for own in worst.values() for each in own}
    for part in PARTS:
        ranked = found.ranked(part)
        rest = [each for each in found.tiles if each.part == part and not each.ranked]
        for rank, each in [*enumerate(ranked, start=1), *(("", each) for each in rest)]:
            tile = each.tile
            place = [each.name, each.image, part, rank, int(each.name in listed), *tile.window]
            numbers = [f"{value:.4f}" for value in (tile.labelled, tile.loss, tile.iou, tile.contradicted)]
            pair = tile.confused
            confused = [names[pair[0]], names[pair[1]], f"{pair[2]:.4f}"] if pair else ["", "", ""]
            writer.writerow([*place, tile.pixels, *numbers, *confused])
    files.write(path, text.getvalue())


def write_exclude(
    path: Path,
    worst: Mapping[str, Sequence[Judged]],
    names: Sequence[str],
    head: str,
    before: Sequence[str] = (),
) -> None:
    """A file for `data.exclude`: what the run left out `before`, then the worst, each with the reason."""
    lines = [f"# {head}", "# Look at labels.html, and delete the lines of tiles that are labelled right."]
    if before:
        lines += ["", "# left out of the run itself", *before]
    for part, note in NOTES.items():
        if worst.get(part):
            lines += ["", f"# {note}"]
            lines += [f"{each.name}  # {in_words(each.tile, names)}" for each in worst[part]]
    files.write(path, "\n".join(lines) + "\n")


def in_words(tile: Tile, names: Sequence[str]) -> str:
    """A tile's loss, IoU and most frequent disagreement. `names`: the classes'."""
    return ", ".join([f"loss {tile.loss:.2f}", f"IoU {tile.iou:.2f}", *disagreement(tile, names)])


def disagreement(tile: Tile, names: Sequence[str]) -> list[str]:
    """The most frequent disagreement in words; nothing where there is none."""
    if tile.confused is None:
        return []
    label, prediction, share = tile.confused
    return [f"label says {names[label]}, model says {names[prediction]}, {share:.0%} of the tile"]
