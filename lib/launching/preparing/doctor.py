"""Whether this machine can launch: `launch.py doctor`, a `Check` a line, each with its fix.

Works without an account and offline: what cannot be asked is said, and nothing is raised.
"""

from __future__ import annotations

import datetime
import email.utils
import importlib.metadata
import os
import shutil
import sys
from pathlib import Path

from lib import files
from lib.errors import SwathError
from lib.folders import PROJECT, runs_folder
from lib.launching.kaggle import account, credentials
from lib.launching.kaggle.account import Account
from lib.launching.kaggle.client import CONNECT_SECONDS, ENDPOINT, connect, owner
from lib.launching.preparing import verdicts
from lib.launching.preparing.checks import UNKNOWN, Check, some
from lib.launching.preparing.demand import SHORTEST
from lib.launching.preparing.verdicts import NO_HOURS

OLDEST, NEWEST = (3, 11), (3, 13)
"""Versions of Python that the kit is tested with."""

USUAL_ENDPOINT = "https://api.kaggle.com"

SKEW_SECONDS = 300
"""A clock that is further off makes signed addresses and tokens look expired, or not yet valid."""

LITTLE_DISK, NO_DISK = 5 << 30, 1 << 30
"""Bytes: a run's outputs on Kaggle may be 20 GB; checkpoints alone take some hundred MB."""

INSTALL = "pip install -r requirements.txt"


def examine() -> tuple[Check, ...]:
    """Look at everything that a launch needs."""
    reached = _endpoint()
    return (
        _python(),
        *_packages(PROJECT / "requirements.txt"),
        _disk(runs_folder()),
        *reached,
        *_account(credentials.sources(), reached[0].failed),
    )


def _python() -> Check:
    have = sys.version_info[:2]
    words = f"{sys.version.split()[0]} ({sys.executable})"
    if have < OLDEST:
        return Check("Python", "fail", words, fix=f"install Python {_dotted(OLDEST)} to {_dotted(NEWEST)}")
    if have > NEWEST:
        fix = f"nothing, or Python {_dotted(NEWEST)}: newer ones were not tried"
        return Check("Python", "warn", words, fix=fix)
    return Check("Python", "ok", words)


def _packages(requirements: Path) -> list[Check]:
    """One line when all are as requirements.txt wants them, else one for each that is not."""
    try:
        from packaging.requirements import InvalidRequirement, Requirement
    except ImportError:
        return [Check("packages", "fail", "packaging is not installed", fix=INSTALL)]
    wanted, wrong = 0, []
    for line in requirements.read_text(encoding="utf-8").splitlines():
        text = line.split("#")[0].strip()
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        wanted += 1
        try:
            have = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(Check("packages", "fail", f"{text} is not installed", fix=INSTALL))
            continue
        if not requirement.specifier.contains(have, prereleases=True):
            wrong.append(Check("packages", "fail", f"{requirement.name} {have} is here, {text} is wanted", fix=INSTALL))
    return wrong or [Check("packages", "ok", f"all {wanted} of requirements.txt")]


def _disk(runs: Path) -> Check:
    here = next(folder for folder in (runs.absolute(), *runs.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(here).free
    words = f"{free / (1 << 30):,.1f} GiB free for {files.shown(runs)}"
    fix = "free some, or put runs elsewhere: SWATH_RUNS=DIR"
    if not os.access(here, os.W_OK):
        return Check("disk", "fail", f"{here} cannot be written", fix="put runs elsewhere: SWATH_RUNS=DIR")
    verdict = "fail" if free < NO_DISK else "warn" if free < LITTLE_DISK else "ok"
    return Check("disk", verdict, words, fix=None if verdict == "ok" else fix)


def _endpoint() -> tuple[Check, Check]:
    """Whether the server answers at all, and whether its clock and this one agree."""
    try:
        import requests
    except ImportError:
        return Check("endpoint", "fail", "not asked: requests is not installed", fix=INSTALL), _unasked(
            "clock", INSTALL
        )
    address = (os.environ.get(ENDPOINT) or USUAL_ENDPOINT).rstrip("/")
    words = f"{address} ({ENDPOINT})" if os.environ.get(ENDPOINT) else address
    try:
        answer = requests.get(address, timeout=CONNECT_SECONDS, allow_redirects=False)
    except (requests.RequestException, ValueError) as error:
        reason = type(error).__name__
        fix = f"go online, or unset {ENDPOINT}" if os.environ.get(ENDPOINT) else "go online"
        return Check("endpoint", "fail", f"{words} cannot be reached ({reason})", fix=fix), _unasked("clock", fix)
    return Check("endpoint", "ok", words), _clock(answer.headers.get("Date"))


def _clock(date: str | None) -> Check:
    try:
        then = email.utils.parsedate_to_datetime(date or "")
    except ValueError:
        return Check("clock", "warn", "not compared: the server did not say what time it is", fix="ask again later")
    then = then if then.tzinfo else then.replace(tzinfo=datetime.UTC)
    off = (datetime.datetime.now(datetime.UTC) - then).total_seconds()
    words = f"{abs(off):,.0f} s {'ahead of' if off > 0 else 'behind'} the server's"
    if abs(off) > SKEW_SECONDS:
        return Check(
            "clock", "warn", f"{words}: signed requests may fail", fix="set the clock: timedatectl set-ntp true"
        )
    return Check("clock", "ok", words)


def _account(found: list[credentials.Source], offline: bool) -> list[Check]:
    """Credentials and what they open: quota and slots."""
    if not found:
        none = Check("credentials", "fail", "there are none on this machine", fix=credentials.HOW)
        return [none, *(_unasked(name, "save credentials first") for name in ("quota", "slots"))]
    hidden = [source.name for source in found[1:]]
    words = f"from {found[0].name}" + (f", which hides {some(hidden, 60)}" if hidden else "")
    if offline:
        untried = Check("credentials", "warn", f"{words}; not tried", fix="go online")
        return [untried, *(_unasked(name, "go online") for name in ("quota", "slots"))]
    try:
        api = connect()
        user = owner(api)
        answers = account.ask(api, user, "GPU")
    except SwathError as error:
        refused = Check("credentials", "fail", f"{words}: {error.reason}", fix=error.hint)
        return [refused, *(_unasked(name, "see to the credentials first") for name in ("quota", "slots"))]
    known = Check("credentials", "warn" if hidden else "ok", f"{words}, of {user}", fix=_unhide(hidden))
    half = account.KERNELS in answers.silence
    slots = verdicts.slots_check("GPU", user, answers.running, half)
    return [known, _quota(answers), _unasked("slots", "ask again later") if slots.verdict == UNKNOWN else slots]


def _unasked(name: str, fix: str) -> Check:
    return Check(name, "warn", "not known", fix=fix)


def _unhide(hidden: list[str]) -> str | None:
    return f"remove the ones you do not use: {some(hidden, 100)}" if hidden else None


def _quota(found: Account) -> Check:
    if found.quota is None:
        return _unasked("quota", "ask again later")
    words = verdicts.left_words(found.quota)
    return Check("quota", "ok", words) if found.quota.left >= SHORTEST else Check("quota", "warn", words, fix=NO_HOURS)


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
