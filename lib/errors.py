"""Every error a user can cause, and how it is shown: what happened, why, and what to type next.

    SwathError          the base: exit code 1
    ├── Failed          the run or the check failed                                  exit 1
    │   └── DataError   an image, a mask or a file of predictions is not as it must be
    ├── UsageError      a word of the command, a key or a name is wrong              exit 2
    └── Refused         stopped before anything was spent (credentials, sources, size) exit 3

Raise one with the reason and, where there is one, the next step:

    raise UsageError("there is no competition 'dubia'", "one of: deepglobe, dubai, sample")
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any


class SwathError(Exception):
    """An error with a reason and a next step; shown without a traceback."""

    exit_code = 1

    def __init__(self, reason: str, hint: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint

    def __reduce__(self):  # a loader's worker process sends its errors pickled
        return type(self), (self.reason, self.hint)


class Failed(SwathError):
    """The run, the check or the transfer failed."""


class DataError(Failed):
    """Pixels, masks or a submission's rows are not what the competition says they are."""


class UsageError(SwathError):
    """A flag, a key, a name or a path is wrong."""

    exit_code = 2


class Refused(SwathError):
    """Stopped before quota or a submission was spent."""

    exit_code = 3


def first(names: Sequence[str], most: int) -> str:
    """The first names of a list, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def show(error: SwathError, as_json: bool = False) -> int:
    """Print the error (stderr; with `as_json` also one JSON document on stdout); return its exit code."""
    print(f"error: {error.reason}", file=sys.stderr)
    if error.hint:
        print(f"  next: {error.hint}", file=sys.stderr)
    if as_json:
        print(json.dumps({"error": error.reason, "next": error.hint, "exit_code": error.exit_code}))
    return error.exit_code


def guarded(main: Callable[..., None]) -> Callable[..., None]:
    """Wrap a program's entry point: errors of ours become a sentence and an exit code."""

    @functools.wraps(main)
    def run(*words: Any) -> None:
        try:
            main(*words)
        except SwathError as error:
            sys.exit(show(error, as_json="--json" in sys.argv))
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            sys.exit(130)

    return run
