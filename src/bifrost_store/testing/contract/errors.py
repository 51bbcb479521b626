"""Errors: whatever goes wrong below a backend arrives as the same error, or as success of our own write."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

import pytest

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.operations import Create, Delete, Replace
from bifrost_store.core.record import Record
from bifrost_store.errors import (
    AccessDeniedError,
    BackendError,
    BackendUnavailableError,
    DocumentTooLargeError,
    NotProvisionedError,
    OutcomeUnknownError,
    StoreError,
    ThrottledError,
)
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.examples import EXAMPLES, changed, config, execution, touched, user
from bifrost_store.testing.harness import PASSING_FAULTS, Fault, StoreUnderTest
from bifrost_store.testing.strict import exactly

pytestmark = pytest.mark.anyio

EXPECTED: Final[dict[Fault, type[StoreError]]] = {
    Fault.UNREACHABLE: BackendUnavailableError,
    Fault.TIMEOUT: OutcomeUnknownError,
    Fault.THROTTLED: ThrottledError,
    Fault.UNAVAILABLE: OutcomeUnknownError,
    Fault.DENIED: AccessDeniedError,
    Fault.TOO_LARGE: DocumentTooLargeError,
    Fault.FULL: BackendError,
    Fault.NOT_PROVISIONED: NotProvisionedError,
}
"""What each lasting fault becomes."""

_MARKER: Final = "s3cr3t-content"


def _writes(backend: Backend, replaced: Record, deleted: Record) -> dict[str, Callable[[], Awaitable[object]]]:
    fresh = [_large(config(key)) for key in ("new", "newer")]
    return {
        "create": lambda: backend.create(fresh[0]),
        "replace": lambda: backend.replace(_large(replaced), replaced.etag),
        "delete": lambda: backend.delete(deleted.key),
        "apply": lambda: backend.apply(_newer(_large(deleted))),
        "batch": lambda: backend.batch([Create(record) for record in fresh]),
    }


def _large(record: Record) -> Record:
    return changed(record, value=_MARKER * 2_000)


def _newer(record: Record) -> Record:
    return replace(touched(record), version=record.version.next())


@pytest.mark.parametrize("operation", ["create", "replace", "delete", "apply", "batch"])
async def test_a_fault_arrives_as_our_error(store: StoreUnderTest, fault: Fault, operation: str) -> None:
    """A lasting fault raises its error, chained, naming backend and operation, showing no content; nothing is written."""
    replaced, deleted = await store.backend.create(config("a")), await store.backend.create(config("b"))
    before = {key: exactly(record) for key, record in (await everything(store.backend)).items()}

    async with store.open_broken(fault) as broken:
        if (fault, operation) == (Fault.FULL, "delete"):
            assert await broken.delete(deleted.key) is not None, "what frees space needs none"
            return
        with pytest.raises(EXPECTED[fault]) as caught:
            await _writes(broken, replaced, deleted)[operation]()

    error = caught.value
    assert type(error) is EXPECTED[fault]
    assert (error.backend, error.operation) == (store.backend.name, operation)
    assert error.__cause__ is not None
    assert not isinstance(error.__cause__, StoreError)
    assert error.is_retryable is issubclass(EXPECTED[fault], BackendUnavailableError | ThrottledError)
    assert error.retry_after_seconds == (7 if fault is Fault.THROTTLED else None)
    assert _MARKER not in str(error) + repr(error) + str(error.__cause__)
    if fault is not Fault.NOT_PROVISIONED:
        assert {key: exactly(record) for key, record in (await everything(store.backend)).items()} == before


@pytest.mark.parametrize("operation", ["create", "replace", "delete", "apply", "batch"])
async def test_an_unknown_fate_stays_unknown(store: StoreUnderTest, refusal: Fault, operation: str) -> None:
    """A write whose first answer is lost and whose next sending is refused, however, is not told as refused: it arrives later."""
    replaced, deleted = await store.backend.create(config("a")), await store.backend.create(config("b"))
    before = {key: exactly(record) for key, record in (await everything(store.backend)).items()}

    async with store.open_broken(Fault.ANSWER_LATE, refusal) as broken:
        with pytest.raises(OutcomeUnknownError) as caught:
            await _writes(broken, replaced, deleted)[operation]()
        assert {key: exactly(record) for key, record in (await everything(store.backend)).items()} == before

    assert (caught.value.backend, caught.value.operation) == (store.backend.name, operation)
    assert not caught.value.is_retryable
    assert caught.value.__cause__ is not None
    assert _MARKER not in str(caught.value) + repr(caught.value)
    assert {key: exactly(record) for key, record in (await everything(store.backend)).items()} != before


@pytest.mark.parametrize("operation", ["create", "replace", "delete", "apply", "batch"])
async def test_a_lost_answer_is_settled_before_a_refusal(store: StoreUnderTest, refusal: Fault, operation: str) -> None:
    """A write that was carried out and not answered is found, and not sent again to be refused."""
    replaced, deleted = await store.backend.create(config("a")), await store.backend.create(config("b"))
    before = {key: exactly(record) for key, record in (await everything(store.backend)).items()}

    async with store.open_broken(Fault.ANSWER_LOST, refusal) as broken:
        assert await _writes(broken, replaced, deleted)[operation]()

    assert {key: exactly(record) for key, record in (await everything(store.backend)).items()} != before


@pytest.mark.parametrize("record", EXAMPLES, ids=lambda record: record.key.kind)
async def test_a_passing_fault_leaves_exactly_our_write(store: StoreUnderTest, passing_fault: Fault, record: Record) -> None:
    """Where an answer was lost or a refusal was false, each write takes effect once, and its result is what is stored."""
    async with store.open_broken(passing_fault) as broken:
        created = await broken.create(record)
    assert exactly(await store.backend.get(record.key)) == exactly(created)
    assert created.version.revision == 1
    async with store.open_broken(passing_fault) as broken:
        replaced = await broken.replace(touched(created), created.etag)
    assert exactly(await store.backend.get(record.key)) == exactly(replaced)
    assert replaced.version.revision == 2
    async with store.open_broken(passing_fault) as broken:
        applied = _newer(replaced)
        assert await broken.apply(applied) is True
    stored = await store.backend.get(record.key)
    assert stored is not None
    assert stored.version == applied.version
    async with store.open_broken(passing_fault) as broken:
        tombstone = await broken.delete(record.key, expected=stored.etag)
    assert tombstone is not None
    assert tombstone.version.revision == 4
    assert exactly((await everything(store.backend))[record.key]) == exactly(tombstone)
    try:
        async with store.open_broken(passing_fault) as broken:
            again = await broken.create(record)
    except OutcomeUnknownError:
        # A tombstone beyond our revision may be of a record that ours became: the caller reads and decides.
        assert await store.backend.get(record.key) is None
        again = await store.backend.create(record)
    assert again.version.revision == 5
    assert exactly(await store.backend.get(record.key)) == exactly(again)


async def test_a_passing_fault_in_a_batch(store: StoreUnderTest, passing_fault: Fault) -> None:
    """A batch whose answer was lost, or that was refused falsely, takes effect once and whole."""
    first, second = [await store.backend.create(execution(number)) for number in (1, 2)]
    async with store.open_broken(passing_fault) as broken:
        results = await broken.batch([Create(execution(3)), Replace(touched(first), first.etag), Delete(second.key, second.etag)])

    stored = await everything(store.backend)
    assert [stored[record.key].version.revision for record in (execution(3), first, second)] == [1, 2, 2]
    for result in results:
        assert isinstance(result, Record)
        assert exactly(stored[result.key]) == exactly(result)


def test_every_lasting_fault_has_its_error() -> None:
    """Each fault either lasts and has its error, or passes."""
    assert EXPECTED.keys() == frozenset(Fault) - PASSING_FAULTS


async def test_closing_one_handle_leaves_the_others(store: StoreUnderTest) -> None:
    """Closing twice is harmless; the other handle goes on."""
    async with store.open_another() as another:
        await another.create(user())
        await another.aclose()
        await another.aclose()

    assert await store.backend.get(user().key) is not None


async def test_ping_tells_who_answers(store: StoreUnderTest) -> None:
    """Ping returns one line about the store, without secrets."""
    line = await store.backend.ping()

    assert line
    assert "\n" not in line
    assert "key=" not in line.lower()


async def test_provisioning_twice_changes_nothing(store: StoreUnderTest) -> None:
    """Provision can be repeated over what exists, beside what is stored."""
    created = await store.backend.create(execution())
    await store.backend.provision()
    async with store.open_another() as another:
        await another.provision()

    assert exactly(await store.backend.get(created.key)) == exactly(created)
