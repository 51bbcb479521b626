"""The built-in functions of Cosmos SQL, one module per family."""

from __future__ import annotations

from bifrost_store.emulator.sql.functions import arrays, conditions, dates, items, numbers, strings, types
from bifrost_store.emulator.sql.functions.registry import Function, Table

FUNCTIONS: Table = {
    **arrays.TABLE,
    **conditions.TABLE,
    **dates.TABLE,
    **items.TABLE,
    **numbers.TABLE,
    **strings.TABLE,
    **types.TABLE,
}
"""Every function by its name in capitals; names are written in any case."""

UNSUPPORTED = frozenset(
    {
        "DATETIMEFORMAT", "FULLTEXTCONTAINS", "FULLTEXTCONTAINSALL", "FULLTEXTCONTAINSANY", "FULLTEXTSCORE", "HASH", "RRF",
        "ST_AREA", "ST_INTERSECTS", "ST_ISVALID", "ST_ISVALIDDETAILED", "ST_WITHIN", "VECTORDISTANCE",
    }
)  # fmt: skip
"""Functions of the service that the emulator refuses by name."""

__all__ = ["FUNCTIONS", "UNSUPPORTED", "Function", "Table"]
