"""Looks through what ships for files and lines that hold credentials, and never shows them.

find({"lib/data/notes.py": b'token = "KGAT_…"'})      # (Leak("lib/data/notes.py", 1, "a Kaggle API token"),)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import translate
from pathlib import PurePosixPath

NAMES = (
    ".env",
    ".env.*",
    "*.env",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "*.ppk",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    "kaggle.json",
    "access_token",
    "access_token.txt",
    "credentials.json",
    "client_secret*.json",
    "service_account*.json",
    ".netrc",
    "_netrc",
    ".pypirc",
    ".npmrc",
    ".git-credentials",
)
"""Files that exist to hold credentials."""

EXAMPLES = (".env.example", ".env.sample", ".env.template")

GITHUB = (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_")

TOKENS = (
    ("a Kaggle API token", (b"KGAT_",), rb"(?<![A-Za-z0-9])KGAT_[A-Za-z0-9_-]{16,}"),
    ("a Hugging Face token", (b"hf_",), rb"(?<![A-Za-z0-9])hf_[A-Za-z0-9]{30,}"),
    ("a GitHub token", GITHUB, rb"(?<![A-Za-z0-9])(?:gh[pousr]_\w{36,}|github_pat_\w{22,})"),
    ("an AWS access key", (b"AKIA", b"ASIA"), rb"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    ("a Google API key", (b"AIza",), rb"(?<![A-Za-z0-9])AIza[A-Za-z0-9_-]{35}"),
    ("a Slack token", (b"xox",), rb"(?<![A-Za-z0-9])xox[abeprs]-[A-Za-z0-9-]{20,}"),
    ("a private key", (b"PRIVATE KEY",), rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"),
    (
        "a kaggle.json",
        (b"username",),
        rb"""["']username["']\s*:\s*["'][^"'\n]+["']\s*,\s*["']key["']\s*:\s*["'][0-9a-fA-F]{32}["']"""
        rb"""|["']key["']\s*:\s*["'][0-9a-fA-F]{32}["']\s*,\s*["']username["']""",
    ),
)
"""What a credential is, words of which one is in every such text, and how it is written."""

VALUE = rb"""[:=](?=\s*(?:["']([A-Za-z0-9+/_.=-]{20,})["']|([A-Za-z0-9+/_=-]{20,})\s*(?:\r?\n|$)))"""  # may hold a :=
"""A long value that something is set to…"""
NAME = (
    rb"(?i)(?:api[_-]?key|secret(?:[_-]?key)?|access[_-]?key|(?:auth|access|api)[_-]?token|password|passwd)"
    rb"""["']?$"""
)
"""…and a name before it, but for blanks, that says secret; values are rare, so they are looked for first."""
LONGEST_NAME = 16
MOST_BLANKS = 4096
"""Bytes."""

_TOKENS = [(kind, words, re.compile(pattern)) for kind, words, pattern in TOKENS]
_NAMES = re.compile("|".join(map(translate, NAMES)))
_VALUE, _NAME = re.compile(VALUE), re.compile(NAME)


@dataclass(frozen=True)
class Leak:
    """A file that looks like a credential, or a line of it, from 1, that does."""

    file: str
    line: int | None
    kind: str

    def __str__(self) -> str:
        return f"{self.file}{f' line {self.line}' if self.line else ''} ({self.kind})"


def find(contents: Mapping[str, bytes]) -> tuple[Leak, ...]:
    """Every file whose name or text looks like a credential, in the order of names and lines."""
    return tuple(leak for name in sorted(contents) for leak in _leaks(name, contents[name]))


def _leaks(name: str, content: bytes) -> Iterator[Leak]:
    last = PurePosixPath(name).name.lower()
    if last not in EXAMPLES and _NAMES.match(last):
        yield Leak(name, None, "a file of that name holds credentials")
        return
    found = {
        (_line(content, match.start()), kind)
        for kind, words, regex in _TOKENS
        if any(word in content for word in words)
        for match in regex.finditer(content)
    }
    taken = {line for line, _ in found}
    for match in _VALUE.finditer(content):
        begin = max(0, match.start() - MOST_BLANKS)
        before = content[begin : match.start()].rstrip()
        named = _NAME.search(before, max(0, len(before) - LONGEST_NAME))
        line = _line(content, begin + named.start()) if named else None
        if named and line not in taken and _is_random(match[1] or match[2]):
            found.add((line, "a secret in plain text"))
    for line, kind in sorted(found):
        yield Leak(name, line, kind)


def _is_random(value: bytes) -> bool:
    """Whether a value is no word of a language: letters and digits in it, and many different ones."""
    has_both = re.search(rb"[0-9]", value) and re.search(rb"[A-Za-z]", value)
    return bool(has_both) and len(set(value)) >= 8


def _line(content: bytes, place: int) -> int:
    return content.count(b"\n", 0, place) + 1
