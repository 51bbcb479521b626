"""A SQLite database whose files go away while it is open, and reads beside a write that waits."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from bifrost_store import GLOBAL, ConfigType, Store, StoreSettings, open_store
from bifrost_store.backends.sqlite import turns as turns_module
from bifrost_store.backends.sqlite.backend import SqliteBackend
from bifrost_store.core.operations import Create
from bifrost_store.core.query import Query
from bifrost_store.documents import SPECS
from bifrost_store.errors import BackendUnavailableError, OutcomeUnknownError
from bifrost_store.testing.examples import ORGANIZATION, config, touched

pytestmark = pytest.mark.anyio

LOST = "was deleted, moved or replaced while open, so that nobody would see what is written; nothing was; put it back, or close"


@pytest.fixture
async def backend(path: Path) -> AsyncIterator[SqliteBackend]:
    opened = SqliteBackend(str(path), SPECS)
    await opened.create(config())
    yield opened
    await opened.aclose()


def replace(path: Path) -> None:
    """Put a copy in its place, as a restored backup is."""
    shutil.copy(path, path.with_suffix(".copy"))
    path.with_suffix(".copy").replace(path)


def with_suffix(suffix: str) -> Callable[[Path], None]:
    def delete(path: Path) -> None:
        Path(f"{path}{suffix}").unlink()

    return delete


LOSSES: dict[str, Callable[[Path], object]] = {
    "deleted": Path.unlink,
    "moved": lambda path: path.replace(path.with_suffix(".moved")),
    "replaced": replace,
    "log deleted": with_suffix("-wal"),
    "index of the log deleted": with_suffix("-shm"),
    "folder moved": lambda path: path.parent.replace(path.parent.with_name("moved")),
}


@pytest.mark.parametrize("loss", LOSSES)
async def test_every_call_says_that_the_file_is_gone(backend: SqliteBackend, path: Path, loss: str) -> None:
    """Reads, writes, batches, scans and ping raise BackendUnavailableError that names path and next step; nothing is written."""
    stored = await backend.get(config().key)
    assert stored is not None
    LOSSES[loss](path)

    calls = [
        lambda: backend.get(config().key),
        lambda: backend.stored(config().key),
        lambda: backend.create(config("other")),
        lambda: backend.replace(touched(stored), stored.etag),
        lambda: backend.delete(config().key),
        lambda: backend.apply(touched(stored)),
        lambda: backend.batch([Create(config("third"))]),
        lambda: backend.query(Query("config", ORGANIZATION)),
        lambda: backend.aggregate(Query("config", ORGANIZATION)),
        lambda: backend.purge_expired(kind="config"),
        lambda: anext(backend.scan()),
        backend.provision,
        backend.ping,
    ]
    for call in calls:
        with pytest.raises(BackendUnavailableError, match=LOST) as raised:
            await call()
        assert str(path) in str(raised.value)
        assert raised.value.operation is not None


async def test_a_file_that_is_back_serves_again(backend: SqliteBackend, path: Path) -> None:
    """Moved away and back it is the same file."""
    LOSSES["moved"](path)
    with pytest.raises(BackendUnavailableError):
        await backend.ping()
    path.with_suffix(".moved").replace(path)

    assert await backend.get(config().key) is not None


async def test_a_reopened_store_goes_on(path: Path) -> None:
    """As the message says: closed and opened again it serves what is there now."""
    settings = StoreSettings(sqlite_path=str(path))

    async def set_key(store: Store) -> None:
        await store.config.set(GLOBAL, "key", "value", config_type=ConfigType.STRING, updated_by="u")

    async with open_store(settings) as store:
        await set_key(store)
        for suffix in ("", "-wal", "-shm"):
            with_suffix(suffix)(path)
        with pytest.raises(BackendUnavailableError, match=LOST):
            await set_key(store)
        with pytest.raises(BackendUnavailableError, match=LOST):
            await store.ping()
    async with open_store(settings) as store:
        assert await store.config.get(GLOBAL, "key") is None
        await set_key(store)


@pytest.mark.parametrize("is_batch", [False, True])
async def test_a_write_whose_file_goes_meanwhile_is_not_acknowledged(
    backend: SqliteBackend, path: Path, monkeypatch: pytest.MonkeyPatch, is_batch: bool
) -> None:
    """Lost at the last moment, its outcome is unknown: it may be in the file that is gone."""
    fetch = turns_module._fetch
    last = "COMMIT" if is_batch else "INSERT"

    def lose(connection: object, sql: str, *parameters: object) -> object:
        rows = fetch(connection, sql, *parameters)  # type: ignore[arg-type]
        if sql.strip().startswith(last):
            LOSSES["deleted"](path)
        return rows

    monkeypatch.setattr(turns_module, "_fetch", lose)
    with pytest.raises(OutcomeUnknownError, match="was deleted, moved or replaced during the write"):
        await (backend.batch([Create(config("other")), Create(config("more"))]) if is_batch else backend.create(config("other")))


async def test_reads_go_on_while_a_write_waits(backend: SqliteBackend, path: Path) -> None:
    """Another process holds the lock: a write waits for it, and reads made meanwhile are answered at once."""
    is_written = anyio.Event()

    async def write() -> None:
        await backend.create(config("other"))
        is_written.set()

    async with anyio.create_task_group() as tasks:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            tasks.start_soon(write)
            await anyio.wait_all_tasks_blocked()
            assert backend._connection._writer.lock.statistics().locked
            assert [await backend.get(config("other").key) for _ in range(20)] == [None] * 20
            assert not is_written.is_set()
        await is_written.wait()
    assert await backend.get(config("other").key) is not None


async def test_a_read_sees_the_write_before_it(backend: SqliteBackend) -> None:
    """What was acknowledged is read, by whichever task."""
    stored = await backend.get(config().key)
    for number in range(50):
        assert stored is not None
        written = await backend.replace(touched(stored, number), stored.etag)
        stored = await backend.get(config().key)
        assert stored == written


async def test_a_cancelled_write_has_ended(backend: SqliteBackend) -> None:
    """What is read after a cancelled call stays so: the write came before, or not at all."""
    for number in range(30):
        with anyio.CancelScope() as scope:
            scope.cancel() if number % 2 else None
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(backend.create, config(f"key-{number}"))
                for _ in range(number // 2):
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
        found = await backend.get(config(f"key-{number}").key)
        await backend.create(config(f"later-{number}"))
        assert await backend.get(config(f"key-{number}").key) == found


async def test_memory_has_one_connection_for_both() -> None:
    """A database in memory is one connection's own."""
    backend = SqliteBackend(":memory:", SPECS)
    await backend.create(config())
    assert await backend.get(config().key) is not None
    await backend.aclose()
