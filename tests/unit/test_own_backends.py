"""Backends that other packages bring: as objects and by entry points, their settings, and the example's contract."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bifrost_store import GLOBAL, StoreSettings, open_store
from bifrost_store.backends import installed, registry
from bifrost_store.core.clock import utc_now
from bifrost_store.core.installed import installed_backends
from bifrost_store.documents import SPECS
from bifrost_store.errors import ConfigurationError, MissingDependencyError

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "dict_backend"
PAGE = (ROOT / "docs" / "howto" / "write-a-backend.md").read_text("utf-8")


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The example, as if it had been installed."""
    metadata = tmp_path / "bifrost_store_dict-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: bifrost-store-dict\nVersion: 0.1.0\n")
    names = ["dict = bifrost_store_dict:BACKEND", "other = bifrost_store_dict:NAME", "gone = no_such_module:BACKEND", "B-d = x:y"]
    (metadata / "entry_points.txt").write_text("\n".join(["[bifrost_store.backends]", *names]))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(EXAMPLE))
    installed_backends.cache_clear()
    yield metadata
    installed_backends.cache_clear()


async def used(**options: Any) -> tuple[str, int]:
    async with open_store(**options) as store:
        await store.provision()
        run = await store.executions.create(GLOBAL, workflow_name="w", executed_by="u", executed_by_name="U", input_data={"n": 1})
        async with store.execution_data.recording(run) as recording:
            recording.info("line")
        return repr(store), len(await store.executions.list(GLOBAL))


async def test_an_object_answers_in_place_of_the_settings(tmp_path: Path) -> None:
    """Any object with the Protocol is used for every scope, and is not closed with the store."""
    from bifrost_store_dict import DictBackend

    closed: list[bool] = []

    class Noted(DictBackend):  # type: ignore[misc]  # an example, which is not installed
        async def aclose(self) -> None:
            closed.append(True)

    backend = Noted(SPECS, clock=utc_now)
    settings = StoreSettings(backend="cosmos", blob_folder=str(tmp_path / "blobs"))

    assert ("<Store of dict>", 1) == await used(settings=settings, backend=backend)
    assert ("<Store of dict>", 2) == await used(settings=settings, backend=backend)
    assert [] == closed


async def test_a_package_brings_one_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting names it, and its own settings are read under its own prefix."""
    monkeypatch.setenv("BIFROST_STORE_BACKEND", "dict")
    monkeypatch.setenv("BIFROST_STORE_BLOB_FOLDER", str(tmp_path / "blobs"))
    monkeypatch.setenv("BIFROST_STORE_DICT_LABEL", "here")

    assert ("<Store of dict here>", 1) == await used()
    assert "dict" in registry.known_backends()
    assert "B-d" not in registry.known_backends()


def test_a_package_takes_no_setting_of_ours(package: Path) -> None:
    """A backend whose name begins settings of the library hides none of them."""
    (package / "entry_points.txt").write_text("[bifrost_store.backends]\nconsole = bifrost_store_dict:BACKEND\n")
    installed_backends.cache_clear()
    environment = {"BIFROST_STORE_CONSOLE_PROXY_SECRET": "a secret of sixteen", "BIFROST_STORE_CONSOLE_LABEL": "here"}

    secret = StoreSettings.from_environment(environment).console_proxy_secret

    assert secret is not None
    assert "a secret of sixteen" == secret.get_secret_value()


@pytest.mark.parametrize(
    ("variable", "backend", "expected", "match"),
    [
        ("BIFROST_STORE_DICT_LABLE", "dict", ConfigurationError, "BIFROST_STORE_DICT_LABLE; known are BIFROST_STORE_DICT_LABEL"),
        ("BIFROST_STORE_DIC_LABEL", "dict", ConfigurationError, "unknown setting BIFROST_STORE_DIC_LABEL"),
        ("X", "other", ConfigurationError, "is no InstalledBackend"),
        ("X", "gone", MissingDependencyError, "no_such_module"),
        ("X", "nothing", ConfigurationError, "'sqlite', 'table', 'cosmos', 'dict'"),
    ],
)
async def test_what_cannot_be_opened(
    monkeypatch: pytest.MonkeyPatch, variable: str, backend: str, expected: type[Exception], match: str
) -> None:
    """A wrong setting, a package that keeps to nothing, and a name of nobody are told by name."""
    monkeypatch.setenv("BIFROST_STORE_BACKEND", backend)
    monkeypatch.setenv("BIFROST_STORE_BLOB_FOLDER", "unused")
    monkeypatch.setenv(variable, "x")
    with pytest.raises(expected, match=match) as caught:
        await used()
    assert expected is type(caught.value)


async def test_a_wrong_value_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors in settings of a package name its variable."""
    from pydantic import BaseModel

    class Settings(BaseModel):
        port: int

    other = installed.InstalledBackend(Settings, lambda settings, specs, clock: None, lambda settings: "")  # type: ignore[arg-type, return-value]
    monkeypatch.setattr("bifrost_store_dict.BACKEND", other)
    monkeypatch.setenv("BIFROST_STORE_DICT_PORT", "hunter2")
    with pytest.raises(ConfigurationError, match="BIFROST_STORE_DICT_PORT: Input should be a valid integer") as caught:
        installed.open_installed("dict", SPECS, utc_now)
    assert "hunter2" not in str(caught.value)


def test_the_page_shows_the_example() -> None:
    """Each piece of code on the page stands in the file that it names."""
    pieces = re.findall(r'```(?:python|toml) title="([^"]+)"\n(.*?)```', PAGE, re.DOTALL)

    assert len(pieces) > 6
    assert [] == [name for name, code in pieces if code not in (EXAMPLE / name).read_text("utf-8")]


@pytest.mark.long
def test_the_example_keeps_the_contract() -> None:
    """An author who runs the suite, as the page says, sees topic after topic pass; all of them run by `pytest tests`."""
    topics = [f"tests/test_contract.py::{topic}" for topic in ("records", "batches", "paging", "scan", "repositories_iteration")]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", ".", *topics]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(EXAMPLE), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, capture_output=True, text=True, cwd=EXAMPLE, env=environment, check=False)

    assert 0 == done.returncode, done.stdout[-2000:]
    assert "passed" in done.stdout
