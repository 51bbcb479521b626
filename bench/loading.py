"""How much longer `load` takes than the bare batches beside it: ``python -m bench.loading [backend ...]``.

By processor time of this process. The bare driver stores what the same lines hold, as many to a batch, without checking anything.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any, Final

import aiosqlite
import anyio
from azure.cosmos.aio import CosmosClient
from pydantic import SecretStr

from bench.emulator import run_emulator
from bench.runs import ended_runs, fill_sqlite
from bench.timing import Call, Ratio, seconds_of
from bench.world import hours_ago
from bifrost_store import Scope, StoreSettings, open_store
from bifrost_store.backends.cosmos.backend import CosmosBackend
from bifrost_store.core.operations import MAX_BATCH_OPERATIONS
from bifrost_store.documents import SPECS
from bifrost_store.transfer.dumping import dump_records
from bifrost_store.transfer.loading import load_records

_RUNS: Final = 4_000
_PAIRS: Final = 6
_INSERT: Final = (
    "INSERT INTO records VALUES (:kind, :scope, :id, :sortKey, 0, 1, :writeId, '', 1, :expiresAt, 0, :body, '{}', :fields)"
)
_BARE_DATABASE: Final = "bare"


async def measure(backend: str) -> Ratio:
    """Return how much longer a load takes than the bare batches; the first pair does not count."""
    pairs = []
    with TemporaryDirectory(prefix="bifrost-store-bench-") as name:
        dump = Path(name, "dump")
        await _dump(Path(name, "source.db"), dump)
        for number in range(_PAIRS + 1):
            async with _PLACES[backend](Path(name, str(number)), dump) as calls:
                if number % 2:
                    theirs, ours = [await seconds_of(call, process_time) for call in reversed(calls)]
                else:
                    ours, theirs = [await seconds_of(call, process_time) for call in calls]
            pairs.append((ours, theirs))
    return Ratio(pairs[1:])


async def _dump(path: Path, folder: Path) -> None:
    await fill_sqlite(path, ended_runs(_RUNS, Scope.organization("loaded"), newest=hours_ago(1), span=hours_ago(0) - hours_ago(24)))
    async with open_store(StoreSettings(sqlite_path=str(path))) as store:
        await dump_records(store, folder)


@asynccontextmanager
async def _sqlite(folder: Path, dump: Path) -> AsyncIterator[Sequence[Call]]:
    bare = f"{folder}-bare.db"
    async with open_store(StoreSettings(sqlite_path=bare)) as store:
        await store.provision()
    async with (
        open_store(StoreSettings(sqlite_path=f"{folder}.db")) as store,
        aiosqlite.connect(bare, isolation_level=None) as connection,
    ):
        await store.provision()
        await connection.execute("PRAGMA synchronous = FULL")

        async def insert() -> None:
            for lines in _batches(dump):
                await connection.execute("BEGIN IMMEDIATE")
                await connection.executemany(
                    _INSERT, [{**line, "body": json.dumps(line["body"]), "fields": "{}"} for line in lines]
                )
                await connection.execute("COMMIT")

        yield (lambda: load_records(store, dump, restart=True)), insert


@asynccontextmanager
async def _cosmos(folder: Path, dump: Path) -> AsyncIterator[Sequence[Call]]:
    with run_emulator() as server:
        text = SecretStr(server.connection_string)
        bare = CosmosBackend.from_connection_string(server.connection_string, SPECS, database=_BARE_DATABASE)
        await bare.provision()
        await bare.aclose()
        settings = StoreSettings(backend="cosmos", cosmos_connection_string=text, blob_folder=str(folder))
        async with open_store(settings) as store, CosmosClient(server.endpoint, server.key) as client:
            await store.provision()
            container = client.get_database_client(_BARE_DATABASE).get_container_client("executions")

            async def create() -> None:
                for lines in _batches(dump):
                    await container.execute_item_batch([("create", (line,)) for line in lines], lines[0]["scope"])

            yield (lambda: load_records(store, dump, restart=True)), create


_PLACES: Final[dict[str, Callable[[Path, Path], AbstractAsyncContextManager[Sequence[Call]]]]] = {
    "sqlite": _sqlite,
    "cosmos": _cosmos,
}


def _batches(dump: Path) -> Iterator[list[dict[str, Any]]]:
    with (dump / "records.jsonl").open("rb") as lines:
        while batch := [json.loads(line) for line in islice(lines, MAX_BATCH_OPERATIONS)]:
            yield batch


def main(backends: list[str]) -> None:
    """Print the ratios."""
    for name in backends or list(_PLACES):
        one = anyio.run(measure, name)
        low, high = one.interval
        sys.stdout.write(
            f"{name}: load takes {one.median:.2f} times ({low:.2f} to {high:.2f}) the bare batches, "
            f"{_RUNS / one.ours.median:,.0f} to {_RUNS / one.theirs.median:,.0f} records a second\n"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
