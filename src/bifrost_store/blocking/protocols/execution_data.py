"""What runs leave while they go on: recorded, read, searched and followed. Without await; written by tools/blocking.py."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from pydantic import SecretStr

from bifrost_store.core.page import OnUnreadable
from bifrost_store.core.scope import Scope
from bifrost_store.documents import Execution
from bifrost_store.repository_protocols.execution_data import Item, ItemsPage, ItemType, Level, LogLine, Variables
from bifrost_store.repository_protocols.executions import ExecutionRef


class BlockingRecording(Protocol):
    """One writer's turn on a run. May be used from any thread; no method waits for a store or raises for its sake.

    Texts and values are kept as they are at the call; those that are no JSON as their ``repr``, NaN as text, cycles cut; a message
    over 32 KiB, data over 64 KiB and variables or state over 1.5 MB are cut with a mark. After the end of the recording, calls do
    nothing but count.
    """

    def log(
        self, level: Level | str, message: str, *, data: Any = None, logger: str | None = None, traceback: str | None = None
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

    def flush(self, *, seconds: float = 5.0) -> bool:
        """Wait until what was added so far is stored, at most so long; return whether it is."""
        ...


class BlockingExecutionItems(Protocol):
    """The execution data of runs. What of it is visible, the run's record decides: none of a run that is gone or expired.

    Where the store keeps no execution data (Table Storage, or real time switched off), reads answer from what was saved with the
    run once it has ended, and before that with nothing. `bifrost_store.protocols` says what is common to all methods.
    """

    def recording(
        self, execution: Execution | ExecutionRef, *, level: Level | str = Level.DEBUG, capture: bool = True
    ) -> AbstractContextManager[BlockingRecording]:
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

    def items(
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

    def last(
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

    def find(
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
    ) -> Iterator[Item]:
        """Yield every item that is there by now, from the beginning, a page at a time; `follow` waits for what comes.

        Arguments and errors as `items`, and:

        Args:
            page_size: 1 to 500: items that are read at once, and held.
            on_unreadable: Is called with the error of each document that cannot be read; by default the first one is raised, after
                the items of its page.

        Raises:
            CorruptDocumentError: A document cannot be read, and *on_unreadable* was not given.
        """
        ...

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
    ) -> Iterator[LogLine]:
        """Yield every line that `find` would show, from the beginning, a page at a time. Otherwise like `iterate`."""
        ...

    def variables(self, scope: Scope, execution_id: str, *, count: int | None = None, fallback: bool = True) -> Variables | None:
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
    ) -> Iterator[ItemsPage]:
        """Yield pages of items as they come, each once, and end with the run.

        Ends when the run has ended and each of its recordings has said that it has, or 30 seconds after the run ended; or when the
        run is gone. Arguments and errors otherwise as `items`.
        """
        ...
