"""A kind gains a field: what was stored before keeps its version, on every backend and through dumps."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.record import LATER_FIELDS, Record
from bifrost_store.core.scope import GLOBAL
from bifrost_store.core.version import Version, new_write_id
from bifrost_store.documents import SPECS, Execution, ExecutionStatus
from bifrost_store.repositories.executions.creation import creation_of
from bifrost_store.testing.examples import execution
from bifrost_store.testing.harness import StoreUnderTest
from bifrost_store.testing.repositories import Repositories
from bifrost_store.testing.strict import exactly
from bifrost_store.transfer.lines import line_of, record_of
from tests.contract.cosmos_harness import CosmosStore
from tests.contract.harness import SqliteStore
from tests.innermost import innermost

pytestmark = pytest.mark.anyio

_DIGEST_BEFORE = "2c8aa766ff3233975245ea9856120618"
"""Of ``execution(1)``, taken before executions had the field `creationId`."""


def stored_before() -> Record:
    """Return an execution as it was before its kind gained fields."""
    return execution(**dict.fromkeys(LATER_FIELDS["execution"]))  # type: ignore[arg-type]


async def _remove_later_fields(store: StoreUnderTest, record: Record) -> None:
    """Leave the stored record as it was written before; on Table Storage a field that is None has no column anyhow."""
    (field,) = LATER_FIELDS["execution"]
    match store:
        case SqliteStore() if store.path.suffix == ".db":
            connection = innermost(store.backend)._connection
            await connection.execute("UPDATE records SET body = json_remove(body, :path)", {"path": f"$.{field}"})
        case CosmosStore():
            async with store.client() as client:
                container = client.get_database_client(store.database).get_container_client("executions")
                document: dict[str, Any] = await container.read_item(record.key.id, record.key.scope.value)
                del document[field]
                await container.replace_item(record.key.id, document)
        case _:
            pass


def test_the_digest_of_what_was_stored_before_is_the_same() -> None:
    """A later field that is None is no part of the digest; one that has a value is."""
    assert stored_before().digest == _DIGEST_BEFORE
    assert execution().digest != _DIGEST_BEFORE


def test_later_fields_are_fields_of_their_kinds() -> None:
    """The constant names nothing that no kind has."""
    for kind, fields in LATER_FIELDS.items():
        declared = SPECS[kind].fields
        assert declared is not None
        assert fields <= declared


async def test_what_was_stored_before_has_the_same_version_after(store: StoreUnderTest, backend: Backend) -> None:
    """A record that lacks the field reads as None there, with version and digest as they were, and can be replaced."""
    created = await backend.create(stored_before())
    await _remove_later_fields(store, created)
    read = await backend.get(created.key)

    assert read is not None
    assert exactly(read) == exactly(created)
    assert read.digest == _DIGEST_BEFORE
    replaced = await backend.replace(read.with_body({**read.body, "status": "Success"}), read.etag)
    assert replaced.version.revision == 2


async def test_a_line_of_an_old_dump_loads(backend: Backend) -> None:
    """A line that lacks the field is applied with the version that it was dumped with."""
    dumped = replace(stored_before(), version=Version(3, new_write_id()))
    line = json.loads(line_of(dumped))
    del line["body"]["creationId"]
    await backend.apply(record_of(json.dumps(line).encode()))
    read = await backend.get(dumped.key)

    assert read is not None
    assert exactly(read) == exactly(dumped)


async def test_runs_are_told_apart_by_their_creation(repositories: Repositories) -> None:
    """A run that is created again under the id of a deleted one is another creation; changes leave it the same."""

    async def create() -> Execution:
        return await repositories.executions.create(
            GLOBAL, workflow_name="w", executed_by="kim", executed_by_name="Kim", execution_id="again"
        )

    first = await create()
    ended = await repositories.executions.complete(first, ExecutionStatus.SUCCESS)
    await repositories.executions.delete(GLOBAL, "again")
    second = await create()

    assert creation_of(first.record) == creation_of(ended.record)
    assert creation_of(second.record) != creation_of(first.record)


def test_a_run_of_the_old_application_has_its_start_time_for_creation() -> None:
    """Where no creation id is stored, the text of the start time stands for it."""
    record = stored_before()
    assert creation_of(record) == record.body["startedAt"]
