"""What a reader sees of a log."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Locator, Page, expect

from tests.console.browser.conftest import PATIENCE, until

_DISTANCE = "list => list.scrollHeight - list.clientHeight - list.scrollTop"
_SEEN = """() => {
  const list = document.querySelector('[role=log]');
  if (list === null) return [];
  const box = list.getBoundingClientRect();
  return [...list.querySelectorAll('[data-line]')]
    .filter(row => { const one = row.getBoundingClientRect(); return one.bottom > box.top + 1 && one.top < box.bottom - 1 })
    .map(row => [row.dataset.line, row.querySelector('[class*=message]').innerText]);
}"""

_IS_DRAWN = """list => {
  const box = list.getBoundingClientRect();
  const rows = [...list.querySelectorAll('[data-line]')].map(row => row.getBoundingClientRect());
  const isFilled = edge => rows.some(row => row.top <= edge + 1 && row.bottom >= edge - 1);
  return (list.scrollTop < 1 || isFilled(box.top)) && (list.scrollHeight - box.height - list.scrollTop < 1 || isFilled(box.bottom));
}"""
"""Scrolled to somewhere new, a list may be empty until its rows are made."""


class LogView:
    """The log on a run's page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.list = page.get_by_role("log")
        self.panel = page.get_by_role("region", name="Log")

    @property
    def pill(self) -> Locator:
        return self.panel.get_by_role("button", name="Jump to end")

    @property
    def search(self) -> Locator:
        return self.panel.get_by_role("searchbox")

    def level(self, name: str) -> Locator:
        return self.panel.get_by_role("button", name=name)

    def row(self, text: str) -> Locator:
        return self.list.locator("[data-line]").filter(has_text=text)

    async def distance(self) -> float:
        """Pixels from what is seen to the end."""
        found: float = await self.list.evaluate(_DISTANCE)
        return found

    async def is_drawn(self) -> bool:
        """Return whether rows fill what is seen from its upper to its lower edge."""
        return bool(await self.list.evaluate(_IS_DRAWN))

    async def seen(self) -> list[str]:
        """Messages of the lines that are seen, in part or whole."""
        return [message for _, message in await self._rows()]

    async def _rows(self) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = await self.page.evaluate(_SEEN)
        return found

    async def seen_lines(self) -> list[str]:
        """The same lines as recording and number."""
        return [line for line, _ in await self._rows()]

    async def shows(self, message: str) -> None:
        """Wait until a line is seen."""

        async def is_seen() -> bool:
            return any(message in one for one in await self.seen())

        await until(is_seen)

    async def is_at_end(self, message: str) -> None:
        """Wait until *message* is the last line that is seen, with nothing below it."""

        async def ends() -> Any:
            return bool(await self.list.count()) and (await self.seen())[-1:] == [message] and await self.distance() <= 1

        await until(ends)

    async def foot(self, text: str) -> None:
        """Wait until the foot says so."""
        await expect(self.panel).to_contain_text(text, timeout=PATIENCE)
