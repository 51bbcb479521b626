"""Runs the contract of the Cosmos DB backend on a server that others wrote: ``@vercel/cosmosdb-server``, a second opinion.

It is a plugin of pytest (``-p tests.second_opinion.plugin``), which `nox -s second-opinion` loads. It starts the server that
``BIFROST_COSMOSDB_SERVER`` names, points the harness at it, and applies what `tests.second_opinion.differences` says.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from subprocess import DEVNULL, PIPE, Popen
from typing import Any, Final
from unittest.mock import patch

import pytest
from azure.core import MatchConditions
from azure.cosmos.aio import ContainerProxy
from hypothesis import Phase, settings

from bifrost_store.emulator.wire.auth import EMULATOR_KEY
from bifrost_store.settings import variable_name
from tests.second_opinion.differences import DIFFERENCES, LEFT_OUT

COMMAND_VARIABLE: Final = "BIFROST_COSMOSDB_SERVER"
"""Environment variable with the command that starts the server."""
_READY: Final = re.compile(r"Ready to accept HTTPS connections at .*:(\d+)\s*$")
_SECONDS: Final = 30
"""For one test: it waits for nothing but the server."""
_EXAMPLES: Final = 5
"""Of a property: the properties are tried at length on the project's own emulator."""
_read_item: Final = ContainerProxy.read_item
_execute_batch: Final = ContainerProxy.execute_item_batch
_server = pytest.StashKey[Popen[str]]()


async def _read_marked(proxy: ContainerProxy, *arguments: Any, **options: Any) -> Any:
    """Mark a point read as one across partitions: otherwise the server answers 500 where there is no such item."""
    return await _read_item(proxy, *arguments, request_options={"enableCrossPartitionQuery": "true"}, **options)


async def _change_alone(proxy: ContainerProxy, operations: Sequence[Any], partition_key: Any, **options: Any) -> Any:
    """Send a batch of one replace or removal as what it is: the server fails at both within a batch."""
    name, arguments, *conditions = operations[0]
    if len(operations) != 1 or name == "create":
        return await _execute_batch(proxy, operations, partition_key, **options)
    only_if: dict[str, Any] = {"etag": conditions[0]["if_match_etag"], "match_condition": MatchConditions.IfNotModified}
    if name == "delete":
        await proxy.delete_item(arguments[0], partition_key, **only_if)
        return [{}]
    written = await proxy.replace_item(*arguments, **only_if)
    return [{"eTag": written["_etag"]}]


_patches: Final = (
    patch.object(ContainerProxy, "read_item", _read_marked),
    patch.object(ContainerProxy, "execute_item_batch", _change_alone),
)


def pytest_configure(config: pytest.Config) -> None:
    """Start the server on a free port, and say where it is in the way that the harness reads."""
    command = os.environ.get(COMMAND_VARIABLE)
    if not command:
        raise pytest.UsageError(f"{COMMAND_VARIABLE} names no server; run `nox -s second-opinion`, which brings it")
    # By this name, as the SDK takes a certificate unseen from localhost only.
    server = Popen([*shlex.split(command), "--port", "0", "--host", "localhost"], stdout=PIPE, stderr=DEVNULL, text=True)
    config.stash[_server] = server
    assert server.stdout is not None
    ready = _READY.match(server.stdout.readline())
    if ready is None:
        server.kill()
        raise pytest.UsageError(f"the server does not come up ({command})")
    where = f"AccountEndpoint=https://localhost:{ready[1]}/;AccountKey={EMULATOR_KEY};"
    os.environ[variable_name("cosmos_connection_string")] = where
    for one in _patches:
        one.start()


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the server."""
    server = config.stash.get(_server, None)
    if server is not None:
        server.kill()
        server.communicate()
        for one in _patches:
            one.stop()


def pytest_sessionstart() -> None:
    """Shorten the properties, before the tests are read that take over what is set then."""
    quick = settings(
        settings.get_profile(settings.get_current_profile_name()), max_examples=_EXAMPLES, phases=[Phase.explicit, Phase.generate]
    )
    settings.register_profile("second-opinion", quick)
    settings.load_profile("second-opinion")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the server is no subject of, and expect to fail what it cannot do."""
    from bifrost_store.testing.collecting import topic_of  # plugins come before the conftest.py that has its assertions rewritten

    left = [item for item in items if topic_of(item) in LEFT_OUT]
    items[:] = [item for item in items if topic_of(item) not in LEFT_OUT]
    config.hook.pytest_deselected(items=left)
    for item in items:
        item.add_marker(pytest.mark.timeout(_SECONDS))
        reason = DIFFERENCES.get(topic_of(item), {}).get(item.name.partition("[")[0])
        if reason is not None:
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
