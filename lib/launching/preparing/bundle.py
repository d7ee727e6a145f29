"""Packs everything that a run needs into one Python file.

A Kaggle kernel has one code file and no arguments, so `lib`, the kernel, the competition, the recipe and
segmentation-models-pytorch (which Kaggle's image lacks) travel inside it: a readable head, then an archive.

    bundle = pack(kernel="train.py", competition=Path("dubai.toml"), recipe=recipe, gpu="t4x2")
    bundle.source        # the file's bytes; the same tree gives the same bytes
"""

from __future__ import annotations

import ast
import base64
import bz2
import hashlib
import importlib.metadata
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lib.errors import Refused
from lib.folders import PROJECT
from lib.launching.preparing import ignore, leaks
from lib.launching.preparing.leaks import Leak
from lib.recipe import Recipe

LIMIT = 900_000
"""Largest kernel file that is pushed unforced."""
UTMOST = 999_999
"""Largest that may be forced. Kaggle refuses 1 MB: "The kernel source must be less than 1 megabytes"."""

LINE = 4000
"""Characters of the payload a line."""

SMP = "segmentation-models-pytorch"
STAYS_HOME = ("launching/", "data/doctor/", "data/discover/")
"""Parts of `lib` that no session needs."""
STARTS = {"tune.py": ("train.py",)}
"""The kernels that another one starts, and that travel with it."""
SESSION = "SESSION = "


@dataclass(frozen=True)
class Bundle:
    """One file that is a whole run."""

    source: bytes
    files: tuple[tuple[str, int], ...]
    """What is inside: names and sizes before packing."""
    sha256: str
    """Of the archive inside."""
    ignored: tuple[str, ...] = ()
    """Files of lib/ that `.kernelignore` leaves out."""
    leaks: tuple[Leak, ...] = ()
    """What inside looks like a credential."""


def pack(
    kernel: str,
    competition: Path,
    recipe: Recipe,
    gpu: str,
    limit: int | None = None,
    most: int = LIMIT,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> Bundle:
    """Make the bundle of a run whose first session ends after `limit` seconds; `more`: what else plan.json says.

    Raises `Refused` when it would be larger than `most` bytes, with the names of its largest files, and when
    `.kernelignore` leaves out what the kernel imports.
    """
    ignored = ignore.load(PROJECT)
    ships, stays = ignored.split(_tree(PROJECT / "lib", "lib"))
    plan = {"kernel": kernel, "gpu": gpu, **more}
    contents = {
        **ships,
        **{f"kernels/{name}": (PROJECT / "kernels" / name).read_bytes() for name in (kernel, *STARTS.get(kernel, ()))},
        "competition.toml": competition.read_bytes(),
        "recipe.json": recipe.model_dump_json(indent=2).encode(),
        "plan.json": json.dumps(plan, indent=2).encode(),
        **_installed(SMP, "site"),
    }
    for name in (kernel, *STARTS.get(kernel, ())):
        ignore.check_imports(f"kernels/{name}", contents, stays, ignored)
    archive = _archive(contents)
    sha256 = hashlib.sha256(archive).hexdigest()
    files = tuple((name, len(contents[name])) for name in sorted(contents))
    source = _source(kernel, recipe, gpu, limit, files, archive, sha256)
    if len(source) > most:
        largest = sorted(files, key=lambda file: -file[1])[:5]
        how = "at most" if most > LIMIT else "safely"
        raise Refused(
            f"the bundle is {len(source):,} bytes, and Kaggle takes {most:,} {how}; "
            f"the largest files in it are {', '.join(f'{name} ({size:,} bytes)' for name, size in largest)}",
            f"leave what the kernel does not need out, with a line in {ignore.NAME}"
            + (" (or push it as it is: --force)" if LIMIT < len(source) <= UTMOST else ""),
        )
    return Bundle(source, files, sha256, tuple(sorted(stays)), leaks.find(contents))


def next_session(source: bytes, limit: int | None, resumes: str | None) -> bytes:
    """The same bundle for another session: `resumes` names the kernel, as owner/slug, that it goes on from."""
    lines = source.split(b"\n")
    lines[_session_line(lines)] = _session(limit, resumes).encode()
    return b"\n".join(lines)


def with_weights(source: bytes, weights: Mapping[str, str]) -> bytes:
    """The same bundle for a session that starts from weights in a data set: {dataset, file, sha256}."""
    return source.replace(b"\nWEIGHTS = ''\n", f"\nWEIGHTS = {json.dumps(dict(weights))!r}\n".encode(), 1)


def shortened(source: bytes, limit: int) -> bytes:
    """The same session's bundle with another limit, in seconds."""
    lines = source.split(b"\n")
    session = ast.literal_eval(lines[_session_line(lines)].decode().removeprefix(SESSION))
    return next_session(source, limit, session["resumes"])


def _session_line(lines: list[bytes]) -> int:
    return next(number for number, line in enumerate(lines) if line.startswith(SESSION.encode()))


def _session(limit: int | None, resumes: str | None) -> str:
    """The one line of a bundle that differs from session to session."""
    return f"{SESSION}{{'limit': {limit!r}, 'resumes': {resumes!r}}}"


def _tree(folder: Path, name: str) -> dict[str, bytes]:
    """Every file under `folder` but caches, hidden files and the room that stays home."""
    found = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith((".", "__pycache__")) for part in inside.parts)
        if path.is_file() and not hidden and not inside.as_posix().startswith(STAYS_HOME):
            found[f"{name}/{inside.as_posix()}"] = path.read_bytes()
    return found


def _installed(distribution: str, name: str) -> dict[str, bytes]:
    """An installed pure-Python package as its wheel holds it: modules, metadata, licence."""
    try:
        listed = importlib.metadata.distribution(distribution).files or []
    except importlib.metadata.PackageNotFoundError:
        raise Refused(
            f"{distribution} is not installed here, and the kernel must carry it", f"pip install {distribution}"
        ) from None
    left_out = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
    return {
        f"{name}/{file.as_posix()}": file.read_binary()
        for file in listed
        if file.suffix != ".pyc" and file.name not in left_out and ".." not in file.parts
    }


def _archive(contents: dict[str, bytes]) -> bytes:
    """A tar.bz2 that depends on names and contents alone: sorted, no times, no owners."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(contents):
            entry = tarfile.TarInfo(name)
            entry.size = len(contents[name])
            entry.mode = 0o644
            tar.addfile(entry, io.BytesIO(contents[name]))
    return bz2.compress(plain.getvalue())  # as small as xz here, and four times as fast


def _plain(text: str) -> str:
    """A user's word as it may stand in the head's docstring."""
    return text.replace("\\", "/").replace('"', "'")


def _source(
    kernel: str, recipe: Recipe, gpu: str, limit: int | None, files: tuple, archive: bytes, sha256: str
) -> bytes:
    """The head for people, the code that unpacks, the payload."""
    listing = "\n".join(f"    {size:>8,}  {name}" for name, size in files if not name.startswith("site/"))
    carried = sum(1 for name, _ in files if name.startswith("site/"))
    about = f'''"""A run in one file, made by Swath's launch.py.

It unpacks itself outside the working folder, checks the payload's SHA-256 and starts kernels/{kernel}.
To look inside without running anything:

    python kernel.py unpack FOLDER

Accelerator asked for: {gpu}.
Model: {_plain(recipe.model.title)}, weights {_plain(recipe.model.weights)}.
Inside (bytes, name), and {SMP} in site/ ({carried} files):

{listing}
"""
'''
    code = (Path(__file__).parent / "head.py").read_text(encoding="utf-8")
    encoded = base64.b64encode(archive).decode()
    text = "\n".join(encoded[start : start + LINE] for start in range(0, len(encoded), LINE))
    constants = [f"KERNEL = {kernel!r}", _session(limit, None), "WEIGHTS = ''", f"SHA256 = {sha256!r}"]
    parts = [about, code, *constants, f'PAYLOAD = """\n{text}\n"""', "main()\n"]
    return "\n".join(parts).encode()
