"""What a process pays before its first answer, beside the bare SDK: ``python -m bench.start [backend ...]``.

By processor time of fresh processes, in turns, with bytecode that was compiled before.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import indent
from typing import Final

import anyio

from bench.emulator import run_emulator
from bench.timing import Ratio, Times
from bifrost_store import GLOBAL, StoreSettings, open_store
from bifrost_store.backends.cosmos.ids import document_id
from bifrost_store.core.record import Key
from bifrost_store.demo.azurite import run_azurite
from bifrost_store.settings import variable_name

_PAIRS: Final = 15
_ID: Final = "acme"
_PLACE: Final = {
    "sqlite": variable_name("sqlite_path"),
    "table": variable_name("table_connection_string"),
    "cosmos": variable_name("cosmos_connection_string"),
}
_FLOOR: Final = {
    "Python": "",
    "and asyncio": "import asyncio",
    "and pydantic with one model": "from pydantic import BaseModel, Field\nclass One(BaseModel):\n    name: str = Field()",
    "and OpenTelemetry's interface": "from opentelemetry import metrics, trace",
}
"""What both sides need, each line with those above it."""
_OURS: Final = (
    "import asyncio\nfrom bifrost_store import open_store",
    f"async with open_store() as store:\n    await store.organizations.get({_ID!r})",
)
_CALLS: Final = {
    "sqlite": f"""
import aiosqlite
async with aiosqlite.connect(os.environ[{_PLACE["sqlite"]!r}]) as file:
    await (await file.execute("SELECT * FROM records WHERE kind = 'organization' AND id = '{_ID}'")).fetchone()""",
    "table": f"""
from azure.data.tables.aio import TableServiceClient
async with TableServiceClient.from_connection_string(os.environ[{_PLACE["table"]!r}]) as service:
    await service.get_table_client("Entities").get_entity("GLOBAL", "org:{_ID}")""",
    "cosmos": f"""
from azure.cosmos.aio import CosmosClient
async with CosmosClient.from_connection_string(os.environ[{_PLACE["cosmos"]!r}]) as client:
    entities = client.get_database_client("{StoreSettings().cosmos_database}").get_container_client("entities")
    await entities.read_item({document_id(Key("organization", GLOBAL, _ID))!r}, "GLOBAL")""",
}
"""The same point read without the library."""


async def main(backends: list[str]) -> None:
    """Print the floor, and for each backend what import and first call take."""
    with TemporaryDirectory(prefix="bifrost-store-bench-") as folder:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(variable_name(""))}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        environment["PYTHONPYCACHEPREFIX"] = folder
        statements = list(_FLOOR.values())
        for number, name in enumerate(_FLOOR, 1):
            before = _program("\n".join(statements[:number]))
            _run(before, environment)
            _say(name, Times([_run(before, environment)[0] for _ in range(_PAIRS)]).median)
        for backend in backends or list(_PLACE):
            async with _filled(backend, Path(folder)) as given:
                ours, theirs = _program(*_OURS), _program("\n".join(statements), _CALLS[backend])
                # The first pair compiles.
                pairs = [(_run(ours, environment | given), _run(theirs, environment | given)) for _ in range(_PAIRS + 1)][1:]
            for what, ratio in {
                "import": Ratio([(one[0], other[0]) for one, other in pairs]),
                "first call": Ratio([(one[1], other[1]) for one, other in pairs]),
                "both": Ratio([(sum(one), sum(other)) for one, other in pairs]),
            }.items():
                low, high = ratio.interval
                _say(f"{backend}: {what}, bare", ratio.theirs.median)
                _say(f"{backend}: {what}, {ratio.median:.2f} times ({low:.2f} to {high:.2f})", ratio.ours.median)


def _program(imports: str, call: str = "async with asyncio.Lock():\n    pass") -> str:
    """Return a program that tells the processor time of its imports, and from there to the answer of *call*."""
    imported = f"import os\nfrom time import process_time\n{imports}\nimported = process_time()\nimport asyncio\n"
    body = f"{call}\n    print(imported, process_time() - imported)"
    return f"{imported}async def main():\n{indent(body, '    ')}\nasyncio.run(main())\n"


def _run(program: str, environment: Mapping[str, str]) -> tuple[float, float]:
    told = subprocess.run([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    imported, called = map(float, told.split())
    return imported, called


@asynccontextmanager
async def _filled(backend: str, folder: Path) -> AsyncIterator[dict[str, str]]:
    """Start what serves *backend*, store an organization there, and yield the settings."""
    async with AsyncExitStack() as stack:
        place = str(folder / "store.db")
        if backend == "table":
            place = (await stack.enter_async_context(run_azurite())).connection_string
        elif backend == "cosmos":
            place = stack.enter_context(run_emulator()).connection_string
        given = {variable_name("backend"): backend, _PLACE[backend]: place, variable_name("blob_folder"): str(folder)}
        async with open_store(StoreSettings.from_environment(given)) as store:
            await store.provision()
            await store.organizations.create("Acme", created_by="bench", id=_ID)
        yield given


def _say(what: str, seconds: float) -> None:
    sys.stdout.write(f"{what}: {seconds * 1000:,.0f} ms\n")
    sys.stdout.flush()


if __name__ == "__main__":
    anyio.run(main, sys.argv[1:])
