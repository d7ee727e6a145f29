"""Predicts a set inside a session: on every GPU at once, and in time for what has to come after.

    done = Done()
    predict_all(pairs, [MaskOutput(loaded.predictor(device=card), competition, folder) for card in cards], limit, done)
    done.seconds, done.failed, done.left          # what became of each image
    done.made                                     # those with a mask, earlier sessions' too

An image that fails costs no other. Before each one, twice the time of the slowest so far and the time that the file
will take must be left.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from lib import progress
from lib.competitions import Pair
from lib.inference.output import Output
from lib.inference.source import prepare

WRITING = 0.1
"""Seconds an image that encoding, decoding again and checking the file may take at the end."""

SAID = 10.0
"""Seconds between two progress lines."""


class Ends(Protocol):
    """A session's end."""

    @property
    def left(self) -> float | None:
        """Seconds until then; None without a limit."""

    def calls(self, needed: float) -> bool:
        """Whether `needed` seconds are too many."""


@dataclass
class Done:
    """What became of the images so far."""

    seconds: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    """Those that the session's limit left no time for."""
    kept: list[str] = field(default_factory=list)
    """Those whose masks an earlier session has made."""

    @property
    def made(self) -> set[str]:
        """The images that have a mask."""
        return {*self.kept, *self.seconds}


def predict_all(pairs: list[Pair], outputs: list[Output], limit: Ends, done: Done) -> None:
    """Write the mask of every image, on every output at once; `done` says what became of each."""
    free = list(outputs)
    began = said = time.time()

    def one(pair: Pair) -> None:
        slowest = max(list(done.seconds.values()), default=0.0)
        if limit.calls(needed=2 * slowest + WRITING * (len(pairs) + len(done.kept))):
            done.left.append(pair.id)
            return
        start, output = time.time(), free.pop()
        try:
            with prepare(pair, output.predictor) as prepared:
                output.predict(pair.id, prepared, {})()
            done.seconds[pair.id] = time.time() - start
        except Exception as error:  # of whatever kind: the other images are not to be lost
            done.failed[pair.id] = str(getattr(error, "reason", "") or f"{type(error).__name__}: {error}")
            print(f"{pair.id} failed: {done.failed[pair.id]}", file=sys.stderr, flush=True)
        finally:
            free.append(output)

    pool = ThreadPoolExecutor(max_workers=len(outputs))
    try:
        for count, _ in enumerate(pool.map(one, pairs), start=1):
            if count in (1, len(pairs)) or time.time() - said > SAID:
                said = time.time()
                rate = count / (said - began)
                about = {"step": count, "steps": len(pairs), "images_per_s": rate, "seconds": said - began}
                print(progress.line(about | {"limit_s": limit.left}), flush=True)
                print(f"{len(done.seconds)} of {len(pairs)} images predicted, {rate:.2f} images/s", flush=True)
    finally:
        pool.shutdown(cancel_futures=True)  # asked to end: no further image
