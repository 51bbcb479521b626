"""Reading and writing single items; what requests and the operations of a batch have in common."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bifrost_store.emulator.containers import charges, patch
from bifrost_store.emulator.containers.container import Container
from bifrost_store.emulator.containers.hashing import KeyValue
from bifrost_store.emulator.containers.partition import mismatch
from bifrost_store.emulator.containers.policies import is_ttl
from bifrost_store.emulator.store.items import Item
from bifrost_store.emulator.wire import jsontext
from bifrost_store.emulator.wire.errors import ServiceError, bad_request, conflict, not_found, precondition_failed, too_large
from bifrost_store.emulator.wire.http import MAX_BODY_BYTES

MAX_ID_BYTES: Final = 1023
"""Of an item's id ("Azure Cosmos DB service quotas")."""

_SYSTEM_PROPERTIES: Final = ("_rid", "_self", "_etag", "_attachments", "_ts", "_lsn")
PatchCondition = Callable[[str, Mapping[str, Any]], bool]
"""Tells whether a patch's condition holds for an item."""


@dataclass(slots=True)
class Outcome:
    """What became of an operation: a status, the item if one is left, and what it cost."""

    status: int
    item: Item | None
    charge: float


@dataclass(frozen=True, slots=True)
class Preconditions:
    """The etags that a request says the item must have, and must not have."""

    if_match: str | None = None
    if_none_match: str | None = None

    def check(self, item: Item) -> None:
        """Raise 412 if a write must not happen to an item in this state."""
        wanted, unwanted = self.if_match, self.if_none_match
        if (wanted and wanted not in ("*", item.etag)) or (unwanted and unwanted in ("*", item.etag)):
            error = precondition_failed()
            error.charge = charges.PRECONDITION_FAILED
            raise error


NO_PRECONDITIONS: Final = Preconditions()


@dataclass(frozen=True, slots=True)
class Key:
    """A partition key: its values, and where they lie."""

    values: tuple[KeyValue, ...]
    epk: str


class ItemReader:
    """Reads items of one container as they are at one time."""

    def __init__(self, container: Container, now: float) -> None:
        self.container = container
        self.now = now

    def find(self, key: Key, item_id: str) -> Item:
        """Return an item.

        Raises:
            ServiceError: 404; there is none, or it has expired.
        """
        item = self.container.table.get(key.epk, item_id)
        if item is None or not self.container.is_live(item, self.now):
            error = not_found()
            error.charge = charges.MISSING
            raise error
        return item

    def read(self, key: Key, item_id: str, preconditions: Preconditions = NO_PRECONDITIONS) -> Outcome:
        """Return an item, or 304 if the caller has this state of it."""
        item = self.find(key, item_id)
        if preconditions.if_none_match == item.etag:
            return Outcome(304, item, charges.MISSING)
        return Outcome(200, item, charges.read(_size(item)))


class ItemWriter(ItemReader):
    """Writes items of one container within one transaction, all with one LSN and one time.

    Args:
        container: Whose `lsn` is that of the transaction.
        now: The time.
        new_etag: Makes etags.
        condition_holds: Decides conditions of patches.
    """

    def __init__(self, container: Container, now: float, new_etag: Callable[[], str], condition_holds: PatchCondition) -> None:
        super().__init__(container, now)
        self._new_etag = new_etag
        self._condition_holds = condition_holds
        self.has_written = False

    def create(self, key: Key, body: dict[str, Any], preconditions: Preconditions = NO_PRECONDITIONS) -> Outcome:
        """Store an item that is not there yet."""
        item_id = self._check(key, body)
        existing = self._live_or_removed(key, item_id)
        if existing is not None:
            raise _taken()
        return self._insert(key, item_id, body)

    def upsert(self, key: Key, body: dict[str, Any], preconditions: Preconditions = NO_PRECONDITIONS) -> Outcome:
        """Store an item, whether or not it is there."""
        item_id = self._check(key, body)
        existing = self._live_or_removed(key, item_id)
        if existing is None:
            return self._insert(key, item_id, body)
        preconditions.check(existing)
        return self._overwrite(existing, key, body, item_id)

    def replace(self, key: Key, item_id: str, body: dict[str, Any], preconditions: Preconditions = NO_PRECONDITIONS) -> Outcome:
        """Store a new state of an item that is there; another id in the body renames it."""
        new_id = self._check(key, body)
        existing = self.find(key, item_id)
        preconditions.check(existing)
        if new_id != item_id and self._live_or_removed(key, new_id) is not None:
            raise _taken()
        return self._overwrite(existing, key, body, new_id)

    def patch(self, key: Key, item_id: str, change: Mapping[str, Any], preconditions: Preconditions = NO_PRECONDITIONS) -> Outcome:
        """Change parts of an item that is there."""
        operations = patch.check_operations(change.get("operations"))
        existing = self.find(key, item_id)
        preconditions.check(existing)
        condition = change.get("condition")
        if condition is not None and not self._condition_holds(str(condition), self.container.document(existing)):
            raise ServiceError(
                412, "The patch's condition does not hold for the item.", sub_status=1110, charge=charges.PRECONDITION_FAILED
            )
        body = json.loads(existing.body)
        # The values may end up in the item, and later operations change them there.
        patch.apply(body, json.loads(json.dumps(operations)))
        self._check(key, body)
        outcome = self._overwrite(existing, key, body, item_id)
        outcome.charge += charges.PER_PATCH_OPERATION * len(operations)
        return outcome

    def delete(self, key: Key, item_id: str, preconditions: Preconditions = NO_PRECONDITIONS) -> Outcome:
        """Remove an item that is there."""
        existing = self.find(key, item_id)
        preconditions.check(existing)
        self.container.table.delete(existing.number)
        self.has_written = True
        terms = self.container.terms(json.loads(existing.body))
        return Outcome(204, None, charges.write(_size(existing), len(terms)))

    def _check(self, key: Key, body: dict[str, Any]) -> str:
        """Return the id of an item that may be stored under a key."""
        for name in _SYSTEM_PROPERTIES:
            body.pop(name, None)
        item_id = check_id(body.get("id"))
        if "ttl" in body and not is_ttl(body["ttl"]):
            raise bad_request(
                "The input ttl is invalid. Ensure to provide a nonzero positive integer less than or equal to '2147483647', "
                "or '-1' which means never expire."
            )
        jsontext.check_depth(body)
        if self.container.partition_key.of_item(body) != key.values or not _same_types(self.container, body, key):
            raise mismatch()
        return item_id

    def _live_or_removed(self, key: Key, item_id: str) -> Item | None:
        existing = self.container.table.get(key.epk, item_id)
        if existing is not None and not self.container.is_live(existing, self.now):
            self.container.table.delete(existing.number)
            self.has_written = True
            return None
        return existing

    def _insert(self, key: Key, item_id: str, body: dict[str, Any]) -> Outcome:
        text = self._text(body)
        item = Item(0, key.epk, item_id, text, self._new_etag(), int(self.now), body.get("ttl"), self.container.lsn)
        held = self._unique_values(key, body, None)
        self.container.table.insert(item)
        if held:
            self.container.table.hold(item.number, held)
        self.has_written = True
        return Outcome(201, item, charges.write(_size(item), len(self.container.terms(body))))

    def _overwrite(self, existing: Item, key: Key, body: dict[str, Any], item_id: str) -> Outcome:
        text = self._text(body)
        number = existing.number
        item = Item(number, key.epk, item_id, text, self._new_etag(), int(self.now), body.get("ttl"), self.container.lsn)
        held = self._unique_values(key, body, number)
        self.container.table.update(item)
        if self.container.unique_keys:
            self.container.table.hold(number, held)
        self.has_written = True
        changed = self.container.terms(json.loads(existing.body)) ^ self.container.terms(body)
        return Outcome(200, item, charges.replace(_size(existing), _size(item), len(changed)))

    def _text(self, body: dict[str, Any]) -> str:
        text = jsontext.dump(body)
        if len(text) * 4 > MAX_BODY_BYTES and len(text.encode()) > MAX_BODY_BYTES:
            raise too_large()
        return text

    def _unique_values(self, key: Key, body: Mapping[str, Any], number: int | None) -> list[bytes]:
        held = []
        for index, paths in enumerate(self.container.unique_keys):
            value = json.dumps([key.epk, index, [_at(body, path) for path in paths]], sort_keys=True).encode()
            holder = self.container.table.holder(value)
            if holder not in (None, number):
                self._check_expired(holder or 0)
            held.append(value)
        return held

    def _check_expired(self, number: int) -> None:
        holder = self.container.table.by_number(number)
        if holder is not None and self.container.is_live(holder, self.now):
            raise ServiceError(409, "Unique index constraint violation.", charge=charges.CONFLICT)
        self.container.table.delete(number)


def check_id(item_id: object) -> str:
    """Return an item's id.

    Raises:
        ServiceError: 400; the service does not take it.
    """
    if not isinstance(item_id, str):
        raise bad_request("The input content is invalid because the required properties - 'id; ' - are missing")
    if (
        not item_id
        or any(mark in item_id for mark in "/\\")
        or (len(item_id) * 4 > MAX_ID_BYTES and len(item_id.encode("utf-8", "replace")) > MAX_ID_BYTES)
    ):
        raise bad_request("The input id is invalid. It must be a text of 1 to 1,023 bytes without / and \\.")
    return jsontext.without_surrogates(item_id)


def _taken() -> ServiceError:
    error = conflict()
    error.charge = charges.CONFLICT
    return error


def _same_types(container: Container, body: Mapping[str, Any], key: Key) -> bool:
    """Tell 1 and true apart, which are equal in Python."""
    pairs = zip(container.partition_key.of_item(body), key.values, strict=True)
    return all(isinstance(one, bool) == isinstance(other, bool) for one, other in pairs)


def _at(body: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        body = body.get(name) if isinstance(body, dict) else None
    return body


def _size(item: Item) -> int:
    text = item.body
    return (len(text) if text.isascii() else len(text.encode())) + 200
