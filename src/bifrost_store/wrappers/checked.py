"""Refuses bad input alike on every backend, before anything is written."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.attempts import Attempt
from bifrost_store.core.columns import check_columns
from bifrost_store.core.json import check_text, copy_json, dump_json, measure_json, measure_members, utf16_length
from bifrost_store.core.loops import OwnLoop
from bifrost_store.core.operations import MAX_BATCH_BYTES, MAX_BATCH_OPERATIONS, Apply, Create, Delete, Operation, Replace, Result
from bifrost_store.core.page import Page, decode_token
from bifrost_store.core.query import ID, MAX_PAGE_SIZE, SORT_KEY, Eq, Filter, FilterValue, Group, In, Query, Range, check_page_size
from bifrost_store.core.record import Key, Record, default_sort_key
from bifrost_store.core.retention import Recorded
from bifrost_store.core.scope import Scope
from bifrost_store.core.spec import DocumentSpec, Specs
from bifrost_store.core.version import MAX_REVISION
from bifrost_store.errors import DocumentTooLargeError, InvalidContinuationTokenError, InvalidKeyError, InvalidRequestError
from bifrost_store.wrappers.pass_through import PassThrough

if TYPE_CHECKING:
    from bifrost_store.backends.execution_data import ExecutionData
    from bifrost_store.wrappers.feed import CheckedFeed

MAX_FILTER_VALUES = 100
_PLAIN: Final = frozenset({str, int, float, bool, type(None), list, dict})


class CheckedBackend(PassThrough):
    """A `Backend` whose inner backend sees only what it can keep. Opened stores always have one around each backend.

    Args:
        recorded: Once a migration has recorded a retention, what is written without an expiry gets the one that follows: a record
            that was read before, and is written after, ends in both stores at one moment.
    """

    def __init__(self, inner: Backend, specs: Specs, *, recorded: Recorded | None = None) -> None:
        super().__init__(inner)
        self._loop = OwnLoop()
        self._specs = specs
        self._recorded = recorded or Recorded()

    @property
    @override
    def _inner(self) -> Backend:
        self._loop.check()
        return super()._inner

    @property
    @override
    def feed(self) -> CheckedFeed | None:
        from bifrost_store.wrappers.feed import CheckedFeed  # noqa: PLC0415 - for those who follow it

        inner = self._inner.feed
        return None if inner is None else CheckedFeed(inner)

    @override
    async def get(self, key: Key, *, fallback: Scope | None = None) -> Record | None:
        self._check_key(key)
        if fallback is not None:
            self._check_key(replace(key, scope=fallback))
        return await self._inner.get(_plain_key(key), fallback=None if fallback == key.scope else fallback)

    @override
    async def stored(self, key: Key) -> Record | None:
        self._check_key(key)
        return await self._inner.stored(_plain_key(key))

    @override
    async def stored_all(self, keys: Sequence[Key]) -> list[Record | None]:
        if not 1 <= len(keys) <= MAX_BATCH_OPERATIONS or len({(key.kind, key.scope) for key in keys}) > 1:
            raise InvalidRequestError(f"stored: 1 to {MAX_BATCH_OPERATIONS} keys of one kind in one scope")
        for key in keys:
            self._check_key(key)
        return await self._inner.stored_all([_plain_key(key) for key in keys])

    @override
    async def write(self, operations: Sequence[Operation], *, attempt: Attempt) -> list[Result]:
        if not 1 <= len(operations) <= MAX_BATCH_OPERATIONS:
            raise InvalidRequestError(f"batch: 1 to {MAX_BATCH_OPERATIONS} operations, not {len(operations)}")
        checked, sizes = zip(*map(self._checked_operation, operations), strict=True)
        if len(checked) > 1:
            self._check_batch(checked, sum(sizes))
        return await self._inner.write(checked, attempt=attempt)

    def _check_batch(self, operations: Sequence[Operation], most: int) -> None:
        keys = [operation.key for operation in operations]
        if len({(key.kind, key.scope) for key in keys}) > 1:
            raise InvalidRequestError("batch: all operations must be of one kind in one scope")
        if len(set(keys)) < len(keys):
            raise InvalidRequestError("batch: a key occurs more than once")
        if not self._spec(keys[0].kind).is_batchable:
            raise InvalidRequestError(f"batch: records of kind {keys[0].kind} are written one by one")
        if most <= MAX_BATCH_BYTES:
            return
        if sum(_json_bytes(op.record) for op in operations if not isinstance(op, Delete)) > MAX_BATCH_BYTES:
            raise DocumentTooLargeError(f"batch: more than {MAX_BATCH_BYTES} bytes as JSON; split it")

    @override
    async def query(self, query: Query) -> Page[Record]:
        self._check_query(query)
        check_page_size(query.limit)
        query = _plain_query(query)
        _check_position(query)
        page = await self._inner.query(query)
        page = replace(page, continuation_token=None) if query.first_found else page
        return page if not query.without else replace(page, items=tuple(_without(record, query.without) for record in page))

    @override
    async def aggregate(
        self, query: Query, *, group_by: Sequence[str] = (), sum_of: Sequence[str] = (), histogram_of: str | None = None
    ) -> list[Group]:
        self.check_aggregate(query, group_by, sum_of, histogram_of)
        return await self._inner.aggregate(_plain_query(query), group_by=group_by, sum_of=sum_of, histogram_of=histogram_of)

    @override
    async def purge_expired(self, *, kind: str, limit: int = MAX_PAGE_SIZE) -> list[Record]:
        self._spec(kind)
        return await self._inner.purge_expired(kind=kind, limit=limit)

    @property
    @override
    def execution_data(self) -> ExecutionData | None:
        from bifrost_store.wrappers.checked_data import CheckedExecutionData  # noqa: PLC0415 - for those who keep some

        inner = super().execution_data
        return None if inner is None else CheckedExecutionData(inner, self._loop)

    def check_aggregate(self, query: Query, group_by: Sequence[str], sum_of: Sequence[str], histogram_of: str | None) -> None:
        """Refuse what `aggregate` refuses, for those who add up the answers of several backends."""
        spec = self._check_query(query)
        for name in (*group_by, *sum_of, *([] if histogram_of is None else [histogram_of])):
            _check_queryable(spec, name)

    def _spec(self, kind: str) -> DocumentSpec:
        try:
            return self._specs[kind]
        except KeyError:
            raise InvalidRequestError(f"kind {kind!r}: unknown; one of {', '.join(sorted(self._specs))}") from None

    def _check_key(self, key: Key) -> DocumentSpec:
        spec = self._spec(key.kind)
        if not spec.allows(key.scope):
            raise InvalidKeyError(f"scope {key.scope}: a {key.kind} cannot be stored there")
        spec.check_id(key.id)
        return spec

    def _checked(self, record: Record) -> tuple[Record, int]:
        """Return *record* as the inner backend gets it, and how many characters its body and extra take at most as JSON."""
        spec = self._check_key(record.key)
        if spec.fields is not None and record.body.keys() != spec.fields:
            odd = ", ".join(sorted(record.body.keys() ^ spec.fields))
            raise InvalidRequestError(f"{record.key.kind}: the body must have exactly the declared fields; differing: {odd}")
        if spec.id_field is not None and record.body[spec.id_field] != record.key.id:
            raise InvalidRequestError(f"{spec.id_field}: must repeat the record's id")
        most = measure_members(record.body) + (measure_json(record.extra, "extra") if record.extra else 2)
        check_columns(record.extra, "extra")
        if record.extra and not spec.has_extra:
            raise InvalidRequestError(f"extra: a {spec.kind} has none")
        spec.check_body(record.key.id, record.body)
        if most > min(spec.column_limit or most, spec.record_limit or most):
            _check_sizes(record, spec)
        if isinstance(record.expires_at, datetime) and record.expires_at.tzinfo is None:
            raise InvalidRequestError("expiresAt: must have a time zone")
        if isinstance(record.expires_at, datetime) and spec.is_append_only:
            raise InvalidRequestError(f"expiresAt: a {spec.kind} stays for good")
        if spec.ages:
            record = self._recorded.aged(record)
        return _plain_record(_with_sort_key(record)), most

    def applicable(self, record: Record) -> Record:
        """Return *record* as `apply` hands it on.

        Raises:
            InvalidRequestError: `apply` refuses it.
        """
        return self._applicable(record)[0]

    def _applicable(self, record: Record) -> tuple[Record, int]:
        if record.version.revision < 1:
            raise InvalidRequestError("apply: the record has no version")
        if max(record.version.age) > MAX_REVISION:
            raise InvalidRequestError(f"apply: revision and epoch must be at most {MAX_REVISION}")
        if not record.is_tombstone:
            return self._checked(record)
        _refuse_change(self._check_key(record.key))
        if record.body or record.extra or record.expires_at is not None:
            raise InvalidRequestError("apply: a tombstone has no body, no extra and no expiry")
        return _plain_record(_with_sort_key(record)), 0

    def _checked_operation(self, operation: Operation) -> tuple[Operation, int]:
        match operation:
            case Create(record):
                checked, most = self._checked(record)
                return Create(checked), most
            case Replace(record, expected):
                checked, most = self._checked(record)
                _refuse_change(self._spec(record.key.kind))
                return Replace(checked, expected), most
            case Apply(record, over):
                checked, most = self._applicable(record)
                return Apply(checked, over), most
            case Delete(key):
                _refuse_change(self._check_key(key))
                return replace(operation, key=_plain_key(key)), 0

    def _check_query(self, query: Query) -> DocumentSpec:
        spec = self._spec(query.kind)
        if query.scope is not None and not spec.allows(query.scope):
            raise InvalidKeyError(f"scope {query.scope}: a {query.kind} cannot be stored there")
        for condition in query.filters:
            _check_queryable(spec, condition.field)
            match condition:
                case Eq(name, value):
                    values: tuple[FilterValue, ...] = (value,)
                case In(name, values):
                    if not 1 <= len(values) <= MAX_FILTER_VALUES:
                        raise InvalidRequestError(f"{name}: 1 to {MAX_FILTER_VALUES} values to choose from, not {len(values)}")
                case Range(name, ge, lt):
                    values = (ge, lt)
            for text in values:
                if isinstance(text, str):
                    check_text(text, name)
        for name in query.without:
            if not spec.is_derived or name not in (spec.fields or ()) or name in spec.queryable:
                raise InvalidRequestError(f"{spec.kind}: {name!r} cannot be left out")
        return spec


def _plain_key(key: Key) -> Key:
    return key if type(key.id) is str else replace(key, id=str.__str__(key.id))


def _plain_record(record: Record) -> Record:
    """Return *record* whose key and fields are of Python's own types: what inherits from them is no text or number to drivers."""
    key = _plain_key(record.key)
    if key is record.key and _PLAIN.issuperset(map(type, record.body.values())):
        return record
    return replace(record, key=key, body={name: copy_json(value, name) for name, value in record.body.items()})


def _plain_query(query: Query) -> Query:
    filters = tuple(map(_plain_filter, query.filters))
    return query if all(map(operator.is_, filters, query.filters)) else replace(query, filters=filters)


def _plain_filter(condition: Filter) -> Filter:
    match condition:
        case Eq(name, value) if type(value) not in _PLAIN:
            return Eq(name, copy_json(value, name))
        case In(name, values) if not _PLAIN.issuperset(map(type, values)):
            return In(name, tuple(copy_json(value, name) for value in values))
        case Range(name, ge, lt) if not (type(ge) in _PLAIN and type(lt) in _PLAIN):
            return Range(name, copy_json(ge, name), copy_json(lt, name))
    return condition


def _with_sort_key(record: Record) -> Record:
    if not record.sort_key.isascii():
        raise InvalidRequestError("sortKey: must be ASCII")
    return record if record.sort_key else replace(record, sort_key=default_sort_key(record.key.id))


def _without(record: Record, names: Sequence[str]) -> Record:
    return record.with_body({**record.body, **dict.fromkeys(names)})


def _refuse_change(spec: DocumentSpec) -> None:
    if spec.is_append_only:
        raise InvalidRequestError(f"{spec.kind}: such records are only ever added, never changed or deleted")


def _check_queryable(spec: DocumentSpec, name: str) -> None:
    if name not in spec.queryable and name not in (ID, SORT_KEY):
        raise InvalidRequestError(f"{spec.kind}: {name!r} cannot be filtered on; one of {', '.join(sorted(spec.queryable))}")


def _json_bytes(record: Record) -> int:
    return len(dump_json(record.body)) + len(dump_json(record.extra))


def _check_sizes(record: Record, spec: DocumentSpec) -> None:
    sizes = {name: _units(value, is_json=spec.is_json(name, record.body)) for name, value in record.body.items()}
    extra = {name: _units(value, is_json=not isinstance(value, str)) for name, value in record.extra.items()}
    for name, units in (*sizes.items(), *extra.items()):
        if spec.column_limit is not None and units > spec.column_limit:
            raise DocumentTooLargeError(f"{name}: {units} characters, the limit is {spec.column_limit} (UTF-16 units)")
    total = sum(sizes.values()) + sum(extra.values())
    if spec.record_limit is not None and total > spec.record_limit:
        raise DocumentTooLargeError(
            f"{record.key.kind}: {total} characters in all, the limit is {spec.record_limit} (UTF-16 units)"
        )


def _units(value: object, *, is_json: bool) -> int:
    """Return the UTF-16 units of a value as it is stored: as JSON text in ASCII, or as the text that it is."""
    return len(dump_json(value)) if is_json else utf16_length(str(value))


def _check_position(query: Query) -> None:
    """Refuse a token with a position that no page of *query* can have ended at: a client may have computed it."""
    position = decode_token(query)
    if position is None or query.scope is not None:
        return
    try:
        Scope(position[0])
    except InvalidKeyError:
        raise InvalidContinuationTokenError("continuation token: it was altered") from None
