"""What `Backend.write` carries out: operations as values, and what each returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bifrost_store.core.record import Key, Record
from bifrost_store.core.version import Etag

MAX_BATCH_OPERATIONS: Final = 32
MAX_BATCH_BYTES: Final = 1024 * 1024
"""Of all bodies and extras together, as ASCII JSON: what Table Storage's 4 MiB a transaction take with every further row."""


@dataclass(frozen=True, slots=True)
class Create:
    """Store a new record. Its result is the record as stored; after a deletion it continues at the tombstone's revision + 1.

    Raises:
        DocumentExistsError: A record with this key is present.
    """

    record: Record

    @property
    def key(self) -> Key:
        """Of the record."""
        return self.record.key


@dataclass(frozen=True, slots=True)
class Replace:
    """Store *record* over the state that *expected* names. Its result is the record as stored, at revision + 1.

    ``sort_key`` must be that of the stored record. One request if *expected* is the `Record.etag` of what this backend read;
    an etag that was text is compared with what is stored, and nothing of it is stored.

    Raises:
        DocumentNotFoundError: No record is present.
        PreconditionFailedError: The record is in another state.
    """

    record: Record
    expected: Etag

    @property
    def key(self) -> Key:
        """Of the record."""
        return self.record.key


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the record. Its result is the tombstone at revision + 1 that now stands for it, or None if it was not there.

    Raises:
        PreconditionFailedError: *expected* is given and the record is in another state.
    """

    key: Key
    expected: Etag | None = None


@dataclass(frozen=True, slots=True)
class Apply:
    """Store a record or tombstone as it is, version included. Its result is whether anything was written.

    Without *over*: unless the store holds the same or a newer (epoch, revision), tombstones included. With it: over exactly the
    state whose native etag is *over*, whatever its revision; False if that state has passed. Repeated and out-of-order calls
    converge.
    """

    record: Record
    over: str | None = None

    @property
    def key(self) -> Key:
        """Of the record."""
        return self.record.key


Operation = Create | Replace | Delete | Apply
Result = Record | bool | None
"""What an operation returns: a record from Create and Replace, a tombstone or None from Delete, a bool from Apply."""
_NAMES: Final[dict[type[Operation], str]] = {Create: "create", Replace: "replace", Delete: "delete", Apply: "apply"}

WRITES: Final = frozenset({*_NAMES.values(), "batch", "append_data"})
"""Whatever `name_of` returns, and the write of execution data."""


def name_of(operations: Sequence[Operation]) -> str:
    """Return what errors and telemetry call a write: the verb of a single operation, or ``batch``."""
    return _NAMES[type(operations[0])] if len(operations) == 1 else "batch"
