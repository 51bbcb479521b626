"""The page about a migration: it says what is known, in figures and plots, and nothing in it can be anything but text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.async_api import Browser

from bifrost_store.costing import DEFAULT_MIX, Charge, Measurement, Projection, project
from bifrost_store.migration.state import Backfilled, MigrationState, Moment, Phase, Verified
from bifrost_store.migration.status import MigrationStatus, StoreStatus
from bifrost_store.reporting.migration import MigrationReport, page_of

BEGAN = datetime(2026, 5, 1, 8, tzinfo=UTC)
NOW = BEGAN + timedelta(days=4, hours=3)
KINDS = {
    "execution": {"copied": 48_210, "present": 312, "expired": 90, "deleted": 12},
    "user": {"copied": 410},
    "oauth_connection": {"copied": 3, "failed": 1},
}
FOUND = {
    "execution": {"same": 48_520, "expired": 90, "differs": 2},
    "user": {"same": 409, "only_primary": 1},
    "oauth_connection": {"same": 3},
}


def summed(kinds: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    names = {name for counts in kinds.values() for name in counts}
    return {name: sum(counts.get(name, 0) for counts in kinds.values()) for name in sorted(names)}


def state(phase: Phase = Phase.CUT_OVER, *, open_count: int = 3, kinds: Mapping[str, dict[str, int]] = FOUND) -> MigrationState:
    """Return a migration that has come to *phase*."""
    moments = [
        (Phase.STARTING, 0.0),
        (Phase.STARTED, 0.1),
        (Phase.BACKFILLING, 1.0),
        (Phase.BACKFILLED, 9.0),
        (Phase.VERIFIED, 26.0),
    ]
    history = [Moment(phase=name, at=BEGAN + timedelta(hours=hours)) for name, hours in moments]
    if phase not in {moment.phase for moment in history}:
        history.append(Moment(phase=phase, at=BEGAN + timedelta(hours=30)))
    return MigrationState(
        migration_id="0123",
        source="table",
        target="cosmos",
        phase=phase,
        changed_at=history[-1].at,
        history=tuple(history),
        backfill=Backfilled(ended_at=BEGAN + timedelta(hours=9), counts=summed(KINDS), kinds=KINDS),
        verification=Verified(
            began_at=BEGAN + timedelta(hours=25),
            ended_at=BEGAN + timedelta(hours=26),
            epoch=1,
            counts=summed(kinds),
            kinds=dict(kinds),
            open_count=open_count,
        ),
        cut_over_at=BEGAN + timedelta(hours=30) if phase is Phase.CUT_OVER else None,
    )


def projection() -> Projection:
    measured = Measurement("the emulator", True, {name: Charge(5.0, 1.0) for name in DEFAULT_MIX}, 1500.0)
    return project(measured, DEFAULT_MIX, 50_000)


def report(of: MigrationState | None, *, costs: bool = True) -> MigrationReport:
    stores = {"table": StoreStatus(journal=0), "cosmos": StoreStatus(journal=2)}
    status = MigrationStatus(of, None, stores, NOW, timedelta(seconds=30))
    places = {"table": "table acme", "cosmos": "cosmos https://acme.documents.azure.com bifrost"}
    return MigrationReport(status, places, NOW, "0.2.0", projection() if costs else None)


class Reader(HTMLParser):
    """Collects what a page holds."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self._is_style = False
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_style = tag == "style"
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        if not self._is_style:
            self.text += f"{data} "


def test_the_page_says_what_is_known() -> None:
    """Where it stands, what was moved and verified, differences by kind, the phases, costs and the way back."""
    text = " ".join(Reader(page_of(report(state()))).text.split())

    for told in (
        "Migration from Azure Table Storage to Azure Cosmos DB",
        "From table acme to cosmos https://acme.documents.azure.com bifrost.",
        "3 differences open",
        "48,623 carried over; 312 there already, by a write to both; 12 deletions carried over; 90 left out,",
        "49,025 in 1 h 0 min",
        "99.99 % agree",
        "oauth connection",
        "Cut over 2026-05-02 14:00 UTC 2 d 21 h",
        "A month with 50,000 runs is projected to cost",
        "the plan expected $12.77",
        "Of the 30 days promised, 28 are left",
        "kept until 2026-07-31",
    ):
        assert told in text


def test_all_agree_is_said_of_all_alone() -> None:
    """One difference in a million is not 100 %; none is."""
    kinds = {"execution": {"same": 999_999, "differs": 1}}
    almost = Reader(page_of(report(state(kinds=kinds, open_count=1)))).text
    whole = Reader(page_of(report(state(kinds={"execution": {"same": 5, "expired": 1}}, open_count=0)))).text

    assert "99.99 % agree" in almost
    assert "100 %" not in almost
    assert "100 % agree" in whole
    assert "No difference is open" in whole


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.NONE])
def test_there_is_a_page_of_every_phase(phase: Phase) -> None:
    """Also where nothing was carried over or compared, and of a state that an earlier release kept without its history."""
    bare = MigrationState(migration_id="m", source="table", target="cosmos", phase=phase, changed_at=BEGAN)

    for one in (state(phase), bare):
        assert Reader(page_of(report(one, costs=False))).text.count("The way back") == 1


def test_without_a_migration_there_is_no_page() -> None:
    """There would be nothing on it."""
    with pytest.raises(ValueError, match="no migration"):
        page_of(report(None))


def test_nothing_is_fetched_or_run_and_everything_is_text() -> None:
    """Whatever stores, kinds and problems are called, they are shown as they are spelled."""
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&\x1b[31m"
    of = state(kinds={hostile: {"same": 1}})
    status = replace(report(of).status, stores={"table": StoreStatus(problem=hostile)})
    read = Reader(page_of(replace(report(of), status=status, places={"table": hostile})))

    assert not {"script", "img", "link", "iframe", "object"} & set(read.tags)
    assert [] == [name for name, _ in read.attributes if name.startswith("on") or name in ("src", "href")]
    assert read.text.count(hostile.partition("\x1b")[0]) >= 3
    assert "\x1b" not in read.text


@pytest.mark.anyio
async def test_the_page_fits_every_width(tmp_path: Path, browser: Browser) -> None:
    """Nothing runs over its right edge, wide or narrow."""
    file = tmp_path / "report.html"
    file.write_bytes(page_of(report(state())))
    for width in (360, 1440):
        page = await browser.new_page(viewport={"width": width, "height": 800})
        await page.goto(file.as_uri())
        assert width >= await page.evaluate("document.documentElement.scrollWidth")
        await page.close()
