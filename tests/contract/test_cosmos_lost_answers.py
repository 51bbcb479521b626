"""Writes to Cosmos DB whose answers do not arrive, or say something else than what happened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import anyio
import pytest
from aiohttp import web

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.operations import Apply, Create, Delete, Replace
from bifrost_store.core.record import Record
from bifrost_store.core.version import Etag, Version, new_write_id
from bifrost_store.errors import OutcomeUnknownError, PreconditionFailedError
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.examples import config, execution, touched
from bifrost_store.testing.fault_proxy import DropAfter, Reaction, SeenRequest
from bifrost_store.testing.operations import NOW, OPERATIONS, view
from bifrost_store.testing.repositories import repositories_over
from bifrost_store.testing.strict import exactly
from tests.contract.cosmos_harness import CosmosHarness, LateRefusal, Refusal, Scene

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("cosmos_only")]
_READ_TIMEOUT = 1.0
"""Where something is to be too late; elsewhere a busy machine gets ten seconds."""


class TooLate(Reaction):
    """Answers when nobody listens any more; what was asked is done."""

    async def after(self, request: SeenRequest, answer: web.Response) -> web.Response:
        await anyio.sleep(_READ_TIMEOUT * 3)
        return answer


class Delayed(Reaction):
    """Lets a request through when nobody waits for it any more."""

    def __init__(self) -> None:
        self.has_arrived = anyio.Event()

    async def before(self, request: SeenRequest) -> None:
        await anyio.sleep(_READ_TIMEOUT * 3)

    async def after(self, request: SeenRequest, answer: web.Response) -> web.Response:
        self.has_arrived.set()
        return answer


@dataclass(frozen=True, slots=True)
class Stored:
    """What is there before: as created, replaced once, deleted, expired."""

    created: Record
    replaced: Record

    @classmethod
    async def fill(cls, backend: Backend, clock: SettableClock) -> Stored:
        clock.now = START
        created, other = [await backend.create(config(key)) for key in ("created", "replaced")]
        replaced = await backend.replace(touched(other), other.etag)
        await backend.create(config("deleted"))
        await backend.delete(config("deleted").key)
        for number in (1, 2):
            await backend.create(execution(number, expires_at=START + timedelta(seconds=1)))
        clock.advance(seconds=2)
        return cls(created, replaced)


def at(record: Record, revision: int) -> Record:
    """Return *record* as somebody else wrote it."""
    return replace(touched(record), version=Version(revision, new_write_id()))


WRITES: dict[str, Callable[[Backend, Stored], Awaitable[object]]] = {
    "create": lambda backend, _: backend.create(config("new")),
    "create what was deleted": lambda backend, _: backend.create(config("deleted")),
    "create what expired": lambda backend, _: backend.create(execution(1)),
    "replace": lambda backend, stored: backend.replace(touched(stored.created), stored.created.etag),
    "replace by version": lambda backend, stored: backend.replace(touched(stored.replaced), Etag(stored.replaced.version)),
    "delete": lambda backend, stored: backend.delete(stored.created.key),
    "delete one state": lambda backend, stored: backend.delete(stored.replaced.key, expected=stored.replaced.etag),
    "apply": lambda backend, _: backend.apply(at(config("new"), 3)),
    "apply what is newer": lambda backend, stored: backend.apply(at(stored.replaced, 4)),
    "apply a tombstone": lambda backend, stored: backend.apply(stored.replaced.tombstone(Version(3, new_write_id()))),
    "apply over one state": lambda backend, stored: backend.apply(at(stored.replaced, 1), over=stored.replaced.native_etag),
    "batch": lambda backend, stored: backend.batch(
        [
            Create(config("new")),
            Replace(touched(stored.replaced), stored.replaced.etag),
            Delete(stored.created.key),
            Apply(at(config("newer"), 3)),
        ]
    ),
    "batch over what is gone": lambda backend, _: backend.batch([Create(execution(number)) for number in (1, 2, 3)]),
    "purge": lambda backend, _: backend.purge_expired(kind="execution"),
}
LOSSES: dict[str, Callable[[], Reaction]] = {
    "lost": DropAfter,
    "too late": TooLate,
    "500": lambda: LateRefusal(500),
    "503": lambda: LateRefusal(503),
    "408": lambda: LateRefusal(408),
    "410": lambda: LateRefusal(410),
}


async def outcome(scene: Scene, backend: Backend, write: str, clock: SettableClock) -> tuple[Any, Any]:
    """Carry out a write; return its result, and all that is stored then."""
    result: Any = await WRITES[write](backend, await Stored.fill(scene.store.backend, clock))
    stored = await everything(scene.store.backend)
    for one in result if isinstance(result, list) else [result]:
        assert not isinstance(one, Record) or write == "purge" or exactly(one) == exactly(stored[one.key])
    return shown(result), {str(key): shown(record) for key, record in stored.items()}


def shown(result: Any) -> Any:
    """Return what must be equal whatever the write's id is."""
    if isinstance(result, list):
        return [shown(one) for one in result]
    return exactly(result, with_write_id=False) if isinstance(result, Record) else result


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("write", WRITES)
async def test_a_write_that_went_through_is_success(
    cosmos_harness: CosmosHarness, clock: SettableClock, write: str, loss: str
) -> None:
    """Whichever answer to a write is lost, late or wrong, it took effect once, and its result is as if the answer had come."""
    async with cosmos_harness.open_empty(clock) as store, store.proxied() as scene:
        expected = await outcome(scene, store.backend, write, clock)
    number = 0
    patience = _READ_TIMEOUT if loss == "too late" else 10
    while True:
        async with cosmos_harness.open_empty(clock) as store, store.proxied(read_timeout=patience) as scene:
            scene.proxy.react(LOSSES[loss](), skip=number, times=1)
            try:
                found = await outcome(scene, scene.broken, write, clock)
            except OutcomeUnknownError:
                # The tombstone may be what became of ours: the caller reads, finds nothing, and creates it.
                assert (write, number) == ("create what was deleted", 0)
                assert (await everything(store.backend))[config("deleted").key].version.revision == 2
                found = expected
            if sum(request.is_write for request in scene.proxy.seen) <= number:
                break
        assert found == expected, number
        number += 1

    assert number > 0


@pytest.mark.parametrize("write", WRITES)
async def test_half_an_answer_is_enough(cosmos_harness: CosmosHarness, clock: SettableClock, write: str) -> None:
    """An answer that ends in its body has told what happened, or it is found out."""
    async with cosmos_harness.open_empty(clock) as store, store.proxied() as scene:
        expected = await outcome(scene, store.backend, write, clock)
    async with cosmos_harness.open_empty(clock) as store, store.opened() as broken:
        stored = await Stored.fill(store.backend, clock)
        await broken.get(config().key)
        faults = store.server.faulty().faults
        for operation in ("Create", "Replace", "Delete", "Batch", "Read", "SqlQuery"):
            faults.add(operation=operation, kind="docs", path=store.database, drop="half")
        try:
            result = shown(await WRITES[write](broken, stored))
        except OutcomeUnknownError:
            assert write == "create what was deleted"
            return
        finally:
            faults.clear()
        found = {str(key): shown(record) for key, record in (await everything(store.backend)).items()}

    assert (result, found) == expected


@pytest.mark.parametrize("write", WRITES)
async def test_the_sdk_sends_a_write_again(cosmos_harness: CosmosHarness, clock: SettableClock, write: str) -> None:
    """A write that was answered 503, and not done, is sent again by the SDK after half a second, and takes effect once."""
    async with cosmos_harness.open_empty(clock) as store, store.proxied() as scene:
        expected = await outcome(scene, store.backend, write, clock)
    async with cosmos_harness.open_empty(clock) as store, store.proxied() as scene:
        scene.proxy.react(Refusal(503), times=1)
        try:
            found = await outcome(scene, scene.broken, write, clock)
        except OutcomeUnknownError:
            assert write == "create what was deleted"
            return

        assert found == expected
        assert scene.waits == [0.5]


@pytest.mark.parametrize("write", ["create", "replace", "delete", "apply", "batch"])
async def test_a_request_that_arrives_late_does_nothing(cosmos_harness: CosmosHarness, clock: SettableClock, write: str) -> None:
    """A write that was given up, repeated, and arrives after all finds its state gone: nothing is applied twice."""
    async with cosmos_harness.open_empty(clock) as store, store.proxied() as scene:
        expected = await outcome(scene, store.backend, write, clock)
    async with cosmos_harness.open_empty(clock) as store, store.proxied(read_timeout=_READ_TIMEOUT) as scene:
        delayed = Delayed()
        scene.proxy.react(delayed, times=1)
        assert await outcome(scene, scene.broken, write, clock) == expected
        await store.backend.delete(config("new").key)
        before = await everything(store.backend)
        await delayed.has_arrived.wait()

        assert await everything(store.backend) == before


class Meanwhile(Reaction):
    """Lets a write through, does something else, and loses the answer."""

    def __init__(self, call: Callable[[], Awaitable[object]]) -> None:
        self._call = call

    async def after(self, request: SeenRequest, answer: web.Response) -> web.Response:
        await self._call()
        return await DropAfter().after(request, answer)


async def current(scene: Scene, record: Record) -> Record:
    stored = await scene.store.backend.get(record.key)
    assert stored is not None
    return stored


@pytest.mark.parametrize("record", [config(), execution()], ids=lambda record: record.key.kind)
async def test_an_answer_lost_and_the_record_changed_since(cosmos_scene: Scene, record: Record) -> None:
    """Where our answer was lost and someone wrote on top, what happened cannot be told: OutcomeUnknownError."""
    created = await cosmos_scene.store.backend.create(record)

    async def change() -> None:
        stored = await current(cosmos_scene, record)
        await cosmos_scene.store.backend.replace(touched(stored, 5), stored.etag)

    cosmos_scene.proxy.react(Meanwhile(change), times=1)
    with pytest.raises(OutcomeUnknownError) as caught:
        await cosmos_scene.broken.replace(touched(created), created.etag)

    assert caught.value.key == str(record.key)
    assert caught.value.is_retryable is False
    assert (await current(cosmos_scene, record)).version.revision == 3


async def test_an_answer_lost_and_the_record_deleted_since(cosmos_scene: Scene) -> None:
    """The same where it was deleted since, for create and replace."""

    async def delete() -> None:
        await cosmos_scene.store.backend.delete(config().key)

    cosmos_scene.proxy.react(Meanwhile(delete), times=1)
    with pytest.raises(OutcomeUnknownError):
        await cosmos_scene.broken.create(config())
    created = await cosmos_scene.store.backend.create(config())
    cosmos_scene.proxy.react(Meanwhile(delete), times=1)
    with pytest.raises(OutcomeUnknownError):
        await cosmos_scene.broken.replace(touched(created), created.etag)


async def test_a_batch_whose_answer_was_lost_and_one_record_changed_since(cosmos_scene: Scene) -> None:
    """What is found of one operation holds for all: the batch was carried out, whoever wrote on top of its first record since."""

    async def change() -> None:
        stored = await current(cosmos_scene, config("a"))
        await cosmos_scene.store.backend.replace(touched(stored, 5), stored.etag)

    cosmos_scene.proxy.react(Meanwhile(change), times=1)
    results = await cosmos_scene.broken.batch([Create(config("a")), Create(config("b"))])

    assert [one.key for one in results if isinstance(one, Record)] == [config("a").key, config("b").key]
    assert [(await current(cosmos_scene, config(key))).version.revision for key in "ab"] == [2, 1]


async def test_an_answer_lost_to_someone_elses_write(cosmos_scene: Scene) -> None:
    """Where our write was refused, and that answer was lost, someone else's write is what we hear of."""
    created = await cosmos_scene.store.backend.create(config())
    await cosmos_scene.store.backend.replace(touched(created, 5), created.etag)
    cosmos_scene.proxy.react(DropAfter(), times=1)

    with pytest.raises(PreconditionFailedError):
        await cosmos_scene.broken.replace(touched(created), created.etag)


async def test_an_answer_lost_and_nobody_to_ask(cosmos_scene: Scene) -> None:
    """Where the answer was lost and reading what happened fails too, it is OutcomeUnknownError; the write may be there."""
    cosmos_scene.proxy.react(DropAfter(), times=1)
    cosmos_scene.proxy.react(Refusal(403), when=lambda request: request.method == "GET" and "/docs/" in request.path)
    with pytest.raises(OutcomeUnknownError) as caught:
        await cosmos_scene.broken.create(config())

    assert caught.value.__cause__ is not None
    assert await cosmos_scene.store.backend.get(config().key) is not None


async def test_a_deletion_lost_and_repeated(cosmos_scene: Scene) -> None:
    """A delete whose answer was lost returns the tombstone once; asked again, None."""
    await cosmos_scene.store.backend.create(execution())
    cosmos_scene.proxy.react(DropAfter(), times=1)

    deleted = await cosmos_scene.broken.delete(execution().key)
    assert deleted is not None
    assert (deleted.is_tombstone, deleted.version.revision) == (True, 2)
    assert await cosmos_scene.broken.delete(execution().key) is None


@pytest.mark.parametrize("name", ["create an execution", "complete an execution", "delete an execution", "rename a user"])
async def test_any_lost_answer_of_an_operation(cosmos_harness: CosmosHarness, clock: SettableClock, name: str) -> None:
    """Whichever write's answer is lost, the operation succeeds, and leaves what it leaves undisturbed."""
    operation = OPERATIONS[name]
    clock.now = NOW
    lost, undisturbed, count = 0, None, 0
    while True:
        async with cosmos_harness.open_empty(clock) as store, store.proxied(read_timeout=10) as scene:
            await operation.before(repositories_over(store.backend, store.blobs, clock))
            if lost:
                scene.proxy.react(DropAfter(), skip=lost - 1, times=1)
            await operation.step(repositories_over(scene.broken, store.blobs, clock))
            seen = await view(repositories_over(store.backend, store.blobs, clock)), await store.content()
        if undisturbed is None:
            undisturbed, count = seen, sum(request.is_write for request in scene.proxy.seen)
        assert seen == undisturbed, lost
        if lost == count:
            break
        lost += 1

    assert lost >= 1
