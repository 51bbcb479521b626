"""JSON is read as Python's own parser reads it, by whichever parser."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bifrost_store.core.json import check_json, copy_parsed, dump_json, dump_stored, load_json, load_storable_json, measure_members
from bifrost_store.errors import InvalidRequestError


def _refuse(name: str) -> None:
    raise ValueError(name)


_PYTHON = json.JSONDecoder(parse_constant=_refuse)
_NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(), max_size=4), inner, max_size=4),
    max_leaves=12,
)
_TEXTS = _VALUES.flatmap(lambda value: st.sampled_from([json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)]))
_ODD = st.text('[]{}",:\\/u08dD eE+-.1tfnrulNaIy\n\x00\x7f\ufeff\ud800', max_size=12)


@st.composite
def _damaged(draw: st.DrawFn) -> str:
    text = draw(_TEXTS)
    place = draw(st.integers(0, len(text)))
    return text[:place] + draw(_ODD) + text[place + draw(st.integers(0, 2)) :]


def _outcome(load: Any, text: str) -> str:
    try:
        return repr(load(text))
    except (ValueError, InvalidRequestError):
        return "refused"


def _checked(text: str) -> Any:
    value = load_json(text)
    check_json(value, "value")
    return value


@given(_NUMBERS | _TEXTS | _ODD | _damaged())
@example("2.4703282292062328e-324")
@example("9007199254740993.0")
@example("-0")
@example("-0.0")
@example("1e400")
@example("9" * 4300)
@example("9" * 4301)
@example('"\\ud800"')
@example('"\ud800"')
@example('{"a":1,"b":2,"a":3}')
@example("[" * 100 + "]" * 100)
@example("[" * 101 + "]" * 101)
@example("[" * 300 + "]" * 300)
@example("NaN")
@example("\ufeff1")
def test_json_is_read_as_python_reads_it(text: str) -> None:
    """Every text means the same, type for type and in the same order, or is refused; so is what no backend keeps."""
    assert _outcome(_PYTHON.decode, text) == _outcome(load_json, text)
    assert _outcome(_checked, text) == _outcome(load_storable_json, text)


@given(_VALUES)
@example(1e22)
@example(-0.0)
@example(2**64)
@example("\ud800")
@example("\x00\x7f\u2028")
def test_what_is_stored_is_read_back(value: Any) -> None:
    """In whichever form it is stored."""
    assert repr(value) == repr(load_json(dump_stored(value)))


@given(st.dictionaries(st.text(max_size=4), _VALUES, max_size=6))
def test_an_object_is_not_longer_than_it_is_measured(members: dict[str, Any]) -> None:
    """As JSON in ASCII; what cannot be stored is refused by the name of its member."""
    try:
        most = measure_members(members)
    except InvalidRequestError as error:
        assert any(str(error).startswith(f"{name}: ") for name in members)
    else:
        assert len(dump_json(members)) <= most


def test_a_name_that_is_no_text_is_refused() -> None:
    """Nobody could read it back as it was."""
    members: dict[Any, Any] = {1: "one"}
    with pytest.raises(InvalidRequestError, match=r"^a name: an object's names must be text, not int$"):
        measure_members(members)


@given(_VALUES)
def test_a_copy_is_equal_and_shares_nothing(value: Any) -> None:
    """Whatever is changed in a copy leaves the original as it was."""
    before = json.dumps(value)
    copy = copy_parsed(value)
    assert before == json.dumps(copy)
    _empty(copy)
    assert before == json.dumps(value)


def _empty(value: Any) -> None:
    if isinstance(value, list | dict):
        for one in value.values() if isinstance(value, dict) else value:
            _empty(one)
        value.clear()
