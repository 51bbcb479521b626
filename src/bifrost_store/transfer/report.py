"""What a dump or load tells: while it runs, and at its end."""

from __future__ import annotations

from dataclasses import dataclass, field

from bifrost_store.core.record import Record


@dataclass(slots=True)
class TransferReport:
    """What was carried, over all runs that it took.

    Attributes:
        records: Per kind; tombstones count under ``tombstone``.
        written: Records that a load wrote; the others were there already, as new or newer.
        blobs: Blobs carried.
        documents: Documents of execution data carried.
        unreadable: One line for each row, line or blob that could not be carried.
    """

    records: dict[str, int] = field(default_factory=dict)
    written: int = 0
    blobs: int = 0
    documents: int = 0
    unreadable: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether everything was carried."""
        return not self.unreadable

    def note(self, record: Record) -> None:
        """Count a record."""
        kind = "tombstone" if record.is_tombstone else record.key.kind
        self.records[kind] = self.records.get(kind, 0) + 1

    def refuse(self, what: object) -> None:
        """Name something that could not be carried, once."""
        if str(what) not in self.unreadable:
            self.unreadable.append(str(what))
