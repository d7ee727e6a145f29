"""Zips and folders of pictures, opened without trusting them.

with open_archive(path) as archive:            # a zip file, or a folder
    archive.names                              # members' names, checked
    content = archive.read("a.png", most=1_000_000)

A member is read by its name and never extracted. Refused are names that leave the folder (absolute, `..`, drive
letters, backslashes), links, encrypted members, names that stand twice, and members that unpack to more than a picture
of their image can have.
"""

from __future__ import annotations

import io
import os
import re
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from lib.errors import DataError, Refused, UsageError, first
from lib.rasters.images import PNG, open_header
from lib.rasters.reader import TIFF

DAMAGES = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError)
"""What reading a member may end in: broken streams, a compression that Python lacks."""

OVERHEAD = 1 << 20
"""Bytes of a picture's file beside its pixels."""


def most_bytes(size: tuple[int, int], bands: int) -> int:
    """Bytes that a picture of (height, width) pixels may have in its file, in whatever format and however stored."""
    return (size[0] + 1) * (size[1] + 1) * bands * 2 + OVERHEAD


def announced(file: BinaryIO, name: str, source: str) -> tuple[int, int]:
    """Height and width by a picture's header: a small file may announce one that fills the memory.

    Raises `DataError` for what is no picture of its name's format, `Refused` for more pixels than can be decoded.
    """
    magic, what = ((PNG,), "PNG") if name.lower().endswith(".png") else (TIFF, "TIFF")
    try:
        start = file.read(OVERHEAD)
        if not start.startswith(magic):
            raise DataError(f"{source} is not a {what}")
        file.seek(0)
        with open_header(io.BytesIO(start) if what == "PNG" else file, source) as header:
            height, width = header.height, header.width
    except DAMAGES as error:
        raise DataError(f"{source} is damaged: {error}") from None
    if height * width >= 2**30:
        raise Refused(f"{source} announces {width}x{height} pixels", "leave it out, or give its images with --data")
    return height, width


def open_archive(path: Path) -> ZipOfPictures | FolderOfPictures:
    """A zip file or a folder, opened for reading; an error says when it is neither."""
    return FolderOfPictures(path) if Path(path).is_dir() else ZipOfPictures(path)


class FolderOfPictures:
    """The files of a folder and the folders below it, but for hidden ones."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        found = sorted(file for file in self.path.rglob("*") if not file.is_dir())
        self.names = [file.relative_to(self.path).as_posix() for file in found]
        self.names = [
            name for name in self.names if not any(part.startswith(".") for part in PurePosixPath(name).parts)
        ]

    def __enter__(self) -> FolderOfPictures:
        return self

    def __exit__(self, *_) -> None:
        pass

    def opened(self, name: str) -> BinaryIO:
        """A member as a file to read from; `DataError` when it is missing."""
        if not (self.path / name).is_file():
            raise DataError(f"{self.path} has no member {name}")
        return open(self.path / name, "rb")

    def read(self, name: str, most: int) -> bytes:
        """A member's content; `DataError` when it is missing, `Refused` when it is larger than `most` bytes."""
        file = self.path / name
        if not file.is_file():
            raise DataError(f"{self.path} has no member {name}")
        if os.path.getsize(file) > most:
            raise Refused(f"{self.path}: {name} has {os.path.getsize(file):,} bytes, and its picture {most:,} at most")
        return file.read_bytes()


class ZipOfPictures:
    """The members of a zip file."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        try:
            self.zip = zipfile.ZipFile(path)
        except FileNotFoundError:
            raise UsageError(f"{path} does not exist") from None
        except (zipfile.BadZipFile, OSError, ValueError, RuntimeError) as error:
            raise DataError(f"{path} is not a readable zip file: {error}") from None
        self.members = {info.filename: info for info in self.zip.infolist() if not info.is_dir()}
        self.names = [info.filename for info in self.zip.infolist() if not info.is_dir()]
        try:
            _refuse(path, self.zip.infolist())
        except Refused:
            self.zip.close()
            raise

    def __enter__(self) -> ZipOfPictures:
        return self

    def __exit__(self, *_) -> None:
        self.zip.close()

    def opened(self, name: str) -> BinaryIO:
        """A member as a file to read from, which unpacks as far as it is read; `DataError` when it is missing."""
        try:
            return self.zip.open(self._info(name))
        except DAMAGES as error:
            raise DataError(f"{self.path}: {name} is damaged: {error}") from None

    def _info(self, name: str) -> zipfile.ZipInfo:
        if name not in self.members:
            raise DataError(f"{self.path} has no member {name}")
        return self.members[name]

    def read(self, name: str, most: int) -> bytes:
        """A member's content; `DataError` when it is missing or damaged, `Refused` when it is larger than `most`."""
        info = self._info(name)
        if info.file_size > most:
            raise Refused(
                f"{self.path}: {name} unpacks to {info.file_size:,} bytes, and its picture has {most:,} at most"
            )
        try:
            with self.zip.open(info) as file:
                return file.read(most + 1)
        except DAMAGES as error:
            raise DataError(f"{self.path}: {name} is damaged: {error}") from None


def _refuse(path: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    """Raise `Refused` for names and members that no honest file has."""
    outside = [info.filename for info in members if _leaves(info)]
    if outside:
        raise Refused(f"{path}: names lead out of the folder: {first(list(map(repr, outside)), 3)}", "make it again")
    links = [info.filename for info in members if stat.S_ISLNK(info.external_attr >> 16)]
    if links:
        raise Refused(f"{path}: {first(links, 3)}: a link instead of a picture", "put the pictures themselves into it")
    locked = [info.filename for info in members if info.flag_bits & 1]
    if locked:
        raise Refused(f"{path}: encrypted: {first(locked, 3)}", "make it again without a password")
    twins = [name for name, count in Counter(info.filename for info in members).items() if count > 1]
    if twins:
        raise Refused(f"{path}: {len(twins)} names stand more than once: {first(twins, 3)}", "keep one of each")


def _leaves(info: zipfile.ZipInfo) -> bool:
    name = info.orig_filename
    parts = PurePosixPath(name).parts
    return (
        not name
        or name.startswith("/")
        or ".." in parts
        or "\\" in name
        or "\0" in name
        or bool(re.match("[A-Za-z]:", name))
    )
