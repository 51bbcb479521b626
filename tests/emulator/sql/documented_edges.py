"""The edges of what `documented` has: limits, missing values, and shapes that LINQ, EF Core and public reports have."""

from __future__ import annotations

from typing import Any, Final

from tests.emulator.sql.documented import UNDEFINED

EXPRESSIONS: Final[list[tuple[str, str, Any]]] = [
    # The clock of the tests is at 2020-09-13T12:26:40.5Z.
    ("NOW", "[NOW(), NOW('ss', 30), NOW('yyyy', -1), NOW('ns', 250)]",
     ["2020-09-13T12:26:40.5000000Z", "2020-09-13T12:27:10.5000000Z", "2019-09-13T12:26:40.5000000Z", "2020-09-13T12:26:40.5000002Z"]),
    ("NOW", "NOW('century', 1)", UNDEFINED),
    ("NOW", "NOW('ss', 0.5)", UNDEFINED),
    ("AGO", "[AGO('mm', 7), AGO('hh', -12)]", ["2020-02-13T12:26:40.5000000Z", "2020-09-14T00:26:40.5000000Z"]),
    ("IS_INTEGER", "[IS_INTEGER(9223372036854775807), IS_INTEGER(-9223372036854775808), IS_INTEGER(18446744073709551615)]",
     [True, True, False]),
    ("SETINTERSECT", "SETINTERSECT([1, 2, 'A', 'B'], ['A', 1])", ["A", 1]),
    ("SETINTERSECT", "SETINTERSECT(['Finch', 'Mine Shaft', 'Rhino'], ['Rhino', 'Finch'])", ["Rhino", "Finch"]),
    ("SETINTERSECT", "[SETINTERSECT([1, 2], [1, 1, 1, 1]), SETINTERSECT([1], []), SETINTERSECT([1], ['1'])]", [[1], [], []]),
    ("SETUNION", "SETUNION([3, 1, 1], [2, 3])", [3, 1, 2]),
    ("SETEQUAL", "[SETEQUAL([], []), SETEQUAL([1, '1'], [1])]", [True, False]),
    ("ST_DISTANCE", ("ROUND(ST_DISTANCE({'type': 'Point', 'coordinates': [-122.12826822304672, 47.63980239335718]}, "
     "{'type': 'Point', 'coordinates': [-122.11758113953535, 47.66901087006131]}) * 1000)"), 3345270),
    ("ST_DISTANCE", ("FLOOR(ST_DISTANCE({'type': 'Point', 'coordinates': [-96.84368664765994, 46.81297794314663]}, "
     "{'type': 'Point', 'coordinates': [-122.11758113953535, 47.66901087006131]}))"), 1907438),
    ("ST_DISTANCE", "FLOOR(ST_DISTANCE({'type': 'Point', 'coordinates': [0, 90]}, {'type': 'Point', 'coordinates': [0, -90]}) / 1000)", 20003),
    ("ST_DISTANCE", "FLOOR(ST_DISTANCE({'type': 'Point', 'coordinates': [0, 0]}, {'type': 'Point', 'coordinates': [180, 0]}) / 1000)", 20015),
    ("ST_DISTANCE", "ROUND(ST_DISTANCE({'type': 'Point', 'coordinates': [0, 0]}, {'type': 'Point', 'coordinates': [1, 0]}))", 111319),
    ("DATETIMEADD", "[DATETIMEADD('yyyy', 1, '2024-02-29'), DATETIMEADD('ns', 150, '2024-01-01T00:00:00Z')]",
     ["2025-02-28T00:00:00.0000000Z", "2024-01-01T00:00:00.0000001Z"]),
    ("DATETIMEADD", "DATETIMEADD('mm', 1.5, '2024-01-31T00:00:00Z')", UNDEFINED),
    ("DATETIMEBIN", "DATETIMEBIN('2024-05-17T13:47:12Z', 'dd', 0)", UNDEFINED),
    ("DATETIMEBIN", "DATETIMEBIN('2024-05-17T13:47:12Z', 'dd', -1)", UNDEFINED),
    ("DATETIMEBIN", "DATETIMEBIN('2024-05-17T13:47:12Z', 'dd', 1, '1600-12-31T00:00:00Z')", UNDEFINED),
    ("DATETIMEDIFF", "[DATETIMEDIFF('month', '2024-01-31', '2024-02-01'), DATETIMEDIFF('hour', '2024-01-01T00:59:59Z', '2023-12-31T23:00:00Z')]",
     [1, -1]),
    ("DATETIMEPART", "[DATETIMEPART('mcs', '2024-01-01T00:00:00.1234567Z'), DATETIMEPART('ns', '2024-01-01T00:00:00.1234567Z')]",
     [123456, 123456700]),
    ("DATETIMEPART", "DATETIMEPART('weekday', '2024-01-01')", UNDEFINED),
    ("DATETIMEFROMPARTS", "DATETIMEFROMPARTS(2024, 1, 1, 24)", UNDEFINED),
    ("DATETIMETOTICKS", "[DATETIMETOTICKS('1969-12-31T23:59:59Z'), DATETIMETOTIMESTAMP('1969-12-31T23:59:59Z')]", [-10000000, -1000]),
    ("TICKSTODATETIME", "TICKSTODATETIME(-1)", "1969-12-31T23:59:59.9999999Z"),
    ("IS_DATETIME", "[IS_DATETIME('2023-03-06Z'), IS_DATETIME('2023-03-06 15:29:00'), IS_DATETIME('2023-03-06T15:29:59.9')]", [True, True, True]),
    ("IS_DATETIME", ("[IS_DATETIME('2023-03-06T15:29'), IS_DATETIME('2023-03-06T15:29:59.'), IS_DATETIME('2023-03-06T15:29:59.12345678'), "
     "IS_DATETIME('2023-3-6'), IS_DATETIME('2023-03-06_15:29:00')]"), [False, False, False, False, False]),
    ("ROUND", "[ROUND(-6.5), ROUND(-0.5), ROUND(0.5), ROUND(6.5)]", [-7, -1, 1, 7]),
    ("REPLICATE", "LENGTH(REPLICATE('ab', 5000))", 10000),
    ("REPLICATE", "REPLICATE('ab', 5001)", UNDEFINED),
    ("CONTAINS_ANY_CS", "CONTAINS_ANY_CS('Have a nice day!', undefined, 'nice')", True),
    ("CONTAINS_ANY_CS", "CONTAINS_ANY_CS('Have a nice day!', undefined, 'had')", UNDEFINED),
    ("CONTAINS_ALL_CI", "CONTAINS_ALL_CI('Have a nice day!', undefined, 'NICE')", UNDEFINED),
    ("CONTAINS_ALL_CI", "CONTAINS_ALL_CI('Have a nice day!', undefined, 'had')", False),
    ("CHOOSE", "CHOOSE(0, 'a')", UNDEFINED),
    ("ARRAY_MAX", "[ARRAY_MAX([null, true, 1, 'a']), ARRAY_MAX([null, true, 1]), ARRAY_MIN([true, 1, 'a'])]", ["a", 1, True]),
    ("ARRAY_MEDIAN", "ARRAY_MEDIAN([4, 1, 3, 2])", 2.5),
    ("STRINGJOIN", "STRINGJOIN(['a', 1], ',')", UNDEFINED),
    ("Constants", r"['\/', '\b\f\n\r\t', 'é']", ["/", "\b\f\n\r\t", "é"]),
    ("Bitwise operators", "[1 << 33, 2147483648 | 0, -1 >>> 0, ~5]", [2, -2147483648, 4294967295, -6]),
    ("Logical operators", "[false AND undefined, true OR undefined, undefined AND false, undefined OR true]", [False, True, False, True]),
    ("Logical operators", "true AND undefined", UNDEFINED),
    ("Ternary and coalesce operators", "[undefined ?? null ?? 1, null ?? 1]", [None, None]),
    ("LIKE", "['abc' LIKE '[^b]bc', 'abc' LIKE '[^a]bc', 'a%c' LIKE 'a[%]c', 'a!b' LIKE 'a!!b' ESCAPE '!']", [True, False, True, True]),
    # What EF Core writes for collections that come with the query, and for elements of collections.
    ("FROM", "EXISTS(SELECT VALUE x FROM x IN (SELECT VALUE [1, 5]) WHERE x = 5)", True),
    ("FROM", "ARRAY(SELECT VALUE y FROM x IN (SELECT VALUE [[1], [2, 3]]) JOIN y IN x)", [1, 2, 3]),
    ("FROM", "ARRAY(SELECT DISTINCT VALUE x FROM x IN (SELECT VALUE [1, 1.0, '1', true]))", [1, "1", True]),
    ("FROM", "[(SELECT VALUE COUNT(1) FROM x IN (SELECT VALUE 'abc')), (SELECT VALUE COUNT(1) FROM x IN (SELECT VALUE {'a': 1}))]", [0, 0]),
    ("FROM", "(SELECT VALUE COUNT(1) FROM a IN (SELECT VALUE []) WHERE a > 1) = 0", True),
    ("ARRAY", "[ARRAY(SELECT VALUE x FROM x IN (SELECT VALUE ['a', 'b']))[1], ARRAY_SLICE(['a', 'b'], 1)[0]]", ["b", "b"]),
    ("Subqueries", "(SELECT VALUE SUM((SELECT VALUE MAX(n) FROM n IN a)) FROM a IN (SELECT VALUE [[1, 5], [2], []]))", 7),
    ("Subqueries", "(SELECT VALUE COUNT(EXISTS(SELECT VALUE n FROM n IN a)) FROM a IN (SELECT VALUE [[1], []]))", 2),
]  # fmt: skip
"""As in `documented`."""

QUERIES: Final[list[tuple[str, str, Any]]] = [
    ("OFFSET LIMIT", "SELECT VALUE p.id FROM p ORDER BY p.id OFFSET 2 LIMIT 2147483647", ["3", "4"]),
    ("OFFSET LIMIT", "SELECT VALUE p.id FROM p ORDER BY p.id OFFSET 0 LIMIT 4294967295", ["1", "2", "3", "4"]),
    ("TOP", "SELECT TOP 4294967295 VALUE p.id FROM p ORDER BY p.id", ["1", "2", "3", "4"]),
    ("TOP", "SELECT TOP 4294967296 VALUE p.id FROM p", None),
    ("Subqueries", "SELECT VALUE (SELECT VALUE SUM((SELECT VALUE x.q + 1)) FROM x IN p.parts) FROM p WHERE p.id < '4'", [5, 2, 0]),
    ("Subqueries", "SELECT VALUE SUM((SELECT VALUE 1)) FROM p", None),
    ("Subqueries", "SELECT VALUE (SELECT VALUE SUM(MAX(x.q)) FROM x IN p.parts) FROM p", None),
    ("JOIN", "SELECT SUM(q) AS s FROM p JOIN (SELECT VALUE x.q FROM x IN p.parts WHERE x.q = 1) q", [{"s": 2}]),
]  # fmt: skip
"""As in `documented`."""
