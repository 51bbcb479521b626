"""Faults on demand, from Python and over the control path, and what the SDK makes of them."""

from __future__ import annotations

import http.client
import time
from typing import Any

import anyio
import pytest
from azure.core.exceptions import IncompleteReadError, ServiceRequestError
from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy, CosmosClient
from azure.cosmos.exceptions import CosmosHttpResponseError, CosmosResourceExistsError

from bifrost_store.emulator import CosmosEmulator
from tests.emulator.support import Wire

DOCS = "/dbs/d/colls/c/docs"


@pytest.fixture
async def container(client: CosmosClient) -> ContainerProxy:
    """A container of the SDK's client, which never repeats a request that was not answered."""
    database = await client.create_database("d")
    return await database.create_container("c", PartitionKey("/pk"))


def test_which_requests_are_struck(wire: Wire, cosmos_emulator: CosmosEmulator) -> None:
    """By operation, kind, container and path, after some were spared, every n-th, so many times."""
    wire.make_container()
    wire.make_container({"id": "other"})
    fault = cosmos_emulator.faults.add(
        operation="Create", kind="docs", container="c", path="docs", skip=1, every=2, times=2, status=503
    )
    statuses = [wire.create({"id": str(n), "pk": "k"}).status for n in range(8)]
    assert statuses == [201, 201, 503, 201, 503, 201, 201, 201]
    assert fault.struck == 2
    cosmos_emulator.faults.add(operation="Create", container="c", status=500, times=None)
    assert wire.create({"id": "x", "pk": "k"}, "/dbs/d/colls/other").status == 201
    assert wire.send("GET", DOCS).status == 200
    assert wire.create({"id": "x", "pk": "k"}).status == 500
    cosmos_emulator.faults.clear()
    assert wire.create({"id": "x", "pk": "k"}).status == 201


@pytest.mark.parametrize(
    ("what", "status", "sub_status"),
    [
        ({"status": 429}, 429, 3200),
        ({"status": 404, "sub_status": 1002}, 404, 1002),
        ({"status": 449}, 449, 0),
        ({"status": 410, "sub_status": 1002}, 410, 1002),
    ],
)
def test_a_struck_request_does_nothing(
    wire: Wire, cosmos_emulator: CosmosEmulator, what: dict[str, Any], status: int, sub_status: int
) -> None:
    """The answer is the one that was asked for, and the write did not happen."""
    wire.make_container()
    cosmos_emulator.faults.add(operation="Create", kind="docs", **what)
    answer = wire.create({"id": "a", "pk": "k"})
    assert (answer.status, answer.sub_status) == (status, sub_status)
    assert ("x-ms-retry-after-ms" in answer.headers) is False
    assert wire.create({"id": "a", "pk": "k"}).status == 201


@pytest.mark.parametrize(("drop", "is_written"), [("before", False), ("after", True), ("half", True)])
@pytest.mark.parametrize("reset", [False, True])
def test_an_answer_may_get_lost(wire: Wire, cosmos_emulator: CosmosEmulator, drop: str, is_written: bool, reset: bool) -> None:
    """The connection ends before the request was carried out, after it, or within the answer."""
    wire.make_container()
    cosmos_emulator.faults.add(operation="Create", drop=drop, reset=reset)
    with pytest.raises((OSError, http.client.HTTPException)):
        wire.create({"id": "a", "pk": "k"})
    with Wire(cosmos_emulator) as other:
        assert (other.send("GET", f"{DOCS}/a", key=["k"]).status == 200) is is_written


def test_answers_may_be_late(wire: Wire, cosmos_emulator: CosmosEmulator) -> None:
    """A delay comes before the request is looked at, or before its answer is sent."""
    wire.make_container()
    for delay in ({"delay": 0.1}, {"delay_after": 0.1}):
        cosmos_emulator.faults.add(operation="Create", **delay)
        started = time.perf_counter()
        wire.create({"id": "a", "pk": "k"})
        assert time.perf_counter() - started >= 0.1


def test_pages_may_be_short_or_empty(wire: Wire, cosmos_emulator: CosmosEmulator) -> None:
    """Pages with fewer rows than asked for, or none, promise more, and everything comes in the end."""
    wire.make_container()
    for index in range(5):
        wire.create({"id": str(index), "pk": "k"})
    cosmos_emulator.faults.add(operation="SqlQuery", page_items=0, times=2)
    cosmos_emulator.faults.add(operation="SqlQuery", page_items=2, times=1)
    found: list[list[str]] = []
    more: dict[str, str] | None = {}
    while more is not None:
        answer = wire.query("SELECT VALUE c.id FROM c ORDER BY c.id", headers=more, key=["k"])
        found.append(answer.json["Documents"])
        more = {"x-ms-continuation": answer.headers["x-ms-continuation"]} if "x-ms-continuation" in answer.headers else None
    assert found == [[], [], ["0", "1"], ["2", "3", "4"]]


@pytest.mark.parametrize(
    "what",
    [
        {"operation": "Make"},
        {"drop": "now"},
        {"every": 0},
        {"status": 99},
        {"nothing": 1},
        {"path": "("},
        {"times": -1},
        {"status": "x"},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(wire: Wire, cosmos_emulator: CosmosEmulator, what: dict[str, Any]) -> None:
    """A wrong name or value is an error at once, in Python and over the control path."""
    with pytest.raises(ValueError, match=r"\w"):
        cosmos_emulator.faults.add(**what)
    assert wire.control("POST", "faults", what).status == 400
    assert wire.control("GET", "faults").json["faults"] == []


@pytest.mark.anyio
async def test_the_sdk_repeats_a_503(container: ContainerProxy, cosmos_emulator: CosmosEmulator) -> None:
    """One 503 is repeated, also for writes."""
    fault = cosmos_emulator.faults.add(operation="Create", kind="docs", status=503)
    await container.create_item({"id": "a", "pk": "k"})
    assert fault.struck == 1


@pytest.mark.anyio
async def test_a_lost_answer_makes_the_sdk_meet_its_own_item(container: ContainerProxy, cosmos_emulator: CosmosEmulator) -> None:
    """The async SDK sends a write again whose answer was lost, and takes its own item for another's."""
    cosmos_emulator.faults.add(operation="Create", kind="docs", drop="after")
    with pytest.raises(CosmosResourceExistsError):
        await container.create_item({"id": "a", "pk": "k"})
    assert (await container.read_item("a", "k"))["id"] == "a"


@pytest.mark.anyio
async def test_a_cut_answer_is_an_error(container: ContainerProxy, cosmos_emulator: CosmosEmulator) -> None:
    """Half a body surfaces as an error of the transport, and the write is done."""
    cosmos_emulator.faults.add(operation="Create", kind="docs", drop="half")
    with pytest.raises((IncompleteReadError, ServiceRequestError)):
        await container.create_item({"id": "a", "pk": "k"})
    assert (await container.read_item("a", "k"))["id"] == "a"


@pytest.mark.anyio
async def test_a_gone_range_is_found_again(container: ContainerProxy, cosmos_emulator: CosmosEmulator) -> None:
    """410/1002 makes the SDK read the ranges again and go on, also over a real split."""
    for index in range(20):
        await container.create_item({"id": str(index), "pk": str(index)})
    assert len([row async for row in container.query_items("SELECT * FROM c WHERE c.pk != 'x' ORDER BY c.id")]) == 20
    cosmos_emulator.split("d", "c")
    assert len([row async for row in container.query_items("SELECT * FROM c WHERE c.pk != 'x' ORDER BY c.id")]) == 20


@pytest.mark.anyio
async def test_a_frozen_server_answers_when_it_thaws(container: ContainerProxy, cosmos_emulator: CosmosEmulator) -> None:
    """Nothing is answered while it is frozen, and nothing is lost."""
    cosmos_emulator.faults.freeze()
    done: list[str] = []

    async def create(item_id: str) -> None:
        await container.create_item({"id": item_id, "pk": "k"})
        done.append(item_id)

    async with anyio.create_task_group() as group:
        for item_id in "abc":
            group.start_soon(create, item_id)
        await anyio.sleep(0.1)
        assert done == []
        cosmos_emulator.faults.thaw()
    assert sorted(done) == ["a", "b", "c"]


@pytest.mark.anyio
async def test_an_error_keeps_its_code(container: ContainerProxy, cosmos_emulator: CosmosEmulator) -> None:
    """What the SDK does not repeat surfaces by its status."""
    for status in (408, 449, 413):
        cosmos_emulator.faults.add(operation="Create", kind="docs", status=status)
        with pytest.raises(CosmosHttpResponseError) as caught:
            await container.create_item({"id": "a", "pk": "k"})
        assert caught.value.status_code == status
