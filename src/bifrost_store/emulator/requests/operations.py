"""What requests are called, in the log and where faults are asked for: the SDK's own words."""

from __future__ import annotations

from typing import Final

from bifrost_store.emulator.requests.calls import Call

NAMES: Final = (
    "Create", "Upsert", "Read", "Replace", "Patch", "Delete", "Batch", "SqlQuery", "QueryPlan", "ReadFeed", "ChangeFeed",
    "DeletePartition", "ExecuteJavaScript",
)  # fmt: skip


def operation_of(call: Call) -> str:
    """Return what a request does, or its verb if that is nothing known."""
    is_feed = bool(len(call.segments) % 2)
    match call.method:
        case "POST":
            return _post(call, is_feed)
        case "GET":
            if not is_feed:
                return "Read"
            return "ChangeFeed" if call.header("a-im") and call.kind == "docs" else "ReadFeed"
        case "PUT":
            return "Replace"
        case "PATCH":
            return "Patch"
        case "DELETE":
            return "Delete"
    return call.method


def _post(call: Call, is_feed: bool) -> str:
    if call.kind == "operations":
        return "DeletePartition"
    if not is_feed:
        return "ExecuteJavaScript"
    if call.flag("x-ms-cosmos-is-query-plan-request"):
        return "QueryPlan"
    if call.flag("x-ms-documentdb-isquery") or call.header("content-type").startswith("application/query+json"):
        return "SqlQuery"
    if call.flag("x-ms-cosmos-is-batch-request"):
        return "Batch"
    return "Upsert" if call.flag("x-ms-documentdb-is-upsert") else "Create"
