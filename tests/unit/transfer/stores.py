"""Stores that are dumped and loaded, what they hold, and what ends a dump or load half way."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bifrost_store import GLOBAL, Store, StoreSettings, open_store
from bifrost_store.blobs.protocol import BRANDING, CONTAINERS, EXECUTION_DATA, UPLOADS
from bifrost_store.core.record import NEVER, Record
from bifrost_store.core.version import Version
from bifrost_store.errors import BackendUnavailableError
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.examples import EXAMPLES, config, config_of_json, execution
from bifrost_store.testing.strict import exactly

BLOBS = [
    (EXECUTION_DATA, "e-1/result.json", b'{"a": 1}', "application/json"),
    (EXECUTION_DATA, "e-1/write/logs.json", b"[]", "application/octet-stream"),
    (BRANDING, "GLOBAL/square-logo.png", b"\x89PNG", "image/png"),
    (UPLOADS, "a", b"", "text/plain"),
    (UPLOADS, "a/b", b"below it", "text/plain"),
    (UPLOADS, "Größe 1:2?*|<>/%2e/é ünd ☃", b"1", "text/plain; charset=utf-8"),
    (UPLOADS, "x" * 900, b"long", "text/plain"),
    (UPLOADS, "/".join(["☃" * 10] * 50), b"long too", "text/plain"),
]


def versioned(record: Record, revision: int = 1, epoch: int = 0) -> Record:
    return replace(record, version=Version(revision, f"{revision:032x}", epoch), sort_key=record.sort_key or record.key.id)


RECORDS = [
    *(versioned(record) for record in EXAMPLES),
    versioned(config("tombstoned"), 7).tombstone(Version(8, "8" * 32, 3)),
    versioned(execution(5, expires_at=START + timedelta(days=30)), 4, epoch=2),
    versioned(execution(6, expires_at=START - timedelta(days=1)), 2),
    replace(versioned(config_of_json({"big": 2**80, "float": 1.0, "minus": -0.0, "text": "☃\u2028\x00"})), extra={"Mood": "odd"}),
    versioned(config("never", scope=GLOBAL, expires_at=NEVER)),
]


@asynccontextmanager
async def store_in(folder: Path, name: str = "store") -> AsyncIterator[Store]:
    settings = StoreSettings(sqlite_path=str(folder / f"{name}.db"))
    async with open_store(settings, clock=SettableClock()) as store:
        yield store


async def fill(store: Store) -> None:
    await store.provision()
    for record in RECORDS:
        assert await store.backend.apply(record)
    for container, name, data, content_type in BLOBS:
        await store.backend.blobs("sqlite").put(container, name, data, content_type=content_type)


async def records_of(store: Store) -> dict[str, Record]:
    return {str(record.key): record async for page in store.backend.scan() for record in page.records}


async def blobs_of(store: Store) -> list[tuple[str, str, bytes | None, str]]:
    blobs = store.backend.blobs("sqlite")
    return [
        (container, info.name, await blobs.get(container, info.name), info.content_type)
        for container in CONTAINERS
        async for info in blobs.list(container)
    ]


async def assert_equal(one: Store, other: Store) -> None:
    theirs = await records_of(other)
    ours = await records_of(one)
    assert ours.keys() == theirs.keys()
    for key, record in ours.items():
        assert exactly(record) == exactly(theirs[key])
    assert await blobs_of(one) == await blobs_of(other)


class InterruptionError(Exception):
    """Stands for whatever ends a process."""


@contextmanager
def ending(monkeypatch: pytest.MonkeyPatch, error: type[Exception], owner: object, name: str, method: object) -> Iterator[None]:
    """Have the block end in *error*, which *method* of *owner* raises."""
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, method)
        with pytest.raises(error):
            yield


class Limited:
    """Lets so many calls of a method through, then fails."""

    def __init__(self, call: Any, limit: int) -> None:
        self._call = call
        self._left = limit
        self.count = 0

    async def __call__(self, *args: Any, **values: Any) -> Any:
        if self._left == 0:
            raise BackendUnavailableError("out of reach")
        self._left -= 1
        self.count += 1
        return await self._call(*args, **values)


def interrupt(*args: Any, **values: Any) -> None:
    raise InterruptionError


def insert_lines(folder: Path, lines: list[bytes]) -> None:
    path = folder / "records.jsonl"
    first, _, rest = path.read_bytes().partition(b"\n")
    path.write_bytes(b"\n".join([first, *lines, rest]))
    state = json.loads((folder / "dump.json").read_text())
    (folder / "dump.json").write_text(json.dumps({**state, "records_bytes": path.stat().st_size}))
