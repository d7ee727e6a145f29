"""Predicts a set of images, and keeps each mask in a file of its own: a set that was broken off goes on.

    outcome = predict_folder(MaskOutput(predictor, competition, out), pairs, identity={"members": […]})
    outcome.must_be_whole()                                # out/<id>.png, or .tif with its image's georeference
    masks = masks_in(out, competition)                     # masks("5000") -> (H, W) uint8

While the model works on an image, a thread reads the next one and others encode the masks before it. An image that
fails is told at the end, and costs no other. `predictions.json` says what makes the masks; the same command keeps
those that the very same checkpoints and options have made from the very same files, and makes what is missing.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lib import files
from lib.competitions import Pair
from lib.errors import DataError, Failed, SwathError, UsageError
from lib.inference.output import Output
from lib.inference.source import Prepared, prepare
from lib.rasters.mask_folder import INDEX

AHEAD = 2
"""Images that are decoded and wait for the model, and masks that wait to be written."""

Track = Callable[[list[Pair]], Iterable[Pair]]


@dataclass
class Outcome:
    """What came of a set: ids of the images."""

    made: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    """Made by an earlier call of the same."""
    failed: dict[str, str] = field(default_factory=dict)
    """Why, by id."""

    def must_be_whole(self) -> None:
        """Raise `Failed` that names the images that failed, and says that the others are there."""
        if self.failed:
            reasons = "".join(f"\n       {image}: {reason}" for image, reason in list(self.failed.items())[:10])
            more = f"\n       and {len(self.failed) - 10} more" if len(self.failed) > 10 else ""
            raise Failed(
                f"{len(self.failed)} of {len(self.failed) + len(self.made) + len(self.kept)} images failed, the others "
                f"are predicted:{reasons}{more}",
                "mend or remove these images; the same command then makes what is missing",
            )


def predict_folder(
    output: Output,
    pairs: list[Pair],
    identity: Mapping[str, Any] | None = None,
    about: Mapping[str, Any] | None = None,
    track: Track = iter,
) -> Outcome:
    """Write what `output` makes of every image: masks, probabilities.

    `identity`: what tells the members from others; `about`: what else predictions.json should say. Raises `UsageError`
    before any work when the folder holds files of the same names that are not predictions, and `Failed` when nothing
    can be written.
    """
    made_by = {**output.identity, **(identity or {})}
    outcome = Outcome()
    sources = {pair.id: files.state_of(pair.image) for pair in pairs}
    outcome.kept = goes_on(output, sources, made_by, {**(about or {}), "tta": made_by["tta"]})
    kept = set(outcome.kept)
    _work(output, [pair for pair in pairs if pair.id not in kept], outcome, track, {"made_by": made_by})
    ended(output.folder, outcome)
    return outcome


def ended(folder: Path, outcome: Outcome) -> None:
    """Note in predictions.json which images have a mask, and why others have none."""
    failed = {"failed": outcome.failed} if outcome.failed else {}
    content = files.read_json(folder / INDEX)
    files.write_json(folder / INDEX, content | {"images": sorted([*outcome.kept, *outcome.made])} | failed)


def _work(output: Output, todo: list[Pair], outcome: Outcome, track: Track, identity: Any) -> None:
    """Predict the images in order: one is read ahead, masks are written behind."""
    writing: deque[tuple[Pair, Future]] = deque()
    with ThreadPoolExecutor(1, "images") as reader, ThreadPoolExecutor(2, "masks") as writers:

        def settle(most: int) -> None:
            while len(writing) > most:
                pair, future = writing.popleft()
                _noted(pair, outcome, future.result)

        images = _ahead(reader, todo, lambda pair: prepare(pair, output.predictor))
        try:
            for pair in track(todo):
                found, coming = next(images)
                assert found is pair, "images come in the order that they are asked for in"

                def predicted(pair: Pair = pair, coming: Future[Prepared] = coming) -> None:
                    with coming.result() as prepared:
                        write = output.predict(pair.id, prepared, identity)
                    writing.append((pair, writers.submit(write)))

                _noted(pair, outcome, predicted, done=False)
                settle(AHEAD)
        finally:
            images.close()
            settle(0)


def _noted(pair: Pair, outcome: Outcome, call: Callable[[], Any], done: bool = True) -> None:
    """Call, and note how it ended; what concerns the place and not this image ends the set."""
    try:
        call()
    except DataError as error:
        outcome.failed[pair.id] = error.reason
    except SwathError:
        raise
    except Exception as error:  # of whichever library: the other images must not pay for it
        outcome.failed[pair.id] = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"
    else:
        if done:
            outcome.made.append(pair.id)


def _ahead(
    pool: ThreadPoolExecutor, pairs: Sequence[Pair], read: Callable[[Pair], Prepared]
) -> Iterator[tuple[Pair, Future[Prepared]]]:
    """Every image with what is being read of it, the next ones already begun; whatever is not taken is let go."""
    ended = threading.Event()

    def unless_ended(pair: Pair) -> Prepared:
        if ended.is_set():
            raise DataError(f"{pair.image} was not read: the set was broken off")
        return read(pair)

    coming: deque[tuple[Pair, Future[Prepared]]] = deque()
    rest = iter(pairs)
    try:
        while True:
            while len(coming) < AHEAD and (pair := next(rest, None)) is not None:
                coming.append((pair, pool.submit(unless_ended, pair)))
            if not coming:
                return
            yield coming.popleft()
    finally:
        ended.set()


def goes_on(output: Output, sources: Mapping[str, str], made_by: Any, about: Mapping[str, Any]) -> list[str]:
    """Make the folder ready; the ids whose files an earlier call of the same has left, whole and up to date.

    `sources`: what each image's mask is made of, by id; `made_by`: what makes it, as JSON brings it back. Both are
    compared with those in predictions.json. Raises `UsageError` before any change when the folder holds files of the
    same names that are not predictions.
    """
    out = output.folder
    known = files.read_json(out / INDEX) if (out / INDEX).is_file() else None
    if known is None:
        taken = [path for image in sources for path in output.files(image)]
        if taken:
            raise UsageError(
                f"{out} holds {len(taken)} files that masks would overwrite, {taken[0].name} among them, and nothing "
                "says that this kit wrote them",
                "choose a new folder with --out DIR",
            )
    known = known if isinstance(known, dict) else {}
    same = known.get("made_by") == made_by
    before = known.get("sources") or {}
    kept = []
    for image in sorted({*known.get("images", ()), *before, *sources}):
        if same and image in sources and before.get(image) == sources[image]:
            kept += [image] if output.files(image) else []
        else:
            output.forget(image)
    files.write_json(out / INDEX, {"images": kept, **about, "made_by": made_by, "sources": sources})
    return kept


def summary(outcome: Outcome) -> str:
    """What came of a set, in a few words."""
    words = [f"{len(outcome.made)} made"] if outcome.kept else []
    words += [f"{len(outcome.kept)} kept from before"] if outcome.kept else []
    return f" ({', '.join(words)})" if words else ""
