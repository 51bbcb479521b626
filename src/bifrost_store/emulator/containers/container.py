"""`Container`: one container as it runs; its properties, its items and its physical partitions."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bifrost_store.emulator.containers import hashing, rids
from bifrost_store.emulator.containers.charges import TermCounter
from bifrost_store.emulator.containers.hashing import EpkRange
from bifrost_store.emulator.containers.partition import PartitionKey, parse_path
from bifrost_store.emulator.containers.policies import computed_properties
from bifrost_store.emulator.store.catalog import Resource
from bifrost_store.emulator.store.items import Condition, Item, ItemTable
from bifrost_store.emulator.wire.errors import ServiceError


@dataclass(frozen=True, slots=True)
class PhysicalRange:
    """One physical partition: its id, where it lies, and the partitions it came from by splits."""

    id: str
    epks: EpkRange
    parents: tuple[str, ...] = field(default=())


class Container:
    """One container.

    Args:
        resource: Its properties; `refresh` is due when they change.
        database: What it belongs to.
        table: Its items.
        ranges: Its physical partitions, in order, that cover the key space.
        lsn: The number of its last write.
    """

    def __init__(self, resource: Resource, database: Resource, table: ItemTable, ranges: list[PhysicalRange], lsn: int) -> None:
        self.resource = resource
        self.database = database
        self.table = table
        self.ranges = ranges
        self.lsn = lsn
        self.rid_bytes = rids.decode(resource.rid) or b""
        self.self_link = f"dbs/{database.rid}/colls/{resource.rid}/"
        self.refresh()

    def refresh(self) -> None:
        """Take in what its properties say."""
        body = self.resource.body
        self.path = f"dbs/{self.database.name}/colls/{self.resource.name}"
        self.partition_key = PartitionKey.of(body["partitionKey"])
        self.default_ttl: int | None = body.get("defaultTtl")
        self.indexing_policy: dict[str, Any] = body["indexingPolicy"]
        self.terms: Callable[[Any], set[tuple[str, object]]] = TermCounter(self.indexing_policy).terms
        self.computed = computed_properties(body)
        policy = body.get("uniqueKeyPolicy") or {}
        self.unique_keys = tuple(tuple(parse_path(path) for path in key["paths"]) for key in policy.get("uniqueKeys", ()))

    def is_live(self, item: Item, now: float) -> bool:
        """Return whether an item has not expired; its time of writing counts in whole seconds, so it lives up to one longer."""
        if self.default_ttl is None:
            return True
        ttl = self.default_ttl if item.ttl is None else item.ttl
        return ttl < 0 or int(now) <= item.ts + ttl

    def live(self, now: float) -> Condition:
        """Return the condition for items that have not expired."""
        if self.default_ttl is None:
            return "1", ()
        if self.default_ttl < 0:
            return "ttl IS NULL OR ttl < 0 OR ts + ttl >= ?", (int(now),)
        return "COALESCE(ttl, 0) < 0 OR ts + COALESCE(ttl, ?) >= ?", (self.default_ttl, int(now))

    def expired(self, now: float) -> Condition:
        """Return the condition for items that have expired."""
        sql, parameters = self.live(now)
        return f"NOT ({sql})", parameters

    def document_text(self, item: Item, *, with_lsn: bool = False) -> str:
        """Return an item as the service gives it, as JSON."""
        rid = rids.item_rid(self.rid_bytes, item.number)
        etag = item.etag.replace('"', '\\"')
        start = "{" if item.body == "{}" else f"{item.body[:-1]},"
        end = f',"_lsn":{item.lsn}}}' if with_lsn else "}"
        return (
            f'{start}"_rid":"{rid}","_self":"{self.self_link}docs/{rid}/","_etag":"{etag}",'
            f'"_attachments":"attachments/","_ts":{item.ts}{end}'
        )

    def document(self, item: Item) -> dict[str, Any]:
        """Return an item as the service gives it; what lies within it nobody may change."""
        body: dict[str, Any] = dict(self.table.value(item))
        rid = rids.item_rid(self.rid_bytes, item.number)
        body["_rid"] = rid
        body["_self"] = f"{self.self_link}docs/{rid}/"
        body["_etag"] = item.etag
        body["_attachments"] = "attachments/"
        body["_ts"] = item.ts
        return body

    def range_of(self, epk: str) -> PhysicalRange:
        """Return the physical partition that an effective partition key belongs to."""
        for physical in self.ranges:
            if epk < physical.epks.high:
                return physical
        return self.ranges[-1]

    def range_by_id(self, range_id: str) -> PhysicalRange:
        """Return the physical partition with an id.

        Raises:
            ServiceError: 410/1002; it was split, or there never was one.
        """
        for physical in self.ranges:
            if physical.id == range_id:
                return physical
        raise ServiceError(410, f"The requested resource is no longer available: partition key range {range_id}.", sub_status=1002)

    def split(self, range_id: str) -> tuple[PhysicalRange, PhysicalRange]:
        """Put two physical partitions in the place of one."""
        parent = self.range_by_id(range_id)
        used = {int(name) for physical in self.ranges for name in (physical.id, *physical.parents)}
        parents = (*parent.parents, parent.id)
        low, high = hashing.halve(parent.epks)
        children = (PhysicalRange(str(max(used) + 1), low, parents), PhysicalRange(str(max(used) + 2), high, parents))
        position = self.ranges.index(parent)
        self.ranges[position : position + 1] = children
        return children

    def session_token(self, physical: PhysicalRange) -> str:
        """Return the session token of a physical partition."""
        return f"{physical.id}:-1#{self.lsn}"


def dump_ranges(ranges: list[PhysicalRange]) -> str:
    """Return physical partitions as JSON."""
    return json.dumps([[physical.id, *physical.epks, list(physical.parents)] for physical in ranges])


def load_ranges(text: str) -> list[PhysicalRange]:
    """Return physical partitions from JSON."""
    return [PhysicalRange(range_id, EpkRange(low, high), tuple(parents)) for range_id, low, high, parents in json.loads(text)]
