"""What is said to those who watch."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.core.clock import format_time
from bifrost_store.core.execution_data import DataDocument, Run, segment_id
from bifrost_store.core.record import NEVER
from bifrost_store.core.scope import GLOBAL
from bifrost_store.realtime.messages import LOG, MAX_MESSAGE_BYTES, VARIABLES, Message, covering, joined, messages_of, unsent
from bifrost_store.repository_protocols.execution_data import Level

RUN = Run(GLOBAL, "run-1", "c" * 32)
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def log(first: int, last: int, *levels: str, text: str = "x", ends: bool = False) -> DataDocument:
    """A segment that covers *first* to *last*, whose last lines have *levels*; an end stands behind them."""
    end = last - ends
    lines = [
        {
            "number": end - len(levels) + 1 + at,
            "timestamp": format_time(NOW + timedelta(seconds=at)),
            "level": level,
            "message": text,
            "traceback": "secret traceback",
        }
        for at, level in enumerate(levels)
    ]
    body = {"lines": lines, **({"ends": {"counts": {}, "dropped": 0}} if ends else {})}
    return DataDocument(RUN, segment_id(GLOBAL, 0, first), "log", body, NOW, "0" * 32, NEVER, 0, first, last)


def variables(number: int, **values: object) -> DataDocument:
    body = {"number": 1, "variables": values}
    return DataDocument(RUN, segment_id(GLOBAL, 0, number), "variables", body, NOW, "0" * 32, NEVER, 0, number, number)


def text_of(messages: list[Message]) -> str:
    return json.dumps([dict(one.body) for one in messages])


def test_those_who_may_not_see_details_get_neither_debug_lines_nor_tracebacks() -> None:
    """And what is covered all the same: nothing looks lost to them."""
    shown = messages_of(log(1, 3, "debug", "info", "error"), details=False)
    assert [("info", 2), ("error", 3)] == [(line["level"], line["number"]) for line in shown[0].body["lines"]]
    assert [1, 3] == shown[0].body["covers"]
    assert "traceback" not in text_of(shown)


def test_those_who_may_not_see_details_get_no_variables() -> None:
    """Only that there was something."""
    (shown,) = messages_of(variables(7, password="hidden-value"), details=False)
    assert (LOG, [7, 7], []) == (shown.target, shown.body["covers"], shown.body["lines"])
    assert "hidden-value" not in text_of([shown])


def test_administrators_see_everything() -> None:
    """Lines of every level with their tracebacks, and variables."""
    (lines,) = messages_of(log(1, 1, "debug"), details=True)
    assert ("debug", "secret traceback") == (lines.body["lines"][0]["level"], lines.body["lines"][0]["traceback"])
    (values,) = messages_of(variables(2, a=1), details=True)
    assert (VARIABLES, {"a": 1}, 1, [2, 2]) == (
        values.target,
        values.body["variables"],
        values.body["count"],
        values.body["covers"],
    )


def test_a_message_that_would_be_too_large_says_what_to_read() -> None:
    """It has no values, but covers what it stands for."""
    (values,) = messages_of(variables(2, a="x" * MAX_MESSAGE_BYTES), details=True)
    assert values.body["size"] > MAX_MESSAGE_BYTES
    assert [2, 2] == values.body["covers"]
    assert "variables" not in values.body
    assert values.size < 1_000


def test_a_document_that_cannot_be_read_is_told_of_as_something_to_read() -> None:
    """What is wrong with it, the reader is told then."""
    broken = DataDocument(RUN, segment_id(GLOBAL, 0, 4), "log", {"lines": 5}, NOW, "0" * 32, NEVER, 0, 4, 9)
    (shown,) = messages_of(broken, details=True)
    assert [4, 9] == shown.body["covers"]
    assert "lines" not in shown.body


@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from([level.value for level in Level]), max_size=6), st.integers(0, 3), st.integers(1, 40_000)
        ),
        min_size=1,
        max_size=8,
    ),
    st.booleans(),
)
def test_messages_cover_every_number_once_and_hold_every_line_that_is_shown(
    flushes: list[tuple[list[str], int, int]], details: bool
) -> None:
    """However they are cut by size and joined again, whatever was left out before lines."""
    documents, number = [], 0
    for levels, left_out, size in flushes:
        first, number = number + 1, number + max(1, len(levels) + left_out)
        documents.append(log(first, number, *levels, text="ä" * (size // 2)))
    sent = list(joined(one for document in documents for one in messages_of(document, details=details)))
    covered = [one.body["covers"] for one in sent]
    assert [1] + [last + 1 for _, last in covered[:-1]] == [first for first, _ in covered]
    assert number == covered[-1][1]
    assert all(len(json.dumps(dict(one.body), ensure_ascii=False).encode()) <= MAX_MESSAGE_BYTES * 1.05 for one in sent)
    least = Level.DEBUG if details else Level.INFO
    expected = [
        line["number"] for document in documents for line in document.body["lines"] if Level(line["level"]).rank >= least.rank
    ]
    assert expected == [line["number"] for one in sent for line in one.body["lines"]]


def test_what_is_not_sent_is_covered_by_one_message_that_says_so() -> None:
    """So that readers know from where to where to read."""
    messages = [one for document in (log(1, 2, "info", "info"), variables(3, a=1)) for one in messages_of(document, details=True)]
    (instead,) = unsent([*messages, covering(messages[-1])])
    assert [1, 3] == instead.body["covers"]
    assert instead.body["size"] > 0
    assert "lines" not in instead.body
