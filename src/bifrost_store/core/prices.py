"""What Azure asks for, where nobody says otherwise."""

from __future__ import annotations

from typing import Final

DOLLARS_PER_MILLION_REQUEST_UNITS: Final = 0.25
"""Cosmos DB, serverless: US list price ("Understand your Azure Cosmos DB bill", Microsoft). Other regions may cost more."""
DOLLARS_PER_GIGABYTE_MONTH: Final = 0.25
"""Of documents and their index in Cosmos DB, US list price (the same source)."""
DOLLARS_PER_BLOB_GIGABYTE_MONTH: Final = 0.018
"""Of blobs; the migration plan's figure."""
DOLLARS_PER_SIGNALR_UNIT_MONTH: Final = 49.0
"""Of Azure SignalR Service, Standard tier, as commonly quoted for the US; not looked up, so give the one of your region."""
ALERT_DOLLARS_PER_MONTH: Final = 25.0
"""More than this is worth a warning, by the migration plan; see its cost alert."""


def request_unit_dollars(request_units: float, dollars_per_million: float = DOLLARS_PER_MILLION_REQUEST_UNITS) -> float:
    """Return what *request_units* cost."""
    return request_units * dollars_per_million / 1e6
