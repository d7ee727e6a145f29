"""Where a model's weights come from, as `model.weights` spells it.

    origin("run:4f1c")                              # Origin("run", "4f1c")
    origin("dataset:me/nets/unet/best.pth")         # Origin("dataset", "me/nets", "unet/best.pth")

Importing this module needs no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["imagenet", "none", "file", "run", "dataset", "model", "hub"]

SPELLED = {
    "run": "run:RUN",
    "dataset": "dataset:owner/name/path/of/the/file.pth",
    "model": "model:owner/model/framework/variation/version/path/of/the/file.pth",
    "hub": "hub:owner/name",
}
"""How the ones with a name are written."""

PARTS = {"dataset": 2, "model": 5}
"""How many words Kaggle's names have; what follows is the file's place inside."""

LAYOUTS = {"dataset": "datasets", "model": "models"}
"""Below which folder of /kaggle/input Kaggle mounts each."""


@dataclass(frozen=True)
class Origin:
    """`name`: the file's path, the run, Kaggle's data set or model, the hub's repository; `inside`: the file in it."""

    kind: Kind
    name: str = ""
    inside: str = ""

    @property
    def is_mounted(self) -> bool:
        """Whether Kaggle mounts it for a session."""
        return self.kind in PARTS

    @property
    def sources(self) -> dict[str, list[str]]:
        """What kernel-metadata.json names for it."""
        return {f"{self.kind}_sources": [self.name]} if self.is_mounted else {}


def origin(text: str) -> Origin:
    """Read `model.weights`; `ValueError` says how it is written."""
    kind, colon, name = text.partition(":")
    if text in ("imagenet", "none"):
        return Origin(text)
    if not colon or kind not in SPELLED:
        if not text:
            raise ValueError(f"empty; imagenet, none, a file, {', '.join(SPELLED.values())}")
        return Origin("file", text)
    if kind in PARTS:
        words = name.split("/")
        name, inside = "/".join(words[: PARTS[kind]]), "/".join(words[PARTS[kind] :])
        if len(words) <= PARTS[kind] or not all(words) or ".." in words:
            raise ValueError(f"found {text!r}; write it as {SPELLED[kind]}")
        return Origin(kind, name, inside)
    if not name or (kind == "hub" and (name.count("/") != 1 or not all(name.split("/")))):
        raise ValueError(f"found {text!r}; write it as {SPELLED[kind]}")
    return Origin(kind, name)
