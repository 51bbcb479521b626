"""Files and folders that hold tenants' data: their owner's alone, whatever the umask, and whoever made them before."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, Final, Literal

FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700


def open_private(path: Path, mode: Literal["wb", "xb", "ab", "r+b"]) -> BinaryIO:
    """Open a file that only its owner may read and write, before anything is in it.

    With ``wb`` a file that was there is removed, not emptied: somebody may have it open.
    """
    if mode == "wb":
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder")
        path.unlink(missing_ok=True)
    flags = "xb" if mode == "wb" else mode
    return open(path, flags, opener=_open)


def make_private_folder(folder: Path) -> None:
    """Make *folder* and its parents where missing; those that it makes, only their owner may enter."""
    if not folder.is_dir():
        make_private_folder(folder.parent)
        try:
            folder.mkdir(FOLDER_MODE)
        except FileExistsError:
            if not folder.is_dir():
                raise
        else:
            folder.chmod(FOLDER_MODE)


def restrict(path: Path) -> None:
    """Take a file away from everybody but its owner, without opening it; nothing if there is none."""
    if os.name == "nt":
        return
    try:
        if path.stat().st_mode & 0o077:
            path.chmod(FILE_MODE)
    except (FileNotFoundError, PermissionError):
        return  # Somebody else's file is theirs to restrict.


def _open(name: str, flags: int) -> int:
    descriptor = os.open(name, flags, FILE_MODE)
    if os.name != "nt":
        try:
            os.fchmod(descriptor, FILE_MODE)
        except BaseException:
            os.close(descriptor)
            raise
    return descriptor
