"""Who watches runs while a migration goes on under them."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import anyio
import pytest

from bifrost_store import ExecutionRef, ExecutionStatus, StoreSettings, open_store
from bifrost_store.demo.azurite import Azurite
from bifrost_store.emulator import CosmosEmulator, Options
from bifrost_store.realtime import FeedWatch, RunPublisher, Watchers, platform_rules
from bifrost_store.realtime.groups import run_group
from tests.e2e.migrating import migrate, settings_of
from tests.realtime.senders import KeepingSender
from tests.realtime.test_watching import ADMIN, ORG, run_of, until

pytestmark = [pytest.mark.anyio, pytest.mark.long]
STEPS = [("start",), ("backfill",), ("verify",), ("cutover", "--yes"), ("rollback", "--yes")]


async def test_a_hand_over_changes_nothing_for_those_who_watch(empty_azurite: Azurite) -> None:
    """On Table Storage nothing is live; from dual writes on it is, by the feed of Cosmos DB alone, over cut-over and rollback."""
    sender = KeepingSender(users={"c-admin": "admin"})
    with CosmosEmulator(options=Options(consistency="Strong")) as cosmos:
        environment = settings_of(empty_azurite, cosmos)
        async with open_store(StoreSettings.from_environment(environment)) as store:
            await store.provision()
            publisher = RunPublisher(sender, is_watched=sender.is_watched)
            feeds = FeedWatch(store, publisher, sender.groups, poll_seconds=0.02)
            watchers = Watchers(store, sender, may_watch=platform_rules, begin=feeds.watch)
            task = asyncio.create_task(feeds.run())
            early = await run_of(store, "early")
            assert not (await watchers.join(ADMIN, "c-admin", ORG, early.execution_id)).is_live
            expected: dict[str, list[str]] = {}
            for step in STEPS:
                await anyio.to_thread.run_sync(partial(migrate, *step, settings=environment))
                run = await run_of(store, f"after-{step[0]}")
                assert (await watchers.join(ADMIN, "c-admin", ORG, run.execution_id)).is_live
                expected[run.execution_id] = []
                for known, lines in expected.items():
                    async with store.execution_data.recording(ExecutionRef(ORG, known), capture=False) as recording:
                        recording.info(f"line after {step[0]}")
                    lines.append(f"line after {step[0]}")
            for known, lines in expected.items():
                await store.executions.complete(ExecutionRef(ORG, known), ExecutionStatus.SUCCESS)
                await told(sender.sent[run_group(ORG, known, details=True)], set(lines))
            task.cancel()
            await publisher.aclose()


async def told(sent: list[tuple[str, dict[str, Any]]], lines: set[str]) -> None:
    """Wait until a group was told of just these lines, and of the end of their run."""
    await until(lambda: {line["message"] for _, body in sent for line in body.get("lines", ())} == lines)
    await until(lambda: any(body.get("status") == "Success" for _, body in sent))
