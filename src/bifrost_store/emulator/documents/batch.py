"""Transactional batches: up to 100 operations on one partition key, all or none ("Transactional batch operations")."""

from __future__ import annotations

import json
from typing import Any, Final

from bifrost_store.emulator.containers.container import Container
from bifrost_store.emulator.containers.items import ItemWriter, Key, Outcome, Preconditions
from bifrost_store.emulator.containers.patch import patch_request
from bifrost_store.emulator.engine import Engine
from bifrost_store.emulator.requests.calls import Call, Reply, container_headers
from bifrost_store.emulator.requests.scope import key_of
from bifrost_store.emulator.wire import jsontext
from bifrost_store.emulator.wire.errors import ServiceError, bad_request

MAX_OPERATIONS: Final = 100
FAILED_DEPENDENCY: Final = 424
_HYBRID_ROW: Final = b"\x81"
"""What a batch in Microsoft's binary format begins with."""


class _BatchError(Exception):
    """An operation that failed, so that the transaction is rolled back."""

    def __init__(self, index: int, error: ServiceError, outcomes: list[Outcome]) -> None:
        super().__init__(str(error))
        self.index = index
        self.error = error
        self.outcomes = outcomes


def execute_batch(engine: Engine, call: Call, container: Container) -> Reply:
    """Carry out a batch: 200 and every operation's result, or 207 and nothing done."""
    operations = operations_of(call)
    key = key_of(call, container)
    try:
        with engine.writing(container) as writer:
            outcomes = _carry_out(writer, key, operations)
    except _BatchError as failure:
        return _failed(container, key, failure, len(operations))
    headers = container_headers(container, container.range_of(key.epk))
    headers["x-ms-item-count"] = str(len(outcomes))
    results = [result_of(container, outcome) for outcome in outcomes]
    return Reply(200, f"[{','.join(results)}]", headers, sum(outcome.charge for outcome in outcomes))


def operations_of(call: Call) -> list[dict[str, Any]]:
    """Return the operations of a batch request.

    Raises:
        ServiceError: 400; they are none, or too many.
    """
    if call.body()[:1] == _HYBRID_ROW:
        raise bad_request("The emulator does not read batches in HybridRow, which the SDK for .NET sends; they must be JSON.")
    operations = jsontext.load(call.body())
    if not isinstance(operations, list) or not all(isinstance(operation, dict) for operation in operations):
        raise bad_request("A batch request is a list of operations.")
    if not operations:
        raise bad_request("Batch request has no operations.")
    if len(operations) > MAX_OPERATIONS:
        raise bad_request("Batch request has more operations than what is supported.")
    return operations


def _carry_out(writer: ItemWriter, key: Key, operations: list[dict[str, Any]]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for index, operation in enumerate(operations):
        try:
            outcomes.append(carry_out(writer, key, operation))
        except ServiceError as error:
            raise _BatchError(index, error, outcomes) from None
    return outcomes


def carry_out(writer: ItemWriter, key: Key, operation: dict[str, Any]) -> Outcome:
    """Carry out one operation.

    Raises:
        ServiceError: It cannot be done, or is none.
    """
    body, item_id = operation.get("resourceBody"), operation.get("id")
    preconditions = Preconditions(_etag(operation, "ifMatch"), _etag(operation, "ifNoneMatch"))
    kind = operation.get("operationType")
    if kind in ("Replace", "Read", "Delete", "Patch") and not isinstance(item_id, str):
        raise bad_request(f"A batch operation of type {kind} needs an id.")
    if kind == "Patch":
        body = patch_request(body)
    if kind in ("Create", "Upsert", "Replace", "Patch") and not isinstance(body, dict):
        raise bad_request(f"A batch operation of type {kind} needs a resourceBody.")
    match kind:
        case "Create":
            return writer.create(key, body or {}, preconditions)
        case "Upsert":
            return writer.upsert(key, body or {}, preconditions)
        case "Replace":
            return writer.replace(key, str(item_id), body or {}, preconditions)
        case "Patch":
            return writer.patch(key, str(item_id), body or {}, preconditions)
        case "Delete":
            return writer.delete(key, str(item_id), preconditions)
        case "Read":
            return writer.read(key, str(item_id), preconditions)
    raise bad_request(f"The operation type '{str(kind)[:50]}' of a batch is unknown.")


def _etag(operation: dict[str, Any], name: str) -> str | None:
    value = operation.get(name)
    if value is not None and not isinstance(value, str):
        raise bad_request(f"The {name} of a batch operation must be a text.")
    return value


def result_of(container: Container, outcome: Outcome) -> str:
    """Return the result of an operation that was done, as JSON."""
    start = f'{{"statusCode":{outcome.status},"requestCharge":{outcome.charge:.2f}'
    if outcome.item is None:
        return start + "}"
    start += f',"eTag":{json.dumps(outcome.item.etag)}'
    return start + "}" if outcome.status == 304 else f'{start},"resourceBody":{container.document_text(outcome.item)}}}'


def _failed(container: Container, key: Key, failure: _BatchError, count: int) -> Reply:
    statuses = [FAILED_DEPENDENCY] * count
    statuses[failure.index] = failure.error.status
    spent = [outcome.charge for outcome in failure.outcomes] + [failure.error.charge or 1.0]
    results = [
        {"statusCode": status, "requestCharge": round(charge, 2)}
        for status, charge in zip(statuses, spent + [0.0] * (count - len(spent)), strict=True)
    ]
    if failure.error.sub_status:
        results[failure.index]["subStatusCode"] = failure.error.sub_status
    headers = container_headers(container, container.range_of(key.epk))
    headers["x-ms-item-count"] = str(count)
    headers["x-ms-substatus"] = str(failure.error.sub_status)
    return Reply(207, jsontext.dump(results), headers, sum(spent))
