"""The options of `launch.py` and `submit.py`, each written once: its name, its words, its environment variable."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, BadParameter, Option


def _size(text: str | tuple[int, int]) -> tuple[int, int]:
    """Height and width of `512x640`."""
    if isinstance(text, tuple):
        return text
    height, cross, width = text.lower().partition("x")
    if not (cross and height.isascii() and height.isdecimal() and width.isascii() and width.isdecimal()):
        raise BadParameter(f"{text!r} is no height and width, as in 512x640")
    if not (max(len(height), len(width)) < 10 and 0 < int(height) * int(width) < 2**31):
        raise BadParameter(f"{text!r} is no size of an image")
    return int(height), int(width)


def _path(text: str | Path) -> Path:
    """A path whose `~` the shell left as it was, as in `--data=~/land`."""
    return Path(text).expanduser()


Name = Annotated[str | None, Option("-c", "--competition", metavar="NAME|FILE.toml", help="A name, or your own.")]
Data = Annotated[Path | None, Option("--data", metavar="DIR", help="The data root.", parser=_path)]
Json = Annotated[bool, Option("--json", help="One JSON document on stdout.")]

# launch.py
Gpu = Annotated[str | None, Option("--gpu", metavar="none|t4x2|p100|…", help="Kaggle's; with --on colab: t4, l4, …")]
Place = Annotated[
    str | None, Option("--on", metavar="local|kaggle|colab", help="Default: Kaggle with --gpu, else here.")
]
Kernel = Annotated[str, Option("--kernel", metavar="NAME", help="A script of kernels/.")]
Weights = Annotated[
    list[str] | None,
    Option("--run", metavar="RUN", help="With --kernel predict: whose weights; repeatable. Default: the newest."),
]
Settings = Annotated[list[str] | None, Option("--set", metavar="KEY=VALUE", help="Any recipe key; repeatable.")]
Recipe = Annotated[Path | None, Option("--recipe", metavar="FILE.toml", help="Recipe keys from a file.", parser=_path)]
Internet = Annotated[
    bool | None,
    Option("--internet/--no-internet", help="Off: pretrained weights go along. Default: on for them."),
]
Timeout = Annotated[str | None, Option("--timeout", metavar="11h30m", help="The session's time limit.")]
Chain = Annotated[int, Option("--chain", min=1, metavar="N", help="Up to N sessions, each going on from the last.")]
Resume = Annotated[str | None, Option("--resume", metavar="RUN", help="Go on with a run that stopped at its limit.")]
Sweep = Annotated[Path | None, Option("--sweep", metavar="FILE.toml", help="A run for each trial.", parser=_path)]
Retry = Annotated[bool, Option("--retry", help="With --sweep: try failed trials again.")]
Force = Annotated[bool, Option("--force", help="Push even what the checks before it refuse.")]
WaitSlot = Annotated[bool, Option("--wait-slot", help="Wait until a session of yours ends, if all slots are taken.")]
Detach = Annotated[bool, Option("--detach", help="Push and return at once.")]
DryRun = Annotated[bool, Option("--dry-run", help="Write the folder, show the plan; no account, no network.")]
AnyRun = Annotated[str | None, Argument(metavar="[RUN]", help="A run, or a part of its id. Default: the newest.")]
Follow = Annotated[bool, Option("-f", "--follow", help="Go on until the run ends.")]
Only = Annotated[list[str] | None, Option("--only", metavar="GLOB", help="Files with names like this; repeatable.")]
Yes = Annotated[bool, Option("-y", "--yes", help="Do not ask.")]
Side = Annotated[int, Option("--side", min=16, metavar="PIXELS", help="Of the tiles, in the image's own pixels.")]
WorstShare = Annotated[float, Option("--share", min=0.0, max=1.0, help="The worst of each part's tiles are listed.")]
Most = Annotated[int | None, Option("--most", min=0, metavar="N", help="So many of each part instead of a share.")]
LabelsOf = Annotated[str, Option("--on", metavar="train|validation|all", help="Whose labels.")]
JudgeTta = Annotated[str, Option("--tta", metavar="none|flips|d4", help="Orientations averaged.")]

# submit.py
Trained = Annotated[str | None, Option("--run", metavar="RUN", help="Default: the newest with a checkpoint.")]
Members = Annotated[
    list[str] | None,
    Option("--run", metavar="RUN[=WEIGHT]", help="Default: the newest with a checkpoint. Repeatable: an ensemble."),
]
Checkpoints = Annotated[
    list[str] | None, Option("--checkpoint", metavar="FILE[=WEIGHT]", help="Other weights; repeatable: an ensemble.")
]
Images = Annotated[
    Path | None, Option("--images", metavar="FILE|DIR", help="Any images, no competition's.", parser=_path)
]
Sample = Annotated[Path | None, Option("--sample", metavar="CSV", help="Default: the data root's.", parser=_path)]
Size = Annotated[
    str | None, Option("--size", metavar="HxW", help="Of images whose size nothing else says.", parser=_size)
]
Tta = Annotated[str | None, Option("--tta", metavar="none|flips|d4", help="Orientations averaged.")]
Scales = Annotated[str | None, Option("--scales", metavar="0.75,1,1.25", help="Sizes averaged.")]
Thresholds = Annotated[
    Path | None, Option("--thresholds", metavar="FILE", help="Default: what `tune` left in the run.", parser=_path)
]
Plain = Annotated[bool, Option("--no-thresholds", help="The likeliest class, whatever `tune` found.")]
Probabilities = Annotated[bool, Option("--probabilities", help="Write uint8 probabilities, for `blend`.")]
Folders = Annotated[list[str], Argument(metavar="DIR[=WEIGHT]...", help="Folders of probabilities.")]
Confidence = Annotated[float, Option("--confidence", min=0.0, max=1.0, help="A pixel less sure than this is ignored.")]
Share = Annotated[
    float, Option("--share", min=0.0, max=1.0, help="An image with a smaller share of sure pixels is left out.")
]
MasksIn = Annotated[Path, Argument(metavar="MASKS", help="A folder of masks: ID.png or CLASS/ID.png.", parser=_path)]
Masks = Annotated[
    Path | None, Option("--masks", metavar="DIR", help="Compare with these, pixel for pixel.", parser=_path)
]
Predictions = Annotated[
    Path | None, Option("--out", metavar="DIR", help="Default: the run's predictions/.", parser=_path)
]
OutFile = Annotated[Path, Option("--out", metavar="FILE", help="Of the competition's ending.", parser=_path)]
OutFolder = Annotated[Path, Option("--out", metavar="DIR", parser=_path)]
File = Annotated[Path, Argument(metavar="FILE", help="A submission.", parser=_path)]
OwnFile = Annotated[Path | None, Argument(metavar="[FILE]", help="Default: the run's submission.", parser=_path)]
Scored = Annotated[Path, Argument(metavar="FILE", help="A submission, or a folder of masks.", parser=_path)]
Truth = Annotated[
    Path, Option("--truth", metavar="DIR", help="Truth masks, or a file like the submission.", parser=_path)
]
Shown = Annotated[Path | None, Option("--data", metavar="DIR", help="Images for the page's pictures.", parser=_path)]
ScoreOut = Annotated[
    Path | None, Option("--out", metavar="DIR", help="For score.json and score.html; default: beside.", parser=_path)
]
Details = Annotated[
    bool | None, Option("--details/--no-details", help="Errors by borders and sizes; default: unless it takes long.")
]
Message = Annotated[str | None, Option("-m", "--message", help="Default: the run and its score.")]
Code = Annotated[bool, Option("--code", help="Code competitions: push kernels/predict.py, run it, submit its version.")]
CodeGpu = Annotated[str | None, Option("--gpu", metavar="t4x2|none|…", help="With --code. Default: t4x2.")]
CodeTimeout = Annotated[
    str | None, Option("--timeout", metavar="9h", help="With --code: what the competition gives a rerun. Default: 9h.")
]
Tried = Annotated[int, Option("--try", min=1, metavar="N", help="Images that are predicted here.")]
Hidden = Annotated[
    int | None,
    Option("--images", min=1, metavar="N", help="Images of the hidden set. Default: as many as are visible."),
]
RerunLimit = Annotated[str, Option("--limit", metavar="9h", help="What the competition gives a rerun.")]
InferSettings = Annotated[
    list[str] | None, Option("--set", metavar="infer.KEY=VALUE", help="How the kernel predicts; repeatable.")
]
SendDry = Annotated[bool, Option("--dry-run", help="All checks, Kaggle's answers too; nothing is sent.")]
Late = Annotated[bool, Option("--late", help="After the deadline too, where such submissions are scored.")]
