"""Put together what the site is built from: ``python tools/site.py``, then ``zensical build --config-file zensical.built.toml``.

The pages are those of docs/, and beside them the README, the changelog and the guide to contributing. What comes in which order
says docs/index.md: its sections and lists are the navigation. The version is that of pyproject.toml.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "site-pages"
BUILT = ROOT / "zensical.built.toml"
PROJECT_PAGES = {name: f"project/{name.lower()}" for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")}
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!https?:|#)([^)#\s]+)(#[^)\s]*)?\)")
_ENTRY = re.compile(r"\* \[([^\]]+)\]\(([^)#]+)\)")

Entry = str | dict[str, "Entry | list[Entry]"]


def repository() -> str | None:
    """Return the address of the repository, from the workflow that builds or the clone's origin; None where that is no web site."""
    if name := os.environ.get("GITHUB_REPOSITORY"):
        return f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{name}"
    done = subprocess.run(["git", "remote", "get-url", "origin"], capture_output=True, text=True, cwd=ROOT, check=False)  # noqa: S607 - whatever git there is
    url = re.sub(r"^git@([^:]+):", r"https://\1/", done.stdout.strip()).removesuffix(".git")
    return url if url.startswith("https://") and "@" not in url else None


def navigation(index: str, docs: Path) -> list[Entry]:
    """Return the navigation that the sections of *index* and their lists are; a folder's index brings the pages that it names."""
    found: list[Entry] = [{"Home": "index.md"}]
    for section in re.split(r"^## ", index, flags=re.MULTILINE)[1:]:
        title, _, text = section.partition("\n")
        parts = re.split(r"^### ", text, flags=re.MULTILINE)
        entries = _entries(parts[0], docs)
        entries += [{name: _entries(rest, docs)} for name, _, rest in (part.partition("\n") for part in parts[1:])]
        if entries:
            found.append({title: entries})
    return found


def _entries(text: str, docs: Path) -> list[Entry]:
    found: list[Entry] = []
    for title, path in _ENTRY.findall(text):
        if Path(path).name == "index.md":
            folder = Path(path).parent
            inner = re.findall(r"\]\(([\w-]+\.md)\)", (docs / path).read_text("utf-8"))
            found.append({title: [path, *(str(folder / name) for name in dict.fromkeys(inner) if name != "index.md")]})
        else:
            found.append({title: PROJECT_PAGES.get(path.removeprefix("../"), path)})
    return found


def relinked(text: str, folder: str, base: str | None) -> str:
    """Return a page whose links lead on the site where they led in the repository.

    Args:
        folder: Where the page lies in the repository; empty for its root.
        base: Address of the repository's files; None: what is not on the site is no link there.
    """

    def link(match: re.Match[str]) -> str:
        words, target, anchor = match[1], match[2], match[3] or ""
        path = os.path.normpath(PurePosixPath(folder) / target)
        if path in PROJECT_PAGES:
            up = "../" * (folder.count("/") if folder else 1)
            return f"[{words}]({up}{PROJECT_PAGES[path]}{anchor})"
        if path == "docs" or path.startswith("docs/"):
            return match[0] if folder else f"[{words}](../{path.removeprefix('docs/')}{anchor})"
        return words if base is None else f"[{words}]({base}/{path}{anchor})"

    return _LINK.sub(link, text)


def configuration(text: str, entries: list[Entry], version: str, url: str | None) -> str:
    """Return the configuration with what is not written there by hand."""
    more = [f"nav = {_toml(entries)}", f"docs_dir = {json.dumps(DOCS.relative_to(ROOT).as_posix())}"]
    if url is not None:
        more += [f"repo_url = {json.dumps(url)}", f"repo_name = {json.dumps(url.split('/', 3)[-1])}"]
    text = text.replace("[project]\n", "[project]\n" + "".join(f"{line}\n" for line in more), 1)
    return text.replace('site_name = "bifrost-store"', f'site_name = "bifrost-store {version}"', 1)


def _toml(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(name)} = {_toml(inner)}' for name, inner in value.items())}}}"
    return json.dumps(value)


def main() -> None:
    """Write everything anew."""
    docs, url = DOCS, repository()
    base = None if url is None else f"{url}/blob/main"
    shutil.rmtree(docs, ignore_errors=True)
    shutil.copytree(ROOT / "docs", docs)
    for page in docs.rglob("*.md"):
        folder = (Path("docs") / page.relative_to(docs)).parent.as_posix()
        page.write_text(relinked(page.read_text("utf-8"), folder, base), "utf-8")
    for name, place in PROJECT_PAGES.items():
        (docs / place).parent.mkdir(exist_ok=True)
        (docs / place).write_text(relinked((ROOT / name).read_text("utf-8"), "", base), "utf-8")
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    entries = navigation((ROOT / "docs" / "index.md").read_text("utf-8"), ROOT / "docs")
    text = configuration((ROOT / "zensical.toml").read_text("utf-8"), entries, version, url)
    BUILT.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
