"""Who sees a form: `Forms.visible_to` and `Forms.can_view`, which must agree."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.core.scope import GLOBAL, SYSTEM, Scope
from bifrost_store.documents import AccessLevel, Form, Role
from bifrost_store.errors import CorruptDocumentError, InvalidKeyError, InvalidRequestError
from bifrost_store.testing.bulk import create_all
from bifrost_store.testing.contract.repositories_forms import form_in, ids
from bifrost_store.testing.contract.repositories_roles import ALIKE
from bifrost_store.testing.examples import ORGANIZATION, OTHER_ORGANIZATION, changed, role_form, role_user
from bifrost_store.testing.harness import StoreUnderTest
from bifrost_store.testing.repositories import Repositories

pytestmark = pytest.mark.anyio
SCOPES = (GLOBAL, ORGANIZATION, OTHER_ORGANIZATION)


async def role_of(repositories: Repositories, user: str, *forms: Form, scope: Scope = ORGANIZATION) -> Role:
    """Make a role that a user shares with forms."""
    role = await repositories.roles.create(scope, "Help Desk", created_by="ada")
    await repositories.roles.assign_users(scope, role.id, [user], assigned_by="ada")
    await repositories.roles.assign_forms(scope, role.id, ids(forms), assigned_by="ada")
    return role


async def seen(repositories: Repositories, scope: Scope, user: str, forms: list[Form]) -> set[str]:
    """Return the ids of the forms that a user sees, once list and question agree."""
    visible = set(ids(await repositories.forms.visible_to(scope, user)))
    assert visible == {form.id for form in forms if await repositories.forms.can_view(scope, user, form.id)}
    return visible


async def test_the_access_level_decides(repositories: Repositories) -> None:
    """Authenticated forms are for all, role-based ones for those who share a role, public ones for no user of their own accord."""
    by_level = {level: await form_in(repositories, access_level=level) for level in AccessLevel}
    forms = list(by_level.values())
    await role_of(repositories, "kim", by_level[AccessLevel.ROLE_BASED], by_level[AccessLevel.PUBLIC])
    everyone = by_level[AccessLevel.AUTHENTICATED].id

    assert await seen(repositories, ORGANIZATION, "lee", forms) == {everyone}
    assert await seen(repositories, ORGANIZATION, "kim", forms) == {everyone, by_level[AccessLevel.ROLE_BASED].id}


async def test_a_changed_level_counts_at_once(repositories: Repositories) -> None:
    """Who sees a form follows its access level as last updated."""
    form = await form_in(repositories)
    for level, expected in ((AccessLevel.AUTHENTICATED, {form.id}), (AccessLevel.PUBLIC, set()), (AccessLevel.ROLE_BASED, set())):
        await repositories.forms.update(ORGANIZATION, form.id, access_level=level)
        assert await seen(repositories, ORGANIZATION, "kim", [form]) == expected


async def test_inactive_forms_are_for_admins(repositories: Repositories) -> None:
    """A deactivated form is seen by platform admins alone."""
    forms = [await form_in(repositories, scope, access_level=AccessLevel.AUTHENTICATED) for scope in (GLOBAL, ORGANIZATION)]
    await role_of(repositories, "kim", *forms)
    for form in forms:
        await repositories.forms.deactivate(form.scope, form.id)

    assert await seen(repositories, ORGANIZATION, "kim", forms) == set()
    admins = await repositories.forms.visible_to(ORGANIZATION, "ada", is_platform_admin=True)
    assert set(ids(admins)) == set(ids(forms))


async def test_a_platform_admin_sees_all_of_the_scope_and_of_global(repositories: Repositories) -> None:
    """Whatever level and role, by name, then id; and nothing of other organizations."""
    made = {
        (scope, level): await form_in(repositories, scope, f"{scope} {level}", access_level=level)
        for scope, level in product(SCOPES, AccessLevel)
    }
    for scope in SCOPES:
        found = await repositories.forms.visible_to(scope, "ada", is_platform_admin=True)
        wanted = [form for (home, _), form in made.items() if home in (scope, GLOBAL)]
        assert ids(found) == ids(sorted(wanted, key=lambda form: (form.name, form.id)))
        for form in made.values():
            is_seen = await repositories.forms.can_view(scope, "ada", form.id, is_platform_admin=True)
            assert is_seen is (form in wanted)


async def test_roles_and_forms_of_the_scope_and_of_global_count(repositories: Repositories) -> None:
    """A role of the organization or of GLOBAL opens forms of both; what another organization grants opens nothing."""
    forms = {scope: await form_in(repositories, scope) for scope in SCOPES}
    for scope in SCOPES:
        await role_of(repositories, f"user of {scope}", *forms.values(), scope=scope)
    everything = list(forms.values())
    for scope, granting in product(SCOPES, SCOPES):
        wanted = {forms[home].id for home in (scope, GLOBAL)} if granting in (scope, GLOBAL) else set()
        assert await seen(repositories, scope, f"user of {granting}", everything) == wanted


async def test_a_role_must_be_the_same_role(store: StoreUnderTest, repositories: Repositories) -> None:
    """Having a role in GLOBAL opens no form of an organization's role with the same id."""
    form = await form_in(repositories)
    await store.backend.create(role_user("kim", "r-1", scope=GLOBAL))
    await store.backend.create(role_form(form.id, "r-1", scope=ORGANIZATION))

    assert await seen(repositories, ORGANIZATION, "kim", [form]) == set()


async def test_users_that_begin_alike_see_their_own(repositories: Repositories) -> None:
    """No user sees a form through the role of one whose id begins with theirs, or theirs with it."""
    forms = [await form_in(repositories, name=user) for user in ALIKE]
    for user, form in zip(ALIKE, forms, strict=True):
        await role_of(repositories, user, form)

    for user, form in zip(ALIKE, forms, strict=True):
        assert await seen(repositories, ORGANIZATION, user, forms) == {form.id}


async def test_inactive_roles_count_until_they_are_taken_back(repositories: Repositories) -> None:
    """A deactivated role still opens its forms, as in the old application; unassigning it does not."""
    form = await form_in(repositories)
    role = await role_of(repositories, "kim", form)
    await repositories.roles.deactivate(ORGANIZATION, role.id)
    assert await seen(repositories, ORGANIZATION, "kim", [form]) == {form.id}

    await repositories.roles.unassign_users(ORGANIZATION, role.id, ["kim"])
    assert await seen(repositories, ORGANIZATION, "kim", [form]) == set()
    await repositories.roles.assign_users(ORGANIZATION, role.id, ["kim"], assigned_by="ada")
    await repositories.roles.unassign_forms(ORGANIZATION, role.id, [form.id])
    assert await seen(repositories, ORGANIZATION, "kim", [form]) == set()


async def test_a_user_of_many_roles(store: StoreUnderTest, repositories: Repositories) -> None:
    """Forms of more roles than one query may name are all seen."""
    forms = [await form_in(repositories, name=name) for name in "abc"]
    await create_all(store.backend, [role_user("kim", f"r-{number:03}") for number in range(105)])
    await create_all(store.backend, [role_form(forms[0].id, "r-000"), role_form(forms[1].id, "r-104")])

    assert await seen(repositories, ORGANIZATION, "kim", forms) == {forms[0].id, forms[1].id}


@given(
    users=st.sets(st.tuples(st.sampled_from(["kim", "lee"]), st.integers(0, 5))),
    forms=st.sets(st.tuples(st.integers(0, 2), st.integers(0, 5))),
)
async def test_any_assignments(
    store: StoreUnderTest, repositories: Repositories, users: set[tuple[str, int]], forms: set[tuple[int, int]]
) -> None:
    """However roles are assigned, a user sees exactly the forms that share one of the user's roles."""
    made = [await form_in(repositories, name=name) for name in "abc"]
    assignments = [role_user(user, f"r-{role}") for user, role in users]
    assignments += [role_form(made[form].id, f"r-{role}") for form, role in forms]
    await create_all(store.backend, assignments)
    try:
        for user in ("kim", "lee"):
            mine = {role for one, role in users if one == user}
            assert await seen(repositories, ORGANIZATION, user, made) == {made[form].id for form, role in forms if role in mine}
    finally:
        for key in [record.key for record in assignments] + [form.record.key for form in made]:
            await store.backend.delete(key)


async def test_an_unreadable_assignment_opens_nothing(store: StoreUnderTest, repositories: Repositories) -> None:
    """An assignment that cannot be read is named beside what is seen; whether the form may be seen cannot be told then."""
    form, other = await form_in(repositories), await form_in(repositories)
    await role_of(repositories, "kim", form)
    (one,) = await repositories.roles.of_user(ORGANIZATION, "kim")
    await store.backend.replace(changed(one.record, assignedBy=5), one.record.etag)

    visible = await repositories.forms.visible_to(ORGANIZATION, "kim")
    assert ids(visible) == []
    assert [one.role_id in str(error) for error in visible.unreadable] == [True]
    with pytest.raises(CorruptDocumentError, match=one.role_id):
        await repositories.forms.can_view(ORGANIZATION, "kim", form.id)
    assert await repositories.forms.can_view(ORGANIZATION, "kim", other.id) is False
    await role_of(repositories, "kim", form)
    assert await repositories.forms.can_view(ORGANIZATION, "kim", form.id) is True


async def test_an_unreadable_assignment_is_written_over_by_the_next(store: StoreUnderTest, repositories: Repositories) -> None:
    """To assign again what cannot be read mends it; to take the role away needs no more than the key."""
    form = await form_in(repositories)
    await role_of(repositories, "kim", form)
    for mend in (repositories.roles.assign_users, repositories.roles.unassign_users):
        (one,) = await repositories.roles.of_user(ORGANIZATION, "kim")
        await store.backend.replace(changed(one.record, assignedBy=5), one.record.etag)
        more = {"assigned_by": "ada"} if mend == repositories.roles.assign_users else {}
        await mend(ORGANIZATION, one.role_id, ["kim"], **more)
        found = await repositories.roles.of_user(ORGANIZATION, "kim")
        assert (found.unreadable, [entry.assigned_by for entry in found]) == ((), ["ada"] if more else [])


async def test_bad_callers(repositories: Repositories) -> None:
    """Who asks must be an identifier, where a scope, and whether as an admin True or False."""
    for scope in ("GLOBAL", None, SYSTEM):
        with pytest.raises(InvalidKeyError, match="scope"):
            await repositories.forms.visible_to(scope, "kim")  # type: ignore[arg-type]
        with pytest.raises(InvalidKeyError, match="scope"):
            await repositories.forms.list_by_workflow(scope, "sync")  # type: ignore[arg-type]
    for user in ("", "x" * 129, None, 5):
        for call in (
            repositories.forms.visible_to(ORGANIZATION, user),  # type: ignore[arg-type]
            repositories.forms.can_view(ORGANIZATION, user, "f-1"),  # type: ignore[arg-type]
        ):
            with pytest.raises(InvalidKeyError, match="user_id"):
                await call
    for admin in ("yes", 1, None):
        with pytest.raises(InvalidRequestError, match="is_platform_admin"):
            await repositories.forms.visible_to(ORGANIZATION, "kim", is_platform_admin=admin)  # type: ignore[arg-type]
        with pytest.raises(InvalidRequestError, match="is_platform_admin"):
            await repositories.forms.can_view(ORGANIZATION, "kim", "f-1", is_platform_admin=admin)  # type: ignore[arg-type]
