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
* Errors are those of `bifrost_store.errors`, each chained to the database's own, with neither credentials nor content.

When a write may be sent, and what is stored with it:

* Immediately before every single sending, `Attempt.check` is called. It raises where the write may no longer be sent, as the
  process's lease has ended: then nothing is sent, and what was sent before is told as `OutcomeUnknownError`. Nothing waits between
  the check and the sending: no lock, and no retry of a library below; what sends a write again by itself is switched off.
* The version of what is stored comes from `Attempt.follow` with the version of what it replaces, a tombstone's included, or
  `NO_VERSION` where nothing was: it raises the revision by one and names the attempt by its write id. `Apply` alone stores the
  version that it brings. A `Replace` or `Delete` compares revision and write id by `Version.is_same_state`, in one step.
* A deleted record leaves its tombstone, `Record.tombstone`, in the same atomic step; `scan` and `stored` show it, nobody else.
* Once the fate of a sending is unknown, no later refusal of the same write speaks for it; `core.attempts.staying_unknown` and
  `backends.settling` do this for services that are asked over a wire.
* What is returned carries ``native_etag``, a text of the backend's own that names exactly the stored state, and ``backend``, its
  name.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast, runtime_checkable

from typing_extensions import override

from bifrost_store.core.attempts import Attempt
from bifrost_store.core.operations import Apply, Create, Delete, Operation, Replace, Result
from bifrost_store.core.page import Page
from bifrost_store.core.progress import Progress, silent
from bifrost_store.core.query import Group, Query
from bifrost_store.core.record import Body, Key, Record
from bifrost_store.core.scope import Scope
from bifrost_store.core.tasks import for_each
from bifrost_store.core.version import Etag
from bifrost_store.errors import CorruptDocumentError

if TYPE_CHECKING:
    from bifrost_store.backends.execution_data import ExecutionData
    from bifrost_store.backends.feed import Feed


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

    async def stored(self, key: Key) -> Record | None:
        """Return what is stored at *key*, whether readers see it or not: a record, one that has expired, or a tombstone.

        For those who make one store equal to another. Its ``native_etag`` is what `apply` takes as *over*.

        Raises:
            CorruptDocumentError: It is there but cannot be read.
        """
        ...

    async def write(self, operations: Sequence[Operation], *, attempt: Attempt) -> list[Result]:
        """Carry out 1 to 32 operations on different keys of one kind and scope, all or nothing.

        Args:
            operations: Each class says what it does and what it returns.
            attempt: The terms. `Attempt.check` is called before every sending of a write to a record, `Attempt.follow` gives the
                version of what is stored, but for `Apply`, which brings its own.

        Returns:
            One result per operation, in their order.

        Raises:
            StoreError: What the first operation that fails raises, with ``key`` naming it.
            StaleRouteError: What is stored was written under a later epoch than the attempt's.
            OutcomeUnknownError: The answer was lost, and what is stored now does not tell what happened.
        """
        ...

    async def query(self, query: Query) -> Page[Record]:
        """Return the next page. A page is full unless it is the last one; pages neither repeat nor skip a record that
        was present throughout, whatever is inserted meanwhile.

        Raises:
            InvalidContinuationTokenError: The token was altered or belongs to another query.
        """
        ...

    async def aggregate(
        self, query: Query, *, group_by: Sequence[str] = (), sum_of: Sequence[str] = (), histogram_of: str | None = None
    ) -> list[Group]:
        """Count and sum the records that *query* describes, ordered by group values. Its limit and token are not used.

        One pass over them, and where the database can, it does all of it; see `Group` for what counts.

        Args:
            query: Which records.
            group_by: Fields whose values, type for type, make a group; records without a field count under None.
            sum_of: Fields whose whole numbers are added up, and how many those are.
            histogram_of: A field whose whole numbers are counted by the buckets of `core.histogram`.

        Returns:
            A group for each combination of values that occurs. Nothing found: no groups.
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

    # Powers that not every backend has.

    @property
    def repair(self) -> Repair | None:
        """Repairs rows beside the records; None where there are none."""
        return None

    @property
    def layout(self) -> Layout | None:
        """Compares and fixes the policies of containers; None where they have none."""
        return None

    @property
    def raw_rows(self) -> RawRows | None:
        """Reads and writes rows as they are, for tools; None where records are kept in no rows of others."""
        return None

    @property
    def execution_data(self) -> ExecutionData | None:
        """Keeps what runs leave while they go on; None where a run's logs and variables can only be stored whole."""
        return None

    @property
    def feed(self) -> Feed | None:
        """Tells what has changed; None where that cannot be followed."""
        return None

    # What follows is written here, once, over the methods above.

    async def stored_all(self, keys: Sequence[Key]) -> list[Record | None]:
        """Return what `stored` does for each of *keys*, 1 to 32 of one kind and scope, in as few requests as the backend can.

        Raises:
            CorruptDocumentError: One of them is there but cannot be read.
        """
        return await for_each(self.stored, keys)

    async def create(self, record: Record, *, epoch: int = 0) -> Record:
        """Carry out `Create`, under *epoch*."""
        return cast(Record, await self._write_one(Create(record), epoch))

    async def replace(self, record: Record, expected: Etag, *, epoch: int = 0) -> Record:
        """Carry out `Replace`, under *epoch*."""
        return cast(Record, await self._write_one(Replace(record, expected), epoch))

    async def delete(self, key: Key, *, expected: Etag | None = None, epoch: int = 0) -> Record | None:
        """Carry out `Delete`, under *epoch*."""
        return cast("Record | None", await self._write_one(Delete(key, expected), epoch))

    async def apply(self, record: Record, *, over: str | None = None) -> bool:
        """Carry out `Apply`."""
        return cast(bool, await self._write_one(Apply(record, over), 0))

    async def batch(self, operations: Sequence[Operation], *, epoch: int = 0) -> list[Result]:
        """Carry out several operations, all or nothing, under *epoch*."""
        return await self.write(operations, attempt=Attempt(epoch))

    async def _write_one(self, operation: Operation, epoch: int) -> Result:
        (result,) = await self.write([operation], attempt=Attempt(epoch))
        return result


@dataclass(slots=True)
class RepairReport:
    """What `Repair.run` did: counts by what was repaired or found.

    Attributes:
        repaired: The counts.
        unreadable: Rows of any kind that cannot be read. Whoever asks for the repair adds them, from `Backend.scan`: one reader
            decides for repair, dump, backfill and verification.
        contradictions: Rows that say what cannot be, one line each; they are read in the stricter way.
    """

    repaired: dict[str, int] = field(default_factory=dict)
    unreadable: list[CorruptDocumentError] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)

    def note(self, what: str, count: int = 1) -> None:
        """Count something repaired."""
        self.repaired[what] = self.repaired.get(what, 0) + count


IndexRows = Literal["stop", "resume"]
"""What an operator says of the rows that only the old application reads."""


class Repair(Protocol):
    """Of a backend that keeps rows beside the records, which a crash or the old application can leave behind."""

    async def run(
        self, *, old_application_stopped: bool = False, index_rows: IndexRows | None = None, progress: Progress = silent
    ) -> RepairReport:
        """Make index rows, locators and twins agree with the records. Safe to run at any time, and twice.

        Args:
            old_application_stopped: The operator's word that only this library still creates executions. Ids that have
                no locator afterwards are no longer searched for.
            index_rows: ``stop``: the operator's word that the old application has stopped for good. The index rows that it reads
                are removed, and no process writes any, from half a minute later on. ``resume`` withdraws it: they are
                written again, and those that are missing made. None: as it was said last.
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
        is_fixable: `Layout.fix` does it.
        is_warning: The store works all the same, and promises less.
    """

    place: str
    problem: str
    remedy: str
    is_fixable: bool = False
    is_warning: bool = False

    @override
    def __str__(self) -> str:
        return f"{self.place}: {self.problem}"


class Layout(Protocol):
    """Of a backend whose containers have policies that somebody may change, and that `Backend.provision` leaves alone."""

    async def differences(self, *, missing_ok: bool = False) -> list[Difference]:
        """Return how what exists differs from what is needed. Changes nothing.

        Args:
            missing_ok: What is missing is no difference.

        Raises:
            NotProvisionedError: Something is missing altogether, and *missing_ok* was not given.
        """
        ...

    async def fix(self) -> list[Difference]:
        """Put right what can be, and return that. The rest is left, with everything else of the containers concerned."""
        ...


class RawRows(Protocol):
    """Of a backend that keeps records in rows which others read and write too: the rows themselves."""

    async def table_names(self) -> list[str]:
        """Return the names of every table, sorted."""
        ...

    def read(self, table: str) -> AsyncIterator[dict[str, Any]]:
        """Go through a table's rows in the order of their keys, in the JSON of the service's own interface, types exact."""
        ...

    def write(self, table: str, rows: Iterable[Mapping[str, Any]]) -> AsyncIterator[int]:
        """Put rows over whatever is there, making the table where it is missing; yield how many each request wrote.

        Raises:
            InvalidRequestError: A row has no keys, or a value that does not fit its type; those before it were written.
        """
        ...
