"""How far a dump or load has come: saved after each batch, so that the next run goes on where this one stopped."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bifrost_store.core.files import open_private
from bifrost_store.core.json import load_json
from bifrost_store.errors import ConfigurationError

FORMAT = "bifrost-store-dump"
FORMAT_VERSION = 2
"""Version 1 knew no execution data; what it wrote is read."""


Whole = Annotated[int, Field(ge=0, le=2**63 - 1)]
"""A count, or a place in a file."""


class Progressed(BaseModel):
    """What both states hold.

    Attributes:
        id: Names the dump.
        places: Where the store's data is; see `Store.places`.
        records, unreadable, unnamed, blobs, documents: See `TransferReport`.
        is_complete: Nothing is left to do.
    """

    model_config = ConfigDict(strict=True)

    format: str = FORMAT
    version: int = FORMAT_VERSION
    id: str
    places: list[str]
    records: dict[str, Whole] = {}
    unreadable: list[str] = []
    unnamed: Whole = 0
    blobs: Whole = 0
    documents: Whole = 0
    is_complete: bool = False


class DumpState(Progressed):
    """Of a dump.

    Attributes:
        resume_token: Where the scan goes on; None before its first page.
        is_scanned: All records are written.
        data_stores: Stores whose execution data is written.
        data_token: Where the scan of the next one's goes on; None before its first page.
        records_bytes, data_bytes, blobs_bytes: Bytes of ``records.jsonl``, ``execution_data.jsonl`` and ``blobs.jsonl`` that count.
    """

    resume_token: str | None = None
    is_scanned: bool = False
    data_stores: list[str] = []
    data_token: str | None = None
    records_bytes: Whole = 0
    data_bytes: Whole = 0
    blobs_bytes: Whole = 0


class LoadState(Progressed):
    """Of a load.

    Attributes:
        position: Bytes of ``records.jsonl`` that are done.
        last: Where the last line before *position* begins.
        written: Records that were written.
        blob_lines: Lines of ``blobs.jsonl`` that are done.
        data_position: Bytes of ``execution_data.jsonl`` that are done.
    """

    position: Whole = 0
    last: Whole = 0
    written: Whole = 0
    blob_lines: Whole = 0
    data_position: Whole = 0


S = TypeVar("S", bound=Progressed)


@dataclass(frozen=True, slots=True)
class StateFile(Generic[S]):
    """A state beside the files that it speaks of: ``dump.json`` or ``load.json``."""

    path: Path
    kind: type[S]

    def read(self) -> S | None:
        """Return the state of *kind*, or None if there is no file.

        Raises:
            ConfigurationError: It is no such state, or that of a newer version.
        """
        try:
            values = load_json(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError:
            values = None
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            raise ConfigurationError(f"{self.path} is not of this program; choose another folder")
        if values.get("version") not in range(1, FORMAT_VERSION + 1):
            found = values.get("version")
            raise ConfigurationError(f"{self.path} has format version {found}; this program knows {FORMAT_VERSION}")
        try:
            return self.kind.model_validate(values)
        except ValidationError:
            raise self.damaged() from None

    def damaged(self) -> ConfigurationError:
        """Return the error of a state that the files beside it contradict."""
        return ConfigurationError(f"{self.path} is damaged; delete it and start again")

    def write(self, state: S) -> None:
        """Save *state*: readers, also after a crash, find the old or the new one."""
        temporary = self.path.with_suffix(".part")
        with open_private(temporary, "wb") as file:
            file.write(state.model_dump_json(indent=1).encode())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path)
