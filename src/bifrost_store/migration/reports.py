"""Files that a phase leaves behind: one JSON object a line, for the operator's eyes only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bifrost_store.core.files import make_private_folder, open_private
from bifrost_store.core.json import dump_json
from bifrost_store.core.record import Record, dump_expiry
from bifrost_store.errors import MigrationRefusedError, NextStep


class ReportFile:
    """Lines that may hold personal data: readable by their owner alone. Made when the first line is written.

    Args:
        folder: Made where missing; None: nothing is written.
        name: Name of the file.
        goes_on: Keep what an earlier run wrote.
    """

    def __init__(self, folder: Path | None, name: str, *, goes_on: bool = False) -> None:
        self.path = None if folder is None else folder / name
        if self.path is not None and not goes_on:
            with _disk(self.path):
                self.path.unlink(missing_ok=True)

    def write(self, values: Mapping[str, Any]) -> None:
        """Append one line and see it on the disk.

        Raises:
            MigrationRefusedError: The disk is full or the file cannot be written. What was saved before is kept.
        """
        if self.path is None:
            return
        with _disk(self.path):
            make_private_folder(self.path.parent)
            file = open_private(self.path, "ab")
            size = os.fstat(file.fileno()).st_size
            try:
                with file:
                    file.write(dump_json(dict(values)).encode() + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
            except OSError:
                os.truncate(self.path, size)  # no half line before what a later run appends
                raise


class _disk:  # noqa: N801 - reads as a statement
    """Turns what the file system refuses into an error that says what to do."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, OSError):
            raise MigrationRefusedError(
                f"{self._path} cannot be written ({error.strerror}); the phase stopped, its state is saved, and nothing is lost",
                next_steps=(NextStep("make room, or name another folder", options={"reports": "DIR"}),),
            ) from error


def shown(record: Record | None) -> dict[str, Any] | None:
    """Return everything of *record* as JSON."""
    if record is None:
        return None
    return {
        "body": record.body,
        "extra": record.extra,
        "sortKey": record.sort_key,
        "expiresAt": dump_expiry(record.expires_at),
        "tombstone": record.is_tombstone,
        "epoch": record.version.epoch,
        "revision": record.version.revision,
        "writeId": record.version.write_id,
    }
