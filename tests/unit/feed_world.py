"""Processors of a feed in virtual time: they are killed, frozen and started again, ranges split, and all around them fails."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

from typing_extensions import override

from bifrost_store.backends.feed import Feed
from bifrost_store.backends.protocol import Backend
from bifrost_store.changefeed import ChangeFeedProcessor, FeedTiming
from bifrost_store.changefeed.leases import FeedLease
from bifrost_store.core.attempts import Attempt
from bifrost_store.core.feed import WHOLE, FeedItem, FeedPage, FeedRange
from bifrost_store.core.operations import Operation, Result
from bifrost_store.core.page import Page
from bifrost_store.core.query import Query
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.core.spec import FeedName
from bifrost_store.core.version import Version
from bifrost_store.documents import FEED_LEASE, SPECS
from bifrost_store.errors import BackendUnavailableError, InvalidContinuationTokenError, OutcomeUnknownError, ThrottledError
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.model import ModelBackend
from bifrost_store.wrappers.checked import CheckedBackend
from bifrost_store.wrappers.pass_through import PassThrough

TIMING = FeedTiming()


@dataclass
class Log(Feed):
    """A feed of keys that have hashes, in ranges that split and merge.

    Attributes:
        entries: Number, hash and state of the last change of each key.
        ranges_now: As the service has them.
    """

    entries: dict[str, tuple[int, str, Record]] = field(default_factory=dict)
    ranges_now: list[FeedRange] = field(default_factory=lambda: [WHOLE])
    number: int = 0

    def change(self, key: str, random: Random) -> None:
        """Let a key change once more."""
        self.number += 1
        _, place, before = self.entries.get(key, (0, f"{random.randrange(64):02X}", None))
        revision = 1 if before is None else before.version.revision + 1
        record = Record(Key("config", GLOBAL, key), {}, version=Version(revision, "0" * 32))
        self.entries[key] = (self.number, place, record)

    def split(self, random: Random) -> None:
        part = random.choice(self.ranges_now)
        low, high = int(part.low or "0", 16), min(64, int(part.high, 16))
        if high - low >= 2:
            middle = f"{random.randrange(low + 1, high):02X}"
            at = self.ranges_now.index(part)
            self.ranges_now[at : at + 1] = [FeedRange(part.low, middle), FeedRange(middle, part.high)]

    def merge(self, random: Random) -> None:
        if len(self.ranges_now) > 1:
            at = random.randrange(len(self.ranges_now) - 1)
            self.ranges_now[at : at + 2] = [FeedRange(self.ranges_now[at].low, self.ranges_now[at + 1].high)]

    @override
    async def ranges(self, feed: FeedName) -> list[FeedRange]:
        return list(self.ranges_now)

    @override
    async def items(self, feed: FeedName, part: FeedRange, position: str | None = None, *, limit: int = 100) -> FeedPage:
        after = 0 if position is None else self._read(position, part)
        behind = sorted((number, key) for key, (number, place, _) in self.entries.items()
                        if number > after and part.low <= place < part.high)  # fmt: skip
        found = [(number, self.entries[key][2]) for number, key in behind[:limit]]
        last = found[-1][0] if found else self.number
        left = len(behind) - len(found)
        return FeedPage(tuple(record for _, record in found), self._position(part, last), left == 0, left)

    @override
    async def tip(self, feed: FeedName, part: FeedRange) -> str:
        return self._position(part, self.number)

    @override
    def narrowed(self, feed: FeedName, position: str, part: FeedRange) -> str:
        low, high, number = json.loads(position)
        assert FeedRange(low, high).covers(part)
        return self._position(part, number)

    def _position(self, part: FeedRange, number: int) -> str:
        return json.dumps([part.low, part.high, number])

    def _read(self, position: str, part: FeedRange) -> int:
        low, high, number = json.loads(position)
        if FeedRange(low, high) != part:
            raise InvalidContinuationTokenError("position: of another range")
        return int(number)


@dataclass
class Faults:
    """What fails, and how often: shares of calls."""

    throttled: float = 0.0
    lost: float = 0.0
    is_target_away: bool = False
    is_target_broken: bool = False
    poison: frozenset[str] = frozenset()


class Process:
    """A process that runs the processor, and what a machine can do to it."""

    def __init__(self, name: str, world: World) -> None:
        self.name = name
        self.world = world
        self.is_dead = False
        self.is_cut_off = False
        self.is_handling = False
        self.was_held_up = 0
        self._running = asyncio.Event()
        self._running.set()
        self.processor = ChangeFeedProcessor(
            _Store(world.store, self),
            name="p",
            feed="entities",
            handler=self.handle,
            start=world.start,
            limit=world.limit or world.random.choice([2, 3, 10]),
            timing=TIMING,
            clock=world.clock,
            monotonic=world.now,
        )
        self.processor._choose = Random(f"{world.seed} {name}")
        self.task = asyncio.ensure_future(self.processor.run())

    async def turn(self) -> None:
        """Take part in the world, if it still does."""
        await asyncio.sleep(self.world.random.random() * 0.2)
        if self.is_dead:
            await asyncio.Event().wait()
        await self._running.wait()

    async def handle(self, items: Sequence[FeedItem]) -> None:
        self.is_handling = True
        try:
            await self._handle(items)
        finally:
            self.is_handling = False

    async def _handle(self, items: Sequence[FeedItem]) -> None:
        held_up, records = self.was_held_up, [item for item in items if isinstance(item, Record)]
        await self.turn()
        faults = self.world.faults
        if faults.is_target_away:
            raise ConnectionError("the target is away")
        if faults.is_target_broken:
            raise RuntimeError("the target answers nonsense")
        for record in records:
            if record.key.id in faults.poison:
                raise ValueError("poison")
        await self.turn()
        await asyncio.sleep(self.world.handler_seconds)
        is_late = held_up != self.was_held_up
        self.world.handled += [(self.name, record.key.id, record.version.revision, is_late) for record in records]

    def kill(self) -> None:
        self.is_dead = True
        self.was_held_up += 1

    def freeze(self) -> None:
        self.was_held_up += 1
        self._running.clear()

    def thaw(self) -> None:
        self._running.set()


class _Store(PassThrough):
    """The store as a process sees it: late, throttled, and with answers that are lost."""

    def __init__(self, inner: Backend, process: Process) -> None:
        super().__init__(inner)
        self._process = process

    @property
    @override
    def feed(self) -> Feed:
        return _Feed(self._process)

    @override
    async def get(self, key: Key, *, fallback: Scope | None = None) -> Record | None:
        await self._begin()
        return await self._inner.get(key)

    @override
    async def query(self, query: Query) -> Page[Record]:
        await self._begin()
        page = await self._inner.query(query)
        await self._process.turn()
        return page

    @override
    async def write(self, operations: Sequence[Operation], *, attempt: Attempt) -> list[Result]:
        await self._begin()
        results = await self._inner.write(operations, attempt=attempt)
        self._process.world.saw(self._process, results)
        is_lost = self._process.world.random.random() < self._process.world.faults.lost
        await self._process.turn()
        if is_lost:
            raise OutcomeUnknownError("lost")
        return results

    async def _begin(self) -> None:
        await self._process.turn()
        if self._process.is_cut_off:
            await asyncio.Event().wait()
        await _throttle(self._process.world)


@dataclass
class _Feed(Feed):
    process: Process

    @override
    async def ranges(self, feed: FeedName) -> list[FeedRange]:
        await self.process.turn()
        return await self.process.world.log.ranges(feed)

    @override
    async def items(self, feed: FeedName, part: FeedRange, position: str | None = None, *, limit: int = 100) -> FeedPage:
        await self.process.turn()
        await _throttle(self.process.world)
        page = await self.process.world.log.items(feed, part, position, limit=limit)
        await self.process.turn()
        return page

    @override
    async def tip(self, feed: FeedName, part: FeedRange) -> str:
        await self.process.turn()
        return await self.process.world.log.tip(feed, part)

    @override
    def narrowed(self, feed: FeedName, position: str, part: FeedRange) -> str:
        return self.process.world.log.narrowed(feed, position, part)


async def _throttle(world: World) -> None:
    if world.random.random() < world.faults.throttled:
        raise world.random.choice([ThrottledError("slow", retry_after_seconds=1.0), BackendUnavailableError("away")])


class World:
    """A store, a feed, and the processes that follow it.

    Attributes:
        handled: Process, key, revision of each item that was handled, and whether its process was held up meanwhile.
        violations: What must not be seen in leases.
    """

    def __init__(self, seed: int, *, start: str = "beginning", limit: int | None = None) -> None:
        self.limit = limit
        self.handler_seconds = 0.0
        self.seed = seed
        self.random = Random(seed)
        self.start = start
        self.clock = SettableClock()
        self.log = Log()
        self.store = CheckedBackend(ModelBackend(clock=self.clock), SPECS)
        self.faults = Faults()
        self.processes: list[Process] = []
        self.handled: list[tuple[str, str, int, bool]] = []
        self.violations: list[str] = []
        self._leases: dict[str, tuple[str | None, float]] = {}
        self._tokens: dict[str, str] = {}

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def start_process(self) -> Process:
        process = Process(f"p{len(self.processes)}", self)
        self._tokens[process.processor._token] = process.name
        self.processes.append(process)
        return process

    def alive(self) -> list[Process]:
        return [process for process in self.processes if not process.is_dead]

    def saw(self, process: Process, results: list[Any]) -> None:
        """Check each state of a lease as it is stored: only its owner moves its position, and never back."""
        for record in results:
            if not isinstance(record, Record) or record.key.kind != FEED_LEASE.kind:
                continue
            lease = FeedLease.model_validate_json(json.dumps(record.body))
            number = 0 if lease.position is None else json.loads(lease.position)[2]
            owner, before = self._leases.get(record.key.id, (None, 0))
            if number < before:
                self.violations.append(f"{process.name} moved {lease.part} back")
            if number > before and record.key.id in self._leases and self._tokens.get(owner or "") != process.name:
                self.violations.append(f"{process.name} moved {lease.part} of {owner}")
            self._leases[record.key.id] = (lease.owner, number)

    async def owners(self) -> dict[FeedRange, str | None]:
        page = await self.store.query(Query(FEED_LEASE.kind, Scope("SYSTEM"), limit=500))
        leases = [FeedLease.model_validate_json(json.dumps(record.body)) for record in page]
        return {lease.part: self._tokens.get(lease.owner or "") for lease in leases}

    async def close(self) -> None:
        for process in self.processes:
            process.task.cancel()
        for process in self.processes:
            with suppress(asyncio.CancelledError, Exception):
                await asyncio.wait_for(process.task, 100)

    def last_handled(self) -> dict[str, int]:
        return {key: revision for _, key, revision, _ in self.handled}

    def check(self, poison: frozenset[str], letters: set[str]) -> None:
        """Check what must hold once all is quiet."""
        assert self.violations == []
        assert letters <= poison
        best: dict[str, int] = {}
        for _, key, revision, is_late in self.handled:
            assert is_late or revision >= best.get(key, 0)
            best[key] = max(revision, best.get(key, 0))
        expected = {key: record.version.revision for key, (_, _, record) in self.log.entries.items() if key not in poison}
        assert expected == {key: revision for key, revision in best.items() if key not in poison}
        assert math.isfinite(self.now())
