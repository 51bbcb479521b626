"""A release is what it says: its version, what it needs, and that only a person's tag publishes it, by pinned steps."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version
from typer.main import get_command

from bifrost_store.cli.app import app
from tests.project.test_docs import leaves
from tools.release import problems

ROOT = Path(__file__).parents[2]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SOURCES = sorted((ROOT / "src").rglob("*.py"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PINNED = re.compile(r"[\w./-]+@[0-9a-f]{40}")
NAMED_EXTRAS = re.compile(r"(?:bifrost-store|')\.?\[([a-z,]+)\]'?")
NAMED_COMMAND = re.compile(r"""(?:[`"']|: |run )bifrost-store ([a-z][a-z-]*(?: [a-z][a-z-]*)?)""")
_OF_CERTIFICATES = "emulator"
"""`bifrost-store emulator` is what those of the emulator are made out to."""


def workflow(path: Path) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(path.read_text("utf-8"))
    return found


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_step_of_others_is_pinned(path: Path) -> None:
    """By the hash of a commit, with its version beside it; a job has no more rights than it names."""
    jobs = workflow(path)["jobs"]
    used = [step["uses"] for job in jobs.values() for step in job["steps"] if "uses" in step]

    assert used
    assert [] == [name for name in used if not PINNED.fullmatch(name)]
    assert len(used) == len(re.findall(r"uses: \S+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", path.read_text("utf-8"), re.MULTILINE))
    assert {} == workflow(path)["permissions"]
    assert all("permissions" in job and "timeout-minutes" in job for job in jobs.values())


def test_a_tag_alone_publishes() -> None:
    """After the build was checked, in an environment that asks a person, and by the right to prove who it is: no secret."""
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text("utf-8")
    release = workflow(ROOT / ".github" / "workflows" / "release.yml")
    publish = release["jobs"]["publish"]

    assert {"push": {"tags": ["v[0-9]+.[0-9]+.[0-9]+"]}} == release[True]  # YAML's `on`
    assert ("build", "pypi", {"id-token": "write"}) == (publish["needs"], publish["environment"]["name"], publish["permissions"])
    assert "secrets." not in text
    assert [] == [step for step in publish["steps"] if "run" in step]
    assert "nox -s release" in text


def test_a_tag_is_that_of_the_version(tmp_path: Path) -> None:
    """Of pyproject.toml and the changelog, in which nothing is left to be released."""
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text("# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-05-01\n\n* One.\n")
    assert [] == problems("v1.2.3", tmp_path)
    assert ["the tag is v1.2.4, and pyproject.toml has version 1.2.3: expected v1.2.3"] == problems("v1.2.4", tmp_path)

    changelog.write_text("# Changelog\n\n## [Unreleased]\n\n* Two.\n")
    assert 2 == len(problems("v1.2.3", tmp_path))


def test_the_changelog_tells_of_the_last_release() -> None:
    """And has a place for what comes after it."""
    heads = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)

    assert ["Unreleased", PROJECT["version"]] == heads[:2]


def test_the_version_of_cosmos_is_bounded_by_what_was_tested() -> None:
    """How the SDK sends again is no interface of it: a minor release is admitted when it was tested."""
    (wanted,) = [Requirement(text) for text in EXTRAS["cosmos"] if text.startswith("azure-cosmos")]
    (tested,) = [text.partition("==")[2] for text in PYPROJECT["dependency-groups"]["sdks"] if text.startswith("azure-cosmos==")]
    major, minor, *_ = Version(tested).release

    assert wanted.specifier.contains(tested)
    assert not wanted.specifier.contains(f"{major}.{minor + 1}.0")
    assert f"azure-cosmos=={tested}" in PYPROJECT["dependency-groups"]["sdk"]


def test_all_is_every_extra() -> None:
    """`all` names each of the others."""
    (everything,) = [Requirement(text) for text in EXTRAS["all"]]

    assert EXTRAS.keys() - {"all"} == everything.extras


def test_the_classifiers_are_those_of_what_is_tested() -> None:
    """Each Python of nox's sessions, and the oldest is the one that is required."""
    named = [text.rpartition(" ")[2] for text in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", text)]
    tested = re.search(r"^PYTHONS = (\[.*\])$", (ROOT / "noxfile.py").read_text("utf-8"), re.MULTILINE)
    assert tested is not None

    assert named == re.findall(r"3\.\d+", tested[1])
    assert f">={named[0]}" == PROJECT["requires-python"]


def test_an_extra_that_is_named_exists() -> None:
    """In errors, help and pages: what they tell to install can be."""
    for path in (*SOURCES, *PAGES):
        named = {extra for extras in NAMED_EXTRAS.findall(path.read_text("utf-8")) for extra in extras.split(",")}
        assert named <= EXTRAS.keys(), path.name


def test_extras_are_named_at_all() -> None:
    """The pattern finds them in errors and in pages."""
    assert any(NAMED_EXTRAS.search(path.read_text("utf-8")) for path in SOURCES)
    assert NAMED_EXTRAS.findall("pip install '.[table,cli]'") == ["table,cli"]


def test_commands_that_errors_name_exist() -> None:
    """Whatever message of the library says `bifrost-store something`, it is a command, or a group and its command."""
    commands = leaves(get_command(app))
    known = {*commands, *(name.partition(" ")[0] for name in commands)}
    for path in SOURCES:
        for named in NAMED_COMMAND.findall(path.read_text("utf-8")):
            first, _, second = named.partition(" ")
            assert first in {*known, _OF_CERTIFICATES}, f"{path.name}: bifrost-store {named}"
            is_group = first in known and first not in commands
            assert not is_group or not second or named in commands, f"{path.name}: bifrost-store {named}"
