"""The records that workers write: values of configuration, and executions, in two scopes."""

from __future__ import annotations

from bifrost_store import Scope
from bifrost_store.core.record import Key, Record
from tests.faults.history import COUNTERS, Value

STORES = ("table", "cosmos")
SCOPES = (Scope.organization("acme"), Scope.organization("zenith"))
COUNTED = SCOPES[0]


def key_of(name: str) -> Key:
    """Return the key of the record that a log calls *name*: ``<kind> <organization> <id>``, or a counter."""
    if name in COUNTERS:
        return Key("config", COUNTED, name)
    kind, organization, record_id = name.split(" ")
    return Key(kind, Scope.organization(organization), record_id)


def name_of(kind: str, scope: Scope, record_id: str) -> str:
    """Return what a log calls a record."""
    return f"{kind} {scope.value.removeprefix('org-')} {record_id}"


def value_of(record: Record | None) -> Value:
    """Return what the last write made of a record, as it is stored."""
    if record is None or record.is_tombstone:
        return None
    if record.key.kind == "config":
        return str(record.body["value"])
    return str(record.body["errorMessage"] or record.body["workflowName"])
