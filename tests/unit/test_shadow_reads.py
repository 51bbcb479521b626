"""`ShadowReads`: what is compared, what is reported, and that callers notice nothing."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest

from bifrost_store.core.page import Page
from bifrost_store.core.query import Query
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import Scope
from bifrost_store.errors import BackendUnavailableError
from bifrost_store.mirroring.shadow_read import ShadowReadBackend, ShadowReads
from bifrost_store.mirroring.shadow_rules import Rule
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.examples import ORGANIZATION, config, touched
from bifrost_store.testing.model import ModelBackend

pytestmark = pytest.mark.anyio


class Shadow(ModelBackend):
    """A store whose reads can fail, wait, or be looked at."""

    error: Exception | None = None
    gate: anyio.Event | None = None
    calls = 0

    async def get(self, key: Key, *, fallback: Scope | None = None) -> Record | None:
        await self._begin()
        return await super().get(key, fallback=fallback)

    async def query(self, query: Query) -> Page[Record]:
        await self._begin()
        return await super().query(query)

    async def _begin(self) -> None:
        self.calls += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error


class Scene:
    """A primary, its shadow, and what compares them."""

    def __init__(self, share: float = 1.0) -> None:
        clock = SettableClock()
        self.primary, self.secondary = Shadow(clock=clock), Shadow(clock=clock)
        self.reads = ShadowReads(self.secondary, share=share, choose=lambda: 0.5, patience_seconds=0.05)
        self.backend = ShadowReadBackend(self.primary, self.reads)

    async def both(self, record: Record) -> Record:
        """Store *record* in both."""
        stored = await self.primary.create(record)
        await self.secondary.apply(stored)
        return stored


async def test_equal_answers_are_counted() -> None:
    """Point reads, misses and pages: the same on both sides."""
    scene = Scene()
    stored = await scene.both(config())
    assert await scene.backend.get(stored.key) == stored
    assert await scene.backend.get(config("missing").key) is None
    assert len(await scene.backend.query(Query("config", ORGANIZATION))) == 1
    await scene.reads.drain()

    assert scene.reads.tally.counts == {"same": 3}


async def test_differences_are_named_by_their_rule(caplog: pytest.LogCaptureFixture) -> None:
    """A missing record, another version, another content: each by name, with the key and no content."""
    scene = Scene()
    missing = await scene.primary.create(config("missing"))
    newer = await scene.both(config("newer"))
    await scene.primary.replace(touched(newer), newer.etag)
    altered = await scene.primary.create(config("altered"))
    await scene.secondary.apply(replace(touched(altered), version=altered.version))
    for key in (missing.key, newer.key, altered.key):
        await scene.backend.get(key)
        await scene.reads.drain()

    assert [
        (vars(record)["rules"], vars(record)["subject"]) for record in caplog.records if record.name == "bifrost_store.shadow_read"
    ] == [
        (Rule.PRESENCE.value, str(missing.key)),
        (f"{Rule.DIGEST.value},{Rule.VERSIONS.value}", str(newer.key)),
        (Rule.DIGEST.value, str(altered.key)),
    ]
    assert scene.reads.tally.counts["differs"] == 3


async def test_a_race_is_no_difference() -> None:
    """What has changed in the primary since it answered says nothing about the secondary."""
    scene = Scene()
    stored = await scene.both(config())
    scene.secondary.gate = anyio.Event()
    await scene.backend.get(stored.key)
    newest = await scene.primary.replace(touched(stored), stored.etag)
    await scene.secondary.apply(newest)
    scene.secondary.gate.set()
    await scene.reads.drain()

    assert scene.reads.tally.counts == {"changed": 1}


async def test_only_the_share_is_compared() -> None:
    """What is not chosen is not read again."""
    scene = Scene(share=0.5)
    await scene.backend.get(config().key)
    await scene.reads.drain()
    assert scene.secondary.calls == 0

    scene = Scene(share=0.51)
    await scene.backend.get(config().key)
    await scene.reads.drain()
    assert scene.secondary.calls == 1


async def test_a_hanging_shadow_keeps_nobody_waiting() -> None:
    """Callers are answered at once; what finds no room is skipped, what takes too long is not checked."""
    scene = Scene()
    scene.secondary.gate = anyio.Event()
    for _ in range(10):
        await scene.backend.get(config().key)
    assert scene.reads.tally.counts == {"skipped": 6}
    await scene.reads.drain()

    assert scene.reads.tally.counts == {"skipped": 6, "could_not_check": 4}


@pytest.mark.parametrize("error", [BackendUnavailableError("away"), RuntimeError("a defect")], ids=repr)
async def test_a_failing_shadow_is_counted(error: Exception) -> None:
    """Nothing is known then, and no caller hears of it."""
    scene = Scene()
    scene.secondary.error = error
    assert await scene.backend.get(config().key) is None
    await scene.reads.drain()

    assert scene.reads.tally.counts == {"could_not_check": 1}


async def test_closing_ends_what_has_begun() -> None:
    """Closing does not wait for a shadow that hangs."""
    scene = Scene()
    scene.secondary.gate = anyio.Event()
    await scene.backend.get(config().key)
    await scene.backend.aclose()

    assert scene.reads.tally.counts["same"] == 0
