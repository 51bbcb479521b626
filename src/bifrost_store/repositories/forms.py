"""Forms, with those of GLOBAL beside every organization's own, and who may see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from typing_extensions import override

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import Clock, format_time
from bifrost_store.core.page import Page
from bifrost_store.core.query import Eq, Filter
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.core.tasks import for_each, together
from bifrost_store.core.unset import UNSET, Unset
from bifrost_store.core.version import Etag
from bifrost_store.documents import AccessLevel, Form, RoleForm, RoleUser
from bifrost_store.documents.form import check_form_id
from bifrost_store.errors import InvalidRequestError
from bifrost_store.repositories.changes import Change, change_record
from bifrost_store.repositories.checks import (
    check_flag,
    check_id,
    check_name,
    check_scope,
    check_string,
    json_list,
    json_object,
    one_of,
)
from bifrost_store.repositories.form_schemas import form_schema as checked_schema
from bifrost_store.repositories.reading import all_records, joined, ordered
from bifrost_store.repositories.role_assignments import Assignments, named_roles, role_of
from bifrost_store.repository_protocols.forms import Forms


class FormRepository(Forms):
    """The `Forms` of a store. See `bifrost_store.protocols.Forms`."""

    def __init__(self, backend: Backend, *, clock: Clock) -> None:
        self._backend = backend
        self._clock = clock
        self._role_users = Assignments(backend, RoleUser, "userId", clock=clock)
        self._role_forms = Assignments(backend, RoleForm, "formId", clock=clock)

    @override
    async def create(
        self,
        scope: Scope,
        name: str,
        *,
        linked_workflow: str,
        form_schema: Mapping[str, Any],
        created_by: str,
        description: str | None = None,
        access_level: AccessLevel = AccessLevel.ROLE_BASED,
        launch_workflow_id: str | None = None,
        allowed_query_params: Sequence[str] | None = None,
        default_launch_params: Mapping[str, Any] | None = None,
    ) -> Form:
        key = _key(scope, str(uuid4()))
        fields = _checked(
            {
                "name": name,
                "linked_workflow": linked_workflow,
                "form_schema": form_schema,
                "description": description,
                "access_level": access_level,
                "launch_workflow_id": launch_workflow_id,
                "allowed_query_params": allowed_query_params,
                "default_launch_params": default_launch_params,
            }
        )
        check_id(created_by, "created_by")
        now = format_time(self._clock())
        body = {
            "name": fields["name"],
            "description": fields["description"],
            "linkedWorkflow": fields["linked_workflow"],
            "formSchema": fields["form_schema"],
            "isActive": True,
            "accessLevel": fields["access_level"],
            "createdBy": created_by,
            "createdAt": now,
            "updatedAt": now,
            "launchWorkflowId": fields["launch_workflow_id"],
            "allowedQueryParams": fields["allowed_query_params"],
            "defaultLaunchParams": fields["default_launch_params"],
        }
        return Form.from_record(await self._backend.create(Record(key, body)))

    @override
    async def get(self, scope: Scope, form_id: str) -> Form | None:
        record = await self._backend.get(_key(scope, form_id), fallback=GLOBAL if scope != GLOBAL else None)
        return None if record is None else Form.from_record(record)

    @override
    async def list(self, scope: Scope, *, active_only: bool = True, include_global: bool = True) -> Page[Form]:
        check_scope(scope, Form.spec)
        check_flag(active_only, "active_only")
        check_flag(include_global, "include_global")
        return await self._found(scope, *_activity(active_only), include_global=include_global)

    @override
    async def list_by_workflow(self, scope: Scope, workflow_name: str, *, active_only: bool = True) -> Page[Form]:
        check_scope(scope, Form.spec)
        check_id(workflow_name, "workflow_name")
        check_flag(active_only, "active_only")
        return await self._found(scope, Eq("linkedWorkflow", workflow_name), *_activity(active_only))

    @override
    async def visible_to(self, scope: Scope, user_id: str, *, is_platform_admin: bool = False) -> Page[Form]:
        check_scope(scope, Form.spec)
        check_id(user_id, "user_id")
        check_flag(is_platform_admin, "is_platform_admin")
        if is_platform_admin:
            return await self.list(scope, active_only=False)
        forms, roles = await together(lambda: self.list(scope), lambda: self._role_users.of_member(scope, user_id))
        shared = await self._role_forms.of_roles([role_of(one) for one in roles])
        form_ids = {one.form_id for one in shared}
        visible = tuple(form for form in forms if _is_for_everyone(form) or (_is_role_based(form) and form.id in form_ids))
        return Page(visible, None, (*forms.unreadable, *roles.unreadable, *shared.unreadable))

    @override
    async def can_view(self, scope: Scope, user_id: str, form_id: str, *, is_platform_admin: bool = False) -> bool:
        check_id(user_id, "user_id")
        check_flag(is_platform_admin, "is_platform_admin")
        form = await self.get(scope, form_id)
        if form is None or is_platform_admin:
            return form is not None
        if not form.is_active or not _is_role_based(form):
            return form.is_active and _is_for_everyone(form)
        of_user, of_form = await together(
            lambda: self._role_users.of_member(scope, user_id), lambda: self._role_forms.of_member(scope, form_id)
        )
        if not set(map(role_of, of_user)).isdisjoint(map(role_of, of_form)):
            return True
        _refuse_to_guess(of_user, of_form)
        return False

    @override
    async def update(
        self,
        scope: Scope,
        form_id: str,
        *,
        name: str | Unset = UNSET,
        description: str | Unset | None = UNSET,
        linked_workflow: str | Unset = UNSET,
        form_schema: Mapping[str, Any] | Unset = UNSET,
        is_active: bool | Unset = UNSET,
        access_level: AccessLevel | Unset = UNSET,
        launch_workflow_id: str | Unset | None = UNSET,
        allowed_query_params: Sequence[str] | Unset | None = UNSET,
        default_launch_params: Mapping[str, Any] | Unset | None = UNSET,
        etag: str | None = None,
    ) -> Form:
        given: dict[str, Any] = {
            "name": name,
            "description": description,
            "linked_workflow": linked_workflow,
            "form_schema": form_schema,
            "is_active": is_active,
            "access_level": access_level,
            "launch_workflow_id": launch_workflow_id,
            "allowed_query_params": allowed_query_params,
            "default_launch_params": default_launch_params,
        }
        fields = _checked({name: value for name, value in given.items() if value is not UNSET})

        def change(record: Record) -> Record | None:
            now = self._clock()
            return record.with_body(Form.from_record(record).changed(**fields, updated_at=now)) if fields else None

        return await self._change(scope, form_id, change, etag)

    @override
    async def deactivate(self, scope: Scope, form_id: str, *, etag: str | None = None) -> Form:
        def change(record: Record) -> Record | None:
            form = Form.from_record(record)
            return record.with_body(form.changed(is_active=False, updated_at=self._clock())) if form.is_active else None

        return await self._change(scope, form_id, change, etag)

    @override
    async def delete(self, scope: Scope, form_id: str, *, etag: str | None = None) -> bool:
        expected = None if etag is None else Etag.parse(etag)
        return await self._backend.delete(_key(scope, form_id), expected=expected) is not None

    async def _found(self, scope: Scope, *filters: Filter, include_global: bool = True) -> Page[Form]:
        """Return the forms of *scope* and of GLOBAL that meet *filters*, by name, then id."""
        scopes = [scope, GLOBAL] if include_global and scope != GLOBAL else [scope]
        pages = await for_each(lambda one: all_records(self._backend, "form", one, *filters), scopes)
        return ordered(joined(pages).convert(Form.from_record), key=lambda form: (form.name, form.id))

    async def _change(self, scope: Scope, form_id: str, change: Change, etag: str | None) -> Form:
        return Form.from_record((await change_record(self._backend, _key(scope, form_id), change, etag=etag)).record)


def _key(scope: Scope, form_id: str) -> Key:
    check_scope(scope, Form.spec)
    check_id(form_id, "form_id")
    check_form_id(form_id)
    return Key("form", scope, form_id)


def _activity(active_only: bool) -> tuple[Filter, ...]:
    return (Eq("isActive", True),) if active_only else ()


def _refuse_to_guess(of_user: Page[RoleUser], of_form: Page[RoleForm]) -> None:
    """Raise what keeps it from being told whether user and form share a role: no assignment is left out."""
    unreadable = (*of_user.unreadable, *of_form.unreadable)
    users, forms = named_roles(of_user.unreadable), named_roles(of_form.unreadable)
    if users is None or forms is None:
        raise unreadable[0]
    shared = {*users, *map(role_of, of_user)} & {*forms, *map(role_of, of_form)}
    for role in shared:
        raise users.get(role) or forms[role]


def _is_for_everyone(form: Form) -> bool:
    return form.access_level is AccessLevel.AUTHENTICATED


def _is_role_based(form: Form) -> bool:
    return form.access_level is AccessLevel.ROLE_BASED


def _checked(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of fields as they are stored, by the names of arguments."""
    return {name: _checked_value(name, value) for name, value in fields.items()}


def _checked_value(name: str, value: Any) -> Any:
    match name:
        case "name":
            check_name(value, name)
        case "linked_workflow":
            check_id(value, name)
        case "is_active":
            check_flag(value, name)
        case "form_schema":
            return checked_schema(value)
        case "access_level":
            return one_of(AccessLevel, value, name).value
        case _ if value is None:
            return None
        case "description":
            check_string(value, name)
        case "launch_workflow_id":
            check_id(value, name)
        case "default_launch_params":
            return json_object(value, name)
        case "allowed_query_params":
            return _texts(value, name)
    return value


def _texts(value: object, field: str) -> Any:
    texts = json_list(value, field)
    if not all(isinstance(text, str) for text in texts):
        raise InvalidRequestError(f"{field}: must be a list of texts")
    return texts
