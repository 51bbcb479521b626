"""The backfill: what is carried, how it stops and goes on, and what it does about rows that cannot be carried."""

from __future__ import annotations

import json
import stat
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bifrost_store.core.attempts import Attempt
from bifrost_store.core.clock import format_time
from bifrost_store.core.commands import spelled
from bifrost_store.core.operations import Operation, Result
from bifrost_store.core.record import NEVER, Key, Record
from bifrost_store.core.retention import Retention
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.documents import SPECS
from bifrost_store.errors import (
    AccessDeniedError,
    BackendUnavailableError,
    CorruptDocumentError,
    DocumentTooLargeError,
    MigrationRefusedError,
    ThrottledError,
)
from bifrost_store.migration.backfill import REJECTED_ROWS, WORKERS
from bifrost_store.migration.expiry import Dropped
from bifrost_store.migration.throttle import Budget
from bifrost_store.testing import model
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.examples import ORGANIZATION, OTHER_ORGANIZATION, audit_event, config, execution, legacy_row, user
from bifrost_store.testing.model import ModelBackend
from tests.unit.migration_support import KeptProgress, StoppedError, Watched, backfill

pytestmark = pytest.mark.anyio
_BATCH = 32


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def source(clock: SettableClock) -> ModelBackend:
    return ModelBackend(clock=clock)


@pytest.fixture
def target(clock: SettableClock) -> ModelBackend:
    return ModelBackend(clock=clock)


async def all_of(backend: ModelBackend) -> dict[Key, Record]:
    return {record.key: record async for page in backend.scan() for record in page.records}


async def test_everything_is_carried_as_it_is(source: ModelBackend, target: ModelBackend, clock: SettableClock) -> None:
    for record in (user(), config(), execution(), audit_event(), legacy_row(Name="x"), execution(2, scope=GLOBAL)):
        await source.create(record)
    changed = await source.create(execution(3))
    await source.replace(changed.with_body({**changed.body, "status": "Success"}), changed.etag, epoch=4)
    await source.create(execution(4))
    await source.delete(execution(4).key)
    report = await backfill(source, target, clock).run()
    assert report.ok
    assert report.counts == {"copied": 7, "deleted": 1}
    assert report.kinds["execution"] == {"copied": 3, "deleted": 1}
    assert await all_of(target) == await all_of(source)


async def test_a_second_run_writes_nothing(source: ModelBackend, target: ModelBackend, clock: SettableClock) -> None:
    await source.create(execution())
    await backfill(source, target, clock).run()
    before = (await all_of(target))[execution().key].native_etag
    report = await backfill(source, target, clock).run()
    assert report.counts == {"present": 1}
    assert (await all_of(target))[execution().key].native_etag == before


async def test_what_the_target_has_newer_stays_unless_the_source_says_otherwise(
    source: ModelBackend, target: ModelBackend, clock: SettableClock
) -> None:
    """A target that is newer without reason is made equal: it must be what the source is, whatever its revision."""
    await source.create(config())
    foreign = await target.create(config(value="foreign"))
    await target.replace(foreign, foreign.etag)
    report = await backfill(source, target, clock).run()
    assert report.counts == {"copied": 1}
    assert await all_of(target) == await all_of(source)


async def test_what_readers_see_is_carried_with_its_time_and_nothing_else(
    source: ModelBackend, target: ModelBackend, clock: SettableClock
) -> None:
    """However old it is: only what has ended by its own expiry is left out."""
    await source.create(execution(1, expires_at=START + timedelta(days=1)))
    await source.create(execution(2, expires_at=START + timedelta(days=3)))
    await source.create(execution(3, expires_at=None, completedAt=format_time(START - timedelta(days=500))))
    await source.create(execution(4, expires_at=NEVER))
    await source.create(config(expires_at=START + timedelta(days=1)))
    clock.advance(days=2)
    report = await backfill(source, target, clock).run()
    assert report.ok
    assert report.counts == {"copied": 3, "expired": 2}
    assert {record.key.id: record.expires_at for record in (await all_of(target)).values()} == {
        "e-2": START + timedelta(days=3),
        "e-3": None,
        "e-4": NEVER,
    }


async def test_old_executions_are_dropped_on_request_with_a_word(
    source: ModelBackend, target: ModelBackend, clock: SettableClock
) -> None:
    """By their own times, and only those that store no expiry. With a recorded retention their derived one is none of their own."""
    retention = Retention(timedelta(days=14), START)
    old = format_time(START - timedelta(days=30))
    await source.create(execution(1, expires_at=None, completedAt=old))
    await source.create(execution(2, expires_at=START + timedelta(days=14), startedAt=old))
    await source.create(execution(3, expires_at=None, completedAt=format_time(START - timedelta(days=14, microseconds=-1))))
    await source.create(execution(4, expires_at=NEVER, completedAt=old))
    await source.create(execution(5, expires_at=START + timedelta(days=15), completedAt=old))
    await source.create(execution(6, expires_at=START + timedelta(days=1), completedAt=old))
    await source.create(execution(7, expires_at=None, startedAt="", completedAt=None))
    dropped = Dropped(START - timedelta(days=14), SPECS, retention)
    clock.advance(days=2)
    report = await backfill(source, target, clock, dropped=dropped).run()
    assert report.counts == {"copied": 4, "expired": 3, "no_longer_seen": 2}
    assert {"e-3", "e-4", "e-5", "e-7"} == {key.id for key in await all_of(target)}
    assert "2 executions that readers see today" in report.lines()[1]


async def test_other_scopes_are_left_alone(source: ModelBackend, target: ModelBackend, clock: SettableClock) -> None:
    await source.create(config(scope=ORGANIZATION))
    await source.create(config(scope=OTHER_ORGANIZATION))

    def is_first(scope: Scope) -> bool:
        return scope == ORGANIZATION

    await backfill(source, target, clock, includes=is_first).run()
    assert [key.scope for key in await all_of(target)] == [ORGANIZATION]


@pytest.mark.parametrize("stop_at", range(1, 5))
async def test_a_stopped_run_is_gone_on_with(
    stop_at: int, source: ModelBackend, target: ModelBackend, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At most one batch per worker is done again, and every record is counted once. Pages take two rounds of batches."""
    monkeypatch.setattr(model, "_PAGE_SIZE", 350)
    for number in range(700):
        await source.create(execution(number, scope=Scope.organization(f"o-{number % 3}")))
    progress, watched = KeptProgress(stop_at), Watched(target)
    with pytest.raises(StoppedError):
        await backfill(source, watched, clock, progress=progress).run()
    progress.stop_at = None
    report = await backfill(source, watched, clock, progress=progress).run()
    assert sum(report.counts.values()) == 700
    assert await all_of(target) == await all_of(source)
    again = Counter(watched.applied)
    assert sum(count - 1 for count in again.values()) <= WORKERS * _BATCH < 350


async def test_another_page_from_the_same_place_is_carried_wholly(
    source: ModelBackend, target: ModelBackend, clock: SettableClock
) -> None:
    """What was noted within a page counts only while the page reaches from and to the same places."""
    for number in range(10):
        await source.create(config(f"k-{number}"))
    progress = KeptProgress()
    progress.values = {"cursor": {"token": None, "end": "another", "after": ["config", "org-o-1", "k-8"]}}
    report = await backfill(source, target, clock, progress=progress).run()
    assert report.counts == {"copied": 10}


async def test_what_is_too_large_together_is_carried_in_halves(
    source: ModelBackend, target: ModelBackend, clock: SettableClock
) -> None:
    """Large records take as few batches as their size lets them, and none is looked at alone."""
    for number in range(_BATCH):
        await source.create(config(f"k-{number}"))
    sizes: list[int] = []

    class Small(Watched):
        async def write(self, operations: Sequence[Operation], *, attempt: Attempt) -> list[Result]:
            sizes.append(len(operations))
            if len(operations) > 10:
                raise DocumentTooLargeError("too large")
            return await super().write(operations, attempt=attempt)

    report = await backfill(source, Small(target), clock).run()

    assert report.counts == {"copied": _BATCH}
    assert await all_of(target) == await all_of(source)
    assert sizes == [32, 16, 8, 8, 16, 8, 8]


async def test_a_row_that_is_refused_is_among_the_rejected(
    source: ModelBackend, target: ModelBackend, clock: SettableClock, tmp_path: Path
) -> None:
    for number in range(40):
        await source.create(config(f"k-{number}"))

    def refuse(name: str, key: Key | None) -> None:
        if key is None and name == "batch":
            raise DocumentTooLargeError("too large")
        if key is not None and key.id == "k-7":
            raise DocumentTooLargeError("k-7 is too large")

    progress = KeptProgress()
    report = await backfill(source, Watched(target, refuse), clock, progress=progress, folder=tmp_path).run()
    assert not report.ok
    assert report.counts == {"copied": 39, "failed": 1}
    file = tmp_path / REJECTED_ROWS
    assert report.rejected_rows == file
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (letter,) = [json.loads(line) for line in file.read_text().splitlines()]
    assert letter["key"] == str(config("k-7").key)
    assert letter["reason"] == "DocumentTooLargeError: k-7 is too large"
    assert letter["record"]["body"] == config("k-7").body
    assert "k-7" not in "".join(report.lines())
    mended = await backfill(source, target, clock, progress=progress, folder=tmp_path).run()
    assert mended.ok
    assert mended.counts == {"present": 39, "copied": 1}
    assert not (tmp_path / REJECTED_ROWS).exists()


async def test_a_row_that_cannot_be_read_is_told(
    source: ModelBackend, target: ModelBackend, clock: SettableClock, tmp_path: Path
) -> None:
    class Damaged(Watched):
        async def scan(self, resume_token: str | None = None):  # type: ignore[no-untyped-def]
            async for page in super().scan(resume_token):
                error = CorruptDocumentError("row Config/o-1/x: no JSON")
                yield replace(page, unreadable=(error,), rejected=({"RowKey": "x", "Value": "{"},))

    await source.create(config())
    report = await backfill(Damaged(source), target, clock, folder=tmp_path).run()
    assert not report.ok
    assert report.counts == {"copied": 1, "unreadable": 1}
    (line,) = [json.loads(line) for line in (tmp_path / REJECTED_ROWS).read_text().splitlines()]
    assert line == {"key": None, "reason": "row Config/o-1/x: no JSON", "record": {"RowKey": "x", "Value": "{"}}


async def test_a_full_disk_stops_it_and_it_goes_on(
    source: ModelBackend, target: ModelBackend, clock: SettableClock, tmp_path: Path
) -> None:
    await source.create(config())

    def refuse(name: str, key: Key | None) -> None:
        raise DocumentTooLargeError("too large")

    (tmp_path / "file").write_text("")
    progress = KeptProgress()
    with pytest.raises(MigrationRefusedError) as caught:
        await backfill(source, Watched(target, refuse), clock, progress=progress, folder=tmp_path / "file" / "below").run()
    assert "another folder: the same command with --reports DIR" in spelled(caught.value.next_steps)
    assert (await backfill(source, target, clock, progress=progress, folder=tmp_path).run()).ok


async def test_throttling_and_failures_that_pass_are_waited_for(
    source: ModelBackend, target: ModelBackend, clock: SettableClock
) -> None:
    await source.create(config())
    troubles = [ThrottledError("slow down", retry_after_seconds=7), BackendUnavailableError("gone"), ThrottledError("slow down")]
    waits: list[float] = []
    seconds = 0.0

    def fail(name: str, key: Key | None) -> None:
        if troubles:
            raise troubles.pop(0)

    async def sleep(duration: float) -> None:
        nonlocal seconds
        seconds += duration
        waits.append(duration)

    budget = Budget(monotonic=lambda: seconds, sleep=sleep)
    report = await backfill(source, Watched(target, fail), clock, budget=budget, sleep=sleep).run()
    assert report.ok
    assert report.throttled == 2
    assert waits[0] == 7


async def test_expired_credentials_stop_it_with_its_state_saved(
    source: ModelBackend, target: ModelBackend, clock: SettableClock
) -> None:
    for number in range(300):
        await source.create(config(f"k-{number:03}"))
    calls = 0

    def expire(name: str, key: Key | None) -> None:
        nonlocal calls
        calls += 1
        if calls > 5:
            raise AccessDeniedError("the credential has expired")

    progress = KeptProgress()
    with pytest.raises(AccessDeniedError):
        await backfill(source, Watched(target, expire), clock, progress=progress).run()
    assert progress.values is not None
    assert progress.values["done"] == 100
    report = await backfill(source, target, clock, progress=progress).run()
    assert report.ok
    assert sum(report.counts.values()) == 300


async def test_a_hand_over_stops_it(source: ModelBackend, target: ModelBackend, clock: SettableClock) -> None:
    await source.create(config())

    async def never() -> bool:
        return False

    with pytest.raises(MigrationRefusedError, match="hand-over"):
        await backfill(source, target, clock, is_current=never).run()
    assert not await all_of(target)


async def test_what_is_of_a_later_route_is_not_written_over(
    source: ModelBackend, target: ModelBackend, clock: SettableClock, tmp_path: Path
) -> None:
    """Where the route is out of date the run stops; where it is not, the record is the operator's to look at."""
    route = {"is_current": True}

    async def is_current() -> bool:
        return route["is_current"]

    def end(name: str, key: Key | None) -> None:
        route["is_current"] = False

    await source.create(config())
    later = await target.create(config(value="later"), epoch=9)
    report = await backfill(source, target, clock, epoch_of=lambda scope: 2, is_current=is_current, folder=tmp_path).run()
    assert report.counts == {"failed": 1}
    assert "StaleRouteError" in (tmp_path / REJECTED_ROWS).read_text()
    with pytest.raises(MigrationRefusedError, match="hand-over"):
        await backfill(source, Watched(target, end), clock, epoch_of=lambda scope: 2, is_current=is_current).run()
    assert await target.stored(later.key) == later


async def test_what_the_target_cannot_read_is_rejected(
    source: ModelBackend, target: ModelBackend, clock: SettableClock, tmp_path: Path
) -> None:
    await source.create(config())
    await backfill(source, target, clock).run()

    def damaged(name: str, key: Key | None) -> None:
        if name == "stored":
            raise CorruptDocumentError("document config: the body cannot be read")

    report = await backfill(source, Watched(target, damaged), clock, folder=tmp_path).run()
    assert report.counts == {"failed": 1}
