"""What the package offers is there, and says what it is for."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

import bifrost_store
from bifrost_store.errors import StoreError

MODULES = sorted(
    found.name for found in pkgutil.walk_packages(bifrost_store.__path__, "bifrost_store.") if not found.name.endswith("__main__")
)


def test_public_names_exist() -> None:
    """`__all__` lists what the package has, and nothing twice."""
    assert len(set(bifrost_store.__all__)) == len(bifrost_store.__all__)
    assert [] == [name for name in bifrost_store.__all__ if not hasattr(bifrost_store, name)]


@pytest.mark.parametrize("name", ["bifrost_store", *MODULES])
def test_a_module_says_what_it_is_for(name: str) -> None:
    """The first line of each module is for a newcomer, and its `__all__`, where it has one, holds true."""
    module = importlib.import_module(name)

    assert (module.__doc__ or "").strip()
    assert [] == [public for public in getattr(module, "__all__", []) if not hasattr(module, public)]


def test_public_classes_and_functions_say_what_they_are_for() -> None:
    """Whatever `import bifrost_store` offers has a docstring of its own."""
    offered = [(name, getattr(bifrost_store, name)) for name in bifrost_store.__all__]
    documented = [(name, one) for name, one in offered if isinstance(one, type) or callable(one)]

    assert [] == [name for name, one in documented if not (one.__doc__ or "").strip()]


def test_every_error_is_a_store_error() -> None:
    """One `except StoreError` catches whatever the errors module defines."""
    errors = [one for one in vars(bifrost_store.errors).values() if isinstance(one, type) and issubclass(one, Exception)]

    assert [] == [error.__name__ for error in errors if not issubclass(error, StoreError)]


NOT_TO_OPEN = (
    *("azure", "aiohttp", "aiosqlite", "stamina", "starlette", "uvicorn", "typer", "rich", "lark", "jwt", "opentelemetry.sdk"),
    *("openfeature", "bifrost_store.protocols", "bifrost_store.repository_protocols", "bifrost_store.recording"),
    *(f"bifrost_store.{part}" for part in ("metrics.service", "migration", "console", "emulator", "signalr", "transfer", "cli")),
    *(f"bifrost_store.repositories.{part}" for part in ("users", "executions", "execution_data")),
    *(
        f"bifrost_store.{part}"
        for part in ("backends.installed", "backends.execution_data", "backends.feed", "core.execution_data")
    ),
    *(f"bifrost_store.{part}" for part in ("mirroring.dual_write", "mirroring.shadow_read", "routing.powers", "wrappers.feed")),
)


def test_a_store_is_opened_without_what_few_processes_need() -> None:
    """Nor is any SDK imported before the backend is asked for that needs it, nor the model of a kind built that nobody met."""
    code = (
        "import sys; from bifrost_store import Execution, Scope, StoreSettings, User, open_store; "
        f"print(*set({NOT_TO_OPEN!r}) & set(sys.modules), *(one for one in (Execution, User) if one.__pydantic_complete__))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "" == done.stdout.strip()


def test_a_call_imports_its_own_repository_alone() -> None:
    """Nor does it build the model of another kind."""
    code = (
        "import asyncio, sys; from bifrost_store import Organization, StoreSettings, User, open_store\n"
        "async def main():\n"
        "    async with open_store(StoreSettings(sqlite_path=':memory:')) as store:\n"
        "        await store.organizations.create('Acme', created_by='x', id='acme')\n"
        "        await store.organizations.get('acme')\n"
        "asyncio.run(main())\n"
        "print(*sorted(one for one in sys.modules if 'protocols' in one and one.startswith('bifrost_store.')))\n"
        "print(Organization.__pydantic_complete__, User.__pydantic_complete__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    imported = "bifrost_store.repository_protocols bifrost_store.repository_protocols.organizations"
    assert f"{imported}\nTrue False" == done.stdout.strip()


@pytest.mark.parametrize(
    ("module", "unneeded"),
    [
        ("bifrost_store.cli.__main__", ("typing", "json", "typer")),
        ("bifrost_store.cli.app", ("pydantic", "openfeature", "aiosqlite", "azure")),
    ],
)
def test_a_command_begins_without_what_it_does_not_need(module: str, unneeded: tuple[str, ...]) -> None:
    """The first module imports next to nothing, so that Ctrl-C is answered from there on; ``--help`` waits for no backend."""
    code = f"import sys; sys.modules.pop('typing', None); import {module}; print(*set({unneeded!r}) & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "" == done.stdout.strip()
