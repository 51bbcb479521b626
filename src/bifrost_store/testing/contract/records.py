"""Fidelity: what is stored comes back equal, type for type, under any key."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.record import NEVER, Record
from bifrost_store.core.scope import GLOBAL
from bifrost_store.testing import record_strategies, strategies
from bifrost_store.testing.clock import START
from bifrost_store.testing.examples import config, config_of_json, execution, legacy_row, membership, user
from bifrost_store.testing.harness import StoreUnderTest
from bifrost_store.testing.strict import exact_json, exactly

pytestmark = pytest.mark.anyio


@given(record=record_strategies.records())
async def test_a_record_comes_back_equal(backend: Backend, record: Record) -> None:
    """A created record is returned, and read back, with every field equal, at revision 1 on a key never used."""
    created = await backend.create(record)
    read = await backend.get(record.key)
    try:
        assert read is not None
        assert exact_json(read.body) == exact_json(record.body)
        assert exact_json(read.extra) == exact_json(record.extra)
        assert read.expires_at == record.expires_at
        assert exactly(read) == exactly(created)
        assert read.etag == created.etag
        assert (read.backend, created.backend) == (backend.name, backend.name)
    finally:
        await backend.delete(record.key)


@given(pair=record_strategies.changes())
async def test_a_changed_record_comes_back_equal(backend: Backend, pair: tuple[Record, Record]) -> None:
    """Replacing keeps key and sort key, and stores the new body, extra columns and expiry whole."""
    record, wanted = pair
    created = await backend.create(record)
    try:
        replaced = await backend.replace(replace(wanted, sort_key=created.sort_key), created.etag)
        read = await backend.get(record.key)

        assert read is not None
        assert exactly(read) == exactly(replaced)
        assert exact_json(read.body) == exact_json(wanted.body)
        assert exact_json(read.extra) == exact_json(wanted.extra)
        assert (read.sort_key, read.expires_at) == (created.sort_key, wanted.expires_at)
        assert read.version.revision == created.version.revision + 1
    finally:
        await backend.delete(record.key)


@pytest.mark.parametrize("text", strategies.HOSTILE_TEXTS)
async def test_a_hostile_key_names_one_record(backend: Backend, text: str) -> None:
    """Any text of 1 to 128 characters is a key of its own: created, found, changed, listed and deleted exactly."""
    neighbours = [user(text), user(f"{text}x"[-128:]), user(f"x{text}"[:128])]
    neighbours = list({record.key: record for record in neighbours}.values())
    for record in neighbours:
        await backend.create(record)
    created = await backend.get(neighbours[0].key)
    assert created is not None
    await backend.replace(created, created.etag)

    assert await backend.delete(created.key) is not None
    assert await backend.get(created.key) is None
    for record in neighbours[1:]:
        read = await backend.get(record.key)
        assert read is not None
        assert exact_json(read.body) == exact_json(record.body)


@pytest.mark.parametrize("text", strategies.HOSTILE_TEXTS)
async def test_hostile_text_is_stored_as_it_is(backend: Backend, text: str) -> None:
    """A text is kept code point for code point in every field: no escape, cut, trim or normal form."""
    record = execution(
        workflowName=text, executedBy=text, formId=text, executedByName=text, errorMessage=text, inputData={text: text}
    )
    await backend.create(record)
    await backend.create(membership(text))

    read, member = await backend.get(record.key), await backend.get(membership(text).key)
    assert read is not None
    assert member is not None
    assert exact_json(read.body) == exact_json(record.body)
    assert exact_json(member.body) == exact_json(membership(text).body)


@given(value=strategies.json_values)
@settings(suppress_health_check=list(HealthCheck))
async def test_any_json_value_is_kept(backend: Backend, value: Any) -> None:
    """Any JSON value that Python holds comes back equal: big integers, -0.0, 1.0, empty containers, any Unicode."""
    record = config_of_json(value)
    await backend.delete(record.key)
    await backend.create(record)

    read = await backend.get(record.key)
    assert read is not None
    assert exact_json(read.body["value"]) == exact_json(value)


@pytest.mark.parametrize(
    "value", [1, 1.0, True, 0, 0.0, -0.0, False, None, "", "1", [], {}, [[]], [{}], {"": None}, 2**53 + 1, 10**400]
)
async def test_types_are_told_apart(backend: Backend, value: Any) -> None:
    """1 is not 1.0, 0.0 is not -0.0, True is not 1, an empty list is no empty object, and null is kept."""
    await backend.create(config_of_json(value))

    read = await backend.get(config_of_json(None).key)
    assert read is not None
    assert exact_json(read.body["value"]) == exact_json(value)


@pytest.mark.parametrize("microseconds", [0, 1, 999, 1000, 123456, 999999])
async def test_expiry_is_kept_to_the_microsecond(backend: Backend, microseconds: int) -> None:
    """An expiry comes back equal to the microsecond."""
    expires_at = START + timedelta(days=1, microseconds=microseconds)
    await backend.create(config(expires_at=expires_at))

    read = await backend.get(config().key)
    assert read is not None
    assert read.expires_at == expires_at


async def test_no_expiry_is_not_never(backend: Backend) -> None:
    """A record without an expiry (of the old application) stays apart from one that never expires."""
    await backend.create(config("a", expires_at=None))
    await backend.create(config("b", expires_at=NEVER))

    first, second = await backend.get(config("a").key), await backend.get(config("b").key)
    assert first is not None
    assert second is not None
    assert (first.expires_at, second.expires_at) == (None, NEVER)


@pytest.mark.parametrize("filler", ["x", "é", "🙂", '"', "\\", "\x00", "\u2028"])
async def test_the_longest_texts_are_kept(backend: Backend, filler: str) -> None:
    """A text as long as a column may be (32,768 UTF-16 units) comes back whole, whatever it is made of."""
    units = len(filler.encode("utf-16-le")) // 2
    text = filler * (32_768 // units)
    record = execution(errorMessage=text)
    await backend.create(record)

    read = await backend.get(record.key)
    assert read is not None
    assert read.body["errorMessage"] == text


async def test_the_largest_json_is_kept(backend: Backend) -> None:
    """A JSON value of 32,768 characters as text comes back whole, also where it is a text with characters to escape."""
    for value in ["é" * ((32_768 - 2) // 6), "🙂" * ((32_768 - 2) // 12), ["x" * 32_760]]:
        await backend.delete(config_of_json(None).key)
        await backend.create(config_of_json(value))

        read = await backend.get(config_of_json(None).key)
        assert read is not None
        assert read.body["value"] == value


@pytest.mark.parametrize("table", ["Entities", "Config", "AuditLog", "ExecutionLogs"])
async def test_a_row_that_no_kind_claims_is_carried(backend: Backend, table: str) -> None:
    """A legacy row is kept whole under table and keys, also in a table that this library does not know."""
    row = legacy_row("other:1", table=table, scope=GLOBAL, Text="x", Number={"type": "Edm.Int64", "value": "9007199254740993"})
    await backend.create(row)

    read = await backend.get(row.key)
    assert read is not None
    assert exact_json(read.body) == exact_json(row.body)


async def test_another_process_sees_what_is_stored(store: StoreUnderTest) -> None:
    """What a write returned is what a second handle on the store reads at once."""
    created = await store.backend.create(execution())
    async with store.open_another() as another:
        assert exactly(await another.get(created.key)) == exactly(created)
