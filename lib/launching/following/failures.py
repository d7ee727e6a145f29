"""Known failures: what a session's last words mean, and what to do about it.

failure = diagnose("", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has …")
failure.name                     # CUDA out of memory
failure.fix                      # a smaller batch (--set train.batch=8) or …

A failure is known by one line: of Kaggle's own message, else of the log's end, the last line that fits.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from lib.launching.following import log_file
from lib.launching.runs import Run
from lib.launching.session import Status

TRACE_LINES = 25
"""Lines of a traceback that are shown."""


@dataclass(frozen=True)
class Failure:
    """A known way to fail: its name, its fix in this kit's flags, and the words that it is known by."""

    name: str
    fix: str
    words: str

    def fits(self, line: str) -> bool:
        """Whether a line of the log, or Kaggle's message, tells of it."""
        return re.search(self.words, line, re.IGNORECASE) is not None


KNOWN = (
    Failure(
        "the weights diverged",
        "a smaller learning rate (--set train.lr={lr:.2g}), or full precision (--set train.precision=32)",
        r"the weights were not numbers any more",
    ),
    Failure(
        "shared memory of the loaders full",
        "fewer loader processes: --set data.workers=1, or none: --set data.workers=0",
        r"insufficient shared memory|unable to (write|resize|mmap).*(shm|torch_\d+).*No space left|bus error",
    ),
    Failure(
        "CUDA out of memory",
        "a smaller batch (--set train.batch={batch}), smaller crops (--set data.crop={crop}) or a smaller encoder "
        "(--set model.encoder=resnet18)",
        r"CUDA out of memory|CUDA error: out of memory|CU(BLAS|DNN|FFT)_STATUS_ALLOC_FAILED|torch\.OutOfMemoryError",
    ),
    Failure(
        "no kernel image for this GPU",
        "this torch has no code for the card (a P100 is sm_60): take another, --gpu t4x2",
        r"no kernel image is available|this torch has no kernels for|is not compatible with the current PyTorch",
    ),
    Failure(
        "phone not verified",
        "Kaggle gives GPUs and internet to accounts with a verified phone only: verify it at "
        "https://www.kaggle.com/settings, then launch again; to run without a GPU: --gpu none --on kaggle",
        r"a GPU was asked for and this session has none|(verify|verified) your phone|phone (number )?verification",
    ),
    Failure(
        "competition rules not accepted",
        "open the competition's page while signed in, join it and accept its rules, then launch again",
        r"accept(ed)? (this|the) competition'?s? ?'?s? rules|rules (were|have|has) not (been )?accepted|"
        r"must accept .*rules",
    ),
    Failure(
        "no internet for the weights",
        "launch with --internet (Kaggle gives it to accounts with a verified phone), or start from random weights: "
        "--set model.weights=none",
        r"the pretrained weights of .* did not load|Temporary failure in name resolution|Name or service not known|"
        r"NameResolutionError|LocalEntryNotFoundError|We couldn't connect to 'https://huggingface|"
        r"Failed to resolve '|Network is unreachable|outgoing traffic has been disabled",
    ),
    Failure(
        "missing mount",
        "the data set or competition is not mounted below /kaggle/input: check its names in the competition's [kaggle] "
        "table, and that a new data set is READY, then launch again",
        r"no folder under .* holds images like|No such file or directory: '?\S*/kaggle/input|"
        r"(dataset|data source|mount).* (is|was) not (found|mounted|attached)",
    ),
    Failure(
        "disk full",
        "/kaggle/working holds 20 GB: write less there (fewer checkpoints and overlays), and scratch to /kaggle/temp",
        r"No space left on device|Errno 28|disk (space|quota) (exceeded|than is available)|more disk space than|"
        r"Output .*(exceed|too large)|Disk quota exceeded",
    ),
    Failure(
        "killed for memory",
        "the machine's memory was full, not the GPU's: fewer loaders "
        "(--set data.workers=1) or smaller images (--set data.scale={scale:g})",
        r"more memory than is available|killed by SIGKILL|killed by signal: Killed|(exit(ed)?|return)[ -]?(with )?"
        r"(code|status)\W*(137|-9)\b|Signal 9 \(SIGKILL\)|exitcode\s*: -9|Out of memory: Killed|^\s*MemoryError\b|"
        r"Cannot allocate memory|ArrayMemoryError|DefaultCPUAllocator: can't allocate memory",
    ),
    Failure(
        "time limit",
        "go on from its checkpoint: python launch.py --resume {run}; or let several sessions take turns: --chain 3; or "
        "train less: --set train.epochs={epochs}",
        r"exceed\w* .{0,40}((run|execution|session|allowed) ?-?time|time limit)|exceeded the time|"
        r"time limit (of .*)?(was )?(reached|exceeded)|(notebook|kernel|session) time(d )?out|"
        r"max(imum)? (allowed )?(run|execution) ?time",
    ),
)
"""The more particular before the more general: of a line, the first that fits counts."""


def diagnose(message: str, log_end: str, run: Run | None = None) -> Failure | None:
    """The known failure that Kaggle's `message` or the log's end tells of, its fix in the run's own numbers."""
    for line in (*message.splitlines(), *reversed(log_end.splitlines())):
        for failure in KNOWN:
            if failure.fits(line):
                return Failure(failure.name, failure.fix.format(**_numbers(run)), failure.words)
    return None


def of(run: Run, status: Status) -> dict[str, str] | None:
    """The failure of a run's latest session, as run.json holds it: {name, fix}; None when it has none that is known."""
    if status.state != "failed":
        return None
    found = diagnose(status.message, log_file.tail(run), run)
    return {key: value for key, value in asdict(found).items() if key != "words"} if found else None


def last_words(log_end: str) -> list[str]:
    """The last traceback of a log, or else our own last error; of a long one, its last `TRACE_LINES` lines.

    What torchrun says of a rank that failed is passed over where the rank said itself what was wrong.
    """
    lines = log_end.splitlines()
    begins = [number for number, line in enumerate(lines) if re.match(TRACE_BEGIN, line)]
    blocks = [_block(lines, begin) for begin in begins]
    telling = [block for block in blocks if "ChildFailedError" not in block[-1]] or blocks
    if telling:
        return telling[-1][-TRACE_LINES:]
    errors = [number for number, line in enumerate(lines) if line.startswith("error: ")]
    return lines[errors[-1] :][:TRACE_LINES] if errors else []


RANK = r"(\[rank\d+\]: ?)?"
TRACE_BEGIN = RANK + r"Traceback \(most recent call last\):"


def _block(lines: list[str], begin: int) -> list[str]:
    """A traceback: its frames, which are indented, and the exception's first line."""
    end = begin + 1
    while end < len(lines) and re.match(RANK + r"(\s|$)", lines[end]):
        end += 1
    return lines[begin : end + 1]


def _numbers(run: Run | None) -> dict[str, Any]:
    """The run's own numbers, made smaller, for the fixes."""
    content = run.read() if run else {}
    recipe = content.get("recipe") if isinstance(content.get("recipe"), dict) else {}
    train, data = recipe.get("train", {}), recipe.get("data", {})
    return {
        "batch": max(1, (train.get("batch") or 16) // 2),
        "crop": max(32, data.get("crop", 512) // 64 * 32),
        "lr": (train.get("lr") or 1e-3) / 3,
        "scale": data.get("scale", 1.0) / 2,
        "epochs": max(1, train.get("epochs", 40) // 2),
        "run": run.id if run else "RUN",
    }
