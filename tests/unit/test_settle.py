"""`settle`: every row of rule W7 of the hand-over protocol."""

from __future__ import annotations

import pytest

from bifrost_store.core.attempts import Attempt
from bifrost_store.core.operations import Apply, Create, Delete, Replace
from bifrost_store.core.record import Record
from bifrost_store.documents import SPECS
from bifrost_store.errors import BackendUnavailableError, OutcomeUnknownError, StaleRouteError
from bifrost_store.mirroring.dual_write import DualWriteBackend
from bifrost_store.mirroring.journal import Journal
from bifrost_store.mirroring.mirror import Mirror
from bifrost_store.routing.membership.settle import settle
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.examples import config, touched
from bifrost_store.testing.model import ModelBackend
from tests.unit.flaky import FlakyBackend, failing

pytestmark = pytest.mark.anyio


class Route:
    """A primary and a secondary as they are now."""

    def __init__(self) -> None:
        self.clock = SettableClock()
        self.primary, self.secondary = FlakyBackend(clock=self.clock), ModelBackend(clock=self.clock)
        self.journal = Journal(self.primary, clock=self.clock)
        self.dual = DualWriteBackend(self.primary, Mirror(self.secondary, self.journal), SPECS)
        self.attempt = Attempt(1, may_send=lambda: True)

    async def check_equal(self) -> None:
        """Demand that both stores hold the same."""
        assert await everything(self.primary) == await everything(self.secondary)

    async def sent(self) -> None:
        """Let the attempt's first sending get lost on its way."""
        self.attempt.is_sent = True


@pytest.fixture
def route() -> Route:
    """Two empty stores."""
    return Route()


async def test_an_own_create_is_told_and_returned(route: Route) -> None:
    """Own write id stored: the present secondary is told, and the caller gets what was stored."""
    (stored,) = await route.primary.write([Create(config())], attempt=route.attempt)

    assert await settle(route.attempt, [Create(config())], route.dual) == [stored]
    assert route.primary.calls["create"] == 1
    await route.check_equal()


async def test_an_own_replace_and_delete_are_told_and_returned(route: Route) -> None:
    """The same for replace and delete, whose result is the tombstone."""
    created = await route.dual.create(config(), epoch=1)
    (replaced,) = await route.primary.write([Replace(touched(created), created.etag)], attempt=route.attempt)
    assert await settle(route.attempt, [Replace(touched(created), created.etag)], route.dual) == [replaced]

    deletion = Attempt(1, may_send=lambda: True)
    (tombstone,) = await route.primary.write([Delete(created.key)], attempt=deletion)
    assert await settle(deletion, [Delete(created.key)], route.dual) == [tombstone]
    await route.check_equal()


async def test_what_is_untouched_is_sent_again_under_the_same_id(route: Route) -> None:
    """The state it was to replace: sent again, told, answered; all under the attempt's own write id."""
    created = await route.dual.create(config(), epoch=1)
    await route.sent()
    route.attempt.epoch = 2
    (replaced,) = await settle(route.attempt, [Replace(touched(created), created.etag)], route.dual)

    assert isinstance(replaced, Record)
    assert (replaced.version.write_id, replaced.version.age) == (route.attempt.write_id, (2, 2))
    await route.check_equal()


async def test_a_create_of_nothing_is_sent_again(route: Route) -> None:
    """Nothing at all is stored: it never arrived."""
    await route.sent()
    (created,) = await settle(route.attempt, [Create(config())], route.dual)

    assert isinstance(created, Record)
    assert created.version.write_id == route.attempt.write_id
    await route.check_equal()


async def test_a_delete_of_what_it_saw_is_sent_again(route: Route) -> None:
    """A delete without etag is sent again over the state that it was about to end, and over no other."""
    created = await route.dual.create(config(), epoch=1)
    await route.sent()
    route.attempt.bases.add((created.version.revision, created.version.write_id))
    (tombstone,) = await settle(route.attempt, [Delete(created.key)], route.dual)

    assert isinstance(tombstone, Record)
    assert tombstone.is_tombstone
    await route.check_equal()


async def test_anything_else_is_unknown(route: Route) -> None:
    """Another's state: never a plain failure, and nothing is written."""
    created = await route.dual.create(config(), epoch=1)
    await route.dual.replace(touched(created), created.etag, epoch=1)
    before = await everything(route.primary)
    await route.sent()

    for operation in (Replace(touched(created, 2), created.etag), Create(config()), Delete(created.key)):
        with pytest.raises(OutcomeUnknownError):
            await settle(route.attempt, [operation], route.dual)
    assert await everything(route.primary) == before


async def test_a_create_is_not_repeated_over_a_tombstone_of_others(route: Route) -> None:
    """The tombstone may stand for what the create had stored: creating it again would bring a deleted record back."""
    await route.dual.create(config(), epoch=1)
    await route.dual.delete(config().key, epoch=1)
    await route.sent()

    with pytest.raises(OutcomeUnknownError):
        await settle(route.attempt, [Create(config())], route.dual)
    assert await route.primary.get(config().key) is None


async def test_a_create_goes_on_from_the_tombstone_it_saw(route: Route) -> None:
    """The tombstone that it was about to replace is no obstacle."""
    await route.dual.create(config(), epoch=1)
    tombstone = await route.dual.delete(config().key, epoch=1)
    assert tombstone is not None
    await route.sent()
    route.attempt.bases.add((tombstone.version.revision, tombstone.version.write_id))

    (created,) = await settle(route.attempt, [Create(config())], route.dual)
    assert isinstance(created, Record)
    assert created.version.age == (1, 3)


async def test_a_refusal_of_the_second_sending_is_unknown(route: Route) -> None:
    """What is in the way may have come after the first sending."""
    created = await route.dual.create(config(), epoch=1)
    await route.sent()
    for error in (BackendUnavailableError("away"), OutcomeUnknownError("lost")):
        route.primary.before = failing(error, "replace")
        with pytest.raises(OutcomeUnknownError):
            await settle(route.attempt, [Replace(touched(created), created.etag)], route.dual)


async def test_an_outdated_route_is_said(route: Route) -> None:
    """The base is of a later epoch: nothing is sent, and whoever asked reads the copies and settles again."""
    created = await route.dual.create(config(), epoch=3)
    await route.sent()
    route.attempt.epoch = 2

    with pytest.raises(StaleRouteError):
        await settle(route.attempt, [Replace(touched(created), created.etag)], route.dual)
    assert await route.primary.stored(created.key) == created


async def test_what_was_never_sent_is_begun(route: Route) -> None:
    """Nothing left the process: the write is made for the first time, and a refusal is a plain one."""
    (created,) = await settle(route.attempt, [Create(config())], route.dual)

    assert isinstance(created, Record)
    await route.check_equal()


async def test_a_lost_lease_is_journaled_first(route: Route) -> None:
    """The writer's entry may have been repaired already: the key is named before anything else is done."""
    await route.sent()
    route.primary.before = failing(BackendUnavailableError("away"), "stored")
    with pytest.raises(BackendUnavailableError):
        await settle(route.attempt, [Create(config())], route.dual, is_lease_lost=True)

    assert [entry.key async for entry in route.journal.entries()] == [config().key]


async def test_a_batch_is_all_or_nothing(route: Route) -> None:
    """One own write among those found settles all; those that others have written over since are unknown."""
    operations = [Create(config("a")), Create(config("b"))]
    stored = await route.primary.write(operations, attempt=route.attempt)
    assert await settle(route.attempt, operations, route.dual) == stored
    await route.check_equal()

    assert isinstance(stored[0], Record)
    await route.primary.replace(touched(stored[0]), stored[0].etag, epoch=1)
    with pytest.raises(OutcomeUnknownError):
        await settle(route.attempt, operations, route.dual)
    await route.check_equal()


async def test_a_lost_batch_is_sent_again(route: Route) -> None:
    """Nothing of it is stored: all of it is sent again."""
    await route.sent()
    operations = [Create(config("a")), Create(config("b"))]
    results = await settle(route.attempt, operations, route.dual)

    assert {record.version.write_id for record in results if isinstance(record, Record)} == {route.attempt.write_id}
    await route.check_equal()


async def test_an_apply_is_repeated(route: Route) -> None:
    """Stored already or not, it comes to the same."""
    record = await ModelBackend(clock=route.clock).create(config(), epoch=1)
    await route.sent()

    assert await settle(route.attempt, [Apply(record)], route.dual) == [True]
    assert await settle(route.attempt, [Apply(record)], route.dual) == [True]
    await route.check_equal()


async def test_without_a_secondary_the_primary_alone_is_asked(route: Route) -> None:
    """A route may have no secondary."""
    (stored,) = await route.primary.write([Create(config())], attempt=route.attempt)

    assert await settle(route.attempt, [Create(config())], route.primary, is_lease_lost=True) == [stored]
    assert await everything(route.secondary) == {}
