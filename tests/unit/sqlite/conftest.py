"""A store in a file, and proof that no thread of it is left."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bifrost_store.backends.sqlite.backend import SqliteBackend
from bifrost_store.documents import SPECS
from bifrost_store.wrappers.checked import CheckedBackend
from tests.unit.sqlite.records import NOW


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


@pytest.fixture
def leaves_no_worker() -> Iterator[None]:
    """No thread of a connection that the test made is left, nor could fail after its event loop has gone."""
    earlier = set(threading.enumerate())
    yield
    workers = [thread for thread in threading.enumerate() if "_connection_worker_thread" in thread.name]
    for worker in set(workers) - earlier:
        worker.join(60)
        assert not worker.is_alive()
