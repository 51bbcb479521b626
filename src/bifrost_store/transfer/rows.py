"""The raw tables and blobs of an account, in the form of the platform's own data sets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from anyio import to_thread

from bifrost_store.backends.protocol import RawRows
from bifrost_store.backends.registry import RAW_ROWS, BackendFactory
from bifrost_store.blobs.protocol import CONTAINERS, BlobStore
from bifrost_store.core.clock import utc_now
from bifrost_store.core.files import make_private_folder, open_private
from bifrost_store.core.progress import Progress, silent
from bifrost_store.documents import SPECS
from bifrost_store.errors import ConfigurationError, CorruptDocumentError
from bifrost_store.settings import StoreSettings
from bifrost_store.transfer.blobs import BlobFiles


async def load_rows(settings: StoreSettings, folder: Path, *, progress: Progress = silent) -> dict[str, int]:
    """Put the rows of ``tables/<Table>.jsonl`` and the blobs of ``blobs.jsonl`` into the table account of *settings*.

    Rows and blobs of the same names are replaced; others stay. Returns how many rows each table got, and ``blobs``.

    Raises:
        ConfigurationError: *folder* has no such files, or one of them cannot be read.
        InvalidRequestError: A row has no keys, or a value that does not fit its type; those before it were written.
        CorruptDocumentError: A listed blob is not there as listed; those before it were written.
    """
    files = sorted((folder / "tables").glob("*.jsonl"))
    if not files:
        raise ConfigurationError(f"{folder} holds no tables/*.jsonl")
    counts: dict[str, int] = {}
    totals = {"rows": sum(map(_count_lines, files)), "blobs": _count_lines(folder / "blobs.jsonl")}
    async with _account(settings) as (rows, blobs):
        for file in files:
            counts[file.stem] = 0
            async for written in rows.write(file.stem, _read_lines(file)):
                counts[file.stem] += written
                progress("rows", sum(counts.values()), totals["rows"])
        counts["blobs"] = 0
        listed = BlobFiles(folder)
        for _, blob in listed.lines():
            if isinstance(blob, CorruptDocumentError):
                raise blob
            data = await to_thread.run_sync(listed.data, blob)
            await blobs.put(blob.container, blob.name, data, content_type=blob.content_type, owner=blob.owner)
            counts["blobs"] += 1
            progress("blobs", counts["blobs"], totals["blobs"])
    return counts


async def dump_rows(settings: StoreSettings, folder: Path, *, progress: Progress = silent) -> dict[str, int]:
    """Write every row and blob of the table account of *settings* below *folder*; the same counts as `load_rows`.

    Rows are in the order of their keys, without the server's ``Timestamp``: the same rows give the same bytes.

    Raises:
        ConfigurationError: *folder* is not empty.
    """
    _make_empty(folder)
    counts: dict[str, int] = {}
    async with _account(settings) as (rows, blobs):
        make_private_folder(folder / "tables")
        for table in await rows.table_names():
            counts[table] = 0
            with open_private(folder / "tables" / f"{table}.jsonl", "wb") as lines:
                async for row in rows.read(table):
                    lines.write(json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode() + b"\n")
                    counts[table] += 1
                    progress("rows", sum(counts.values()), None)
        counts["blobs"] = await _dump_blobs(blobs, folder, progress)
    return counts


async def _dump_blobs(blobs: BlobStore, folder: Path, progress: Progress) -> int:
    files = BlobFiles(folder)
    files.begin()
    count = 0
    for container in sorted(CONTAINERS):
        async for info in blobs.list(container):
            data = await blobs.get(container, info.name)
            if data is not None:
                await to_thread.run_sync(files.write, container, info.name, info.content_type, data, info.owner)
                count += 1
                progress("blobs", count, None)
    return count


def _count_lines(file: Path) -> int:
    if not file.exists():
        return 0
    with file.open("rb") as lines:
        return sum(1 for _ in lines)


def _make_empty(folder: Path) -> None:
    make_private_folder(folder)
    if any(folder.iterdir()):
        raise ConfigurationError(f"{folder} is not empty; choose another folder")


@asynccontextmanager
async def _account(settings: StoreSettings) -> AsyncIterator[tuple[RawRows, BlobStore]]:
    async with AsyncExitStack() as stack:
        factory = BackendFactory(settings, SPECS, utc_now, stack)
        backend = factory.backend(RAW_ROWS)
        stack.push_async_callback(backend.aclose)
        blobs = factory.blobs(RAW_ROWS)
        stack.push_async_callback(blobs.aclose)
        assert backend.raw_rows is not None
        yield backend.raw_rows, blobs


def _read_lines(file: Path) -> Iterator[dict[str, Any]]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                raise ConfigurationError(f"{file}, line {number}: not JSON") from None
            if not isinstance(row, dict):
                raise ConfigurationError(f"{file}, line {number}: not a JSON object")
            yield row
