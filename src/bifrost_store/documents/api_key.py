"""A key with which other systems start workflows."""

from __future__ import annotations

import re
from datetime import datetime
from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from bifrost_store.core.record import Body, Record
from bifrost_store.core.spec import DocumentSpec
from bifrost_store.documents.base import Document, UtcTime
from bifrost_store.errors import InvalidKeyError

_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


def _check_id(text: str) -> None:
    if _ID.fullmatch(text) is None:
        # Not shown: it may be the key itself, mistaken for its id.
        raise InvalidKeyError("API key id: must have 1 to 64 letters, digits or dashes")


class ApiKey(Document):
    """What is known of a key; the key itself is stored nowhere. Lives in GLOBAL.

    Attributes:
        id: A UUID in lower case. It names the key and is no secret.
        workflow_id: The workflow that the key starts; None: any (a global key).
        hashed_key: SHA-256 of the key, 64 hex digits. Neither shown nor part of the JSON.
        is_revoked: True once revoked; the document stays.
        expires_at: From then on the key is refused; None: never.
        last_used_at: Of a successful validation, noted every five minutes at most.
        disable_global_key: On a workflow's key: global keys do not start this workflow.
    """

    spec: ClassVar[DocumentSpec] = DocumentSpec(
        kind="api_key",
        fields=frozenset(
            {
                "workflowId",
                "hashedKey",
                "createdBy",
                "createdAt",
                "isRevoked",
                "revokedAt",
                "revokedBy",
                "expiresAt",
                "lastUsedAt",
                "disableGlobalKey",
                "description",
            }
        ),
        queryable=frozenset({"workflowId", "createdBy", "isRevoked"}),
        unindexed=("hashedKey",),
        scopes="global",
        check_id=_check_id,
    )

    id: str
    workflow_id: str | None = None
    hashed_key: str = Field(exclude=True, repr=False)
    created_by: str
    created_at: UtcTime
    is_revoked: bool = False
    revoked_at: UtcTime | None = None
    revoked_by: str | None = None
    expires_at: UtcTime | None = None
    last_used_at: UtcTime | None = None
    disable_global_key: bool = False
    description: str | None = None

    @classmethod
    @override
    def identity(cls, record: Record) -> Body:
        return {"scope": record.key.scope, "id": record.key.id}

    def is_valid(self, now: datetime) -> bool:
        """Return whether the key may be used at *now*: neither revoked nor expired."""
        return not self.is_revoked and not self.has_expired(now)

    def has_expired(self, now: datetime) -> bool:
        """Return whether the key's time is over at *now*."""
        return self.expires_at is not None and self.expires_at <= now
