"""Databases, containers, offers, users and scripts: whatever has a name and is no item."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from bifrost_store.emulator.containers import charges
from bifrost_store.emulator.containers.policies import check_name, container_properties, without_system_properties
from bifrost_store.emulator.engine import Engine
from bifrost_store.emulator.requests.calls import Call, Reply, feed_body
from bifrost_store.emulator.requests.unserved import refuse_unserved_properties
from bifrost_store.emulator.store.catalog import Resource
from bifrost_store.emulator.wire import jsontext
from bifrost_store.emulator.wire.errors import ServiceError, bad_request, precondition_failed

PARENTS: Final = {
    "dbs": "", "colls": "dbs", "users": "dbs", "permissions": "users", "sprocs": "colls", "triggers": "colls", "udfs": "colls"
}  # fmt: skip
"""The kinds of named resources, each with what it belongs to."""

_LINKS: Final[dict[str, tuple[str, ...]]] = {
    "dbs": ("colls", "users"),
    "colls": ("docs", "sprocs", "triggers", "udfs", "conflicts"),
    "users": ("permissions",),
}
_FEEDS: Final = {
    "dbs": "Databases", "colls": "DocumentCollections", "users": "Users", "permissions": "Permissions",
    "sprocs": "StoredProcedures", "triggers": "Triggers", "udfs": "UserDefinedFunctions", "offers": "Offers",
}  # fmt: skip
_THROUGHPUT: Final = "x-ms-offer-throughput"
_AUTOPILOT: Final = "x-ms-cosmos-offer-autopilot-settings"
_DEFAULT_THROUGHPUT: Final = 400
_SERVERLESS: Final = "Reading or replacing offers is not supported for serverless accounts."

Query = Callable[[Call, list[dict[str, Any]]], list[str]]
"""Answers a query over a list of documents with rows as JSON."""


class Resources:
    """Creates, reads, replaces, deletes, lists and queries named resources."""

    def __init__(self, engine: Engine, query: Query) -> None:
        self._engine = engine
        self._query = query

    def answer(self, call: Call) -> Reply:
        """Answer a request whose path consists of known kinds, each in its place."""
        kind, segments = call.kind, call.segments
        parent = self._parent(segments[:-1] if len(segments) % 2 else segments[:-2])
        if len(segments) % 2 == 0:
            return self._one(call, self._engine.resource(kind, parent.number if parent else 0, segments[-1]))
        if call.method == "GET":
            return self._feed(kind, parent, [jsontext.dump(self.document(resource)) for resource in self._children(kind, parent)])
        if call.method != "POST":
            raise _not_allowed(call)
        if call.flag("x-ms-documentdb-isquery"):
            documents = [self.document(resource) for resource in self._children(kind, parent)]
            return self._feed(kind, parent, self._query(call, documents))
        return self._create(call, kind, parent)

    def document(self, resource: Resource) -> dict[str, Any]:
        """Return a resource as the service gives it."""
        links = {f"_{name}": f"{name}/" for name in _LINKS.get(resource.kind, ())}
        system = {"_rid": resource.rid, "_self": self.self_link(resource), "_etag": resource.etag, "_ts": resource.ts}
        if resource.kind == "permissions":
            links["_token"] = f"type=resource&ver=1&sig={resource.rid};{resource.etag.strip(chr(34))};"
        return {**resource.body, **system, **links}

    def self_link(self, resource: Resource) -> str:
        """Return a resource's path of resource ids."""
        if resource.kind == "offers":
            return f"offers/{resource.rid}/"
        above = "" if not resource.parent else self.self_link(self._engine.catalog.by_number(resource.parent))
        return f"{above}{resource.kind}/{resource.rid}/"

    def _parent(self, segments: list[str]) -> Resource | None:
        parent: Resource | None = None
        for kind, name in zip(segments[::2], segments[1::2], strict=True):
            parent = self._engine.resource(kind, parent.number if parent else 0, name)
        return parent

    def _children(self, kind: str, parent: Resource | None) -> list[Resource]:
        return self._engine.catalog.children(kind, parent.number if parent else 0)

    def _feed(self, kind: str, parent: Resource | None, texts: list[str]) -> Reply:
        headers = {"x-ms-item-count": str(len(texts))}
        return Reply(200, feed_body(parent.rid if parent else "", _FEEDS[kind], texts), headers, charges.METADATA)

    def _reply(self, status: int, resource: Resource) -> Reply:
        headers = {"etag": resource.etag}
        if resource.kind == "colls":
            container = self._engine.containers[resource.number]
            headers["x-ms-alt-content-path"] = container.path.rpartition("/colls/")[0]
            headers["x-ms-content-path"] = container.database.rid
            headers["x-ms-documentdb-collection-index-transformation-progress"] = "100"
            count, size = container.table.count(("1", ()))
            headers["x-ms-resource-usage"] = f"documentsSize={size // 1024};documentsCount={count};collectionSize={size // 1024};"
            headers["x-ms-resource-quota"] = "documentsSize=20971520;documentsCount=-1;collectionSize=20971520;"
        return Reply(status, jsontext.dump(self.document(resource)), headers, charges.METADATA)

    def _statistics(self, resource: Resource) -> list[dict[str, Any]]:
        container = self._engine.containers[resource.number]
        found = []
        for physical in container.ranges:
            count, size = container.table.count(("epk >= ? AND epk < ?", physical.epks))
            found.append({"id": physical.id, "sizeInKB": size // 1024, "documentCount": count, "partitionKeys": []})
        return found

    def _one(self, call: Call, resource: Resource) -> Reply:
        match call.method:
            case "GET":
                if call.header("if-none-match") == resource.etag:
                    return Reply(304, "", {"etag": resource.etag}, charges.MISSING)
                reply = self._reply(200, resource)
                if resource.kind == "colls" and call.flag("x-ms-documentdb-populatepartitionstatistics"):
                    reply.body = jsontext.dump({**self.document(resource), "statistics": self._statistics(resource)})
                return reply
            case "PUT":
                _check_match(call, resource)
                self._replace(resource, call.json_object())
                return self._reply(200, resource)
            case "DELETE":
                _check_match(call, resource)
                self._engine.remove(resource)
                return Reply(204, charge=charges.write(0, 0))
            case "POST" if resource.kind == "sprocs":
                raise bad_request("The emulator stores procedures and does not run them: JavaScript is not supported.")
        raise _not_allowed(call)

    def _create(self, call: Call, kind: str, parent: Resource | None) -> Reply:
        body = without_system_properties(call.json_object())
        name = check_name(body.get("id"))
        throughput = self._throughput(call)
        if kind == "colls":
            assert parent is not None
            body = container_properties(body)
            refuse_unserved_properties(body)
            resource = self._engine.add_container(parent, body, throughput).resource
            if throughput is None and not self._has_offer(parent):
                throughput = _DEFAULT_THROUGHPUT
        elif call.flag("x-ms-documentdb-is-upsert") and (existing := self._existing(kind, parent, name)) is not None:
            self._engine.save(existing, name, body)
            return self._reply(200, existing)
        else:
            resource = self._engine.add(kind, parent, name, body)
        if throughput is not None and kind in ("dbs", "colls") and not self._engine.options.is_serverless:
            self._add_offer(call, resource, throughput)
        return self._reply(201, resource)

    def _existing(self, kind: str, parent: Resource | None, name: str) -> Resource | None:
        return self._engine.catalog.find(kind, parent.number if parent else 0, name)

    def _replace(self, resource: Resource, body: dict[str, Any]) -> None:
        if resource.kind == "dbs":
            raise bad_request("A database cannot be replaced.")
        if resource.kind == "colls":
            body = container_properties(body, resource.body)
            refuse_unserved_properties(body)
        body = without_system_properties(body)
        self._engine.save(resource, check_name(body.get("id")), body)

    # Offers: the throughput of databases and containers.

    def answer_offers(self, call: Call) -> Reply:
        """Answer a request to ``/offers``."""
        if self._engine.options.is_serverless:
            raise bad_request(_SERVERLESS)
        if len(call.segments) == 1:
            return self._all_offers(call)
        resource = self._engine.resource("offers", 0, call.segments[1])
        match call.method:
            case "GET":
                return self._reply(200, resource)
            case "PUT":
                self._replace_offer(resource, call.json_object().get("content"))
                return self._reply(200, resource)
        raise _not_allowed(call)

    def _replace_offer(self, resource: Resource, content: object) -> None:
        if not isinstance(content, dict):
            raise bad_request("An offer must have a content.")
        autopilot = content.get("offerAutopilotSettings")
        throughput = autopilot.get("maxThroughput") if isinstance(autopilot, dict) else content.get("offerThroughput")
        throughput = _check_throughput(throughput, is_autopilot=autopilot is not None)
        self._engine.save(resource, resource.name, {**resource.body, "content": content})
        owner = self._engine.catalog.by_rid(resource.body["offerResourceId"])
        if owner is not None and owner.number in self._engine.containers:
            self._engine.grow(self._engine.containers[owner.number], throughput)

    def _all_offers(self, call: Call) -> Reply:
        documents = [self.document(resource) for resource in self._engine.catalog.children("offers", 0)]
        if call.method == "POST" and call.flag("x-ms-documentdb-isquery"):
            return self._feed("offers", None, self._query(call, documents))
        if call.method != "GET":
            raise _not_allowed(call)
        return self._feed("offers", None, [jsontext.dump(document) for document in documents])

    def _throughput(self, call: Call) -> int | None:
        throughput, autopilot = call.number(_THROUGHPUT), call.optional(_AUTOPILOT)
        if autopilot is not None:
            try:
                throughput = int(jsontext.load_text(autopilot)["maxThroughput"])
            except (ValueError, KeyError, TypeError):
                raise bad_request(f"The header '{_AUTOPILOT}' is invalid.") from None
        if throughput is None:
            return None
        if self._engine.options.is_serverless:
            raise bad_request("Setting offer throughput or autopilot on container is not supported for serverless accounts.")
        return _check_throughput(throughput, is_autopilot=autopilot is not None)

    def _has_offer(self, resource: Resource) -> bool:
        return any(offer.body["offerResourceId"] == resource.rid for offer in self._engine.catalog.children("offers", 0))

    def _add_offer(self, call: Call, resource: Resource, throughput: int) -> None:
        content: dict[str, Any] = {
            "offerThroughput": throughput,
            "offerIsRUPerMinuteThroughputEnabled": False,
            "offerMinimumThroughputParameters": {"maxThroughputEverProvisioned": throughput, "maxConsumedStorageEverInKB": 0},
        }
        if (autopilot := call.optional(_AUTOPILOT)) is not None:
            content["offerAutopilotSettings"] = json.loads(autopilot)
            content["offerThroughput"] = throughput // 10
        body: dict[str, Any] = {
            "resource": self.self_link(resource),
            "offerType": "Invalid",
            "offerResourceId": resource.rid,
            "offerVersion": "V2",
            "content": content,
        }
        offer = self._engine.add("offers", None, f"offer of {resource.number}", body)
        self._engine.save(offer, offer.rid, {**body, "id": offer.rid})


def _check_throughput(throughput: object, *, is_autopilot: bool) -> int:
    least, step = (1000, 1000) if is_autopilot else (_DEFAULT_THROUGHPUT, 100)
    if not isinstance(throughput, int) or isinstance(throughput, bool) or throughput < least:
        raise bad_request(f"Requested throughput {throughput} is less than required minimum throughput {least}.")
    if throughput > 1_000_000 or throughput % step:
        raise bad_request(f"The offer should have valid throughput values between {least} and 1000000 in increments of {step}.")
    return throughput


def _check_match(call: Call, resource: Resource) -> None:
    if call.header("if-match") not in ("", "*", resource.etag):
        raise precondition_failed()


def _not_allowed(call: Call) -> ServiceError:
    return ServiceError(405, f"The requested verb {call.method} is not supported.")
