"""What is counted on Cosmos DB, beside what a proxy in the middle and the emulator's log saw."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest
from aiohttp import web

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.meter import metering
from bifrost_store.core.operations import Create
from bifrost_store.core.query import Eq, Query, Range
from bifrost_store.errors import ThrottledError
from bifrost_store.testing.bulk import create_all, everything, joined
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.examples import ORGANIZATION, config, execution, metrics, touched
from bifrost_store.testing.fault_proxy import DropAfter, DropBefore, Reaction, SeenRequest
from tests.contract.cosmos_harness import CosmosHarness, Refusal, Scene

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("cosmos_only")]


def always(_: SeenRequest) -> bool:
    return True


def is_about_documents(request: SeenRequest) -> bool:
    return "/docs" in request.path


@dataclass(slots=True)
class Scales(Reaction):
    """Lets requests pass, and weighs the answers."""

    answered_bytes: int = 0
    request_units: float = 0.0

    async def after(self, request: SeenRequest, answer: web.Response) -> web.Response:
        self.answered_bytes += len(answer.body or b"")  # type: ignore[arg-type]
        self.request_units += float(answer.headers.get("x-ms-request-charge") or 0)
        return answer


async def use(backend: Backend) -> None:
    """Make each kind of request."""
    created = await backend.create(execution())
    replaced = await backend.replace(touched(created), created.etag)
    await backend.get(created.key)
    await backend.get(config("missing").key)
    await backend.batch([Create(config(key)) for key in "ab"])
    await backend.query(Query("execution", ORGANIZATION, limit=10))
    await backend.query(Query("execution", None, limit=10))
    await backend.aggregate(Query("execution", ORGANIZATION), group_by=("status",))
    await everything(backend)
    await backend.delete(replaced.key)
    await backend.purge_expired(kind="execution")
    await backend.ping()


async def test_what_is_counted_is_what_passed(cosmos_scene: Scene) -> None:
    """Every request, the bytes of every body in both directions, and every charge are those that the proxy forwarded."""
    scales = Scales()
    cosmos_scene.proxy.react(scales, when=always)
    with metering() as meter:
        await use(cosmos_scene.broken)

    seen = cosmos_scene.proxy.seen
    assert meter.requests.total() == len(seen)
    documents = [request for request in seen if is_about_documents(request)]
    assert meter.requests["cosmos"] + meter.requests["cosmos_short_page"] == len(documents)
    assert meter.requests["cosmos_metadata"] == len(seen) - len(documents)
    assert meter.sent_bytes == sum(len(request.body) for request in seen) > 1000
    assert meter.received_bytes == scales.answered_bytes > 1000
    assert meter.retries == 0


async def test_request_units_are_those_that_were_charged(cosmos_scene: Scene) -> None:
    """The charges of all answers about documents add up to the emulator's own log."""
    await cosmos_scene.broken.ping()
    await use(cosmos_scene.broken)
    await cosmos_scene.broken.delete(config("a").key)
    cosmos_scene.emulator.log.clear()
    with metering() as meter:
        await cosmos_scene.broken.create(execution(2))
        await joined(cosmos_scene.broken, Query("execution", ORGANIZATION))
        await everything(cosmos_scene.broken)
    charged = [entry.charge for entry in cosmos_scene.emulator.log]

    assert meter.request_units == pytest.approx(sum(charged))
    assert meter.request_units > 5


async def test_fields_that_are_not_needed_are_not_sent(cosmos_scene: Scene) -> None:
    """The service's answer lacks them, so that a dashboard of 90 days reads half as much."""
    await cosmos_scene.broken.create(metrics(workflows={f"workflow {number}": {"count": 1} for number in range(500)}))
    received: list[int] = []
    for without in ((), ("workflows", "others")):
        with metering() as meter:
            (found,) = await cosmos_scene.broken.query(Query("metrics", ORGANIZATION, without=without))
        assert 1 == found.body["totalExecutions"]
        received.append(meter.received_bytes)

    whole, rest = received
    assert whole > 10_000 > 2_000 > rest


async def test_what_is_counted_in_all_scopes_is_not_read(cosmos_scene: Scene) -> None:
    """The service counts in each partition, and sends the number: as many requests and bytes for many records as for few."""
    costs: list[tuple[int, int]] = []
    for batch in ("few", "many"):
        await create_all(cosmos_scene.broken, [config(f"{batch} {number}") for number in range(100)])
        with metering() as meter:
            (group,) = await cosmos_scene.broken.aggregate(Query("config", None, (Eq("configType", "string"),)))
        costs.append((group.count, meter.requests.total()))
        assert meter.received_bytes < 10_000

    assert [100, 200] == [count for count, _ in costs]
    assert costs[1][1] <= 3


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("operation", ["get", "query", "create", "batch"])
async def test_what_the_sdk_repeats_is_counted(cosmos_scene: Scene, operation: str, times: int) -> None:
    """A request that is refused for a while was sent once more for each refusal, and each refusal was charged."""
    calls: dict[str, Callable[[Backend], Awaitable[object]]] = {
        "get": lambda backend: backend.get(config().key),
        "query": lambda backend: backend.query(Query("config", ORGANIZATION)),
        "create": lambda backend: backend.create(config()),
        "batch": lambda backend: backend.batch([Create(config(key)) for key in "ab"]),
    }
    await cosmos_scene.broken.query(Query("config", ORGANIZATION))
    await cosmos_scene.broken.create(config("warm"))
    cosmos_scene.proxy.clear()
    cosmos_scene.proxy.react(Refusal(429, 3200, 10), when=is_about_documents, times=times)
    with metering() as meter:
        await calls[operation](cosmos_scene.broken)

    assert (meter.requests, meter.retries) == ({"cosmos": times + 1}, times)
    assert len(cosmos_scene.proxy.seen) == times + 1


@pytest.mark.parametrize("reaction", [DropBefore(), Refusal(503), Refusal(500), Refusal(449)], ids=["dropped", "503", "500", "449"])
async def test_what_the_write_loop_repeats_is_counted(cosmos_scene: Scene, reaction: Reaction) -> None:
    """That the library sent a write again, maybe after looking what had become of it, is counted."""
    await cosmos_scene.broken.create(config("warm"))
    cosmos_scene.proxy.clear()
    cosmos_scene.proxy.react(reaction, times=2)
    with metering() as meter:
        await cosmos_scene.broken.create(config())

    assert meter.retries == 2
    assert sum(request.is_write for request in cosmos_scene.proxy.seen) == 3
    assert meter.requests.total() == len(cosmos_scene.proxy.seen)


@pytest.mark.parametrize("write", ["create", "replace"])
async def test_a_write_whose_answer_was_lost_is_counted(cosmos_scene: Scene, write: str) -> None:
    """A create is looked for and found, sent once; a replace is sent again beneath the SDK, and that counts too."""
    stored = await cosmos_scene.broken.create(config("warm"))
    cosmos_scene.proxy.clear()
    cosmos_scene.proxy.react(DropAfter(), times=1)
    with metering() as meter:
        await (
            cosmos_scene.broken.create(config()) if write == "create" else cosmos_scene.broken.replace(touched(stored), stored.etag)
        )

    assert meter.requests == {"cosmos": len(cosmos_scene.proxy.seen)}
    assert meter.retries == sum(request.is_write for request in cosmos_scene.proxy.seen) - 1


async def test_a_lost_race_is_a_repeated_write(cosmos_scene: Scene) -> None:
    """A conditional write that found another native etag is sent again against the one just read."""
    read = await cosmos_scene.store.backend.create(config())
    assert await cosmos_scene.store.backend.apply(read, over=read.etag.native)
    with metering() as meter:
        await cosmos_scene.broken.replace(touched(read), read.etag)

    assert meter.retries == 1


async def test_a_failure_counts_with_all_it_cost(cosmos_scene: Scene) -> None:
    """A read that the service kept refusing was sent ten times, nine of them again, and brought some bytes."""
    await cosmos_scene.broken.get(config().key)
    cosmos_scene.proxy.react(Refusal(429, 3200, 10), when=is_about_documents)
    with metering() as meter, pytest.raises(ThrottledError):
        await cosmos_scene.broken.get(config().key)

    assert (meter.requests, meter.retries) == ({"cosmos": 10}, 9)
    assert meter.received_bytes > 0


async def test_pages_that_the_service_cuts_short_count_apart(cosmos_harness: CosmosHarness, clock: SettableClock) -> None:
    """A list is one request and as many short pages as the service makes of it."""
    async with cosmos_harness.open_empty(clock) as store:
        await create_all(store.backend, [execution(number) for number in range(10)])
        await store.backend.query(Query("execution", ORGANIZATION))
        faults = store.server.faulty().faults
        faults.add(operation="SqlQuery", path=store.database, page_items=0, times=2)
        faults.add(operation="SqlQuery", path=store.database, page_items=4, times=1)
        with metering() as meter:
            found = await joined(store.backend, Query("execution", ORGANIZATION))
        faults.clear()

    assert len(found) == 10
    assert meter.requests == {"cosmos": 1, "cosmos_short_page": 3}


async def test_a_histogram_is_one_request_that_loads_its_window(cosmos_harness: CosmosHarness, clock: SettableClock) -> None:
    """The service groups by bucket: an hour among many costs what that hour holds, and one row for each bucket in it."""
    async with cosmos_harness.open_empty(clock) as store:
        records = [
            execution(number, completedAt=f"2024-01-01T{number % 24:02}:10:00.000000Z", durationMs=100 * number, status="Success")
            for number in range(480)
        ]
        await create_all(store.backend, records)
        hour = Range("completedAt", "2024-01-01T05:00:00.000000Z", "2024-01-01T06:00:00.000000Z")
        with metering() as meter:
            (found,) = await store.backend.aggregate(
                Query("execution", ORGANIZATION, (hour,)), group_by=("status",), sum_of=("durationMs",), histogram_of="durationMs"
            )

    assert (found.count, sum(found.histogram.values())) == (20, 20)
    assert meter.requests == {"cosmos": 1}
    assert meter.request_units < 6
    assert meter.received_bytes < 20 * 200
