"""Refuses bad input to execution data alike on every backend, before anything is sent."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from typing import Final, get_args

from typing_extensions import override

from bifrost_store.backends.execution_data import DataPage, DataScanPage, ExecutionData
from bifrost_store.core.execution_data import (
    MAX_DATA_BYTES,
    MAX_FLUSH_BYTES,
    MAX_FLUSH_DOCUMENTS,
    MAX_ITEMS,
    MAX_RECORDINGS,
    DataDocument,
    DataRange,
    DataType,
    Run,
    body_bytes,
    payload_id,
    segment_id,
)
from bifrost_store.core.json import check_json, check_text
from bifrost_store.core.loops import OwnLoop
from bifrost_store.core.query import MAX_PAGE_SIZE, check_page_size
from bifrost_store.core.record import NEVER, Body
from bifrost_store.core.spec import check_identifier
from bifrost_store.documents import Execution
from bifrost_store.errors import DocumentTooLargeError, InvalidKeyError, InvalidRequestError, StoreError

MAX_RANGES: Final = 100
_TYPES: Final = frozenset(get_args(DataType))
_WRITE_ID: Final = re.compile(r"[0-9a-f]{32}")
_FIELD: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")
_DATA_ID: Final = re.compile(r"[0-9a-f]{16}-[0-9]{6}-[0-9]{10}|payload-[0-9a-f]{32}")


class CheckedExecutionData(ExecutionData):
    """An `ExecutionData` whose inner one sees only what it can keep.

    Args:
        loop: Of the backend that it belongs to.
    """

    def __init__(self, inner: ExecutionData, loop: OwnLoop) -> None:
        self._wrapped = inner
        self._loop = loop

    @property
    def _inner(self) -> ExecutionData:
        self._loop.check()
        return self._wrapped

    @property
    @override
    def shares_transactions(self) -> bool:
        return self._wrapped.shares_transactions

    @override
    async def append(self, flushes: Sequence[Sequence[DataDocument]]) -> list[StoreError | None]:
        for flush in flushes:
            _check_flush(flush)
        return await self._inner.append(flushes) if flushes else []

    @override
    async def get(self, run: Run, document_id: str) -> DataDocument | None:
        _check_run(run)
        _check_id(document_id)
        return await self._inner.get(run, document_id)

    @override
    async def read(
        self,
        run: Run,
        ranges: Sequence[DataRange],
        *,
        types: Collection[DataType] | None = None,
        limit: int = 100,
        backwards: bool = False,
    ) -> DataPage:
        _check_run(run)
        _check_ranges(ranges)
        if types is not None and not (types and _TYPES.issuperset(types)):
            raise InvalidRequestError(f"types: some of {', '.join(sorted(_TYPES))}, or None for all")
        check_page_size(limit)
        return await self._inner.read(run, ranges, types=types, limit=limit, backwards=backwards)

    @override
    async def remove(self, run: Run, document_ids: Sequence[str] | None = None) -> int:
        _check_run(run)
        if document_ids is not None:
            if len(document_ids) > MAX_PAGE_SIZE:
                raise InvalidRequestError(f"document_ids: at most {MAX_PAGE_SIZE}, not {len(document_ids)}")
            for document_id in document_ids:
                _check_id(document_id)
            if not document_ids:
                return 0
        return await self._inner.remove(run, document_ids)

    @override
    async def scan(self, resume_token: str | None = None) -> AsyncIterator[DataScanPage]:
        async for page in self._inner.scan(resume_token):
            yield page

    @override
    async def purge_expired(self, *, limit: int = MAX_PAGE_SIZE) -> int:
        check_page_size(limit)
        return await self._inner.purge_expired(limit=limit)


def _check_run(run: Run) -> None:
    if not Execution.spec.allows(run.scope):
        raise InvalidKeyError(f"scope {run.scope}: no execution can live there")
    Execution.spec.check_id(run.execution_id)
    check_identifier(run.creation, "creation")


def _check_id(document_id: str) -> None:
    if _DATA_ID.fullmatch(document_id) is None:
        raise InvalidKeyError(f"id {document_id[:80]!r}: no document of execution data has such a one")


def _check_flush(flush: Sequence[DataDocument]) -> None:
    if not 1 <= len(flush) <= MAX_FLUSH_DOCUMENTS:
        raise InvalidRequestError(f"flush: 1 to {MAX_FLUSH_DOCUMENTS} documents, not {len(flush)}")
    if len({document.run for document in flush}) > 1:
        raise InvalidRequestError("flush: all documents must be of one run")
    if len({document.id for document in flush}) < len(flush):
        raise InvalidRequestError("flush: an id occurs more than once")
    if len({document.write_id for document in flush}) > 1 or _WRITE_ID.fullmatch(flush[0].write_id) is None:
        raise InvalidRequestError("flush: all documents must have one write id of 32 hex digits")
    _check_run(flush[0].run)
    for document in flush:
        _check_place(document)
        _check_times(document)
        check_body(document.body)
    sizes = [body_bytes(document.body) for document in flush]
    if max(sizes) > MAX_DATA_BYTES:
        raise DocumentTooLargeError(f"body: {max(sizes)} bytes as JSON, the limit is {MAX_DATA_BYTES}")
    if sum(sizes) > MAX_FLUSH_BYTES:
        raise DocumentTooLargeError(f"flush: {sum(sizes)} bytes as JSON in all, the limit is {MAX_FLUSH_BYTES}; split it")


def check_body(body: Body) -> None:
    """Refuse a body that not every backend can keep.

    Raises:
        InvalidRequestError: The message names the field.
    """
    for name, value in body.items():
        if _FIELD.fullmatch(name) is None:
            raise InvalidRequestError(f"body: {name[:80]!r} is no name of a field; letters and digits only")
        for part in value if isinstance(value, list) else [value]:
            check_json(part, name)


def _check_place(document: DataDocument) -> None:
    """Refuse an id that is not that of the document's place."""
    recording, first, last = document.recording, document.first, document.last
    if document.type not in _TYPES:
        raise InvalidRequestError(f"type: one of {', '.join(sorted(_TYPES))}")
    if document.type == "payload":
        is_right = (recording, first, last) == (0, 0, 0) and document.id == payload_id(document.write_id)
    else:
        is_in_bounds = 0 <= recording < MAX_RECORDINGS and 1 <= first <= last < MAX_ITEMS
        is_right = is_in_bounds and document.id == segment_id(document.run.scope, recording, first)
    if not is_right:
        raise InvalidKeyError(f"id {document.id[:80]!r}: not that of items {first} to {last} of recording {recording}")


def _check_times(document: DataDocument) -> None:
    if document.timestamp.tzinfo is None:
        raise InvalidRequestError("timestamp: must have a time zone")
    expires_at = document.expires_at
    if expires_at != NEVER and not (isinstance(expires_at, datetime) and expires_at.tzinfo is not None):
        raise InvalidRequestError("expires_at: must be a moment with a time zone, or never")


def _check_ranges(ranges: Sequence[DataRange]) -> None:
    if not 1 <= len(ranges) <= MAX_RANGES:
        raise InvalidRequestError(f"ranges: 1 to {MAX_RANGES}, not {len(ranges)}")
    bounds = [bound for part in ranges for bound in (part.ge, part.lt)]
    for bound in bounds:
        check_text(bound, "ranges")
    if bounds != sorted(bounds):
        raise InvalidRequestError("ranges: must be in order, without overlapping")
