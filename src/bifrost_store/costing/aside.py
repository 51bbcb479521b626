"""Measuring takes some seconds of a processor: beside a process that serves others it is done in another one."""

from __future__ import annotations

import json
import subprocess
import sys

import anyio

from bifrost_store.costing.projection import Charge, Measurement
from bifrost_store.errors import StoreError


async def measured_aside() -> Measurement:
    """Return what calls are charged on an emulator that is started for it, in a process that ends with this call.

    Raises:
        StoreError: It could not be measured; the message says why.
    """
    done = await anyio.run_process([sys.executable, "-m", f"{__package__}"], stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"its process ended with {done.returncode}"]
        raise StoreError(f"what calls are charged could not be measured: {lines[-1]}")
    values = json.loads(done.stdout)
    values["charges"] = {name: Charge(**charge) for name, charge in values["charges"].items()}
    return Measurement(**values)
