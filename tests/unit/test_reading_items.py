"""The reader of a run's items against a plain list, whatever recordings overlap and wherever pages end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.backends.execution_data import DataPage
from bifrost_store.core.clock import format_time
from bifrost_store.core.execution_data import DataDocument, Run, segment_id
from bifrost_store.core.record import NEVER
from bifrost_store.core.scope import GLOBAL
from bifrost_store.core.version import new_write_id
from bifrost_store.repositories.execution_data.cursors import Position, decode_cursor, encode_cursor
from bifrost_store.repositories.execution_data.items import shown_order
from bifrost_store.repositories.execution_data.reading import Reader, Stretch
from bifrost_store.repository_protocols.execution_data import Item, LogLine
from bifrost_store.testing.memory_data import MemoryData

RUN = Run(GLOBAL, "run-1", "c" * 32)
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Segment:
    """A document to be: how many items it covers, which of them it holds, and how much time passes in it."""

    kept: tuple[bool, ...]
    steps: tuple[int, ...]
    ends: bool = False


@st.composite
def recordings(draw: st.DrawFn) -> list[list[Segment]]:
    def segment() -> Segment:
        kept = tuple(draw(st.lists(st.booleans(), min_size=1, max_size=6)))
        return Segment(kept, tuple(draw(st.lists(st.integers(0, 3), min_size=len(kept), max_size=len(kept)))))

    made = []
    for _ in range(draw(st.integers(0, 4))):
        segments = [segment() for _ in range(draw(st.integers(1, 12)))]
        if draw(st.booleans()):
            segments.append(Segment((False,), (0,), ends=True))
        made.append(segments)
    return made


def documents_of(recording: int, segments: Sequence[Segment], began: datetime) -> list[DataDocument]:
    made, number, time = [], 0, began
    for segment in segments:
        first, lines = number + 1, []
        for is_kept, step in zip(segment.kept, segment.steps, strict=True):
            number += 1
            time += timedelta(seconds=step)
            if is_kept:
                lines.append(
                    {"number": number, "timestamp": format_time(time), "level": "info", "message": f"{recording}.{number}"}
                )
        body: dict[str, Any] = {"lines": lines} | ({"ends": {}} if segment.ends else {})
        made.append(
            DataDocument(
                RUN, segment_id(GLOBAL, recording, first), "log", body, time, new_write_id(), NEVER, recording, first, number
            )
        )
    return made


def all_documents(given_recordings: list[list[Segment]]) -> list[list[DataDocument]]:
    return [documents_of(number, one, BEGAN + timedelta(seconds=2 * number)) for number, one in enumerate(given_recordings)]


async def stored(documents: Sequence[DataDocument]) -> MemoryData:
    data = MemoryData()
    await data.append([[one] for one in documents])
    return data


def lines(documents: Sequence[DataDocument]) -> list[tuple[int, int]]:
    found = [
        LogLine(one.recording, line["number"], datetime.fromisoformat(line["timestamp"]), line["level"], line["message"])
        for one in documents
        for line in one.body["lines"]
    ]
    return [(one.recording, one.number) for one in sorted(found, key=shown_order)]


def keys(items: Sequence[Item]) -> list[tuple[int, int]]:
    return [(one.recording, one.number) for one in items]


def through_text(direction: Literal["after", "before"], position: Position) -> Position:
    """Return *position* as it comes back from a client."""
    return decode_cursor(RUN, direction, encode_cursor(RUN, direction, position))


async def forward(data: MemoryData, position: Position, limit: int) -> Stretch:
    stretch = await Reader(data, RUN, lambda item: True, limit=limit).forward(position)
    assert len(stretch.items) == limit or stretch.is_last
    return stretch


@given(recordings(), st.lists(st.integers(1, 7), min_size=1, max_size=3))
def test_pages_forward_are_the_list_in_order(made: list[list[Segment]], limits: list[int]) -> None:
    async def run() -> None:
        documents = [one for part in all_documents(made) for one in part]
        data = await stored(documents)
        found: list[tuple[int, int]] = []
        position: Position = {}
        for turn in range(1000):
            stretch = await forward(data, position, limits[turn % len(limits)])
            found += keys(stretch.items)
            position = through_text("after", stretch.after)
            if stretch.is_last:
                break
        assert found == lines(documents)
        assert stretch.is_ended == all(part[-1].ends for part in made)
        assert not (await forward(data, position, 5)).items

    anyio.run(run)


@given(recordings(), st.lists(st.integers(1, 7), min_size=1, max_size=3))
def test_pages_backward_are_the_list_in_order(made: list[list[Segment]], limits: list[int]) -> None:
    async def run() -> None:
        documents = [one for part in all_documents(made) for one in part]
        data = await stored(documents)
        found: list[tuple[int, int]] = []
        position: Position | None = None
        for turn in range(1000):
            limit = limits[turn % len(limits)]
            stretch = await Reader(data, RUN, lambda item: True, limit=limit).backward(position)
            found = keys(stretch.items) + found
            if stretch.is_first:
                break
            position = through_text("before", stretch.before)
            assert len(stretch.items) == limit
        assert found == lines(documents)

    anyio.run(run)


@given(recordings(), st.integers(1, 7), st.integers(1, 7), st.integers(0, 40))
def test_a_page_joins_those_on_both_sides(made: list[list[Segment]], limit: int, other: int, steps: int) -> None:
    """Behind a page read backwards stands what stood there; before a page read forwards too."""

    async def run() -> None:
        documents = [one for part in all_documents(made) for one in part]
        data = await stored(documents)
        whole = lines(documents)
        position: Position | None = None
        for _ in range(1 + steps // 8):
            back = await Reader(data, RUN, lambda item: True, limit=limit).backward(position)
            position = through_text("before", back.before)
        seen = keys(back.items)
        start = whole.index(seen[0]) if seen else None
        ahead = await forward(data, through_text("after", back.after), other)
        if start is not None:
            assert keys(ahead.items) == whole[start + len(seen) :][:other]
        again = await Reader(data, RUN, lambda item: True, limit=other).backward(through_text("before", ahead.before))
        if ahead.items:
            at = whole.index(keys(ahead.items)[0])
            assert keys(again.items) == whole[max(0, at - other) : at]

    anyio.run(run)


@given(recordings(), st.data())
def test_what_comes_while_it_is_read_is_read_once(made: list[list[Segment]], data: st.DataObject) -> None:
    """A reader that goes on from its position sees each line once, in the order of its recording, whenever it came."""

    async def run() -> None:
        waiting = [list(part) for part in all_documents(made)]
        documents = [one for part in waiting for one in part]
        store = MemoryData()
        found: list[tuple[int, int]] = []
        position: Position = {}
        while True:
            started = [part for part in waiting if part]
            if started:
                # A recording begins after those before it have: its ordinal is the next.
                choices = [part for number, part in enumerate(waiting) if part and all(map(_has_begun(store), range(number)))]
                part = data.draw(st.sampled_from(choices))
                await store.append([[part.pop(0)] for _ in range(data.draw(st.integers(1, len(part))))])
            stretch = await forward(store, position, data.draw(st.integers(1, 9)))
            found += keys(stretch.items)
            position = through_text("after", stretch.after)
            if stretch.is_last and not started:
                break
        assert sorted(found) == sorted(lines(documents))
        for recording in range(len(made)):
            own = [number for of, number in found if of == recording]
            assert own == sorted(own)

    anyio.run(run)


def _has_begun(store: MemoryData) -> Callable[[int], bool]:
    return lambda recording: any(one.recording == recording for one in store.documents.values())


class CountingData(MemoryData):
    """Counts what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.requests = self.documents_read = 0

    async def read(self, *args: Any, **kwargs: Any) -> DataPage:
        page = await super().read(*args, **kwargs)
        self.requests += 1
        self.documents_read += len(page.documents)
        return page


@pytest.mark.parametrize(("lines_each", "most_requests", "most_documents"), [(100, 2, 21), (10, 4, 120), (1, 8, 520)])
def test_a_page_reads_what_it_shows(lines_each: int, most_requests: int, most_documents: int) -> None:
    """Documents of a fast run hold a hundred lines, of a slow one a single line: of neither many are read for nothing."""

    async def run() -> None:
        segment = Segment((True,) * lines_each, (1,) * lines_each)
        data = CountingData()
        await data.append([[one] for one in documents_of(0, [segment] * (2_000 // lines_each), BEGAN)])
        for backwards in (False, True):
            data.requests = data.documents_read = 0
            reader = Reader(data, RUN, lambda item: True, limit=500)
            stretch = await (reader.backward(None) if backwards else reader.forward({}))
            assert 500 == len(stretch.items)
            assert data.requests <= most_requests
            assert data.documents_read <= most_documents

    anyio.run(run)
