"""Who did what that must be accounted for: added once, never changed."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Final

from typing_extensions import override

from bifrost_store.core.clock import reverse_timestamp
from bifrost_store.core.record import Body, Record
from bifrost_store.core.spec import DocumentSpec, check_int32
from bifrost_store.documents.base import Document, Json, UtcTime
from bifrost_store.errors import InvalidKeyError

_ID: Final = re.compile(r"[0-9]{13}_[0-9a-f]{32}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MILLISECOND: Final = 9_999_999_999_999


def _check_id(text: str) -> None:
    if _ID.fullmatch(text) is None:
        raise InvalidKeyError(f"audit event id {text[:80]!r}: 13 digits, an underscore and 32 hex digits in lower case")


def audit_event_id(moment: datetime, unique: str) -> str:
    """Return the id of an event: newer ones sort first. *unique* is 32 hex digits.

    Raises:
        InvalidRequestError: *moment* lies before 1970 or after 2286.
    """
    return f"{reverse_timestamp(moment)}_{unique}"


def time_of(event_id: str) -> datetime:
    """Return the millisecond that an event's id, or the beginning of one, names."""
    return _EPOCH + timedelta(milliseconds=_LAST_MILLISECOND - int(event_id[:13]))


class AuditEventType(StrEnum):
    """The events that the platform writes. Others are carried as they are."""

    FUNCTION_KEY_ACCESS = "function_key_access"
    CROSS_ORG_ACCESS = "cross_org_access"
    ENGINE_VIOLATION_ATTEMPT = "engine_violation_attempt"


class AuditEvent(Document):
    """Something that happened. Lives in the scope of the organization that it names, else in GLOBAL.

    Attributes:
        id: 13 digits that tell the time backwards, ``_``, 32 hex digits.
        timestamp: When it happened, to the millisecond: it follows from the id.
        event_type: One of `AuditEventType`, or another application's.
        org_id: The organization's id, or ``GLOBAL``.
        key_id, key_name: The function key that was used.
        user_id: Who did it.
        endpoint, method, remote_addr, user_agent, status_code: The HTTP request and its answer.
        blocked_module, workspace_file: What code was kept from importing, and where it stands.
        details: Any JSON.
    """

    spec: ClassVar[DocumentSpec] = DocumentSpec(
        kind="audit_event",
        fields=frozenset(
            {
                "eventType",
                "keyId",
                "keyName",
                "userId",
                "endpoint",
                "method",
                "remoteAddr",
                "userAgent",
                "statusCode",
                "blockedModule",
                "workspaceFile",
                "details",
            }
        ),
        queryable=frozenset({"eventType"}),
        unindexed=("details/*",),
        is_batchable=False,
        is_append_only=True,
        check_body=lambda record_id, body: check_int32(body, "statusCode"),
        is_json=lambda field, body: field == "details" or not isinstance(body[field], str),
        check_id=_check_id,
    )

    id: str
    timestamp: UtcTime
    event_type: str
    org_id: str
    key_id: str | None = None
    key_name: str | None = None
    user_id: str | None = None
    endpoint: str | None = None
    method: str | None = None
    remote_addr: str | None = None
    user_agent: str | None = None
    status_code: int | None = None
    blocked_module: str | None = None
    workspace_file: str | None = None
    details: Json = None

    @classmethod
    @override
    def identity(cls, record: Record) -> Body:
        scope = record.key.scope
        return {
            "scope": scope,
            "org_id": scope.organization_id or scope.value,
            "id": record.key.id,
            "timestamp": time_of(record.key.id),
        }
