"""A store whose figures are kept while everything goes wrong, and a plain model that knows which runs there are."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.attempts import Attempt
from bifrost_store.core.clock import format_time, parse_time
from bifrost_store.core.feed import FeedRange
from bifrost_store.core.histogram import bucket_of
from bifrost_store.core.operations import Operation, Result
from bifrost_store.core.page import Page
from bifrost_store.core.query import Group, Query
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.documents import SPECS, PeriodMetrics
from bifrost_store.documents.metrics import DAY, HOUR, PLATFORM, daily_id, hourly_id
from bifrost_store.metrics.following import DirtyHours, Pace
from bifrost_store.metrics.keeping import Keeper
from bifrost_store.metrics.periods import OpenDays, day_of, hour_of, hours_of
from bifrost_store.metrics.rolling import Rounds
from bifrost_store.mirroring.dual_write import DualWriteBackend
from bifrost_store.mirroring.journal import Journal
from bifrost_store.mirroring.mirror import Mirror
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.examples import ORGANIZATION, OTHER_ORGANIZATION, changed, execution, organization
from bifrost_store.wrappers.pass_through import PassThrough

T = TypeVar("T")
RETENTION: Final = timedelta(days=3)
SCOPES: Final = (GLOBAL, ORGANIZATION, OTHER_ORGANIZATION)
FINAL: Final = ("Success", "Failed", "Timeout", "CompletedWithErrors", "Cancelled")
SKEW: Final = timedelta(minutes=30)


class KilledError(BaseException):
    """The process died here."""


class Route(PassThrough):
    """One of two stores answers, and both are written to; which one, a hand-over changes."""

    def __init__(self, first: Backend, second: Backend, clock: SettableClock) -> None:
        super().__init__(first)
        pairs = ((first, second), (second, first))
        self._ways = [
            DualWriteBackend(primary, Mirror(other, Journal(primary, clock=clock), patience_seconds=30), SPECS)
            for primary, other in pairs
        ]
        self._present = 0

    @property
    def _inner(self) -> Backend:
        return self._ways[self._present]

    async def hand_over(self) -> None:
        """Let the other store answer, which owes nothing."""
        assert await self._ways[self._present].mirror.drain()
        self._present = 1 - self._present


class Mortal(PassThrough):
    """Dies before or after one of its requests, or stands still before one, and lets others go first, as chance will have it.

    Args:
        lives: Before how many requests, twice counted, it dies; None: it does not.
        freezes: Before how many requests it stands still until `thaw` is set; None: it does not.
    """

    def __init__(self, inner: Backend, choose: random.Random, *, lives: int | None, freezes: int | None = None) -> None:
        super().__init__(inner)
        self._choose = choose
        self._lives = lives
        self._freezes = freezes
        self.frozen = asyncio.Event()
        self.thaw = asyncio.Event()

    async def _call(self, request: Callable[[], Awaitable[T]]) -> T:
        for _ in range(self._choose.randrange(3)):
            await asyncio.sleep(0)
        if self._freezes is not None:
            self._freezes -= 1
            if self._freezes < 0:
                self.frozen.set()
                await self.thaw.wait()
        self._die()
        answer = await request()
        self._die()
        return answer

    def _die(self) -> None:
        if self._lives is not None:
            self._lives -= 1
            if self._lives < 0:
                raise KilledError

    async def get(self, key: Key, *, fallback: Scope | None = None) -> Record | None:
        return await self._call(lambda: self._inner.get(key, fallback=fallback))

    async def write(self, operations: Sequence[Operation], *, attempt: Attempt) -> list[Result]:
        return await self._call(lambda: self._inner.write(operations, attempt=attempt))

    async def query(self, query: Query) -> Page[Record]:
        return await self._call(lambda: self._inner.query(query))

    async def aggregate(
        self, query: Query, *, group_by: Sequence[str] = (), sum_of: Sequence[str] = (), histogram_of: str | None = None
    ) -> list[Group]:
        return await self._call(lambda: self._inner.aggregate(query, group_by=group_by, sum_of=sum_of, histogram_of=histogram_of))


class Owner:
    """A process that follows the feed: what it holds in memory is gone when it dies."""

    def __init__(self, world: World, *, lives: int | None = None, freezes: int | None = None) -> None:
        self.world = world
        skew = world.choose.uniform(-1, 1) * SKEW
        self.backend = backend = Mortal(world.route, world.choose, lives=lives, freezes=freezes)
        keeper = Keeper(backend, OpenDays(RETENTION), lambda: world.clock() + skew)
        self.hours = DirtyHours(keeper, lambda: world.clock() + skew, Pace(delay=0, units_per_second=10**9))
        self.rounds = Rounds(backend, keeper, lambda: world.clock() + skew)
        self.is_fresh = freezes is None

    async def step(self) -> None:
        """Handle a page of each range, and move its position behind it, unless another has taken the range over meanwhile."""
        if self.is_fresh:
            await self.rounds.count_platform()
            self.is_fresh = False
        feed = self.world.followed.feed
        assert feed is not None
        for part, position in list(self.world.positions.items()):
            page = await feed.items("executions", part, position, limit=self.world.choose.randint(1, 8))
            await self.hours(page.items)
            if self.world.owner is self:
                self.world.positions[part] = page.position
        if self.world.choose.random() < 0.5:
            await self.hours.count_platform()


@dataclass
class World:
    """Everything, and what should be.

    Attributes:
        followed: The store whose feed is followed.
        route: Where everybody reads and writes.
        runs: What is there, by key: status, end, duration, workflow.
        frozen: Days as they were when they were frozen.
    """

    followed: Backend
    other: Backend
    clock: SettableClock
    choose: random.Random
    runs: dict[Key, dict[str, Any]] = field(default_factory=dict)
    frozen: dict[Key, Record] = field(default_factory=dict)
    positions: dict[FeedRange, str | None] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    number: int = 0

    async def begin(self) -> None:
        """Make the organizations, and switch the figures on."""
        self.route = Route(self.followed, self.other, self.clock)
        feed = self.followed.feed
        assert feed is not None
        self.positions = {part: await feed.tip("executions", part) for part in await feed.ranges("executions")}
        for scope in SCOPES[1:]:
            await self.route.create(organization(str(scope.organization_id)))
        self.owner = Owner(self)
        await self.owner.rounds.rebuild(None, None)

    # What happens

    async def end_run(self) -> None:
        """A run ends: now, or some time ago and told only now, at the edges of hours and days too."""
        ago = self.choose.choice([0, 0, 0, 1, 3600, 86_400, 100_000])
        moment = self.clock() - timedelta(seconds=ago)
        if self.choose.random() < 0.3:
            edges = [timedelta(0), timedelta(microseconds=-1), timedelta(seconds=-1)]
            moment = self.choose.choice([hour_of, day_of])(moment) + self.choose.choice(edges)
        self.number += 1
        started_at = moment - timedelta(seconds=self.choose.choice([1, 5000]))
        run = execution(
            self.number,
            scope=self.choose.choice(SCOPES),
            started_at=started_at,
            workflowName=f"w-{self.choose.randrange(3)}",
            status="Running",
            expires_at=self.clock() + RETENTION,
        )
        stored = await self.route.create(run)
        await self.correct(stored, completedAt=format_time(moment))

    async def correct(self, record: Record | None = None, **fields: Any) -> None:
        """The status, duration or workflow of a run that has ended changes, or of one that ends."""
        if record is None:
            if (key := self._any_run()) is None:
                return
            record = await self.route.get(key)
            if record is None:
                return
        body = {
            "status": self.choose.choice(FINAL),
            "durationMs": self.choose.choice([None, 0, 17, 5000]),
            "workflowName": f"w-{self.choose.randrange(3)}",
            **fields,
        }
        await self.route.replace(replace(changed(record, **body), expires_at=self.clock() + RETENTION), record.etag)
        self.runs[record.key] = {**self.runs.get(record.key, {}), **body}

    async def delete(self) -> None:
        """A run is deleted."""
        if (key := self._any_run()) is not None:
            await self.route.delete(key)
            del self.runs[key]

    async def wait(self) -> None:
        """Time passes; runs expire, days freeze."""
        self.clock.advance(seconds=self.choose.choice([60, 1800, 3600, 20_000, 50_000]))
        for key in [key for key in self.runs if await self.route.get(key) is None]:
            del self.runs[key]
        await self._note_frozen()

    async def follow(self) -> None:
        """The owner handles what has come."""
        await self.owner.step()

    async def follow_while_runs_end(self) -> None:
        """Runs end, change and go while the owner counts."""
        await asyncio.gather(self.owner.step(), self.end_run(), self.correct(), self.end_run())

    async def die(self) -> None:
        """The owner dies between any two of its requests, and another takes over."""
        self.owner = Owner(self, lives=self.choose.randrange(1, 60))
        await self._until_death(self.owner.step)
        self.owner = Owner(self)

    async def take_over(self) -> None:
        """Another takes the ranges over from an owner that stands still in the midst of counting, and then goes on."""
        await self.end_run()
        silent = self.owner = Owner(self, freezes=self.choose.randrange(1, 12))
        silently = asyncio.create_task(silent.step())
        frozen = asyncio.create_task(silent.backend.frozen.wait())
        await asyncio.wait([silently, frozen], return_when=asyncio.FIRST_COMPLETED)
        frozen.cancel()
        self.owner = Owner(self)
        await self.choose.choice([self.end_run, self.delete, self.correct])()
        await self.owner.step()
        await self.owner.step()
        silent.backend.thaw.set()
        await asyncio.gather(silently, self.owner.step())

    async def replay(self) -> None:
        """Everything is delivered once more."""
        self.positions = dict.fromkeys(self.positions)

    async def roll_up(self) -> None:
        """The timer comes, and may die."""
        lives = self.choose.choice([None, None, self.choose.randrange(1, 200)])
        await self._until_death(Owner(self, lives=lives).rounds.rollup)

    async def rebuild(self) -> None:
        """Somebody counts everything anew while the feed is followed."""
        timer = Owner(self)
        await asyncio.gather(timer.rounds.rebuild(None, None), self.owner.step(), self.end_run())

    async def hand_over(self) -> None:
        """The other store answers from here on; everything is counted anew then."""
        await self.route.hand_over()
        await Owner(self).rounds.rebuild(None, None)

    # What must be

    async def check(self) -> None:
        """Let the feed be followed to its end, and compare every open hour and day with the model, the frozen ones with before."""
        feed = self.followed.feed
        assert feed is not None
        owner = self.owner = Owner(self)
        for part in self.positions:
            while True:
                page = await feed.items("executions", part, self.positions[part], limit=100)
                await owner.hours(page.items)
                self.positions[part] = page.position
                if page.is_drained:
                    break
        await owner.rounds.count_platform()
        await owner.hours.count_platform()
        now, keeper = self.clock(), Keeper(self.route, OpenDays(RETENTION), self.clock)
        for day in keeper.open_days.all(now + SKEW):
            for scope in SCOPES:
                await self._check_day(keeper, scope, day)
            await self._check_platform(keeper, day)
        for key, before in self.frozen.items():
            assert before == await self.route.get(key), (key, self.said)

    async def _check_day(self, keeper: Keeper, scope: Scope, day: datetime) -> None:
        for start, length, record_id in [
            (day, DAY, daily_id(day)),
            *((hour, HOUR, hourly_id(hour)) for hour in hours_of(day)),
        ]:
            stored = await keeper.read(scope, record_id)
            wanted = self._expected(scope, start, start + length)
            found = figures(stored)
            assert wanted == found, (str(scope), record_id, self.said)

    async def _check_platform(self, keeper: Keeper, day: datetime) -> None:
        hours = hours_of(day) if self.clock() - day < 2 * DAY else []
        for start, length, record_id in [(day, DAY, daily_id(day)), *((hour, HOUR, hourly_id(hour)) for hour in hours)]:
            wanted: dict[str, int] = {}
            for scope in SCOPES:
                wanted = added(wanted, self._expected(scope, start, start + length))
            assert wanted == figures(await keeper.read(GLOBAL, PLATFORM + record_id)), ("platform", record_id, self.said)

    def _expected(self, scope: Scope, start: datetime, end: datetime) -> dict[str, int]:
        found: dict[str, int] = {}
        for key, run in self.runs.items():
            if key.scope != scope or not start <= parse_time(run["completedAt"]) < end:
                continue
            duration = run["durationMs"]
            one = {"count": 1, run["status"]: 1, "w:" + run["workflowName"]: 1}
            if duration is not None:
                one |= {"timed": 1, f"b:{bucket_of(duration)}": 1, **({"ms": duration} if duration else {})}
            found = added(found, one)
        return found

    async def _note_frozen(self) -> None:
        keeper = Keeper(self.route, OpenDays(RETENTION), self.clock)
        now = self.clock()
        for scope in SCOPES:
            for prefix in ("", PLATFORM) if scope == GLOBAL else ("",):
                days = await keeper.days(scope, day_of(now) - 10 * DAY, day_of(now), prefix=prefix)
                for day, one in days.items():
                    if not keeper.open_days.is_open(day, now - 2 * SKEW, one):
                        self.frozen.setdefault(one.record.key, one.record)

    def _any_run(self) -> Key | None:
        return self.choose.choice(sorted(self.runs, key=str)) if self.runs else None

    async def _until_death(self, work: Callable[[], Awaitable[object]]) -> None:
        try:
            await work()
        except KilledError:
            pass
        except BaseExceptionGroup as group:
            if group.split(KilledError)[1] is not None:
                raise


STEPS: Final[dict[str, int]] = {
    "end_run": 8,
    "correct": 3,
    "delete": 2,
    "wait": 4,
    "follow": 4,
    "follow_while_runs_end": 3,
    "die": 3,
    "take_over": 2,
    "replay": 1,
    "roll_up": 2,
    "rebuild": 1,
    "hand_over": 1,
}
"""What may happen, and how often."""


async def play(world: World, steps: Sequence[str]) -> None:
    """Let *steps* happen, and check."""
    await world.begin()
    for step in steps:
        world.said.append(step)
        await getattr(world, step)()
    await world.check()


def figures(stored: PeriodMetrics | None) -> dict[str, int]:
    """Return what a record tells, in the model's words; nothing where there is none."""
    if stored is None:
        return {}
    total = stored.total
    counts = [total.success_count, total.failed_count, total.timeout_count, total.completed_with_errors_count]
    found = {"count": total.count, "timed": total.duration_count, "ms": total.total_duration_ms}
    found |= dict(zip(FINAL, [*counts, total.cancelled_count], strict=True))
    found |= {f"w:{name}": one.count for name, one in stored.workflows.items()}
    found |= {f"b:{bucket}": number for bucket, number in total.histogram.items()}
    return {name: number for name, number in found.items() if number}


def added(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    """Return both together."""
    return {name: one.get(name, 0) + other.get(name, 0) for name in one | other}


def start_clock() -> SettableClock:
    """Return a clock shortly before midnight."""
    return SettableClock(START.replace(hour=22, minute=40))
