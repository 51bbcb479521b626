"""Audit events: appended under ids that order them by time, listed in windows of time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from uuid import uuid4

from pydantic.alias_generators import to_camel
from typing_extensions import override

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import Clock, reverse_timestamp
from bifrost_store.core.page import Page
from bifrost_store.core.query import SORT_KEY, Eq, Filter, Query, Range
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import Scope
from bifrost_store.documents import AuditEvent
from bifrost_store.documents.audit_event import audit_event_id
from bifrost_store.errors import InvalidContinuationTokenError, InvalidRequestError
from bifrost_store.repositories.checks import check_count, check_limit, check_name, check_scope, check_string, plain_json, utc
from bifrost_store.repositories.reading import all_records, ordered
from bifrost_store.repository_protocols.audit import AuditEvents

MAX_WINDOW: Final = timedelta(days=366)
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_END: Final = _FIRST + timedelta(milliseconds=10**13)
"""No event happened before the first, or at the end or later: 13 digits of milliseconds order them."""
_MICROSECOND: Final = timedelta(microseconds=1)


class AuditRepository(AuditEvents):
    """The `AuditEvents` of a store. See `bifrost_store.protocols.AuditEvents`."""

    def __init__(self, backend: Backend, *, clock: Clock) -> None:
        self._backend = backend
        self._clock = clock

    @override
    async def append(
        self,
        scope: Scope,
        event_type: str,
        *,
        at: datetime | None = None,
        key_id: str | None = None,
        key_name: str | None = None,
        user_id: str | None = None,
        endpoint: str | None = None,
        method: str | None = None,
        remote_addr: str | None = None,
        user_agent: str | None = None,
        status_code: int | None = None,
        blocked_module: str | None = None,
        workspace_file: str | None = None,
        details: Any = None,
    ) -> AuditEvent:
        check_scope(scope, AuditEvent.spec)
        check_name(event_type, "event_type")
        texts = {
            "key_id": key_id,
            "key_name": key_name,
            "user_id": user_id,
            "endpoint": endpoint,
            "method": method,
            "remote_addr": remote_addr,
            "user_agent": user_agent,
            "blocked_module": blocked_module,
            "workspace_file": workspace_file,
        }
        for name, text in texts.items():
            if text is not None:
                check_string(text, name)
        if status_code is not None:
            check_count(status_code, "status_code")
        moment = utc(self._clock() if at is None else at, "at")
        key = Key("audit_event", scope, audit_event_id(moment, uuid4().hex))
        body = {
            "eventType": str(event_type),
            **{to_camel(name): text for name, text in texts.items()},
            "statusCode": status_code,
            "details": plain_json(details, "details"),
        }
        return AuditEvent.from_record(await self._backend.create(Record(key, body)))

    @override
    async def list(
        self,
        scope: Scope,
        *,
        since: datetime,
        until: datetime | None = None,
        event_type: str | None = None,
        limit: int = 100,
        continuation_token: str | None = None,
    ) -> Page[AuditEvent]:
        check_scope(scope, AuditEvent.spec)
        check_limit(limit)
        since = utc(since, "since")
        end, token = (until, continuation_token) if until is not None else self._open_end(since, continuation_token)
        filters = _compile(since, end, event_type)
        if filters is None:
            return Page(())
        page = await self._backend.query(Query("audit_event", scope, filters, limit, token))
        if until is None and page.continuation_token is not None:
            page = replace(page, continuation_token=f"{end.date().isoformat()}.{page.continuation_token}")
        return page.convert(AuditEvent.from_record)

    @override
    async def list_all(self, *, since: datetime, until: datetime | None = None, event_type: str | None = None) -> Page[AuditEvent]:
        filters = _compile(since, self._end_of_today() if until is None else until, event_type)
        if filters is None:
            return Page(())
        found = await all_records(self._backend, "audit_event", None, *filters)
        return ordered(found.convert(AuditEvent.from_record), key=lambda event: event.id)

    def _end_of_today(self) -> datetime:
        return _midnight(utc(self._clock(), "clock").date() + timedelta(days=1))

    def _open_end(self, since: datetime, token: str | None) -> tuple[datetime, str | None]:
        """Return the end of a list that was given none, and its query's token: a list's token keeps the end of its first page."""
        if token is None:
            return self._end_of_today(), None
        day, _, rest = token.partition(".")
        try:
            end = _midnight(date.fromisoformat(day))
        except ValueError:
            end = _FIRST
        if not since < end or end - since > MAX_WINDOW:
            raise InvalidContinuationTokenError("continuation token: not one that this list gave out")
        return end, rest


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _compile(since: datetime, until: datetime, event_type: str | None) -> tuple[Filter, ...] | None:
    """Return the filters for ``since <= timestamp < until``, the same for equal ones; None if nothing can meet them.

    Sort keys run backwards and begin with the millisecond: from that of the last moment before *until*, the newest and
    smallest, to before that of the millisecond before *since*.
    """
    since, until = utc(since, "since"), utc(until, "until")
    if until - since > MAX_WINDOW:
        raise InvalidRequestError(f"since, until: at most {MAX_WINDOW.days} days apart")
    if event_type is not None:
        check_name(event_type, "event_type")
    if since >= until or since >= _END or until <= _FIRST:
        return None
    newest = reverse_timestamp(min(until, _END) - _MICROSECOND)
    # The first millisecond of all has none before it; "`" sorts after the "_" that follows the digits.
    before = reverse_timestamp(since - _MICROSECOND) if since > _FIRST else reverse_timestamp(_FIRST) + "`"
    window = Range(SORT_KEY, newest, before)
    return (window,) if event_type is None else (window, Eq("eventType", str(event_type)))
