"""Runs and what they leave, as JSON has them."""

from __future__ import annotations

from typing import Any

from bifrost_store.console.access import Principal
from bifrost_store.core.clock import format_time
from bifrost_store.documents import Execution
from bifrost_store.protocols import ItemsPage
from bifrost_store.realtime import item_json_for


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


def shown_page(page: ItemsPage, principal: Principal) -> dict[str, Any]:
    """Return a page of items, as far as they are shown to whoever asks."""
    return {
        "items": [one for item in page if (one := item_json_for(item, details=principal.is_admin)) is not None],
        "after": page.after,
        "before": page.before,
        "isLast": page.is_last,
        "isLive": page.is_live,
        "unreadable": len(page.unreadable),
        "reached": page.reached,
        "ended": page.ended,
    }
