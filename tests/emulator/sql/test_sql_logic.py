"""Comparisons, three-valued logic, arithmetic and the other operators, by table."""

from __future__ import annotations

from typing import Any

import pytest

from bifrost_store.emulator.numbers import INFINITY, NAN
from tests.emulator.sql.tables import run, value

UNDEFINED_ROWS: list[Any] = []

COMPARISONS: list[tuple[str, list[Any]]] = [
    ("1 = 1", [True]),
    ("1 = 1.0", [True]),
    ("1 = '1'", []),
    ("1 != '1'", []),
    ("1 = true", []),
    ("0 = false", []),
    ("null = null", [True]),
    ("null != null", [False]),
    ("null = 0", []),
    ("undefined = undefined", []),
    ("undefined != undefined", []),
    ("undefined != 1", []),
    ("null = undefined", []),
    ("'a' = 'A'", [False]),
    ("'a' < 'b'", [True]),
    ("'Z' < 'a'", [True]),
    ("'a' < 1", []),
    ("true > false", [True]),
    ("true <= true", [True]),
    ("null <= null", [True]),
    ("null < null", [False]),
    ("null < 1", []),
    ("[1, 2] = [1, 2]", [True]),
    ("[1, 2] = [2, 1]", [False]),
    ("[1] = ['1']", [False]),
    ("[1] = [true]", [False]),
    ("{'a': 0} = {'a': false}", [False]),
    ("[1] < [2]", []),
    ("[1] <= [1]", []),
    ("[1] = {}", []),
    ("{'a': 1, 'b': 2} = {'b': 2, 'a': 1}", [True]),
    ("{'a': 1} != {'a': 2}", [True]),
    ("{'a': 1} < {'a': 2}", []),
    ("{'a': [1, {'b': null}]} = {'a': [1, {'b': null}]}", [True]),
    ("1 <> 2", [True]),
    ("2 >= 1.5", [True]),
    ("1 < 2 = true", [True]),
]

LOGIC: list[tuple[str, list[Any]]] = [
    ("true AND true", [True]),
    ("true AND false", [False]),
    ("false AND undefined", [False]),
    ("undefined AND false", [False]),
    ("undefined AND true", []),
    ("true OR undefined", [True]),
    ("undefined OR true", [True]),
    ("undefined OR false", []),
    ("false OR false", [False]),
    ("null OR false", []),
    ("null AND true", []),
    ("1 AND true", []),
    ("'x' OR true", [True]),
    ("NOT true", [False]),
    ("NOT undefined", []),
    ("NOT null", []),
    ("NOT 1", []),
    ("NOT NOT true", [True]),
    ("NOT true = false", [True]),
    ("NOT 1 = 2", []),  # as in Microsoft's grammar NOT binds to the 1
    ("NOT (1 = 2)", [True]),
    ("true OR true AND false", [True]),
    ("(true OR true) AND false", [False]),
    ("1 = 2 OR 2 = 2 AND 3 = 3", [True]),
]

RANGES: list[tuple[str, list[Any]]] = [
    ("2 BETWEEN 1 AND 3", [True]),
    ("1 BETWEEN 1 AND 1", [True]),
    ("4 BETWEEN 1 AND 3", [False]),
    ("2 NOT BETWEEN 1 AND 3", [False]),
    ("2 BETWEEN 3 AND 1", [False]),
    ("'b' BETWEEN 'a' AND 'c'", [True]),
    ("'2' BETWEEN 1 AND 3", []),
    ("undefined BETWEEN 1 AND 3", []),
    ("9 BETWEEN 'a' AND 3", [False]),
    ("2 BETWEEN 1 AND 3 AND true", [True]),
    ("2 + 1 BETWEEN 1 + 1 AND 3", [True]),
    ("1 IN (1, 2)", [True]),
    ("3 IN (1, 2)", [False]),
    ("3 NOT IN (1, 2)", [True]),
    ("'1' IN (1, 2)", []),
    ("'1' NOT IN (1, 2)", []),
    ("1 IN ('x', 1)", [True]),
    ("2 IN ('x', 1)", []),
    ("true IN (1)", []),
    ("true IN (true, 1)", [True]),
    ("null IN (null)", [True]),
    ("undefined IN (undefined)", []),
    ("1 IN (undefined, 1)", [True]),
    ("2 IN (undefined, 1)", []),
    ("[1] IN ([1], [2])", [True]),
    ("1.0 IN (1)", [True]),
]

LIKES: list[tuple[str, list[Any]]] = [
    ("'abc' LIKE 'abc'", [True]),
    ("'abc' LIKE 'a%'", [True]),
    ("'abc' LIKE '%c'", [True]),
    ("'abc' LIKE '%b%'", [True]),
    ("'abc' LIKE '%%b%%'", [True]),
    ("'abc' LIKE 'a_c'", [True]),
    ("'abc' LIKE 'a_'", [False]),
    ("'abc' LIKE 'A%'", [False]),
    ("'' LIKE '%'", [True]),
    ("'aba' LIKE '%a%b%'", [True]),
    ("'ab' LIKE '%b%a%'", [False]),
    ("'aXbXc' LIKE 'a%X%c'", [True]),
    ("'aab' LIKE '%ab'", [True]),
    ("'abab' LIKE '%ab'", [True]),
    ("'a\\nb' LIKE 'a%b'", [True]),
    ("'a\\nb' LIKE 'a_b'", [True]),
    ("'SOtPS' LIKE '%SO[t-z]PS%'", [True]),
    ("'SOaPS' LIKE '%SO[t-z]PS%'", [False]),
    ("'SOaPS' LIKE '%SO[^t-z]PS%'", [True]),
    ("'20-30%' LIKE '20-30[%]'", [True]),
    ("'20-300' LIKE '20-30[%]'", [False]),
    ("'_n' LIKE '[_]n'", [True]),
    ("'[' LIKE '[[]'", [True]),
    ("']' LIKE ']'", [True]),
    ("'20%' LIKE '%20^%%' ESCAPE '^'", [True]),
    ("'20x' LIKE '%20^%%' ESCAPE '^'", [False]),
    ("'a.c' LIKE 'a.c'", [True]),
    ("'abc' LIKE 'a.c'", [False]),
    ("'abc' NOT LIKE 'x%'", [True]),
    ("1 LIKE '1'", []),
    ("'1' LIKE 1", []),
    ("undefined NOT LIKE 'a'", []),
]

ARITHMETIC: list[tuple[str, list[Any]]] = [
    ("1 + 2 * 3", [7]),
    ("(1 + 2) * 3", [9]),
    ("2 * 3 + 4 - 1 < 9 = false", [True]),
    ("1 < 2 + 3 * 4 - 1", [True]),
    ("6 - 4 / 2 * 3 % 5", [5]),
    ("1 + 1 << 2", [8]),
    ("7 & 3 = 3", []),  # as in Microsoft's grammar bitwise operators and || are looser than comparisons
    ("(7 & 3) = 3", [True]),
    ("1 | 6 & 3 ^ 1", [3]),
    ("'a' || 'b' = 'ab'", []),
    ("10 - 4 - 3", [3]),
    ("5 / 2", [2.5]),
    ("4 / 2", [2]),
    ("7 % 3", [1]),
    ("-7 % 3", [-1]),
    ("7.5 % 2", [1.5]),
    ("1.5 + 1.5", [3]),
    ("-(1)", [-1]),
    ("+3", [3]),
    ("- -3", [3]),
    ("1-1", [0]),
    ("'a' + 'b'", []),
    ("1 + '1'", []),
    ("1 + null", []),
    ("true + 1", []),
    ("-'a'", []),
    ("9007199254740993 + 0", [9007199254740992]),
    ("1e308 * 10 > 1e308", [True]),
    ("0.1 + 0.2", [0.30000000000000004]),
    (".5 + 1.", [1.5]),
    ("1e2", [100]),
    ("100 >> 2", [25]),
    ("100 << 2", [400]),
    ("100 >>> 0", [100]),
    ("-1 >>> 0", [4294967295]),
    ("100 & 1000", [96]),
    ("100 | 1000", [1004]),
    ("100 ^ 1000", [908]),
    ("~5", [-6]),
    ("2147483648 | 0", [-2147483648]),
    ("1.9 | 0", [1]),
    ("1 | 'a'", []),
    ("'a' || 'b' || 'c'", ["abc"]),
    ("'a' || 1", []),
    ("'a' || undefined", []),
]

CHOICES: list[tuple[str, list[Any]]] = [
    ("1 ?? 2", [1]),
    ("undefined ?? 2", [2]),
    ("null ?? 2", [None]),
    ("c.x ?? c.y ?? 'none'", ["none"]),
    ("true ? 1 : 2", [1]),
    ("false ? 1 : 2", [2]),
    ("undefined ? 1 : 2", [2]),
    ("1 ? 1 : 2", [2]),
    ("false ? 1 : true ? 2 : 3", [2]),
    ("true ? undefined : 1", []),
    ("1 ? 2 ?? 3 : 4", [4]),
    ("IIF(true, 'a', 'b')", ["a"]),
    ("IIF(42, 'a', 'b')", ["b"]),
    ("IIF(undefined, 'a', 'b')", ["b"]),
    ("CHOOSE(1, 'a', 'b')", ["a"]),
    ("CHOOSE(2, 'a', 'b')", ["b"]),
    ("CHOOSE(0, 'a', 'b')", []),
    ("CHOOSE(3, 'a', 'b')", []),
]

LITERALS: list[tuple[str, list[Any]]] = [
    ("{'a': undefined, b: 1}", [{"b": 1}]),
    ("[undefined, 1, [undefined]]", [[None, 1, [None]]]),
    ("{}", [{}]),
    ("[]", [[]]),
    ("undefined", []),
    ("null", [None]),
    ("{'a': {'b': [1, {'c': true}]}}", [{"a": {"b": [1, {"c": True}]}}]),
    ("{'a': 1}.a", [1]),
    ("[1, 2][1]", [2]),
    ("[1, 2][1.0]", [2]),
    ("[1, 2][2]", []),
    ("[1, 2]['0']", []),
    ("{'a': 1}['a']", [1]),
    ("'abc'[0]", []),
    ("{'a': 1, 'a': 2}", [{"a": 2}]),
]


@pytest.mark.parametrize(
    ("expression", "wanted"), [*COMPARISONS, *LOGIC, *RANGES, *LIKES, *ARITHMETIC, *CHOICES, *LITERALS], ids=str
)
def test_expression(expression: str, wanted: list[Any]) -> None:
    """An expression has this value, computed from constants as well as from an item's properties; no row is undefined."""
    assert wanted == value(expression)
    assert wanted == value(f"(SELECT VALUE {expression})")


@pytest.mark.parametrize(
    ("left", "symbol", "right", "wanted"),
    [(1, "=", 1, [True]), (1, "=", True, []), (True, "=", 1, []), (1, "<", 2.5, [True]), ("a", "<", "b", [True]),
     ("a", "!=", 1, []), (None, "=", None, [True]), ([1], "=", [1.0], [True]), ({"a": 1}, "!=", {"a": 1}, [False]),
     (True, ">", False, [True]), (2**62, ">", 2**62 - 512, [True]), (2**62, "=", 2**62 - 512, [False])],
)  # fmt: skip
def test_comparison_with_properties_and_parameters(left: Any, symbol: str, right: Any, wanted: list[Any]) -> None:
    """Comparisons mean the same between properties, with parameters, and whichever side is the constant."""
    flipped = {"<": ">", ">": "<"}.get(symbol, symbol)

    assert wanted == value(f"c.l {symbol} c.r", {"l": left, "r": right})
    assert wanted == value(f"c.l {symbol} @r", {"l": left}, r=right)
    assert wanted == value(f"@r {flipped} c.l", {"l": left}, r=right)
    assert wanted == value(f"@l {symbol} @r", l=left, r=right)


def test_not_equal_leaves_out_what_cannot_be_compared() -> None:
    """`!=` gives neither items without the property nor those where it has another type; NOT IN does not either."""
    items = [{"id": 1, "x": 1}, {"id": 2, "x": 2}, {"id": 3, "x": "1"}, {"id": 4, "x": None}, {"id": 5}]

    assert [2] == run("SELECT VALUE c.id FROM c WHERE c.x != 1", items)
    assert [2] == run("SELECT VALUE c.id FROM c WHERE c.x NOT IN (1, 3)", items)
    assert [2] == run("SELECT VALUE c.id FROM c WHERE NOT (c.x = 1)", items)
    assert [1] == run("SELECT VALUE c.id FROM c WHERE c.x = 1 OR c.x = '2'", items)


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [("1 / 0", INFINITY), ("-1 / 0", -INFINITY), ("0 / 0", NAN), ("1 % 0", NAN), ("c.one / c.zero", INFINITY), ("c.one % 0.0", NAN),
     ("1e308 * 10", INFINITY), ("Infinity - Infinity", NAN), ("-Infinity % 2", NAN), ("1 % Infinity", 1), ("Infinity | 1", 1)],
)  # fmt: skip
def test_what_is_not_finite(expression: str, wanted: float) -> None:
    """Arithmetic is that of doubles: NaN and the infinities are values to go on with."""
    assert [str(wanted)] == [str(found) for found in value(expression, {"one": 1, "zero": 0})]


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [("NaN = NaN", [False]), ("NaN != NaN", [True]), ("NaN < 1", [False]), ("NaN > 1", [False]), ("NaN IN (NaN, 1)", [False]),
     ("Infinity = Infinity", [True]), ("Infinity > 1e308", [True]), ("[NaN] = [NaN]", [False]), ("NaN = 'NaN'", []),
     ("IS_NUMBER(NaN)", [True]), ("IS_FINITE_NUMBER(1 / 0)", [False]), ("IS_INTEGER(Infinity)", [False]),
     ("ToString([NaN, -Infinity])", ["[NaN,-Infinity]"]), ("ARRAY_LENGTH(SetUnion([NaN], [NaN]))", [1])],
)  # fmt: skip
def test_comparing_what_is_not_finite(expression: str, wanted: list[Any]) -> None:
    """NaN equals nothing, itself neither, and the infinities are the largest numbers."""
    assert wanted == value(expression)


def test_settled_logic_does_not_evaluate_the_rest() -> None:
    """AND stops at false and OR at true, so that a guard keeps a later operand from failing."""
    several = "(SELECT VALUE x FROM x IN [1, 2]) > 0".replace("[1, 2]", "c.l")
    assert [False] == value(f"c.n != 0 AND {several}", {"n": 0, "l": [1, 2]})
    assert [True] == value(f"c.n = 0 OR {several}", {"n": 0, "l": [1, 2]})


@pytest.mark.parametrize("text", ["%a%a%a%a%a%a%a%a%b", "%a_%a_%a_%a_%a_%a_%b"])
def test_like_does_not_backtrack_for_ever(text: str) -> None:
    """A pattern with many wildcards over a long text is decided at once."""
    assert [False] == value(f"@text LIKE '{text}'", text="a" * 5_000)
