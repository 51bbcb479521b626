"""`Catalog`: databases, containers and whatever else has a name; few, so all are kept in memory beside the file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bifrost_store.emulator.store.database import Database


@dataclass(slots=True)
class Resource:
    """One named thing: its properties as they were given, and what the service adds.

    Attributes:
        kind: The word in its path: ``dbs``, ``colls``, ``users`` …
        parent: The number of what it belongs to; 0 for what belongs to the account.
        body: Its properties, ``id`` among them.
    """

    number: int
    kind: str
    parent: int
    rid: str
    name: str
    body: dict[str, Any]
    etag: str
    ts: int


class Catalog:
    """All resources but items, by parent and name and by resource id."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._by_name: dict[tuple[str, int], dict[str, Resource]] = {}
        self._by_rid: dict[str, Resource] = {}
        self._by_number: dict[int, Resource] = {}
        for number, kind, parent, rid, name, body, etag, ts in database.execute("SELECT * FROM resources ORDER BY number"):
            self._keep(Resource(number, kind, parent, rid, name, json.loads(body), etag, ts))

    def find(self, kind: str, parent: int, name: str) -> Resource | None:
        """Return the resource that its parent calls *name*."""
        return self._by_name.get((kind, parent), {}).get(name)

    def by_rid(self, rid: str) -> Resource | None:
        """Return the resource with a resource id."""
        return self._by_rid.get(rid)

    def by_number(self, number: int) -> Resource:
        """Return the resource with a number, which must exist."""
        return self._by_number[number]

    def children(self, kind: str, parent: int) -> list[Resource]:
        """Return all of a kind, in the order they were made."""
        return list(self._by_name.get((kind, parent), {}).values())

    def add(self, resource: Resource, make_rid: Callable[[int], str]) -> Resource:
        """Store a new resource; its number is given here, its resource id by *make_rid* from that."""
        ((last,),) = self._database.execute("SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = 'resources'").fetchall()
        resource.number = last + 1
        resource.rid = make_rid(resource.number)
        while resource.rid in self._by_rid:
            resource.rid = make_rid(resource.number)
        values = (resource.number, resource.kind, resource.parent, resource.rid, resource.name)
        self._database.execute(
            "INSERT INTO resources VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*values, json.dumps(resource.body), resource.etag, resource.ts),
        )
        self._keep(resource)
        return resource

    def save(self, resource: Resource) -> None:
        """Store a resource's new state, its name included."""
        self._database.execute(
            "UPDATE resources SET name = ?, body = ?, etag = ?, ts = ? WHERE number = ?",
            (resource.name, json.dumps(resource.body), resource.etag, resource.ts, resource.number),
        )
        names = self._by_name[resource.kind, resource.parent]
        if names.get(resource.name) is not resource:
            kept = [other for other in names.values() if other is not resource]
            self._by_name[resource.kind, resource.parent] = {other.name: other for other in [*kept, resource]}

    def remove(self, resource: Resource) -> None:
        """Remove a resource; what belongs to it must be gone."""
        self._database.execute("DELETE FROM resources WHERE number = ?", (resource.number,))
        del self._by_name[resource.kind, resource.parent][resource.name]
        del self._by_rid[resource.rid]
        del self._by_number[resource.number]

    def below(self, resource: Resource) -> list[Resource]:
        """Return all that belongs to a resource, the innermost first."""
        found: list[Resource] = []
        for child in [child for child in self._by_number.values() if child.parent == resource.number]:
            found += [*self.below(child), child]
        return found

    def _keep(self, resource: Resource) -> None:
        self._by_name.setdefault((resource.kind, resource.parent), {})[resource.name] = resource
        self._by_rid[resource.rid] = resource
        self._by_number[resource.number] = resource
