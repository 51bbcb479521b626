"""The journal, its repair, `reconcile`, and the circuit breaker."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from bifrost_store.core.attempts import Attempt
from bifrost_store.core.operations import Create, Delete
from bifrost_store.core.record import Key, Record
from bifrost_store.core.version import new_writer
from bifrost_store.documents import JOURNAL
from bifrost_store.errors import BackendUnavailableError, OutcomeUnknownError, StaleRouteError
from bifrost_store.mirroring.breaker import CircuitBreaker
from bifrost_store.mirroring.journal import Journal
from bifrost_store.mirroring.journal_repair import JournalRepair
from bifrost_store.mirroring.reconcile import Reconciled, reconcile
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.examples import OTHER_ORGANIZATION, config, touched
from tests.unit.flaky import FlakyBackend, failing

pytestmark = pytest.mark.anyio
UNAVAILABLE = BackendUnavailableError("away")


class Stores:
    """A primary with a journal, and a secondary."""

    def __init__(self) -> None:
        self.clock = SettableClock()
        self.primary, self.secondary = FlakyBackend(clock=self.clock), FlakyBackend(clock=self.clock)
        self.journal = Journal(self.primary, clock=self.clock)
        self.repair = JournalRepair(self.primary, self.secondary, self.journal, clock=self.clock)

    async def is_equal(self) -> bool:
        """Return whether both stores hold the same."""
        return await everything(self.primary) == await everything(self.secondary)


@pytest.fixture
def stores() -> Stores:
    """Two empty stores."""
    return Stores()


async def test_a_key_has_one_entry(stores: Stores) -> None:
    """Noting it again rewrites its entry, which counts the failures; each key has its own."""
    other = config(scope=OTHER_ORGANIZATION).key
    await stores.journal.note([config().key, other], "timeout")
    (entry,) = await stores.journal.note([config().key], "timeout")

    assert entry.record.body["failures"] == 2
    assert await stores.journal.count() == 2
    assert {found.key async for found in stores.journal.entries()} == {config().key, other}


async def test_an_entry_holds_no_content(stores: Stores) -> None:
    """It names the record, and says when and why."""
    record = await stores.primary.create(config(value="a secret"))
    (entry,) = await stores.journal.note([record.key], "timeout")

    assert "a secret" not in str(entry.record.body)


async def test_an_entry_that_was_rewritten_is_not_removed(stores: Stores) -> None:
    """Whoever pays removes the state that was read: a failure that came meanwhile stays noted."""
    (entry,) = await stores.journal.note([config().key], "timeout")
    (later,) = await stores.journal.note([config().key], "timeout")

    assert await stores.journal.remove(entry) is False
    assert await stores.journal.remove(later) is True
    assert await stores.journal.remove(later) is True
    assert await stores.journal.count() == 0


async def test_a_failure_during_the_comparison_keeps_the_entry(stores: Stores) -> None:
    """The entry is read before the record (J1): what fails between the comparison and the removal is seen by the next pass."""
    created = await stores.primary.create(config())
    await stores.journal.note([created.key], "timeout")

    async def fail_again(name: str, key: Key) -> None:
        if name == "apply":
            stores.secondary.works()
            await stores.journal.note([created.key], "timeout")

    stores.secondary.after = fail_again

    first = await stores.repair.run_once()
    assert (first.repaired, first.left, first.failed) == (0, 1, 0)
    assert (await stores.repair.run_once()).is_clean
    assert await stores.is_equal()


@pytest.mark.parametrize("side", ["primary", "secondary"])
async def test_a_dead_store_leaves_the_journal_as_it_is(stores: Stores, side: str) -> None:
    """Entries that cannot be repaired are left and counted as failed; the next pass repairs them."""
    created = await stores.primary.create(config())
    await stores.journal.note([created.key], "timeout")
    store = stores.primary if side == "primary" else stores.secondary
    store.before = failing(UNAVAILABLE, "stored" if side == "primary" else "apply")

    done = await stores.repair.run_once()
    assert (done.repaired, done.left, done.failed) == (0, 1, 1)
    store.works()
    assert (await stores.repair.run_once()).is_clean
    assert await stores.is_equal()


async def test_a_lost_answer_of_a_removal_is_noticed_by_the_next_pass(stores: Stores) -> None:
    """Nothing counts as repaired that was not seen to be."""
    created = await stores.primary.create(config())
    await stores.journal.note([created.key], "timeout")
    stores.primary.before = failing(OutcomeUnknownError("lost"), "replace", kind=JOURNAL.kind)
    assert not (await stores.repair.run_once()).is_clean

    stores.primary.works()
    assert (await stores.repair.run_once()).is_clean
    assert await stores.journal.count() == 0


async def test_a_dead_writers_last_writes_are_found(stores: Stores) -> None:
    """Its entry is repaired by comparing all that bears its name, deletions too; what others wrote is not compared."""
    dead = new_writer()
    shared = await stores.primary.create(config("shared"))
    await stores.secondary.apply(shared)
    await stores.primary.create(config("of another"))
    await stores.primary.write([Create(config("created"))], attempt=Attempt(writer=dead))
    await stores.primary.write([Delete(shared.key)], attempt=Attempt(writer=dead))
    await stores.journal.note_writer(dead)

    done = await stores.repair.run_once()

    assert (done.is_clean, done.repaired, done.checked) == (True, 1, 2)
    found = await everything(stores.secondary)
    assert {key.id: record.is_tombstone for key, record in found.items()} == {
        config("created").key.id: False,
        config("shared").key.id: True,
    }
    assert await stores.journal.count() == 0


async def test_a_writers_entry_stays_until_all_was_compared(stores: Stores) -> None:
    """One record that could not be compared keeps the entry."""
    dead = new_writer()
    await stores.primary.write([Create(config())], attempt=Attempt(writer=dead))
    await stores.journal.note_writer(dead)
    stores.secondary.before = failing(UNAVAILABLE)
    assert not (await stores.repair.run_once()).is_clean
    assert await stores.journal.count() == 1

    stores.secondary.works()
    assert (await stores.repair.run_once()).is_clean
    assert await stores.is_equal()


async def test_entries_of_other_routes_are_left(stores: Stores) -> None:
    """A repair pays for the scopes whose route is its own, and never under an epoch that has passed (J3)."""
    created = await stores.primary.create(config(), epoch=3)
    await stores.journal.note([created.key], "timeout")
    make = partial(JournalRepair, stores.primary, stores.secondary, stores.journal, clock=stores.clock)

    assert (await make(is_ours=lambda scope: False).run_once()).repaired == 0
    assert (await make(epoch_of=lambda scope: 2).run_once()).left == 1
    assert await everything(stores.secondary) == {}
    assert (await make(epoch_of=lambda scope: 3).run_once()).repaired == 1
    assert await stores.is_equal()


async def test_reconcile_writes_nothing_under_an_epoch_that_has_passed(stores: Stores) -> None:
    """A later state on either side means that the route is out of date, also where the primary knows no record at all."""
    later = await stores.secondary.create(config(), epoch=2)
    compare = partial(reconcile, stores.primary, stores.secondary, clock=stores.clock)
    with pytest.raises(StaleRouteError):
        await compare(later.key, epoch=1)
    assert await stores.secondary.stored(later.key) == later

    await stores.primary.create(config("other"), epoch=2)
    with pytest.raises(StaleRouteError):
        await compare(config("other").key, epoch=1)
    assert await stores.secondary.stored(config("other").key) is None


async def test_reconcile_makes_the_secondary_equal(stores: Stores) -> None:
    """Older, missing, stray and unknown states become the primary's; what is equal is left."""
    compare = partial(reconcile, stores.primary, stores.secondary, clock=stores.clock)
    created = await stores.primary.create(config())
    assert await compare(created.key) is Reconciled.APPLIED
    assert await compare(created.key) is Reconciled.SAME

    stray = replace(touched(created), version=replace(created.version, revision=7, write_id="f" * 32))
    await stores.secondary.apply(stray)
    assert await compare(created.key) is Reconciled.OVERWRITTEN
    assert await stores.secondary.stored(created.key) == created

    unknown = await stores.secondary.create(config("unknown"))
    assert await compare(unknown.key) is Reconciled.OVERWRITTEN
    assert await stores.secondary.get(unknown.key) is None


async def test_reconcile_loses_to_a_write_that_comes_between(stores: Stores) -> None:
    """A live writer's newer state is not written over by what was read before it."""
    created = await stores.primary.create(config())
    stray = replace(touched(created), version=replace(created.version, revision=2, write_id="f" * 32))
    await stores.secondary.apply(stray)
    newest: list[Record] = []

    async def write_between(name: str, key: Key) -> None:
        if name == "apply" and newest == []:
            newest.append(created)
            await stores.primary.replace(touched(created), created.etag)
            current = await stores.primary.stored(created.key)
            assert current is not None
            newest[0] = await stores.primary.replace(touched(current, 2), current.etag)
            await stores.secondary.apply(newest[0])

    stores.secondary.before = write_between
    await reconcile(stores.primary, stores.secondary, created.key, clock=stores.clock)

    assert await stores.secondary.stored(created.key) == newest[0]


def test_the_breaker_opens_after_failures_in_a_row() -> None:
    """Three in a row, not three in all; then one trial after each pause, twice as long each time up to the longest."""
    seconds = [0.0]
    breaker = CircuitBreaker(failures=3, pause_seconds=1, longest_pause_seconds=3, now=lambda: seconds[0])
    for _ in range(2):
        breaker.failed()
    breaker.succeeded()
    for _ in range(3):
        assert breaker.may_try()
        breaker.failed()
    pauses = [_pause(breaker, seconds) for _ in range(4)]
    assert pauses == [1, 2, 3, 3]

    seconds[0] += 3
    assert breaker.may_try()
    breaker.succeeded()
    assert [breaker.may_try(), breaker.may_try()] == [True, True]


def _pause(breaker: CircuitBreaker, seconds: list[float]) -> float:
    """Return how long it takes until a trial is let through, which then fails."""
    began = seconds[0]
    while not breaker.may_try():
        seconds[0] += 0.25
    assert not breaker.may_try()
    breaker.failed()
    return seconds[0] - began


def test_the_breaker_waits_for_as_long_as_it_was_asked_to() -> None:
    """A store's own word about when to come again is kept."""
    seconds = [0.0]
    breaker = CircuitBreaker(failures=1, pause_seconds=1, now=lambda: seconds[0])
    breaker.failed(retry_after_seconds=7)
    seconds[0] = 6.5
    assert not breaker.may_try()
    seconds[0] = 7.0
    assert breaker.may_try()
