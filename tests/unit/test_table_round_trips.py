"""What the tables hold is what they take back: any value, of any Edm type, in any column of any kind's rows."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from azure.data.tables._deserialize import _convert_to_entity
from azure.data.tables._serialize import _add_entity_properties
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.backends.table.account import Row, StoredRow
from bifrost_store.backends.table.columns import INTEGER, integer
from bifrost_store.backends.table.mappings import Mappings
from bifrost_store.backends.table.mappings.base import RowMapping
from bifrost_store.backends.table.mappings.stamps import marker_row, read_marker
from bifrost_store.core import record as record_module
from bifrost_store.core.clock import utc_now
from bifrost_store.core.json import canonical_json
from bifrost_store.core.record import Record
from bifrost_store.core.version import Version
from bifrost_store.documents import SPECS
from bifrost_store.errors import CorruptDocumentError
from bifrost_store.testing.examples import EXAMPLES
from bifrost_store.testing.model import ModelBackend
from bifrost_store.testing.record_strategies import records
from bifrost_store.wrappers.checked import CheckedBackend

MAPPINGS = Mappings(SPECS)
CHECKS = CheckedBackend(ModelBackend(clock=utc_now), SPECS)
ETAG = 'W/"1"'
TYPED = st.one_of(
    st.tuples(st.just("Edm.Int64"), st.integers(-(2**63), 2**63 - 1).map(str)),
    st.tuples(
        st.just("Edm.Double"),
        st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["NaN", "Infinity", "-Infinity"])),
    ),
    st.tuples(
        st.just("Edm.DateTime"),
        st.datetimes().map(lambda time: time.isoformat() + "1234567Z"[-2:] if time.microsecond else time.isoformat() + "Z"),
    ),
    st.tuples(st.just("Edm.Guid"), st.uuids().map(str)),
    st.tuples(st.just("Edm.Binary"), st.sampled_from(["", "AAEC", "/+8="])),
    st.tuples(st.just("Edm.Int32"), st.integers(-(2**31), 2**31 - 1)),
    st.tuples(st.just("Edm.Boolean"), st.booleans()),
    st.tuples(
        st.just("Edm.String"),
        st.one_of(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
            st.integers(-(2**70), 2**70).map(str),
            st.sampled_from(["true", "{}", "[1]", '{"a": 5000000000}', "2025-11-10T08:00:00", "5e9", "1.0", "  7 ", "NaN"]),
        ),
    ),
)
"""A value as the service's JSON has it, with its type."""


def read(rest: dict[str, Any]) -> Row:
    """Return the row as the SDK reads it."""
    return dict(_convert_to_entity(json.loads(json.dumps(rest))))  # type: ignore[no-untyped-call]


def sent(row: Row) -> dict[str, Any]:
    """Return the row as the SDK sends it."""
    properties: dict[str, Any] = _add_entity_properties(row)
    return json.loads(json.dumps(properties, allow_nan=False))  # type: ignore[no-any-return]


def decoded(mapping: RowMapping, record: Record, rests: list[dict[str, Any]]) -> Record | None:
    return mapping.merge(record.key, [StoredRow(read(rest), ETAG) for rest in rests])


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda record: record.key.kind)
@given(data=st.data())
def test_whatever_can_be_read_can_be_written(example: Record, data: st.DataObject) -> None:
    """A record that is read from rows with odd columns is one that every backend takes, and is read the same again."""
    mapping = MAPPINGS.by_kind[example.key.kind]
    rests = [sent(row) for row in mapping.encode(replace(example, version=Version(3, "a" * 32)))]
    names = sorted({name for rest in rests for name in rest if "@" not in name and name not in ("PartitionKey", "RowKey")})
    odd = data.draw(st.dictionaries(st.sampled_from([*names, "Extra", "More"]), TYPED, min_size=1, max_size=4))
    for name, (edm_type, value) in odd.items():
        for rest in rests:
            rest[name], rest[f"{name}@odata.type"] = value, edm_type
    try:
        found = decoded(mapping, example, rests)
    except CorruptDocumentError:
        return
    assert found is not None
    assert CHECKS.applicable(found).key == example.key
    newer = replace(found, version=Version(2**31 + 7, "b" * 32, 2**31))
    again = decoded(mapping, example, [sent(row) for row in mapping.encode(newer)])

    assert again is not None
    assert canonical_json(again.body) == canonical_json(found.body)
    assert canonical_json(again.extra) == canonical_json(found.extra)
    assert again.version == newer.version
    for row in mapping.index_rows(found):
        assert sent(row)
    marker = sent(marker_row(mapping, newer.tombstone(newer.version))) if mapping.has_marker else None
    if marker is not None:
        tombstone = read_marker(example.key, StoredRow(read(marker), ETAG)).tombstone
        assert tombstone is not None
        assert tombstone.version == newer.version


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda record: record.key.kind)
@given(data=st.data())
def test_a_seal_tells_what_the_digest_tells(example: Record, data: st.DataObject) -> None:
    """Rows of ours read the same as those of an earlier release, which had no seal, whatever was changed in them since."""
    mapping = MAPPINGS.by_kind[example.key.kind]
    rests = [sent(row) for row in mapping.encode(replace(example, version=Version(3, "a" * 32, 1)))]
    changed = data.draw(st.sampled_from(rests))
    names = [name for name in changed if "@" not in name and name not in ("PartitionKey", "RowKey", "BsSchema")]
    changes = data.draw(st.dictionaries(st.sampled_from([*names, "Extra", "etag"]), st.none() | TYPED, max_size=3))
    for name, change in changes.items():
        changed.pop(name, None)
        changed.pop(f"{name}@odata.type", None)
        if change is not None:
            changed[f"{name}@odata.type"], changed[name] = change

    assert _outcome(mapping, example, rests) == _outcome(mapping, example, [unsealed(rest) for rest in rests])


@given(record=records())
def test_a_sealed_row_reads_as_an_unsealed_one(record: Record) -> None:
    """Whatever record it holds: what is not checked again in a row that nobody wrote since is what checking it gives."""
    mapping = MAPPINGS.by_kind[record.key.kind]
    rests = [sent(row) for row in mapping.encode(replace(record, version=Version(3, "a" * 32, 1)))]
    read = decoded(mapping, record, rests)

    assert read is not None
    assert read == decoded(mapping, record, [unsealed(rest) for rest in rests])
    assert (canonical_json(read.body), canonical_json(read.extra)) == (canonical_json(record.body), canonical_json(record.extra))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda record: record.key.kind)
def test_a_sealed_row_keeps_what_shows_as_nothing(example: Record) -> None:
    """Of a row with any odd text in one column: what was read and written again is read the same, with a seal and without."""
    mapping = MAPPINGS.by_kind[example.key.kind]
    anchor, *others = [sent(row) for row in mapping.encode(replace(example, version=Version(3, "a" * 32)))]
    for name in [name for name in anchor if "@" not in name and name not in ("PartitionKey", "RowKey")]:
        for odd in ("", "[1]", "[]", "1", "null", '"{}"', "{", "{} ", "1e999", "Infinity", "2025-11-10", "true", "x"):
            changed = {**anchor, name: odd, f"{name}@odata.type": "Edm.String"}
            try:
                found = decoded(mapping, example, [changed, *others])
            except CorruptDocumentError:
                continue
            assert found is not None
            written = [sent(row) for row in mapping.encode(replace(found, version=Version(7, "b" * 32)))]
            again = decoded(mapping, example, written)
            assert again == decoded(mapping, example, [unsealed(rest) for rest in written]), (name, odd)
            assert again is not None
            assert (again.body, again.extra, again.version.revision) == (found.body, found.extra, 7), (name, odd)


def unsealed(rest: dict[str, Any]) -> dict[str, Any]:
    """Return the row as an earlier release left it."""
    return {**rest, "BsSchema": 1, "BsSchema@odata.type": "Edm.Int32"}


def _outcome(mapping: RowMapping, record: Record, rests: list[dict[str, Any]]) -> object:
    try:
        return decoded(mapping, record, rests)
    except CorruptDocumentError as error:
        return str(error)


@pytest.mark.parametrize(
    "example", [one for one in EXAMPLES if one.key.kind != "oauth_connection"], ids=lambda record: record.key.kind
)
def test_a_row_of_ours_is_read_without_a_digest(example: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every kind whose record is one row: its seal tells that nobody wrote it since."""
    mapping = MAPPINGS.by_kind[example.key.kind]
    rests = [sent(row) for row in mapping.encode(replace(example, version=Version(2**31, "a" * 32, 1)))]
    monkeypatch.setattr(record_module, "canonical_json", None)
    found = decoded(mapping, example, rests)

    assert found is not None
    assert found.version == Version(2**31, "a" * 32, 1)


@pytest.mark.parametrize("value", [0, -1, 2**31 - 1, 2**31, -(2**31) - 1, 5_000_000_000, 2**63 - 1, -(2**63), 2**63, 10**30])
def test_whole_numbers_of_any_size(value: int) -> None:
    """Beyond 32 bits they are Int64, beyond 64 text: each is read back as it was."""
    assert integer(read(sent({"x": INTEGER.encode(value)}))["x"]) == value
