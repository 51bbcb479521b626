"""The target is emptied, dropped, foreign or damaged between two steps, while workers write: what is named as next leads on."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path
from typing import Any, Final, Literal

from azure.cosmos import ContainerProxy, CosmosClient

from bifrost_store.backends.cosmos.ids import document_id
from bifrost_store.core.record import Key
from bifrost_store.core.scope import SYSTEM
from bifrost_store.demo.azurite import Azurite
from tests.faults.operator import Operator
from tests.faults.running import FAULT_LEASE_SECONDS, Result, conclude
from tests.faults.world import World, open_world

Fate = Literal["dropped", "emptied", "foreign", "document lost", "document damaged", "lease damaged", "journal entry damaged"]
_DATABASE: Final = "bifrost"
_LONGEST_WAY: Final = 8
_ASKED: Final = frozenset({"cutover", "rollback", "abandon", "finish"})
_BEFORE_CUT_OVER: Final[tuple[Fate, ...]] = ("dropped", "emptied", "foreign", "document lost", "document damaged")
_AFTER_CUT_OVER: Final[tuple[Fate, ...]] = (
    "foreign",
    "document lost",
    "document damaged",
    "lease damaged",
    "journal entry damaged",
)
"""What a primary holds is not lost by these: what is written to one that is emptied under its writers may be."""
_STOPS_NOBODY: Final = frozenset({"lease damaged", "journal entry damaged"})
"""The platform serves, and `status` exits with 0."""
_DAMAGED_ENTRY: Final = document_id(Key("journal", SYSTEM, "damaged"))


async def when_replaced(folder: Path, seed: int, *, times: int, workers: int = 2, azurite: Azurite | None = None) -> Result:
    """Let something befall the target so often, before the cut-over and after it, and find the way by what is named as next."""
    lines: list[str] = []
    async with open_world(folder, seed, lease_seconds=FAULT_LEASE_SECONDS, azurite=azurite) as world:
        operator = Operator(world, await world.line(through_proxies=False))
        await world.hire(workers, through_proxies=False, pause=0.2)
        await world.all_write()
        await operator.start()
        for number in range(times):
            is_cut_over = number % 2 == 1
            fate = world.random.choice(_AFTER_CUT_OVER if is_cut_over else _BEFORE_CUT_OVER)
            if is_cut_over:
                await operator.there()
            await asyncio.to_thread(befall, fate, world)
            way = await _find_the_way(world, operator)
            lines.append(f"{fate}, {'after' if is_cut_over else 'before'} the cut-over: {'; '.join(way)}")
            if not way and fate not in _STOPS_NOBODY:
                operator.wrong.append(f"{fate}: status says that nothing is wrong")
            if fate == "journal entry damaged":
                await _leave_behind(world, operator)
            await operator.start()
        await operator.there()
        await operator.back()
        result = await conclude(world, operator)
    result.lines = lines
    return result


async def _leave_behind(world: World, operator: Operator) -> None:
    """Roll back although the journal has an entry that cannot be read, and delete that as the refusal says."""
    if await operator.give("rollback", "--yes") or "cannot be read" not in operator.last:
        operator.wrong.append(f"a damaged journal entry does not stop a rollback, or is not named: {operator.last}")
    await operator.insist("rollback", "--force", "--yes")
    await asyncio.to_thread(_delete_entry, world)


async def _find_the_way(world: World, operator: Operator) -> list[str]:
    """Do what ``status`` names as next until nothing is wrong any more; return what was done."""
    done: list[str] = []
    while (status := await world.command("status", settings=world.settings))["exit"] != 0:
        if len(done) == _LONGEST_WAY:
            operator.wrong.append(f"no way out: {'; '.join(done)}: {status}")
            break
        step, *words = shlex.split(status["next"].removeprefix("bifrost-store migrate "))
        done.append(status["next"])
        if status["next"].startswith("bifrost-store migrate"):
            report = await world.command(step, *words, *(["--yes"] if step in _ASKED else []), settings=world.settings)
            if report["exit"] == 0:
                continue
            done[-1] += f" -> {report['next']}"
        if "cosmos" in done[-1] and ("settings" in done[-1] or "database" in done[-1]):
            await asyncio.to_thread(befall, "dropped", world)  # an empty database under the name
    return done


def befall(fate: Fate, world: World) -> None:
    """Let *fate* befall the Cosmos DB of *world*, past the library."""
    with _client(world) as client:
        database = client.get_database_client(_DATABASE)
        if fate == "dropped":
            client.delete_database(database)
            return
        entities = database.get_container_client("entities")
        control = _control_of(entities)
        match fate:
            case "emptied":
                for found in list(database.list_containers()):
                    _empty(database.get_container_client(found["id"]))
            case "foreign":
                entities.upsert_item({**control, "migrationId": "another"})
            case "document lost":
                entities.delete_item(control["id"], partition_key=control["scope"])
            case "document damaged":
                entities.upsert_item({**control, "routes": "rubbish"})
            case "lease damaged":
                entities.upsert_item({**_any_lease(entities), "beat": "rubbish"})
            case "journal entry damaged":
                entities.upsert_item({**_any_lease(entities), "type": "journal", "id": _DAMAGED_ENTRY})


def _delete_entry(world: World) -> None:
    with _client(world) as client:
        entities = client.get_database_client(_DATABASE).get_container_client("entities")
        entities.delete_item(_DAMAGED_ENTRY, partition_key=SYSTEM.value)


def _client(world: World) -> CosmosClient:
    connection = world.settings.cosmos_connection_string
    assert connection is not None
    return CosmosClient.from_connection_string(connection.get_secret_value())


def _any_lease(entities: ContainerProxy) -> dict[str, Any]:
    found = entities.query_items("SELECT * FROM c WHERE c.type = 'lease'", enable_cross_partition_query=True)
    return dict(next(iter(found)))


def _control_of(entities: ContainerProxy) -> dict[str, Any]:
    found = entities.query_items("SELECT * FROM c WHERE c.type = 'control'", enable_cross_partition_query=True)
    return next(dict(one) for one in found if "routes" in one)


def _empty(container: ContainerProxy) -> None:
    key = str(container.read()["partitionKey"]["paths"][0]).removeprefix("/")
    for found in list(container.query_items("SELECT * FROM c", enable_cross_partition_query=True)):
        container.delete_item(found["id"], partition_key=found[key])
