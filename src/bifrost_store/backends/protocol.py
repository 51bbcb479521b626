"""The narrow waist: what a storage technology must do, and what it need not know.

A backend knows kinds, scopes, keys, filters and limits. Of users or executions it knows only what a `DocumentSpec`
declares. Callers reach it through `bifrost_store.wrappers.checked.CheckedBackend`, which refuses bad input before any
backend sees it, so an implementation may rely on: valid keys, bodies with exactly the declared fields and storable JSON,
sizes within the limits, declared filter fields, limits of 1 to 500, batches of one kind in one scope. Records of an append-only
kind are never replaced, deleted or ended.

What every method owes:

* A record that is deleted or expired is absent. An expired one may be overwritten by anything.
* Every write is atomic for the record: readers and crashes see the old or the new one.
* A write whose answer was lost is settled before the method returns: the library's own write id is found stored, then it
  succeeded; another write came first, then the error says so; nothing is known, then `OutcomeUnknownError`.
* Errors are those of `bifrost_store.errors`, each chained to the database's own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable

from bifrost_store.core.page import Page
from bifrost_store.core.progress import Progress, silent
from bifrost_store.core.query import Group, Query
from bifrost_store.core.record import Body, Key, Record
from bifrost_store.core.scope import Scope
from bifrost_store.core.version import Etag
from bifrost_store.errors import CorruptDocumentError

MAX_BATCH_OPERATIONS = 32
MAX_BATCH_BYTES = 1024 * 1024
"""Of all bodies and extras together, as ASCII JSON: what Table Storage's 4 MiB a transaction take with every further row."""

WRITES: Final = frozenset({"create", "replace", "delete", "apply", "batch"})
"""The methods that write records."""


@dataclass(frozen=True, slots=True)
class Create:
    """Batch operation: as `Backend.create`."""

    record: Record


@dataclass(frozen=True, slots=True)
class Replace:
    """Batch operation: as `Backend.replace`."""

    record: Record
    expected: Etag


@dataclass(frozen=True, slots=True)
class Delete:
    """Batch operation: as `Backend.delete`."""

    key: Key
    expected: Etag | None = None


@dataclass(frozen=True, slots=True)
class Apply:
    """Batch operation: as `Backend.apply`."""

    record: Record


Operation = Create | Replace | Delete | Apply
Result = Record | bool | None
"""What an operation of a batch returns: a record from Create and Replace, a tombstone or None from Delete, a bool from Apply."""


@dataclass(frozen=True, slots=True)
class ScanPage:
    """A stretch of everything stored.

    Attributes:
        records: Records and tombstones, in the backend's own order.
        unreadable: Rows that cannot be read, each named by an error.
        resume_token: Pass it to `Backend.scan` to go on after this stretch, also in another process.
        rejected: What is stored of each of *unreadable*, in their order, in the backend's own form. Content: never logged.
    """

    records: tuple[Record, ...]
    unreadable: tuple[CorruptDocumentError, ...]
    resume_token: str
    rejected: tuple[Body, ...] = ()


@runtime_checkable
class Backend(Protocol):
    """One store of records. Safe for concurrent use within one event loop."""

    @property
    def name(self) -> str:
        """``sqlite``, ``table`` or ``cosmos``; stands in etags and errors."""
        ...

    async def get(self, key: Key, *, fallback: Scope | None = None) -> Record | None:
        """Return the record at *key*, else the one with the same kind and id in *fallback*, else None.

        A point read per scope, made in parallel. One call takes both scopes so that a backend that must search for a
        record without an index looks everywhere by key first.

        Raises:
            CorruptDocumentError: The record is there but cannot be read.
        """
        ...

    async def create(self, record: Record, *, epoch: int = 0) -> Record:
        """Store a new record and return it as stored. After a deletion it continues at the tombstone's revision + 1.

        Raises:
            DocumentExistsError: A record with this key is present.
        """
        ...

    async def replace(self, record: Record, expected: Etag, *, epoch: int = 0) -> Record:
        """Store *record* over the state that *expected* names and return it as stored, at revision + 1.

        ``sort_key`` must be that of the stored record. One request if *expected* is the `Record.etag` of what this backend read;
        an etag that was text is compared with what is stored, and nothing of it is stored.

        Raises:
            DocumentNotFoundError: No record is present.
            PreconditionFailedError: The record is in another state.
            OutcomeUnknownError: The answer was lost and later writes hide what happened.
        """
        ...

    async def stored(self, key: Key) -> Record | None:
        """Return what is stored at *key*, whether readers see it or not: a record, one that has expired, or a tombstone.

        For those who make one store equal to another. Its ``native_etag`` is what `apply` takes as *over*.

        Raises:
            CorruptDocumentError: It is there but cannot be read.
        """
        ...

    async def delete(self, key: Key, *, expected: Etag | None = None, epoch: int = 0) -> Record | None:
        """Delete the record. Return the tombstone at revision + 1 that now stands for it, or None if it was not there.

        Raises:
            PreconditionFailedError: *expected* is given and the record is in another state.
            OutcomeUnknownError: The answer was lost and nothing is there any more.
        """
        ...

    async def apply(self, record: Record, *, over: str | None = None) -> bool:
        """Store a record or tombstone as it is, version included; return whether anything was written.

        Without *over*: unless the store holds the same or a newer (epoch, revision), tombstones included. With it: over
        exactly the state whose native etag is *over*, whatever its revision; False if that state has passed.
        Repeated and out-of-order calls converge.
        """
        ...

    async def batch(self, operations: Sequence[Operation], *, epoch: int = 0) -> list[Result]:
        """Carry out 1 to 32 operations on different keys of one kind and scope, all or nothing.

        Returns:
            One result per operation: what the single method returns.

        Raises:
            StoreError: The first operation that fails, as its single method raises it, with ``key`` naming it.
        """
        ...

    async def query(self, query: Query) -> Page[Record]:
        """Return the next page. A page is full unless it is the last one; pages neither repeat nor skip a record that
        was present throughout, whatever is inserted meanwhile.

        Raises:
            InvalidContinuationTokenError: The token was altered or belongs to another query.
        """
        ...

    async def aggregate(self, query: Query, *, group_by: Sequence[str] = (), sum_of: Sequence[str] = ()) -> list[Group]:
        """Count and sum the records that *query* describes, ordered by group values. Its limit and token are not used.

        Records without a field count under None. Nothing found: no groups.
        """
        ...

    def scan(self, resume_token: str | None = None) -> AsyncIterator[ScanPage]:
        """Go through every record and tombstone of every scope, expired ones included; internal kinds are left out.

        A record that is written meanwhile is met at least once if it was there throughout.
        """
        ...

    async def purge_expired(self, *, kind: str, limit: int = 500) -> list[Record]:
        """Remove up to *limit* expired records of one kind for good and return them. An empty list: none are left."""
        ...

    async def provision(self) -> None:
        """Make tables, containers or schema where missing. Changes nothing that exists."""
        ...

    async def ping(self) -> str:
        """Return one line about the store that answered.

        Raises:
            StoreError: It cannot be used; the message says why and what to do.
        """
        ...

    async def aclose(self) -> None:
        """Close what this backend opened. Calling it twice is harmless."""
        ...


@dataclass(slots=True)
class RepairReport:
    """What `SupportsRepair.repair` did: counts by what was mended or found.

    Attributes:
        mended: The counts.
        unreadable: Rows of any kind that cannot be read. Whoever asks for the repair adds them, from `Backend.scan`: one reader
            decides for repair, dump, backfill and verification.
        contradictions: Rows that say what cannot be, one line each; they are read in the stricter way.
    """

    mended: dict[str, int] = field(default_factory=dict)
    unreadable: list[CorruptDocumentError] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)

    def note(self, what: str, count: int = 1) -> None:
        """Count something mended."""
        self.mended[what] = self.mended.get(what, 0) + count


@runtime_checkable
class SupportsRepair(Protocol):
    """A backend that keeps rows beside the records, which a crash or the old application can leave behind."""

    async def repair(self, *, old_application_stopped: bool = False, progress: Progress = silent) -> RepairReport:
        """Make index rows, locators and twins agree with the records. Safe to run at any time, and twice.

        Args:
            old_application_stopped: The operator's word that only this library still creates executions. Ids that have
                no locator afterwards are no longer searched for.
            progress: Is told how many executions were looked at.
        """
        ...


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as the store needs it.

    Attributes:
        place: The container, or ``account``.
        problem: What is, and what should be.
        remedy: What to do about it, as a sentence without its full stop.
        is_mendable: `SupportsLayout.mend` does it.
        is_warning: The store works all the same, and promises less.
    """

    place: str
    problem: str
    remedy: str
    is_mendable: bool = False
    is_warning: bool = False

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}"


@runtime_checkable
class SupportsLayout(Protocol):
    """A backend whose containers have policies that somebody may change, and that `Backend.provision` leaves alone."""

    async def differences(self, *, missing_ok: bool = False) -> list[Difference]:
        """Return how what exists differs from what is needed. Changes nothing.

        Args:
            missing_ok: What is missing is no difference.

        Raises:
            NotProvisionedError: Something is missing altogether, and *missing_ok* was not given.
        """
        ...

    async def mend(self) -> list[Difference]:
        """Put right what can be, and return that. The rest is left, with everything else of the containers concerned."""
        ...
