"""What a contributor writes to add a toy backend, document type, repository and command: new files, and edits of existing ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
Edit = tuple[str, str]
"""A text that stands once in a file, and what stands there afterwards."""


@dataclass(frozen=True)
class Addition:
    """One addition.

    Attributes:
        files: The content of each new file.
        edits: Of each existing file that is touched.
        tries: Command lines, after the interpreter, that pass once it is made.
    """

    files: dict[str, str]
    edits: dict[str, list[Edit]]
    tries: list[list[str]]

    def make(self, folder: Path) -> None:
        """Make it in a copy of the project."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, "utf-8")
        for name, edits in self.edits.items():
            path = folder / name
            text = path.read_text("utf-8")
            for old, new in edits:
                assert text.count(old) == 1, f"{name}: {old!r} stands there {text.count(old)} times"
                text = text.replace(old, new)
            path.write_text(text, "utf-8")


CONTRACT = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore"]
TOPIC = "tests/contract/test_contract.py::"
STORE = """
import asyncio
from bifrost_store import GLOBAL, ConfigType, StoreSettings, open_store

async def main():
    async with open_store(StoreSettings(backend="toy", blob_folder="blobs")) as store:
        await store.provision()
        await store.config.set(GLOBAL, "key", "value", config_type=ConfigType.STRING, updated_by="u")
        assert (await store.config.get(GLOBAL, "key")).value == "value"
        assert store.usage().operations[0].backend == "toy"

asyncio.run(main())
"""

BACKEND = Addition(
    files={
        "src/bifrost_store/backends/toy/__init__.py": '''"""Records in a dict."""

from bifrost_store.backends.facts import BackendFacts

FACTS = BackendFacts("toy", telemetry_name="toy")
''',
        "src/bifrost_store/backends/toy/backend.py": (ROOT / "src/bifrost_store/testing/model.py")
        .read_text("utf-8")
        .replace("ModelBackend", "ToyBackend")
        .replace('NAME: Final = "model"', 'NAME: Final = "toy"'),
    },
    edits={
        "src/bifrost_store/backends/registry.py": [
            (
                "from bifrost_store.backends import cosmos, sqlite, table",
                "from bifrost_store.backends import cosmos, sqlite, table, toy",
            ),
            ("(sqlite.FACTS, table.FACTS, cosmos.FACTS)", "(sqlite.FACTS, table.FACTS, cosmos.FACTS, toy.FACTS)"),
            (
                '            case "cosmos":',
                (
                    '            case "toy":\n'
                    '                return importlib.import_module("bifrost_store.backends.toy.backend").ToyBackend(clock=self._clock)\n'
                    '            case "cosmos":'
                ),
            ),
        ],
        "src/bifrost_store/settings.py": [
            ('OWN_BACKENDS = ("sqlite", "table", "cosmos")', 'OWN_BACKENDS = ("sqlite", "table", "cosmos", "toy")'),
            (
                '        if backend == "sqlite":\n',
                '        if backend == "toy":\n            return True\n        if backend == "sqlite":\n',
            ),
        ],
        "pyproject.toml": [
            (
                (
                    'modules = ["bifrost_store.backends.sqlite", "bifrost_store.backends.table", "bifrost_store.backends.cosmos"]\n\n'
                    '[[tool.importlinter.contracts]]\nname = "Backends are reached'
                ),
                (
                    'modules = [\n  "bifrost_store.backends.sqlite", "bifrost_store.backends.table", "bifrost_store.backends.cosmos",\n'
                    '  "bifrost_store.backends.toy",\n]\n\n[[tool.importlinter.contracts]]\nname = "Backends are reached'
                ),
            )
        ],
        "tests/contract/harness.py": [
            (
                "HARNESSES: Final = (",
                (
                    "class ToyHarness(ModelHarness):\n"
                    '    """The toy."""\n\n'
                    '    name: ClassVar[str] = "toy"\n\n'
                    "    @asynccontextmanager\n"
                    "    async def open_empty(self, clock: Clock) -> AsyncIterator[SqliteStore]:\n"
                    "        from bifrost_store.backends.toy.backend import ToyBackend\n\n"
                    "        with TemporaryDirectory() as folder:\n"
                    "            async with closing(ToyBackend(clock=clock)) as backend:\n"
                    "                yield _ModelStore(backend, FolderBlobStore(Path(folder)), Path(folder), clock)\n\n\n"
                    "HARNESSES: Final = (ToyHarness, "
                ),
            )
        ],
    },
    tries=[
        [*CONTRACT, f"{TOPIC}scan", f"{TOPIC}repositories_config", "--backend=toy"],
        ["-c", STORE],
    ],
)

DOCUMENT_TYPE = Addition(
    files={
        "src/bifrost_store/documents/toy.py": '''"""A toy."""

from __future__ import annotations

from typing import ClassVar

from typing_extensions import override

from bifrost_store.core.record import Body, Record
from bifrost_store.core.spec import DocumentSpec
from bifrost_store.documents.base import Document


class Toy(Document):
    """A toy."""

    spec: ClassVar[DocumentSpec] = DocumentSpec("toy", fields=frozenset({"name", "description"}), queryable=frozenset({"name"}))

    name: str
    description: str | None = None

    @classmethod
    @override
    def identity(cls, record: Record) -> Body:
        return {}
'''
    },
    edits={
        "src/bifrost_store/documents/__init__.py": [
            (
                "from bifrost_store.documents.user import",
                "from bifrost_store.documents.toy import Toy\nfrom bifrost_store.documents.user import",
            ),
            ("DOCUMENT_TYPES: tuple[type[Document], ...] = (\n", "DOCUMENT_TYPES: tuple[type[Document], ...] = (\n    Toy,\n"),
        ],
        "src/bifrost_store/testing/examples.py": [
            (
                "EXAMPLES: Final = (\n",
                'EXAMPLES: Final = (\n    Record(Key("toy", ORGANIZATION, "t-1"), {"name": "bear", "description": None}),\n',
            )
        ],
    },
    tries=[
        [
            *CONTRACT,
            *(f"{TOPIC}{name}" for name in ("apply", "expiry", "versions", "append_only")),
            *("--backend=sqlite", "-k", "toy or changeable"),
        ]
    ],
)

REPOSITORY = Addition(
    files={
        "src/bifrost_store/repository_protocols/toys.py": '''"""Toys."""

from __future__ import annotations

from typing import Protocol

from bifrost_store.core.scope import Scope


class Toys(Protocol):
    """Toys."""

    async def play(self, scope: Scope, name: str) -> str:
        """Say what the toy says."""
        ...
''',
        "src/bifrost_store/repositories/toys.py": '''"""Toys."""

from __future__ import annotations

from typing_extensions import override

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.record import Key
from bifrost_store.core.scope import Scope
from bifrost_store.repository_protocols.toys import Toys


class ToyRepository(Toys):
    """The `Toys` of a store."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @override
    async def play(self, scope: Scope, name: str) -> str:
        return "nothing" if await self._backend.get(Key("config", scope, name)) is None else name
''',
        "src/bifrost_store/testing/contract/repositories_toys.py": '''"""The contract of `Toys`."""

from __future__ import annotations

import pytest

from bifrost_store.testing.examples import ORGANIZATION
from bifrost_store.testing.repositories import Repositories

pytestmark = pytest.mark.anyio


async def test_a_toy_plays(repositories: Repositories) -> None:
    """It says nothing where it is not."""
    assert await repositories.toys.play(ORGANIZATION, "bear") == "nothing"
''',
    },
    edits={
        "src/bifrost_store/protocols.py": [
            (
                "from bifrost_store.repository_protocols.uploads import",
                "from bifrost_store.repository_protocols.toys import Toys\nfrom bifrost_store.repository_protocols.uploads import",
            ),
            ('    "Upload",\n', '    "Toys",\n    "Upload",\n'),
        ],
        "src/bifrost_store/repositories/assembly.py": [
            ("        Schedules,\n", "        Schedules,\n        Toys,\n"),
            (
                "    @cached_property\n    def legacy_rows",
                """    @cached_property
    def toys(self) -> Toys:
        from bifrost_store.repositories.toys import ToyRepository

        return self._wrap("toys", ToyRepository(self._context.backend))

    @cached_property
    def legacy_rows""",
            ),
        ],
    },
    tries=[[*CONTRACT, f"{TOPIC}repositories_toys", "--backend=sqlite"]],
)

COMMAND = Addition(
    files={
        "src/bifrost_store/cli/toy.py": '''"""``toy``."""

from __future__ import annotations

from bifrost_store.cli.output import JsonOption, report


def toy(*, as_json: JsonOption = False) -> None:
    """Play."""
    report({"ok": True}, as_json=as_json, lines=["squeak"])
'''
    },
    edits={
        "src/bifrost_store/cli/app.py": [
            ("from bifrost_store.cli.interrupts", "from bifrost_store.cli import toy\nfrom bifrost_store.cli.interrupts"),
            ("app.command()(usage.usage)\n", "app.command()(usage.usage)\napp.command()(toy.toy)\n"),
        ]
    },
    tries=[["-m", "bifrost_store.cli", "toy", "--json"], ["-m", "bifrost_store.cli", "toy", "--help"]],
)
