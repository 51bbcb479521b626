"""The raw tables and blobs of an account, in the form of the platform's own data sets."""

from __future__ import annotations

import importlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from bifrost_store.backends.registry import BackendFactory
from bifrost_store.blobs.protocol import CONTAINERS, BlobStore
from bifrost_store.core.clock import utc_now
from bifrost_store.documents import SPECS
from bifrost_store.errors import ConfigurationError
from bifrost_store.settings import StoreSettings
from bifrost_store.transfer.blobs import BlobFiles

Progress = Callable[[str, int], None]


async def load_rows(settings: StoreSettings, folder: Path, *, progress: Progress = lambda what, count: None) -> dict[str, int]:
    """Put the rows of ``tables/<Table>.jsonl`` and the blobs of ``blobs.jsonl`` into the table account of *settings*.

    Rows and blobs of the same names are replaced; others stay. Returns how many rows each table got, and ``blobs``.

    Raises:
        ConfigurationError: *folder* has no such files, or one of them cannot be read.
    """
    files = sorted((folder / "tables").glob("*.jsonl"))
    if not files:
        raise ConfigurationError(f"{folder} holds no tables/*.jsonl")
    counts: dict[str, int] = {}
    async with _account(settings) as (rows, blobs):
        for file in files:
            counts[file.stem] = 0
            async for written in rows.write(file.stem, _read_lines(file)):
                counts[file.stem] += written
                progress("rows", written)
        counts["blobs"] = 0
        for container, name, content_type, data in BlobFiles(folder).read():
            await blobs.put(container, name, data, content_type=content_type)
            counts["blobs"] += 1
            progress("blobs", 1)
    return counts


async def dump_rows(settings: StoreSettings, folder: Path, *, progress: Progress = lambda what, count: None) -> dict[str, int]:
    """Write every row and blob of the table account of *settings* below *folder*; the same counts as `load_rows`."""
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    counts: dict[str, int] = {}
    async with _account(settings) as (rows, blobs):
        for table in await rows.table_names():
            counts[table] = 0
            with (folder / "tables" / f"{table}.jsonl").open("w", encoding="utf-8") as lines:
                async for row in rows.read(table):
                    lines.write(json.dumps(row, separators=(",", ":"), ensure_ascii=False) + "\n")
                    counts[table] += 1
                    progress("rows", 1)
        files = BlobFiles(folder)
        files.begin()
        counts["blobs"] = 0
        for container in CONTAINERS:
            async for info in blobs.list(container):
                data = await blobs.get(container, info.name)
                if data is not None:
                    files.write(container, info.name, info.content_type, data)
                    counts["blobs"] += 1
                    progress("blobs", 1)
    return counts


@asynccontextmanager
async def _account(settings: StoreSettings) -> AsyncIterator[tuple[Any, BlobStore]]:
    async with AsyncExitStack() as stack:
        factory = BackendFactory(settings, SPECS, utc_now, stack)
        backend = factory.backend("table")
        stack.push_async_callback(backend.aclose)
        blobs = factory.blobs("table")
        stack.push_async_callback(blobs.aclose)
        raw = importlib.import_module("bifrost_store.backends.table.rows")
        yield raw.RawRows(backend), blobs


def _read_lines(file: Path) -> Iterator[dict[str, Any]]:
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
            except ValueError:
                raise ConfigurationError(f"{file}, line {number}: not JSON") from None
            if not isinstance(row, dict):
                raise ConfigurationError(f"{file}, line {number}: not a JSON object")
            yield row
