"""From recordings and feeds to those who watch, over a store on SQLite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bifrost_store import GLOBAL, Execution, ExecutionStatus, Scope, Store, open_store
from bifrost_store.changefeed import FeedReader
from bifrost_store.core.clock import utc_now
from bifrost_store.core.execution_data import DataDocument, Run
from bifrost_store.core.feed import FeedPage
from bifrost_store.core.record import NEVER
from bifrost_store.core.spec import FeedName
from bifrost_store.errors import BackendUnavailableError
from bifrost_store.realtime import (
    RUN_FEEDS,
    Delivery,
    FeedWatch,
    Principal,
    RunPublisher,
    Watchers,
    WatchRefusedError,
    platform_rules,
)
from bifrost_store.realtime.grants import Grants
from bifrost_store.realtime.groups import run_group, runs_group
from bifrost_store.settings import StoreSettings
from tests.realtime.senders import KeepingSender

pytestmark = pytest.mark.anyio
ORG = Scope.organization("acme")
ADMIN = Principal("admin", is_administrator=True)
OWNER = Principal("owner", scope=ORG)
OTHER = Principal("other", scope=ORG)


@asynccontextmanager
async def watched(
    folder: Path, sender: KeepingSender, *, direct: bool = True, feed: bool = True, realtime: bool = True
) -> AsyncIterator[tuple[Store, Watchers]]:
    """A store with everything that tells of it, and the connections of three users."""
    sender.users |= {"c-admin": "admin", "c-owner": "owner", "c-other": "other"}
    publisher = RunPublisher(sender, is_watched=sender.is_watched)
    settings = StoreSettings(sqlite_path=str(folder / "store.db"), realtime="on" if realtime else "off")
    async with open_store(settings, publisher=publisher if direct else None) as store:
        await store.provision()
        feeds = FeedWatch(store, publisher, sender.groups, poll_seconds=0.01)
        task = asyncio.create_task(feeds.run()) if feed else None
        try:
            yield store, Watchers(store, sender, may_watch=platform_rules, begin=feeds.watch)
        finally:
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            await publisher.aclose()


async def run_of(store: Store, execution_id: str = "run-1", scope: Scope = ORG) -> Execution:
    return await store.executions.create(
        scope, workflow_name="w", executed_by="owner", executed_by_name="Owner", execution_id=execution_id
    )


async def record(store: Store, run: Execution) -> None:
    async with store.execution_data.recording(run, capture=False) as recording:
        recording.debug("a debug line")
        for number in range(20):
            recording.info(f"line {number}")
        recording.set_variables({"password": "a hidden value"})


def texts(sender: KeepingSender, group: str) -> list[str]:
    """Each line that a client of the group shows, which goes on behind what it has and drops what it has."""
    shown, last = [], 0
    for _, body in sender.sent[group]:
        if "covers" not in body or body["covers"][0] > last + 1:
            continue
        shown += [line["message"] for line in body.get("lines", ()) if line["number"] > last]
        last = max(last, body["covers"][1])
    return shown


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    while not condition():  # noqa: ASYNC110 - of another thread, too
        await asyncio.sleep(0.005)


@pytest.mark.parametrize(("direct", "feed"), [(True, False), (False, True), (True, True)])
async def test_every_line_is_told_of_by_either_path(tmp_path: Path, direct: bool, feed: bool) -> None:
    """By the recording's own process, by the feed alone, and by both, which changes nothing for who watches."""
    sender = KeepingSender()
    async with watched(tmp_path, sender, direct=direct, feed=feed) as (store, watchers):
        run = await run_of(store)
        found = await watchers.join(ADMIN, "c-admin", ORG, run.execution_id)
        assert found.is_live
        await record(store, run)
        group = run_group(ORG, run.execution_id, details=True)
        expected = ["a debug line", *(f"line {number}" for number in range(20))]
        await until(lambda: len(texts(sender, group)) >= len(expected))
        assert expected == texts(sender, group)


async def test_where_a_run_stands_is_told_to_all_who_may_know(tmp_path: Path) -> None:
    """Those who watch it, administrators who watch the list, and its owner's list; nobody else's."""
    sender = KeepingSender()
    async with watched(tmp_path, sender) as (store, watchers):
        await watchers.join(ADMIN, "c-admin", ORG)
        await watchers.join(OWNER, "c-owner", ORG)
        await watchers.join(OTHER, "c-other", ORG)
        run = await run_of(store)
        await watchers.join(OWNER, "c-owner", ORG, run.execution_id)
        await store.executions.complete(run, ExecutionStatus.FAILED, error_message="it broke", error_type="E")
        groups = [runs_group(ORG, None), runs_group(ORG, "owner"), run_group(ORG, run.execution_id, details=False)]

        def statuses(group: str) -> list[Any]:
            return [body["status"] for target, body in sender.sent[group] if target == "executionStatus"]

        await until(lambda: all("Failed" in statuses(group) for group in groups))
        assert not sender.sent[runs_group(ORG, "other")]
        versions = [body["version"] for _, body in sender.sent[groups[0]]]
        assert sorted(versions) == versions


async def test_those_who_may_not_see_details_never_get_them(tmp_path: Path) -> None:
    """No DEBUG line, no value of a variable: not in any message to any group that they can be in."""
    sender = KeepingSender()
    async with watched(tmp_path, sender) as (store, watchers):
        run = await run_of(store)
        for principal, connection in ((OWNER, "c-owner"), (ADMIN, "c-admin")):
            await watchers.join(principal, connection, ORG, run.execution_id)
        await record(store, run)
        plain = run_group(ORG, run.execution_id, details=False)
        await until(lambda: len(texts(sender, plain)) >= 20)
        told = [str(sender.sent[group]) for group, members in sender.members.items() if "c-owner" in members]
        assert not any("debug line" in text or "hidden" in text for text in told)


async def test_nothing_is_told_while_real_time_is_off(tmp_path: Path) -> None:
    """Neither lines nor status; whoever joins hears that it is not live."""
    sender = KeepingSender()
    async with watched(tmp_path, sender, realtime=False) as (store, watchers):
        run = await run_of(store)
        assert not (await watchers.join(ADMIN, "c-admin", ORG, run.execution_id)).is_live
        await record(store, run)
        await store.executions.complete(run, ExecutionStatus.SUCCESS)
        await asyncio.sleep(0.1)
        assert not any(sender.sent.values())
        assert 21 == len([one for one in await store.execution_data.items(ORG, run.execution_id) if hasattr(one, "level")])


@pytest.mark.parametrize(
    ("principal", "connection", "scope", "execution_id"),
    [
        (OTHER, "c-other", ORG, "run-1"),
        (OWNER, "c-owner", ORG, "missing"),
        (OWNER, "c-owner", Scope.organization("other"), None),
        (OWNER, "c-owner", GLOBAL, None),
        (OWNER, "c-admin", ORG, "run-1"),
        (OWNER, "no-such-connection", ORG, "run-1"),
        (ADMIN, "c-owner", ORG, "run-1"),
    ],
)
async def test_who_may_not_watch_is_refused_alike(
    tmp_path: Path, principal: Principal, connection: str, scope: Scope, execution_id: str | None
) -> None:
    """Another's run, one that is not there, another's scope, another's connection: the same words, and no group is joined."""
    sender = KeepingSender()
    async with watched(tmp_path, sender, feed=False) as (store, watchers):
        await run_of(store)
        with pytest.raises(WatchRefusedError, match=r"^there is no such run or connection, or it is not yours to watch$"):
            await watchers.join(principal, connection, scope, execution_id)
        assert not sender.groups()


async def test_by_default_nobody_may_watch(tmp_path: Path) -> None:
    """Who opens it must say to whom."""
    sender = KeepingSender()
    async with watched(tmp_path, sender, feed=False) as (store, _):
        await run_of(store)
        with pytest.raises(WatchRefusedError):
            await Watchers(store, sender).join(ADMIN, "c-admin", ORG, "run-1")


async def test_a_connection_is_in_one_of_the_two_groups_of_a_run(tmp_path: Path) -> None:
    """Whoever was an administrator and joins again as nobody special leaves the details."""
    sender = KeepingSender()
    async with watched(tmp_path, sender, feed=False) as (store, watchers):
        await run_of(store)
        await watchers.join(Principal("owner", ORG, is_administrator=True), "c-owner", ORG, "run-1")
        assert [run_group(ORG, "run-1", details=True)] == sender.groups()
        await watchers.join(OWNER, "c-owner", ORG, "run-1")
        assert [run_group(ORG, "run-1", details=False)] == sender.groups()
        await watchers.leave(OWNER, "c-owner", ORG, "run-1")
        assert not sender.groups()


async def test_the_same_execution_id_in_another_scope_is_another_run(tmp_path: Path) -> None:
    """Whoever watches one hears nothing of the other."""
    sender = KeepingSender()
    async with watched(tmp_path, sender) as (store, watchers):
        mine, others = await run_of(store), await run_of(store, scope=Scope.organization("other"))
        await watchers.join(ADMIN, "c-admin", ORG, mine.execution_id)
        await record(store, others)
        await record(store, mine)
        group = run_group(ORG, mine.execution_id, details=True)
        await until(lambda: len(texts(sender, group)) >= 21)
        assert {group} == {name for name, sent in sender.sent.items() if sent}
        assert 21 == len(texts(sender, group))


async def test_a_request_that_reaches_another_process_than_the_connection_is_answered_by_a_grant(tmp_path: Path) -> None:
    """The process that holds the connection takes it, once shown there by that connection, while it is fresh."""
    here, elsewhere, now = KeepingSender(), KeepingSender(users={"c-owner": "owner"}), [1000.0]
    grants = Grants(b"k" * 32, clock=lambda: now[0])
    async with watched(tmp_path, here, feed=False) as (store, _):
        run = await run_of(store)
        asked = Watchers(store, _Remote(elsewhere), may_watch=platform_rules, grants=grants)
        holding = Watchers(store, elsewhere, grants=grants)
        found = await asked.join(OWNER, "c-owner", ORG, run.execution_id)
        assert found.grant is not None
        assert found.is_live
        for connection, grant in (
            ("c-other", found.grant),
            ("c-owner", found.grant[:-2] + "xx"),
            ("c-owner", None),
            ("c-owner", "x" * 9999),
        ):
            with pytest.raises(WatchRefusedError):
                await holding.enter(connection, grant)
        assert not elsewhere.groups()
        assert await holding.enter("c-owner", found.grant)
        assert [run_group(ORG, run.execution_id, details=False)] == elsewhere.groups()
        now[0] += 61
        with pytest.raises(WatchRefusedError):
            await holding.enter("c-owner", found.grant)


class _Remote(KeepingSender):
    """A process that knows whose a connection is, but does not hold it."""

    def __init__(self, holding: KeepingSender) -> None:
        super().__init__()
        self._holding = holding

    async def is_connection_of(self, connection_id: str, user_id: str) -> bool:
        return await self._holding.is_connection_of(connection_id, user_id)


async def test_only_the_store_that_answers_for_a_scope_is_told_of_and_only_what_is_recent(tmp_path: Path) -> None:
    """Copies in another store, runs that ended long ago and old lines of a feed read from its beginning are left out."""
    sender, now = KeepingSender(), [utc_now()]
    async with watched(tmp_path, sender, direct=False, feed=False) as (store, watchers):
        run = await run_of(store)
        await watchers.join(ADMIN, "c-admin", ORG, run.execution_id)
        await record(store, run)
        await store.executions.complete(run, ExecutionStatus.SUCCESS)
        publisher = RunPublisher(sender, clock=lambda: now[0])
        pages = [
            page
            for feed in RUN_FEEDS
            async for page in FeedReader(store.backend.backend("sqlite"), feed, start="beginning").pages(follow=False)
        ]
        for name, later in (("cosmos", timedelta()), ("sqlite", timedelta(hours=2))):
            now[0] = utc_now() + later
            for page in pages:
                await Delivery(store, name, publisher).handle(page.items)
            assert not any(sender.sent.values())
        now[0] = utc_now()
        for page in pages:
            await Delivery(store, "sqlite", publisher).handle(page.items)
        targets = {target for target, _ in sender.sent[run_group(ORG, run.execution_id, details=True)]}
        assert {"executionLog", "executionVariables", "executionStatus"} == targets
        await publisher.aclose()


async def test_a_route_that_cannot_be_read_for_a_while_loses_nothing_of_the_feed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The feed is read on from where it was, once the store answers again."""
    sender = KeepingSender()
    async with watched(tmp_path, sender, direct=False) as (store, watchers):
        run = await run_of(store)
        await watchers.join(ADMIN, "c-admin", ORG, run.execution_id)
        place, asked = store.backend.data_place, []

        async def failing(scope: Scope) -> Any:
            asked.append(scope)
            if len(asked) < 6:
                raise BackendUnavailableError("away")
            return await place(scope)

        async with store.execution_data.recording(run, capture=False) as recording:
            monkeypatch.setattr(store.backend, "data_place", failing)
            recording.info("while it was away")
            assert await recording.flush()
            await until(lambda: len(asked) > 6)
            group = run_group(ORG, run.execution_id, details=True)
            await until(lambda: texts(sender, group) == ["while it was away"])


@pytest.mark.parametrize(
    ("ends", "statuses"), [(False, [0.0, 0.5, 1.0, 1.5, 2.0]), (True, [0.0, 0.5, 0.525, 0.575, 0.675, 0.875, 1.275, 1.775])]
)
async def test_feeds_are_asked_more_often_while_changes_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: bool, statuses: list[float]
) -> None:
    """Each soon after it had something, and ever less often in silence; where runs stand also soon after a recording has ended."""
    now, asked = 0.0, {feed: list[float]() for feed in RUN_FEEDS}
    news = [segment(), segment(ends=ends)]

    class Reader:
        def __init__(self, _: object, feed: FeedName, *, limit: int) -> None:
            self._feed: FeedName = feed

        async def open(self) -> None:
            pass

        async def pages(self, *, follow: bool) -> AsyncIterator[FeedPage]:
            asked[self._feed].append(round(now, 3))
            if self._feed == "execution_data" and now >= 0.5 and news:
                yield FeedPage((news.pop(0),), "", True, 0, 0.0, ())

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        if now > 2.0:
            raise asyncio.CancelledError

    async with watched(tmp_path, KeepingSender(), feed=False) as (store, _):
        feeds = FeedWatch(store, RunPublisher(KeepingSender()), lambda: {"runs:org-acme"}, poll_seconds=0.5)
        with monkeypatch.context() as patch, suppress(asyncio.CancelledError):
            patch.setattr("bifrost_store.realtime.watching.FeedReader", Reader)
            patch.setattr("bifrost_store.realtime.watching.anyio.sleep", sleep)
            patch.setattr("bifrost_store.realtime.watching.anyio.current_time", lambda: now)
            await feeds.run()

    assert [0.0, 0.5, 0.525, 0.55, 0.6, 0.7, 0.9, 1.3, 1.8] == asked["execution_data"]
    assert statuses == asked["executions"]


def segment(*, ends: bool = False) -> DataDocument:
    """A log without lines, perhaps the last document of its recording."""
    body = {"lines": [], **({"ends": {"counts": {}, "dropped": 0}} if ends else {})}
    return DataDocument(Run(ORG, "run-1", "0" * 32), "1", "log", body, utc_now(), "0" * 32, NEVER, 0, 1, 1)
