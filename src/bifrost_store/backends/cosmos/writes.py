"""The writes of the waist as decisions: what to store given what is stored, and what it means that the answer was lost.

A write knows what it last saw of its record, offers the document that follows, and looks again when that did not go through.
``see`` either settles it (``result``), raises what the caller must hear, or leaves it ready to be sent again. It does no I/O.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace

from typing_extensions import override

from bifrost_store.backends.cosmos.documents import NativeEtag
from bifrost_store.backends.cosmos.errors import BACKEND
from bifrost_store.core.attempts import Attempt
from bifrost_store.core.clock import Clock
from bifrost_store.core.operations import Result
from bifrost_store.core.record import Key, Record
from bifrost_store.core.version import NO_VERSION, Etag, Version
from bifrost_store.errors import (
    DocumentExistsError,
    DocumentNotFoundError,
    OutcomeUnknownError,
    PreconditionFailedError,
    StoreError,
)


class Write(ABC):
    """One write to one record.

    Attributes:
        key: Of the record.
        looks_first: The stored state must be read before anything can be sent.
        record: The record or tombstone to be stored, once `prepare` was called; None where nothing is to be done.
        over: The service's etag of the state to write over; None: there must be none.
        result: What the caller gets, once settled.
        is_settled: Nothing more is to be sent.
        is_own: The stored state was found to be this write's.
    """

    def __init__(self, clock: Clock, key: Key, attempt: Attempt) -> None:
        self._now = clock
        self._attempt = attempt
        self._stored: Record | None = None
        self.key = key
        self.looks_first = False
        self.record: Record | None = None
        self.over: str | None = None
        self.result: Result = False
        self.is_settled = False
        self.is_own = False

    @abstractmethod
    def prepare(self) -> None:
        """Set `record` and `over` to what follows from what was seen."""

    @abstractmethod
    def see(self, stored: Record | None, *, is_lost: bool) -> None:
        """Decide again from what is *stored*, tombstones included. *is_lost*: an earlier sending may have gone through."""

    def sent(self, etags: list[str]) -> None:
        """Take note that what was prepared is stored, and what the service calls it."""
        assert self.record is not None
        native = NativeEtag(etags[0], self.record.version.epoch, self.record.expires_at).encode()
        self._settle(replace(self.record, native_etag=native, backend=BACKEND))

    def settle_as_sent(self) -> None:
        """Settle it as gone through, unless it is settled already."""
        if not self.is_settled and self.record is not None:
            self._settle(replace(self.record, native_etag=None), is_own=True)

    def _follow(self, base: Version, record: Record) -> None:
        self.record = replace(record, version=self._attempt.follow(base), native_etag=None, backend=BACKEND)

    def _is_own(self, stored: Record | None) -> bool:
        return stored is not None and stored.version.write_id == self._attempt.write_id

    def _settle(self, result: Result, *, is_own: bool = False) -> None:
        self.result, self.is_settled, self.is_own = result, True, is_own

    def _refuse(self, error: type[StoreError], message: str) -> StoreError:
        return error(message, backend=BACKEND, key=str(self.key))

    def _changed(self) -> StoreError:
        return self._refuse(PreconditionFailedError, f"{self.key} has changed since it was read; read it again")

    def _unknown(self) -> StoreError:
        return self._refuse(OutcomeUnknownError, f"{self.key}: the answer was lost and later writes hide what happened; read it")


class CreateWrite(Write):
    """Stores a new document; goes on from a tombstone or an expired record where one is in the way."""

    def __init__(self, clock: Clock, record: Record, attempt: Attempt) -> None:
        super().__init__(clock, record.key, attempt)
        self._given = record

    @override
    def prepare(self) -> None:
        stored = self._stored
        self._follow(NO_VERSION if stored is None else stored.version, self._given)
        self.over = native_of(stored)

    @override
    def see(self, stored: Record | None, *, is_lost: bool) -> None:
        sent = self.record
        if stored is not None and self._is_own(stored):
            return self._settle(stored, is_own=True)
        # What is there is later than ours would be: ours may have been stored, and changed or deleted since.
        if is_lost and sent is not None and stored is not None and stored.version.revision > sent.version.revision:
            raise self._unknown()
        if stored is not None and stored.is_present(self._now()):
            raise self._refuse(DocumentExistsError, f"{self.key} exists already")
        self._stored = stored


class ReplaceWrite(Write):
    """Stores a document over exactly the state expected."""

    def __init__(self, clock: Clock, record: Record, expected: Etag, attempt: Attempt) -> None:
        super().__init__(clock, record.key, attempt)
        self._given = record
        self._expected = expected.version
        hint = expected.native_for(BACKEND)
        self._native = None if hint is None else NativeEtag.parse(hint)
        self.looks_first = self._native is None or Record(self.key, {}, expires_at=self._native.expires_at).is_expired(clock())

    @override
    def prepare(self) -> None:
        native = self._native
        assert native is not None
        # W3 asks for the epoch of what is stored, which an etag does not carry; its hint does.
        self._follow(replace(self._expected, epoch=native.epoch), self._given)
        self.over = native.etag

    @override
    def see(self, stored: Record | None, *, is_lost: bool) -> None:
        if stored is None or not stored.is_present(self._now()):
            if is_lost:
                raise self._unknown()
            raise self._refuse(DocumentNotFoundError, f"{self.key} does not exist")
        if self._is_own(stored):
            return self._settle(stored, is_own=True)
        if not stored.version.is_same_state(self._expected):
            # One revision further, another write stands where ours would; beyond that, ours may lie beneath it.
            if is_lost and stored.version.revision > self._expected.revision + 1:
                raise self._unknown()
            raise self._changed()
        assert stored.native_etag is not None
        self._native = NativeEtag.parse(stored.native_etag)


class DeleteWrite(Write):
    """Turns the document into its tombstone."""

    def __init__(self, clock: Clock, key: Key, expected: Etag | None, attempt: Attempt) -> None:
        super().__init__(clock, key, attempt)
        self._expected = expected
        self.looks_first = True

    @override
    def prepare(self) -> None:
        assert self._stored is not None
        self._follow(self._stored.version, self._stored.tombstone(NO_VERSION))
        self.over = native_of(self._stored)

    @override
    def see(self, stored: Record | None, *, is_lost: bool) -> None:
        if self._is_own(stored):
            return self._settle(stored, is_own=True)
        if stored is None or not stored.is_present(self._now()):
            return self._settle_absent(stored, is_lost=is_lost)
        if self._expected is not None and not stored.version.is_same_state(self._expected.version):
            raise self._changed()
        self._stored = stored

    def _settle_absent(self, stored: Record | None, *, is_lost: bool) -> None:
        sent = self.record
        if is_lost and (stored is None or sent is None or stored.version.revision != sent.version.revision):
            raise self._unknown()
        self._settle(None)


class ApplyWrite(Write):
    """Stores a record or tombstone as it is, unless what is stored is as new; or over exactly one state."""

    def __init__(self, clock: Clock, record: Record, over: str | None, attempt: Attempt) -> None:
        super().__init__(clock, record.key, attempt)
        self._given = record
        self._wanted = over
        self.looks_first = over is not None or not record.is_first

    @override
    def prepare(self) -> None:
        self.record = self._given
        self.over = native_of(self._stored)

    @override
    def see(self, stored: Record | None, *, is_lost: bool) -> None:
        is_there = stored is not None and stored.version == self._given.version
        if self._wanted is not None:
            if stored is None or stored.native_etag != self._wanted:
                return self._settle(is_lost and is_there)
        # What has expired is absent: the service removes it at a moment of its own, and both must come to the same.
        elif stored is not None and not stored.is_expired(self._now()) and stored.version.age >= self._given.version.age:
            return self._settle(is_lost and is_there)
        self._stored = stored

    @override
    def sent(self, etags: list[str]) -> None:
        self._settle(True)

    @override
    def settle_as_sent(self) -> None:
        if not self.is_settled and self.record is not None:
            self._settle(True, is_own=True)


def native_of(stored: Record | None) -> str | None:
    """Return the service's etag of a record as it was read."""
    return None if stored is None or stored.native_etag is None else NativeEtag.parse(stored.native_etag).etag
