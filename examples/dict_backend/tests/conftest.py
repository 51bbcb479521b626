"""How the contract opens the backend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import pytest

pytest.register_assert_rewrite("bifrost_store.testing")

from bifrost_store.backends.protocol import Backend
from bifrost_store.blobs.folder import FolderBlobStore
from bifrost_store.core.clock import Clock
from bifrost_store.core.record import Key, Record
from bifrost_store.documents import SPECS
from bifrost_store.testing.fixtures import *
from bifrost_store.testing.harness import Fault
from bifrost_store.wrappers.checked import CheckedBackend
from bifrost_store_dict import DictBackend


@dataclass(frozen=True)
class DictStore:
    """One dict, and the handles that are opened on it."""

    backend: Backend
    blobs: FolderBlobStore
    records: dict[Key, Record]
    clock: Clock

    @asynccontextmanager
    async def open_another(self) -> AsyncIterator[Backend]:
        yield CheckedBackend(DictBackend(SPECS, clock=self.clock, records=self.records), SPECS)

    def open_broken(self, fault: Fault, then: Fault | None = None) -> AbstractAsyncContextManager[Backend]:
        raise NotImplementedError  # a dict does not fail: the harness names no faults


class DictHarness:
    """Opens an empty dict for each test."""

    name: ClassVar[str] = "dict"
    faults: ClassVar[frozenset[Fault]] = frozenset()
    powers: ClassVar[frozenset[str]] = frozenset()

    @asynccontextmanager
    async def open_empty(self, clock: Clock) -> AsyncIterator[DictStore]:
        records: dict[Key, Record] = {}
        with TemporaryDirectory() as folder:
            backend = CheckedBackend(DictBackend(SPECS, clock=clock, records=records), SPECS)
            yield DictStore(backend, FolderBlobStore(Path(folder)), records, clock)


globals().update(suite_of(DictHarness))
