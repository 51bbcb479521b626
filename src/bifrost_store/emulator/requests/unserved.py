"""What clients may ask for and this server does not do: each is refused by its name, so that nothing is ignored in silence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bifrost_store.emulator.requests.calls import Call
from bifrost_store.emulator.wire.errors import bad_request

TRIGGERS: Final = "triggers, which are stored and not run"
HEADERS: Final = {
    "x-ms-documentdb-pre-trigger-include": TRIGGERS,
    "x-ms-documentdb-pre-trigger-exclude": TRIGGERS,
    "x-ms-documentdb-post-trigger-include": TRIGGERS,
    "x-ms-documentdb-post-trigger-exclude": TRIGGERS,
    "x-ms-documentdb-script-enable-logging": "the log of procedures, which are stored and not run",
    "x-ms-documentdb-expiry-seconds": "resource tokens and their expiry",
    "x-http-method": "another verb in a header than that of the request",
    "x-ms-start-id": "feeds between two ids",
    "x-ms-end-id": "feeds between two ids",
    "x-ms-enumeration-direction": "feeds in another direction",
}
"""Headers that ask for something that is not served, whatever their value."""

VALUES: Final = {
    "x-ms-indexing-directive": (("include", "default"), "items that are left out of the index"),
    "x-ms-documentdb-content-serialization-format": (("jsontext",), "answers in a binary format"),
}
"""Headers of which some values are served: those, and what the others ask for."""

KINDS: Final = {
    "addresses": "addresses of replicas: clients must be in gateway mode, not in direct mode",
    "attachments": "attachments",
    "clientencryptionkeys": "keys of client-side encryption",
    "media": "media of attachments",
    "partitions": "physical partitions by address",
    "roleassignments": "roles",
    "roledefinitions": "roles",
    "schemas": "schemas",
    "snapshots": "snapshots",
    "topology": "the topology of regions",
}
"""Kinds of resources that a path may name and the server does not have."""

WITHOUT_EFFECT: Final = {
    "x-ms-cosmos-priority-level": "there is no queue to jump",
    "x-ms-cosmos-throughput-bucket": "a container's throughput is one budget",
    "x-ms-dedicatedgateway-max-age": "there is no cache, so nothing is stale",
    "x-ms-cosmos-populatequeryadvice": "there is no advice",
    "x-ms-documentdb-query-enable-scan": "conditions without an index are scanned in any case",
}
"""Headers that are taken and change nothing, each with the reason."""


PROPERTIES: Final = {
    "analyticalStorageTtl": "an analytical store",
    "changeFeedPolicy": "the change feed with all versions and deletes",
    "clientEncryptionPolicy": "client-side encryption",
    "fullTextPolicy": "full text search",
    "materializedViewDefinition": "materialized views",
    "vectorEmbeddingPolicy": "vector search",
}
"""Properties of a container that ask for something, unless they are 0 or empty."""

INDEXES: Final = {"fullTextIndexes": "full text search", "vectorIndexes": "vector search"}
"""The same of an indexing policy."""


_LOOKED_AT: Final = frozenset(HEADERS) | frozenset(VALUES)


def refuse_unserved(call: Call) -> None:
    """Raise 400 for a request that asks for something that the server does not do."""
    headers = call.request.headers
    for kind in call.segments[::2]:
        if kind in KINDS:
            raise _refused(KINDS[kind], f"/{kind}")
    if _LOOKED_AT.isdisjoint(headers):
        return
    for name in HEADERS.keys() & headers.keys():
        if headers[name].strip():
            raise _refused(HEADERS[name], name)
    for name in VALUES.keys() & headers.keys():
        served, what = VALUES[name]
        if headers[name].lower() not in ("", *served):
            raise _refused(what, f"{name}: {headers[name][:100]}")


def refuse_unserved_properties(properties: Mapping[str, Any]) -> None:
    """Raise 400 for a container that is to do something that the server does not do."""
    policy = properties.get("indexingPolicy") or {}
    for asked, of in ((PROPERTIES, properties), (INDEXES, policy)):
        for name, what in asked.items():
            if _asks(of.get(name)):
                raise _refused(what, name)
    if policy.get("automatic", True) is not True and policy.get("indexingMode") != "none":
        raise _refused("items that are left out of the index", "automatic: false")
    if (properties.get("geospatialConfig") or {}).get("type", "Geography") != "Geography":
        raise _refused("distances on a plane", "geospatialConfig")
    if (properties.get("conflictResolutionPolicy") or {}).get("conflictResolutionProcedure"):
        raise _refused("procedures, which are stored and not run", "conflictResolutionProcedure")


def _asks(value: object) -> bool:
    return any(map(_asks, value.values())) if isinstance(value, dict) else bool(value)


def _refused(what: str, name: str) -> Exception:
    return bad_request(f"The emulator does not serve {what} ({name}).")
