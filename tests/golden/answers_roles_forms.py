"""The old application's calls about roles and forms, answered in its shape."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from bifrost_store import GLOBAL, Form, Role, Scope, Store

Answer = Any
Call = Callable[[Store, dict[str, Any]], Awaitable[Answer]]

TOPICS = ("roles", "forms", "forms_by_workflow")
_ROLE_FIELDS = "id name description isActive createdBy createdAt updatedAt".split()
_FORM_FIELDS = (
    "id orgId name description linkedWorkflow formSchema isActive isGlobal accessLevel createdBy createdAt updatedAt "
    "launchWorkflowId allowedQueryParams defaultLaunchParams"
).split()


def _project(source: dict[str, Any], fields: list[str]) -> dict[str, Any]:
    def value(name: str) -> Any:
        text = source[name]
        is_time = name.endswith("At") and text is not None
        return datetime.fromisoformat(text.removesuffix("Z")).isoformat(timespec="microseconds") if is_time else text

    assert source.keys() <= {*fields, "scope", "etag"}, "a field that nobody compares"
    return {name: value(name) for name in fields}


def _shown(document: Role | Form, fields: list[str]) -> dict[str, Any]:
    return _project(document.model_dump(mode="json", by_alias=True), fields)


async def _scopes(store: Store) -> list[Scope]:
    return [GLOBAL, *(organization.scope for organization in await store.organizations.list(active_only=False))]


async def _get_role(store: Store, args: dict[str, Any]) -> Answer:
    role = await store.roles.get(Scope.from_partition_key(args["org_id"]), args["role_id"])
    return None if role is None else _shown(role, _ROLE_FIELDS)


async def _list_roles(store: Store, args: dict[str, Any]) -> Answer:
    found = await store.roles.list(Scope.from_partition_key(args["org_id"]), active_only=args["active_only"])
    return sorted((_shown(role, _ROLE_FIELDS) for role in found), key=lambda shown: shown["id"])


async def _user_role_ids(store: Store, args: dict[str, Any]) -> Answer:
    return sorted({one.role_id for scope in await _scopes(store) for one in await store.roles.of_user(scope, args["user_id"])})


async def _form_role_ids(store: Store, args: dict[str, Any]) -> Answer:
    return sorted({one.role_id for scope in await _scopes(store) for one in await store.roles.of_form(scope, args["form_id"])})


async def _role_user_ids(store: Store, args: dict[str, Any]) -> Answer:
    return [one.user_id for scope in await _scopes(store) for one in await store.roles.users(scope, args["role_id"])]


async def _role_form_ids(store: Store, args: dict[str, Any]) -> Answer:
    return [one.form_id for scope in await _scopes(store) for one in await store.roles.forms(scope, args["role_id"])]


async def _user_roles_handler(store: Store, args: dict[str, Any]) -> Answer:
    return {"roleIds": await _user_role_ids(store, args)}


async def _user_forms_handler(store: Store, args: dict[str, Any]) -> Answer:
    user = await store.users.get(args["user_id"])
    assert user is not None
    roles = () if user.is_platform_admin else await store.roles.of_user(user.scope, user.id)
    form_ids = {one.form_id for role in roles for one in await store.roles.forms(role.scope, role.role_id)}
    return {"userType": user.user_type, "hasAccessToAllForms": user.is_platform_admin, "formIds": sorted(form_ids)}


async def _found_form(store: Store, args: dict[str, Any]) -> Form | None:
    return await store.forms.get(Scope.from_partition_key(args["scope"]), args["form_id"])


async def _get_form(store: Store, args: dict[str, Any]) -> Answer:
    form = await _found_form(store, args)
    return None if form is None else _shown(form, _FORM_FIELDS)


async def _get_form_id(store: Store, args: dict[str, Any]) -> Answer:
    form = await _found_form(store, args)
    return None if form is None else form.id


async def _list_forms(store: Store, args: dict[str, Any]) -> Answer:
    scope = Scope.from_partition_key(args["scope"])
    found = await store.forms.list(scope, active_only=args["active_only"], include_global=args["include_global"])
    return sorted((_shown(form, _FORM_FIELDS) for form in found), key=lambda shown: shown["id"])


async def _list_form_ids(store: Store, args: dict[str, Any]) -> Answer:
    return [shown["id"] for shown in await _list_forms(store, args)]


async def _by_workflow(store: Store, args: dict[str, Any]) -> Answer:
    scope = Scope.from_partition_key(args["scope"])
    found = await store.forms.list_by_workflow(scope, args["workflow_name"], active_only=args["active_only"])
    return sorted(form.id for form in found)


async def _visible(store: Store, args: dict[str, Any]) -> Answer:
    scope = Scope.from_partition_key(args["scope"])
    found = await store.forms.visible_to(scope, args["user_id"], is_platform_admin=args["is_platform_admin"])
    return sorted(form.id for form in found)


async def _can_view(store: Store, args: dict[str, Any]) -> Answer:
    return await store.forms.can_view(Scope.from_partition_key(args["scope"]), args["user_id"], args["form_id"])


async def _form_count(store: Store, args: dict[str, Any]) -> Answer:
    return sum([len(await store.forms.list(scope, include_global=False)) for scope in await _scopes(store)])


def _sorted(answer: list[Any]) -> list[Any]:
    """Return ids, or models by id: the old application gave them in the order of keys, the scope's before GLOBAL's."""
    if not answer or isinstance(answer[0], str):
        return sorted(answer)
    return sorted((_project(one, _FORM_FIELDS) for one in answer), key=lambda shown: shown["id"])


CALLS: dict[str, Call] = {
    "RoleRepository.get_role": _get_role,
    "RoleRepository.list_roles": _list_roles,
    "RoleRepository.get_user_role_ids": _user_role_ids,
    "RoleRepository.get_form_role_ids": _form_role_ids,
    "RoleRepository.get_role_user_ids": _role_user_ids,
    "RoleRepository.get_role_form_ids": _role_form_ids,
    "permissions.get_user_roles_handler": _user_roles_handler,
    "permissions.get_user_forms_handler": _user_forms_handler,
    "FormRepository.get_form": _get_form_id,
    "FormRepository.get_form (models)": _get_form,
    "FormRepository.list_forms": _list_form_ids,
    "FormRepository.list_forms (models)": _list_forms,
    "FormRepository.list_forms_by_workflow": _by_workflow,
    "authorization.get_user_visible_forms": _visible,
    "authorization.can_user_view_form": _can_view,
    "metrics.get_form_count": _form_count,
}

NORMAL: dict[str, Callable[[Any], Any]] = {
    "RoleRepository.get_role": lambda answer: answer and _project(answer, _ROLE_FIELDS),
    "RoleRepository.list_roles": lambda answer: sorted((_project(one, _ROLE_FIELDS) for one in answer), key=lambda one: one["id"]),
    "FormRepository.get_form": lambda answer: _project(answer, _FORM_FIELDS) if isinstance(answer, dict) else answer,
    "FormRepository.list_forms": _sorted,
    "FormRepository.list_forms_by_workflow": _sorted,
    "authorization.get_user_visible_forms": _sorted,
}
