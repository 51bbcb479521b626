"""Records in one SQLite file, or in memory: the embedded default and the test double."""

from __future__ import annotations

from bifrost_store.backends.facts import BackendFacts

FACTS = BackendFacts("sqlite", telemetry_name="sqlite", title="SQLite")
