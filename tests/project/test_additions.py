"""What it takes to add a backend, a document type, a repository or a command: counted by adding a toy of each."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project.additions import BACKEND, COMMAND, DOCUMENT_TYPE, REPOSITORY, ROOT

MOST = {"backend": (BACKEND, 5), "document type": (DOCUMENT_TYPE, 2), "repository": (REPOSITORY, 3), "command": (COMMAND, 1)}
"""Existing files that each may touch at most; its page, its extra and its line in the changelog aside."""


@pytest.mark.parametrize("what", MOST)
def test_an_addition_touches_few_files_and_works(tmp_path: Path, what: str) -> None:
    """The toy works once its own files are there and as few others are edited as CONTRIBUTING says."""
    addition, most = MOST[what]
    assert len(addition.edits) <= most
    project = _copy(tmp_path)
    addition.make(project)

    environment = {**os.environ, "PYTHONPATH": f"{project / 'src'}{os.pathsep}{project}", "PYTHONDONTWRITEBYTECODE": "1"}
    for arguments in addition.tries:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=project, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout[-3000:]} {done.stderr[-3000:]}"


def _copy(folder: Path) -> Path:
    project = folder / "project"
    project.mkdir()
    for name in ("src", "tests"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", project)
    return project
