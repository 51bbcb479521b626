"""Partial updates of an item ("Partial document update in Azure Cosmos DB")."""

from __future__ import annotations

import math
from typing import Any, Final

from bifrost_store.emulator import numbers
from bifrost_store.emulator.wire.errors import ServiceError, bad_request

MAX_OPERATIONS: Final = 10
_OPERATIONS: Final = frozenset(["add", "set", "replace", "remove", "incr", "move"])
_SYSTEM_PROPERTIES: Final = frozenset(["id", "_rid", "_self", "_etag", "_ts", "_attachments", "_lsn"])


def patch_request(body: Any) -> Any:
    """Return a patch's condition and operations; the SDK for JavaScript sends a list of operations alone."""
    return {"operations": body} if isinstance(body, list) else body


def check_operations(operations: object) -> list[dict[str, Any]]:
    """Return the operations of a patch.

    Raises:
        ServiceError: 400; they are none, too many or not well formed.
    """
    if not isinstance(operations, list) or not operations:
        raise bad_request("A patch request must have operations.")
    if len(operations) > MAX_OPERATIONS:
        raise bad_request(f"The number of patch operations can't exceed {MAX_OPERATIONS}.")
    for operation in operations:
        if not isinstance(operation, dict) or operation.get("op") not in _OPERATIONS:
            raise bad_request(f"Every patch operation has an 'op' that is one of {', '.join(sorted(_OPERATIONS))}.")
        _names(operation.get("path"))
        if operation["op"] == "move":
            _check_move(_names(operation.get("from")), _names(operation["path"]))
        elif operation["op"] != "remove" and "value" not in operation:
            raise bad_request(f"The patch operation '{operation['op']}' needs a value.")
    return operations


def apply(body: dict[str, Any], operations: list[dict[str, Any]]) -> None:
    """Carry out operations on an item's properties, in place and in order.

    Raises:
        ServiceError: 400; one cannot be carried out. The properties may have changed by then.
    """
    for operation in operations:
        names = _names(operation["path"])
        match operation["op"]:
            case "move":
                source = _names(operation["from"])
                value = _take(body, source, operation["from"])
                _put(body, names, value, operation["path"], is_inserted=True)
            case "remove":
                _take(body, names, operation["path"])
            case "replace":
                _replace(body, names, operation["value"], operation["path"])
            case "incr":
                _increment(body, names, operation["value"], operation["path"])
            case op:
                _put(body, names, operation["value"], operation["path"], is_inserted=op == "add")


def _names(path: object) -> list[str]:
    if not isinstance(path, str) or not path.startswith("/") or path == "/":
        raise bad_request(f"The patch path '{path}' is invalid; it must be a JSON pointer.")
    names = [name.replace("~1", "/").replace("~0", "~") for name in path[1:].split("/")]
    if names[0] in _SYSTEM_PROPERTIES:
        raise bad_request(f"The patch path '{path}' names a property that cannot be changed.")
    return names


def _check_move(source: list[str], target: list[str]) -> None:
    if len(target) > len(source) and target[: len(source)] == source:
        raise bad_request("The path of a move must not lie below what is moved.")


def _parent(body: Any, names: list[str], path: str) -> Any:
    value = body
    for name in names[:-1]:
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list):
            value = value[_index(name, len(value) - 1, path)]
        else:
            raise _absent(path)
    if not isinstance(value, (dict, list)):
        raise _absent(path)
    return value


def _put(body: Any, names: list[str], value: Any, path: str, *, is_inserted: bool) -> None:
    parent, name = _parent(body, names, path), names[-1]
    if isinstance(parent, dict):
        parent[name] = value
        return
    index = len(parent) if name == "-" else _index(name, len(parent), path)
    if is_inserted or index == len(parent):
        parent.insert(index, value)
    else:
        parent[index] = value


def _replace(body: Any, names: list[str], value: Any, path: str) -> None:
    parent, name = _parent(body, names, path), names[-1]
    if isinstance(parent, list):
        parent[_index(name, len(parent) - 1, path)] = value
    elif name in parent:
        parent[name] = value
    else:
        raise _absent(path)


def _take(body: Any, names: list[str], path: str) -> Any:
    parent, name = _parent(body, names, path), names[-1]
    if isinstance(parent, list):
        return parent.pop(_index(name, len(parent) - 1, path))
    if name not in parent:
        raise _absent(path)
    return parent.pop(name)


def _increment(body: Any, names: list[str], delta: Any, path: str) -> None:
    if not numbers.is_number(delta):
        raise bad_request(f"The value of 'incr' at '{path}' is no number.")
    parent, name = _parent(body, names, path), names[-1]
    if isinstance(parent, dict) and name not in parent:
        parent[name] = delta
        return
    key: Any = _index(name, len(parent) - 1, path) if isinstance(parent, list) else name
    if not numbers.is_number(parent[key]):
        raise bad_request(f"The target of 'incr' at '{path}' is no number.")
    total = numbers.number(parent[key] + delta)
    if not math.isfinite(total):
        raise bad_request(f"The sum at '{path}' is too large.")
    parent[key] = total


def _index(name: str, largest: int, path: str) -> int:
    if not (name.isascii() and name.isdigit()) or len(name) > 9 or int(name) > largest:
        raise bad_request(f"The index '{name}' in the patch path '{path}' lies outside of the array.")
    return int(name)


def _absent(path: str) -> ServiceError:
    return bad_request(f"For Operation: the path '{path}' does not exist in the item.")
