"""What is special to `SqliteBackend`; what all backends have in common is in the contract suite."""

# ruff: noqa: ASYNC221, ASYNC240 - nothing else runs in the loop while a test looks at files and processes.

from __future__ import annotations

import asyncio
import inspect
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.backends.protocol import Backend
from bifrost_store.backends.sqlite import queries
from bifrost_store.backends.sqlite import turns as turns_module
from bifrost_store.backends.sqlite.backend import SqliteBackend
from bifrost_store.backends.sqlite.errors import map_error
from bifrost_store.backends.sqlite.rows import escape, unescape
from bifrost_store.backends.sqlite.turns import Execute
from bifrost_store.core.attempts import Attempt
from bifrost_store.core.clock import format_time
from bifrost_store.core.meter import count_requests
from bifrost_store.core.operations import Apply, Create, Delete, Replace
from bifrost_store.core.query import Eq, Filter, In, Query, Range, matches
from bifrost_store.core.record import NEVER, Key, Record
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.core.spec import DocumentSpec
from bifrost_store.core.version import Version
from bifrost_store.documents import SPECS
from bifrost_store.documents.execution import execution_sort_key
from bifrost_store.errors import (
    AccessDeniedError,
    BackendError,
    BackendUnavailableError,
    ConfigurationError,
    CorruptDocumentError,
    DocumentExistsError,
    DocumentTooLargeError,
    InvalidContinuationTokenError,
    InvalidRequestError,
    NotProvisionedError,
    OutcomeUnknownError,
    StoreError,
)
from bifrost_store.testing.examples import metrics
from bifrost_store.wrappers.checked import CheckedBackend
from tests.thorough import examples

pytestmark = pytest.mark.anyio

NOW = datetime(2025, 11, 14, 12, tzinfo=UTC)
ORGANIZATION = Scope.organization("o-1")


def execution(number: int = 1, scope: Scope = ORGANIZATION, **fields: Any) -> Record:
    started_at = NOW + timedelta(seconds=number)
    names = SPECS["execution"].fields or ()
    body: dict[str, Any] = {
        **dict.fromkeys(names),
        "executionId": f"e-{number}",
        "workflowName": "nightly",
        "executedBy": "sam@example.com",
        "executedByName": "Sam",
        "status": "Running",
        "inputData": {},
        "startedAt": format_time(started_at),
        "resultInBlob": False,
        "blobs": {},
    }
    key = Key("execution", scope, f"e-{number}")
    return Record(key, {**body, **fields}, execution_sort_key(started_at, key.id), expires_at=NEVER)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
async def sqlite(path: Path) -> AsyncIterator[SqliteBackend]:
    backend = SqliteBackend(str(path), SPECS, clock=lambda: NOW)
    yield backend
    await backend.aclose()


@pytest.fixture
def backend(sqlite: SqliteBackend) -> CheckedBackend:
    return CheckedBackend(sqlite, SPECS)


def sql(path: Path, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return connection.execute(statement, parameters).fetchall()


@pytest.fixture
def leaves_no_worker() -> Iterator[None]:
    """No thread of a connection that the test made is left, nor could fail after its event loop has gone."""
    earlier = set(threading.enumerate())
    yield
    workers = [thread for thread in threading.enumerate() if "_connection_worker_thread" in thread.name]
    for worker in set(workers) - earlier:
        worker.join(60)
        assert not worker.is_alive()


class TestFile:
    def test_implements_the_waist(self, path: Path) -> None:
        """The class has every method of the protocol."""
        assert isinstance(SqliteBackend(str(path), SPECS), Backend)

    async def test_nothing_is_created_before_first_use(self, path: Path) -> None:
        """Making and closing a backend touches no file."""
        backend = SqliteBackend(str(path), SPECS)
        await backend.aclose()

        assert not path.exists()

    async def test_works_without_provision(self, backend: CheckedBackend, path: Path) -> None:
        """The first call makes the schema; the journal is a write-ahead log."""
        stored = await backend.create(execution())

        assert stored == await backend.get(stored.key)
        assert sql(path, "PRAGMA journal_mode") == [("wal",)]

    async def test_writes_are_synchronised(self, sqlite: SqliteBackend) -> None:
        """Every commit reaches the disk before it is acknowledged (synchronous = FULL)."""
        await sqlite.provision()

        assert await sqlite._connection.execute("PRAGMA synchronous", {}) == [(2,)]

    async def test_provision_twice_changes_nothing(self, sqlite: SqliteBackend, path: Path) -> None:
        """Provisioning again leaves schema and records as they are."""
        await sqlite.provision()
        stored = await sqlite.create(execution())
        before = sql(path, "SELECT name, sql FROM sqlite_master ORDER BY name")
        await sqlite.provision()

        assert before == sql(path, "SELECT name, sql FROM sqlite_master ORDER BY name")
        assert stored == await sqlite.get(stored.key)

    async def test_ping_names_version_path_and_journal(self, sqlite: SqliteBackend, path: Path) -> None:
        """The line that ping returns says what answered."""
        answer = await sqlite.ping()

        assert f"SQLite {sqlite3.sqlite_version}, {path}, layout 7, journal mode wal" == answer

    async def test_memory(self) -> None:
        """A database in memory keeps records until it is closed."""
        backend = SqliteBackend(":memory:", SPECS)
        stored = await backend.create(execution())

        assert stored == await backend.get(stored.key)
        assert "journal mode memory" in await backend.ping()
        await backend.aclose()

    async def test_closing(self, sqlite: SqliteBackend) -> None:
        """Closing twice is harmless; a closed backend refuses to work and says so."""
        await sqlite.provision()
        await sqlite.aclose()
        await sqlite.aclose()

        with pytest.raises(InvalidRequestError, match="closed"):
            await sqlite.get(execution().key)

    @pytest.mark.parametrize(("pragma", "word"), [("user_version = 8", "version 8"), ("application_id = 7", "another application")])
    async def test_foreign_layout_is_refused(self, path: Path, pragma: str, word: str) -> None:
        """A file of a newer release or of another application is left alone."""
        first = SqliteBackend(str(path), SPECS)
        await first.provision()
        await first.aclose()
        sql(path, f"PRAGMA {pragma}")
        backend = SqliteBackend(str(path), SPECS)

        for call in (backend.provision, backend.ping):
            with pytest.raises(ConfigurationError, match=word):
                await call()
        await backend.aclose()

    async def test_foreign_tables_are_refused(self, path: Path) -> None:
        """A database that holds other tables is not taken over."""
        sql(path, "CREATE TABLE theirs (x)")
        backend = SqliteBackend(str(path), SPECS)

        with pytest.raises(ConfigurationError, match="another application"):
            await backend.get(execution().key)
        await backend.aclose()

        assert sql(path, "SELECT name FROM sqlite_master") == [("theirs",)]
        assert sql(path, "PRAGMA journal_mode") == [("delete",)]

    async def test_counts_statements(self, backend: CheckedBackend) -> None:
        """A point read, a create and a page are one statement each; a batch adds its begin and commit."""
        await backend.provision()
        with count_requests() as requests:
            stored = await backend.create(execution())
            await backend.get(stored.key, fallback=GLOBAL)
            await backend.query(Query("execution", ORGANIZATION))
            await backend.batch([Create(execution(2)), Delete(stored.key)])

        assert requests == {"sqlite": 7}

    def test_names_must_fit_into_sql(self) -> None:
        """A spec whose names could end a string in SQL is refused when the backend is made."""
        with pytest.raises(ConfigurationError, match="letters"):
            SqliteBackend(":memory:", {"x": DocumentSpec("x", queryable=frozenset({"a') --"}))})

    async def test_hostile_names_in_a_query(self, sqlite: SqliteBackend) -> None:
        """Even without the checks around it, the backend puts no other name into SQL."""
        for query in (Query("x' OR 1 --", None), Query("execution", None, (Eq("x') OR 1 --", "a"),))):
            with pytest.raises(InvalidRequestError):
                await sqlite.query(query)


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


class TestText:
    @given(st.lists(st.text(alphabet="\x00\x01\x02a"), min_size=2, max_size=2))
    def test_escaping_keeps_identity_and_order(self, texts: list[str]) -> None:
        """Escaped text has no U+0000, comes back equal, and sorts as before."""
        one, other = map(escape, texts)

        assert texts == [unescape(one), unescape(other)]
        assert "\x00" not in one
        assert (texts[0] < texts[1]) == (one < other)

    async def test_nul_in_a_field_cuts_nothing(self, backend: CheckedBackend) -> None:
        """Values that differ only after U+0000 are told apart by filters and groups."""
        users = ["a", "a\x00b", "a\x00c", "a\x01", "a\x01\x01"]
        for number, user in enumerate(users):
            await backend.create(execution(number, executedBy=user))

        for number, user in enumerate(users):
            page = await backend.query(Query("execution", ORGANIZATION, (Eq("executedBy", user),)))
            assert [f"e-{number}"] == [record.key.id for record in page]
        groups = await backend.aggregate(Query("execution", ORGANIZATION), group_by=["executedBy"])
        assert [((user,), 1) for user in sorted(users)] == [(group.values, group.count) for group in groups]

    async def test_nul_in_an_id(self, backend: CheckedBackend) -> None:
        """Ids that differ only after U+0000 are different records."""
        body = {**dict.fromkeys(SPECS["user"].fields or ()), "email": "x"}
        ids = ["a", "a\x00", "a\x00b"]
        for record_id in ids:
            await backend.create(Record(Key("user", GLOBAL, record_id), body))

        for record_id in ids:
            record = await backend.get(Key("user", GLOBAL, record_id))
            assert record is not None
            assert record.key.id == record_id
            page = await backend.query(Query("user", None, (Eq("id", record_id),)))
            assert [record_id] == [record.key.id for record in page]


TEXTS = ["", "1", "true", "null", "{}", "[]", '{"json": "1"}', format_time(NOW)]
HOSTILE_TEXTS = ["a", "a\x00", "a\x00b", "a\x01", "\x01\x01", "é", "\U0001f600", "'", '"', "%"]
SCALARS: list[Any] = [None, True, False, 0, 1, -1, 2**53 + 1, 2**63, 2**63 + 1, *TEXTS, *HOSTILE_TEXTS]
STORED: list[Any] = [*SCALARS, 1.0, 0.0, -0.0, 1e300, float(2**63), [], [1], {}, {"json": "1"}, {"json": str(2**63)}]
NAMES = ("a", "b")
ANY_SPEC = {"thing": DocumentSpec("thing", queryable=frozenset(NAMES))}


def filters() -> st.SearchStrategy[Filter]:
    name = st.sampled_from([*NAMES, "id", "sortKey"])
    value = st.sampled_from(SCALARS)
    bound = st.sampled_from([None, *TEXTS, *HOSTILE_TEXTS])
    values = st.lists(value, min_size=1, max_size=4).map(tuple)
    return st.one_of(st.builds(Eq, name, value), st.builds(In, name, values), st.builds(Range, name, bound, bound))


class TestQueries:
    @examples(40)
    @given(
        st.lists(st.fixed_dictionaries({}, optional={name: st.sampled_from(STORED) for name in NAMES}), max_size=12),
        st.lists(st.lists(filters(), min_size=1, max_size=3), min_size=1, max_size=10),
    )
    def test_sql_means_what_matches_means(self, bodies: list[dict[str, Any]], conditions: list[list[Filter]]) -> None:
        """A filter selects the records that `core.query.matches` selects, type for type."""

        async def run() -> None:
            backend = SqliteBackend(":memory:", ANY_SPEC)
            try:
                for number, body in enumerate(bodies):
                    await backend.create(Record(Key("thing", GLOBAL, f"{number:02}"), body, f"{number:02}"))
                for condition in conditions:
                    page = await backend.query(Query("thing", GLOBAL, tuple(condition)))
                    everything = await backend.query(Query("thing", GLOBAL))
                    assert [record for record in everything if matches(record, condition)] == list(page), condition
            finally:
                await backend.aclose()

        asyncio.run(run())

    async def test_aggregate_is_exact(self) -> None:
        """Sums neither overflow nor round, and groups tell 1 from true; other types are left out of a sum."""
        backend = SqliteBackend(":memory:", ANY_SPEC)
        values = [2**63 - 1, 2**63 - 1, -(2**63), -1, 2**70, -(2**70) - 1, None, "7", 2.5, [3]]
        for number, value in enumerate(values):
            await backend.create(Record(Key("thing", GLOBAL, f"{number}"), {"a": value, "b": [1, True, "1"][number % 3]}))

        (group,) = await backend.aggregate(Query("thing", None), sum_of=["a"])
        groups = await backend.aggregate(Query("thing", None), group_by=["b"])
        odd = await backend.aggregate(Query("thing", None), group_by=["a"])
        await backend.aclose()

        assert (10, (sum(value for value in values if type(value) is int),)) == (group.count, group.sums)
        assert [(group.values, group.count) for group in groups] == [((True,), 3), ((1,), 4), (("1",), 3)]
        assert [bool, int, str] == [type(group.values[0]) for group in groups]
        assert [group.values[0] for group in odd] == [None, -(2**70) - 1, -(2**63), -1, 2**63 - 1, 2**70, "7", 2.5, [3]]

    @pytest.mark.parametrize(
        ("conditions", "index"),
        [
            ((), "records_in_order"),
            ((Eq("status", "Running"),), "records_execution_by_status"),
            ((Eq("executedBy", "sam"), Range("startedAt", ge="2025")), "records_execution_executedBy"),
            ((Eq("workflowName", "nightly"),), "records_execution_workflowName"),
            ((Eq("formId", "f"),), "records_execution_of_form"),
        ],
    )
    async def test_pages_are_read_from_an_index(self, sqlite: SqliteBackend, conditions: tuple[Filter, ...], index: str) -> None:
        """A page of a scope, filtered or not, is found through an index in its order, without sorting."""
        await sqlite.provision()
        query = Query("execution", ORGANIZATION, conditions)
        for position in (None, ["0"]):
            statement, parameters = queries.compile_page(query, position, format_time(NOW))
            plan = await sqlite._connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)

            assert [f"USING INDEX {index} (" in str(plan[0][3]), 1] == [True, len(plan)], plan

    @pytest.mark.parametrize(
        ("statement", "index"),
        [
            (queries.GET, "sqlite_autoindex_records_1"),
            (queries.SCAN, "sqlite_autoindex_records_1"),
            (queries.PURGE, "records_by_expiry"),
        ],
    )
    async def test_statements_use_an_index(self, sqlite: SqliteBackend, statement: str, index: str) -> None:
        """Reading by key, scanning and purging search an index and sort nothing."""
        await sqlite.provision()
        parameters: dict[str, Any] = dict.fromkeys(("kind", "scope", "fallback", "id", "now", "limit"), "1")
        plan = await sqlite._connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)

        assert any(index in str(step[3]) for step in plan)
        assert not any("TEMP B-TREE FOR ORDER" in str(step[3]) or "SCAN records" in str(step[3]) for step in plan)


class TestUnreadable:
    @pytest.mark.parametrize(
        ("column", "value"),
        [
            ("body", "{secret"),
            ("body", "[]"),
            ("body", b"\xff"),
            ("body", '{"a": NaN}'),
            ("extra", "7"),
            ("schema_version", 2),
            ("scope", "org-no such/organization"),
            ("revision", "x"),
            ("expires_at", "2025-99-99T00:00:00.000000Z"),
        ],
    )
    async def test_one_unreadable_row_hides_no_other(self, backend: CheckedBackend, path: Path, column: str, value: object) -> None:
        """A row that cannot be read is named with its column, never with its content, beside the rows that can."""
        for number in range(4):
            await backend.create(execution(number))
        sql(path, f"UPDATE records SET {column} = CAST(? AS TEXT) WHERE id = 'e-2'", value)
        page = await backend.query(Query("execution", None, limit=2))
        rest = await backend.query(Query("execution", None, limit=2, continuation_token=page.continuation_token))
        (scanned,) = [page async for page in backend.scan()]

        assert [record.key.id for record in [*page, *rest]] == ["e-3", "e-1", "e-0"]
        (error,) = scanned.unreadable
        assert (error.backend, "e-2" in str(error.key), column in str(error)) == ("sqlite", True, True)
        assert "secret" not in str(error)
        if column != "scope":
            with pytest.raises(CorruptDocumentError):
                await backend.get(execution(2).key)

    async def test_fields_that_are_not_needed_are_not_read(self, sqlite: SqliteBackend, backend: CheckedBackend) -> None:
        """The database itself leaves them out, whatever is around the backend."""
        stored = await backend.create(metrics())
        (found,) = await sqlite.query(Query("metrics", stored.key.scope, without=("workflows", "others")))

        assert {**stored.body, "workflows": None, "others": None} == found.body

    async def test_a_body_that_cannot_be_read_is_named_where_fields_are_left_out(self, backend: CheckedBackend, path: Path) -> None:
        """A damaged body hides no other record from a query that needs only some fields."""
        await backend.create(metrics("daily-2025-01-26"))
        await backend.create(metrics("daily-2025-01-27"))
        for damaged in ("{secret", "[]", b"\xff", '{"a": NaN}'):
            sql(path, "UPDATE records SET body = CAST(? AS TEXT) WHERE id = 'daily-2025-01-26'", damaged)
            page = await backend.query(Query("metrics", metrics().key.scope, without=("workflows",)))

            assert ["daily-2025-01-27"] == [record.key.id for record in page]
            assert "column body" in str(page.unreadable[0])

    async def test_fields_added_later_read_as_null(self, backend: CheckedBackend, path: Path) -> None:
        """A body stored before its kind gained a field has the field, as null."""
        stored = await backend.create(execution())
        sql(path, "UPDATE records SET body = json_remove(body, '$.formId')")

        assert stored == await backend.get(stored.key)

    @pytest.mark.parametrize("token", ["", "x", "[]", '"abc"', '["a", "b"]', '["a", "b", 1]', '["a", "b", "\\ud800"]', "[" * 9999])
    async def test_bad_resume_tokens(self, backend: CheckedBackend, token: str) -> None:
        """A resume token that scan did not give out is refused."""
        with pytest.raises(InvalidContinuationTokenError):
            await anext(backend.scan(token))


class TestApplyOver:
    async def test_over_exactly_what_was_read(self, backend: CheckedBackend) -> None:
        """With a native etag, an older version goes over exactly that state, tombstones included, and over no other."""
        stored = await backend.create(execution(), epoch=3)
        older = replace(execution(), version=Version(1, "f" * 32, 0))

        assert not await backend.apply(older)
        assert await backend.delete(stored.key, epoch=4)
        (page,) = [page async for page in backend.scan()]
        (tombstone,) = page.records
        assert (tombstone.is_tombstone, tombstone.version.age, tombstone.sort_key) == (True, (4, 2), stored.sort_key)
        assert not await backend.apply(older, over=stored.native_etag)
        assert await backend.apply(older, over=tombstone.native_etag)
        assert not await backend.apply(older, over=tombstone.native_etag)
        assert older == await backend.get(stored.key)

    async def test_batch_of_applies(self, backend: CheckedBackend) -> None:
        """In a batch, an apply that finds a newer version writes nothing and fails nothing."""
        stored = await backend.create(execution())
        newer = replace(execution(), version=Version(5, "a" * 32))

        assert await backend.batch([Apply(newer), Apply(replace(execution(2), version=Version(1, "b" * 32)))]) == [True, True]
        applied, deleted = await backend.batch([Apply(replace(newer, version=stored.version)), Delete(execution(2).key)])
        assert (applied, isinstance(deleted, Record)) == (False, True)
        with pytest.raises(StoreError) as raised:
            await backend.batch([Apply(replace(newer, version=Version(6, "c" * 32))), Replace(stored, stored.etag)])
        assert str(stored.key) in str(raised.value.key) if raised.value.key else True


class TestErrors:
    CODES = tuple(
        value
        for name, value in vars(sqlite3).items()
        if name.startswith("SQLITE_") and isinstance(value, int) and not name.startswith(("SQLITE_LIMIT", "SQLITE_DBCONFIG"))
    )

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("SQLITE_BUSY", BackendUnavailableError),
            ("SQLITE_BUSY_SNAPSHOT", BackendUnavailableError),
            ("SQLITE_LOCKED", BackendUnavailableError),
            ("SQLITE_CANTOPEN", ConfigurationError),
            ("SQLITE_NOTADB", ConfigurationError),
            ("SQLITE_READONLY", AccessDeniedError),
            ("SQLITE_PERM", AccessDeniedError),
            ("SQLITE_FULL", BackendError),
            ("SQLITE_IOERR_FSYNC", BackendError),
            ("SQLITE_CORRUPT", BackendError),
            ("SQLITE_TOOBIG", DocumentTooLargeError),
            ("SQLITE_MISUSE", BackendError),
        ],
    )
    def test_codes(self, name: str, expected: type[StoreError]) -> None:
        """Each result code has its class, and a message that names code and path but not SQLite's own text."""
        error = sqlite3.OperationalError("quotes a document")
        error.sqlite_errorcode, error.sqlite_errorname = getattr(sqlite3, name), name
        mapped = map_error(error, "/data/x.db", "get")

        assert expected is type(mapped)
        assert [text in str(mapped) for text in (name, "/data/x.db", "quotes")] == [True, True, False]

    def test_every_class_and_code_is_mapped(self) -> None:
        """Whatever sqlite3 can raise becomes an error of this library."""
        for kind in [value for value in vars(sqlite3).values() if isinstance(value, type) and issubclass(value, sqlite3.Error)]:
            assert isinstance(map_error(kind("x"), "p", "get"), BackendError)
            for code in self.CODES:
                error = kind("x")
                error.sqlite_errorcode, error.sqlite_errorname = code, "SQLITE_X"
                assert isinstance(map_error(error, "p", "get"), StoreError)

    def test_a_failing_disk_leaves_a_write_unknown(self) -> None:
        """An error of the disk during a write says that the write may have been kept."""
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode, error.sqlite_errorname = sqlite3.SQLITE_IOERR_FSYNC, "SQLITE_IOERR_FSYNC"

        assert isinstance(map_error(error, "p", "create", is_write=True), OutcomeUnknownError)

    @pytest.mark.usefixtures("leaves_no_worker")
    async def test_path_that_cannot_be_opened(self, tmp_path: Path) -> None:
        """A missing folder is a configuration error that names the path; nothing is made."""
        backend = SqliteBackend(str(tmp_path / "missing" / "x.db"), SPECS)
        with pytest.raises(ConfigurationError, match=r"missing/x\.db.*folder must exist"):
            await backend.provision()
        await backend.aclose()

        assert list(tmp_path.iterdir()) == []

    async def test_file_that_is_no_database(self, path: Path) -> None:
        """A file of another kind is refused and left as it is."""
        path.write_text("dear diary " * 100)
        backend = SqliteBackend(str(path), SPECS)
        with pytest.raises(ConfigurationError, match="not an SQLite database"):
            await backend.get(execution().key)
        await backend.aclose()

        assert path.read_text().startswith("dear diary")

    async def test_full_disk(self, sqlite: SqliteBackend) -> None:
        """A full disk fails the write as a whole, says what to do, and leaves the store readable."""
        stored = await sqlite.create(execution())
        ((pages,),) = await sqlite._connection.execute("PRAGMA page_count", {})
        await sqlite._connection.execute(f"PRAGMA max_page_count = {pages}", {})
        with pytest.raises(BackendError, match="disk is full"):
            await sqlite.batch([Create(execution(2)), Create(execution(3, inputData={"x": "y" * 100_000}))])

        assert await sqlite.get(execution(2).key) is None
        assert stored == await sqlite.get(stored.key)

    async def test_dropped_table(self, sqlite: SqliteBackend, path: Path) -> None:
        """A missing table names the command that makes it, and provision makes it."""
        await sqlite.provision()
        sql(path, "DROP TABLE records")
        with pytest.raises(NotProvisionedError, match="bifrost-store init"):
            await sqlite.get(execution().key)
        await sqlite.provision()

        assert await sqlite.get(execution().key) is None

    async def test_damaged_file(self, path: Path) -> None:
        """Ping finds a damaged file and says how to mend it."""
        backend = SqliteBackend(str(path), SPECS)
        await backend.batch([Create(execution(number, inputData={"x": "y" * 3000})) for number in range(30)])
        await backend.aclose()
        data = bytearray(path.read_bytes())
        data[-30_000:-10_000] = b"\xa5" * 20_000
        path.write_bytes(data)
        with pytest.raises(BackendError, match="damaged"):
            await backend_ping(path)


async def backend_ping(path: Path) -> str:
    backend = SqliteBackend(str(path), SPECS)
    try:
        return await backend.ping()
    finally:
        await backend.aclose()


class TestExpiry:
    async def test_purge_removes_for_good(self, backend: CheckedBackend, path: Path) -> None:
        """Purging removes expired records of the kind, oldest first, and neither tombstones nor what never expires."""
        for number in range(4):
            await backend.create(replace(execution(number), expires_at=NOW - timedelta(seconds=10 - number)))
        await backend.create(execution(7))
        await backend.create(execution(8))
        await backend.delete(execution(8).key)

        purged = [await backend.purge_expired(kind="execution", limit=3) for _ in range(3)]

        assert [sorted(record.key.id for record in records) for records in purged] == [["e-0", "e-1", "e-2"], ["e-3"], []]
        assert sql(path, "SELECT id FROM records ORDER BY id") == [("e-7",), ("e-8",)]

    async def test_purge_returns_what_it_could_not_read(self, backend: CheckedBackend, path: Path) -> None:
        """An expired record whose body cannot be read is purged too, and returned without its body."""
        for number in (1, 2):
            await backend.create(replace(execution(number), expires_at=NOW))
        sql(path, "UPDATE records SET body = '{'")
        sql(path, "UPDATE records SET scope = 'nobody''s' WHERE id = 'e-2'")
        (purged,) = await backend.purge_expired(kind="execution")

        assert (execution().key, {}) == (purged.key, purged.body)
        assert sql(path, "SELECT id FROM records") == []
