"""Forms, as `bifrost_store.protocols.Forms` promises; see also `repositories_form_access` and `repositories_form_input`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

import pytest
from hypothesis import given

from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.documents import AccessLevel, Form
from bifrost_store.errors import (
    DocumentNotFoundError,
    PreconditionFailedError,
)
from bifrost_store.testing import strategies
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.examples import ORGANIZATION, OTHER_ORGANIZATION
from bifrost_store.testing.examples import form as form_record
from bifrost_store.testing.harness import StoreUnderTest
from bifrost_store.testing.repositories import Repositories
from bifrost_store.testing.strict import exact_json

pytestmark = pytest.mark.anyio
WORKFLOWS_ALIKE: Final = (
    "sync",
    "sync_daily",
    "sync:x",
    "sync;",
    "sync~",
    "Sync",
    "sync/x.py",
    "%%sync",
    "sync'",
    "sync|x",
    "sync ",
)
"""Workflow names that begin with each other, or hold what separates or escapes in keys and etags."""
FIELD: Final[dict[str, Any]] = {
    "name": "tenant",
    "label": "Tenant",
    "type": "select",
    "required": True,
    "validation": {"min": 1.0},
    "dataProvider": "tenants",
    "dataProviderInputs": {"who": {"mode": "fieldRef", "value": None, "fieldName": "email", "expression": None}},
    "defaultValue": [1, {"a": None}],
    "placeholder": "",
    "helpText": None,
    "visibilityExpression": "form.x == 1",
    "options": [{"label": "A", "value": "a"}],
    "allowedTypes": [".pdf"],
    "multiple": False,
    "maxSizeMB": 2.5,
    "content": None,
    "allowAsQueryParam": True,
}
SCHEMA: Final[dict[str, Any]] = {"fields": [FIELD, {"name": "note", "type": "textarea", "layout": {"width": 2**60}}], "version": 3}


async def form_in(repositories: Repositories, scope: Scope = ORGANIZATION, name: str = "Onboarding", **more: Any) -> Form:
    """Make a form."""
    arguments = {"linked_workflow": "sync", "form_schema": {"fields": []}, "created_by": "ada", **more}
    return await repositories.forms.create(scope, name, **arguments)


def ids(forms: Iterable[Form]) -> list[str]:
    """Return the ids of forms, in order."""
    return [form.id for form in forms]


async def test_created_forms_are_found(repositories: Repositories) -> None:
    """Create stores what was given under a new id, active; the schema comes back with all that fields hold."""
    created = await form_in(
        repositories,
        linked_workflow="user onboarding",
        form_schema=SCHEMA,
        description="for new users",
        access_level=AccessLevel.AUTHENTICATED,
        launch_workflow_id="prepare",
        allowed_query_params=["tenant"],
        default_launch_params={"months": 3},
    )

    assert len(created.id) == 36
    assert (created.scope, created.org_id, created.is_global) == (ORGANIZATION, ORGANIZATION.organization_id, False)
    assert (created.name, created.description, created.linked_workflow) == ("Onboarding", "for new users", "user onboarding")
    assert (created.is_active, created.access_level, created.launch_workflow_id) == (True, AccessLevel.AUTHENTICATED, "prepare")
    assert (created.allowed_query_params, created.default_launch_params) == (["tenant"], {"months": 3})
    assert (created.created_by, created.created_at, created.updated_at) == ("ada", START, START)
    assert exact_json(created.form_schema) == exact_json(SCHEMA)
    assert await repositories.forms.get(ORGANIZATION, created.id) == created


async def test_what_is_not_given_is_role_based_and_unset(repositories: Repositories) -> None:
    """By default a form is for those who share a role; unset is told from empty."""
    plain = await form_in(repositories, GLOBAL)
    empty = await form_in(repositories, GLOBAL, allowed_query_params=[], default_launch_params={})

    assert (plain.access_level, plain.description, plain.launch_workflow_id) == (AccessLevel.ROLE_BASED, None, None)
    assert (plain.org_id, plain.is_global) == ("GLOBAL", True)
    assert (plain.allowed_query_params, plain.default_launch_params) == (None, None)
    assert await repositories.forms.get(GLOBAL, empty.id) == empty
    assert (empty.allowed_query_params, empty.default_launch_params) == ([], {})


async def test_get_falls_back_to_global(repositories: Repositories) -> None:
    """An organization finds its own forms and GLOBAL's, GLOBAL its own alone; of one id the organization's comes first."""
    made = {scope: await form_in(repositories, scope) for scope in (GLOBAL, ORGANIZATION, OTHER_ORGANIZATION)}

    for scope in made:
        for home, form in made.items():
            assert await repositories.forms.get(scope, form.id) == (form if home in (scope, GLOBAL) else None)
    assert await repositories.forms.get(ORGANIZATION, "x") is None


async def test_one_id_in_two_scopes(store: StoreUnderTest, repositories: Repositories) -> None:
    """Where an older form of the organization has the id of one in GLOBAL, get gives the organization's."""
    for scope in (GLOBAL, ORGANIZATION):
        await store.backend.create(form_record("f-1", scope=scope, name=str(scope)))

    for scope, home in ((GLOBAL, GLOBAL), (ORGANIZATION, ORGANIZATION), (OTHER_ORGANIZATION, GLOBAL)):
        form = await repositories.forms.get(scope, "f-1")
        assert form is not None
        assert (form.scope, form.name) == (home, str(home))


async def test_forms_are_listed_by_name_then_id(repositories: Repositories) -> None:
    """Lists join the organization's forms with GLOBAL's by name, then id; without inactive ones unless asked for."""
    shared = [await form_in(repositories, GLOBAL, name) for name in ("b", "a", "a")]
    own = [await form_in(repositories, ORGANIZATION, name) for name in ("c", "a", "B")]
    await form_in(repositories, OTHER_ORGANIZATION, "a")
    await repositories.forms.deactivate(GLOBAL, shared[0].id)
    await repositories.forms.deactivate(ORGANIZATION, own[0].id)

    def in_order(forms: list[Form]) -> list[str]:
        return ids(sorted(forms, key=lambda form: (form.name, form.id)))

    listing = repositories.forms.list
    assert ids(await listing(ORGANIZATION, active_only=False)) == in_order(own + shared)
    assert ids(await listing(ORGANIZATION)) == in_order(own[1:] + shared[1:])
    assert ids(await listing(ORGANIZATION, include_global=False)) == in_order(own[1:])
    assert ids(await listing(GLOBAL)) == ids(await listing(GLOBAL, include_global=False)) == in_order(shared[1:])


async def test_forms_of_a_workflow(repositories: Repositories) -> None:
    """Forms are found under exactly the name of their workflow, in the scope and in GLOBAL."""
    made = {}
    for name in WORKFLOWS_ALIKE:
        for scope in (GLOBAL, ORGANIZATION, OTHER_ORGANIZATION):
            made[name, scope] = (await form_in(repositories, scope, str(scope), linked_workflow=name)).id
    await repositories.forms.deactivate(ORGANIZATION, made["sync", ORGANIZATION])

    for name in WORKFLOWS_ALIKE:
        found = await repositories.forms.list_by_workflow(ORGANIZATION, name, active_only=False)
        assert ids(found) == [made[name, GLOBAL], made[name, ORGANIZATION]]
        assert ids(await repositories.forms.list_by_workflow(GLOBAL, name)) == [made[name, GLOBAL]]
    assert ids(await repositories.forms.list_by_workflow(ORGANIZATION, "sync")) == [made["sync", GLOBAL]]
    assert ids(await repositories.forms.list_by_workflow(ORGANIZATION, "syn")) == []


async def test_a_form_moves_to_another_workflow(repositories: Repositories) -> None:
    """After a change of workflow the form is found under the new one only, through names of any kind and back."""
    form = await form_in(repositories, linked_workflow="sync")
    for before, name in zip(("sync", *WORKFLOWS_ALIKE[1:]), (*WORKFLOWS_ALIKE[1:], "sync"), strict=True):
        form = await repositories.forms.update(ORGANIZATION, form.id, linked_workflow=name, etag=form.etag)
        assert form.linked_workflow == name
        assert ids(await repositories.forms.list_by_workflow(ORGANIZATION, name)) == [form.id]
        assert ids(await repositories.forms.list_by_workflow(ORGANIZATION, before)) == []


async def test_update_tells_not_given_from_none(repositories: Repositories, clock: SettableClock) -> None:
    """Fields that are not given stay; None clears; the access level changes; without any field nothing is written."""
    more: dict[str, Any] = {"launch_workflow_id": "prepare", "allowed_query_params": ["a"], "default_launch_params": {"a": 1}}
    created = await form_in(repositories, description="what for", **more)
    clock.advance(seconds=1)
    same = await repositories.forms.update(ORGANIZATION, created.id)
    changed = await repositories.forms.update(
        ORGANIZATION, created.id, name="B", access_level=AccessLevel.PUBLIC, form_schema=SCHEMA, is_active=False
    )
    cleared = await repositories.forms.update(
        ORGANIZATION,
        created.id,
        description=None,
        launch_workflow_id=None,
        allowed_query_params=None,
        default_launch_params=None,
        is_active=True,
    )

    assert same == created
    assert (changed.name, changed.access_level, changed.is_active) == ("B", AccessLevel.PUBLIC, False)
    assert (changed.description, changed.launch_workflow_id, changed.allowed_query_params) == ("what for", "prepare", ["a"])
    assert (changed.updated_at, changed.created_at, changed.created_by) == (clock.now, START, "ada")
    assert (cleared.description, cleared.launch_workflow_id, cleared.allowed_query_params) == (None, None, None)
    assert (cleared.default_launch_params, cleared.is_active, cleared.name) == (None, True, "B")
    assert exact_json(cleared.form_schema) == exact_json(SCHEMA)
    assert await repositories.forms.get(ORGANIZATION, created.id) == cleared


async def test_a_global_form_is_changed_where_it_lives(repositories: Repositories) -> None:
    """What an organization was shown of GLOBAL is changed in ``form.scope``, for everyone, and never in the organization's."""
    shared = await form_in(repositories, GLOBAL)
    shown = await repositories.forms.get(ORGANIZATION, shared.id)
    assert shown is not None
    for call in (
        repositories.forms.update(ORGANIZATION, shared.id, name="B"),
        repositories.forms.deactivate(ORGANIZATION, shared.id),
    ):
        with pytest.raises(DocumentNotFoundError):
            await call
    assert await repositories.forms.delete(ORGANIZATION, shared.id) is False

    changed = await repositories.forms.update(shown.scope, shown.id, name="B", etag=shown.etag)
    assert changed.scope == GLOBAL
    assert await repositories.forms.get(OTHER_ORGANIZATION, shared.id) == changed


async def test_etags_guard_every_change(repositories: Repositories) -> None:
    """With an etag of another state update, deactivate and delete raise PreconditionFailedError and write nothing."""
    old = await form_in(repositories)
    new = await repositories.forms.update(ORGANIZATION, old.id, linked_workflow="other", etag=old.etag)
    for call in (
        repositories.forms.update(ORGANIZATION, old.id, name="C", etag=old.etag),
        repositories.forms.deactivate(ORGANIZATION, old.id, etag=old.etag),
        repositories.forms.delete(ORGANIZATION, old.id, etag=old.etag),
    ):
        with pytest.raises(PreconditionFailedError):
            await call

    assert await repositories.forms.get(ORGANIZATION, old.id) == new
    assert await repositories.forms.delete(ORGANIZATION, old.id, etag=new.etag) is True


async def test_deactivating_twice_changes_nothing(repositories: Repositories, clock: SettableClock) -> None:
    """The document stays, inactive; repeating it leaves even `updated_at` alone."""
    form = await form_in(repositories)
    first = await repositories.forms.deactivate(ORGANIZATION, form.id)
    clock.advance(seconds=1)

    assert first.is_active is False
    assert await repositories.forms.deactivate(ORGANIZATION, form.id) == first
    assert await repositories.forms.get(ORGANIZATION, form.id) == first


async def test_delete_leaves_the_roles(repositories: Repositories) -> None:
    """Deleting removes the form alone, once; its assignments stay until they are taken back, and mislead no list of forms."""
    form = await form_in(repositories)
    role = await repositories.roles.create(ORGANIZATION, "Help Desk", created_by="ada")
    await repositories.roles.assign_forms(ORGANIZATION, role.id, [form.id], assigned_by="ada")
    await repositories.roles.assign_users(ORGANIZATION, role.id, ["kim"], assigned_by="ada")

    assert await repositories.forms.delete(ORGANIZATION, form.id) is True
    assert await repositories.forms.delete(ORGANIZATION, form.id) is False
    assert await repositories.forms.get(ORGANIZATION, form.id) is None
    assert len(await repositories.forms.list_by_workflow(ORGANIZATION, "sync", active_only=False)) == 0
    assert len(await repositories.forms.visible_to(ORGANIZATION, "kim")) == 0
    assert await repositories.forms.can_view(ORGANIZATION, "kim", form.id, is_platform_admin=True) is False
    assert [one.form_id for one in await repositories.roles.forms(ORGANIZATION, role.id)] == [form.id]
    assert await repositories.roles.unassign_forms(ORGANIZATION, role.id, [form.id]) == 1


async def test_concurrent_updates_are_all_kept(repositories: Repositories) -> None:
    """Updates of different fields at the same time, without etags, are all kept, and one workflow has the form."""
    form = await form_in(repositories)
    await asyncio.gather(
        repositories.forms.update(ORGANIZATION, form.id, name="B"),
        repositories.forms.update(ORGANIZATION, form.id, linked_workflow="other"),
        repositories.forms.update(ORGANIZATION, form.id, access_level=AccessLevel.PUBLIC),
        repositories.forms.deactivate(ORGANIZATION, form.id),
    )

    (stored,) = await repositories.forms.list_by_workflow(ORGANIZATION, "other", active_only=False)
    assert (stored.name, stored.access_level, stored.is_active) == ("B", AccessLevel.PUBLIC, False)
    assert len(await repositories.forms.list_by_workflow(ORGANIZATION, "sync", active_only=False)) == 0


@given(text=strategies.identifiers, value=strategies.json_objects)
async def test_any_name_workflow_and_default(repositories: Repositories, text: str, value: dict[str, Any]) -> None:
    """Names, workflows, default values and launch parameters of any kind come back equal, and the form is found by them."""
    fields = [{"name": text, "type": "text", "label": text, "defaultValue": value.get("n"), "options": [value.get("n")]}]
    form = await form_in(
        repositories,
        name=text,
        linked_workflow=text,
        launch_workflow_id=text,
        created_by=text,
        description=text,
        form_schema={"fields": fields},
        allowed_query_params=[text],
        default_launch_params=value,
    )
    try:
        (found,) = await repositories.forms.list_by_workflow(ORGANIZATION, text)
        assert found == form == await repositories.forms.get(ORGANIZATION, form.id)
        assert (found.name, found.linked_workflow, found.description, found.allowed_query_params) == (text, text, text, [text])
        assert exact_json(found.form_schema) == exact_json({"fields": fields})
        assert exact_json(found.default_launch_params) == exact_json(value)
    finally:
        assert await repositories.forms.delete(ORGANIZATION, form.id) is True


async def test_one_unreadable_form_hides_no_other(store: StoreUnderTest, repositories: Repositories) -> None:
    """A form that no model fits is named in `unreadable`, seen by nobody, and the others are listed."""
    good = await form_in(repositories, access_level=AccessLevel.AUTHENTICATED)
    await store.backend.create(form_record("f-1", accessLevel="everyone"))

    for page in (
        await repositories.forms.list(ORGANIZATION),
        await repositories.forms.visible_to(ORGANIZATION, "kim"),
        await repositories.forms.visible_to(ORGANIZATION, "kim", is_platform_admin=True),
    ):
        assert ids(page) == [good.id]
        assert len(page.unreadable) == 1
        assert "f-1" in str(page.unreadable[0])
        assert "accessLevel" in str(page.unreadable[0])
