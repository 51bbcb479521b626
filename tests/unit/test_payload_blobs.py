"""The life of payload blobs around the records that name them, over a plain dict."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bifrost_store.blobs.protocol import EXECUTION_DATA, Blob, BlobInfo, Holder, holder_of
from bifrost_store.core.attempts import Attempt
from bifrost_store.core.operations import Operation
from bifrost_store.core.operations import Result as Stored
from bifrost_store.core.scope import Scope
from bifrost_store.documents import SPECS, Execution, ExecutionStatus
from bifrost_store.errors import (
    BackendUnavailableError,
    CorruptDocumentError,
    DocumentExistsError,
    DocumentNotFoundError,
    OutcomeUnknownError,
    PreconditionFailedError,
    StoreError,
)
from bifrost_store.protocols import ExecutionRef, Executions, Result
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.model import ModelBackend
from bifrost_store.testing.repositories import repositories_over
from bifrost_store.wrappers.checked import CheckedBackend

pytestmark = pytest.mark.anyio

ORG, OTHER = Scope.organization("a"), Scope.organization("b")
LONG = {"a": "x" * 40_000}


class DictBlobStore:
    """Blobs in a dict. *failing* names operations that raise."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.owners: dict[str, str] = {}
        self.failing: set[str] = set()
        self.calls: list[str] = []

    async def put(self, container: str, name: str, data: bytes, *, content_type: str = "", owner: str | None = None) -> None:
        self._note("put", container)
        self.blobs[name] = data

    async def get(self, container: str, name: str) -> bytes | None:
        self._note("get", container)
        return self.blobs.get(name)

    async def read(self, container: str, name: str) -> Blob | None:
        data = await self.get(container, name)
        return None if data is None else Blob(name, data, "", self.owners.get(name))

    async def copy_for(self, owner: str, container: str, source: str, target: str, *, over_unknown: bool = False) -> Holder:
        self._note("copy", container)
        if source not in self.blobs:
            raise DocumentNotFoundError("no such blob")
        holder = self._holder(owner, target)
        if holder is not Holder.ANOTHER and (holder is not Holder.UNKNOWN or over_unknown):
            self.blobs[target], self.owners[target] = self.blobs[source], owner
        return holder

    async def delete(self, container: str, name: str) -> bool:
        self._note("delete", container)
        self.owners.pop(name, None)
        return self.blobs.pop(name, None) is not None

    async def delete_for(self, owner: str, container: str, name: str, *, over_unknown: bool = False) -> Holder:
        holder = self._holder(owner, name)
        if holder is not Holder.ANOTHER and (holder is not Holder.UNKNOWN or over_unknown):
            await self.delete(container, name)
        return holder

    def _holder(self, owner: str, name: str) -> Holder:
        data = self.blobs.get(name)
        return holder_of(None if data is None else Blob(name, data, "", self.owners.get(name)), owner)

    async def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobInfo]:
        for name in sorted(self.blobs):
            yield BlobInfo(name, len(self.blobs[name]), "application/octet-stream")

    async def provision(self) -> None: ...

    async def ping(self) -> str:
        return "dict"

    async def aclose(self) -> None: ...

    def _note(self, operation: str, container: str) -> None:
        assert container == EXECUTION_DATA
        self.calls.append(operation)
        if operation in self.failing:
            raise BackendUnavailableError(f"{operation} fails")

    @property
    def todays(self) -> dict[str, Any]:
        """What the old application would find."""
        return {name: data for name, data in self.blobs.items() if name.count("/") == 1}


class FailingBackend(ModelBackend):
    """Raises *error* instead of writing, or after it where *is_written*."""

    error: StoreError | None = None
    is_written = False

    async def write(self, operations: Sequence[Operation], *, attempt: Attempt) -> list[Stored]:
        results = await super().write(operations, attempt=attempt) if self.is_written or self.error is None else []
        if self.error is not None:
            raise self.error
        return results


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def backend(clock: SettableClock) -> FailingBackend:
    return FailingBackend(clock=clock)


@pytest.fixture
def blobs() -> DictBlobStore:
    return DictBlobStore()


@pytest.fixture
def executions(backend: FailingBackend, blobs: DictBlobStore, clock: SettableClock) -> Executions:
    return repositories_over(CheckedBackend(backend, SPECS), blobs, clock).executions  # type: ignore[arg-type]


async def start(executions: Executions, scope: Scope = ORG, **fields: Any) -> Execution:
    given: dict[str, Any] = {"workflow_name": "w", "executed_by": "u", "executed_by_name": "U", "execution_id": "e-1", **fields}
    return await executions.create(scope, **given)


async def forget_names(backend: ModelBackend, execution: Execution, **fields: Any) -> None:
    """Store the execution as the old application leaves it: no name of ours, no expiry."""
    stored = await backend.get(execution.record.key)
    assert stored is not None
    await backend.replace(replace(stored.with_body({**stored.body, "blobs": {}, **fields}), expires_at=None), stored.etag)


async def test_a_blob_is_there_before_the_record_names_it(executions: Executions, blobs: DictBlobStore) -> None:
    """If the blob cannot be put, nothing is stored."""
    blobs.failing = {"put"}

    with pytest.raises(BackendUnavailableError):
        await start(executions, input_data=LONG)

    assert await executions.get(ORG, "e-1") is None


async def test_a_failed_write_takes_its_blobs_back(executions: Executions, backend: FailingBackend, blobs: DictBlobStore) -> None:
    """A record that surely was not written leaves no blobs behind."""
    execution = await start(executions)
    backend.error = BackendUnavailableError("down")

    with pytest.raises(BackendUnavailableError):
        await executions.complete(execution, ExecutionStatus.FAILED, error_message="x" * 40_000, result=[1])
    with pytest.raises(BackendUnavailableError):
        await start(executions, execution_id="e-2", input_data=LONG)

    assert blobs.blobs == {}


async def test_an_unknown_outcome_keeps_its_blobs(executions: Executions, backend: FailingBackend, blobs: DictBlobStore) -> None:
    """A record that may have been written must find its blobs."""
    execution = await start(executions)
    backend.error, backend.is_written = OutcomeUnknownError("who knows"), True
    with pytest.raises(OutcomeUnknownError):
        await executions.save_result(execution, [1, 2])
    backend.error = None

    assert Result("json", [1, 2]) == await executions.load_result(execution)


async def test_the_old_application_finds_copies(executions: Executions, blobs: DictBlobStore) -> None:
    """After the record, a payload is copied to today's name; a result's earlier copy of another kind goes."""
    execution = await start(executions, input_data=LONG)
    execution = await executions.save_logs(execution, [{"message": "hi"}])
    execution = await executions.save_result(execution, [1])
    assert {"e-1/logs.json", "e-1/result.json"} == blobs.todays.keys()

    execution = await executions.save_result(execution, "<p>" + "x" * 2_000)
    assert {"e-1/logs.json", "e-1/result.html"} == blobs.todays.keys()

    execution = await executions.save_result(execution, "short")
    assert {"e-1/logs.json"} == blobs.todays.keys()


async def test_a_copy_that_fails_fails_nothing(
    executions: Executions, blobs: DictBlobStore, caplog: pytest.LogCaptureFixture
) -> None:
    """The call has succeeded once the record is stored; what is left undone is logged."""
    blobs.failing = {"copy", "delete"}
    execution = await start(executions)

    with caplog.at_level(logging.WARNING, "bifrost_store.executions"):
        execution = await executions.save_logs(execution, [{"message": "one"}])
        execution = await executions.save_logs(execution, [{"message": "two"}])

    events = [getattr(record, "event", None) for record in caplog.records]
    assert events == ["executions.payload_copy_failed", "executions.payload_delete_failed", "executions.payload_copy_failed"]
    assert "message" not in str(caplog.records[0].__dict__.get("blob"))
    assert await executions.load_logs(execution) == [{"message": "two"}]


async def test_superseded_blobs_go(executions: Executions, blobs: DictBlobStore) -> None:
    """Of a payload saved again and again one blob and one copy stay."""
    execution = await start(executions)
    for number in range(3):
        execution = await executions.save_variables(execution, {"n": number})

    assert len(blobs.blobs) == 2
    assert await executions.load_variables(execution) == {"n": 2}


async def test_the_loser_of_a_race_overwrites_nothing(executions: Executions, blobs: DictBlobStore) -> None:
    """A second outcome is refused, and neither its blob nor a copy of it stays."""
    execution = await start(executions)
    await executions.complete(execution, ExecutionStatus.SUCCESS, result=[1])
    before = dict(blobs.blobs)

    with pytest.raises(PreconditionFailedError):
        await executions.complete(execution, ExecutionStatus.SUCCESS, result=[2])

    assert before == blobs.blobs


async def test_repeating_an_outcome_stores_nothing_again(executions: Executions, blobs: DictBlobStore) -> None:
    """The same completion again, from an old model, returns what is stored, though result and message are in blobs."""
    execution = await start(executions)
    first = await executions.complete(execution, ExecutionStatus.FAILED, error_message="x" * 40_000, result=[1])
    before = dict(blobs.blobs)

    assert first == await executions.complete(execution, ExecutionStatus.FAILED, error_message="x" * 40_000, result=[1])

    assert before == blobs.blobs
    with pytest.raises(PreconditionFailedError):
        await executions.complete(first, ExecutionStatus.FAILED, error_message="x" * 40_001, result=[1])
    with pytest.raises(PreconditionFailedError):
        await executions.complete(first, ExecutionStatus.FAILED, error_message="x" * 40_000, result=[1.0])


async def test_repeating_a_creation_compares_spilled_input(executions: Executions, blobs: DictBlobStore) -> None:
    """A repeated id returns what is stored if the input is equal type for type; no second blob stays either way."""
    first = await start(executions, input_data={**LONG, "n": 1})

    assert first == await start(executions, input_data={**LONG, "n": 1})
    with pytest.raises(DocumentExistsError):
        await start(executions, input_data={**LONG, "n": 1.0})
    assert len(blobs.blobs) == 1


async def test_models_show_whole_values_and_keep_the_stored_record(executions: Executions) -> None:
    """Spilled input and error messages are whole in every model; `record` is what is stored."""
    execution = await start(executions, input_data=LONG)
    ended = await executions.complete(execution, ExecutionStatus.FAILED, error_message="x" * 40_000)

    for shown in (ended, await executions.get(ORG, "e-1"), (await executions.list(ORG))[0]):
        assert shown is not None
        assert (shown.input_data, shown.error_message) == (LONG, "x" * 40_000)
        assert shown.record.body["inputData"] == {}
        assert shown.record.body["errorMessage"] == "x" * 32_768


async def test_a_model_in_hand_spares_reading_its_blobs(executions: Executions, blobs: DictBlobStore) -> None:
    """A change given the model does not load the input that the model shows."""
    execution = await start(executions, input_data=LONG)
    blobs.calls.clear()

    ended = await executions.complete(execution, ExecutionStatus.SUCCESS)

    assert ended.input_data == LONG
    assert blobs.calls == []


async def test_a_reader_whose_blob_is_gone_reads_the_record_again(executions: Executions) -> None:
    """Payloads are loaded through models that are out of date, also those from before the first save."""
    created = await start(executions)
    saved = await executions.save_logs(created, [{"n": 1}])
    await executions.save_logs(saved, [{"n": 2}])

    assert await executions.load_logs(created) == [{"n": 2}]
    assert await executions.load_logs(saved) == [{"n": 2}]


async def test_a_missing_blob_is_reported(executions: Executions, blobs: DictBlobStore) -> None:
    """A blob that the record names and that is not there raises; in a list it hides no other run."""
    execution = await start(executions, input_data=LONG)
    await executions.save_logs(execution, [])
    await start(executions, execution_id="e-2")
    blobs.blobs.clear()

    with pytest.raises(CorruptDocumentError, match="is missing, though the record names it for its logs"):
        await executions.load_logs(execution)
    with pytest.raises(CorruptDocumentError, match="for its input"):
        await executions.get(ORG, "e-1")
    page = await executions.list(ORG)
    assert [one.execution_id for one in page] == ["e-2"]
    assert len(page.unreadable) == 1


async def test_nothing_saved_is_none(executions: Executions) -> None:
    """A run without payloads, and one that does not exist, have none; empty ones are payloads."""
    execution = await start(executions)
    for target in (execution, ExecutionRef(ORG, "e-1"), ExecutionRef(ORG, "unknown")):
        assert await executions.load_result(target) is None
        assert await executions.load_logs(target) is None
        assert await executions.load_variables(target) is None
        assert await executions.load_snapshot(target) is None
    await executions.save_logs(execution, [])
    await executions.save_variables(execution, {})
    await executions.save_snapshot(execution, [])
    await executions.save_result(execution, "")

    assert await executions.load_logs(execution) == []
    assert await executions.load_variables(execution) == {}
    assert await executions.load_snapshot(execution) == []
    assert Result("text", "") == await executions.load_result(execution)


async def test_payloads_of_the_old_application_are_read(
    executions: Executions, backend: FailingBackend, blobs: DictBlobStore
) -> None:
    """Where the record names nothing, today's names are read; a result as JSON, then HTML, then text."""
    execution = await start(executions)
    await forget_names(backend, execution, resultInBlob=True)
    blobs.blobs |= {"e-1/logs.json": b"[]", "e-1/result.txt": b"text", "e-1/result.html": b"<p>"}

    assert await executions.load_logs(ExecutionRef(ORG, "e-1")) == []
    assert Result("html", "<p>") == await executions.load_result(ExecutionRef(ORG, "e-1"))
    assert await executions.load_variables(ExecutionRef(ORG, "e-1")) is None

    execution = await executions.save_result(ExecutionRef(ORG, "e-1"), [1])
    assert {"e-1/logs.json", "e-1/result.json"} == blobs.todays.keys()
    assert execution.record.expires_at is None


async def test_one_id_in_two_scopes_is_two_runs(executions: Executions, blobs: DictBlobStore) -> None:
    """Today's blob names know no scope, but no run shows or loses what belongs to another scope's."""
    one, other = await start(executions), await start(executions, OTHER)
    await executions.save_logs(one, [{"of": "one"}])

    assert await executions.load_logs(other) is None
    await executions.save_logs(other, [{"of": "other"}])
    assert await executions.load_logs(one) == [{"of": "one"}]
    assert await executions.delete(OTHER, "e-1")
    assert await executions.load_logs(one) == [{"of": "one"}]


async def test_deleting_removes_every_blob(executions: Executions, blobs: DictBlobStore, clock: SettableClock) -> None:
    """A deleted or purged run leaves neither blobs nor copies, and a later one with its id inherits nothing."""
    for end in (executions.delete(ORG, "e-1"), None):
        execution = await start(executions, input_data=LONG)
        await executions.save_logs(execution, [])
        await executions.complete(execution, ExecutionStatus.FAILED, error_message="x" * 40_000, result=[1])
        if end is not None:
            assert await end
        else:
            clock.advance(days=14)
            assert await executions.purge_expired() == 1
        assert blobs.blobs == {}


async def test_expiry_follows_the_last_change(executions: Executions, backend: FailingBackend, clock: SettableClock) -> None:
    """A run expires the retention after its last change; one of the old application only once it ended here."""
    execution = await start(executions, started_at=datetime(2020, 1, 1, tzinfo=UTC))
    assert clock.now + timedelta(days=14) == execution.record.expires_at
    clock.advance(days=1)
    execution = await executions.save_logs(execution, [])
    assert clock.now + timedelta(days=14) == execution.record.expires_at

    await forget_names(backend, execution)
    execution = await executions.set_status(ExecutionRef(ORG, "e-1"), ExecutionStatus.PENDING)
    assert execution.record.expires_at is None
    execution = await executions.cancel(execution)
    assert clock.now + timedelta(days=14) == execution.record.expires_at
