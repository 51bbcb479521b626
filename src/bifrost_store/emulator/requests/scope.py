"""`Scope`: which part of a container a request is about."""

from __future__ import annotations

from dataclasses import dataclass

from bifrost_store.emulator.containers.container import Container, PhysicalRange
from bifrost_store.emulator.containers.hashing import MAX_EPK, MIN_EPK, EpkRange
from bifrost_store.emulator.containers.items import Key
from bifrost_store.emulator.requests.calls import Call
from bifrost_store.emulator.store.items import Condition
from bifrost_store.emulator.wire.errors import bad_request


@dataclass(frozen=True, slots=True)
class Scope:
    """A part of the key space, the physical partitions it touches, and the partition key if it is that of one.

    Attributes:
        key: None where the request names no complete partition key.
        is_whole: The request names neither a key nor a physical partition.
    """

    epks: EpkRange
    physicals: tuple[PhysicalRange, ...]
    key: Key | None = None
    is_whole: bool = False

    def condition(self) -> Condition:
        """Return the condition for items in the scope."""
        if self.key is not None:
            return "epk = ?", (self.key.epk,)
        if self.epks == (MIN_EPK, MAX_EPK):
            return "1", ()
        return "epk >= ? AND epk < ?", self.epks


def scope_of(call: Call, container: Container) -> Scope:
    """Return the scope that a request's headers name.

    Raises:
        ServiceError: 400; the partition key is none of the container's. 410; the physical partition is gone.
    """
    range_id = call.optional("x-ms-documentdb-partitionkeyrangeid")
    if range_id is not None:
        physical = container.range_by_id(range_id.rpartition(",")[2])
        return Scope(_narrowed(call, physical.epks), (physical,))
    header = call.optional("x-ms-documentdb-partitionkey")
    if header is None:
        return Scope(EpkRange(MIN_EPK, MAX_EPK), tuple(container.ranges), is_whole=True)
    partition_key = container.partition_key
    values = partition_key.parse(header, is_prefix_allowed=True)
    epks = partition_key.range_of(values)
    if len(values) == len(partition_key.paths):
        key = Key(values, epks.high[:-1])
        return Scope(epks, (container.range_of(key.epk),), key)
    touched = tuple(physical for physical in container.ranges if epks.low < physical.epks.high and physical.epks.low < epks.high)
    return Scope(epks, touched)


def key_of(call: Call, container: Container) -> Key:
    """Return the complete partition key that a request must name.

    Raises:
        ServiceError: 400/1001; it does not.
    """
    partition_key = container.partition_key
    values = partition_key.parse(call.header("x-ms-documentdb-partitionkey", "?"))
    return Key(values, partition_key.epk(values))


def _narrowed(call: Call, whole: EpkRange) -> EpkRange:
    if call.header("x-ms-read-key-type") != "EffectivePartitionKeyRange":
        return whole
    low, high = call.header("x-ms-start-epk", whole.low).upper(), call.header("x-ms-end-epk", whole.high).upper()
    if low > high:
        raise bad_request("The range of effective partition keys is invalid.")
    return EpkRange(max(low, whole.low), min(high, whole.high))
