"""What runs leave while they go on: recorded, read, searched and followed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal, Protocol, overload

from pydantic import SecretStr
from typing_extensions import override

from bifrost_store.core.page import AnyPage, OnUnreadable, Page, walk
from bifrost_store.core.scope import Scope
from bifrost_store.documents import Execution
from bifrost_store.errors import CorruptDocumentError
from bifrost_store.repository_protocols.executions import ExecutionRef

ItemType = Literal["log", "variables", "state"]

NOTICE_LOGGER: Final = "bifrost_store.recording"
"""The logger of lines by which a recording speaks of itself."""


class Level(StrEnum):
    """How much a line matters, the least first; spelled as the platform's pages know them."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """From 0, the higher the more it matters."""
        return _RANKS[self]


_RANKS = {level: rank for rank, level in enumerate(Level)}


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a run's log.

    Attributes:
        recording: Ordinal of the recording that wrote it, among those of the run.
        number: Its place in the recording, from 1. Numbers are missing where items were left out.
        message: At most 32 KiB; what was cut is marked.
        data: What the line was given beside its text, as JSON, or None.
        logger: Name of the logger, or None.
        traceback: Of an exception, or None.
    """

    recording: int
    number: int
    timestamp: datetime
    level: Level
    message: str
    data: Any = None
    logger: str | None = None
    traceback: str | None = None

    @property
    def dropped(self) -> int:
        """How many items its recording dropped before it, for want of time: 0 of every line but those that say so."""
        data = self.data if self.logger == NOTICE_LOGGER else None
        dropped = data.get("dropped") if isinstance(data, dict) else None
        return dropped if isinstance(dropped, int) and dropped > 0 else 0


@dataclass(frozen=True, slots=True)
class Variables:
    """A run's variables at one moment. *count* numbers those of one recording, from 1: the plan's version."""

    recording: int
    number: int
    timestamp: datetime
    count: int
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class State:
    """A state that the run reported; any JSON. *count* as in `Variables`."""

    recording: int
    number: int
    timestamp: datetime
    count: int
    value: Any


Item = LogLine | Variables | State


@dataclass(frozen=True, slots=True)
class ItemsPage(Sequence[Item]):
    """Some items of one run in the order shown: by time, then recording, then number.

    Attributes:
        items: What was found.
        after: Pass it to go on behind this page, now or whenever more may have come. Opaque.
        before: Pass it to see what stands before this page; None: nothing does.
        is_last: Nothing stood behind this page when it was read.
        is_live: More may come.
        unreadable: Documents in this stretch that cannot be read, each named by an error. They hide no other item.
        reached: By recording, the number up to which *after* has come: whoever also hears of items drops those up to it.
        ended: By recording whose end was come across, how many of its items were dropped because they came faster than they could
            be kept. Of pages that are read one after another from the beginning, one tells of each end.
    """

    items: tuple[Item, ...]
    after: str
    before: str | None
    is_last: bool
    is_live: bool
    unreadable: tuple[CorruptDocumentError, ...] = ()
    reached: Mapping[int, int] = field(default_factory=dict[int, int])
    ended: Mapping[int, int] = field(default_factory=dict[int, int])

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Item]: ...
    @override
    def __getitem__(self, index: int | slice) -> Item | Sequence[Item]:
        return self.items[index]

    @override
    def __len__(self) -> int:
        return len(self.items)


class Recording(Protocol):
    """One writer's turn on a run. May be used from any thread; no method waits for a store or raises for its sake.

    Texts and values are kept as they are at the call; those that are no JSON as their ``repr``, NaN as text, cycles cut; a message
    over 32 KiB, data over 64 KiB and variables or state over 1.5 MB are cut with a mark. After the end of the recording, calls do
    nothing but count.
    """

    def log(
        self,
        level: Level | str,
        message: str,
        *,
        data: Any = None,
        logger: str | None = None,
        traceback: str | None = None,
    ) -> None:
        """Add a line.

        Raises:
            InvalidRequestError: *level* is none.
        """
        ...

    def debug(self, message: str, *, data: Any = None) -> None:
        """Add a line of level DEBUG."""
        ...

    def info(self, message: str, *, data: Any = None) -> None:
        """Add a line of level INFO."""
        ...

    def warning(self, message: str, *, data: Any = None) -> None:
        """Add a line of level WARNING."""
        ...

    def error(self, message: str, *, data: Any = None) -> None:
        """Add a line of level ERROR; with the traceback of the exception that is being handled, if one is."""
        ...

    def set_variables(self, values: Mapping[str, Any]) -> None:
        """Replace the run's variables. Of several calls between two flushes the last one counts."""
        ...

    def set_state(self, value: Any) -> None:
        """Report a state of the run, any JSON; each is kept."""
        ...

    def mask(self, value: str | SecretStr) -> None:
        """Let ``***`` stand for *value* from now on, in lines, data, tracebacks, variables and states of this recording.

        Raises:
            InvalidRequestError: It has fewer than 6 characters: masking it would make everything else unreadable.
        """
        ...

    async def flush(self, *, seconds: float = 5.0) -> bool:
        """Wait until what was added so far is stored, at most so long; return whether it is."""
        ...


class ExecutionItems(Protocol):
    """The execution data of runs. What of it is visible, the run's record decides: none of a run that is gone or expired.

    Where the store keeps no execution data (Table Storage, or real time switched off), reads answer from what was saved with the
    run once it has ended, and before that with nothing. `bifrost_store.protocols` says what is common to all methods.
    """

    def recording(
        self, execution: Execution | ExecutionRef, *, level: Level | str = Level.DEBUG, capture: bool = True
    ) -> AbstractAsyncContextManager[Recording]:
        """Record what happens inside the block as the run's log, variables and states.

        The end of the block waits at most 5 seconds until all of it is stored; what is not yet, goes on being stored while the
        store is open. A block that is left by an exception is recorded no differently: its error is the run's outcome.

        Args:
            level: Lines below it are not kept.
            capture: Also keep what code inside the block says to `logging`, in this task, in tasks it starts, and in threads that
                `bifrost_store.recording.carry` or `asyncio.to_thread` brings into it. Loggers keep their own levels.

        Raises:
            DocumentNotFoundError: There is no such run in that scope.
        """
        ...

    async def items(
        self,
        scope: Scope,
        execution_id: str,
        *,
        after: str | None = None,
        before: str | None = None,
        limit: int = 100,
        types: Collection[ItemType] | None = None,
        level: Level | str | None = None,
        fallback: bool = True,
    ) -> ItemsPage:
        """Return items from the beginning, after a cursor, or the last ones before a cursor.

        Args:
            after: From a page of this run.
            before: From a page of this run; not together with *after*.
            limit: 1 to 500. With *level* a page may have fewer items though more follow.
            types: Only these; None: all.
            level: Of lines only those that matter at least so much.
            fallback: Look for the run in GLOBAL where *scope* has none.

        Raises:
            DocumentNotFoundError: There is no such run.
            InvalidContinuationTokenError: A cursor was altered, or belongs to another run.
        """
        ...

    async def last(
        self,
        scope: Scope,
        execution_id: str,
        *,
        limit: int = 100,
        types: Collection[ItemType] | None = None,
        level: Level | str | None = None,
        fallback: bool = True,
    ) -> ItemsPage:
        """Return the last items of a run. Arguments and errors as `items`."""
        ...

    async def find(
        self,
        scope: Scope,
        execution_id: str,
        text: str,
        *,
        after: str | None = None,
        limit: int = 100,
        level: Level | str | None = None,
        in_tracebacks: bool = True,
        fallback: bool = True,
    ) -> ItemsPage:
        """Return lines whose message, traceback or logger holds *text*, whatever its case, from the beginning or after a cursor.

        A page may have fewer lines than *limit* though more follow, as one call reads a bounded number of documents. Arguments and
        errors otherwise as `items`.

        Args:
            in_tracebacks: Look into tracebacks too: not for who may not see them, and could find out what they hold.
        """
        ...

    def iterate(
        self,
        scope: Scope,
        execution_id: str,
        *,
        types: Collection[ItemType] | None = None,
        level: Level | str | None = None,
        fallback: bool = True,
        page_size: int = 100,
        on_unreadable: OnUnreadable | None = None,
    ) -> AsyncIterator[Item]:
        """Yield every item that is there by now, from the beginning, a page at a time; `follow` waits for what comes.

        Arguments and errors as `items`, and:

        Args:
            page_size: 1 to 500: items that are read at once, and held.
            on_unreadable: Is called with the error of each document that cannot be read; by default the first one is raised, after
                the items of its page.

        Raises:
            CorruptDocumentError: A document cannot be read, and *on_unreadable* was not given.
        """

        async def read(after: str | None) -> tuple[ItemsPage, str | None]:
            page = await self.items(scope, execution_id, after=after, limit=page_size, types=types, level=level, fallback=fallback)
            return page, None if page.is_last else page.after

        return walk(read, on_unreadable)

    def iterate_found(
        self,
        scope: Scope,
        execution_id: str,
        text: str,
        *,
        level: Level | str | None = None,
        in_tracebacks: bool = True,
        fallback: bool = True,
        page_size: int = 100,
        on_unreadable: OnUnreadable | None = None,
    ) -> AsyncIterator[LogLine]:
        """Yield every line that `find` would show, from the beginning, a page at a time. Otherwise like `iterate`."""

        async def read(after: str | None) -> tuple[AnyPage[LogLine], str | None]:
            page = await self.find(
                scope,
                execution_id,
                text,
                after=after,
                limit=page_size,
                level=level,
                in_tracebacks=in_tracebacks,
                fallback=fallback,
            )
            lines = tuple(item for item in page if isinstance(item, LogLine))
            return Page(lines, None, page.unreadable), None if page.is_last else page.after

        return walk(read, on_unreadable)

    async def variables(
        self, scope: Scope, execution_id: str, *, count: int | None = None, fallback: bool = True
    ) -> Variables | None:
        """Return a run's variables: the last ones, or those with a *count*, in the last recording that has them.

        Raises:
            DocumentNotFoundError: There is no such run.
        """
        ...

    def follow(
        self,
        scope: Scope,
        execution_id: str,
        *,
        after: str | None = None,
        types: Collection[ItemType] | None = None,
        level: Level | str | None = None,
        fallback: bool = True,
        poll_seconds: float = 0.5,
    ) -> AsyncIterator[ItemsPage]:
        """Yield pages of items as they come, each once, and end with the run.

        Ends when the run has ended and each of its recordings has said that it has, or 30 seconds after the run ended; or when the
        run is gone. Arguments and errors otherwise as `items`.
        """
        ...
