"""A backend of bifrost-store over a plain dict: what a package for another database begins with.

It is whole by itself, to be copied and changed, though the model that the contract compares with looks much like it.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Final

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import override

from bifrost_store.backends.installed import InstalledBackend
from bifrost_store.backends.protocol import Backend, ScanPage
from bifrost_store.core.attempts import Attempt
from bifrost_store.core.clock import Clock
from bifrost_store.core.histogram import bucket_of
from bifrost_store.core.operations import Apply, Create, Delete, Operation, Replace, Result
from bifrost_store.core.page import Page, decode_token, encode_token
from bifrost_store.core.query import FilterValue, Group, Query, field_value, matches
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import Scope
from bifrost_store.core.spec import Specs
from bifrost_store.core.version import NO_VERSION, Etag
from bifrost_store.errors import (
    DocumentExistsError,
    DocumentNotFoundError,
    InvalidContinuationTokenError,
    PreconditionFailedError,
    StoreError,
)

NAME: Final = "dict"
_PAGE_SIZE: Final = 100


class DictBackend(Backend):
    """Keeps records in memory, as long as the process lives.

    Args:
        specs: What is known of each kind.
        clock: Decides what has expired.
        records: Where they are kept; several backends over one dict are several processes over one database.
    """

    def __init__(self, specs: Specs, *, clock: Clock, records: dict[Key, Record] | None = None) -> None:
        self._specs = specs
        self._now = clock
        self._records: dict[Key, Record] = {} if records is None else records

    @property
    @override
    def name(self) -> str:
        return NAME

    @override
    async def get(self, key: Key, *, fallback: Scope | None = None) -> Record | None:
        found = self._present(key)
        return found if found is not None or fallback is None else self._present(replace(key, scope=fallback))

    @override
    async def stored(self, key: Key) -> Record | None:
        return self._records.get(key)

    @override
    async def write(self, operations: Sequence[Operation], *, attempt: Attempt) -> list[Result]:
        before = dict(self._records)
        try:
            return [self._carry_out(operation, attempt) for operation in operations]
        except StoreError:
            self._records.clear()
            self._records.update(before)
            raise

    def _carry_out(self, operation: Operation, attempt: Attempt) -> Result:
        stored = self._present(operation.key)
        match operation:
            case Create(record):
                if stored is not None:
                    raise _refusal(DocumentExistsError, "create", record.key)
                return self._store(record, attempt)
            case Replace(record, expected):
                if stored is None:
                    raise _refusal(DocumentNotFoundError, "replace", record.key)
                _check_state(stored, expected, "replace")
                return self._store(record, attempt)
            case Delete(key, expected_or_none):
                if stored is None:
                    return None
                if expected_or_none is not None:
                    _check_state(stored, expected_or_none, "delete")
                attempt.check()
                tombstone = self._records[key] = self._named(stored.tombstone(attempt.follow(stored.version)))
                return tombstone
            case Apply(record, over):
                return self._apply(record, over, attempt)

    def _apply(self, record: Record, over: str | None, attempt: Attempt) -> bool:
        attempt.check()
        stored = self._records.get(record.key)
        if over is not None:
            is_wanted = stored is not None and stored.native_etag == over
        else:
            is_wanted = stored is None or stored.is_expired(self._now()) or stored.version.age < record.version.age
        if is_wanted:
            self._records[record.key] = self._named(record)
        return is_wanted

    @override
    async def query(self, query: Query) -> Page[Record]:
        position = decode_token(query)
        found = [record for record in self._matching(query) if position is None or _position(query, record) > position]
        items = tuple(found[: query.limit])
        return Page(items, encode_token(query, _position(query, items[-1])) if len(found) > query.limit else None)

    @override
    async def aggregate(
        self, query: Query, *, group_by: Sequence[str] = (), sum_of: Sequence[str] = (), histogram_of: str | None = None
    ) -> list[Group]:
        groups: dict[tuple[FilterValue, ...], list[Record]] = {}
        for record in self._matching(query):
            groups.setdefault(tuple(_plain(record, name) for name in group_by), []).append(record)
        return [
            Group(
                values,
                len(records),
                tuple(sum(_numbers(records, name)) for name in sum_of),
                tuple(len(_numbers(records, name)) for name in sum_of),
                {} if histogram_of is None else dict(sorted(Counter(map(bucket_of, _numbers(records, histogram_of))).items())),
            )
            for values, records in sorted(groups.items(), key=lambda group: [_rank(value) for value in group[0]])
        ]

    @override
    async def scan(self, resume_token: str | None = None) -> AsyncIterator[ScanPage]:
        start = _scan_start(resume_token)
        found = (record for key, record in self._records.items() if not self._is_internal(key))
        records = sorted(found, key=lambda record: str(record.key))
        for first in range(start, len(records), _PAGE_SIZE):
            yield ScanPage(tuple(records[first : first + _PAGE_SIZE]), (), str(first + _PAGE_SIZE))

    @override
    async def purge_expired(self, *, kind: str, limit: int = 500) -> list[Record]:
        expired = [record for record in self._records.values() if record.key.kind == kind and record.is_expired(self._now())]
        for record in expired[:limit]:
            del self._records[record.key]
        return expired[:limit]

    @override
    async def provision(self) -> None:
        """There is nothing to make."""

    @override
    async def ping(self) -> str:
        return f"dict: {len(self._records)} records"

    @override
    async def aclose(self) -> None:
        """There is nothing to close."""

    def _is_internal(self, key: Key) -> bool:
        return key.kind in self._specs and self._specs[key.kind].is_internal

    def _present(self, key: Key) -> Record | None:
        record = self._records.get(key)
        return record if record is not None and record.is_present(self._now()) else None

    def _matching(self, query: Query) -> list[Record]:
        return sorted(
            (
                record
                for record in self._records.values()
                if record.key.kind == query.kind
                and query.scope in (None, record.key.scope)
                and record.is_present(self._now())
                and matches(record, query.filters)
            ),
            key=lambda record: _position(query, record),
        )

    def _store(self, record: Record, attempt: Attempt) -> Record:
        attempt.check()
        before = self._records.get(record.key)
        version = attempt.follow(NO_VERSION if before is None else before.version)
        stored = self._records[record.key] = self._named(replace(record, version=version))
        return stored

    def _named(self, record: Record) -> Record:
        return replace(
            record, native_etag=f"{record.version.epoch}.{record.version.revision}.{secrets.token_hex(16)}", backend=NAME
        )


def _check_state(stored: Record, expected: Etag, operation: str) -> None:
    if not stored.version.is_same_state(expected.version):
        raise _refusal(PreconditionFailedError, operation, stored.key)


def _refusal(kind: type[StoreError], operation: str, key: Key) -> StoreError:
    return kind(f"{operation} {key}: {kind.__doc__}", backend=NAME, operation=operation, key=str(key))


def _position(query: Query, record: Record) -> list[str]:
    return [record.key.scope.value, record.sort_key] if query.scope is None else [record.sort_key]


def _plain(record: Record, name: str) -> FilterValue:
    value = field_value(record, name)
    assert value is None or isinstance(value, str | int)
    return value


def _numbers(records: Sequence[Record], name: str) -> list[int]:
    return [value for value in (field_value(record, name) for record in records) if isinstance(value, int)]


def _rank(value: FilterValue) -> tuple[int, FilterValue]:
    """Order None before booleans, numbers and texts."""
    ranks = {type(None): 0, bool: 1, int: 2, str: 3}
    return ranks[type(value)], "" if value is None else value


def _scan_start(resume_token: str | None) -> int:
    if resume_token is None:
        return 0
    if not resume_token.isdecimal() or len(resume_token) > 9:
        raise InvalidContinuationTokenError("resume token: not one that this backend gave out")
    return int(resume_token)


class DictSettings(BaseModel):
    """Read from ``BIFROST_STORE_DICT_LABEL``."""

    model_config = ConfigDict(frozen=True)

    label: str = Field(default="memory", description="What the store calls itself.")


BACKEND: Final = InstalledBackend(
    settings=DictSettings,
    open=lambda settings, specs, clock: DictBackend(specs, clock=clock),
    place=lambda settings: settings.label,
)
