"""The site: pages look there as they are meant, each is in the navigation, and links lead where they led in the repository."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from markdown import markdown

from tests.project.test_docs import DOCS, PAGES, name_of
from tools.site import BUILT, PROJECT_PAGES, ROOT, configuration, navigation, relinked

EXTENSIONS = ["tables", "toc", "pymdownx.highlight", "pymdownx.superfences"]
"""Those of zensical.toml, whose renderer this is."""
LOST = re.compile(r"\n *(?:(?:[*+-]|\d+\.) |\|)")
"""An item of a list, or a row of a table, at the beginning of a line of text."""


class Text(HTMLParser):
    """Collects what a page shows that is no code."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._depth = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._depth += tag in ("pre", "code")

    def handle_endtag(self, tag: str) -> None:
        self._depth -= tag in ("pre", "code")

    def handle_data(self, data: str) -> None:
        if not self._depth:
            self.parts.append(data)


def lost(text: str) -> list[str]:
    """Return what of a page the site shows as text, though it is an item of a list or a row of a table."""
    parts = Text(markdown(text, extensions=EXTENSIONS)).parts
    return [part[found.start() :].strip()[:60] for part in parts if (found := LOST.search(part))]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_lists_and_tables_are_seen(page: Path) -> None:
    """Its Markdown is stricter than that of repositories: an empty line before each, four spaces within an item."""
    assert [] == lost(page.read_text("utf-8"))


def test_what_would_not_be_seen_is_found() -> None:
    """A list or a table right after text, also after the second paragraph of an item; not what is code."""
    assert ["* one"] == lost("Text:\n* one")
    assert ["2. two"] == lost("1. one\n\n    more of one\n2. two")
    assert ["| a |"] == [found[:5] for found in lost("Text\nText:\n| a |\n")]
    assert [] == lost("Text:\n\n* one\n    * within\n\n| a |\n| --- |\n| b |\n\n```\nText:\n* code\n```\n")


def paths(entries: Any) -> Iterator[str]:
    """Go through the pages of a navigation."""
    for entry in entries:
        if isinstance(entry, str):
            yield entry
        else:
            for inner in entry.values():
                yield from [inner] if isinstance(inner, str) else paths(inner)


def test_every_page_is_in_the_navigation() -> None:
    """In the order of docs/index.md, decisions last, and each once."""
    entries: Any = navigation((DOCS / "index.md").read_text("utf-8"), DOCS)
    listed = list(paths(entries))
    expected = {*(page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")), *PROJECT_PAGES.values()}

    assert ["Home", "Start", "Guides", "Explanation", "Reference", "Decisions"] == [next(iter(dict(one))) for one in entries]
    assert expected == set(listed)
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize(
    ("folder", "link", "expected"),
    [
        ("", "[a](docs/howto/x.md#y)", "[a](../howto/x.md#y)"),
        ("", "[a](CHANGELOG.md)", "[a](../project/changelog.md)"),
        ("", "[a](src/x.py)", "[a](https://r/src/x.py)"),
        ("docs/howto", "[a](../reference/x.md)", "[a](../reference/x.md)"),
        ("docs/howto", "[a](../../CONTRIBUTING.md#b)", "[a](../project/contributing.md#b)"),
        ("docs", "[a](../README.md)", "[a](project/readme.md)"),
        ("docs/howto", "[a](../../examples/x)", "[a](https://r/examples/x)"),
        (
            "docs/howto",
            "[a](https://x.example/y) ![b](pictures/c.png) [d](#e)",
            "[a](https://x.example/y) ![b](pictures/c.png) [d](#e)",
        ),
    ],
)
def test_links_lead_where_they_led(folder: str, link: str, expected: str) -> None:
    """To pages of the site, else to the repository's files."""
    assert expected == relinked(link, folder, "https://r")


def test_what_is_not_on_the_site_is_no_link_without_a_repository() -> None:
    """Nothing leads nowhere."""
    assert "a" == relinked("[a](src/x.py)", "", None)


def test_the_configuration_tells_version_and_repository() -> None:
    """Beside what is written by hand."""
    text = (ROOT / "zensical.toml").read_text("utf-8")
    built = configuration(text, [{"Home": "index.md"}], "1.2.3", "https://github.com/acme/store")

    assert 'site_name = "bifrost-store 1.2.3"' in built
    assert 'repo_url = "https://github.com/acme/store"' in built
    assert 'nav = [{"Home" = "index.md"}]' in built
    assert "repo_url" not in configuration(text, [], "1.2.3", None)
    assert BUILT.name in (ROOT / ".gitignore").read_text("utf-8").splitlines()
