"""`repositories.executions.payloads`: what is kept where, under which names, and how it reads back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.core.json import canonical_json, same_json
from bifrost_store.core.record import Body, Key, Record
from bifrost_store.core.scope import GLOBAL
from bifrost_store.documents.execution import PayloadName
from bifrost_store.errors import CorruptDocumentError, InvalidRequestError
from bifrost_store.protocols import Result
from bifrost_store.repositories.executions.payloads import (
    NO_PAYLOADS,
    Placement,
    all_todays_names,
    blob_name,
    blob_names,
    inline_result,
    is_in_blob,
    place_error,
    place_input,
    place_json,
    place_result,
    placed,
    read_payload,
    todays_name,
    todays_names,
)

NO_RESULT: Body = {"result": None, "resultType": None, "resultSize": None, "resultInBlob": False}
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def record_of(blobs: dict[str, Any], *placements: Placement, **fields: Any) -> Record:
    body = {"inputData": {}, "errorMessage": None, **NO_RESULT, "blobs": blobs, **fields}
    return Record(Key("execution", GLOBAL, "e-1"), placed(body, placements))


def read_back(placement: Placement, payload: PayloadName) -> Any:
    assert placement.blob is not None
    return read_payload(record_of({}, placement), payload, placement.blob.name, placement.blob.data)


def test_input_stays_in_the_record_up_to_the_length_of_a_column() -> None:
    """Input of 32,768 characters as JSON text is kept in the record, of one more in a blob."""
    fitting = {"a": "x" * (32_768 - len('{"a": ""}'))}

    at_limit, over = place_input("e-1", fitting), place_input("e-1", {"a": fitting["a"] + "x"})

    assert (fitting, None) == (at_limit.fields["inputData"], at_limit.blob)
    assert over.fields["inputData"] == {}
    assert {"a": fitting["a"] + "x"} == read_back(over, "input")


def test_input_is_measured_as_it_is_stored() -> None:
    """A letter beyond ASCII counts the six characters of its escape."""
    assert place_input("e-1", {"a": "é" * 6_000}).blob is not None


def test_an_error_that_fits_has_no_blob() -> None:
    """An error message is measured in UTF-16 units, 32,768 of which stay in the record."""
    for text in (None, "", "x" * 32_768, "\N{GRINNING FACE}" * 16_384):
        assert Placement("error", {"errorMessage": text}) == place_error("e-1", text)


@pytest.mark.parametrize(("text", "kept"), [("x" * 32_769, 32_768), ("x" + "\N{GRINNING FACE}" * 16_384, 1 + 16_383)])
def test_of_a_long_error_the_beginning_stays(text: str, kept: int) -> None:
    """The record keeps as many whole characters as fit, the blob all of them."""
    placement = place_error("e-1", text)

    assert text[:kept] == placement.fields["errorMessage"]
    assert text == read_back(placement, "error")


@pytest.mark.parametrize(
    ("value", "result_type", "kept_type", "size"),
    [
        ({}, None, "json", 2),
        ({"a": [1, 2.0]}, None, "json", 15),
        ({"a": "x" * (1_024 - 9)}, "json", "json", 1_024),
        ("", None, "text", 0),
        ("plain", None, "text", 5),
        ("é" * 512, None, "text", 1_024),
        (" <p>hi</p> ", None, "html", 11),
        ("<p>hi</p>", "text", "text", 9),
        ("plain", "html", "html", 5),
    ],
)
def test_small_objects_and_texts_are_results_in_the_record(value: Any, result_type: str, kept_type: str, size: int) -> None:
    """An object or a text of at most 1,024 bytes is kept inline, with its type and size."""
    placement = place_result("e-1", value, result_type)

    assert placement.blob is None
    assert {"result": value, "resultType": kept_type, "resultSize": size, "resultInBlob": False} == placement.fields
    assert Result(kept_type, value) == inline_result(record_of({}, placement))


@pytest.mark.parametrize(
    ("value", "result_type", "file"),
    [
        ([], None, "result.json"),
        ([1], None, "result.json"),
        (0, None, "result.json"),
        (1.0, "json", "result.json"),
        (False, None, "result.json"),
        ({"a": "x" * (1_024 - 8)}, None, "result.json"),
        ({"a": "é" * 200}, None, "result.json"),
        ("x" * 1_025, None, "result.txt"),
        ("é" * 513, None, "result.txt"),
        ("<p>" + "x" * 1_025, None, "result.html"),
        ("plain", "json", "result.json"),
        ("123", None, "result.txt"),
        (' {"a": 1} ', "text", "result.txt"),
        ("null", "html", "result.html"),
        ("NaN", None, "result.txt"),
        ("-Infinity", None, "result.txt"),
    ],
)
def test_other_results_go_to_blobs(value: Any, result_type: str | None, file: str) -> None:
    """What is large, or what the old application would misread inline, goes to a blob under today's file name."""
    placement = place_result("e-1", value, result_type)

    assert placement.blob is not None
    assert f"e-1/{file}" == todays_name(placement.blob)
    assert placement.fields["result"] is None
    assert placement.fields["resultInBlob"] is True
    assert len(placement.blob.data) == placement.fields["resultSize"]
    assert Result(placement.fields["resultType"], value) == read_back(placement, "result")


@given(JSON_VALUES.filter(lambda value: value is not None))
def test_every_result_reads_back_type_for_type(value: Any) -> None:
    """Any JSON value comes back equal, inline or from its blob, whatever its size."""
    placement = place_result("e-1", value, None)
    result = inline_result(record_of({}, placement)) if placement.blob is None else read_back(placement, "result")

    assert result is not None
    assert same_json(value, result.value)


@given(st.lists(JSON_VALUES), st.dictionaries(st.text(), JSON_VALUES))
def test_every_payload_reads_back_type_for_type(items: list[Any], values: dict[str, Any]) -> None:
    """Any list or object comes back equal from its blob, empty ones too."""
    assert same_json(items, read_back(place_json("e-1", "snapshot", items), "snapshot"))
    assert same_json(values, read_back(place_json("e-1", "variables", values), "variables"))


def test_json_blobs_look_as_today() -> None:
    """A JSON blob is indented by two and ASCII."""
    placement = place_json("e-1", "logs", [{"message": "Überspringe"}])

    assert placement.blob is not None
    assert json.dumps([{"message": "Überspringe"}], indent=2).encode() == placement.blob.data


def test_no_result_clears_what_was_there() -> None:
    """A result of None empties the fields, and says that there is none under today's names either."""
    before = record_of({}, place_result("e-1", [1], None))

    after = record_of(before.body["blobs"], place_result("e-1", None, None))

    assert NO_RESULT.items() <= after.body.items()
    assert after.body["blobs"] == {"result": None}
    assert not is_in_blob(after, "result")


@pytest.mark.parametrize(
    ("value", "result_type", "message"),
    [
        ([1], "text", "result"),
        ({}, "html", "result"),
        ("x", "pdf", "result_type"),
        (None, "pdf", "result_type"),
        (float("nan"), None, "result"),
        ([{"a": float("inf")}], None, "result"),
        ("\ud800", None, "result"),
        ((1,), None, "result"),
        ({1: 2}, None, "result"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(value: Any, result_type: str | None, message: str) -> None:
    """A result that no backend could give back equal, or that does not fit its type, is refused and the field is named."""
    with pytest.raises(InvalidRequestError, match=f"^{message}"):
        place_result("e-1", value, result_type)


def test_results_share_nothing_with_the_caller() -> None:
    """What the caller changes afterwards does not change what is stored."""
    value = {"a": [1]}
    placement = place_result("e-1", value, None)

    value["a"].append(2)

    assert placement.fields["result"] == {"a": [1]}


def test_names_are_unique_to_a_write() -> None:
    """Two writes of one payload never use one name; both end with today's file name."""
    one, other = (place_json("e-1", "logs", []).blob for _ in range(2))

    assert one is not None
    assert other is not None
    assert one.name != other.name
    assert one.name.split("/")[::2] == ["e-1", "logs.json"]
    assert todays_name(one) == "e-1/logs.json"


def test_input_and_error_have_no_name_of_today() -> None:
    """What the old application never put in blobs is not copied for it."""
    for placement in (place_input("e-1", {"a": "x" * 40_000}), place_error("e-1", "x" * 40_000)):
        assert placement.blob is not None
        assert todays_name(placement.blob) is None


def test_a_placement_replaces_only_its_own_name() -> None:
    """Other payloads' names stay; a short input or error after a long one leaves none."""
    before = record_of(dict(NO_PAYLOADS), place_error("e-1", "x" * 40_000), place_json("e-1", "logs", []))

    after = record_of(before.body["blobs"], place_error("e-1", "short"))

    assert blob_name(before, "logs") == blob_name(after, "logs")
    assert {blob_name(before, "logs")} == blob_names(after)


def test_todays_names_are_asked_only_where_the_old_application_may_have_written() -> None:
    """A record that names no payload may have it under today's names; one that says there is none has not."""
    old, new = record_of({}), record_of(dict(NO_PAYLOADS), place_json("e-1", "logs", []))

    assert todays_names(old, "result") == []
    assert todays_names(record_of({}, resultInBlob=True), "result") == ["e-1/result.json", "e-1/result.html", "e-1/result.txt"]
    assert todays_names(old, "snapshot") == ["e-1/snapshot.json"]
    assert todays_names(old, "input") == []
    assert all_todays_names(new) == {"e-1/logs.json": "logs"}


def test_a_result_of_the_old_application_is_inline_unless_it_says_otherwise() -> None:
    """A row without our names holds its result inline, with an inferred type; ``resultInBlob`` hides what is left there."""
    assert Result("html", "<p>") == inline_result(record_of({}, result="<p>"))
    assert inline_result(record_of({}, result="stale", resultInBlob=True)) is None
    assert is_in_blob(record_of({}, resultInBlob=True), "result")


@pytest.mark.parametrize(
    ("payload", "name", "data"),
    [
        ("logs", "e-1/logs.json", b"{}"),
        ("logs", "e-1/logs.json", b'[{"secret'),
        ("variables", "e-1/variables.json", b"[]"),
        ("snapshot", "e-1/snapshot.json", b"\xff"),
        ("result", "e-1/result.json", b"NaN"),
        ("result", "e-1/result.txt", b"\xff"),
        ("input", "e-1/w/input.json", b"1"),
    ],
)
def test_an_unreadable_blob_is_named_and_not_shown(payload: PayloadName, name: str, data: bytes) -> None:
    """A blob that holds the wrong thing raises CorruptDocumentError with its name and a remedy, without its content."""
    with pytest.raises(CorruptDocumentError, match=f"blob execution-data/{name} .* again") as caught:
        read_payload(record_of({}), payload, name, data)

    assert "secret" not in str(caught.value)


def test_equality_is_type_strict_and_blind_to_the_order_of_names() -> None:
    """1 is not 1.0 nor True, 0.0 is not -0.0; the order of an object's names does not count."""
    assert same_json({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert len({canonical_json({"v": value}) for value in (1, 1.0, True, 0.0, -0.0, "1", [1], None)}) == 8
