"""Files that are whole or not there, and stay after a power cut. They are their owner's alone: they hold tenants' data."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

from bifrost_store.core.files import make_private_folder, open_private

_CREATE_RETRIES: Final = 20


def write(path: Path, data: bytes) -> None:
    """Make *path* hold *data*, at once and for good."""
    _write_by(path, data, Path.replace)


def write_new(path: Path, data: bytes) -> bool:
    """Make *path* hold *data*, at once and for good; return False, and change nothing, if there is such a file."""

    def link(temporary: Path, path: Path) -> None:
        path.hardlink_to(temporary)
        temporary.unlink()

    try:
        _write_by(path, data, link)
    except FileExistsError:
        if path.is_dir():
            raise
        return False
    return True


def make_folder(folder: Path) -> None:
    """Make *folder* and its parents where missing."""
    if not folder.is_dir():
        make_folder(folder.parent)
        make_private_folder(folder)
        _sync_folder(folder.parent)


def _write_by(path: Path, data: bytes, move: Callable[[Path, Path], object]) -> None:
    temporary = path.with_name(f"+{uuid.uuid4().hex}")
    try:
        with _create(temporary) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        move(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    with contextlib.suppress(FileNotFoundError):
        _sync_folder(path.parent)


def _create(path: Path) -> BinaryIO:
    for _ in range(_CREATE_RETRIES):
        # Someone may delete the last blob in the folder just then, and the folder with it.
        with contextlib.suppress(FileNotFoundError, FileExistsError):
            make_folder(path.parent)
            return open_private(path, "xb")
    make_folder(path.parent)
    return open_private(path, "xb")


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # Folders cannot be opened there; the file system keeps their entries in order.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
