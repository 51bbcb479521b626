"""`Engine`: all that the server holds - databases, containers, items - and the only place that writes."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bifrost_store.emulator.clock import Clock
from bifrost_store.emulator.containers import hashing, rids
from bifrost_store.emulator.containers.container import Container, PhysicalRange, dump_ranges, load_ranges
from bifrost_store.emulator.containers.items import ItemWriter, PatchCondition
from bifrost_store.emulator.containers.partition import PartitionKey
from bifrost_store.emulator.sql.values import lookup, sort_key
from bifrost_store.emulator.store.catalog import Catalog, Resource
from bifrost_store.emulator.store.database import Database
from bifrost_store.emulator.store.indexes import define_sort_keys
from bifrost_store.emulator.store.items import ItemTable
from bifrost_store.emulator.wire.errors import ServiceError, conflict, not_found

RU_PER_PARTITION: Final = 6000
"""How much throughput a container may be made with before it gets a further physical partition."""

MAX_RU_PER_PARTITION: Final = 10_000
"""Beyond this a physical partition is split ("Azure Cosmos DB service quotas")."""

MAX_PARTITIONS: Final = 1000
CONSISTENCY_LEVELS: Final = ("eventual", "consistentprefix", "session", "boundedstaleness", "strong")
"""The account's levels in lower case, the weakest first."""

_CHILD_MARKS: Final = {"users": 0x01, "permissions": 0x02, "sprocs": 0x80, "triggers": 0x70, "udfs": 0x60, "offers": 0x03}
_PURGE_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Options:
    """How the server behaves.

    Attributes:
        partitions: How many physical partitions a container has at least.
        ru_limit: Request units per second that a container serves; None serves all.
        is_lenient: Answer cross-partition queries at once that the service leaves to its clients, and sort without indexes.
        is_serverless: Refuse throughput, as serverless accounts do.
        consistency: The account's default consistency level.
        sorts_undefined: Return items without the sort property, first; without it they are left out.
    """

    partitions: int = 1
    ru_limit: float | None = None
    is_lenient: bool = False
    is_serverless: bool = False
    consistency: str = "Session"
    sorts_undefined: bool = True

    def __post_init__(self) -> None:
        if self.partitions < 1 or self.partitions > MAX_PARTITIONS:
            raise ValueError(f"a container has 1 to {MAX_PARTITIONS} physical partitions, not {self.partitions}")
        if self.ru_limit is not None and not 0 < self.ru_limit < float("inf"):
            raise ValueError(f"a limit is a positive number of request units per second, not {self.ru_limit}")
        if self.consistency.lower() not in CONSISTENCY_LEVELS:
            raise ValueError(f"there is no consistency level {self.consistency!r}")


class Engine:
    """The account's content.

    Args:
        path: Of the file to keep it in; None keeps it in memory.
        clock: The time.
        options: How the server behaves.
        condition_holds: Decides conditions of patches.

    Raises:
        DataFileError: The file cannot be used.
    """

    def __init__(self, path: Path | None, clock: Clock, options: Options, condition_holds: PatchCondition) -> None:
        self.clock = clock
        self.options = options
        self._condition_holds = condition_holds
        self._etags = itertools.count(int.from_bytes(os.urandom(4), "big"))
        self.database = Database(path)
        define_sort_keys(self.database, sort_key, lookup)
        self._load()

    def _load(self) -> None:
        self.catalog = Catalog(self.database)
        self.containers: dict[int, Container] = {}
        self._purged_at: dict[int, float] = {}
        for number, lsn, ranges in self.database.execute("SELECT number, lsn, ranges FROM containers").fetchall():
            resource = self.catalog.by_number(number)
            parent = self.catalog.by_number(resource.parent)
            table = ItemTable(self.database, number)
            self.containers[number] = Container(resource, parent, table, load_ranges(ranges), lsn)

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    def reset(self) -> None:
        """Remove everything."""
        with self.database.transaction():
            for container in self.containers.values():
                container.table.drop()
            self.database.execute("DELETE FROM containers")
            self.database.execute("DELETE FROM resources")
        self._load()

    def new_etag(self) -> str:
        """Return an etag that nothing else has."""
        number = next(self._etags) & 0xFFFFFFFF
        return f'"{number:08x}-0000-0100-0000-{int(self.clock.now()) & 0xFFFFFFFF:08x}0000"'

    def resource(self, kind: str, parent: int, name: str) -> Resource:
        """Return what its parent calls *name*, or what has that resource id.

        Raises:
            ServiceError: 404; there is none.
        """
        found = self.catalog.find(kind, parent, name)
        if found is None:
            found = self.catalog.by_rid(name)
            if found is None or found.kind != kind or found.parent != parent:
                raise not_found("Owner resource does not exist" if kind == "colls" else "Resource Not Found.")
        return found

    def container(self, database: str, name: str) -> Container:
        """Return a container by its names or resource ids.

        Raises:
            ServiceError: 404/1003; there is none.
        """
        try:
            return self.containers[self.resource("colls", self.resource("dbs", 0, database).number, name).number]
        except ServiceError as error:
            error.sub_status = 1003
            raise

    def add(self, kind: str, parent: Resource | None, name: str, body: dict[str, Any]) -> Resource:
        """Store a new resource; a container with its tables.

        Raises:
            ServiceError: 409; the name is taken.
        """
        number = 0 if parent is None else parent.number
        if self.catalog.find(kind, number, name) is not None:
            raise conflict()
        resource = Resource(0, kind, number, "", name, body, self.new_etag(), int(self.clock.now()))
        return self.catalog.add(resource, _rid_maker(kind, parent))

    def add_container(self, database: Resource, body: dict[str, Any], throughput: int | None) -> Container:
        """Store a new container, with as many physical partitions as its throughput takes."""
        with self.database.transaction():
            resource = self.add("colls", database, body["id"], body)
            key = PartitionKey.of(body["partitionKey"])
            count = max(self.options.partitions, -(-(throughput or 0) // RU_PER_PARTITION))
            shares = hashing.split_evenly(count, kind=key.kind, version=key.version)
            ranges = [PhysicalRange(str(index), share) for index, share in enumerate(shares)]
            container = Container(resource, database, ItemTable(self.database, resource.number), ranges, 1)
            container.table.make()
            self.database.execute("INSERT INTO containers VALUES (?, ?, ?)", (resource.number, 1, dump_ranges(ranges)))
        self.containers[resource.number] = container
        return container

    def save(self, resource: Resource, name: str, body: dict[str, Any]) -> None:
        """Store a resource's new state.

        Raises:
            ServiceError: 409; the new name is taken.
        """
        if name != resource.name and self.catalog.find(resource.kind, resource.parent, name) is not None:
            raise conflict()
        resource.name, resource.body, resource.etag, resource.ts = name, body, self.new_etag(), int(self.clock.now())
        self.catalog.save(resource)
        if resource.number in self.containers:
            self.containers[resource.number].refresh()

    def remove(self, resource: Resource) -> None:
        """Remove a resource and all that belongs to it."""
        doomed = [*self.catalog.below(resource), resource]
        rids_gone = {gone.rid for gone in doomed}
        doomed += [offer for offer in self.catalog.children("offers", 0) if offer.body.get("offerResourceId") in rids_gone]
        with self.database.transaction():
            for gone in doomed:
                self.catalog.remove(gone)
                container = self.containers.pop(gone.number, None)
                if container is not None:
                    container.table.drop()
                    self.database.execute("DELETE FROM containers WHERE number = ?", (gone.number,))

    def grow(self, container: Container, throughput: int) -> None:
        """Split physical partitions until their number can serve a throughput."""
        while len(container.ranges) * MAX_RU_PER_PARTITION < throughput:
            self.split(container, min(container.ranges, key=lambda physical: (len(physical.parents), int(physical.id))).id)

    def split(self, container: Container, range_id: str) -> None:
        """Split a physical partition in two."""
        container.split(range_id)
        self.database.execute(
            "UPDATE containers SET ranges = ? WHERE number = ?", (dump_ranges(container.ranges), container.resource.number)
        )

    @contextmanager
    def writing(self, container: Container) -> Iterator[ItemWriter]:
        """Write items in one transaction with one LSN; nothing is written if it raises."""
        before = container.lsn
        container.lsn += 1
        writer = ItemWriter(container, self.clock.now(), self.new_etag, self._condition_holds)
        try:
            with self.database.transaction():
                self._purge(container, writer.now)
                yield writer
                if writer.has_written:
                    statement = "UPDATE containers SET lsn = ? WHERE number = ?"
                    self.database.execute(statement, (container.lsn, container.resource.number))
        except BaseException:
            container.lsn = before
            raise
        if not writer.has_written:
            container.lsn = before

    def _purge(self, container: Container, now: float) -> None:
        """Remove expired items now and then; nobody sees them anyway."""
        number, time = container.resource.number, self.clock.monotonic()
        if container.default_ttl is None or time - self._purged_at.get(number, float("-inf")) < _PURGE_SECONDS:
            return
        self._purged_at[number] = time
        container.table.delete_where(container.expired(now))


def _rid_maker(kind: str, parent: Resource | None) -> Callable[[int], str]:
    if kind == "dbs":
        return lambda _: rids.new_database_rid()
    if kind == "offers":
        return lambda _: rids.encode(os.urandom(3))
    assert parent is not None
    if kind == "colls":
        return lambda _: rids.new_container_rid(parent.rid)
    return lambda number: rids.new_child_rid(parent.rid, number, _CHILD_MARKS.get(kind, 0x7F))
