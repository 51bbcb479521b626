"""Bulk: batches that are not atomic, of operations on any partition keys of one physical partition, each with its own result."""

from __future__ import annotations

from typing import Any, Final

from bifrost_store.emulator.containers.container import Container, PhysicalRange
from bifrost_store.emulator.containers.items import Key
from bifrost_store.emulator.containers.throttle import Throttle
from bifrost_store.emulator.documents.batch import FAILED_DEPENDENCY, carry_out, operations_of, result_of
from bifrost_store.emulator.engine import Engine
from bifrost_store.emulator.requests.calls import Call, Reply, container_headers
from bifrost_store.emulator.wire import jsontext
from bifrost_store.emulator.wire.errors import ServiceError, bad_request

_RANGE: Final = "x-ms-documentdb-partitionkeyrangeid"


def is_bulk(call: Call) -> bool:
    """Return whether a request is a batch that says that it is not atomic."""
    return call.flag("x-ms-cosmos-is-batch-request") and call.header("x-ms-cosmos-batch-atomic", "true").lower() == "false"


def execute_bulk(engine: Engine, call: Call, container: Container, throttle: Throttle) -> Reply:
    """Carry out each operation by itself: 200, or 207 if one failed.

    Unless the request says that it goes on after errors, what comes after a failed operation fails with it. The throughput is
    asked for each operation, so that some may be done and others throttled.
    """
    if call.optional(_RANGE) is None:
        raise bad_request(f"A batch that is not atomic needs the header '{_RANGE}'.")
    physical = container.range_by_id(call.header(_RANGE).rpartition(",")[2])
    goes_on = call.flag("x-ms-cosmos-batch-continue-on-error")
    results: list[str] = []
    has_failed = False
    charge = 0.0
    for operation in operations_of(call):
        if has_failed and not goes_on:
            results.append(f'{{"statusCode":{FAILED_DEPENDENCY},"requestCharge":0.00}}')
            continue
        try:
            throttle.admit(container, (physical,))
            key = _key(container, physical, operation)
            with engine.writing(container) as writer:
                outcome = carry_out(writer, key, operation)
            results.append(result_of(container, outcome))
            spent = outcome.charge
        except ServiceError as error:
            has_failed = True
            spent = error.charge or 0.0
            results.append(_failed(error))
        throttle.spend(container, (physical,), spent)
        charge += spent
    headers = container_headers(container, physical)
    headers["x-ms-item-count"] = str(len(results))
    return Reply(207 if has_failed else 200, f"[{','.join(results)}]", headers, charge)


def _key(container: Container, physical: PhysicalRange, operation: dict[str, Any]) -> Key:
    """Return the partition key that an operation names, as JSON in a text; without one, that of its item."""
    header, body = operation.get("partitionKey"), operation.get("resourceBody")
    if header is None and isinstance(body, dict) and operation.get("operationType") != "Patch":
        values = container.partition_key.of_item(body)
    elif isinstance(header, str):
        values = container.partition_key.parse(header)
    else:
        raise bad_request("Each operation of a batch that is not atomic needs a partitionKey, as JSON in a text.")
    key = Key(values, container.partition_key.epk(values))
    if container.range_of(key.epk) != physical:
        raise ServiceError(410, f"The partition key does not belong to partition key range {physical.id}.", sub_status=1002)
    return key


def _failed(error: ServiceError) -> str:
    result: dict[str, Any] = {"statusCode": error.status, "requestCharge": round(error.charge or 0.0, 2)}
    if error.sub_status:
        result["subStatusCode"] = error.sub_status
    if "x-ms-retry-after-ms" in error.headers:
        result["retryAfterMilliseconds"] = int(error.headers["x-ms-retry-after-ms"])
    return jsontext.dump({**result, "message": error.message})
