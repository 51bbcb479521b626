"""The model of the hand-over protocol still holds, and still tells a broken protocol from a sound one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tools" / "check_models.py"
MODEL = (ROOT / "models" / "handover.pml").read_text("utf-8")
PAGE = (ROOT / "docs" / "explanation" / "handover-protocol.md").read_text("utf-8")


@pytest.mark.timeout(900)
def test_spin_confirms_the_protocol_and_refutes_its_mutations() -> None:
    """A few checks hold, and a few mutations are refuted; `nox -s models` runs all of them."""
    if not (shutil.which("spin") and shutil.which("gcc")):
        if os.environ.get("CI"):
            pytest.fail("spin and gcc are missing; on Debian: apt-get install spin gcc libc6-dev")
        pytest.skip("spin and gcc are missing; on Debian: apt-get install spin gcc libc6-dev")
    done = subprocess.run([sys.executable, str(SCRIPT), "--quick"], capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stdout + done.stderr


def test_every_mutation_is_refuted_somewhere_and_explained() -> None:
    """Each rule that can be left out of the model has a run that must fail, and stands on the page of the protocol."""
    mutations = sorted(set(re.findall(r"MUTATE_([A-Z_]+)", MODEL)))
    script = SCRIPT.read_text("utf-8")

    assert [] == [name for name in mutations if f"MUTATE_{name}" not in script]
    assert [] == [name for name in mutations if f"`{name}`" not in PAGE]
