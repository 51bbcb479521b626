"""Three seeds of the run under faults, a short one under load, and what the checker finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import utc_now
from bifrost_store.demo.azurite import Azurite
from bifrost_store.testing.examples import config
from bifrost_store.testing.model import ModelBackend
from tests.faults.checking import check_stores
from tests.faults.heat import under_heat
from tests.faults.history import COUNTER, Event, EventLog, Possible, What, expected
from tests.faults.records import COUNTED, SCOPES, STORES, name_of
from tests.faults.replacing import when_replaced
from tests.faults.running import FAULT_LEASE_SECONDS, Result, under_faults, under_load

pytestmark = pytest.mark.anyio
NAME = name_of("config", SCOPES[0], "key")


def passed(result: Result) -> None:
    assert not result.wrong, "\n".join([*result.lines, *result.wrong])
    assert result.figures["done"]
    assert result.figures["hand-overs"]


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 3, 12])
async def test_nothing_is_lost_whatever_happens(empty_azurite: Azurite, tmp_path: Path, seed: int) -> None:
    """Killed, frozen and cut off at random, at three paces; then both stores hold what everybody was told.

    For less long and with fewer writes than in `nox -s faults`, which are what costs.
    """
    passed(await under_faults(tmp_path, seed, seconds=12, pause=0.6, azurite=empty_azurite))


@pytest.mark.long
async def test_nothing_is_lost_under_load(empty_azurite: Azurite, tmp_path: Path) -> None:
    """There and back once, with nothing in the way. How long writes wait is measured by `nox -s load`."""
    passed(await under_load(tmp_path, times=1, lease_seconds=FAULT_LEASE_SECONDS, azurite=empty_azurite))


@pytest.mark.long
async def test_there_is_a_way_on_when_the_target_is_not_the_one_that_it_was(empty_azurite: Azurite, tmp_path: Path) -> None:
    """Before and after the cut-over, while workers write: named, and what is named as next leads on without a loss."""
    passed(await when_replaced(tmp_path, 1, times=2, azurite=empty_azurite))


@pytest.mark.long
async def test_hand_overs_are_not_starved(empty_azurite: Azurite, tmp_path: Path) -> None:
    """There and back once under 64 writers of two records; how long all must wait is measured by `nox -s load`."""
    passed(await under_heat(tmp_path, times=1, azurite=empty_azurite))


async def stores_with(value: str | None, *, counted: int = 0) -> dict[str, Backend]:
    """Return two stores that hold *value* under the key, or nothing."""
    stores: dict[str, Backend] = {name: ModelBackend(clock=utc_now) for name in STORES}
    for store in stores.values():
        for key, text in (("key", value), (COUNTER, str(counted))):
            if text is not None:
                record = config(key, scope=COUNTED)
                await store.create(record.with_body({**record.body, "value": text}))
    return stores


def logged(folder: Path, *events: tuple[What, str | None]) -> Path:
    log = folder / "worker.jsonl"
    for what, value in events:
        EventLog(log).add(Event(NAME, what, value))
    return log


@pytest.mark.parametrize(
    ("events", "holds"),
    [
        ([("begun", "a"), ("done", "a")], ["a"]),
        ([("begun", "a"), ("done", "a"), ("begun", "b"), ("done", "b")], ["b"]),
        ([("begun", "a"), ("done", "a"), ("begun", None), ("done", None)], [None]),
        ([("begun", "a"), ("done", "a"), ("begun", "b"), ("not done", "b")], ["a"]),
        ([("begun", "a"), ("done", "a"), ("begun", "b"), ("unknown", "b")], ["a", "b"]),
        ([("begun", "a"), ("done", "a"), ("begun", "b")], ["a", "b"]),
        ([("begun", "a"), ("done", "a"), ("begun", "b"), ("unknown", "b"), ("read", "b")], ["b"]),
        ([("begun", "a"), ("unknown", "a"), ("begun", "b"), ("done", "b")], ["b"]),
        ([("begun", "a"), ("unknown", "a"), ("begun", "b"), ("not done", "b")], [None, "a"]),
    ],
)
async def test_the_checker_finds_what_is_lost_and_what_is_back(
    tmp_path: Path, events: list[tuple[What, str | None]], holds: list[str | None]
) -> None:
    """A store may hold what was acknowledged last, or an open write after it, and nothing else."""
    wanted = expected([logged(tmp_path, *events)])
    for value in ("a", "b", None):
        verdict = await check_stores(await stores_with(value), wanted)
        assert bool(verdict.wrong) is (value not in holds), value
        assert 1 == verdict.records


async def test_the_checker_looks_at_each_store(tmp_path: Path) -> None:
    """One store that is right does not make up for the other."""
    wanted = expected([logged(tmp_path, ("begun", "a"), ("done", "a"))])
    right, wrong = await stores_with("a"), await stores_with("b")
    for name in STORES:
        verdict = await check_stores({**right, name: wrong[name]}, wanted)
        assert [name] == [line.split(" ")[0] for line in verdict.wrong]


@pytest.mark.parametrize(("number", "is_right"), [(1, False), (2, True), (3, True), (4, False)])
async def test_the_checker_counts(tmp_path: Path, number: int, is_right: bool) -> None:
    """The counter holds every acknowledged addition once, and an open one at most once."""
    log = tmp_path / "worker.jsonl"
    for what in ("begun", "done", "begun", "done", "begun", "not done", "begun"):
        EventLog(log).add(Event(COUNTER, what))
    verdict = await check_stores(await stores_with(None, counted=number), expected([log]))
    assert bool(verdict.wrong) is not is_right


def test_a_line_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    """A process is killed in the middle of a line: the write before it is open."""
    log = logged(tmp_path, ("begun", "a"))
    with log.open("a") as file:
        file.write('{"key": "con')
    assert {NAME: Possible(None, ["a"])} == expected([log]).records
