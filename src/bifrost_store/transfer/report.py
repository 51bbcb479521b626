"""What a dump or load tells: while it runs, and at its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from bifrost_store.core.record import Record

MAX_NAMED: Final = 1_000
"""So much that could not be carried is named; who has more needs another dump."""
_MAX_CHARACTERS: Final = 1_000


@dataclass(slots=True)
class TransferReport:
    """What was carried, over all runs that it took.

    Attributes:
        records: Per kind; tombstones count under ``tombstone``.
        written: Records that a load wrote; the others were there already, as new or newer.
        blobs: Blobs carried.
        documents: Documents of execution data carried.
        unreadable: One line for each row, line or blob that could not be carried, of the first thousand.
        unnamed: How many more could not.
    """

    records: dict[str, int] = field(default_factory=dict)
    written: int = 0
    blobs: int = 0
    documents: int = 0
    unreadable: list[str] = field(default_factory=list)
    unnamed: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether everything was carried."""
        return not self.unreadable

    def note(self, record: Record) -> None:
        """Count a record."""
        kind = "tombstone" if record.is_tombstone else record.key.kind
        self.records[kind] = self.records.get(kind, 0) + 1

    def refuse(self, what: object) -> None:
        """Name something that could not be carried, once; or count it, where so much is named already."""
        line = str(what)[:_MAX_CHARACTERS]
        if len(self.unreadable) == MAX_NAMED:
            self.unnamed += 1
        elif line not in self.unreadable:
            self.unreadable.append(line)
