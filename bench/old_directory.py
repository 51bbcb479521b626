"""`python -m bench.old_directory`: reads of people, roles, forms and settings beside what the old application sends for them.

As `bench.old_application` does it for runs, with a thousand users in twenty organizations.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables.aio import TableServiceClient

from bench.latency import delayed
from bench.old_application import Line, line_of, report, store_at
from bench.timing import Call
from bifrost_store import GLOBAL, Scope, Store
from bifrost_store.backends.table.account import METERED
from bifrost_store.core.meter import count_requests
from bifrost_store.demo.azurite import run_azurite
from bifrost_store.testing import examples
from bifrost_store.testing.bulk import create_all

_SCOPE: Final = Scope.organization("o-1")
_HOME: Final = _SCOPE.partition_key
_USER, _ROLE, _FORM, _WORKFLOW = "user-1@x.example", "r-1", "f-1", "w-3"
_ORGANIZATIONS: Final = 20
_WHY: Final = {
    **dict.fromkeys(
        ("user with organization", "the same by Entra id"), "memberships of which the old application left one row are found, too"
    ),
    "all 1,000 users": "memberships are read too, which tell each user's organization",
    "organizations of a user": "the user is read too, as one of the platform has none, and memberships with one row are found",
    **dict.fromkeys(
        ("roles of a user", "whether a user sees a form", "form", "setting"), "what is in GLOBAL is asked for at the same time"
    ),
}


class OldDirectory:
    """The requests of the old application's readers, one after the other."""

    def __init__(self, service: TableServiceClient) -> None:
        self._entities: Any = service.get_table_client("Entities")
        self._relationships: Any = service.get_table_client("Relationships")
        self._config: Any = service.get_table_client("Config")

    async def any_user(self) -> object:
        return await anext(self._entities.query_entities(_range("GLOBAL", "user:"), results_per_page=1).by_page())

    async def user(self) -> object:
        return await self._row(self._entities, "GLOBAL", f"user:{_USER}"), await self.organizations_of_user()

    async def user_by_entra_id(self) -> object:
        found = await self._scan(self._entities, "GLOBAL", "user:", "EntraUserId eq 'entra-1'")
        return found, await self.organizations_of_user()

    async def users(self) -> object:
        return await self._scan(self._entities, "GLOBAL", "user:")

    async def users_of_organization(self) -> object:
        rows = await self._scan(self._relationships, "GLOBAL", f"orgperm:{_HOME}:")
        return [await self._row(self._entities, "GLOBAL", f"user:{row['UserId']}") for row in rows]

    async def organizations_of_user(self) -> object:
        return await self._scan(self._relationships, "GLOBAL", f"userperm:{_USER}:")

    async def organization_by_domain(self) -> object:
        return await self._scan(self._entities, "GLOBAL", "org:")

    async def roles(self) -> object:
        return await self._scan(self._entities, _HOME, "role:")

    async def roles_of_user(self) -> list[Any]:
        return await self._scan(self._relationships, "GLOBAL", f"userrole:{_USER}:")

    async def users_of_role(self) -> object:
        return await self._scan(self._relationships, "GLOBAL", "userrole:", f"RoleId eq '{_ROLE}'")

    async def form(self) -> object:
        return await self._here_or_global(self._entities, f"form:{_FORM}")

    async def forms(self) -> list[Any]:
        return [row for home in (_HOME, "GLOBAL") for row in await self._scan(self._entities, home, "form:")]

    async def forms_of_workflow(self) -> object:
        rows = await self._scan(self._relationships, "GLOBAL", f"workflowform:{_WORKFLOW}:")
        return [await self._here_or_global(self._entities, f"form:{row['RowKey'].rpartition(':')[2]}") for row in rows]

    async def visible_forms(self) -> object:
        roles = {row["RoleId"] for row in await self.roles_of_user()}
        return [row for row in await self.forms() if row.get("AccessLevel") != "role_based" or await self._is_open(row, roles)]

    async def can_view(self) -> object:
        row = await self._here_or_global(self._entities, f"form:{_FORM}")
        return await self._is_open(row, {row["RoleId"] for row in await self.roles_of_user()})

    async def setting(self) -> object:
        return await self._here_or_global(self._config, "config:k-3")

    async def shared_setting(self) -> object:
        return await self._here_or_global(self._config, "config:shared-3")

    async def settings(self) -> object:
        return [row for home in (_HOME, "GLOBAL") for row in await self._scan(self._config, home, "config:")]

    async def _is_open(self, form: Any, roles: set[str]) -> bool:
        rows = await self._scan(self._relationships, "GLOBAL", f"formrole:{form['RowKey'].removeprefix('form:')}:")
        return not roles.isdisjoint(row["RoleId"] for row in rows)

    async def _here_or_global(self, table: Any, row_key: str) -> Any:
        return await self._row(table, _HOME, row_key) or await self._row(table, "GLOBAL", row_key)

    async def _row(self, table: Any, partition_key: str, row_key: str) -> Any:
        try:
            return await table.get_entity(partition_key, row_key)
        except ResourceNotFoundError:
            return None

    async def _scan(self, table: Any, partition_key: str, prefix: str, condition: str | None = None) -> list[Any]:
        conditions = _range(partition_key, prefix)
        return [row async for row in table.query_entities(conditions if condition is None else f"{conditions} and {condition}")]


def _range(partition_key: str, prefix: str) -> str:
    return f"PartitionKey eq '{partition_key}' and RowKey ge '{prefix}' and RowKey lt '{prefix}~'"


async def _fill(store: Store) -> None:
    scopes = [Scope.organization(f"o-{number}") for number in range(_ORGANIZATIONS)]
    people = [f"user-{number}@x.example" for number in range(50 * _ORGANIZATIONS)]
    both = (_SCOPE, GLOBAL)
    for records in (
        [examples.organization(f"o-{number}", domain=f"{number}.example") for number in range(3 * _ORGANIZATIONS)],
        [examples.user(email, entraUserId=f"entra-{number}") for number, email in enumerate(people)],
        [examples.membership(email, scope=scopes[number % _ORGANIZATIONS]) for number, email in enumerate(people)],
        [examples.role(f"r-{number}", scope=_SCOPE) for number in range(30)],
        [examples.role_user(email, f"r-{number % 30}", scope=_SCOPE) for number, email in enumerate(people[1::_ORGANIZATIONS], 1)],
        [examples.form(f"f-{n}", scope=_SCOPE, linkedWorkflow=f"w-{n % 6}", accessLevel=_level(n)) for n in range(60)],
        [examples.form(f"shared-{number}", scope=GLOBAL, linkedWorkflow=f"w-{number % 6}") for number in range(10)],
        [examples.role_form(f"f-{number}", f"r-{number % 30}", scope=_SCOPE) for number in range(60)],
        [examples.config(f"{'k' if scope is _SCOPE else 'shared'}-{n}", scope=scope) for scope in both for n in range(40)],
    ):
        await create_all(store.backend, records)


def _level(number: int) -> str:
    return "role_based" if number % 2 else "authenticated"


def _calls(old: OldDirectory, store: Store) -> list[tuple[str, Call, Call]]:
    users, roles, forms, config = store.users, store.roles, store.forms, store.config
    return [
        ("whether there are users", users.any_exist, old.any_user),
        ("user with organization", lambda: users.get(_USER), old.user),
        ("the same by Entra id", lambda: users.find_by_entra_id("entra-1"), old.user_by_entra_id),
        ("all 1,000 users", users.list, old.users),
        ("50 users of an organization", lambda: users.list_organization("o-1"), old.users_of_organization),
        ("organizations of a user", lambda: users.memberships(_USER), old.organizations_of_user),
        ("organization by domain", lambda: store.organizations.find_by_domain("5.example"), old.organization_by_domain),
        ("roles", lambda: roles.list(_SCOPE), old.roles),
        ("roles of a user", lambda: roles.of_user(_SCOPE, _USER), old.roles_of_user),
        ("users of a role", lambda: roles.users(_SCOPE, _ROLE), old.users_of_role),
        ("form", lambda: forms.get(_SCOPE, _FORM), old.form),
        ("70 forms", lambda: forms.list(_SCOPE), old.forms),
        ("forms of a workflow", lambda: forms.list_by_workflow(_SCOPE, _WORKFLOW), old.forms_of_workflow),
        ("forms that a user sees", lambda: forms.visible_to(_SCOPE, _USER), old.visible_forms),
        ("whether a user sees a form", lambda: forms.can_view(_SCOPE, _USER, _FORM), old.can_view),
        ("setting", lambda: config.get(_SCOPE, "k-3"), old.setting),
        ("setting of all", lambda: config.get(_SCOPE, "shared-3"), old.shared_setting),
        ("80 settings", lambda: config.list(_SCOPE), old.settings),
    ]


async def _measured(pairs: int, milliseconds: float) -> list[Line]:
    lines = []
    async with AsyncExitStack() as stack:
        azurite = await stack.enter_async_context(run_azurite())
        near = azurite.connection_string
        async with store_at(near) as store:
            await store.provision()
            await _fill(store)
        port = stack.enter_context(delayed(azurite.table_port, milliseconds))
        far = near.replace(f":{azurite.table_port}/", f":{port}/")
        store = await stack.enter_async_context(store_at(far))
        service = await stack.enter_async_context(TableServiceClient.from_connection_string(far))
        counted = await stack.enter_async_context(TableServiceClient.from_connection_string(near, **METERED))
        calls, counts = _calls(OldDirectory(service), store), _calls(OldDirectory(counted), store)
        for (name, ours, theirs), (_, _, count) in zip(calls, counts, strict=True):
            with count_requests() as requests:
                await count()
            await ours()
            lines.append(await line_of(name, requests["table"], ours, theirs, pairs))
    return lines


def main(arguments: Sequence[str]) -> int:
    """Measure, and report."""
    parser = argparse.ArgumentParser(prog="bench.old_directory", description=__doc__)
    parser.add_argument("--pairs", type=int, default=40, help="how often each call is made")
    parser.add_argument("--milliseconds", type=float, default=5, help="how long a round trip takes")
    options = parser.parse_args(arguments)
    return report(asyncio.run(_measured(options.pairs, options.milliseconds)), _WHY)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
