"""Bad input: refused alike on every backend, naming the field and the rule, before anything is written."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import pytest

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.operations import Apply, Create
from bifrost_store.core.query import Eq, In, Query, Range
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import GLOBAL, SYSTEM, Scope
from bifrost_store.core.version import Etag, Version, new_write_id
from bifrost_store.errors import DocumentTooLargeError, InvalidKeyError, InvalidRequestError, PreconditionFailedError
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.examples import ORGANIZATION, changed, config, config_of_json, execution, legacy_row, organization, user
from bifrost_store.testing.strategies import nested
from bifrost_store.testing.strict import exactly

pytestmark = pytest.mark.anyio

_MARKER: Final = "s3cr3t-content"
"""Stands in refused documents; no error may show it."""


def _renamed(record: Record, record_id: str) -> Record:
    return replace(record, key=replace(record.key, id=record_id))


def _of_another(record: Record, field: str, value: Any = _MARKER) -> Record:
    return record.with_body({**record.body, field: value})


def _of_json(value: Any) -> Record:
    return config_of_json([_MARKER, value])


def _self_containing() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


_RECORDS: Final[dict[str, tuple[Record, type[InvalidRequestError], str]]] = {
    "unknown kind": (replace(config(), key=Key("gadget", GLOBAL, "x")), InvalidRequestError, "gadget"),
    "user in an organization": (replace(user(), key=Key("user", ORGANIZATION, "x")), InvalidKeyError, "org-o-1"),
    "organization in another": (replace(organization(), key=Key("organization", ORGANIZATION, "x")), InvalidKeyError, "org-o-1"),
    "membership in GLOBAL": (replace(config(), key=Key("membership", GLOBAL, "x")), InvalidKeyError, "GLOBAL"),
    "config in SYSTEM": (config(scope=SYSTEM), InvalidKeyError, "SYSTEM"),
    "execution in SYSTEM": (execution(scope=SYSTEM), InvalidKeyError, "SYSTEM"),
    "empty id": (_renamed(config(), ""), InvalidKeyError, "config key"),
    "long id": (_renamed(config(), "x" * 129), InvalidKeyError, "128"),
    "long e-mail": (_renamed(user(), "🙂" * 129), InvalidKeyError, "128"),
    "surrogate in an id": (_renamed(config(), "a\ud800"), InvalidKeyError, "surrogate"),
    "OAuth key": (_renamed(config(), "oauth_x_metadata"), InvalidKeyError, "OAuth"),
    "OAuth key with a line break": (_renamed(config(), "oauth_a\nb_client_secret"), InvalidKeyError, "OAuth"),
    "slash in an execution id": (_renamed(execution(), "a/b"), InvalidKeyError, "execution id"),
    "line break after an execution id": (_renamed(execution(), "e-1\n"), InvalidKeyError, "execution id"),
    "long execution id": (_renamed(execution(), "x" * 65), InvalidKeyError, "64"),
    "other digits in an execution id": (_renamed(execution(), "e-٣"), InvalidKeyError, "execution id"),
    "reserved organization id": (organization("GLOBAL"), InvalidKeyError, "organization id"),
    "long organization id": (organization("x" * 37), InvalidKeyError, "organization id"),
    "legacy row without keys": (_renamed(legacy_row(), "Entities"), InvalidKeyError, "legacy row id"),
    "surrogate in a legacy row id": (legacy_row("\ud800"), InvalidKeyError, "legacy row id"),
    "character that no row key may have": (legacy_row("a#b"), InvalidKeyError, "legacy row id"),
    "row key that is too long": (legacy_row("x" * 513), InvalidKeyError, "legacy row id"),
    "missing field": (config().with_body({"key": "theme"}), InvalidRequestError, "configType"),
    "unknown field": (config().with_body({**config().body, "colour": _MARKER}), InvalidRequestError, "colour"),
    "another id in a config": (_of_another(config(), "key"), InvalidRequestError, "key"),
    "another id in a run": (_of_another(execution(), "executionId"), InvalidRequestError, "executionId"),
    "a number for the id of a run": (_of_another(execution(), "executionId", 2**53), InvalidRequestError, "executionId"),
    "NaN": (_of_json(math.nan), InvalidRequestError, "value"),
    "Infinity": (_of_json(-math.inf), InvalidRequestError, "value"),
    "lone surrogate": (_of_json("\udfff"), InvalidRequestError, "value"),
    "lone surrogate as a name": (_of_json({"\ud83d": 1}), InvalidRequestError, "value"),
    "number as a name": (_of_json({1: 1}), InvalidRequestError, "value"),
    "tuple": (_of_json((1, 2)), InvalidRequestError, "value"),
    "bytes": (_of_json(b"x"), InvalidRequestError, "value"),
    "date": (_of_json(datetime(2025, 1, 1)), InvalidRequestError, "value"),  # noqa: DTZ001
    "set": (_of_json({"x"}), InvalidRequestError, "value"),
    "nested too deeply": (config_of_json(nested(1, 101)), InvalidRequestError, "value"),
    "nested for ever": (config_of_json(_self_containing()), InvalidRequestError, "value"),
    "integer of 4,301 digits": (_of_json(10**4300), InvalidRequestError, "value"),
    "text of 32,769 units": (execution(errorMessage="x" * 32_769), DocumentTooLargeError, "errorMessage"),
    "emoji of 32,769 units": (execution(errorMessage="🙂" * 16_384 + "x"), DocumentTooLargeError, "errorMessage"),
    "JSON of 32,769 characters": (config_of_json(["x" * 32_765]), DocumentTooLargeError, "value"),
    "JSON text that is longer once escaped": (config_of_json("é" * 32_000), DocumentTooLargeError, "value"),
    "extra column of 32,769 units": (replace(config(), extra={"X": "x" * 32_769}), DocumentTooLargeError, "X"),
    "record over 400,000 units": (
        replace(config(), extra={f"X{number}": "x" * 32_000 for number in range(13)}),
        DocumentTooLargeError,
        "400000",
    ),
    "NaN in an extra column": (replace(config(), extra={"X": math.nan}), InvalidRequestError, "extra"),
    "extra column that no table could hold": (replace(config(), extra={"X": [1]}), InvalidRequestError, "extra"),
    "naive expiry": (config(expires_at=datetime(2026, 1, 1)), InvalidRequestError, "expiresAt"),  # noqa: DTZ001
    "sort key beyond ASCII": (replace(config(), sort_key="é"), InvalidRequestError, "sortKey"),
}


@pytest.mark.parametrize("case", _RECORDS)
async def test_bad_records_are_refused(backend: Backend, case: str) -> None:
    """Every way to write refuses a bad record with the same error, which names the field and shows no content."""
    record, expected, named = _RECORDS[case]
    version = Version(3, new_write_id())
    for call in (
        lambda: backend.create(record),
        lambda: backend.replace(record, Etag(version)),
        lambda: backend.apply(replace(record, version=version)),
        lambda: backend.batch([Create(record)]),
        lambda: backend.batch([Apply(replace(record, version=version))]),
    ):
        with pytest.raises(InvalidRequestError) as caught:
            await call()
        assert type(caught.value) is expected
        assert named in str(caught.value)
        assert _MARKER not in str(caught.value) + repr(caught.value)
        assert caught.value.is_retryable is False
    assert await everything(backend) == {}


@pytest.mark.parametrize("case", [case for case, (_, kind, _) in _RECORDS.items() if kind is InvalidKeyError])
async def test_bad_keys_are_refused(backend: Backend, case: str) -> None:
    """Get and delete refuse a bad key as the writes do."""
    key = _RECORDS[case][0].key
    with pytest.raises(InvalidKeyError):
        await backend.get(key)
    with pytest.raises(InvalidKeyError):
        await backend.delete(key)
    with pytest.raises(InvalidKeyError):
        await backend.apply(Record(key, {}, version=Version(1, new_write_id()), is_tombstone=True))


async def test_a_bad_fallback_is_refused(backend: Backend) -> None:
    """A kind cannot fall back to a scope where it cannot live."""
    with pytest.raises(InvalidKeyError):
        await backend.get(config().key, fallback=SYSTEM)


@pytest.mark.parametrize(
    "text", ["", "GLOBAL ", "global", "org-", "o-1", "org-a/b", "org-é", "org-x\n", "org-" + "x" * 37, "org-GLOBAL", "ORG-x"]
)
def test_bad_scopes_are_refused(text: str) -> None:
    """A scope is GLOBAL, SYSTEM or org- and an organization's id; anything else is an InvalidKeyError that names it."""
    with pytest.raises(InvalidKeyError, match="scope"):
        Scope(text)


@pytest.mark.parametrize(
    "query",
    [
        Query("gadget", GLOBAL),
        Query("user", ORGANIZATION),
        Query("execution", SYSTEM),
        Query("execution", ORGANIZATION, limit=0),
        Query("execution", ORGANIZATION, limit=501),
        Query("execution", ORGANIZATION, limit=-1),
        Query("execution", ORGANIZATION, (Eq("inputData", "x"),)),
        Query("execution", ORGANIZATION, (Eq("status' or 1 eq 1", "x"),)),
        Query("execution", ORGANIZATION, (In("status", ()),)),
        Query("execution", ORGANIZATION, (In("status", tuple(str(number) for number in range(101))),)),
        Query("execution", ORGANIZATION, (Eq("status", "\ud800"),)),
        Query("execution", ORGANIZATION, (In("status", ("a", "\ud800")),)),
        Query("execution", ORGANIZATION, (Range("startedAt", "\ud800", None),)),
    ],
    ids=range(13),
)
async def test_bad_queries_are_refused(backend: Backend, query: Query) -> None:
    """Unknown kinds, fields and scopes, limits beside 1 to 500, and filters that no backend can send are refused."""
    with pytest.raises(InvalidRequestError) as caught:
        await backend.query(query)
    assert str(caught.value)


async def test_bad_aggregates_are_refused(backend: Backend) -> None:
    """Only declared fields can be grouped by and summed."""
    query = Query("execution", ORGANIZATION)
    with pytest.raises(InvalidRequestError, match="inputData"):
        await backend.aggregate(query, group_by=("inputData",))
    with pytest.raises(InvalidRequestError, match="x'y"):
        await backend.aggregate(query, sum_of=("x'y",))
    with pytest.raises(InvalidRequestError, match="gadget"):
        await backend.purge_expired(kind="gadget")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "1",
        "0." + "a" * 32,
        "1." + "A" * 32,
        "1." + "a" * 31,
        "1." + "a" * 32 + ";table=é",
        "1." + "a" * 32 + ";x",
        "\ud800",
    ],
)
def test_bad_etags_are_refused(text: str) -> None:
    """What is no etag of this library is an InvalidRequestError."""
    with pytest.raises(InvalidRequestError, match="etag"):
        Etag.parse(text)


async def test_forged_hints_do_no_harm(backend: Backend) -> None:
    """An etag whose hint was forged is refused or judged by its version; it never writes over another state."""
    created = await backend.create(config())
    await backend.replace(changed(created, value="light"), created.etag)
    for native in ("", "x", "|||", "*", "|never|0|*", "||0|*", "||0|"):
        forged = Etag(created.version, backend.name, native)
        with pytest.raises((InvalidRequestError, PreconditionFailedError)):
            await backend.replace(changed(created, value="forged"), forged)
        stored = await backend.get(created.key)
        assert stored is not None
        assert stored.body["value"] == "light", native


class _Text(str):
    """As `markupsafe.Markup` or a member of a `StrEnum` is."""

    __slots__ = ()


async def test_what_inherits_from_text_is_text(backend: Backend) -> None:
    """In keys, fields and filters: stored as text, found by it, and by its like."""
    stored = execution(1, workflowName=_Text("nightly"), executedBy=_Text("a@b.co"))
    stored = await backend.create(replace(stored, key=replace(stored.key, id=_Text(stored.key.id))))
    key = replace(stored.key, id=_Text(stored.key.id))
    found = await backend.get(key)
    assert exactly(stored) == exactly(found) == exactly(await backend.stored(key))
    for text in (_Text("nightly"), "nightly"):
        for condition in (Eq("workflowName", text), In("workflowName", (text,)), Range("workflowName", text, None)):
            page = await backend.query(Query("execution", ORGANIZATION, (condition,)))
            assert [exactly(stored)] == [exactly(record) for record in page]
    groups = await backend.aggregate(Query("execution", ORGANIZATION, (Eq("executedBy", _Text("a@b.co")),)))
    assert [1] == [group.count for group in groups]
    assert found is not None
    await backend.replace(changed(found, workflowName=_Text("daily")), found.etag)
    assert await backend.delete(key) is not None
    assert await backend.get(stored.key) is None
