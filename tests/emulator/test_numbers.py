"""Numbers are IEEE doubles wherever they are stored, compared, counted and computed with.

The model is C's double, as `ctypes` and `struct` have it; texts are the ways in which clients write numbers.
"""

from __future__ import annotations

import json
import math
import operator
import struct
from collections.abc import Callable
from ctypes import c_double
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.emulator import numbers
from bifrost_store.emulator.wire import jsontext
from tests.emulator.sql.tables import run
from tests.emulator.support import QUERY, Wire
from tests.thorough import examples

DOCS = "/dbs/d/colls/c/docs"
ONE_NUMBER = [
    ("1", "1.0", "1e0", "10e-1", "0.1E1"),
    ("0", "-0", "-0.0", "0e5", "0.0"),
    ("9007199254740992", "9007199254740993", "9007199254740992.0", "9.007199254740993e15"),
    ("-9223372036854775807", "-9223372036854775808", "-9.223372036854775807E18"),
    ("18446744073709551615", "18446744073709551616", "1.8446744073709552e19"),
    ("0.1", "0.1000000000000000055511151231257827", "1e-1"),
    ("100", "1e2", "100.00"),
]
"""Ways to write one double."""

doubles = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**66), 2**66).map(float),
    st.integers(2**53 - 4, 2**53 + 4).map(float),
    st.sampled_from([0.0, -0.0, 1.0, -1.5, 5e-324, 1.7976931348623157e308, 2.0**63, -(2.0**63)]),
)


def texts(double: float) -> list[str]:
    """Return texts that all mean *double* in JSON."""
    found = [repr(double), f"{double:.17e}", f"{double:.25g}"]
    if double.is_integer() and abs(double) < 1e20:
        found.append(str(int(double)))
    return found


@given(doubles)
def test_one_double_is_one_value_and_one_text(double: float) -> None:
    """However a double is written, it is held alike and written alike; what comes out is the double that went in."""
    held = [numbers.read(text) for text in texts(double)]
    assert {(type(one), one) for one in held} == {(type(held[0]), held[0])}
    written = {jsontext.dump(one) for one in held}
    assert len(written) == 1
    assert float(written.pop()) == double


@given(st.lists(doubles, min_size=1, max_size=4))
def test_writing_and_reading_again_changes_nothing(several: list[float]) -> None:
    """What was stored reads back as it was held, by any reader of JSON."""
    held = [numbers.number(double) for double in several]
    text = jsontext.dump(held)
    assert [(type(one), one) for one in json.loads(text)] == [(type(one), one) for one in held]
    assert jsontext.dump(jsontext.load(text.encode())) == text


def _c(compute: Callable[[float, float], float]) -> Callable[[float, float], float]:
    def computed(left: float, right: float) -> float:
        return c_double(compute(c_double(left).value, c_double(right).value)).value

    return computed


def _divided(left: float, right: float) -> float:
    if right:
        return left / right
    return math.nan if not left else math.copysign(math.inf, left)


MODEL: dict[str, Callable[[float, float], Any]] = {
    "+": _c(operator.add),
    "-": _c(operator.sub),
    "*": _c(operator.mul),
    "/": _divided,
    "%": lambda left, right: math.fmod(left, right) if right else math.nan,
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@examples(300)
@given(doubles, st.sampled_from(sorted(MODEL)), doubles)
def test_operators_are_those_of_doubles(left: float, symbol: str, right: float) -> None:
    """Every operator gives what C gives for two doubles, with parameters as with properties."""
    item = jsontext.load(jsontext_of({"l": left, "r": right}))
    (found,) = run(f"SELECT VALUE c.l {symbol} c.r FROM c", [item])
    (by_parameters,) = run(f"SELECT VALUE @l {symbol} @r", (), {"@l": item["l"], "@r": item["r"]})
    wanted = MODEL[symbol](left + 0.0, right + 0.0)
    assert same(found, wanted)
    assert same(by_parameters, wanted)


def jsontext_of(value: Any) -> bytes:
    """Return JSON as a client of Python writes it."""
    return json.dumps(value).encode()


def same(found: Any, wanted: Any) -> bool:
    """Tell whether two values are the same bits; zero has no sign."""
    if isinstance(wanted, bool):
        return found is wanted
    return struct.pack(">d", float(found) + 0.0) == struct.pack(">d", wanted + 0.0) or (math.isnan(found) and math.isnan(wanted))


@examples(150)
@given(st.lists(doubles, min_size=1, max_size=6))
def test_aggregates_are_those_of_doubles(several: list[float]) -> None:
    """SUM adds up one by one with rounding, AVG divides that, MIN and MAX, DISTINCT and GROUP BY compare doubles."""
    items = [jsontext.load(jsontext_of({"n": double})) for double in several]
    total = 0.0
    for double in several:
        total += double
    (found,) = run("SELECT SUM(c.n) AS s, AVG(c.n) AS a, MIN(c.n) AS low, MAX(c.n) AS high FROM c", items)
    assert same(found["s"], total)
    assert same(found["a"], total / len(several))
    assert (found["low"], found["high"]) == (min(several), max(several))
    assert sorted(run("SELECT DISTINCT VALUE c.n FROM c", items)) == sorted(set(several))
    assert len(run("SELECT VALUE COUNT(1) FROM c GROUP BY c.n", items)) == len(set(several))
    assert [float(one) for one in run("SELECT VALUE c.n FROM c ORDER BY c.n", items)] == sorted(several)


@pytest.mark.parametrize("spellings", ONE_NUMBER)
def test_spellings_are_one_number_to_the_server(wire: Wire, spellings: tuple[str, ...]) -> None:
    """Stored text, filters by literal and parameter, GROUP BY, DISTINCT and ToString know one number, however it was written."""
    wire.make_container()
    for place, spelling in enumerate(spellings):
        body = f'{{"id":"{place}","pk":"k","n":{spelling},"deep":[{{"n":{spelling}}}]}}'.encode()
        assert wire.send("POST", DOCS, body, key=["k"]).status == 201
    found = wire.send("GET", DOCS, key=["k"]).body.decode()
    written = {part.split(",", 1)[0] for part in found.split('"pk":"k","n":')[1:]}
    assert len(written) == 1
    assert float(written.pop()) == float(spellings[0])
    for spelling in spellings:
        literal = f"SELECT VALUE COUNT(1) FROM c WHERE c.n = {spelling} AND c.deep = [{{'n': {spelling}}}]"
        assert wire.query(literal, key=["k"]).json["Documents"] == [len(spellings)]
        query = f'{{"query":"SELECT VALUE COUNT(1) FROM c WHERE c.n = @n","parameters":[{{"name":"@n","value":{spelling}}}]}}'
        answer = wire.send("POST", DOCS, query.encode(), QUERY, key=["k"])
        assert answer.json["Documents"] == [len(spellings)]
    for text in ("SELECT DISTINCT VALUE c.n FROM c", "SELECT c.n FROM c GROUP BY c.n", "SELECT DISTINCT ToString(c.n) FROM c"):
        assert len(wire.query(text, key=["k"]).json["Documents"]) == 1


@pytest.mark.parametrize("spellings", ONE_NUMBER)
def test_spellings_are_one_key(wire: Wire, spellings: tuple[str, ...]) -> None:
    """As a partition key and as a unique key, they are one value too."""
    wire.make_container({"uniqueKeyPolicy": {"uniqueKeys": [{"paths": ["/n"]}]}})
    first, *others = spellings
    for spelling in spellings:
        body = f'{{"id":"a{spelling}","pk":{first},"n":{spelling}}}'.encode()
        headers = {"x-ms-documentdb-partitionkey": f"[{spelling}]"}
        assert wire.send("POST", DOCS, body, headers).status == (201 if spelling == first else 409)
    for spelling in others:
        headers = {"x-ms-documentdb-partitionkey": f"[{spelling}]"}
        assert wire.send("GET", f"{DOCS}/a{first}", headers=headers).status == 200


def test_increments_round(wire: Wire) -> None:
    """An increment adds doubles: beyond 2^53 one more may be none more; a sum without a double is refused."""
    wire.make_container()
    wire.create({"id": "a", "pk": "k", "n": 2**53, "big": 1.7e308})
    for value, wanted in ((1, 2**53), (2, 2**53 + 2), (0.5, 2**53 + 2), (-(2**53), 2), (0.5, 2.5), (0.5, 3)):
        answer = wire.send("PATCH", f"{DOCS}/a", {"operations": [{"op": "incr", "path": "/n", "value": value}]}, key=["k"])
        assert (answer.status, answer.json["n"]) == (200, wanted)
        assert f'"n":{wanted},' in answer.body.decode()
    overflow = {"operations": [{"op": "incr", "path": "/big", "value": 1.7e308}]}
    assert wire.send("PATCH", f"{DOCS}/a", overflow, key=["k"]).status == 400


@pytest.mark.parametrize("expression", ["c.x / c.z", "LOG(c.z)", "[1, {'a': NaN}]", "-Infinity", "POWER(10, 400)", "SQRT(-1)"])
def test_an_answer_that_is_not_finite(wire: Wire, expression: str) -> None:
    """JSON has no NaN and no infinity, so that an answer that would hold one is 400/4001; conditions may."""
    wire.make_container()
    wire.create({"id": "a", "pk": "k", "x": 5, "z": 0})
    answer = wire.query(f"SELECT VALUE {expression} FROM c", key=["k"])
    assert (answer.status, answer.sub_status) == (400, 4001)
    answer = wire.query(f"SELECT VALUE ToString({expression}) != 'x' FROM c WHERE IS_DEFINED({expression})", key=["k"])
    assert answer.json["Documents"] == [True]
