"""Isolation: no argument, however hostile, reads or writes another scope or another identity."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.query import Eq, In, Query
from bifrost_store.core.record import Record
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.testing import record_strategies, strategies
from bifrost_store.testing.bulk import create_all, everything, joined
from bifrost_store.testing.examples import ORGANIZATION, OTHER_ORGANIZATION, changed, config, execution, membership, touched
from bifrost_store.testing.harness import StoreUnderTest
from bifrost_store.testing.strict import exactly

pytestmark = pytest.mark.anyio

_SCOPES: Final = (
    GLOBAL,
    ORGANIZATION,
    OTHER_ORGANIZATION,
    Scope.organization("o-"),
    Scope.organization("o-1-"),
    Scope.organization("o-12"),
)
_PREFIXES: Final = (
    "a@b.co",
    "a@b.com",
    "a@b.c",
    "a@b.co:x",
    "a@b.co~",
    "a@b.co;",
    "A@b.co",
    "a@b.co ",
    "a@b.co%",
    "system",
    "system:x",
)
"""Identities that begin with each other: what a scan between two bounds mixes up."""


@given(key=strategies.config_keys)
async def test_the_same_id_in_every_scope(backend: Backend, key: str) -> None:
    """One id in several scopes is several records: each is read, listed, changed and deleted alone."""
    records = [config(key, value=f"of {scope}", scope=scope) for scope in _SCOPES]
    for record in records:
        await backend.create(record)
    victim = await backend.get(records[1].key)
    assert victim is not None
    await backend.replace(touched(victim), victim.etag)
    await backend.delete(records[2].key)

    for record in (records[0], *records[3:]):
        stored = await backend.get(record.key)
        assert stored is not None
        assert stored.body["value"] == f"of {record.key.scope}"
        assert stored.version.revision % 2 == 1
        listed = await joined(backend, Query("config", record.key.scope))
        assert [exactly(one) for one in listed] == [exactly(stored)]
    assert await backend.get(records[2].key) is None
    for record in records:
        await backend.delete(record.key)


async def test_the_same_execution_id_in_every_scope(backend: Backend) -> None:
    """Executions of one id in several scopes stay apart, and fallback reads the one asked for first."""
    stored = {scope: await backend.create(execution(1, scope=scope, executedByName=str(scope))) for scope in _SCOPES}
    await backend.delete(stored[ORGANIZATION].key)

    for scope, record in stored.items():
        expected = None if scope == ORGANIZATION else exactly(record)
        assert exactly(await backend.get(record.key)) == expected
    fallen_back = await backend.get(stored[ORGANIZATION].key, fallback=GLOBAL)
    assert exactly(fallen_back) == exactly(stored[GLOBAL])
    own = await backend.get(stored[OTHER_ORGANIZATION].key, fallback=GLOBAL)
    assert exactly(own) == exactly(stored[OTHER_ORGANIZATION])
    assert await backend.get(replace(stored[GLOBAL].key, id="e-2"), fallback=GLOBAL) is None


@pytest.mark.parametrize("field", ["executedBy", "workflowName", "formId"])
async def test_identities_that_begin_alike_are_told_apart(backend: Backend, field: str) -> None:
    """A filter on a user, workflow or form finds those of exactly that name, never those whose name goes on."""
    await create_all(backend, [changed(execution(number), **{field: name}) for number, name in enumerate(_PREFIXES)])

    for number, name in enumerate(_PREFIXES):
        found = await joined(backend, Query("execution", ORGANIZATION, (Eq(field, name),)))
        assert [record.key.id for record in found] == [f"e-{number}"]


async def test_members_that_begin_alike_are_told_apart(backend: Backend) -> None:
    """Memberships are found under exactly their e-mail and organization."""
    scopes = [scope for scope in _SCOPES if scope != GLOBAL]
    await create_all(backend, [membership(email, scope=scope) for email in _PREFIXES for scope in scopes])

    for scope in scopes:
        found = await joined(backend, Query("membership", scope))
        assert sorted(record.key.id for record in found) == sorted(_PREFIXES)
    for email in _PREFIXES:
        found = await joined(backend, Query("membership", None, (Eq("email", email),)))
        assert {(record.key.id, record.key.scope) for record in found} == {(email, scope) for scope in scopes}


@given(name=strategies.identifiers, others=st.lists(strategies.identifiers, min_size=1, max_size=3))
async def test_hostile_filter_values_find_only_equals(store: StoreUnderTest, name: str, others: list[str]) -> None:
    """A filter value is a value: quotes, operators and escapes in it select nothing but records that hold it."""
    backend = store.backend
    records = [execution(number, workflowName=text, executedBy=text) for number, text in enumerate(dict.fromkeys([name, *others]))]
    for record in records:
        await backend.create(record)
    try:
        for condition in (Eq("workflowName", name), In("executedBy", (name, f"{name}'")), Eq("formId", name)):
            found = await joined(backend, Query("execution", ORGANIZATION, (condition,)))
            wanted = [] if isinstance(condition, Eq) and condition.field == "formId" else ["e-0"]
            assert [record.key.id for record in found if record.body["workflowName"] == name] == wanted
            assert all(record.body["workflowName"] in (name, f"{name}'") for record in found)
    finally:
        for record in records:
            await backend.delete(record.key)


@given(record=record_strategies.records(), text=strategies.config_keys)
async def test_a_write_touches_one_record(backend: Backend, record: Record, text: str) -> None:
    """Create, replace and delete of any record leave all others as they were, in every scope."""
    bystanders = [config(text, scope=OTHER_ORGANIZATION), execution(1, executedBy=text), membership(text)]
    bystanders = [one for one in bystanders if one.key != record.key]
    for one in bystanders:
        await backend.create(one)
    before = {key: exactly(one) for key, one in (await everything(backend)).items() if key != record.key}
    try:
        created = await backend.create(record)
        await backend.replace(created, created.etag)
        await backend.delete(record.key)

        after = {key: exactly(one) for key, one in (await everything(backend)).items() if key != record.key}
        assert after == before
    finally:
        for one in bystanders:
            await backend.delete(one.key)
