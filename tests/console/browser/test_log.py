"""The log of a run: all of it is there, it keeps up, and whoever looks for a line finds it."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from playwright.async_api import Locator, expect

from bench.kept import keep
from bifrost_store import ExecutionStatus
from tests.console.browser.conftest import Stage, until
from tests.console.browser.looking import LogView

pytestmark = [pytest.mark.anyio, pytest.mark.servers]


def mixed(number: int) -> str:
    """A message of one to five rows."""
    return f"line {number:05d}" + " and some more words" * (number * 7 % 23)


async def open_log(stage: Stage, execution_id: str, query: str = "") -> LogView:
    return LogView(await stage.page(f"runs/GLOBAL/{execution_id}{query}"))


async def test_a_live_run_opens_at_its_end_with_all_that_was_before(stage: Stage) -> None:
    """The last line is seen; scrolling up shows older ones up to the first, and nothing moves while more come."""
    run = await stage.run()
    async with stage.store.execution_data.recording(run, capture=False) as recording:
        for number in range(2_600):
            recording.info(mixed(number))
        await recording.flush(seconds=60)
        log = await open_log(stage, run.execution_id)
        await log.is_at_end(mixed(2_599))
        await log.foot("2,600 lines · INFO and above · 1,000 loaded")

        await log.list.hover()
        await log.page.mouse.wheel(0, -400)
        await expect(log.pill).to_be_visible()
        before = (await log.seen_lines())[0]
        for number in range(2_600, 2_650):
            recording.info(mixed(number))
        await expect(log.pill).to_have_text(re.compile(r"Paused · 50 new · Jump to end"))
        assert before == (await log.seen_lines())[0]

        while mixed(0) not in await log.seen():
            await log.page.mouse.wheel(0, -20_000)
            await asyncio.sleep(0.02)
        await log.foot("2,650 lines · INFO and above · all loaded")
        await log.list.focus()
        await log.page.keyboard.press("End")
        await log.is_at_end(mixed(2_649))
        await expect(log.pill).to_be_hidden()


async def test_lines_that_come_fast_are_kept_up_with(stage: Stage) -> None:
    """At some 200 lines a second of mixed heights the last line is seen at once, again and again, with nothing below it."""
    run = await stage.run()
    async with stage.store.execution_data.recording(run, capture=False) as recording:
        log = await open_log(stage, run.execution_id)
        await expect(log.panel).to_contain_text("Waiting for the first line…")
        for number in range(600):
            recording.info(mixed(number))
            await asyncio.sleep(0.005)
            if number % 200 == 199:
                await log.is_at_end(mixed(number))
    await log.foot("600 lines · INFO and above · all loaded")


async def test_a_failed_run_opens_at_its_first_error(stage: Stage) -> None:
    """However many lines stand before and behind it; the button comes back to it from anywhere."""
    lines: list[str | tuple[str, str]] = [mixed(number) for number in range(3_000)]
    lines[1_700], lines[1_900] = ("error", "the first error"), ("error", "the second error")
    run = await stage.ended(lines, ExecutionStatus.FAILED, error_type="ValueError", error_message="no mailbox\nand more")
    log = await open_log(stage, run.execution_id)
    await log.shows("the first error")
    assert mixed(1_699) in await log.seen()
    band = log.page.get_by_role("alert")
    await expect(band).to_contain_text("ValueError")
    await expect(band).to_contain_text("no mailbox")

    await log.panel.get_by_role("button", name="End").click()
    await log.is_at_end(mixed(2_999))
    await log.page.get_by_role("button", name="Go to first error").click()
    await log.shows("the first error")


async def test_all_lines_are_searched(stage: Stage) -> None:
    """Matches are counted and gone to though their lines were not loaded; the filter shows them alone."""
    lines = [f"{mixed(number)}{' needle' if number % 1_000 == 500 else ''}" for number in range(4_000)]
    run = await stage.ended(lines)
    log = await open_log(stage, run.execution_id)
    await log.is_at_end(mixed(3_999))
    await log.page.keyboard.press("/")
    await log.page.keyboard.type("NEEDLE")
    await expect(log.panel).to_contain_text("–/4")
    for position, number in enumerate((500, 1_500, 2_500, 3_500, 500), 1):
        await log.search.press("Enter")
        await log.shows(lines[number])
        await expect(log.panel).to_contain_text(f"{(position - 1) % 4 + 1}/4")
    await log.search.press("Shift+Enter")
    await log.shows(lines[3_500])

    await log.panel.get_by_role("button", name="Filter").click()
    await log.foot("4 matching lines · INFO and above · all searched")
    assert [lines[number] for number in (500, 1_500, 2_500, 3_500)] == await log.seen()
    await log.search.fill("nothing of the kind")
    await expect(log.panel).to_contain_text("No line holds “nothing of the kind”")
    await log.panel.get_by_role("button", name="Clear search").click()
    await log.shows("line ")


async def test_levels_are_chosen_and_never_leave_a_riddle(stage: Stage) -> None:
    """Each level says how many lines it has; without one it is said what is hidden, and how to see it."""
    lines: list[str | tuple[str, str]] = [("debug" if number % 2 else "info", f"line {number}") for number in range(40)]
    run = await stage.ended([*lines, ("error", "an error")])
    log = await open_log(stage, run.execution_id)
    await log.is_at_end("an error")
    await expect(log.level("DEBUG 20")).to_have_attribute("aria-pressed", "false")
    await expect(log.level("ERROR 1")).to_have_attribute("aria-pressed", "true")
    await log.level("INFO 20").click()
    await until(log.seen, wanted=["an error"])
    assert "levels=warning%2Cerror%2Ccritical" in log.page.url
    for name in ("WARNING 0", "ERROR 1"):
        await log.level(name).click()
    await expect(log.panel).to_contain_text("Levels hide all 41 lines")
    await log.panel.get_by_role("button", name="Reset").click()
    await log.foot("41 lines · all levels · all loaded")
    await log.shows("line 39")


async def test_what_is_missing_is_said(stage: Stage) -> None:
    """The foot says how many lines were dropped, and which recording was cut off before its end."""
    run = await stage.run()
    lines = [("info", f"line {number}") for number in range(3)]
    await keep(stage.store, run, lines, ends={"counts": {"info": 1_207}, "dropped": 1_204})
    log = await open_log(stage, run.execution_id)
    await log.foot("3 lines · INFO and above · all loaded · 1,204 items were dropped")
    await keep(stage.store, run, lines, recording=1)
    await stage.store.executions.complete(run, ExecutionStatus.TIMEOUT)
    await log.foot("6 lines · INFO and above · all loaded · 1,204 items were dropped · the end of recording 2 has not come")


async def test_a_line_can_be_linked_to(stage: Stage) -> None:
    """Its address opens the run there for somebody else, though many lines follow."""
    run = await stage.ended([mixed(number) for number in range(3_000)])
    log = await open_log(stage, run.execution_id)
    await log.is_at_end(mixed(2_999))
    await log.panel.get_by_role("button", name="Top").click()
    await log.shows(mixed(3))
    row = log.row("line 00003")
    await row.hover()
    await row.get_by_role("link", name="Link to line").click()
    await until(lambda: "line=0.4." in log.page.url)

    other = LogView(await stage.page(log.page.url.removeprefix(stage.address)))
    await other.shows(mixed(3))
    assert mixed(2_999) not in await other.seen()


async def test_lines_are_copied_and_downloaded_whole(stage: Stage, tmp_path: Path) -> None:
    """Copying takes what is loaded, though most of it is not drawn; downloads hold every line."""
    run = await stage.ended([mixed(number) for number in range(1_300)])
    log = LogView(await stage.page(f"runs/GLOBAL/{run.execution_id}", permissions=["clipboard-read", "clipboard-write"]))
    await log.is_at_end(mixed(1_299))
    await log.panel.get_by_role("button", name="Copy", exact=True).click()

    async def copied() -> int:
        return len(str(await log.page.evaluate("navigator.clipboard.readText()")).splitlines())

    await until(copied, wanted=1_000)
    for name, ending in (("Text", "log"), ("JSON", "jsonl")):
        async with log.page.expect_download() as started:
            await log.panel.get_by_role("link", name=name).click()
        download = await started.value
        assert f"{run.execution_id}.{ending}" == download.suggested_filename
        await download.save_as(tmp_path / ending)
        lines = (tmp_path / ending).read_text("utf-8").splitlines()
        assert 1_300 == len(lines)
    assert mixed(0) == json.loads(lines[0])["message"]


async def test_what_is_selected_is_copied_whole(stage: Stage) -> None:
    """Ctrl+A copies every line that is loaded; a selection that was drawn out by scrolling all from its first to its last."""
    lines = [mixed(number) for number in range(800)]
    run = await stage.ended([*lines, ("debug", "hidden")])
    log = LogView(await stage.page(f"runs/GLOBAL/{run.execution_id}", permissions=["clipboard-read", "clipboard-write"]))
    await log.is_at_end(lines[-1])
    await log.list.focus()
    await log.page.keyboard.press("Control+a")
    await log.page.keyboard.press("Control+c")
    await until(lambda: copied(log), wanted=lines)

    await select(log, log.row(lines[-2]), 9, is_begin=True)
    await log.page.keyboard.press("Home")
    await log.shows(lines[2])
    await select(log, log.row(lines[2]), 5, is_begin=False)
    await log.page.keyboard.press("Control+c")
    await until(lambda: copied(log), wanted=lines[2:-1])

    await log.search.fill("line 0000")
    await log.panel.get_by_role("button", name="Filter").click()
    await log.foot("10 matching lines")
    await log.list.focus()
    await log.page.keyboard.press("Control+a")
    await log.page.keyboard.press("Control+c")
    await until(lambda: copied(log), wanted=lines[:10])


async def copied(log: LogView) -> list[str]:
    """Messages of the lines on the clipboard."""
    text = str(await log.page.evaluate("navigator.clipboard.readText()"))
    return [line.partition("INFO     ")[2] for line in text.splitlines()]


async def select(log: LogView, row: Locator, characters: int, *, is_begin: bool) -> None:
    """Begin a selection in the message of a row, or draw it out to there, as a pointer does."""
    await row.locator("[class*=message]").evaluate(
        """(message, [characters, isBegin]) => {
          const selection = document.getSelection();
          if (isBegin) selection.setBaseAndExtent(message.firstChild, characters, message.firstChild, characters + 1);
          else selection.extend(message.firstChild, characters);
        }""",
        [characters, is_begin],
    )


async def test_hostile_text_is_text(stage: Stage) -> None:
    """HTML, escapes, direction marks, broken characters and megabytes are shown as what they are, and run nothing."""
    run = await stage.ended(
        [
            "<img src=x onerror=window.hit=1><script>window.hit=1</script>",
            "\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b[2Jplain",
            "10%\r50%\r100% done",
            "safe \u202eelif.exe",
            "half \ud83d pair",
            "x" * 30_000,
        ]
    )
    log = await open_log(stage, run.execution_id, "?wrap=off")
    await log.shows("<img src=x onerror=window.hit=1><script>window.hit=1</script>")
    seen = await log.seen()
    assert ["red plain", "100% done", "safe U+202Eelif.exe"] == seen[1:4]
    assert seen[4] in ("half U+D83D pair", "half U+FFFD pair", "half \\ud83d pair", "half ? pair", "half \ufffd pair")
    assert seen[5].startswith("x" * 2_000)
    assert len(seen[5]) < 2_100
    await log.panel.get_by_role("button", name="Show all 30,000 characters").click()
    await log.shows("x" * 30_000)
    assert await log.page.evaluate("window.hit === undefined && document.title.includes('bifrost')")
    assert await log.row("red plain").locator("[class*=c1]").count()


async def test_tracebacks_and_data_unfold(stage: Stage) -> None:
    """A traceback is its last line and the number of frames until it is opened; data is a tree."""
    run = await stage.run()
    traceback = (
        'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\n  File "b.py", line 2, in g\nValueError: no'
    )
    async with stage.store.execution_data.recording(run, capture=False) as recording:
        recording.log("error", "failed", traceback=traceback, data={"user": {"id": 7}})
    await stage.store.executions.complete(run, ExecutionStatus.FAILED)
    log = await open_log(stage, run.execution_id)
    fold = log.panel.get_by_role("button", name="ValueError: no")
    await expect(fold).to_contain_text("2 frames")
    await fold.click()
    await expect(log.row("failed")).to_contain_text('File "a.py", line 1')
    await log.panel.get_by_role("button", name="data").click()
    await log.panel.get_by_role("button", name="user").click()
    await expect(log.row("failed")).to_contain_text("id: 7")


async def test_recordings_are_told_apart(stage: Stage) -> None:
    """A rule stands where another attempt begins."""
    run = await stage.run()
    for attempt in (1, 2):
        async with stage.store.execution_data.recording(run, capture=False) as recording:
            recording.info(f"attempt {attempt}")
    log = await open_log(stage, run.execution_id)
    await log.shows("attempt 2")
    await expect(log.row("attempt 2")).to_contain_text("recording 2")


async def test_nothing_yet_is_said(stage: Stage) -> None:
    """A run that waits, one that has said nothing yet, and one that never did, each say so; the first line comes by itself."""
    run = await stage.run(status=ExecutionStatus.PENDING)
    log = await open_log(stage, run.execution_id)
    await expect(log.panel).to_contain_text("This run has not begun")
    await stage.store.executions.set_status(run, ExecutionStatus.RUNNING)
    await expect(log.panel).to_contain_text("Waiting for the first line…")
    async with stage.store.execution_data.recording(run, capture=False) as recording:
        recording.info("the first line")
    await log.shows("the first line")
    await stage.store.executions.complete(run, ExecutionStatus.SUCCESS)
    await expect(log.page.locator("header")).to_contain_text("Success")

    silent = await open_log(stage, (await stage.ended([])).execution_id)
    await expect(silent.panel).to_contain_text("This run logged nothing")


async def test_one_zone_holds_for_every_time(stage: Stage) -> None:
    """Header, lines and list show the zone that was chosen once."""
    run = await stage.ended(["a line"])
    page = await stage.page(f"runs/GLOBAL/{run.execution_id}")
    log = LogView(page)
    await log.shows("a line")
    await page.get_by_role("combobox", name="Times").select_option("utc")
    await expect(page.locator("header")).to_contain_text(" UTC")
    await page.get_by_role("link", name="Runs").click()
    await expect(page.locator("tbody")).to_contain_text(" UTC")
    await page.reload()
    await expect(page.locator("tbody")).to_contain_text(" UTC")
