"""`DualWriteBackend` and `Mirror` while the secondary, the journal or the caller fails."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import anyio
import anyio.lowlevel
import pytest

from bifrost_store.core.attempts import Attempt
from bifrost_store.core.operations import Apply, Create, Delete, Operation, Replace
from bifrost_store.core.record import Key
from bifrost_store.documents import JOURNAL, SPECS
from bifrost_store.errors import (
    AccessDeniedError,
    BackendTimeoutError,
    BackendUnavailableError,
    DocumentExistsError,
    OutcomeUnknownError,
    PreconditionFailedError,
    StaleRouteError,
    StoreError,
    ThrottledError,
)
from bifrost_store.mirroring.breaker import CircuitBreaker
from bifrost_store.mirroring.dual_write import DualWriteBackend
from bifrost_store.mirroring.journal import Journal
from bifrost_store.mirroring.journal_repair import JournalRepair
from bifrost_store.mirroring.mirror import Mirror
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.examples import config, touched
from bifrost_store.testing.model import ModelBackend
from tests.unit.flaky import FlakyBackend, failing, hanging

pytestmark = pytest.mark.anyio
UNAVAILABLE = BackendUnavailableError("away")
PATIENCE_SECONDS = 0.05


class Pair:
    """Two stores, and a process that writes to both."""

    def __init__(self) -> None:
        self.clock = SettableClock()
        self.primary, self.secondary = FlakyBackend(clock=self.clock), FlakyBackend(clock=self.clock)
        self.journal = Journal(self.primary, clock=self.clock)
        self.seconds = 0.0
        breaker = CircuitBreaker(now=lambda: self.seconds)
        self.mirror = Mirror(self.secondary, self.journal, patience_seconds=PATIENCE_SECONDS, breaker=breaker)
        self.dual = DualWriteBackend(self.primary, self.mirror, SPECS)

    async def owed(self) -> set[Key | None]:
        """Return the keys that the journal names."""
        return {entry.key async for entry in self.journal.entries()}

    async def is_equal(self) -> bool:
        """Return whether both stores hold the same."""
        return await everything(self.primary) == await everything(self.secondary)

    async def repair(self) -> bool:
        """Go through the journal once, with stores that work; return whether all was paid."""
        self.primary.works()
        self.secondary.works()
        return (await JournalRepair(self.primary, self.secondary, self.journal, clock=self.clock).run_once()).is_clean


@pytest.fixture
def pair() -> Pair:
    """Two empty stores."""
    return Pair()


async def test_the_secondary_gets_exactly_what_was_stored(pair: Pair) -> None:
    """Versions, bodies and tombstones are the primary's own, each for one apply."""
    created = await pair.dual.create(config(), epoch=2)
    replaced = await pair.dual.replace(touched(created), created.etag, epoch=2)
    assert await pair.secondary.stored(created.key) == replaced
    await pair.dual.delete(created.key, epoch=2)

    assert await pair.is_equal()
    assert pair.secondary.calls["apply"] == 3
    assert await pair.owed() == set()
    assert pair.mirror.is_settled


async def test_a_batch_is_one_batch(pair: Pair) -> None:
    """All that a batch stored is told in one batch."""
    first = await pair.dual.create(config("first"))
    operations: Sequence[Operation] = [Create(config("second")), Delete(first.key), Create(config("third"))]
    await pair.dual.batch(operations)

    assert await pair.is_equal()
    assert pair.secondary.calls["batch"] == 1


async def test_a_refusal_of_the_primary_is_told_to_nobody(pair: Pair) -> None:
    """What the primary refuses is the caller's error; the secondary is left alone."""
    created = await pair.dual.create(config())
    told = pair.secondary.calls.total()

    with pytest.raises(DocumentExistsError):
        await pair.dual.create(config())
    await pair.dual.replace(touched(created), created.etag)
    with pytest.raises(PreconditionFailedError):
        await pair.dual.replace(touched(created), created.etag)

    assert pair.secondary.calls.total() == told + 1
    assert pair.mirror.is_settled


@pytest.mark.parametrize(
    "error", [UNAVAILABLE, ThrottledError("slow"), AccessDeniedError("no"), OutcomeUnknownError("?")], ids=repr
)
async def test_what_the_secondary_misses_is_journaled(pair: Pair, error: StoreError) -> None:
    """The caller is answered as ever, the journal names the keys, and a repair makes both stores equal."""
    pair.secondary.before = failing(error)
    created = await pair.dual.create(config())
    await pair.dual.batch([Create(config("a")), Create(config("b"))])

    assert await pair.owed() == {created.key, config("a").key, config("b").key}
    assert await pair.repair()
    assert await pair.is_equal()
    assert await pair.owed() == set()


async def test_a_lost_answer_of_the_secondary_is_journaled(pair: Pair) -> None:
    """Applied or not: the journal names the key until somebody has looked."""
    pair.secondary.after = failing(BackendTimeoutError("lost"))
    created = await pair.dual.create(config())

    assert await pair.owed() == {created.key}
    assert await pair.repair()
    assert await pair.is_equal()


async def test_a_hanging_secondary_costs_its_patience_and_no_more(pair: Pair) -> None:
    """The caller waits for the bound, and once the circuit is open not at all."""
    pair.secondary.before = hanging()
    for number in range(3):
        await pair.dual.create(config(str(number)))
    asked = pair.secondary.calls.total()
    for number in range(3, 50):
        await pair.dual.create(config(str(number)))

    assert asked == pair.secondary.calls.total() == 3
    assert len(await pair.owed()) == 50
    assert await pair.repair()
    assert await pair.is_equal()


async def test_the_secondary_is_tried_again_after_a_pause(pair: Pair) -> None:
    """One trial after each pause; when it succeeds the secondary is told everything again."""
    pair.secondary.before = failing(UNAVAILABLE)
    for number in range(5):
        await pair.dual.create(config(str(number)))
    assert pair.secondary.calls["apply"] == 3
    pair.secondary.works()
    pair.seconds += 1.5

    await pair.dual.create(config("trial"))
    await pair.dual.create(config("next"))

    assert pair.secondary.calls["apply"] == 5
    assert len(await pair.owed()) == 5


async def test_without_secondary_and_journal_the_outcome_is_unknown_and_owed(pair: Pair) -> None:
    """The caller hears so; the process is not settled until the journal was written."""
    pair.secondary.before = failing(UNAVAILABLE)
    pair.primary.before = failing(UNAVAILABLE, kind=JOURNAL.kind)
    with pytest.raises(OutcomeUnknownError, match="neither the other store nor the journal"):
        await pair.dual.create(config())

    assert not pair.mirror.is_settled
    assert await pair.mirror.drain() is False
    pair.primary.works()
    assert await pair.mirror.drain() is True
    assert await pair.owed() == {config().key}
    assert await pair.repair()
    assert await pair.is_equal()


@pytest.mark.parametrize("is_stored", [True, False])
async def test_a_write_whose_answer_the_primary_lost_is_owed(pair: Pair, is_stored: bool) -> None:
    """It may be stored: the key is journaled as soon as that works, and repaired to whatever came of it."""
    lost = failing(OutcomeUnknownError("lost"), "create")
    if is_stored:
        pair.primary.after = lost
    else:
        pair.primary.before = lost
    with pytest.raises(OutcomeUnknownError):
        await pair.dual.create(config())
    assert not pair.mirror.is_settled

    pair.primary.works()
    assert await pair.mirror.drain()
    assert await pair.owed() == {config().key}
    assert await pair.repair()
    assert await pair.is_equal()
    assert (await pair.secondary.stored(config().key) is not None) is is_stored


async def test_a_cancelled_caller_leaves_a_whole_write(pair: Pair) -> None:
    """The write goes on to its end although nobody waits for it, and `drain` waits."""
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def wait(name: str, key: Key) -> None:
        if name == "create":
            reached.set()
            await go_on.wait()

    pair.primary.after = wait
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(pair.dual.create, config())
            await reached.wait()
            scope.cancel()
    assert not pair.mirror.is_settled
    go_on.set()

    assert await pair.mirror.drain()
    assert await pair.is_equal()
    assert await pair.primary.stored(config().key) is not None


async def test_applying_again_completes(pair: Pair) -> None:
    """What the primary has already is told to the secondary too, alone and in a batch."""
    record = await ModelBackend(clock=pair.clock).create(config())
    await pair.primary.apply(record)
    assert await pair.dual.apply(record) is False
    assert await pair.is_equal()

    other = await ModelBackend(clock=pair.clock).create(config("other"))
    await pair.primary.apply(other)
    assert await pair.dual.batch([Apply(other)]) == [False]
    assert await pair.is_equal()


async def test_a_newer_state_in_the_secondary_is_looked_at(pair: Pair) -> None:
    """A secondary that refuses, having something as new that the primary never had, is made equal to the primary at once."""
    stray = await ModelBackend(clock=pair.clock).create(touched(config()), epoch=1)
    await pair.secondary.apply(stray)
    created = await pair.dual.create(config(), epoch=1)

    assert await pair.secondary.stored(created.key) == created
    assert await pair.owed() == set()


async def test_a_state_that_was_put_back_reaches_the_secondary(pair: Pair) -> None:
    """A write over exactly what is stored may be of a lower revision: the secondary then has a later one, of the same epoch."""
    created = await pair.dual.create(config(), epoch=1)
    later = await pair.dual.replace(touched(created), created.etag, epoch=1)
    assert await pair.dual.apply(touched(created, 2), over=later.native_etag) is True

    assert await pair.is_equal()
    assert await pair.owed() == set()


async def test_writes_that_overtake_each_other_converge(pair: Pair) -> None:
    """Whichever of many writes to one record reaches the secondary first, it ends with the last; nothing is journaled for it."""
    pair.mirror._patience = 3_600  # the turns decide, not the machine's speed
    created = await pair.dual.create(config(), epoch=1)
    turns = iter([3, 1, 2, 0] * 8)

    async def out_of_turn(name: str, key: Key) -> None:
        if name in ("apply", "batch"):
            for _ in range(7 * next(turns, 0)):
                await anyio.lowlevel.checkpoint()

    pair.secondary.before = out_of_turn

    async def write(number: int) -> None:
        while True:
            stored = await pair.dual.get(created.key)
            assert stored is not None
            try:
                if number % 3:
                    await pair.dual.replace(touched(stored, number), stored.etag, epoch=1)
                else:
                    other = await pair.dual.get(config("other").key)
                    beside = Create(config("other")) if other is None else Replace(touched(other, number), other.etag)
                    await pair.dual.batch([Replace(touched(stored, number), stored.etag), beside], epoch=1)
            except (PreconditionFailedError, DocumentExistsError):
                continue
            return

    async with anyio.create_task_group() as writers:
        for number in range(16):
            writers.start_soon(write, number)

    assert await pair.is_equal()
    assert await pair.owed() == set()
    assert pair.mirror.is_settled


async def test_a_secondary_that_is_written_to_at_that_moment_converges(pair: Pair) -> None:
    """An `apply` that loses every race there is no failure of the store: it is tried again."""
    races = iter(range(5))

    async def lose(name: str, key: Key) -> None:
        if name == "apply" and next(races, None) is not None:
            raise PreconditionFailedError("somebody else")

    pair.secondary.before = lose
    await pair.dual.create(config())

    assert await pair.is_equal()
    assert await pair.owed() == set()


async def test_the_lease_stops_the_primarys_write_only(pair: Pair) -> None:
    """What the primary stored is told even if the lease ends meanwhile; what was not sent leaves nothing owed."""
    answers = iter([True, False])
    await pair.dual.write([Create(config())], attempt=Attempt(may_send=lambda: next(answers)))
    with pytest.raises(StaleRouteError):
        await pair.dual.write([Create(config("other"))], attempt=Attempt(may_send=lambda: next(answers)))

    assert await pair.is_equal()
    assert pair.mirror.is_settled


async def test_internal_records_stay_in_the_primary(pair: Pair) -> None:
    """The journal itself is told to nobody."""
    await Journal(pair.dual, clock=pair.clock).note([config().key], "test")

    assert pair.secondary.calls.total() == 0
    assert await pair.owed() == {config().key}


async def test_a_purge_reaches_the_secondary(pair: Pair) -> None:
    """Expired records go from both stores; a secondary that fails keeps its own until the next purge."""
    expires_at = pair.clock.advance(seconds=1)
    await pair.dual.create(config(expires_at=expires_at))
    pair.clock.advance(seconds=1)
    assert len(await pair.dual.purge_expired(kind="config")) == 1

    assert await everything(pair.primary) == await everything(pair.secondary) == {}
