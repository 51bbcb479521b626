"""`repositories.changes`: what is read, what is sent, and who wins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

import anyio
import anyio.lowlevel
import pytest
import stamina

from bifrost_store.core.attempts import Attempt
from bifrost_store.core.operations import Operation, Replace, Result, name_of
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.errors import (
    BackendTimeoutError,
    DocumentNotFoundError,
    InvalidRequestError,
    PreconditionFailedError,
    StoreError,
)
from bifrost_store.repositories.changes import change_record, delete_record, put_record
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.model import ModelBackend

pytestmark = pytest.mark.anyio

KEY = Key("config", GLOBAL, "counter")


class YieldingBackend(ModelBackend):
    """Lets others run before each call, and notes the calls."""

    def __init__(self) -> None:
        super().__init__(clock=SettableClock())
        self.calls: list[str] = []

    async def get(self, key: Key, *, fallback: Scope | None = None) -> Record | None:
        self.calls.append("get")
        await anyio.lowlevel.checkpoint()
        return await super().get(key, fallback=fallback)

    async def write(self, operations: Sequence[Operation], *, attempt: Attempt) -> list[Result]:
        self.calls.append(name_of(operations))
        await anyio.lowlevel.checkpoint()
        return await super().write(operations, attempt=attempt)


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """Lost races are run again at once."""
    with stamina.set_testing(True, attempts=100):
        yield


@pytest.fixture
def backend() -> YieldingBackend:
    return YieldingBackend()


@pytest.fixture
async def stored(backend: YieldingBackend) -> Record:
    record = await backend.create(Record(KEY, {"count": 0}))
    backend.calls.clear()
    return record


def increment(record: Record) -> Record:
    return record.with_body({"count": record.body["count"] + 1})


async def test_by_key_it_is_one_read_and_one_write(backend: YieldingBackend, stored: Record) -> None:
    """Without the record a change costs a get and a replace."""
    changed = await change_record(backend, KEY, increment)

    assert backend.calls == ["get", "replace"]
    assert changed.record.body == {"count": 1}
    assert stored == changed.before


async def test_given_the_record_it_is_one_write(backend: YieldingBackend, stored: Record) -> None:
    """With the record as it is stored a change costs a replace."""
    changed = await change_record(backend, KEY, increment, known=stored)

    assert backend.calls == ["replace"]
    assert stored == changed.before


async def test_a_record_out_of_date_is_read_again(backend: YieldingBackend, stored: Record) -> None:
    """A change given an old record is made to what is stored now."""
    await change_record(backend, KEY, increment)

    changed = await change_record(backend, KEY, increment, known=stored)

    assert changed.record.body == {"count": 2}


async def test_a_refusal_is_believed_only_of_what_is_stored(backend: YieldingBackend, stored: Record) -> None:
    """A rule that refuses the caller's record is asked again with the one that is read."""

    def only_odd(record: Record) -> Record | None:
        if record.body["count"] % 2 == 0:
            raise InvalidRequestError("even")
        return increment(record)

    await change_record(backend, KEY, increment)

    changed = await change_record(backend, KEY, only_odd, known=stored)

    assert changed.record.body == {"count": 2}
    with pytest.raises(InvalidRequestError):
        await change_record(backend, KEY, only_odd)


async def test_nothing_to_change_is_verified_and_not_written(backend: YieldingBackend, stored: Record) -> None:
    """A rule that leaves the caller's record as it is leads to a read, and to no write."""
    changed = await change_record(backend, KEY, lambda _: None, known=stored)

    assert backend.calls == ["get"]
    assert stored == changed.record
    assert changed.before is None


async def test_a_missing_record_is_not_found(backend: YieldingBackend, stored: Record) -> None:
    """A change to what does not exist, or no longer does, raises DocumentNotFoundError and is not tried again."""
    await backend.delete(KEY)

    for known in (None, stored):
        with pytest.raises(DocumentNotFoundError):
            await change_record(backend, KEY, increment, known=known)


@pytest.mark.parametrize("is_known", [True, False])
async def test_an_etag_lets_exactly_one_change_through(backend: YieldingBackend, stored: Record, is_known: bool) -> None:
    """The caller's etag is a precondition: of two changes under the same one the second fails, untried."""
    known, etag = stored if is_known else None, stored.etag.encode()
    await change_record(backend, KEY, increment, known=known, etag=etag)
    backend.calls.clear()

    with pytest.raises(PreconditionFailedError):
        await change_record(backend, KEY, increment, known=known, etag=etag)

    assert (["replace"] if is_known else ["get"]) == backend.calls


async def test_an_etag_is_compared_with_the_stored_state(backend: YieldingBackend, stored: Record) -> None:
    """An etag of the present state is good whatever record the caller holds; an old one is not, even if nothing changes."""
    present = (await change_record(backend, KEY, increment)).record

    changed = await change_record(backend, KEY, increment, known=stored, etag=present.etag.encode())

    assert changed.record.body == {"count": 2}
    with pytest.raises(PreconditionFailedError):
        await change_record(backend, KEY, lambda _: None, known=stored, etag=stored.etag.encode())


async def test_twenty_writers_lose_nothing(backend: YieldingBackend, stored: Record) -> None:
    """Twenty changes at once, with and without the record in hand, are all made."""
    async with anyio.create_task_group() as group:
        for number in range(20):
            known = stored if number % 2 else None
            group.start_soon(lambda known=known: change_record(backend, KEY, increment, known=known))  # type: ignore[misc]

    record = await backend.get(KEY)
    assert record is not None
    assert (record.body["count"], record.version.revision) == (20, 21)


async def test_twenty_first_writers_lose_nothing(backend: YieldingBackend) -> None:
    """Twenty writers of a record that nobody has made yet make it once and change it nineteen times."""

    def make(stored: Record | None) -> Record:
        return Record(KEY, {"count": 1}) if stored is None else increment(stored)

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(put_record, backend, KEY, make)

    record = await backend.get(KEY)
    assert record is not None
    assert (record.body["count"], record.version.revision) == (20, 20)


async def test_losing_for_ever_ends_with_the_conflict(backend: YieldingBackend, stored: Record) -> None:
    """Who loses a hundred times is told so, with the backend's error and its cause."""

    class Contended(YieldingBackend):
        async def write(self, operations: Sequence[Operation], *, attempt: Attempt) -> list[Result]:
            if isinstance(operations[0], Replace):
                self.calls.append("replace")
                raise PreconditionFailedError("changed") from OSError("412")
            return await super().write(operations, attempt=attempt)

    contended = Contended()
    await contended.create(stored)

    with pytest.raises(PreconditionFailedError) as caught:
        await change_record(contended, KEY, increment)

    assert contended.calls.count("replace") == 100
    assert isinstance(caught.value.__cause__, OSError)


async def test_other_errors_are_not_tried_again(backend: YieldingBackend, stored: Record) -> None:
    """Only lost races are run again; a failing backend is the caller's to retry."""

    class Slow(YieldingBackend):
        async def write(self, operations: Sequence[Operation], *, attempt: Attempt) -> list[Result]:
            if isinstance(operations[0], Replace):
                self.calls.append("replace")
                raise BackendTimeoutError("too slow")
            return await super().write(operations, attempt=attempt)

    slow = Slow()
    await slow.create(stored)

    with pytest.raises(BackendTimeoutError):
        await change_record(slow, KEY, increment)

    assert slow.calls.count("replace") == 1


async def test_before_write_precedes_every_write_and_only_writes(backend: YieldingBackend, stored: Record) -> None:
    """What must happen before a write happens before each, and not where nothing is written."""

    async def note(record: Record) -> None:
        backend.calls.append("before")

    await change_record(backend, KEY, increment, before_write=note)
    await change_record(backend, KEY, increment, known=stored, before_write=note)
    await change_record(backend, KEY, lambda _: None, before_write=note)

    assert backend.calls == ["get", "before", "replace", "before", "replace", "get", "before", "replace", "get"]


async def test_deleting_returns_the_record_that_was_deleted(backend: YieldingBackend, stored: Record) -> None:
    """A delete tells exactly which state it ended, so that what belongs to it can go too."""
    with pytest.raises(PreconditionFailedError):
        await delete_record(backend, KEY, etag=replace(stored.etag, version=stored.version.next()).encode())

    assert stored == await delete_record(backend, KEY, etag=stored.etag.encode())
    assert await delete_record(backend, KEY) is None


async def test_deleting_wins_over_writers(backend: YieldingBackend, stored: Record) -> None:
    """A delete amid twenty writers ends the last state that any of them made."""
    deleted: list[Record | None] = []

    async def delete() -> None:
        deleted.append(await delete_record(backend, KEY))

    async def write() -> None:
        with suppress(StoreError):
            await change_record(backend, KEY, increment)

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(write)
        group.start_soon(delete)

    assert await backend.get(KEY) is None
    assert deleted[0] is not None
