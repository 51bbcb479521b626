"""Texts, filters and rows that cannot be read, where SQLite has rules of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.backends.sqlite import queries
from bifrost_store.backends.sqlite.backend import SqliteBackend
from bifrost_store.backends.sqlite.rows import escape, unescape
from bifrost_store.core.clock import format_time
from bifrost_store.core.query import Eq, Filter, In, Query, Range, matches
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import GLOBAL
from bifrost_store.core.spec import DocumentSpec
from bifrost_store.documents import SPECS
from bifrost_store.errors import (
    CorruptDocumentError,
    InvalidContinuationTokenError,
)
from bifrost_store.testing.examples import metrics
from bifrost_store.wrappers.checked import CheckedBackend
from tests.thorough import examples
from tests.unit.sqlite.records import NOW, ORGANIZATION, execution, sql

pytestmark = pytest.mark.anyio


class TestText:
    @given(st.lists(st.text(alphabet="\x00\x01\x02a"), min_size=2, max_size=2))
    def test_escaping_keeps_identity_and_order(self, texts: list[str]) -> None:
        """Escaped text has no U+0000, comes back equal, and sorts as before."""
        one, other = map(escape, texts)

        assert texts == [unescape(one), unescape(other)]
        assert "\x00" not in one
        assert (texts[0] < texts[1]) == (one < other)

    async def test_nul_in_a_field_cuts_nothing(self, backend: CheckedBackend) -> None:
        """Values that differ only after U+0000 are told apart by filters and groups."""
        users = ["a", "a\x00b", "a\x00c", "a\x01", "a\x01\x01"]
        for number, user in enumerate(users):
            await backend.create(execution(number, executedBy=user))

        for number, user in enumerate(users):
            page = await backend.query(Query("execution", ORGANIZATION, (Eq("executedBy", user),)))
            assert [f"e-{number}"] == [record.key.id for record in page]
        groups = await backend.aggregate(Query("execution", ORGANIZATION), group_by=["executedBy"])
        assert [((user,), 1) for user in sorted(users)] == [(group.values, group.count) for group in groups]

    async def test_nul_in_an_id(self, backend: CheckedBackend) -> None:
        """Ids that differ only after U+0000 are different records."""
        body = {**dict.fromkeys(SPECS["user"].fields or ()), "email": "x"}
        ids = ["a", "a\x00", "a\x00b"]
        for record_id in ids:
            await backend.create(Record(Key("user", GLOBAL, record_id), body))

        for record_id in ids:
            record = await backend.get(Key("user", GLOBAL, record_id))
            assert record is not None
            assert record.key.id == record_id
            page = await backend.query(Query("user", None, (Eq("id", record_id),)))
            assert [record_id] == [record.key.id for record in page]


TEXTS = ["", "1", "true", "null", "{}", "[]", '{"json": "1"}', format_time(NOW)]
HOSTILE_TEXTS = ["a", "a\x00", "a\x00b", "a\x01", "\x01\x01", "é", "\U0001f600", "'", '"', "%"]
SCALARS: list[Any] = [None, True, False, 0, 1, -1, 2**53 + 1, 2**63, 2**63 + 1, *TEXTS, *HOSTILE_TEXTS]
STORED: list[Any] = [*SCALARS, 1.0, 0.0, -0.0, 1e300, float(2**63), [], [1], {}, {"json": "1"}, {"json": str(2**63)}]
NAMES = ("a", "b")
ANY_SPEC = {"thing": DocumentSpec("thing", queryable=frozenset(NAMES))}


def filters() -> st.SearchStrategy[Filter]:
    name = st.sampled_from([*NAMES, "id", "sortKey"])
    value = st.sampled_from(SCALARS)
    bound = st.sampled_from([None, *TEXTS, *HOSTILE_TEXTS])
    values = st.lists(value, min_size=1, max_size=4).map(tuple)
    return st.one_of(st.builds(Eq, name, value), st.builds(In, name, values), st.builds(Range, name, bound, bound))


class TestQueries:
    @examples(40)
    @given(
        st.lists(st.fixed_dictionaries({}, optional={name: st.sampled_from(STORED) for name in NAMES}), max_size=12),
        st.lists(st.lists(filters(), min_size=1, max_size=3), min_size=1, max_size=10),
    )
    def test_sql_means_what_matches_means(self, bodies: list[dict[str, Any]], conditions: list[list[Filter]]) -> None:
        """A filter selects the records that `core.query.matches` selects, type for type."""

        async def run() -> None:
            backend = SqliteBackend(":memory:", ANY_SPEC)
            try:
                for number, body in enumerate(bodies):
                    await backend.create(Record(Key("thing", GLOBAL, f"{number:02}"), body, f"{number:02}"))
                for condition in conditions:
                    page = await backend.query(Query("thing", GLOBAL, tuple(condition)))
                    everything = await backend.query(Query("thing", GLOBAL))
                    assert [record for record in everything if matches(record, condition)] == list(page), condition
            finally:
                await backend.aclose()

        asyncio.run(run())

    async def test_aggregate_is_exact(self) -> None:
        """Sums neither overflow nor round, and groups tell 1 from true; other types are left out of a sum."""
        backend = SqliteBackend(":memory:", ANY_SPEC)
        values = [2**63 - 1, 2**63 - 1, -(2**63), -1, 2**70, -(2**70) - 1, None, "7", 2.5, [3]]
        for number, value in enumerate(values):
            await backend.create(Record(Key("thing", GLOBAL, f"{number}"), {"a": value, "b": [1, True, "1"][number % 3]}))

        (group,) = await backend.aggregate(Query("thing", None), sum_of=["a"])
        groups = await backend.aggregate(Query("thing", None), group_by=["b"])
        odd = await backend.aggregate(Query("thing", None), group_by=["a"])
        await backend.aclose()

        assert (10, (sum(value for value in values if type(value) is int),)) == (group.count, group.sums)
        assert [(group.values, group.count) for group in groups] == [((True,), 3), ((1,), 4), (("1",), 3)]
        assert [bool, int, str] == [type(group.values[0]) for group in groups]
        assert [group.values[0] for group in odd] == [None, -(2**70) - 1, -(2**63), -1, 2**63 - 1, 2**70, "7", 2.5, [3]]

    @pytest.mark.parametrize(
        ("conditions", "index"),
        [
            ((), "records_in_order"),
            ((Eq("status", "Running"),), "records_execution_by_status"),
            ((Eq("executedBy", "sam"), Range("startedAt", ge="2025")), "records_execution_executedBy"),
            ((Eq("workflowName", "nightly"),), "records_execution_workflowName"),
            ((Eq("formId", "f"),), "records_execution_of_form"),
        ],
    )
    async def test_pages_are_read_from_an_index(self, sqlite: SqliteBackend, conditions: tuple[Filter, ...], index: str) -> None:
        """A page of a scope, filtered or not, is found through an index in its order, without sorting."""
        await sqlite.provision()
        query = Query("execution", ORGANIZATION, conditions)
        for position in (None, ["0"]):
            statement, parameters = queries.compile_page(query, position, format_time(NOW))
            plan = await sqlite._connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)

            assert [f"USING INDEX {index} (" in str(plan[0][3]), 1] == [True, len(plan)], plan

    @pytest.mark.parametrize(
        ("statement", "index"),
        [
            (queries.GET, "sqlite_autoindex_records_1"),
            (queries.SCAN, "sqlite_autoindex_records_1"),
            (queries.PURGE, "records_by_expiry"),
        ],
    )
    async def test_statements_use_an_index(self, sqlite: SqliteBackend, statement: str, index: str) -> None:
        """Reading by key, scanning and purging search an index and sort nothing."""
        await sqlite.provision()
        parameters: dict[str, Any] = dict.fromkeys(("kind", "scope", "fallback", "id", "now", "limit"), "1")
        plan = await sqlite._connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)

        assert any(index in str(step[3]) for step in plan)
        assert not any("TEMP B-TREE FOR ORDER" in str(step[3]) or "SCAN records" in str(step[3]) for step in plan)


class TestUnreadable:
    @pytest.mark.parametrize(
        ("column", "value"),
        [
            ("body", "{secret"),
            ("body", "[]"),
            ("body", b"\xff"),
            ("body", '{"a": NaN}'),
            ("extra", "7"),
            ("schema_version", 2),
            ("scope", "org-no such/organization"),
            ("revision", "x"),
            ("expires_at", "2025-99-99T00:00:00.000000Z"),
        ],
    )
    async def test_one_unreadable_row_hides_no_other(self, backend: CheckedBackend, path: Path, column: str, value: object) -> None:
        """A row that cannot be read is named with its column, never with its content, beside the rows that can."""
        for number in range(4):
            await backend.create(execution(number))
        sql(path, f"UPDATE records SET {column} = CAST(? AS TEXT) WHERE id = 'e-2'", value)
        page = await backend.query(Query("execution", None, limit=2))
        rest = await backend.query(Query("execution", None, limit=2, continuation_token=page.continuation_token))
        (scanned,) = [page async for page in backend.scan()]

        assert [record.key.id for record in [*page, *rest]] == ["e-3", "e-1", "e-0"]
        (error,) = scanned.unreadable
        assert (error.backend, "e-2" in str(error.key), column in str(error)) == ("sqlite", True, True)
        assert "secret" not in str(error)
        if column != "scope":
            with pytest.raises(CorruptDocumentError):
                await backend.get(execution(2).key)

    async def test_fields_that_are_not_needed_are_not_read(self, sqlite: SqliteBackend, backend: CheckedBackend) -> None:
        """The database itself leaves them out, whatever is around the backend."""
        stored = await backend.create(metrics())
        (found,) = await sqlite.query(Query("metrics", stored.key.scope, without=("workflows", "others")))

        assert {**stored.body, "workflows": None, "others": None} == found.body

    async def test_a_body_that_cannot_be_read_is_named_where_fields_are_left_out(self, backend: CheckedBackend, path: Path) -> None:
        """A damaged body hides no other record from a query that needs only some fields."""
        await backend.create(metrics("daily-2025-01-26"))
        await backend.create(metrics("daily-2025-01-27"))
        for damaged in ("{secret", "[]", b"\xff", '{"a": NaN}'):
            sql(path, "UPDATE records SET body = CAST(? AS TEXT) WHERE id = 'daily-2025-01-26'", damaged)
            page = await backend.query(Query("metrics", metrics().key.scope, without=("workflows",)))

            assert ["daily-2025-01-27"] == [record.key.id for record in page]
            assert "column body" in str(page.unreadable[0])

    async def test_fields_added_later_read_as_null(self, backend: CheckedBackend, path: Path) -> None:
        """A body stored before its kind gained a field has the field, as null."""
        stored = await backend.create(execution())
        sql(path, "UPDATE records SET body = json_remove(body, '$.formId')")

        assert stored == await backend.get(stored.key)

    @pytest.mark.parametrize("token", ["", "x", "[]", '"abc"', '["a", "b"]', '["a", "b", 1]', '["a", "b", "\\ud800"]', "[" * 9999])
    async def test_bad_resume_tokens(self, backend: CheckedBackend, token: str) -> None:
        """A resume token that scan did not give out is refused."""
        with pytest.raises(InvalidContinuationTokenError):
            await anext(backend.scan(token))
