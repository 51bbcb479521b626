"""The harness of dual writes: two SQLite files, of which the contract sees the first and both must be equal at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from bifrost_store.backends.protocol import Backend
from bifrost_store.backends.sqlite.backend import SqliteBackend
from bifrost_store.blobs.folder import FolderBlobStore
from bifrost_store.blobs.protocol import BlobStore
from bifrost_store.core.clock import Clock
from bifrost_store.documents import SPECS
from bifrost_store.mirroring.dual_write import DualWriteBackend
from bifrost_store.mirroring.journal import Journal
from bifrost_store.mirroring.journal_repair import JournalRepair
from bifrost_store.mirroring.mirror import Mirror
from bifrost_store.mirroring.reconcile import is_same
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.harness import Fault
from bifrost_store.wrappers.checked import CheckedBackend


@dataclass(frozen=True)
class DualStore:
    """A primary and a secondary, each a database file."""

    folder: Path
    clock: Clock
    stack: AsyncExitStack
    blobs: BlobStore
    handles: list[DualWriteBackend] = field(default_factory=list)

    @property
    def backend(self) -> Backend:
        return CheckedBackend(self.handles[0], SPECS)

    @asynccontextmanager
    async def open_another(self) -> AsyncIterator[Backend]:
        async with AsyncExitStack() as stack:
            yield CheckedBackend(await self.open(stack), SPECS)

    @asynccontextmanager
    async def open_broken(self, fault: Fault, then: Fault | None = None) -> AsyncIterator[Backend]:
        """Yield a handle as ever: `DualHarness.faults` is empty, as faults of dual writes are unit tests."""
        async with self.open_another() as backend:
            yield backend

    async def open(self, stack: AsyncExitStack) -> DualWriteBackend:
        """Open a handle on both files."""
        primary, secondary = [await self.file(name, stack) for name in ("primary.db", "secondary.db")]
        opened = DualWriteBackend(primary, Mirror(secondary, Journal(primary, clock=self.clock), patience_seconds=30), SPECS)
        stack.push_async_callback(opened.aclose)
        self.handles.append(opened)
        return opened

    async def file(self, name: str, stack: AsyncExitStack) -> SqliteBackend:
        """Open one of the files."""
        backend = SqliteBackend(str(self.folder / name), SPECS, clock=self.clock)
        stack.push_async_callback(backend.aclose)
        await backend.provision()
        return backend

    async def check_equal(self) -> None:
        """Demand that the secondary is what the primary is; see `check_equal`."""
        async with AsyncExitStack() as stack:
            primary, secondary = [await self.file(name, stack) for name in ("primary.db", "secondary.db")]
            for handle in self.handles:
                assert await handle.mirror.drain()
            await check_equal(primary, secondary, self.clock)


async def check_equal(primary: Backend, secondary: Backend, clock: Clock) -> None:
    """Demand that *secondary* is what *primary* is, but for what the journal names; and after a repair altogether."""
    journal = Journal(primary)
    excused = {entry.key async for entry in journal.entries()}
    assert await _differences(primary, secondary, clock) <= excused
    assert (await JournalRepair(primary, secondary, journal, clock=clock).run_once()).is_clean
    assert await _differences(primary, secondary, clock) == set()
    assert await journal.count() == 0


async def _differences(primary: Backend, secondary: Backend, clock: Clock) -> set[object]:
    here, there = await everything(primary), await everything(secondary)
    return {key for key in here.keys() | there.keys() if not is_same(here.get(key), there.get(key), clock=clock)}


class DualHarness:
    """Dual writes over two SQLite files."""

    name: ClassVar[str] = "dual"
    faults: ClassVar[frozenset[Fault]] = frozenset()
    powers: ClassVar[frozenset[str]] = frozenset()

    @asynccontextmanager
    async def open_empty(self, clock: Clock) -> AsyncIterator[DualStore]:
        with TemporaryDirectory(prefix="bifrost-store-") as folder:
            async with AsyncExitStack() as stack:
                store = DualStore(Path(folder), clock, stack, FolderBlobStore(Path(folder) / "blobs"))
                await store.open(stack)
                yield store
                await store.check_equal()
