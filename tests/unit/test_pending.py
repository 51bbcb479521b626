"""Journals that a hand-over meets: entries that come while it goes on, that cannot be read or repaired, and whose end is open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from bifrost_store.core.attempts import Attempt
from bifrost_store.core.clock import utc_now
from bifrost_store.core.commands import spelled
from bifrost_store.core.operations import Create, Operation, Result
from bifrost_store.core.page import Page
from bifrost_store.core.query import Query
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import SYSTEM
from bifrost_store.core.version import Version, new_writer
from bifrost_store.documents import JOURNAL
from bifrost_store.errors import (
    BackendTimeoutError,
    CorruptDocumentError,
    DocumentExistsError,
    InvalidRequestError,
    MigrationRefusedError,
    NextStep,
    OutcomeUnknownError,
    PreconditionFailedError,
    StaleRouteError,
    StoreError,
)
from bifrost_store.migration.state import repairing
from bifrost_store.migration.status import store_status
from bifrost_store.mirroring.journal import UNSETTLED, Journal, UnreadableEntry
from bifrost_store.mirroring.journal_repair import JournalRepair
from bifrost_store.routing.control import EVERY_SCOPE
from bifrost_store.testing.examples import config, touched
from bifrost_store.testing.model import ModelBackend
from bifrost_store.wrappers.pass_through import PassThrough
from tests.unit.flaky import FlakyBackend
from tests.unit.test_handover import TURNED, World, routes

pytestmark = pytest.mark.anyio
DAMAGED = Key(JOURNAL.kind, SYSTEM, "d" * 32)
BODY = {
    "recordKind": "config",
    "recordScope": "GLOBAL",
    "recordId": "x",
    "writer": None,
    "reason": "x",
    "notedAt": "x",
    "failures": 1,
}


class Damaged(ModelBackend):
    """A store with an entry that cannot even be decoded."""

    is_damaged = False

    async def query(self, query: Query) -> Page[Record]:
        page = await super().query(query)
        error = CorruptDocumentError("row Config/SYSTEM/bifrost-store:journal:ddd: expected JSON", key=str(DAMAGED))
        return replace(page, unreadable=(error,)) if self.is_damaged and query.kind == JOURNAL.kind else page

    async def write(self, operations: Sequence[Operation], *, attempt: Attempt) -> list[Result]:
        if self.is_damaged and isinstance(operations[0], Create) and operations[0].key == DAMAGED:
            raise CorruptDocumentError("it cannot be read")
        return await super().write(operations, attempt=attempt)


class Refusing(ModelBackend):
    """A store that one record cannot be written to.

    Attributes:
        error: Raised for it.
    """

    error: Exception | None = None

    async def write(self, operations: Sequence[Operation], *, attempt: Attempt) -> list[Result]:
        if self.error is not None and operations[0].key.id == "odd":
            raise self.error
        return await super().write(operations, attempt=attempt)


@pytest.fixture
def world() -> World:
    """Two stores of which the first can be damaged, and the second can refuse."""
    world = World()
    world.stores = {"a": Damaged(clock=utc_now), "b": Refusing(clock=utc_now)}
    world.copies.stores = world.stores
    return world


async def cut_over(world: World, *, force: bool = False) -> Any:
    return await world.coordinator().hand_over("cutover", (EVERY_SCOPE,), TURNED, force=force)


async def put_entry(world: World, **changes: Any) -> None:
    """Store an entry as no release of this library does."""
    await world.stores["a"].apply(Record(DAMAGED, {**BODY, **changes}, version=Version(1, new_writer() * 2)))


@pytest.mark.parametrize(
    "changes",
    [
        {"recordKind": 5},
        {"recordKind": "no such kind"},
        {"recordScope": None},
        {"recordScope": "org-no/where"},
        {"recordId": ["x"]},
        {"recordKind": None, "writer": None},
        {"recordKind": None, "writer": {"a": 1}},
        None,
    ],
    ids=str,
)
async def test_what_cannot_be_read_is_pending(world: World, changes: dict[str, Any] | None) -> None:
    """It blocks a hand-over by its name, with what to do; with force it is left, and named in the report."""
    await world.begin()
    store = world.stores["a"]
    assert isinstance(store, Damaged)
    if changes is None:
        store.is_damaged = True
    else:
        await put_entry(world, **changes)
    (entry,) = [entry async for entry in Journal(store).entries()]
    assert isinstance(entry, UnreadableEntry)
    assert await Journal(store).count() == 1
    assert not (await JournalRepair(store, world.stores["b"], Journal(store)).run_once()).is_clean
    assert list((await store_status(store, 5.0)).stuck) == [str(DAMAGED)]

    with pytest.raises(MigrationRefusedError, match="cannot be read") as refused:
        await cut_over(world)
    assert DAMAGED.id[:3] in str(refused.value)
    assert [False, True, False] == [one == repairing(one.text) for one in refused.value.next_steps]
    assert {"force": True} == refused.value.next_steps[-1].options
    assert spelled(refused.value.next_steps).endswith("leave behind what is named: the same command with --force")
    assert [("a", "b", 1)] * 2 == await routes(world)
    assert (await world.control()).move is None

    report = await cut_over(world, force=True)
    assert [str(DAMAGED)] == list(report.left)
    assert [("b", "a", 2)] * 2 == await routes(world)


async def test_a_key_whose_entry_cannot_be_read_is_journaled_beside_it(world: World) -> None:
    """Nothing is forgotten because of what lies where its entry would."""
    journal = Journal(world.stores["a"])
    store = world.stores["a"]
    assert isinstance(store, Damaged)
    (entry,) = await journal.note([config().key], "x")
    assert await journal.remove(entry)
    store.is_damaged = True
    assert DAMAGED.id != entry.record.key.id
    beside = Journal(_Misread(store, entry.record.key))
    (noted,) = await beside.note([config().key], "x")

    assert noted.key == config().key
    assert noted.record.key.id != entry.record.key.id


class _Misread(PassThrough):
    """A store whose record at one key cannot be read."""

    def __init__(self, inner: ModelBackend, key: Key) -> None:
        super().__init__(inner)
        self._key = key

    async def write(self, operations: Sequence[Operation], *, attempt: Attempt) -> list[Result]:
        if operations[0].key == self._key:
            raise CorruptDocumentError("it cannot be read")
        return await super().write(operations, attempt=attempt)


@pytest.mark.parametrize("error", [InvalidRequestError("too odd"), TypeError("content"), CorruptDocumentError("odd")], ids=repr)
async def test_a_record_that_the_other_store_cannot_take(world: World, error: Exception) -> None:
    """It is named in the refusal, and with force left behind by name; the other entries are repaired."""
    await world.begin()
    keys = [(await world.stores["a"].create(config(name), epoch=1)).key for name in ("odd", "even")]
    await Journal(world.stores["a"]).note(keys, "test")
    store = world.stores["b"]
    assert isinstance(store, Refusing)
    store.error = error

    with pytest.raises(MigrationRefusedError, match="'odd' cannot be repaired") as refused:
        await cut_over(world)
    assert "even" not in str(refused.value)
    assert "content" not in str(refused.value)
    assert await store.stored(keys[1]) is not None
    report = await cut_over(world, force=True)

    assert [str(keys[0])] == list(report.left)
    assert [("b", "a", 2)] * 2 == await routes(world)


@pytest.mark.parametrize(
    "error", [PreconditionFailedError("raced"), DocumentExistsError("raced"), StaleRouteError("moved")], ids=repr
)
async def test_a_race_is_no_record_that_cannot_be_taken(world: World, error: StoreError) -> None:
    """What others write at the same moment is tried again at the next pass, and called nothing else."""
    written = await world.stores["a"].create(config("odd"), epoch=1)
    journal = Journal(world.stores["a"])
    await journal.note([written.key], "test")
    store = world.stores["b"]
    assert isinstance(store, Refusing)
    store.error = error
    repair = JournalRepair(world.stores["a"], store, journal)
    done = await repair.run_once(is_patient=True)
    assert (done.left, done.stuck, done.failing) == (1, {}, {})
    store.error = None

    assert (await repair.run_once(is_patient=True)).is_clean


async def test_the_store_at_fault_is_named(world: World) -> None:
    """A store that does not answer is named, with what it says; the other one is not blamed."""
    await world.begin()
    written = await world.stores["a"].create(config("odd"), epoch=1)
    await Journal(world.stores["a"]).note([written.key], "test")
    store = world.stores["b"]
    assert isinstance(store, Refusing)
    store.error = BackendTimeoutError("no answer", backend="b")

    with pytest.raises(MigrationRefusedError, match="b does not answer as it should: BackendTimeoutError") as refused:
        await cut_over(world)
    assert refused.value.next_steps == (NextStep("see that b answers, then try again"),)


async def test_entries_that_keep_coming_do_not_starve_a_hand_over(world: World) -> None:
    """Writers note hot keys at every turn: what is there once nobody writes is repaired in the pause, at the first attempt."""
    await world.begin()
    await world.join()
    journal = Journal(world.stores["a"])
    hot = [(await world.stores["a"].create(config(name), epoch=1)) for name in ("hot", "hotter")]

    async def write() -> None:
        if not is_prepared(await world.control()):
            for number, record in enumerate(hot):
                hot[number] = await world.stores["a"].replace(touched(record), record.etag, epoch=1)
                await journal.note([record.key], "keeps changing")

    world.on_sleep = write
    report = await cut_over(world)

    assert (report.attempts, await journal.count()) == (1, 0)
    assert report.paused_seconds < 2
    for record in hot:
        assert await world.stores["b"].stored(record.key) == await world.stores["a"].stored(record.key)


def is_prepared(control: Any) -> bool:
    return control.move is not None and control.move.stage == "prepared"


async def test_records_that_change_faster_than_they_are_compared(world: World) -> None:
    """Where more comes than one pause can repair, no store is blamed."""
    await world.begin()
    keys = [(await world.stores["a"].create(config(f"k{number}"), epoch=1)).key for number in range(70)]
    journal = Journal(world.stores["a"])
    await journal.note(keys, "test")

    async def write() -> None:
        await journal.note(keys, "test")

    world.on_sleep = write
    store = world.stores["b"]
    apply = store.apply

    async def note_again(record: Record, *, over: str | None = None) -> bool:
        await journal.note([record.key], "test")
        return await apply(record, over=over)

    store.apply = note_again  # type: ignore[method-assign]
    stored = store.stored

    async def note_again_too(key: Key) -> Record | None:
        await journal.note([key], "test")
        return await stored(key)

    store.stored = note_again_too  # type: ignore[method-assign]
    with pytest.raises(MigrationRefusedError, match="both stores answer") as refused:
        await cut_over(world)

    assert "does not answer" not in str(refused.value)


async def test_what_may_arrive_yet_lingers(world: World) -> None:
    """The entry of a write of unknown fate stays for a while though both stores are equal, so that a late arrival is repaired."""
    primary, secondary = world.stores["a"], world.stores["b"]
    created = await primary.create(config(), epoch=1)
    await secondary.apply(created)
    journal = Journal(primary)
    await journal.note([created.key], UNSETTLED)
    await journal.note([created.key], "timeout")
    seconds = 0.0
    repair = JournalRepair(primary, secondary, journal, linger_seconds=30, monotonic=lambda: seconds)

    assert (await repair.run_once()).left == 1
    late = await primary.replace(touched(created), created.etag, epoch=1)
    seconds = 29.0
    assert (await repair.run_once()).left == 1
    assert await secondary.stored(created.key) == late
    seconds = 30.0
    assert (await repair.run_once()).is_clean
    assert await journal.count() == 0


async def test_what_may_arrive_yet_stops_no_hand_over(world: World) -> None:
    """It is compared in the pause, and its entry goes over to the journal of the next primary."""
    await world.begin()
    created = await world.stores["a"].create(config(), epoch=1)
    await Journal(world.stores["a"]).note([created.key], UNSETTLED)
    report = await cut_over(world)

    assert report.attempts == 1
    assert await world.stores["b"].stored(created.key) == created
    assert await Journal(world.stores["a"]).count() == 0
    (entry,) = [entry async for entry in Journal(world.stores["b"]).entries()]
    assert (entry.key, str(entry)) == (created.key, str(created.key))


async def test_what_no_repetition_helps_is_left_alone_for_ever_longer(world: World) -> None:
    """A record that one store cannot take is tried again after pauses that grow; the others at every pass."""
    keys = [(await world.stores["a"].create(config(name), epoch=1)).key for name in ("odd", "even")]
    journal = Journal(world.stores["a"])
    store = world.stores["b"]
    assert isinstance(store, Refusing)
    store.error = InvalidRequestError("too odd")
    seconds, tried = 0.0, 0
    repair = JournalRepair(world.stores["a"], store, journal, monotonic=lambda: seconds)
    for number in range(720):
        seconds = 5.0 * number
        await journal.note([keys[1]], "test")
        if number == 0:
            await journal.note([keys[0]], "test")
        done = await repair.run_once(is_patient=True)
        tried += bool(done.stuck)
        assert (done.repaired, done.left) == (1, 1)

    assert 5 <= tried <= 15
    found = await store_status(world.stores["a"], 5.0)
    assert found.stuck == {str(keys[0]): "cannot be repaired: InvalidRequestError"}
    store.error = None
    assert (await repair.run_once()).is_clean


@pytest.mark.parametrize("is_lost", ["before it was stored", "after it was stored"])
async def test_an_entry_is_rewritten_though_the_answer_is_lost(is_lost: str) -> None:
    """Once `note` returns, the entry has another state than the one that was there: nobody removes it for an earlier write."""
    store = FlakyBackend(clock=utc_now)
    journal = Journal(store)
    (before,) = await journal.note([config().key], "first")
    lost = 0

    async def lose(name: str, key: Key) -> None:
        nonlocal lost
        lost += name == "replace"
        if name == "replace" and lost == 1:
            raise OutcomeUnknownError("the answer was lost")

    store.before, store.after = (lose, store.after) if is_lost == "before it was stored" else (store.before, lose)
    (now,) = await journal.note([config().key], "second")

    assert now.record.version != before.record.version
    assert (now.reason, now.record.body["failures"]) == ("second", 2)
    assert not await journal.remove(before)
    assert 1 == await journal.count()
