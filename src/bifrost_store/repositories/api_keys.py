"""API keys: made here, stored as hashes, told apart in constant time."""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from typing_extensions import override

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import Clock, format_time
from bifrost_store.core.events import log_event
from bifrost_store.core.page import Page
from bifrost_store.core.query import Eq, Filter, In
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import GLOBAL
from bifrost_store.core.version import Etag
from bifrost_store.documents import ApiKey
from bifrost_store.errors import (
    CorruptDocumentError,
    DocumentNotFoundError,
    InvalidRequestError,
    PreconditionFailedError,
    StoreError,
)
from bifrost_store.repositories.changes import change_record
from bifrost_store.repositories.checks import check_flag, check_id, check_string, utc
from bifrost_store.repositories.reading import all_records, ordered
from bifrost_store.repository_protocols.api_keys import ApiKeys, NewApiKey

KEY_PREFIX: Final = "bifrost_key_"
"""What every key begins with, so that people and secret scanners know it for one."""
_KEY_BYTES: Final = 32
_NOTED_EVERY: Final = timedelta(minutes=5)
_logger = logging.getLogger("bifrost_store.api_keys")


class ApiKeyRepository(ApiKeys):
    """The `ApiKeys` of a store. See `bifrost_store.protocols.ApiKeys`."""

    def __init__(self, backend: Backend, *, clock: Clock) -> None:
        self._backend = backend
        self._clock = clock

    @override
    async def create(
        self,
        *,
        created_by: str,
        workflow_id: str | None = None,
        description: str | None = None,
        expires_at: datetime | None = None,
        disable_global_key: bool = False,
    ) -> NewApiKey:
        check_id(created_by, "created_by")
        if workflow_id is not None:
            check_id(workflow_id, "workflow_id")
        if description is not None:
            check_string(description, "description")
        check_flag(disable_global_key, "disable_global_key")
        if disable_global_key and workflow_id is None:
            raise InvalidRequestError("disable_global_key: only the key of a workflow can keep global keys out")
        now = self._clock()
        expires_at = None if expires_at is None else utc(expires_at, "expires_at")
        if expires_at is not None and expires_at <= now:
            raise InvalidRequestError("expires_at: must be in the future")
        key = KEY_PREFIX + secrets.token_urlsafe(_KEY_BYTES)
        body = {
            "workflowId": workflow_id,
            "hashedKey": _hash(key),
            "createdBy": created_by,
            "createdAt": format_time(now),
            "isRevoked": False,
            "revokedAt": None,
            "revokedBy": None,
            "expiresAt": None if expires_at is None else format_time(expires_at),
            "lastUsedAt": None,
            "disableGlobalKey": disable_global_key,
            "description": description,
        }
        record = await self._backend.create(Record(_key(str(uuid4())), body))
        return NewApiKey(key, ApiKey.from_record(record))

    @override
    async def validate(self, key: str, workflow: str) -> ApiKey | None:
        check_string(key, "key")
        check_id(workflow, "workflow")
        found = await self._all(In("workflowId", (workflow, None)))
        hashed = _hash(key)
        same = [one for one in found if hmac.compare_digest(one.hashed_key.encode(), hashed.encode())]
        is_closed_to_global = any(one.workflow_id is not None and one.disable_global_key and not one.is_revoked for one in found)
        own = [one for one in same if one.workflow_id is not None]
        shared = [] if is_closed_to_global else [one for one in same if one.workflow_id is None]
        now = self._clock()
        valid = next((one for one in (*own, *shared) if one.is_valid(now)), None)
        if valid is None or valid.workflow_id is None:
            _refuse_to_guess(found.unreadable, workflow, hashed, is_open=valid is not None)
        return None if valid is None else await self._noted(valid, now)

    @override
    async def get(self, key_id: str) -> ApiKey | None:
        record = await self._backend.get(_key(key_id))
        return None if record is None else ApiKey.from_record(record)

    @override
    async def list(
        self, *, created_by: str | None = None, workflow_id: str | None = None, include_revoked: bool = False
    ) -> Page[ApiKey]:
        check_flag(include_revoked, "include_revoked")
        filters: list[Filter] = [] if include_revoked else [Eq("isRevoked", False)]
        for name, value in (("createdBy", created_by), ("workflowId", workflow_id)):
            if value is not None:
                check_id(value, name)
                filters.append(Eq(name, value))
        return ordered(await self._all(*filters), key=lambda one: (one.workflow_id is None, one.created_at, one.id))

    @override
    async def revoke(self, key_id: str, *, revoked_by: str, etag: str | None = None) -> ApiKey:
        check_id(revoked_by, "revoked_by")

        def change(record: Record) -> Record | None:
            key = ApiKey.from_record(record)
            if key.is_revoked:
                return None
            return record.with_body(key.changed(is_revoked=True, revoked_at=self._clock(), revoked_by=revoked_by))

        changed = await change_record(self._backend, _key(key_id), change, etag=etag)
        return ApiKey.from_record(changed.record)

    @override
    async def delete(self, key_id: str, *, etag: str | None = None) -> bool:
        expected = None if etag is None else Etag.parse(etag)
        return await self._backend.delete(_key(key_id), expected=expected) is not None

    async def _all(self, *filters: Filter) -> Page[ApiKey]:
        return (await all_records(self._backend, "api_key", GLOBAL, *filters)).convert(ApiKey.from_record)

    async def _noted(self, key: ApiKey, now: datetime) -> ApiKey:
        """Return *key* with its use at *now* noted, or as it is: noted lately, or because noting it failed."""
        if key.last_used_at is not None and now - key.last_used_at < _NOTED_EVERY:
            return key
        record = key.record
        try:
            stored = await self._backend.replace(record.with_body(key.changed(last_used_at=now)), record.etag)
        except (PreconditionFailedError, DocumentNotFoundError):
            return key
        except StoreError as error:
            log_event(_logger, logging.WARNING, "api_keys.use_not_noted", key_id=key.id, error=type(error).__name__)
            return key
        return ApiKey.from_record(stored)


def _refuse_to_guess(unreadable: Sequence[CorruptDocumentError], workflow: str, hashed: str, *, is_open: bool) -> None:
    """Raise what keeps it from being told whether a key is valid: a row that may be this key, or may close the workflow to it."""
    for error in unreadable:
        body = error.partial.body if isinstance(error.partial, Record) else {}
        if body.get("hashedKey") in (None, hashed):
            raise error
        if is_open and body.get("workflowId") == workflow and body.get("disableGlobalKey") is not False:
            raise error


def _key(key_id: str) -> Key:
    check_id(key_id, "key_id")
    return Key("api_key", GLOBAL, key_id)


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
