"""Runs and what they leave, as JSON has them."""

from __future__ import annotations

from typing import Any

from bifrost_store.console.access import Principal
from bifrost_store.core.clock import format_time
from bifrost_store.documents import Execution
from bifrost_store.protocols import Item, ItemsPage, LogLine, State, Variables


def shown_run(run: Execution) -> dict[str, Any]:
    """Return a run as lists have it."""
    return {
        "scope": run.scope.value,
        "id": run.execution_id,
        "workflow": run.workflow_name,
        "form": run.form_id,
        "by": {"id": run.executed_by, "name": run.executed_by_name},
        "status": run.status.value,
        "isFinal": run.status.is_final,
        "startedAt": format_time(run.started_at),
        "completedAt": None if run.completed_at is None else format_time(run.completed_at),
        "durationMs": run.duration_ms,
        "errorType": run.error_type,
        "errorMessage": run.error_message,
        "resultType": run.result_type,
    }


def shown_item(item: Item, principal: Principal) -> dict[str, Any]:
    """Return an item; its traceback is for administrators."""
    place = {"recording": item.recording, "number": item.number, "timestamp": format_time(item.timestamp)}
    match item:
        case LogLine():
            line: dict[str, Any] = {**place, "level": item.level.value, "message": item.message}
            optional = {"data": item.data, "logger": item.logger, "traceback": item.traceback if principal.is_admin else None}
            return line | {name: value for name, value in optional.items() if value is not None}
        case Variables():
            return {**place, "count": item.count, "values": item.values}
        case State():
            return {**place, "count": item.count, "value": item.value}


def shown_page(page: ItemsPage, principal: Principal) -> dict[str, Any]:
    """Return a page of items."""
    return {
        "items": [shown_item(item, principal) for item in page],
        "after": page.after,
        "before": page.before,
        "isLast": page.is_last,
        "isLive": page.is_live,
        "unreadable": len(page.unreadable),
        "reached": page.reached,
    }
