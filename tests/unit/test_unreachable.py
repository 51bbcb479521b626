"""A store that cannot be reached: whoever calls hears of it, and nothing else is said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_ELSEWHERE = {
    "table": "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;TableEndpoint=http://127.0.0.1:9/a;",
    "cosmos": "AccountEndpoint=http://127.0.0.1:9/;AccountKey=a2V5;",
}
"""Where nobody listens, not even for ``discard``."""
_PROGRAM = """
import asyncio, sys
from bifrost_store import StoreSettings, open_store
from bifrost_store.errors import BackendUnavailableError

async def main():
    backend, text, folder = sys.argv[1:]
    settings = {f"{backend}_connection_string": text, "blob_folder": folder}
    async with open_store(StoreSettings(backend=backend, **settings)) as store:
        try:
            await store.organizations.get("acme")
        except BackendUnavailableError as error:
            print(error)

asyncio.run(main())
"""


@pytest.mark.parametrize("backend", list(_ELSEWHERE))
def test_an_unreachable_store_is_told_once(backend: str, tmp_path: Path) -> None:
    """By the call's own error: what went on beside it leaves no traceback behind."""
    command = [sys.executable, "-c", _PROGRAM, backend, _ELSEWHERE[backend], str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)

    assert "cannot be reached" in ended.stdout
    assert ended.stderr == ""
