"""Azure Table Storage: today's rows, read and written so that code on the old repositories stays correct."""

from __future__ import annotations

from bifrost_store.backends.facts import BackendFacts

FACTS = BackendFacts(
    "table",
    telemetry_name="azure.table",
    title="Azure Table Storage",
    is_leased=True,
    role="Storage Table Data Contributor",
)
