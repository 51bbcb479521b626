"""How often Microsoft's SDK sends a write by itself: no interface of it, and what writes are settled by.

`pyproject.toml` admits a minor release of the SDK when this holds for it; `nox -s newest` says so of those to come. Where it does
not, see `bifrost_store.backends.cosmos.backend._OPTIONS` and decision 13.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from azure.core.exceptions import AzureError

from bifrost_store.backends.cosmos.account import CosmosAccount, Put
from bifrost_store.backends.cosmos.backend import CosmosBackend
from bifrost_store.testing.fault_proxy import DropAfter, DropBefore, Reaction
from tests.contract.cosmos_harness import Refusal, Scene
from tests.innermost import innermost

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("cosmos_only")]

SENDINGS: dict[str, tuple[Callable[[], Reaction], int]] = {
    "no connection": (DropBefore, 1),
    "an answer that is lost": (DropAfter, 1),
    "400": (lambda: Refusal(400), 1),
    "403": (lambda: Refusal(403), 1),
    "404": (lambda: Refusal(404), 1),
    "408": (lambda: Refusal(408), 1),
    "409": (lambda: Refusal(409), 1),
    "412": (lambda: Refusal(412), 1),
    "413": (lambda: Refusal(413), 1),
    "449": (lambda: Refusal(449), 1),
    "500": (lambda: Refusal(500), 1),
    "503": (lambda: Refusal(503), 2),
}
"""By what the first and every further sending meets."""


def account_of(scene: Scene) -> CosmosAccount:
    """Return the SDK's client, with our options, behind the proxy."""
    backend = innermost(scene.broken)
    assert isinstance(backend, CosmosBackend)
    return backend._account


@pytest.mark.parametrize("trouble", SENDINGS)
async def test_a_write_is_sent_as_often_as_we_know(cosmos_scene: Scene, trouble: str) -> None:
    """One call of the SDK is so many requests, however it ends."""
    account, (reaction, expected) = account_of(cosmos_scene), SENDINGS[trouble]
    await account.read("entities", "GLOBAL", "config-nothing")  # connects
    cosmos_scene.proxy.clear()
    cosmos_scene.proxy.react(reaction(), when=lambda request: request.is_write)
    with pytest.raises(AzureError):
        await account.write("entities", "GLOBAL", [Put({"id": "config-a", "scope": "GLOBAL"})])

    assert expected == sum(request.is_write for request in cosmos_scene.proxy.seen)
