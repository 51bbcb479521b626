"""The SQL of this backend. Callers' values are always parameters; kinds and fields come from the specs."""

# ruff: noqa: S608 - what is put together here are constants of this module and names that `_literal` let through.

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from bifrost_store.backends.sqlite.rows import COLUMNS, Value, escape, is_int64
from bifrost_store.core.histogram import compile_bucket
from bifrost_store.core.query import ID, SORT_KEY, Eq, Filter, FilterValue, In, Query, Range
from bifrost_store.core.record import Key
from bifrost_store.core.spec import Specs
from bifrost_store.errors import ConfigurationError, InvalidRequestError

Statement = tuple[str, dict[str, Value]]

PRESENT: Final = "is_tombstone = 0 AND (expires_at IS NULL OR expires_at > :now)"
"""Neither deleted nor expired. ``never`` sorts after every time."""
_KEY: Final = "kind = :kind AND scope = :scope AND id = :id"
_SAME_STATE: Final = "revision = :expected_revision AND write_id = :expected_write_id"
_SET_CONTENT: Final = (
    "write_id = :write_id, digest = :digest, schema_version = :schema_version, expires_at = :expires_at, "
    "is_tombstone = :is_tombstone, body = :body, extra = :extra, fields = :fields"
)
_IS_CURRENT: Final = "(:epoch = 0 OR records.epoch <= :epoch)"
"""No state of a later route is built upon. Epoch 0 stands for no route."""
_SET_NEXT: Final = f"epoch = max(records.epoch, :epoch), revision = records.revision + 1, {_SET_CONTENT}"
_SET_ALL: Final = f"sort_key = :sort_key, epoch = :epoch, revision = :revision, {_SET_CONTENT}"
_INSERT: Final = """INSERT INTO records
    (kind, scope, id, sort_key, epoch, revision, write_id, digest, schema_version, expires_at, is_tombstone,
    body, extra, fields)
VALUES (:kind, :scope, :id, :sort_key, :epoch, :revision, :write_id, :digest, :schema_version, :expires_at, :is_tombstone,
    :body, :extra, :fields)
ON CONFLICT (kind, scope, id) DO UPDATE SET"""

GET: Final = f"SELECT {COLUMNS} FROM records WHERE kind = :kind AND id = :id AND scope IN (:scope, :fallback) AND {PRESENT}"
STORED: Final = f"SELECT {COLUMNS} FROM records WHERE {_KEY}"
IS_PRESENT: Final = f"SELECT 1 FROM records WHERE {_KEY} AND {PRESENT}"
CREATE: Final = f"""{_INSERT} sort_key = :sort_key, {_SET_NEXT}
WHERE (records.is_tombstone = 1 OR records.expires_at <= :now) AND {_IS_CURRENT}
RETURNING sort_key, epoch, revision"""
REPLACE: Final = f"""UPDATE records SET {_SET_NEXT}
WHERE {_KEY} AND {_SAME_STATE} AND {PRESENT} AND {_IS_CURRENT}
RETURNING sort_key, epoch, revision"""
DELETE: Final = f"""UPDATE records SET {_SET_NEXT} WHERE {_KEY} AND {PRESENT} AND {_IS_CURRENT}
RETURNING sort_key, epoch, revision"""
DELETE_EXPECTED: Final = f"""UPDATE records SET {_SET_NEXT}
WHERE {_KEY} AND {_SAME_STATE} AND {PRESENT} AND {_IS_CURRENT}
RETURNING sort_key, epoch, revision"""
LATER_EPOCH: Final = f"""SELECT epoch FROM records WHERE {_KEY} AND 0 < :epoch AND :epoch < epoch AND ({PRESENT}) = :present
AND (:expected_revision IS NULL OR {_SAME_STATE})"""
_APPLY: Final = f"""{_INSERT} {_SET_ALL}
WHERE (records.epoch, records.revision) < (:epoch, :revision) OR records.expires_at <= :now"""
APPLY: Final = f"{_APPLY} RETURNING 1"
APPLY_NEW: Final = _APPLY
"""For many at once, where nothing is stored: there is nothing to return of it."""
APPLY_OVER: Final = f"""UPDATE records SET {_SET_ALL}
WHERE {_KEY} AND epoch || '.' || revision || '.' || write_id = :over
RETURNING 1"""
SCAN: Final = f"""SELECT {COLUMNS} FROM records WHERE (kind, scope, id) > (:kind, :scope, :id)
ORDER BY kind, scope, id LIMIT :limit"""
PURGE: Final = f"""DELETE FROM records WHERE rowid IN
    (SELECT rowid FROM records WHERE kind = :kind AND is_tombstone = 0 AND expires_at <= :now ORDER BY expires_at LIMIT :limit)
RETURNING {COLUMNS}"""
PING: Final = """SELECT sqlite_version(), (SELECT journal_mode FROM pragma_journal_mode),
    (SELECT quick_check FROM pragma_quick_check(1)), (SELECT user_version FROM pragma_user_version),
    EXISTS (SELECT 1 FROM records)"""

FILL_CHANGES: Final = (
    """INSERT INTO changes (feed, kind, place, id, write_id, size)
SELECT feed, kind, scope, id, write_id, length(body) FROM records JOIN feeds USING (kind)
WHERE NOT EXISTS (SELECT 1 FROM changes WHERE (changes.kind, place, changes.id) = (records.kind, scope, records.id))
ORDER BY write_id""",
    """INSERT INTO changes (feed, kind, place, id, write_id, size)
SELECT 'execution_data', '', execution_id, id, write_id, length(body) FROM execution_data
WHERE NOT EXISTS (SELECT 1 FROM changes WHERE (changes.kind, place, changes.id) = ('', execution_id, execution_data.id))
ORDER BY execution_id, recording, first""",
)
"""Let feeds tell of what was there before them, the rows of one write together. In which order it was written is not known."""

_READ_APART: Final = frozenset({"status", "workflowId"})
"""Of several values each is read by itself, from an index that has one after the other."""
_TOGETHER: Final = frozenset({"executedBy", "workflowName", "formId"})
"""The indexes of two of these or more have the runs of each status by themselves."""
_STATUSES: Final = ("Cancelled", "Cancelling", "CompletedWithErrors", "Failed", "Pending", "Running", "Success", "Timeout")
_STATUS: Final = "json_extract(fields, '$.status')"
_ACROSS: Final = {
    ("execution", Range, "completedAt"): "records_execution_completedAt",
    ("audit_event", Eq, "eventType"): "records_audit_event_eventType",
}
"""Indexes by which to look in one scope after the other, where SQLite would rather read them whole."""
_BY_STATUS: Final = (
    *(f"records WHERE {_STATUS} = '{status}' AND" for status in _STATUSES),
    f"records INDEXED BY records_execution_other_status WHERE ifnull({_STATUS}, '') NOT IN ({', '.join(map(repr, _STATUSES))}) AND",
)
"""The last is of an index that is empty, unless a run has a status that there is not."""
_OF_FEW: Final = frozenset({ID, "roleId"})
"""What few records have in common: those are found and sorted, where SQLite would look for them among all in order."""
_RATHER: Final = {"isRevoked": "workflowId"}
"""Fields of which another has fewer records in common: of two indexes SQLite would take either."""
_FEW_IN: Final = frozenset({"nextRunAt"})
"""Ranges that few records are in: the same."""
_WINDOWS: Final = frozenset({SORT_KEY, "completedAt"})
"""Ranges that indexes have within each scope: of all scopes SQLite goes to them in one after the other."""
_SCOPES: Final = """scope IN (WITH RECURSIVE scopes (scope) AS (
    SELECT min(scope) FROM records WHERE kind = '{kind}'{after} UNION ALL
    SELECT (SELECT min(scope) FROM records WHERE kind = '{kind}' AND scope > scopes.scope) FROM scopes WHERE scope IS NOT NULL
) SELECT scope FROM scopes)"""
"""Every scope that has records of a kind, from one to the next: in each an index tells where an id or a window is."""
_MAX_ARMS: Final = 16
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def check_names(specs: Specs) -> None:
    """Refuse specs whose names could not stand in SQL.

    Raises:
        ConfigurationError: A kind or queryable field is not letters, digits and underscores.
    """
    for spec in specs.values():
        for name in (spec.kind, *spec.queryable):
            if _NAME.fullmatch(name) is None:
                raise ConfigurationError(f"{spec.kind}: the name {name!r} must be letters, digits and underscores")


def feeds_of(specs: Specs) -> dict[str, str]:
    """Return the feed of each kind that has one."""
    return {spec.kind: spec.feed for spec in specs.values() if not spec.is_internal}


def feed_statements(specs: Specs) -> Iterator[str]:
    """Yield what tells the triggers which kinds are followed where."""
    for kind, feed in feeds_of(specs).items():
        yield f"INSERT INTO feeds VALUES ('{kind}', '{feed}') ON CONFLICT DO UPDATE SET feed = excluded.feed"


def compile_among(columns: str, keys: Sequence[Key]) -> Statement:
    """Return what selects *columns* of those of *keys* that are stored; all are of one kind and scope."""
    parameters: dict[str, Value] = {"kind": keys[0].kind, "scope": keys[0].scope.value}
    ids = _bind([key.id for key in keys], parameters)
    return f"SELECT {columns} FROM records WHERE kind = :kind AND scope = :scope AND id IN ({ids})", parameters


def compile_page(query: Query, position: Sequence[str] | None, now: str) -> Statement:
    """Return what selects one row more than *query* asks for, after *position* in its order.

    What is read in parts, each of them in order, SQLite merges as far as the page goes.
    """
    parameters: dict[str, Value] = {"limit": query.limit + 1}
    parameters |= {f"after{number}": part for number, part in enumerate(position or ())}
    places = ["scope", "sort_key"] if query.scope is None else ["sort_key"]
    columns = _columns_without(query.without) if query.without else COLUMNS
    is_of_few = any(item.field in (_FEW_IN if isinstance(item, Range) else _OF_FEW) for item in query.filters)
    if is_of_few:
        # Of an expression SQLite does not take what is in order already for an advantage.
        places = [f"+{place}" for place in places]
    selects: list[str] = []
    for rest, place in _rests(query, position):
        for arm, sources in [(rest, [_source(rest)])] if is_of_few else _arms(rest):
            where, parameters = compile_where(arm, now, parameters, place)
            selects += [f"SELECT {columns} FROM {source} {where}" for source in sources]
    return f"{' UNION ALL '.join(selects)} ORDER BY {', '.join(places)} LIMIT :limit", parameters


def _rests(query: Query, position: Sequence[str] | None) -> list[tuple[Query, str]]:
    """Return what of *query* comes after *position*, in one part or two, and the condition that tells where each is."""
    if position is None:
        return [(query, _place(query))]
    if query.scope is not None:
        return [(_from(query, position[0]), "scope = :scope AND sort_key > :after0")]
    if not _has_window(query):
        return [(query, f"{_place(query)} AND (scope, sort_key) > (:after0, :after1)")]
    return [
        (_from(query, position[1]), "scope = :after0 AND sort_key > :after1"),
        (query, _SCOPES.format(kind=_literal(query.kind), after=" AND scope > :after0")),
    ]


def _place(query: Query) -> str:
    """Return the condition on the scope, which is one that always holds where all are read in order."""
    if query.scope is not None:
        return "scope = :scope"
    if _has_window(query) or any(item.field == ID for item in query.filters if isinstance(item, Eq | In)):
        return _SCOPES.format(kind=_literal(query.kind), after="")
    return "1"


def _has_window(query: Query) -> bool:
    """Return whether an index has the records of a scope in an order of which *query* asks a part."""
    return any(isinstance(item, Range) and item.field in _WINDOWS for item in query.filters)


def _columns_without(names: Sequence[str]) -> str:
    """Return the columns of records without some fields of their bodies. A damaged body stays as it is, to be named."""
    paths = ", ".join(f"'$.{_literal(name)}'" for name in names)
    return COLUMNS.replace("body", f"iif(json_valid(body), json_remove(body, {paths}), body) AS body")


def _from(query: Query, position: str) -> Query:
    """Return *query* for what comes after *position*: of two lower bounds SQLite would sort the rest.

    Only whoever computed a token begins before the bound, which stays then.
    """
    filters = (
        replace(one, ge=None) if isinstance(one, Range) and one.field == SORT_KEY and (one.ge or "") <= position else one
        for one in query.filters
    )
    return replace(query, filters=tuple(filters))


def _arms(query: Query) -> list[tuple[Query, Sequence[str]]]:
    """Return queries, each of some parts, in exactly one of which is every record that *query* describes."""
    for number, condition in enumerate(query.filters):
        if isinstance(condition, In) and condition.field in _READ_APART:
            values = tuple(dict.fromkeys(condition.values))
            if 1 < len(values) <= _MAX_ARMS and all(isinstance(value, str | None) for value in values):
                before, after = query.filters[:number], query.filters[number + 1 :]
                queries = [replace(query, filters=(*before, Eq(condition.field, value), *after)) for value in values]
                return [(one, (_source(one),)) for one in queries]
    fields = {condition.field for condition in query.filters if isinstance(condition, Eq | In)}
    is_merged = query.kind == "execution" and query.scope is not None and "status" not in fields and len(fields & _TOGETHER) > 1
    return [(query, _BY_STATUS if is_merged else (_source(query),))]


def _source(query: Query) -> str:
    """Return what to select from, as far as the condition."""
    if query.scope is None and _has_window(query):
        for item in query.filters:
            index = _ACROSS.get((query.kind, type(item), item.field))
            if index is not None and item not in (Range(item.field, None, None), Eq(item.field, None)):
                return f"records INDEXED BY {index} WHERE"
    return "records WHERE"


def compile_aggregate(
    query: Query, group_by: Sequence[str], sum_of: Sequence[str], histogram_of: str | None, now: str
) -> Statement:
    """Return what selects per group, and with *histogram_of* per bucket in it: type and value of each field in *group_by*;
    four parts of each sum; the bucket and its large numbers; the count.

    A sum comes as the sums of its values' upper and lower 32 bits, which cannot overflow, how many values those are, and a JSON
    list of the texts of the values beyond 64 bits. The bucket is null where the field holds none of up to 64 bits.
    """
    where, parameters = compile_where(query, now)
    names: list[str] = list(dict.fromkeys([*group_by, *sum_of, *([] if histogram_of is None else [histogram_of])]))
    # Values are taken out of a row once, in a query that the limit keeps apart; LIMIT -1 leaves nothing out.
    parts = [f"{_type(name)} AS t{n}, {_extract(name)} AS v{n}" for n, name in enumerate(names)]
    parts += [f"{_extract_json(name)} AS j{n}" for n, name in enumerate(names) if name in sum_of or name == histogram_of]
    rows = f"SELECT {', '.join(parts) or '1'} FROM {_source(query)} {where} LIMIT -1 OFFSET 0"
    groups = [column for name in group_by for column in (f"t{names.index(name)}", f"v{names.index(name)}")]
    sums = [column for name in sum_of for column in _sum(names.index(name))]
    keys, buckets = list(groups), list[str]()
    if histogram_of is not None:
        keys.append(_bucket(names.index(histogram_of)))
        buckets = [keys[-1], _large(names.index(histogram_of))]
    grouping = f" GROUP BY {', '.join(keys)}" if keys else ""
    return f"SELECT {', '.join([*groups, *sums, *buckets, 'count(*)'])} FROM ({rows}){grouping}", parameters


def compile_where(query: Query, now: str, parameters: dict[str, Value] | None = None, place: str | None = None) -> Statement:
    """Return the condition that exactly the records which *query* describes meet, and *parameters* with its own.

    Args:
        query: What is wanted.
        now: The time.
        parameters: Those of other conditions.
        place: A condition on the scope instead of its own.
    """
    # The kind is spelled out, being one of the specs': a partial index serves no condition on a parameter.
    conditions = [f"kind = '{_literal(query.kind)}'", PRESENT, _place(query) if place is None else place]
    parameters = {**(parameters or {}), "now": now}
    if query.scope is not None:
        parameters["scope"] = query.scope.value
    fields = {item.field for item in query.filters}
    for item in query.filters:
        # Of an expression there is no index.
        sign = "+" if _RATHER.get(item.field) in fields else ""
        conditions.append(sign + _condition(item, parameters))
    return " AND ".join(conditions), parameters


def _condition(condition: Filter, parameters: dict[str, Value]) -> str:
    match condition:
        case Eq(name, value):
            return _one_of(name, (value,), parameters)
        case In(name, values):
            return _one_of(name, values, parameters)
        case Range(name, ge, lt):
            return _range(name, ge, lt, parameters)


def _one_of(name: str, values: Sequence[FilterValue], parameters: dict[str, Value]) -> str:
    """Compile equality type for type. A text and a number never compare equal here, but ``1`` and ``true`` would."""
    texts = [value for value in values if type(value) is str]
    if name in (ID, SORT_KEY):
        return f"{_column(name)} IN ({_bind(texts, parameters)})"
    conditions: list[str] = []
    if texts:
        conditions.append(f"{_extract(name)} IN ({_bind(map(escape, texts), parameters)}) AND {_is_text(name)}")
    integers = [value for value in values if type(value) is int]
    if small := [value for value in integers if is_int64(value)]:
        conditions.append(f"{_extract(name)} IN ({_bind(small, parameters)}) AND {_type(name)} = 'integer'")
    if large := [str(value) for value in integers if not is_int64(value)]:
        conditions.append(f"{_extract_json(name)} IN ({_bind(large, parameters)})")
    conditions += [f"{_type(name)} = '{str(value).lower()}'" for value in (True, False) if any(value is v for v in values)]
    if None in values:
        conditions.append(f"{_extract(name)} IS NULL")
    return f"({' OR '.join(conditions)})" if conditions else "0"


def _range(name: str, ge: str | None, lt: str | None, parameters: dict[str, Value]) -> str:
    is_column = name in (ID, SORT_KEY)
    value = _column(name) if is_column else _extract(name)
    conditions = ["1" if is_column else _is_text(name)]
    for operator, bound in ((">=", ge), ("<", lt)):
        if bound is not None:
            conditions.append(f"{value} {operator} {_bind([bound if is_column else escape(bound)], parameters)}")
    return " AND ".join(conditions)


def _bind(values: Iterator[Value] | Sequence[Value], parameters: dict[str, Value]) -> str:
    names: list[str] = []
    for value in values:
        names.append(f":p{len(parameters)}")
        parameters[f"p{len(parameters)}"] = value
    return ", ".join(names)


def _sum(number: int) -> tuple[str, str, str, str]:
    is_number = f"FILTER (WHERE {_is_number(number)})"
    return (
        f"sum(v{number} >> 32) {is_number}",
        f"sum(v{number} & 4294967295) {is_number}",
        f"count(*) {is_number}",
        _large(number),
    )


def _is_number(number: int) -> str:
    return f"t{number} IN ('integer', 'true', 'false')"


def _large(number: int) -> str:
    return f"json_group_array(j{number}) FILTER (WHERE t{number} = 'object')"


def _bucket(number: int) -> str:
    bucket = compile_bucket(
        lambda bound, below, rest: f"iif(v{number} < {bound}, {below}, {rest})", lambda unit: f"v{number} & {-unit}"
    )
    return f"iif({_is_number(number)}, {bucket}, NULL)"


def _literal(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise InvalidRequestError(f"{name!r} is no kind or queryable field")
    return name


def _column(name: str) -> str:
    return {ID: "id", SORT_KEY: "sort_key"}[name]


def _extract(name: str) -> str:
    return _column(name) if name in (ID, SORT_KEY) else f"json_extract(fields, '$.{_literal(name)}')"


def _extract_json(name: str) -> str:
    return f"json_extract(fields, '$.{_literal(name)}.json')"


def _type(name: str) -> str:
    return f"typeof({_column(name)})" if name in (ID, SORT_KEY) else f"json_type(fields, '$.{_literal(name)}')"


def _is_text(name: str) -> str:
    """Return what nearly every row meets: if SQLite took it for rare it would sort the few rows that it expects to be left."""
    return f"likelihood({_type(name)} = 'text', 1.0)"
