"""Organizations, all in GLOBAL."""

from __future__ import annotations

from uuid import uuid4

from typing_extensions import override

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import Clock, format_time
from bifrost_store.core.page import Page
from bifrost_store.core.query import Eq
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import GLOBAL
from bifrost_store.core.unset import UNSET, Unset
from bifrost_store.core.version import Etag
from bifrost_store.documents import Organization
from bifrost_store.errors import InvalidRequestError
from bifrost_store.repositories.changes import Change, change_record
from bifrost_store.repositories.checks import check_flag, check_id, check_name, check_string
from bifrost_store.repositories.reading import all_records, ordered
from bifrost_store.repository_protocols.organizations import Organizations

MAX_DOMAIN_CHARACTERS = 253
"""Of a domain name (RFC 1035, section 2.3.4, in text form)."""


class OrganizationRepository(Organizations):
    """The `Organizations` of a store. See `bifrost_store.protocols.Organizations`."""

    def __init__(self, backend: Backend, *, clock: Clock) -> None:
        self._backend = backend
        self._clock = clock

    @override
    async def create(
        self, name: str, *, created_by: str, domain: str | None = None, id: str | None = None, is_active: bool = True
    ) -> Organization:
        check_name(name, "name")
        check_id(created_by, "created_by")
        check_flag(is_active, "is_active")
        if id is not None:
            check_id(id, "id")
        now = format_time(self._clock())
        body = {
            "name": name,
            "domain": None if domain is None else _normal_domain(domain),
            "isActive": is_active,
            "createdAt": now,
            "createdBy": created_by,
            "updatedAt": now,
        }
        record = Record(_key(str(uuid4()) if id is None else id), body)
        return Organization.from_record(await self._backend.create(record))

    @override
    async def get(self, organization_id: str) -> Organization | None:
        record = await self._backend.get(_key(organization_id))
        return None if record is None else Organization.from_record(record)

    @override
    async def find_by_domain(self, domain: str) -> Organization | None:
        filters = (Eq("domain", _normal_domain(domain)), Eq("isActive", True))
        found = await all_records(self._backend, "organization", GLOBAL, *filters)
        page = found.convert(Organization.from_record)
        if page.unreadable:  # who belongs where is not decided by leaving out an organization
            raise page.unreadable[0]
        return min(page, key=lambda one: one.id, default=None)

    @override
    async def list(self, *, active_only: bool = True) -> Page[Organization]:
        filters = (Eq("isActive", True),) if active_only else ()
        found = await all_records(self._backend, "organization", GLOBAL, *filters)
        return ordered(found.convert(Organization.from_record), key=lambda one: (one.name, one.id))

    @override
    async def update(
        self,
        organization_id: str,
        *,
        name: str | Unset = UNSET,
        domain: str | Unset | None = UNSET,
        is_active: bool | Unset = UNSET,
        etag: str | None = None,
    ) -> Organization:
        fields: dict[str, object] = {}
        if name is not UNSET:
            check_name(name, "name")
            fields["name"] = name
        if domain is not UNSET:
            fields["domain"] = None if domain is None else _normal_domain(domain)
        if is_active is not UNSET:
            check_flag(is_active, "is_active")
            fields["is_active"] = is_active

        def change(record: Record) -> Record | None:
            now = self._clock()
            return record.with_body(Organization.from_record(record).changed(**fields, updated_at=now)) if fields else None

        return await self._change(organization_id, change, etag)

    @override
    async def deactivate(self, organization_id: str, *, etag: str | None = None) -> Organization:
        def change(record: Record) -> Record | None:
            organization = Organization.from_record(record)
            if not organization.is_active:
                return None
            return record.with_body(organization.changed(is_active=False, updated_at=self._clock()))

        return await self._change(organization_id, change, etag)

    @override
    async def delete(self, organization_id: str, *, etag: str | None = None) -> bool:
        expected = None if etag is None else Etag.parse(etag)
        return await self._backend.delete(_key(organization_id), expected=expected) is not None

    async def _change(self, organization_id: str, change: Change, etag: str | None) -> Organization:
        changed = await change_record(self._backend, _key(organization_id), change, etag=etag)
        return Organization.from_record(changed.record)


def _key(organization_id: str) -> Key:
    check_id(organization_id, "organization id")
    return Key("organization", GLOBAL, organization_id)


def _normal_domain(domain: str) -> str:
    check_string(domain, "domain")
    lowered = domain.lower()
    if not 1 <= len(lowered) <= MAX_DOMAIN_CHARACTERS or "@" in lowered:
        raise InvalidRequestError(f"domain: must have 1 to {MAX_DOMAIN_CHARACTERS} characters and no @")
    return lowered
