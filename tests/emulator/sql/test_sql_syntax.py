"""What is a query, what is not, and what the errors say."""

from __future__ import annotations

import time
from typing import Any

import pytest

from bifrost_store.emulator.numbers import INFINITY, NAN
from bifrost_store.emulator.sql.checks import MAX_DEPTH
from bifrost_store.emulator.sql.errors import SqlError, UnsupportedError
from bifrost_store.emulator.sql.parser import MAX_QUERY_BYTES, parse
from bifrost_store.emulator.sql.printing import print_node
from tests.emulator.sql.tables import run, value

ERRORS: list[tuple[str, str, tuple[int, int] | None]] = [
    ("", "SC1002", (0, 0)),
    ("  \n", "SC1002", (3, 3)),
    ("SELECT", "SC1002", (6, 6)),
    ("SELECT VALUE", "SC1002", None),
    ("SELECT * FROM c;", "SC1010", (15, 16)),
    ("SELECT * FROM c WHERE c.a = #", "SC1010", (28, 29)),
    ("SELECT * FRM c", "SC1001", (9, 12)),
    ("SELECT * FROM c WHERE", "SC1002", None),
    ("SELECT * FROM c WHERE c.a = ", "SC1002", None),
    ("SELECT * FROM c WHERE c.a == 1", "SC1001", (27, 28)),
    ("SELECT * FROM c WHERE c.value = 1", "SC1001", (24, 29)),
    ("SELECT * FROM c ORDER BY c.order", "SC1001", (27, 32)),
    ("SELECT c.a b d FROM c", "SC1001", (13, 14)),
    ("SELECT c.a value FROM c", "SC1001", (11, 16)),
    ("SELECT VALUE 0x FROM c", "SC1012", (13, 15)),
    ("SELECT VALUE 0x1G FROM c", "SC1012", (13, 17)),
    ("SELECT c.a, FROM c", "SC1001", (12, 16)),
    ("SELECT * FROM c ORDER c.a", "SC1001", None),
    ("SELECT * FROM c LIMIT 5", "SC1001", None),
    ("SELECT * FROM c OFFSET 5", "SC1002", None),
    ("SELECT TOP -1 * FROM c", "SC1001", (11, 12)),
    ("SELECT TOP 1.5 * FROM c", "SC2060", (11, 14)),
    ("SELECT TOP 4294967296 * FROM c", "SC2060", (11, 21)),
    ("SELECT * FROM c WHERE c.a IN ()", "SC1001", None),
    ("SELECT * FROM c WHERE c.a BETWEEN 1", "SC1002", None),
    ("SELECT 'abc FROM c", "SC1011", (7, 18)),
    ("SELECT 'a\\x' FROM c", "SC1011", None),
    ("SELECT '\\u12' FROM c", "SC1011", None),
    ("SELECT 12ab FROM c", "SC1012", (7, 11)),
    ("SELECT 1e999 FROM c", "SC1012", None),
    ("SELECT {1: 2} FROM c", "SC1001", None),
    ("SELECT * FROM c WHERE x.a = 1", "SC2001", (22, 23)),
    ("SELECT * FROM root r WHERE root.a = 1", "SC2001", (27, 31)),
    ("SELECT * FROM c WHERE c.a = NULL", "SC2001", (28, 32)),
    ("SELECT * FROM c WHERE c.a = True", "SC2001", None),
    ("SELECT VALUE c", "SC2001", None),
    ("SELECT VALUE 1 FROM c JOIN x IN y.list", "SC2001", (32, 33)),
    ("SELECT VALUE 1 FROM c JOIN c IN c.list", "SC2011", None),
    ("SELECT VALUE (SELECT VALUE t FROM t IN x.tags) FROM c", "SC2001", None),
    ("SELECT VALUE 1 FROM c JOIN (SELECT VALUE x FROM x IN y.z)", "SC2001", (53, 54)),
    ("SELECT c.a, c.b AS a FROM c", "SC2022", (19, 20)),
    ("SELECT c.a, c.b.a FROM c", "SC2022", (12, 17)),
    ('SELECT c.a + 1, c.b AS "$1" FROM c', "SC1001", None),
    ("SELECT *", "SC2039", (7, 8)),
    ("SELECT * FROM c JOIN t IN c.tags", "SC2040", (7, 8)),
    ("SELECT * FROM c GROUP BY c.a", "SC2041", (7, 8)),
    ("SELECT c.b FROM c GROUP BY c.a", "SC2102", (7, 10)),
    ("SELECT c.b, COUNT(1) FROM c", "SC2102", (7, 10)),
    ("SELECT VALUE {'x': [c.a.b, c.c]} FROM c GROUP BY c.a", "SC2102", (27, 30)),
    ("SELECT COUNT(1) FROM c GROUP BY c.a ORDER BY c.a", "SC2104", None),
    ("SELECT COUNT(1) FROM c GROUP BY COUNT(1)", "SC2103", None),
    ("SELECT COUNT(1) FROM c GROUP BY (SELECT VALUE c.a)", "SC2105", None),
    ("SELECT COUNT(1) FROM c GROUP BY c.a, ARRAY(SELECT VALUE t FROM t IN c.tags)", "SC2105", None),
    ("SELECT COUNT(1) FROM c GROUP BY 1", "SC2106", None),
    ("SELECT COUNT(1) FROM c GROUP BY c.a, UPPER('a')", "SC2106", None),
    ("SELECT COUNT(1) FROM c GROUP BY @a", "SC2106", None),
    ("SELECT c.n FROM c GROUP BY FLOOR(c.n)", "SC2102", (7, 10)),
    ("SELECT FLOOR(c.n) + c.n FROM c GROUP BY FLOOR(c.n)", "SC2102", None),
    ("SELECT VALUE ARRAY(SELECT VALUE i FROM i IN c.a ORDER BY i DESC) FROM c", "SC2202", None),
    ("SELECT VALUE EXISTS(SELECT VALUE i FROM i IN c.a ORDER BY i) FROM c", "SC2202", None),
    ("SELECT VALUE x.id FROM (SELECT c.id FROM c ORDER BY c.id) AS x", "SC2202", None),
    ("SELECT VALUE (SELECT TOP 1 VALUE i FROM i IN c.a) FROM c", "SC2203", None),
    ("SELECT DISTINCT VALUE r FROM (SELECT TOP 10 VALUE c.n FROM c) AS r", "SC2203", None),
    ("SELECT VALUE AVG(r) FROM (SELECT VALUE c.n FROM c OFFSET 5 LIMIT 5) AS r", "SC2204", None),
    ("SELECT * FROM c JOIN x IN (SELECT VALUE t FROM t IN c.tags OFFSET 0 LIMIT 1)", "SC2204", None),
    ("SELECT VALUE [1, 2, 3][c.x] FROM c", "SC2990", (22, 27)),
    ("SELECT VALUE c.a[c.b] FROM c", "SC2990", None),
    ("SELECT TOP 4294967296 c.a FROM c", "SC2060", None),
    ("SELECT * FROM c OFFSET 0 LIMIT 4294967296", "SC2061", None),
    ("SELECT VALUE MAX(MIN(c.a)) FROM c", "SC2101", (13, 26)),
    ("SELECT VALUE SUM((SELECT VALUE 1)) FROM c", "SC2101", None),
    ("SELECT * FROM c WHERE COUNT(c.a) = 1", "SC2103", None),
    ("SELECT * FROM c ORDER BY SUM(c.a)", "SC2103", None),
    ("SELECT BADFUNC(c.a) FROM c", "SC2005", (7, 14)),
    ("SELECT c.foo(1) FROM c", "SC1001", None),
    ("SELECT * FROM r WHERE STARTSWITH(r.key, 'a', 'b', 'c')", "SC2050", (22, 54)),
    ("SELECT COUNT() FROM c", "SC2050", None),
    ("SELECT PI(1) FROM c", "SC2050", None),
    ("SELECT CONCAT('a') FROM c", "SC2050", None),
    ("SELECT c.a FROM c HAVING c.a = 1", "SC1001", None),
    ("DELETE FROM c", "SC1001", (0, 6)),
    ("SELECT * FROM c WHERE c.a LIKE 'a' ESCAPE 'xx'", "SC2070", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code", "span"), ERRORS)
def test_errors(text: str, code: str, span: tuple[int, int] | None) -> None:
    """A wrong query is refused with the service's code and the place of the fault."""
    with pytest.raises(SqlError) as caught:
        parse(text)

    assert code == caught.value.code
    assert span in (None, (caught.value.start, caught.value.end))


def test_error_as_json() -> None:
    """An error is written as the service writes it."""
    with pytest.raises(SqlError) as caught:
        parse("SELECT * FRM c")

    assert {
        "errors": [
            {"severity": "Error", "location": {"start": 9, "end": 12}, "code": "SC1001",
             "message": "Syntax error, incorrect syntax near 'FRM'."}
        ]
    } == caught.value.as_json()  # fmt: skip
    assert "location" not in SqlError("X", "m").as_json()["errors"][0]


@pytest.mark.parametrize(
    ("text", "construct"),
    [
        ("SELECT udf.tax(c.n) FROM c", "udf.tax"),
        ("SELECT * FROM c ORDER BY RANK FullTextScore(c.text, 'x')", "ORDER BY RANK"),
        ("SELECT * FROM c WHERE FullTextContains(c.text, 'x')", "FullTextContains"),
        ("SELECT VectorDistance(c.v, [1]) FROM c", "VectorDistance"),
        ("SELECT HASH(c.a) FROM c", "HASH"),
        ("SELECT c.pk, ST_AREA(c.a), COUNT(1) FROM c GROUP BY c.pk", "ST_AREA"),
        ("SELECT ST_WITHIN(c.p, c.q) FROM c", "ST_WITHIN"),
        ("SELECT ALL(SELECT 1)", "ALL(subquery)"),
        ("SELECT FIRST(SELECT 1)", "FIRST(subquery)"),
        ("SELECT DateTimeFormat('2020-01-01', 'yyyy')", "DateTimeFormat"),
    ],
)
def test_unsupported_constructs_are_named(text: str, construct: str) -> None:
    """What the service knows and the emulator does not is refused by its name."""
    with pytest.raises(UnsupportedError, match="does not support") as caught:
        parse(text)

    assert construct in caught.value.construct
    assert construct in str(caught.value)


@pytest.mark.parametrize(
    ("literal", "wanted"),
    [
        ("'a'", "a"),
        ('"a"', "a"),
        ("'it\\'s'", "it's"),
        ('"it\'s"', "it's"),
        ("'say \"hi\"'", 'say "hi"'),
        ("'say \\\"hi\\\"'", 'say "hi"'),
        ('"say \\"hi\\""', 'say "hi"'),
        ("'a\\\\b'", "a\\b"),
        ("'a\\\\'", "a\\"),
        ("'a\\/b\\n\\t\\r\\b\\f'", "a/b\n\t\r\b\f"),
        ("'\\u00e9\\ud83d\\ude00'", "é😀"),
        ("'\\u0000'", "\x00"),
        ("'é😀'", "é😀"),
        ("'two\nlines'", "two\nlines"),
        ("''", ""),
    ],
)
def test_string_literals(literal: str, wanted: str) -> None:
    """Strings stand in either kind of quotes, with the escapes of JSON."""
    assert [wanted] == value(literal)


@pytest.mark.parametrize(
    ("literal", "wanted"),
    [("1", 1), ("1.0", 1), ("1.5", 1.5), (".5", 0.5), ("5.", 5), ("1e3", 1000), ("1.5E-3", 0.0015), ("007", 7),
     ("9007199254740993", 2**53), ("9223372036854775807", float(2**63)), ("NaN ?? 1", NAN), ("-Infinity", -INFINITY), ("1e300", 1e300)],
)  # fmt: skip
def test_numeric_literals(literal: str, wanted: Any) -> None:
    """Numbers are doubles, whole ones within 64 bits held as integers; NaN and Infinity have names."""
    result = value(literal)[0]

    assert (type(wanted), str(wanted)) == (type(result), str(result))


ROUND_TRIPS = [
    "SELECT * FROM c",
    "SELECT DISTINCT TOP 5 VALUE c.a FROM root AS c",
    'SELECT c.a, c["b c"].d AS e, -c.f, NOT c.g, [1, {"x": null}], udfs FROM udfs JOIN c IN udfs.x["y"][0]',
    "SELECT VALUE 1 FROM c JOIN (SELECT VALUE t FROM t IN c.tags) AS t JOIN (SELECT VALUE 1) WHERE EXISTS(SELECT VALUE 1 FROM t)",
    "SELECT VALUE ARRAY(SELECT VALUE x FROM x IN c.x WHERE x.y > 1) FROM c ORDER BY c.y DESC, c.z ASC OFFSET 1 LIMIT @l",
    "SELECT c.a, COUNT(1) AS n, SUM(c.b.c) FROM c WHERE c.a BETWEEN 1 AND 2 AND c.b NOT IN (1, @x) GROUP BY c.a",
    "SELECT * FROM c WHERE c.a LIKE 'x!%' ESCAPE '!' OR c.b NOT LIKE @p OR c.c NOT BETWEEN -1 AND +1",
    "SELECT VALUE (c.a ?? c.b ?? 1) = 2 ? 'x' : c.y[@z] FROM c",
    "SELECT VALUE 1 + 2 - 3 * 4 / 5 % 6 & 7 | 8 ^ 9 << 1 >> 2 >>> 3 || 'x' < 'y' = true",
    "SELECT VALUE (1).a + {'a': 1}.a + [1][0] + (SELECT VALUE 1).b + udf_like.x FROM udf_like",
    "SELECT VALUE {a: 1, \"b c\": 2.5e300, 'd': undefined}",
    "SELECT VALUE Left(Right('abc', 2), 1)",
    "SELECT c.rank, c.limit, c.offset, c.escape, c.first, c.all FROM c",
    "SELECT TOP @n * FROM c WHERE c[@p] = @q ORDER BY c.x.y ASC",
]


@pytest.mark.parametrize("text", ROUND_TRIPS)
def test_printed_queries_parse_to_the_same_tree(text: str) -> None:
    """A printed tree is text of the same tree, and printing it again changes nothing."""
    tree = parse(text)
    printed = print_node(tree)

    assert tree == parse(printed)
    assert printed == print_node(parse(printed))


def test_keywords_in_any_case_and_names_in_their_own() -> None:
    """Keywords and functions are written in any case; properties and aliases mean their exact spelling."""
    items = [{"A": 1, "a": 2}]

    assert [1] == run("sElEcT vAlUe c.A fRoM c wHeRe lower('X') = LOWER('x') oRdEr bY c.A dEsC", items)
    with pytest.raises(SqlError):
        parse("SELECT * FROM c WHERE C.a = 1")


def test_length_limit() -> None:
    """A query may have 512 KB of text; comments and long lists within that are read."""
    padding = " " * (MAX_QUERY_BYTES - len("SELECT VALUE 1"))
    assert [1] == run(f"SELECT VALUE 1{padding}")
    with pytest.raises(SqlError, match="maximum limit") as caught:
        parse(f"SELECT VALUE 1 {padding}")
    assert "SC3001" == caught.value.code
    with pytest.raises(SqlError, match="maximum limit"):
        parse(f"SELECT VALUE '{'é' * (MAX_QUERY_BYTES // 2)}'")


@pytest.mark.parametrize(
    "text",
    [
        "SELECT VALUE " + "(" * 5_000 + "1" + ")" * 5_000,
        "SELECT VALUE " + "[" * 200_000,
        "SELECT VALUE " + "{'a':" * 3_000 + "1" + "}" * 3_000,
        "SELECT VALUE " + "NOT " * 50_000 + "true",
        "SELECT VALUE " + "- " * 50_000 + "1",
        "SELECT VALUE " + "1 ? 2 : " * 20_000 + "3",
        "SELECT VALUE " + "ABS(" * 3_000 + "1" + ")" * 3_000,
        "SELECT VALUE " + "ARRAY(SELECT VALUE " * 500 + "1" + ")" * 500,
        "SELECT VALUE 1 FROM " + "(SELECT VALUE 1 FROM " * 500 + "c" + ")" * 500,
        "SELECT VALUE " + "[1][" * 1_000 + "0" + "]" * 1_000,
    ],
    ids=lambda text: text[13:30],
)
def test_deep_nesting_is_refused(text: str) -> None:
    """Nesting beyond the limit is an error of the query, found in a moment."""
    started = time.process_time()
    with pytest.raises(SqlError, match="nested"):
        parse(text)

    assert time.process_time() - started < 5


def test_allowed_nesting_can_be_run() -> None:
    """The deepest query that is allowed can be printed, compiled and run."""
    for depth in range(MAX_DEPTH - 20, MAX_DEPTH):
        text = "SELECT VALUE " + "[" * depth + "c.a" + "]" * depth + " FROM c"
        try:
            tree = parse(text)
        except SqlError:
            assert depth > MAX_DEPTH - 10
            continue
        assert 1 == len(run(text, [{"a": 1}]))
        assert tree == parse(print_node(tree))


@pytest.mark.parametrize(
    "text",
    [
        "SELECT VALUE " + " + ".join(["1"] * 10_000),
        "SELECT VALUE " + " || ".join(["'x'"] * 10_000),
        "SELECT VALUE 1 WHERE " + " OR ".join(["1 = 1"] * 5_000),
        "SELECT VALUE 1 WHERE 5 IN (" + ", ".join(map(str, range(20_000))) + ")",
        "SELECT VALUE " + " ?? ".join(["undefined"] * 10_000) + " ?? 1",
        "SELECT VALUE [" + ", ".join(["1"] * 10_000) + "]",
        "SELECT VALUE c" + ".a" * 20_000 + " ?? 1 FROM c",
    ],
    ids=lambda text: text[13:30],
)
def test_long_queries_are_no_deep_ones(text: str) -> None:
    """Long lists and chains are read and run whatever their length."""
    tree = parse(text)

    assert 1 == len(run(text, [{}]))
    assert tree == parse(print_node(tree))


def test_joins_are_limited() -> None:
    """A query may have ten JOINs, subqueries included."""
    joins = "".join(f" JOIN t{number} IN c.t" for number in range(10))
    parse(f"SELECT VALUE 1 FROM c{joins}")
    with pytest.raises(SqlError, match="joins"):
        parse(f"SELECT VALUE 1 FROM c{joins} JOIN x IN c.t")
    with pytest.raises(SqlError, match="joins"):
        parse(f"SELECT VALUE ARRAY(SELECT VALUE 1 FROM x IN c.x JOIN y IN x.y) FROM c{joins}")


def test_parsing_is_quick() -> None:
    """A typical query is parsed in well under 2 ms, and the second time at once."""
    text = "SELECT TOP 10 c.id, c.name FROM c WHERE c.status = @s AND c.n > 3 AND STARTSWITH(c.name, 'a') ORDER BY c.startedAt DESC"
    parse(text)
    times = []
    for number in range(20):
        started = time.process_time()
        parse(f"{text} -- {number}")
        times.append(time.process_time() - started)
    cached = []
    for _ in range(20):
        started = time.process_time()
        parse(text)
        cached.append(time.process_time() - started)

    assert min(times) < 0.002
    assert min(cached) < 0.0001
