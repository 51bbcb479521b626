"""Cosmos DB for NoSQL: one document per record, one write per change."""

from __future__ import annotations

from bifrost_store.backends.facts import BackendFacts

FACTS = BackendFacts(
    "cosmos",
    telemetry_name="azure.cosmosdb",
    title="Azure Cosmos DB",
    is_leased=True,
    role="Cosmos DB Built-in Data Contributor",
)
