"""Processes that share a file, and calls that are cancelled."""

# ruff: noqa: ASYNC221 - nothing else runs in the loop while a test looks at files and processes.

from __future__ import annotations

import inspect
import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import pytest

from bifrost_store.backends.sqlite import turns as turns_module
from bifrost_store.backends.sqlite.backend import SqliteBackend
from bifrost_store.backends.sqlite.turns import Execute
from bifrost_store.core.attempts import Attempt
from bifrost_store.core.operations import Create
from bifrost_store.core.query import Query
from bifrost_store.documents import SPECS
from bifrost_store.errors import (
    BackendUnavailableError,
    DocumentExistsError,
    StoreError,
)
from bifrost_store.wrappers.checked import CheckedBackend
from tests.unit.sqlite.records import ORGANIZATION, execution, sql

pytestmark = pytest.mark.anyio


class TestProcesses:
    def test_many_processes_lose_nothing(self, path: Path) -> None:
        """Processes that provision one file at once and increment one record by compare-and-set lose no increment."""
        program = f"""
            import anyio, sys
            from bifrost_store.backends.sqlite.backend import SqliteBackend
            from bifrost_store.core.attempts import Attempt
            from bifrost_store.core.record import Key, Record
            from bifrost_store.core.scope import GLOBAL
            from bifrost_store.documents import SPECS
            from bifrost_store.errors import DocumentExistsError, PreconditionFailedError

            async def main():
                backend = SqliteBackend({str(path)!r}, SPECS, busy_timeout_seconds=30)
                await backend.provision()
                key = Key("config", GLOBAL, "counter")
                try:
                    await backend.create(Record(key, {{"value": 0}}))
                except DocumentExistsError:
                    pass
                done = 0
                while done < 20:
                    record = await backend.get(key)
                    try:
                        await backend.replace(record.with_body({{"value": record.body["value"] + 1}}), record.etag)
                        done += 1
                    except PreconditionFailedError:
                        pass
                await backend.aclose()

            anyio.run(main)
        """
        command = [sys.executable, "-c", inspect.cleandoc(program)]
        processes = [subprocess.Popen(command, env={"PYTHONPATH": ":".join(sys.path)}) for _ in range(3)]

        assert [process.wait(60) for process in processes] == [0, 0, 0]
        ((body, revision),) = sql(path, "SELECT json_extract(body, '$.value'), revision FROM records")
        assert (body, revision) == (60, 61)

    async def test_committed_writes_survive_a_kill(self, path: Path) -> None:
        """What was acknowledged is there after the process was killed, and an open batch is not."""
        program = f"""
            import anyio, os, signal
            from bifrost_store.backends.sqlite.backend import SqliteBackend
            from bifrost_store.core.attempts import Attempt
            from bifrost_store.core.record import Key, Record
            from bifrost_store.core.scope import GLOBAL
            from bifrost_store.documents import SPECS

            async def main():
                backend = SqliteBackend({str(path)!r}, SPECS)
                await backend.create(Record(Key("config", GLOBAL, "first"), {{}}))

                def die(execute):
                    backend._create(execute, Record(Key("config", GLOBAL, "second"), {{}}), Attempt())
                    os.kill(os.getpid(), signal.SIGKILL)

                await backend._connection.write_together(die)

            anyio.run(main)
        """
        process = subprocess.run(
            [sys.executable, "-c", inspect.cleandoc(program)], env={"PYTHONPATH": ":".join(sys.path)}, check=False
        )
        backend = SqliteBackend(str(path), SPECS)
        pages = [page async for page in backend.scan()]
        await backend.aclose()

        assert process.returncode == -9
        assert [record.key.id for page in pages for record in page.records] == ["first"]

    def test_a_program_may_end_without_closing(self, path: Path) -> None:
        """A program that forgets to close the backend, or fails before it could, ends all the same."""
        program = f"""
            import anyio
            from bifrost_store.backends.sqlite.backend import SqliteBackend
            from bifrost_store.documents import SPECS

            backend = SqliteBackend({str(path)!r}, SPECS)
            anyio.run(backend.provision)
        """
        command = [sys.executable, "-c", inspect.cleandoc(program)]

        assert subprocess.run(command, env={"PYTHONPATH": ":".join(sys.path)}, check=False).returncode == 0

    async def test_busy_is_retryable(self, path: Path) -> None:
        """A write that another process keeps waiting beyond the timeout fails retryably and names the file; reads go on."""
        backend = SqliteBackend(str(path), SPECS, busy_timeout_seconds=0.05)
        stored = await backend.create(execution())
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for write in (backend.create(execution(2)), backend.batch([Create(execution(2))])):
                with pytest.raises(BackendUnavailableError, match=r"store\.db") as raised:
                    await write
                assert raised.value.is_retryable
                assert isinstance(raised.value.__cause__, sqlite3.OperationalError)
            assert stored == await backend.get(stored.key)
            other.execute("ROLLBACK")

        assert (await backend.create(execution(2))).version.revision == 1
        await backend.aclose()


class TestCancellation:
    async def test_cancelled_batches_leave_nothing_open(
        self, backend: CheckedBackend, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A batch cancelled at any statement is done as a whole when the call ends, and leaves no lock."""
        await backend.provision()
        statements: list[str] = []

        def cancel_at(position: int, scope: anyio.CancelScope, connection: Any, text: str, *parameters: Any) -> Any:
            if position == len(statements):
                anyio.from_thread.run_sync(scope.cancel, token=token)
            statements.append(text.split(maxsplit=1)[0])
            return fetch(connection, text, *parameters)

        fetch, token = turns_module._fetch, anyio.lowlevel.current_token()
        for position in range(6):
            statements.clear()
            with monkeypatch.context() as patch, anyio.CancelScope() as scope:
                patch.setattr(turns_module, "_fetch", partial(cancel_at, position, scope))
                await backend.batch([Create(execution(number)) for number in range(4)])

            assert scope.cancelled_caught
            assert [("e-0",), ("e-1",), ("e-2",), ("e-3",)] == sql(path, "SELECT id FROM records ORDER BY id")
            await backend.create(execution(99))
            assert await backend.get(execution(99).key) is not None
            sql(path, "DELETE FROM records")
        assert ["BEGIN", *["INSERT"] * 4, "COMMIT"] == statements

    async def test_a_waiting_call_can_be_cancelled(self, sqlite: SqliteBackend) -> None:
        """A task that waits for its turn leaves the one whose turn it is alone."""
        await sqlite.provision()
        scope, goes_on = anyio.CancelScope(), Event()

        async def wait_in_line() -> None:
            with scope:
                await sqlite.create(execution(1))

        def be_slow(execute: Execute) -> None:
            goes_on.wait()
            sqlite._create(execute, execution(2), Attempt())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sqlite._connection.write_together, be_slow)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(wait_in_line)
            await anyio.wait_all_tasks_blocked()
            scope.cancel()
            goes_on.set()

        assert scope.cancelled_caught
        assert await sqlite.get(execution(1).key) is None
        assert await sqlite.get(execution(2).key) is not None

    async def test_nothing_joins_another_tasks_transaction(self, backend: CheckedBackend) -> None:
        """Writes made while a failing batch runs are not undone with it."""
        taken = await backend.create(execution(0))
        failures: list[StoreError] = []

        async def fail() -> None:
            try:
                await backend.batch([*(Create(execution(100 + number)) for number in range(5)), Create(taken)])
            except DocumentExistsError as error:
                failures.append(error)

        async with anyio.create_task_group() as tasks:
            for number in range(1, 11):
                tasks.start_soon(fail)
                tasks.start_soon(backend.create, execution(number))

        assert [str(taken.key)] * 10 == [failure.key for failure in failures]
        page = await backend.query(Query("execution", ORGANIZATION))
        assert {f"e-{number}" for number in range(11)} == {record.key.id for record in page}

    @pytest.mark.usefixtures("leaves_no_worker")
    async def test_cancelled_opening_leaves_no_thread(self, path: Path) -> None:
        """A call that is cancelled while it opens the file leaves a backend that closes cleanly."""
        backend = SqliteBackend(str(path), SPECS)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await backend.get(execution().key)
        assert await backend.get(execution().key) is None
        await backend.aclose()
