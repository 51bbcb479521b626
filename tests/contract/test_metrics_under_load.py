"""Figures are compared with counts while runs end all the time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from bifrost_store.backends.protocol import Backend
from bifrost_store.changefeed import ChangeFeedProcessor, FeedItem
from bifrost_store.core.clock import format_time, utc_now
from bifrost_store.core.record import Key, Record
from bifrost_store.documents.metrics import DAY, HOUR, daily_id, hourly_id
from bifrost_store.metrics.comparing import Comparing
from bifrost_store.metrics.following import DirtyHours, Pace
from bifrost_store.metrics.keeping import Keeper
from bifrost_store.metrics.periods import OpenDays, day_of
from bifrost_store.testing.examples import ORGANIZATION, changed, execution
from bifrost_store.testing.harness import Harness
from tests.thorough import is_thorough

pytestmark = pytest.mark.anyio

RETENTION = timedelta(days=3)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    metafunc.parametrize("followed", ["sqlite", "cosmos"] if is_thorough() else ["sqlite"], indirect=True)


@pytest.fixture
def followed(request: pytest.FixtureRequest) -> Harness:
    """Return what opens the store that is followed."""
    harness: Harness = request.getfixturevalue(f"{request.param}_harness")
    return harness


class Load:
    """Runs that end, one after the other, and a processor that counts them.

    Attributes:
        handled: Pages of the feed that were counted.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.keeper = Keeper(backend, OpenDays(RETENTION), utc_now)
        self.handled = 0
        self.is_over = False
        self._hours = DirtyHours(self.keeper, utc_now, Pace(delay=0, units_per_second=10**9))
        self.processor = ChangeFeedProcessor(backend, name="metrics", feed="executions", handler=self._count, poll_seconds=0.001)

    async def _count(self, items: Sequence[FeedItem]) -> None:
        await self._hours(items)
        self.handled += 1

    async def write(self) -> None:
        """End a run after the other, each once a page was counted meanwhile, until it is over."""
        number = 0
        while not self.is_over:
            number, handled = number + 1, self.handled
            await self.backend.create(ended(number, datetime.now(UTC)))
            while self.handled == handled and not self.is_over:  # noqa: ASYNC110 - counts what another task does
                await asyncio.sleep(0)

    async def pages(self, _: float) -> None:
        """Wait until two more pages were counted: what had happened before is counted then."""
        wanted = self.handled + 2
        while self.handled < wanted:  # noqa: ASYNC110 - counts what another task does
            await asyncio.sleep(0)


def ended(number: int, moment: datetime) -> Record:
    """Return a run that ended then."""
    return execution(number, started_at=moment, status="Success", durationMs=number % 50, completedAt=format_time(moment))


async def plant(backend: Backend, record_id: str, **fields: object) -> None:
    """Change figures by hand."""
    record = await backend.get(Key("metrics", ORGANIZATION, record_id))
    assert record is not None
    await backend.replace(changed(record, **fields), record.etag)


async def test_compare_under_load(followed: Harness) -> None:
    """While runs end and are counted, no difference is named that is not there; each one that is planted is."""
    async with followed.open_empty(utc_now) as store:
        load = Load(store.backend)
        yesterday = day_of(datetime.now(UTC)) - DAY
        await store.backend.create(ended(10**6, yesterday + 5 * HOUR))
        await load.keeper.count_day(ORGANIZATION, yesterday, [yesterday + 5 * HOUR])
        following = asyncio.create_task(load.processor.run())
        await load.processor.started.wait()
        writing = asyncio.create_task(load.write())
        comparing = Comparing(store.backend, load.keeper, utc_now, sleep=load.pages)
        before = await comparing.compare(ORGANIZATION, 2)
        hour, day = hourly_id(yesterday + 5 * HOUR), daily_id(yesterday)
        await plant(store.backend, hour, failedCount=1)
        await plant(store.backend, day, totalDurationMs=7, histogram="0:1;64:3")
        after = await comparing.compare(ORGANIZATION, 2)
        load.is_over = True
        await writing
        load.processor.stop()
        await following

    assert before.compared >= 3
    assert () == before.differences
    assert {
        (hour, "failed_count", 1, 0),
        (day, "total_duration_ms", 7, 0),
        (day, "histogram 64", 3, 0),
    } == {(one.id, one.field, one.stored, one.counted) for one in after.differences}
