"""Run by an interpreter that has only the wheel: what works without extras works, what does not names its extra."""

from __future__ import annotations

import asyncio

from bifrost_store import GLOBAL, StoreSettings, open_store
from bifrost_store.errors import MissingDependencyError


async def main() -> None:
    async with open_store(StoreSettings(backend="sqlite", sqlite_path=":memory:")) as store:
        run = await store.executions.create(GLOBAL, workflow_name="smoke", executed_by="me", executed_by_name="Me")
        again = await store.executions.get(GLOBAL, run.execution_id)
        assert again == run, (again, run)
    for settings in (
        StoreSettings(backend="table", table_connection_string="UseDevelopmentStorage=true"),
        StoreSettings(backend="cosmos", cosmos_connection_string="AccountEndpoint=http://127.0.0.1:8081/;AccountKey=a2V5;"),
    ):
        try:
            async with open_store(settings) as store:
                await store.organizations.list()
        except MissingDependencyError as error:
            assert f"bifrost-store[{settings.backend}]" in str(error), error
        else:
            raise AssertionError(f"{settings.backend} worked without its extra")
    print("the wheel works alone")


asyncio.run(main())
