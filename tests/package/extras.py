"""Run by an interpreter that has the wheel with all extras: each brings what it is for, and nothing contradicts."""

from __future__ import annotations

import importlib
import subprocess
import sys
from importlib.metadata import metadata

BRINGS = {
    "table": ["bifrost_store.backends.table.backend", "bifrost_store.blobs.azure"],
    "cosmos": ["bifrost_store.backends.cosmos.backend", "bifrost_store.blobs.azure"],
    "identity": ["azure.identity.aio"],
    "cli": ["bifrost_store.cli.app", "bifrost_store.doctor.examining"],
    "realtime": ["bifrost_store.realtime", "bifrost_store.signalr"],
    "console": ["bifrost_store.console.serving"],
    "emulator": ["bifrost_store.emulator", "bifrost_store.emulator.cli"],
    "testing": ["bifrost_store.testing"],
    "all": ["bifrost_store.demo.journey"],
}


def main() -> None:
    extras = set(metadata("bifrost-store").get_all("Provides-Extra") or ())
    assert extras >= BRINGS.keys(), f"extras that are gone: {sorted(BRINGS.keys() - extras)}"
    for modules in BRINGS.values():
        for module in modules:
            importlib.import_module(module)
    subprocess.run([sys.executable, "-m", "pip", "check"], check=True)
    subprocess.run([sys.executable, "-m", "bifrost_store.cli", "--version"], check=True)
    print("every extra brings what it is for")


main()
