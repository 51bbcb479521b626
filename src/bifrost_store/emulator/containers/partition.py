"""Partition keys of one container: where they are in an item, in a header, and in the key space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bifrost_store.emulator.containers.hashing import UNDEFINED_KEY, EpkRange, KeyValue, effective_partition_key
from bifrost_store.emulator.wire import jsontext
from bifrost_store.emulator.wire.errors import ServiceError, bad_request

MAX_KEY_BYTES: Final = 2048
"""Of a partition key's value ("Azure Cosmos DB service quotas")."""

KEY_MISMATCH: Final = (
    "PartitionKey extracted from document doesn't match the one specified in the header. Partition key provided either doesn't "
    "correspond to definition in the collection or doesn't match partition key field values specified in the document."
)


@dataclass(frozen=True)
class PartitionKey:
    """How a container is partitioned.

    Attributes:
        paths: The property names that lead to each level's value.
        kind: ``Hash``, or ``MultiHash`` for a hierarchical key.
        version: Of the hash.
    """

    paths: tuple[tuple[str, ...], ...]
    kind: str
    version: int

    @classmethod
    def of(cls, definition: Mapping[str, Any]) -> PartitionKey:
        """Return what a container's property ``partitionKey`` says, which must be valid."""
        paths = tuple(parse_path(path) for path in definition["paths"])
        return cls(paths, definition.get("kind", "Hash"), definition.get("version", 1))

    def epk(self, values: Sequence[KeyValue]) -> str:
        """Return the effective partition key of a key, or of the first levels of a hierarchical one."""
        return effective_partition_key(values, kind=self.kind, version=self.version)

    def range_of(self, values: Sequence[KeyValue]) -> EpkRange:
        """Return where the items of a key lie, or those below the first levels of a hierarchical one."""
        epk = self.epk(values)
        if len(values) < len(self.paths):
            return EpkRange(epk, epk + "FF")
        return EpkRange(epk, epk + "\x00")

    def of_item(self, body: Mapping[str, Any]) -> tuple[KeyValue, ...]:
        """Return the key of an item."""
        return tuple(_value_at(body, path) for path in self.paths)

    def parse(self, header: str, *, is_prefix_allowed: bool = False) -> tuple[KeyValue, ...]:
        """Return the key in a header.

        Raises:
            ServiceError: 400; it is no JSON array of values, or has not as many as the container's key has levels.
        """
        try:
            values = jsontext.load_text(header)
        except ValueError:
            values = None
        if not isinstance(values, list):
            raise bad_request(f"Partition key {header[:200]} is invalid.")
        key = tuple(_key_value(value) for value in values) or (UNDEFINED_KEY,) * len(self.paths)
        if len(key) > len(self.paths) or (len(key) < len(self.paths) and not is_prefix_allowed):
            raise bad_request(KEY_MISMATCH, sub_status=1001)
        return key


def mismatch() -> ServiceError:
    """Return the error of a partition key that is missing, or not that of the item."""
    return bad_request(KEY_MISMATCH, sub_status=1001)


def parse_path(path: str) -> tuple[str, ...]:
    """Return the property names in a path such as ``/a/"b c"``.

    Raises:
        ServiceError: 400; it is no path.
    """
    names: list[str] = []
    position = 0
    while position < len(path):
        if path[position] != "/":
            raise _bad_path(path)
        position += 1
        quote = path[position : position + 1]
        if quote in ('"', "'") and quote:
            end = _closing_quote(path, position + 1, quote)
            names.append(path[position + 1 : end].replace("\\" + quote, quote))
            position = end + 1
        else:
            end = path.find("/", position)
            end = len(path) if end < 0 else end
            names.append(path[position:end])
            position = end
    if not names or "" in names:
        raise _bad_path(path)
    return tuple(names)


def _closing_quote(path: str, start: int, quote: str) -> int:
    end = path.find(quote, start)
    while end > 0 and path[end - 1] == "\\":
        end = path.find(quote, end + 1)
    if end < 0:
        raise _bad_path(path)
    return end


def _bad_path(path: str) -> ServiceError:
    return bad_request(f"The path '{path[:200]}' is invalid.")


def _value_at(body: Mapping[str, Any], path: Sequence[str]) -> KeyValue:
    value: Any = body
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return UNDEFINED_KEY
        value = value[name]
    return UNDEFINED_KEY if isinstance(value, (dict, list)) else _checked(value)


def _key_value(value: Any) -> KeyValue:
    if value == {} and isinstance(value, dict):
        return UNDEFINED_KEY
    if isinstance(value, (dict, list)):
        raise bad_request("Partition keys are texts, numbers, booleans or null.")
    return _checked(value)


def _checked(value: Any) -> KeyValue:
    if isinstance(value, str) and len(value) * 4 > MAX_KEY_BYTES and len(value.encode("utf-8", "replace")) > MAX_KEY_BYTES:
        raise bad_request(f"The partition key is longer than {MAX_KEY_BYTES} bytes.")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise bad_request("Partition keys are texts, numbers, booleans or null.")
