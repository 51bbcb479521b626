"""What the contract suite needs of a backend under test."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import ClassVar, Final, Protocol

from bifrost_store.backends.protocol import Backend
from bifrost_store.blobs.protocol import BlobStore
from bifrost_store.core.clock import Clock


class Fault(StrEnum):
    """What can go wrong with every write, below the backend's SDK. What it must become is in `contract.errors`.

    A harness names the faults that its technology can show.
    """

    UNREACHABLE = "unreachable"
    """Nobody answers; or another process keeps the store locked."""
    TIMEOUT = "timeout"
    """No answer comes in time: whether anything was written cannot be told."""
    THROTTLED = "throttled"
    """The service asks to come back after 7 seconds."""
    UNAVAILABLE = "unavailable"
    """The service says that it is out of order, which it may have found half-way."""
    DENIED = "denied"
    """Writing is not allowed."""
    TOO_LARGE = "too_large"
    """The service finds the request too large."""
    FULL = "full"
    """There is no space left."""
    NOT_PROVISIONED = "not_provisioned"
    """A table or container is missing."""
    ANSWER_LOST = "answer_lost"
    """The first write is carried out, but its answer never arrives."""
    ANSWER_LATE = "answer_late"
    """The first write gets no answer, and is carried out all the same: once the handle is closed."""
    FALSE_CONFLICT = "false_conflict"
    """The first write is refused as if the row existed (409), though it does not."""
    FALSE_MISMATCH = "false_mismatch"
    """The first write is refused as if the row had changed (412), though it has not."""


PASSING_FAULTS: Final = frozenset({Fault.ANSWER_LOST, Fault.ANSWER_LATE, Fault.FALSE_CONFLICT, Fault.FALSE_MISMATCH})
"""Faults that meet the first write alone, which must succeed all the same. The others last."""


class StoreUnderTest(Protocol):
    """An open store, empty at first.

    Attributes:
        backend: In its `bifrost_store.wrappers.checked.CheckedBackend`.
        blobs: The blob store beside it.
    """

    @property
    def backend(self) -> Backend: ...
    @property
    def blobs(self) -> BlobStore: ...

    def open_another(self) -> AbstractAsyncContextManager[Backend]:
        """Open a second handle on the same store, as another process would."""
        ...

    def open_broken(self, fault: Fault, then: Fault | None = None) -> AbstractAsyncContextManager[Backend]:
        """Open a handle on the same store whose writes meet *fault*; `backend` stays sound, except without tables.

        Args:
            fault: One that the harness names.
            then: What all writes but the first meet, whatever `PASSING_FAULTS` says of it; by default what follows from *fault*.
        """
        ...


class Harness(Protocol):
    """Opens one backend for the suite.

    Attributes:
        name: Stands in test ids, and is what ``--backend`` selects.
        faults: What `StoreUnderTest.open_broken` can do.
        powers: What the backend can do beyond the rest: names of attributes of `Backend`. Tests that take a fixture of such a
            name run where it is there.
    """

    name: ClassVar[str]
    faults: ClassVar[frozenset[Fault]]
    powers: ClassVar[frozenset[str]] = frozenset()

    def open_empty(self, clock: Clock) -> AbstractAsyncContextManager[StoreUnderTest]:
        """Open the backend over a store that is provisioned and empty; close it at the end."""
        ...
