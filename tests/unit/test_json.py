"""JSON is read as Python's own parser reads it, by whichever parser."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from bifrost_store.core.json import copy_parsed, load_json


def _refuse(name: str) -> None:
    raise ValueError(name)


_PYTHON = json.JSONDecoder(parse_constant=_refuse)
_NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(), max_size=8),
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
    except ValueError:
        return "no JSON"


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
@example("[" * 99 + "]" * 99)
@example("[" * 300 + "]" * 300)
@example("NaN")
@example("\ufeff1")
def test_json_is_read_as_python_reads_it(text: str) -> None:
    """Every text means the same, type for type and in the same order, or is refused."""
    assert _outcome(_PYTHON.decode, text) == _outcome(load_json, text)


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
