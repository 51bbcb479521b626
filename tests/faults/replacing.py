"""The target is emptied, dropped, foreign or damaged between two steps, while workers write: what is named as next leads on."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path
from typing import Any, Final, Literal

from azure.cosmos import ContainerProxy, CosmosClient

from bifrost_store.demo.azurite import Azurite
from tests.faults.operator import Operator
from tests.faults.running import FAULT_LEASE_SECONDS, Result, conclude
from tests.faults.world import World, open_world

Fate = Literal["dropped", "emptied", "foreign", "document lost", "document damaged"]
_DATABASE: Final = "bifrost"
_LONGEST_WAY: Final = 8
_ASKED: Final = frozenset({"cutover", "rollback", "abandon", "finish"})
_BEFORE_CUT_OVER: Final[tuple[Fate, ...]] = ("dropped", "emptied", "foreign", "document lost", "document damaged")
_AFTER_CUT_OVER: Final[tuple[Fate, ...]] = ("foreign", "document lost", "document damaged")
"""What a primary holds is not lost by these: what is written to one that is emptied under its writers may be."""


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
            if not way:
                operator.wrong.append(f"{fate}: status says that nothing is wrong")
            await operator.start()
        await operator.there()
        await operator.back()
        result = await conclude(world, operator)
    result.lines = lines
    return result


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
    connection = world.settings.cosmos_connection_string
    assert connection is not None
    with CosmosClient.from_connection_string(connection.get_secret_value()) as client:
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


def _control_of(entities: ContainerProxy) -> dict[str, Any]:
    found = entities.query_items("SELECT * FROM c WHERE c.type = 'control'", enable_cross_partition_query=True)
    return next(dict(one) for one in found if "routes" in one)


def _empty(container: ContainerProxy) -> None:
    key = str(container.read()["partitionKey"]["paths"][0]).removeprefix("/")
    for found in list(container.query_items("SELECT * FROM c", enable_cross_partition_query=True)):
        container.delete_item(found["id"], partition_key=found[key])
