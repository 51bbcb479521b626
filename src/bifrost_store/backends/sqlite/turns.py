"""Writes that wait for the connection that writes: those that wait at the same time share a transaction and its way to the disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from functools import partial
from typing import Any, Final, Generic, TypeVar, cast

from bifrost_store.backends.sqlite.errors import NAME
from bifrost_store.backends.sqlite.rows import Row, Value
from bifrost_store.core.meter import count

T = TypeVar("T")
Parameters = Mapping[str, Value] | list[dict[str, Value]]
"""Of a statement; or of each time that it is carried out, which returns no rows then."""
Execute = Callable[[str, Parameters], list[Row]]
"""Carries out one statement, in the thread of its connection, and returns all its rows."""
Work = Callable[[Execute], T]
"""Statements, each of which may depend on what came of those before it."""

MOST_TOGETHER: Final = 16
"""Other processes wait so long."""


class Turn(Generic[T]):
    """One write, in the context of its caller, and what came of it.

    Args:
        is_atomic: Its statements are one transaction, where it is carried out alone.
    """

    def __init__(self, work: Work[T], *, is_atomic: bool) -> None:
        self._is_atomic = is_atomic
        self._work = work
        self._context = copy_context()
        self._result: T | None = None
        self._error: BaseException | None = None
        self.has_ended = False

    def carry_out(self, execute: Execute, *, check: Callable[[], None] | None = None) -> None:
        """Do the work; what it raises is raised. With *check*, in a transaction of its own if it is atomic: see `together`."""
        if check is None or not self._is_atomic:
            self._result = self._context.run(self._work, execute)
        else:
            self._result = self._context.run(together, execute, self._work, check)
        self.has_ended = True

    def fail(self, error: BaseException) -> None:
        """Note that nothing is known to have been written, because of *error*; what had failed before keeps its own."""
        self._error = error if self._error is None else self._error
        self.has_ended = True

    def outcome(self) -> T:
        """Return what the work returned, or raise why it failed."""
        if self._error is not None:
            raise self._error
        return cast(T, self._result)


def executing(connection: sqlite3.Connection) -> Execute:
    """Return what carries out statements on *connection*, and counts them."""

    def execute(sql: str, parameters: Parameters) -> list[Row]:
        count(NAME)
        return _fetch(connection, sql, parameters)

    return execute


def _fetch(connection: sqlite3.Connection, sql: str, parameters: Parameters) -> list[Row]:
    run = connection.executemany if isinstance(parameters, list) else connection.execute
    return run(sql, parameters).fetchall()


def carry_out(connection: sqlite3.Connection, turns: Sequence[Turn[Any]], check: Callable[[], None]) -> None:
    """Carry out *turns*, each of which tells what came of it, and ask *check* before several statements are committed.

    They share a transaction, unless the work of one fails: then each has its own. Afterwards no transaction is open.
    """
    execute = executing(connection)

    def share(_: Execute) -> None:
        try:
            for turn in turns:
                turn.carry_out(execute)
        except BaseException as error:
            raise _WorkFailedError from error

    try:
        if len(turns) == 1:
            turns[0].carry_out(execute, check=check)
        else:
            together(partial(_fetch, connection), share, check)
    except _WorkFailedError:
        connection.rollback()
        for turn in turns:
            carry_out(connection, [turn], check)
    except BaseException as error:  # noqa: BLE001 - whoever waits for its turn raises it
        for turn in turns:
            turn.fail(error)
    finally:
        connection.rollback()


class _WorkFailedError(Exception):
    """One of several turns failed, before anything was committed."""


def together(execute: Execute, work: Work[T], check: Callable[[], None] = lambda: None) -> T:
    """Carry out *work* in one transaction, and *check* before it is committed. The caller rolls back what has failed."""
    execute("BEGIN IMMEDIATE", {})
    result = work(execute)
    check()
    execute("COMMIT", {})
    return result
