"""What processes do while a store has no copy of the control document to go by: rule D5 of the hand-over protocol."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.record import Key
from bifrost_store.errors import BackendUnavailableError
from bifrost_store.mirroring.journal import Journal
from bifrost_store.routing.control import EVERY_SCOPE, Control, Route
from bifrost_store.routing.membership.lease_rows import LeaseRows
from bifrost_store.routing.membership.member import LeaseLostError
from bifrost_store.testing.examples import config
from tests.unit.member_world import ACME, DUAL, TIMING, Process, World, in_world
from tests.unit.replaced import FATES, Fate, befall

TURNED = Route(primary="cosmos", secondary="table", epoch=2)
RECORD = config("written", scope=ACME)


async def write(process: Process, name: str) -> None:
    """Write one record as the router does."""
    async with process.member.operation(ACME) as [standing]:
        await standing.backend.create(config(name, scope=ACME), epoch=standing.route.epoch)


async def holds(store: object, name: str) -> bool:
    return await cast(Backend, store).stored(Key(RECORD.key.kind, ACME, name)) is not None


@pytest.mark.parametrize("fate", FATES)
def test_a_secondary_without_its_copy_stops_nobody_and_is_sent_nothing(fate: Fate) -> None:
    """Whose it is by now nobody knows: writes go to the primary and its journal, beyond the end of every lease."""

    async def work(world: World) -> None:
        await world.begin()
        process = await world.process()
        await write(process, "before")
        assert await holds(world.stores["cosmos"], "before")
        await befall(fate, world.stores["cosmos"], "cosmos")
        await asyncio.sleep(2 * TIMING.lease)
        await write(process, "after")

        assert await holds(world.stores["table"], "after")
        assert not await holds(world.stores["cosmos"], "after")
        assert 1 == await Journal(world.stores["table"]).count()

    in_world(work)


@pytest.mark.parametrize("fate", FATES)
def test_a_primary_without_its_copy_answers_nobody(fate: Fate) -> None:
    """What it holds is not what was written; callers hear its name and where to look."""

    async def work(world: World) -> None:
        await world.begin(TURNED)
        process = await world.process()
        await befall(fate, world.stores["cosmos"], "cosmos")
        await asyncio.sleep(TIMING.lease + 1)
        with pytest.raises(BackendUnavailableError, match=r"cosmos .*migrate status"):
            await write(process, "after")
        assert not await holds(world.stores["cosmos"], "after")

    in_world(work)


@pytest.mark.parametrize("flag", ["table", "cosmos"])
def test_where_two_documents_differ_that_of_the_store_where_migrations_begin_counts(flag: str) -> None:
    """The settings name another database than that of the migration: it is not served from, whatever its document says."""

    async def work(world: World) -> None:
        await world.begin(DUAL if flag == "table" else TURNED)
        await befall("foreign", world.stores["cosmos"], "cosmos")
        if flag == "table":
            assert "table" == await (await world.process()).answers()
            return
        with pytest.raises(BackendUnavailableError, match="another migration"):
            await world.process("cosmos")

    in_world(work)


def test_before_a_migration_nothing_in_the_other_store_counts() -> None:
    """The settings name a database already that another migration has been in."""

    async def work(world: World) -> None:
        await befall("foreign", world.stores["cosmos"], "cosmos")
        process = await world.process("table")
        await asyncio.sleep(2 * TIMING.lease)
        assert "table" == await process.answers()

    in_world(work)


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("flag", ["table", "cosmos"])
def test_a_store_that_was_given_up_stops_no_fresh_process(fate: Fate, flag: str) -> None:
    """The operator has said so in the other's copy: whatever lies there counts for nothing, also where the flag names it."""

    async def work(world: World) -> None:
        await world.begin()
        await world.change("table", lambda control: control.model_copy(update={"disowned": ("cosmos",)}))
        await befall(fate, world.stores["cosmos"], "cosmos")
        process = Process(world, flag)
        assert "table" == await process.answers()
        await write(process, "after")
        assert not await holds(world.stores["cosmos"], "after")

    in_world(work)


def test_an_emptied_primary_is_not_taken_for_one_before_its_migration() -> None:
    """Where the flag names it and no document is left there, the other store's says what it was to hold."""

    async def work(world: World) -> None:
        await world.begin(TURNED)
        await befall("emptied", world.stores["cosmos"], "cosmos")
        with pytest.raises(BackendUnavailableError, match="cosmos has no control document"):
            await world.process("cosmos")

    in_world(work)


def test_a_document_about_another_store_is_none_of_its_business() -> None:
    """A table account that is there for its blobs, with the document of a migration that was abandoned."""

    async def work(world: World) -> None:
        await world.begin(Route(primary="table", epoch=2))
        await befall("document lost", world.stores["cosmos"], "cosmos")
        assert "cosmos" == await Process(world, "cosmos").answers()

    in_world(work)


def test_a_copy_that_was_put_back_is_followed() -> None:
    """Its record begins anew, with a lower revision: the epoch says that it is later."""

    async def work(world: World) -> None:
        await world.begin()
        process = await world.process()
        for _ in range(3):
            await world.change("table", lambda control: control)
        await asyncio.sleep(2 * TIMING.renew)
        await befall("document lost", world.stores["table"], "table")
        later = {EVERY_SCOPE: Route(primary="table", secondary="cosmos", epoch=3)}
        await world.copies.create(Control(migration_id="m", store="table", routes=later))
        await asyncio.sleep(2 * TIMING.renew)
        async with process.member.operation(ACME) as [standing]:
            assert 3 == standing.route.epoch

    in_world(work)


def test_a_damaged_lease_is_joined_anew_by_its_owner() -> None:
    """The row says nothing that can be read; the process goes on under another."""

    async def work(world: World) -> None:
        await world.begin()
        process = await world.process()
        row = await world.row()
        await world.stores["table"].replace(row.record.with_body({"rubbish": True}), row.record.etag)
        await asyncio.sleep(TIMING.lease + 1)
        await process.answers()
        rows = [one async for one in LeaseRows(world.stores["table"]).all()]
        assert 2 == len(rows)
        assert ["damaged" in one.state.process for one in rows if one.id == row.id] == [True]

    in_world(work)


@pytest.mark.parametrize("fate", FATES)
def test_the_fate_of_a_write_stays_open_when_its_primary_lost_its_copy_meanwhile(fate: Fate) -> None:
    """It may be stored: its answer does not count, and it is not told as refused."""

    async def work(world: World) -> None:
        await world.begin(TURNED)
        process = await world.process()
        with pytest.raises(LeaseLostError):  # noqa: PT012 - at the end of the block
            async with process.member.operation(ACME) as [standing]:
                await standing.backend.create(RECORD, epoch=standing.route.epoch)
                await befall(fate, world.stores["cosmos"], "cosmos")
                await asyncio.sleep(TIMING.lease + 1)

    in_world(work)
