"""Write what the emulator runs and refuses into docs/reference/cosmos-emulator.md, from its code; `nox -s reference` calls this."""

from __future__ import annotations

from pathlib import Path

from bifrost_store.emulator.requests.unserved import HEADERS, INDEXES, KINDS, PROPERTIES, VALUES, WITHOUT_EFFECT
from bifrost_store.emulator.sql.aggregates import AGGREGATES
from bifrost_store.emulator.sql.functions import FUNCTIONS, UNSUPPORTED

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "cosmos-emulator.md"
BEGIN = "<!-- Made by tools/emulator_reference.py: -->"
END = "<!-- to here. -->"


def _names(names: object) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))  # type: ignore[call-overload]


def made() -> str:
    """Return the part of the page that is made from the code."""
    lines = [
        f"Functions that run: {_names(FUNCTIONS)}.",
        "",
        f"Aggregates: {_names(AGGREGATES)}.",
        "",
        f"Functions of the service that are refused by name: {_names(UNSUPPORTED)}.",
        "",
        "| header, or kind in a path | what it asks for, which is a 400 |",
        "| --- | --- |",
        *(f"| `{name}` | {what} |" for name, what in sorted(HEADERS.items())),
        *(f"| `{name}`, but {' and '.join(served)} | {what} |" for name, (served, what) in sorted(VALUES.items())),
        *(f"| `/{name}` | {what} |" for name, what in sorted(KINDS.items())),
        "",
        "| property of a container | what it asks for, which is a 400 |",
        "| --- | --- |",
        *(f"| `{name}` | {what} |" for name, what in sorted(PROPERTIES.items())),
        *(f"| `indexingPolicy.{name}` | {what} |" for name, what in sorted(INDEXES.items())),
        "| `indexingPolicy.automatic`, but true | items that are left out of the index |",
        "| `conflictResolutionPolicy.conflictResolutionProcedure` | procedures, which are stored and not run |",
        "| `geospatialConfig.type`, but Geography | distances on a plane |",
        "",
        "| header that is taken and has no effect | why |",
        "| --- | --- |",
        *(f"| `{name}` | {why} |" for name, why in sorted(WITHOUT_EFFECT.items())),
    ]
    return "\n".join(lines)


def page(text: str) -> str:
    """Return the page with its part made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{made()}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
