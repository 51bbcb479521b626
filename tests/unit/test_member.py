"""What a process does on each observation, row by row of the table in the hand-over protocol, and when it may serve."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from bifrost_store.core.scope import GLOBAL
from bifrost_store.errors import BackendUnavailableError, ConfigurationError
from bifrost_store.routing.control import EVERY_SCOPE, Route
from bifrost_store.routing.membership.lease_rows import LeaseRows
from bifrost_store.routing.membership.member import LeaseLostError
from tests.unit.member_world import ACME, TIMING, Process, World, in_world

ALONE = Route(primary="table")


async def until_heard(world: World, attempt: str) -> None:
    await world.until(lambda state: state.heard == attempt)


async def prepared(world: World, process: Process) -> str:
    """Announce a move to Cosmos DB, and prepare it once it was heard of."""
    attempt = await world.announce()
    await until_heard(world, attempt)
    await world.change("table", lambda control: control.model_copy(update={"move": _at_stage(control.move, "prepared")}))
    return attempt


def _at_stage(move: object, stage: str) -> object:
    assert move is not None
    return move.model_copy(update={"stage": stage})  # type: ignore[attr-defined]


async def is_refused(process: Process) -> bool:
    """Whether an operation is refused, after the wait that callers are promised at most."""
    began = asyncio.get_running_loop().time()
    try:
        await process.answers()
    except BackendUnavailableError as error:
        assert error.is_retryable
        assert asyncio.get_running_loop().time() - began <= TIMING.wait + 2 * TIMING.poll
        return True
    return False


def test_before_a_migration_the_flag_decides() -> None:
    """A process holds a lease in the store that its flag names, and in no other."""

    async def work(world: World) -> None:
        process = await world.process("cosmos")
        assert "cosmos" == await process.answers()
        assert (0, 1) == (len(await world.rows("table")), len(await world.rows("cosmos")))

    in_world(work)


def test_a_store_that_is_too_slow_for_a_lease_is_named() -> None:
    """Whose every answer takes as long as a lease lasts: an operation says so, and that trying again may help."""

    async def work(world: World) -> None:
        process = await world.process("table")
        process.reach["table"].takes = TIMING.lease
        await asyncio.sleep(TIMING.lease)
        with pytest.raises(
            BackendUnavailableError, match=r"^table answers too slowly for this process to renew its lease"
        ) as caught:
            await process.answers()
        assert caught.value.is_retryable

    in_world(work)


def test_from_the_start_the_flag_decides_nothing() -> None:
    """The first control document that is there, at the next renewal at the latest."""

    async def work(world: World) -> None:
        process = await world.process("cosmos")
        await world.begin()
        await asyncio.sleep(TIMING.renew + 1)
        assert "table" == await process.answers()

    in_world(work)


def test_no_move_it_serves() -> None:
    """Under the route of the documents, with a lease in both stores, renewed for as long as it lives."""

    async def work(world: World) -> None:
        await world.begin()
        process = await world.process()
        assert "table" == await process.answers()
        await asyncio.sleep(5 * TIMING.lease)
        began = world.now
        assert "table" == await process.answers()
        assert began == world.now
        assert (1, 1) == (len(await world.rows("table")), len(await world.rows("cosmos")))

    in_world(work)


def test_announced_it_says_that_it_has_heard_and_serves() -> None:
    """Within a renewal, in its row in the source; from then on it reads the document every fifth of a second."""

    async def work(world: World) -> None:
        await world.begin()
        process = await world.process()
        began = world.now
        await until_heard(world, await world.announce())
        assert world.now - began <= TIMING.renew + 1
        assert "table" == await process.answers()

    in_world(work)


def test_prepared_it_begins_nothing_and_acknowledges() -> None:
    """Reads included; with nothing under way it acknowledges at once, and callers wait no longer than they were promised."""

    async def work(world: World) -> None:
        await world.begin()
        process = await world.process()
        attempt = await prepared(world, process)
        began = world.now
        await world.until(lambda state: state.acknowledged == attempt)
        assert world.now - began <= 2 * TIMING.poll
        assert "table" == (await world.copy()).control.route_of(ACME).primary

    in_world(work)


def test_prepared_it_finishes_what_is_under_way_before_it_acknowledges() -> None:
    """An operation that began before is not cut off, and holds the acknowledgement back."""

    async def work(world: World) -> None:
        await world.begin()
        process = await world.process()
        async with process.member.operation(ACME) as [standing]:
            attempt = await prepared(world, process)
            await asyncio.sleep(1.0)
            assert (await world.row()).state.acknowledged is None
            assert process.member.may_send(standing)
        await asyncio.sleep(2 * TIMING.poll)
        assert attempt == (await world.row()).state.acknowledged

    in_world(work)


def test_prepared_scopes_that_do_not_move_go_on() -> None:
    """One organization is handed over; the others notice nothing."""

    async def work(world: World) -> None:
        await world.begin()
        process = await world.process()
        await until_heard(world, await world.announce(keys=(ACME.value,)))
        await world.change("table", lambda control: control.model_copy(update={"move": _at_stage(control.move, "prepared")}))
        await asyncio.sleep(2 * TIMING.poll)
        began = world.now
        assert "table" == await process.answers(GLOBAL)
        assert began == world.now
        await world.commit()
        assert ("cosmos", "table") == (await process.answers(ACME), await process.answers(GLOBAL))

    in_world(work)


def test_an_operation_on_every_scope_waits_for_one_that_is_given_a_route_of_its_own() -> None:
    """Otherwise it would ask the old primary of that scope alone, after the hand-over."""

    async def work(world: World) -> None:
        await world.begin()
        process = await world.process()
        async with process.member.operation_everywhere() as names:
            assert ["table"] == names
        attempt = await world.announce(keys=(ACME.value,))
        await until_heard(world, attempt)
        await world.change("table", lambda control: control.model_copy(update={"move": _at_stage(control.move, "prepared")}))
        await world.until(lambda state: state.acknowledged == attempt)

        async def commit() -> None:
            await asyncio.sleep(1)
            await world.commit()

        began = world.now
        committing = asyncio.create_task(commit())
        async with process.member.operation_everywhere() as names:
            assert ["cosmos", "table"] == names
            assert world.now - began >= 1
        await committing

    in_world(work)


def test_prepared_for_two_seconds_it_calls_off() -> None:
    """Nobody commits: the move goes, by whichever process sees it, and the process serves as before."""

    async def work(world: World) -> None:
        await world.begin()
        process = await world.process()
        await prepared(world, process)
        await asyncio.sleep(2 * TIMING.poll)
        began = world.now
        assert "table" == await process.answers()
        assert TIMING.call_off - 2 * TIMING.poll <= world.now - began < TIMING.wait
        assert (await world.copy()).control.move is None

    in_world(work)


def test_a_higher_epoch_it_serves_from_the_new_primary_at_once() -> None:
    """It raises the other document too; nobody waits for the next renewal."""

    async def work(world: World) -> None:
        await world.begin()
        process = await world.process()
        await asyncio.sleep(TIMING.renew / 2)
        await prepared(world, process)
        await asyncio.sleep(2 * TIMING.poll)
        await world.commit()
        began = world.now
        assert "cosmos" == await process.answers()
        assert world.now - began <= 2 * TIMING.poll
        assert 2 == (await world.copy("cosmos")).control.route_of(ACME).epoch

    in_world(work)


def test_an_announcement_nobody_carries_on_is_withdrawn() -> None:
    """After a minute, by any process; it served all the while."""

    async def work(world: World) -> None:
        await world.begin()
        process = await world.process()
        await until_heard(world, await world.announce())
        await asyncio.sleep(TIMING.withdraw - 1)
        assert (await world.copy()).control.move is not None
        assert "table" == await process.answers()
        await asyncio.sleep(2)
        assert (await world.copy()).control.move is None

    in_world(work)


def test_without_either_document_it_goes_on_until_the_lease_ends() -> None:
    """Then everything is refused, retryable; and served again once a store answers."""

    async def work(world: World) -> None:
        await world.begin()
        process = await world.process()
        for reach in process.reach.values():
            reach.is_away = True
        await asyncio.sleep(TIMING.lease - TIMING.renew - 1)
        assert "table" == await process.answers()
        await asyncio.sleep(TIMING.renew + 2)
        assert await is_refused(process)
        for reach in process.reach.values():
            reach.is_away = False
        assert "table" == await process.answers()

    in_world(work)


def test_an_outage_is_told_once_and_without_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """However often the lease could not be attended to meanwhile; the next outage is told again."""

    async def work(world: World) -> None:
        await world.begin()
        process = await world.process()
        for _ in range(2):
            for reach in process.reach.values():
                reach.is_away = True
            await asyncio.sleep(TIMING.lease)
            for reach in process.reach.values():
                reach.is_away = False
            await asyncio.sleep(TIMING.lease)

    in_world(work)
    told = [record for record in caplog.records if getattr(record, "event", None) == "background.failed"]
    assert Counter(record.work for record in told)["lease in table"] == 2  # type: ignore[attr-defined]
    assert not any(record.exc_info for record in told)


@pytest.mark.parametrize("hangs", [True, False])
def test_a_dead_secondary_stops_nobody(hangs: bool) -> None:
    """Whether it refuses or says nothing at all: leases in the primary are renewed without it (D4)."""

    async def work(world: World) -> None:
        await world.begin()
        process = await world.process()
        cosmos = process.reach["cosmos"]
        cosmos.hangs, cosmos.is_away = hangs, not hangs
        for _ in range(20):
            await asyncio.sleep(TIMING.renew / 2)
            began = world.now
            assert "table" == await process.answers()
            assert world.now - began < TIMING.wait

    in_world(work)


def test_a_lease_that_has_ended_is_renewed_before_it_serves() -> None:
    """A process slept for longer than a lease: what it begins waits for the renewal, and it is the same lease."""

    async def work(world: World) -> None:
        await world.begin()
        process = await world.process()
        row = await world.row()
        _sleep_through(2 * TIMING.lease)
        assert "table" == await process.answers()
        again = await world.row()
        assert (row.id, True) == (again.id, again.state.beat > row.state.beat)

    in_world(work)


def test_an_operation_whose_lease_ended_is_answered_once_it_is_renewed() -> None:
    """Nobody took it away meanwhile, so its answer counts (W6)."""

    async def work(world: World) -> None:
        await world.begin()
        process = await world.process()
        async with process.member.operation(ACME) as [standing]:
            _sleep_through(2 * TIMING.lease)
            assert not process.member.may_send(standing)
        assert process.member.may_send(standing)

    in_world(work)


def test_an_operation_whose_lease_was_revoked_is_not_answered() -> None:
    """It is told apart from an answer; the next one begins under a new lease (L3, W6)."""

    async def work(world: World) -> None:
        await world.begin()
        process = await world.process()
        row = await world.row()
        operation = process.member.operation(ACME)
        (standing,) = await operation.__aenter__()
        assert await LeaseRows(world.stores["table"]).change(row, row.state.model_copy(update={"state": "lapsed"}))
        _sleep_through(2 * TIMING.lease)
        with pytest.raises(LeaseLostError):
            await operation.__aexit__(None, None, None)
        assert not process.member.may_send(standing)
        async with process.member.operation(ACME) as [anew]:
            assert anew.lease_id not in (None, row.id)

    in_world(work)


def test_many_operations_at_once_share_one_renewal() -> None:
    """A process that begins to serve under load joins once, not once for each caller."""

    async def work(world: World) -> None:
        await world.begin()
        process = Process(world, "table")
        assert {"table"} == set(await asyncio.gather(*(process.answers() for _ in range(50))))
        assert 1 >= (await world.row()).state.beat

    in_world(work)


def test_a_process_leaves_nothing_behind() -> None:
    """Closed cleanly, it has no row in either store."""

    async def work(world: World) -> None:
        await world.begin()
        process = await world.process()
        await asyncio.sleep(TIMING.renew)
        await process.member.aclose()
        assert [] == [*await world.rows("table"), *await world.rows("cosmos")]

    in_world(work)


def test_a_document_of_another_store_is_refused() -> None:
    """An account was copied: nothing is written by guess."""

    async def work(world: World) -> None:
        await world.begin()
        process = await world.process()
        await asyncio.sleep(TIMING.renew / 2)
        own, copied = await world.copy("table"), await world.copy("cosmos")
        await world.stores["table"].replace(own.record.with_body(copied.record.body), own.record.etag)
        await asyncio.sleep(TIMING.lease + 1)
        with pytest.raises(BackendUnavailableError, match="an account was copied"):
            await process.answers()

    in_world(work)


def test_a_route_to_a_store_without_settings_names_them() -> None:
    """The process cannot serve the scope, and says what to set."""

    async def work(world: World) -> None:
        await world.begin(Route(primary="cosmos", secondary="table", epoch=1))
        process = Process(world, "table")
        process.member._serving._can_open = process.member._can_open = lambda name: name == "table"
        with pytest.raises(ConfigurationError, match="BIFROST_STORE_COSMOS_"):
            await process.answers()

    in_world(work)


def test_after_the_end_no_lease_is_held() -> None:
    """`finish` makes the target stand alone: the process goes on without leases."""

    async def work(world: World) -> None:
        await world.begin(Route(primary="cosmos", secondary="table", epoch=1))
        process = await world.process("cosmos")
        for name in world.stores:
            await world.change(
                name,
                lambda control: control.model_copy(
                    update={"finished": True, "routes": {EVERY_SCOPE: Route(primary="cosmos", epoch=2)}}
                ),
            )
        await asyncio.sleep(TIMING.renew + 1)
        beats = (await world.row("cosmos")).state.beat
        await asyncio.sleep(3 * TIMING.renew)
        assert "cosmos" == await process.answers()
        assert beats == (await world.row("cosmos")).state.beat

    in_world(work)


def _sleep_through(seconds: float) -> None:
    """Let so many seconds pass in which nobody does anything: clocks run on."""
    loop = asyncio.get_running_loop()
    loop._now += seconds  # type: ignore[attr-defined]
