"""What containers may ask for: their properties with the service's defaults, or the service's refusal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bifrost_store.emulator.containers.partition import parse_path
from bifrost_store.emulator.sql.computed import Computed, read_computed
from bifrost_store.emulator.sql.errors import SqlError
from bifrost_store.emulator.wire.errors import ServiceError, bad_request

MAX_NAME_LENGTH: Final = 255
MAX_TTL_SECONDS: Final = 2147483647
MAX_UNIQUE_KEYS: Final = 10
MAX_UNIQUE_KEY_PATHS: Final = 16
"""Of these four, "Azure Cosmos DB service quotas" and "Time to live in Azure Cosmos DB"."""

MAX_KEY_LEVELS: Final = 3
MAX_COMPUTED_PROPERTIES: Final = 20
"""Of a container ("Azure Cosmos DB service quotas")."""

_ETAG_PATH: Final = '/"_etag"/?'
_ETAG_PATHS: Final = (_ETAG_PATH, "/_etag/?")
_CONFLICTS: Final = {"mode": "LastWriterWins", "conflictResolutionPath": "/_ts", "conflictResolutionProcedure": ""}
_SYSTEM_PROPERTIES: Final = frozenset(
    ["_rid", "_self", "_etag", "_ts", "_docs", "_sprocs", "_triggers", "_udfs", "_conflicts", "_colls", "_users", "_permissions"]
)


def check_name(name: object, *, max_length: int = MAX_NAME_LENGTH) -> str:
    """Return a resource's name.

    Raises:
        ServiceError: 400; the service does not take it for a name.
    """
    if not isinstance(name, str) or not name:
        raise bad_request("The input name is invalid. Ensure to provide a unique non-empty string less than '255' characters.")
    if len(name) > max_length or any(mark in name for mark in "/\\?#") or any(ord(mark) < 32 for mark in name) or name[-1] == " ":
        raise bad_request(
            f"The input name '{name[:300]}' is invalid. Ensure to provide a unique non-empty string less than '255' characters, "
            "without / \\ ? # and control characters, and without a space at its end."
        )
    return name


def without_system_properties(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the caller says of a resource, without what only the service may."""
    return {name: value for name, value in body.items() if name not in _SYSTEM_PROPERTIES}


def container_properties(body: Mapping[str, Any], existing: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a container's properties as they are to be stored, in place of *existing* ones if there are any.

    Raises:
        ServiceError: 400 or 403; a property is not valid, or may not change.
    """
    properties = without_system_properties(body)
    properties["id"] = check_name(properties.get("id"))
    properties["partitionKey"] = _partition_key(properties.get("partitionKey"), existing)
    properties["indexingPolicy"] = indexing_policy(properties.get("indexingPolicy"))
    if properties.get("defaultTtl") is None:
        properties.pop("defaultTtl", None)
    else:
        _check_ttl(properties["defaultTtl"])
    _check_unique_keys(properties, existing)
    computed_properties(properties)
    properties.setdefault("conflictResolutionPolicy", dict(_CONFLICTS))
    properties.setdefault("geospatialConfig", {"type": "Geography"})
    if existing is not None and properties["id"] != existing["id"]:
        raise bad_request("The container's id cannot be changed.")
    return properties


def computed_properties(properties: Mapping[str, Any]) -> dict[str, Computed]:
    """Return a container's computed properties by name.

    Raises:
        ServiceError: 400; one is not valid.
    """
    found: dict[str, Computed] = {}
    given = properties.get("computedProperties") or []
    if not isinstance(given, list) or len(given) > MAX_COMPUTED_PROPERTIES:
        raise bad_request(
            f"One of the specified inputs is invalid: computedProperties is a list of at most {MAX_COMPUTED_PROPERTIES}."
        )
    for one in given:
        name, text = (one.get("name"), one.get("query")) if isinstance(one, dict) else (None, None)
        if (
            not isinstance(name, str)
            or not isinstance(text, str)
            or not name
            or name in found
            or name in ("id", *_SYSTEM_PROPERTIES)
        ):
            raise bad_request("One of the specified inputs is invalid: a computed property has a name of its own, and a query.")
        try:
            found[name] = read_computed(text)
        except SqlError as error:
            raise bad_request(
                f"One of the specified inputs is invalid: the query of the computed property '{name}' is invalid: {error.message}"
            ) from None
    return found


def indexing_policy(given: object) -> dict[str, Any]:
    """Return an indexing policy with the service's defaults.

    Raises:
        ServiceError: 400; it is not valid.
    """
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise bad_request("The indexing policy must be an object.")
    policy = {"indexingMode": "consistent", "automatic": True, **given}
    mode = policy["indexingMode"] = str(policy["indexingMode"]).lower()
    if mode not in ("consistent", "lazy", "none"):
        raise bad_request(f"The indexing mode '{mode}' is unknown.")
    if mode == "none":
        return policy
    included, excluded = _paths(policy, "includedPaths"), _paths(policy, "excludedPaths")
    if not included and not excluded:
        included = [{"path": "/*"}]
    roots = [entry["path"] for entry in [*included, *excluded] if entry["path"] == "/*"]
    if len(roots) != 1:
        raise bad_request(
            "The special mandatory indexing path '/' is not provided in any of the path type sets. Please provide this path in "
            "one of the sets."
            if not roots
            else "The path '/*' is provided more than once."
        )
    if not any(entry["path"] in _ETAG_PATHS for entry in [*included, *excluded]):
        excluded.append({"path": _ETAG_PATH})
    policy["includedPaths"], policy["excludedPaths"] = included, excluded
    _check_composites(policy.get("compositeIndexes") or [])
    return policy


def _partition_key(given: object, existing: Mapping[str, Any] | None) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise bad_request("Partition key must be specified for the container.")
    paths, kind = given.get("paths"), given.get("kind", "Hash")
    if not isinstance(paths, list) or not paths or not all(isinstance(path, str) for path in paths):
        raise bad_request("The partition key's paths must be a list of texts.")
    for path in paths:
        parse_path(path)
    if kind not in ("Hash", "MultiHash"):
        raise bad_request(f"A partition key of kind '{kind}' is not supported.")
    if len(paths) > (MAX_KEY_LEVELS if kind == "MultiHash" else 1):
        raise bad_request(
            f"Too many partition key paths: kind '{kind}' has at most {MAX_KEY_LEVELS if kind == 'MultiHash' else 1}."
        )
    version = given.get("version", 1)
    if version not in (1, 2) or isinstance(version, bool) or (kind == "MultiHash" and version != 2):
        raise bad_request(f"A partition key of kind '{kind}' and version '{version}' is not supported.")
    if existing is not None and any(
        given.get(name, default) != existing["partitionKey"].get(name, default)
        for name, default in (("paths", None), ("kind", "Hash"), ("version", 1))
    ):
        raise bad_request("Document collection partition key cannot be changed.")
    return given


def _paths(policy: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    entries = policy.get(name) or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) and _is_path(entry.get("path")) for entry in entries):
        raise bad_request(f"The indexing policy's {name} must be a list of objects with a path that ends in /?, /* or is /.")
    # Kinds of indexes, and "/" for everything, are from before there was one kind of index.
    plain = [{key: value for key, value in entry.items() if key != "indexes"} for entry in entries]
    return [{**entry, "path": "/*"} if entry["path"] == "/" else entry for entry in plain]


def _is_path(path: object) -> bool:
    return isinstance(path, str) and path.startswith("/") and (path == "/" or path.endswith(("/?", "/*")))


def _check_composites(composites: object) -> None:
    if not isinstance(composites, list):
        raise bad_request("The composite indexes must be a list.")
    for composite in composites:
        if not isinstance(composite, list) or not 2 <= len(composite) <= 8:
            raise bad_request("A composite index must have between 2 and 8 paths.")
        for entry in composite:
            if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
                raise bad_request("A composite index consists of paths.")
            if entry.get("order", "ascending") not in ("ascending", "descending"):
                raise bad_request("The order of a composite index's path is ascending or descending.")
            parse_path(entry["path"])


def _check_ttl(ttl: object) -> None:
    if not is_ttl(ttl):
        raise bad_request("The value of defaultTtl must be -1, or a positive whole number up to 2147483647.")


def is_ttl(ttl: object) -> bool:
    """Return whether a value may be a time to live."""
    return isinstance(ttl, int) and not isinstance(ttl, bool) and (ttl == -1 or 0 < ttl <= MAX_TTL_SECONDS)


def _check_unique_keys(properties: dict[str, Any], existing: Mapping[str, Any] | None) -> None:
    policy = properties.get("uniqueKeyPolicy")
    if policy is None:
        properties.pop("uniqueKeyPolicy", None)
    keys = _unique_keys(policy)
    if existing is not None and keys != _unique_keys(existing.get("uniqueKeyPolicy")):
        raise ServiceError(
            403,
            "The unique index cannot be modified. To change the unique index, remove the collection and re-create a new one.",
        )
    if len(keys) > MAX_UNIQUE_KEYS or any(not 0 < len(paths) <= MAX_UNIQUE_KEY_PATHS for paths in keys):
        raise bad_request("A container has at most 10 unique keys, of 1 to 16 paths each.")
    for paths in keys:
        for path in paths:
            parse_path(path)


def _unique_keys(policy: object) -> list[list[str]]:
    keys: list[Any]
    try:
        keys = [key["paths"] for key in policy["uniqueKeys"]] if policy else []  # type: ignore[index]
    except (TypeError, KeyError):
        keys = [None]
    if not all(isinstance(paths, list) and all(isinstance(path, str) for path in paths) for paths in keys):
        raise bad_request("The unique key policy must be of the form {'uniqueKeys': [{'paths': ['/a']}]}.")
    return keys
