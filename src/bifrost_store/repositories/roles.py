"""Roles and their assignments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

from typing_extensions import override

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import Clock, format_time
from bifrost_store.core.page import Page
from bifrost_store.core.query import Eq
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import Scope
from bifrost_store.core.unset import UNSET, Unset
from bifrost_store.documents import Role, RoleForm, RoleUser
from bifrost_store.documents.form import check_form_id
from bifrost_store.documents.role import check_role_id, check_user_id
from bifrost_store.repositories.changes import Change, change_record, read
from bifrost_store.repositories.checks import as_list, check_flag, check_id, check_name, check_scope, check_string
from bifrost_store.repositories.reading import all_records, ordered
from bifrost_store.repositories.role_assignments import Assignments, RoleKey
from bifrost_store.repository_protocols.roles import Roles

MAX_ROLE_NAME_CHARACTERS: Final = 100


class RoleRepository(Roles):
    """The `Roles` of a store. See `bifrost_store.protocols.Roles`."""

    def __init__(self, backend: Backend, *, clock: Clock) -> None:
        self._backend = backend
        self._clock = clock
        self._role_users = Assignments(backend, RoleUser, "userId", clock=clock)
        self._role_forms = Assignments(backend, RoleForm, "formId", clock=clock)

    @override
    async def create(self, scope: Scope, name: str, *, created_by: str, description: str | None = None) -> Role:
        key = _key(scope, str(uuid4()))
        _check_fields({"name": name, "description": description})
        check_id(created_by, "created_by")
        now = format_time(self._clock())
        body = {
            "name": name,
            "description": description,
            "isActive": True,
            "createdBy": created_by,
            "createdAt": now,
            "updatedAt": now,
        }
        return Role.from_record(await self._backend.create(Record(key, body)))

    @override
    async def get(self, scope: Scope, role_id: str) -> Role | None:
        record = await self._backend.get(_key(scope, role_id))
        return None if record is None else Role.from_record(record)

    @override
    async def list(self, scope: Scope, *, active_only: bool = True) -> Page[Role]:
        check_scope(scope, Role.spec)
        check_flag(active_only, "active_only")
        filters = (Eq("isActive", True),) if active_only else ()
        found = await all_records(self._backend, "role", scope, *filters)
        return ordered(found.convert(Role.from_record), key=lambda role: (role.name, role.id))

    @override
    async def update(
        self,
        scope: Scope,
        role_id: str,
        *,
        name: str | Unset = UNSET,
        description: str | Unset | None = UNSET,
        is_active: bool | Unset = UNSET,
        etag: str | None = None,
    ) -> Role:
        given: dict[str, Any] = {"name": name, "description": description, "is_active": is_active}
        fields = {name: value for name, value in given.items() if value is not UNSET}
        _check_fields(fields)

        def change(record: Record) -> Record | None:
            now = self._clock()
            return record.with_body(Role.from_record(record).changed(**fields, updated_at=now)) if fields else None

        return await self._change(scope, role_id, change, etag)

    @override
    async def deactivate(self, scope: Scope, role_id: str, *, etag: str | None = None) -> Role:
        def change(record: Record) -> Record | None:
            role = Role.from_record(record)
            return record.with_body(role.changed(is_active=False, updated_at=self._clock())) if role.is_active else None

        return await self._change(scope, role_id, change, etag)

    @override
    async def assign_users(self, scope: Scope, role_id: str, user_ids: Sequence[str], *, assigned_by: str) -> Page[RoleUser]:
        users = _ids(user_ids, "user_ids", check_user_id)
        role = await self._present(scope, role_id, assigned_by)
        return await self._role_users.add(role, users, assigned_by)

    @override
    async def unassign_users(self, scope: Scope, role_id: str, user_ids: Sequence[str]) -> int:
        users = _ids(user_ids, "user_ids", check_user_id)
        return await self._role_users.remove(_role(scope, role_id), users)

    @override
    async def assign_forms(self, scope: Scope, role_id: str, form_ids: Sequence[str], *, assigned_by: str) -> Page[RoleForm]:
        forms = _ids(form_ids, "form_ids", check_form_id)
        role = await self._present(scope, role_id, assigned_by)
        return await self._role_forms.add(role, forms, assigned_by)

    @override
    async def unassign_forms(self, scope: Scope, role_id: str, form_ids: Sequence[str]) -> int:
        forms = _ids(form_ids, "form_ids", check_form_id)
        return await self._role_forms.remove(_role(scope, role_id), forms)

    @override
    async def of_user(self, scope: Scope, user_id: str) -> Page[RoleUser]:
        check_scope(scope, Role.spec)
        check_id(user_id, "user_id")
        return ordered(await self._role_users.of_member(scope, user_id), key=lambda one: one.role_id)

    @override
    async def of_form(self, scope: Scope, form_id: str) -> Page[RoleForm]:
        check_scope(scope, Role.spec)
        check_id(form_id, "form_id")
        check_form_id(form_id)
        return ordered(await self._role_forms.of_member(scope, form_id), key=lambda one: one.role_id)

    @override
    async def users(self, scope: Scope, role_id: str) -> Page[RoleUser]:
        return ordered(await self._role_users.of_roles([_role(scope, role_id)]), key=lambda one: one.user_id)

    @override
    async def forms(self, scope: Scope, role_id: str) -> Page[RoleForm]:
        return ordered(await self._role_forms.of_roles([_role(scope, role_id)]), key=lambda one: one.form_id)

    async def _present(self, scope: Scope, role_id: str, assigned_by: str) -> RoleKey:
        """Return a role that is there to be assigned."""
        key = _key(scope, role_id)
        check_id(assigned_by, "assigned_by")
        await read(self._backend, key)
        return scope, role_id

    async def _change(self, scope: Scope, role_id: str, change: Change, etag: str | None) -> Role:
        return Role.from_record((await change_record(self._backend, _key(scope, role_id), change, etag=etag)).record)


def _key(scope: Scope, role_id: str) -> Key:
    return Key("role", *_role(scope, role_id))


def _role(scope: Scope, role_id: str) -> RoleKey:
    check_scope(scope, Role.spec)
    check_id(role_id, "role_id")
    check_role_id(role_id)
    return scope, role_id


def _ids(values: object, field: str, check: Callable[[str], None]) -> Sequence[str]:
    """Return the ids of a list, each once, in order."""
    ids: dict[str, None] = {}
    for value in as_list(values, field):
        check_id(value, field)
        check(str(value))
        ids[str(value)] = None
    return tuple(ids)


def _check_fields(fields: Mapping[str, object]) -> None:
    if "name" in fields:
        check_name(fields["name"], "name", most=MAX_ROLE_NAME_CHARACTERS)
    if fields.get("description") is not None:
        check_string(fields["description"], "description")
    if "is_active" in fields:
        check_flag(fields["is_active"], "is_active")
