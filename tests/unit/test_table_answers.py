"""Rows that are taken out of answers are those that the SDK would have read; what is left to it, it reads whole."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from azure.data.tables._deserialize import _convert_to_entity
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.backends.table.answers import Answer
from tests.unit.test_table_round_trips import TYPED

ETAG = 'W/"1"'
KEYS = {"odata.etag": ETAG, "PartitionKey": "p", "RowKey": "r", "Timestamp": "2025-11-10T08:00:00.1234567Z"}
UNTYPED = ("Edm.String", "Edm.Boolean", "Edm.Int32")


@dataclass
class Received:
    """An answer as the SDK's transport has it."""

    body: str
    status_code: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Length": "1"})

    def text(self, encoding: str | None = None) -> str:
        return self.body


@dataclass
class Request:
    """What was asked."""

    method: str = "GET"


@dataclass
class Response:
    """What the SDK's hooks are given."""

    http_response: Received
    http_request: Request = field(default_factory=Request)


def answered(body: Any, *, is_page: bool = True, status_code: int = 200) -> tuple[list[Any] | None, Any]:
    """Return what was taken of *body*, and what is left to the SDK."""
    received = Received(body if isinstance(body, str) else json.dumps(body), status_code)
    answer = Answer(is_page=is_page)
    answer.take(Response(received))
    return answer.rows, received.text("utf-8")


@given(st.dictionaries(st.from_regex("[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True), TYPED, max_size=6))
def test_a_row_is_what_the_sdk_reads(columns: dict[str, tuple[str, Any]]) -> None:
    """Value for value and type for type, whether it is taken, which a row without named types is, or left."""
    row = dict(KEYS)
    for name, (edm_type, value) in columns.items():
        row[name] = value
        if edm_type not in UNTYPED:
            row[f"{name}@odata.type"] = edm_type
    expected = _convert_to_entity(json.loads(json.dumps(row)))  # type: ignore[no-untyped-call]

    for is_page in (True, False):
        taken, left = answered({"value": [row]} if is_page else row, is_page=is_page)
        if taken is None:
            assert any(edm_type not in UNTYPED for edm_type, _ in columns.values())
            assert json.loads(left) == ({"value": [row]} if is_page else row)
        else:
            ((read, etag),) = taken
            assert read == dict(expected)
            assert {name: type(value) for name, value in read.items()} == {n: type(v) for n, v in expected.items()}
            assert etag == expected.metadata["etag"]
            assert json.loads(left) == {"value": []}


@pytest.mark.parametrize(
    "body",
    [
        "no JSON",
        "[]",
        "[" * 100_000,
        {},
        {"value": None},
        {"value": [None]},
        {"value": [{**KEYS, "RowKey": 1}]},
        {"value": [{"PartitionKey": "p", "RowKey": "r"}]},
        {"value": [{**KEYS, "Large": 2**31}]},
        {"value": [{**KEYS, "Deep": {"a": []}}]},
        {"value": [{**KEYS, "odata.type": "account.Entities"}]},
        {"value": [KEYS, {**KEYS, "N": "1", "N@odata.type": "Edm.Int64"}]},
    ],
    ids=lambda body: str(body)[:60],
)
def test_other_answers_are_left_as_they_are(body: Any) -> None:
    """What is no page of plain rows is the SDK's to read, or to refuse."""
    taken, left = answered(body)

    assert taken is None
    assert left == (body if isinstance(body, str) else json.dumps(body))


def test_errors_are_left() -> None:
    """Only from a success are rows taken, and after a failed attempt those of the next one."""
    failed, succeeded = Received(json.dumps({"value": [KEYS]}), 503), Received(json.dumps({"value": [KEYS]}))
    answer = Answer(is_page=True)

    answer.take(Response(succeeded))
    assert answer.rows
    answer.take(Response(failed))
    assert [None] == [answer.rows]
    assert json.loads(failed.text()) == {"value": [KEYS]}


def test_a_page_without_rows_is_taken() -> None:
    """No rows are an answer too: the SDK need not read it again."""
    assert answered({"odata.metadata": "x", "value": []})[0] == []
