"""Check that a tag is that of the version to be released: ``python tools/release.py v0.2.0``. Needs nothing but Python."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def problems(tag: str, root: Path = ROOT) -> list[str]:
    """Return what stands in the way of releasing *tag* from the repository at *root*."""
    version = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    found = [] if tag == f"v{version}" else [f"the tag is {tag}, and pyproject.toml has version {version}: expected v{version}"]
    changelog = (root / "CHANGELOG.md").read_text("utf-8")
    if not re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d{{2}}-\d{{2}}$", changelog, re.MULTILINE):
        found.append(f"CHANGELOG.md has no section `## [{version}] - YYYY-MM-DD`")
    unreleased = changelog.partition("## [Unreleased]")[2].partition("\n## [")[0]
    if unreleased.strip():
        found.append("CHANGELOG.md has changes that are not released: cut them, or release later")
    return found


if __name__ == "__main__":
    wrong = problems(sys.argv[1])
    for one in wrong:
        print(one, file=sys.stderr)  # noqa: T201 - a tool talks
    sys.exit(bool(wrong))
