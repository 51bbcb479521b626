"""Measures on the emulator and prints the measurement as JSON: for `measured_aside`, in a process of its own."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import anyio

from bifrost_store.costing.measuring import measure
from bifrost_store.costing.places import emulated
from bifrost_store.errors import StoreError


async def main() -> None:
    """Measure, and tell whoever started this."""
    async with emulated() as place:
        sys.stdout.write(json.dumps(asdict(await measure(place))))


if __name__ == "__main__":
    try:
        anyio.run(main)
    except StoreError as error:
        sys.exit(str(error))
