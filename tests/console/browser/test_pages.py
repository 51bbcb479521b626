"""The console's pages: lists, filters, keys, sizes, and what happens when the console is away."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Page, Route, expect

from bifrost_store import ExecutionStatus, Scope
from tests.console.browser.conftest import Stage, fits, until
from tests.console.browser.looking import LogView

pytestmark = [pytest.mark.anyio, pytest.mark.servers]


async def listed(page: Page) -> list[str]:
    found: list[str] = await page.locator("a[data-run]").evaluate_all("links => links.map(link => link.dataset.run)")
    return found


async def organization(stage: Stage, name: str) -> Scope:
    """Make an organization of a test's own."""
    await stage.store.organizations.create(name.title(), created_by="ada", id=name)
    return Scope.organization(name)


async def test_filters_stand_in_the_address(stage: Stage) -> None:
    """Status, workflow and window can be sent to somebody else, and are taken back one by one."""
    scope = await organization(stage, "filters")
    failed = await stage.run(scope, workflow_name="sync")
    await stage.store.executions.complete(failed, ExecutionStatus.FAILED, error_type="E", error_message="first line\nsecond")
    done = await stage.run(scope, workflow_name="report")
    await stage.store.executions.complete(done, ExecutionStatus.SUCCESS)
    page = await stage.page(f"runs/{scope}")
    await expect(page.locator("tbody tr")).to_have_count(2)
    await page.get_by_role("button", name="Failed").click()
    await until(lambda: listed(page), wanted=[failed.execution_id])
    await expect(page.locator("tbody")).to_contain_text("E: first line")
    await expect(page.locator("tbody")).not_to_contain_text("second")
    await page.keyboard.press("/")
    await page.keyboard.type("report")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("No failed runs that these filters leave")).to_be_visible()
    await page.get_by_role("combobox", name="Window").select_option("7d")
    assert {"status=failed", "workflow=report", "window=7d"} <= set(page.url.partition("?")[2].split("&"))

    other = await stage.page(page.url.removeprefix(stage.address))
    await expect(other.get_by_text("No failed runs that these filters leave in the last 7 days")).to_be_visible()
    await other.get_by_role("button", name="Remove the filter workflow report").click()
    await until(lambda: listed(other), wanted=[failed.execution_id])
    await page.get_by_role("button", name="Clear filters").click()
    await until(lambda: listed(page), wanted=[done.execution_id, failed.execution_id])


async def test_a_list_lives_and_does_not_jump(stage: Stage) -> None:
    """What is listed changes in place; what is new waits until it is asked for."""
    scope = await organization(stage, "living")
    run = await stage.run(scope)
    page = await stage.page(f"runs/{scope}")
    await expect(page.locator("tbody")).to_contain_text("Running")
    await stage.store.executions.complete(run, ExecutionStatus.FAILED, error_type="E", error_message="no")
    await expect(page.locator("tbody")).to_contain_text("Failed")
    later = datetime.now(UTC) + timedelta(minutes=1)
    more = [(await stage.run(scope, started_at=later + timedelta(minutes=ahead))).execution_id for ahead in range(3)]
    await page.get_by_role("button", name="3 new").click()
    await until(lambda: listed(page), wanted=[*reversed(more), run.execution_id])


async def test_durations_say_what_they_are_compared_with(stage: Stage) -> None:
    """The workflow's other runs that are listed, and once figures are kept, those of the window."""
    scope = await organization(stage, "compared")
    for milliseconds in (1_000, 30_000):
        run = await stage.run(scope)
        await stage.store.executions.complete(run, ExecutionStatus.SUCCESS, duration_ms=milliseconds)
    page = await stage.page(f"runs/{scope}")
    durations = page.get_by_role("cell", name="1.0 s")
    await expect(durations).to_have_attribute("title", "95 of 100 listed runs of this workflow took 30 s or less")
    await stage.store.metrics.rollup()
    await page.reload()
    await expect(durations).to_have_attribute(
        "title", re.compile("95 of 100 runs of this workflow in the last 7 days took (29|30|31) s")
    )


async def test_older_runs_are_a_page_of_their_own(stage: Stage) -> None:
    """The browser's Back goes forward in time again."""
    scope = await organization(stage, "older")
    began = datetime(2026, 11, 1, tzinfo=UTC)
    runs = [(await stage.run(scope, started_at=began - timedelta(minutes=ago))).execution_id for ago in range(60)]
    page = await stage.page(f"runs/{scope}")
    await until(lambda: listed(page), wanted=runs[:50])
    await page.get_by_role("button", name="Older", exact=True).click()
    await until(lambda: listed(page), wanted=runs[50:])
    await page.go_back()
    await until(lambda: listed(page), wanted=runs[:50])


async def test_the_keyboard_suffices(stage: Stage) -> None:
    """From the list to a run, through its log and tabs, and back, without a pointer."""
    scope = await organization(stage, "keys")
    began = datetime(2026, 11, 1, tzinfo=UTC)
    runs = [await stage.run(scope, started_at=began + timedelta(minutes=number)) for number in range(3)]
    async with stage.store.execution_data.recording(runs[0], capture=False) as recording:
        for number in range(300):
            recording.info(f"line {number}")
        recording.set_variables({"a": 1})
    page = await stage.page(f"runs/{scope}")
    await page.locator(f"a[data-run={runs[2].execution_id}]").focus()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    log = LogView(page)
    await log.is_at_end("line 299")
    await log.list.focus()
    await page.keyboard.press("Home")
    await log.shows("line 0")
    await page.keyboard.press("End")
    await log.is_at_end("line 299")
    await page.get_by_role("tab", name="Variables").focus()
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("tab", name="State")).to_be_focused()
    await expect(page.get_by_role("tabpanel")).to_contain_text("No state yet.")
    await page.keyboard.press("ArrowLeft")
    await expect(page.get_by_role("tabpanel")).to_contain_text("a: 1")
    await page.go_back()
    await page.get_by_role("button", name="Scope: Keys").focus()
    await page.keyboard.press("Enter")
    await page.keyboard.type("glob")
    await page.keyboard.press("Enter")
    await until(lambda: page.url.endswith("/runs/GLOBAL"))


@pytest.mark.parametrize(("size", "scale"), [((360, 740), 1.0), ((640, 400), 2.0)])
async def test_narrow_and_magnified_pages_scroll_in_one_direction(stage: Stage, size: tuple[int, int], scale: float) -> None:
    """At 360 pixels, and at 1,280 with 200 %, nothing is wider than the page, and the log is there."""
    long = "a_workflow_with_a_name_that_goes_on_and_on_and_on_and_on"
    run = await stage.run(workflow_name=long, executed_by="somebody.with.a.long.name@a-long-domain.example")
    async with stage.store.execution_data.recording(run, capture=False) as recording:
        recording.error("word " * 100 + "x" * 500, data={"k" * 200: "v" * 500})
    await stage.store.executions.complete(run, ExecutionStatus.FAILED, error_type="E" * 80, error_message="m" * 400)
    page = await stage.page(size=size, device_scale_factor=scale)
    for path in ("runs/GLOBAL", f"runs/GLOBAL/{run.execution_id}"):
        await page.goto(stage.address + path)
        await page.get_by_text(long).first.wait_for()
        await fits(page)
    await LogView(page).shows("word word")


async def test_a_console_that_is_away_is_told_and_comes_back(stage: Stage) -> None:
    """What was read stays, what failed says so with what to do, and everything goes on by itself."""
    run = await stage.run()
    async with stage.store.execution_data.recording(run, capture=False) as recording:
        recording.info("before")
        await recording.flush()
        page = await stage.page(f"runs/GLOBAL/{run.execution_id}")
        log = LogView(page)
        await log.shows("before")

        async def fail(route: Route) -> None:
            await route.abort()

        await page.route("**/api/**", fail)
        recording.info("meanwhile")
        await page.get_by_role("tab", name="Result").click()
        await page.get_by_role("tab", name="State").click()
        await expect(page.get_by_role("tabpanel")).to_contain_text("The console cannot be reached")
        await log.shows("before")
        await page.unroute("**/api/**")
        await page.get_by_role("tabpanel").get_by_role("button", name="Retry").click()
        await expect(page.get_by_role("tabpanel")).to_contain_text("No state yet.")
        recording.info("after")
        await log.is_at_end("after")
        assert ["before", "meanwhile", "after"] == await log.seen()
    stage.expected.add("ERR_FAILED")


async def test_what_does_not_exist_is_said_alike(stage: Stage) -> None:
    """A run that is not there, and an address that leads nowhere, say so, with a way back."""
    page = await stage.page("runs/GLOBAL/missing")
    await expect(page.get_by_role("heading", name="There is no such run")).to_be_visible()
    await page.goto(f"{stage.address}nowhere")
    await expect(page.get_by_role("heading", name="There is nothing here")).to_be_visible()
    stage.expected.add("404")


async def test_without_the_token_nothing_is_shown(stage: Stage) -> None:
    """A browser that was not let in says how to get in; the token is not kept in the address."""
    context = await stage.browser.new_context()
    stage.contexts.append(context)
    page = await context.new_page()
    await page.goto(f"{stage.address}runs/GLOBAL")
    await expect(page.get_by_role("heading", name="No session")).to_be_visible()
    await page.goto(f"{stage.address}runs/GLOBAL#token=wrong")
    await expect(page.get_by_role("alert")).to_contain_text("not one that this console printed")
    await page.goto(f"{stage.address}runs/GLOBAL#token={stage.token}")
    await expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    assert stage.token not in page.url


async def test_an_html_result_runs_nothing(stage: Stage) -> None:
    """It is shown in a frame where scripts do not run and from which nothing is reached."""
    run = await stage.run()
    result = "<h2>A report</h2><script>parent.document.title = 'hit'; document.body.textContent = 'hit'</script>"
    await stage.store.executions.complete(run, ExecutionStatus.SUCCESS, result=result, result_type="html")
    page = await stage.page(f"runs/GLOBAL/{run.execution_id}?tab=result")
    frame = page.frame_locator("iframe[title=Result]")
    await expect(frame.get_by_role("heading", name="A report")).to_be_visible()
    await expect(frame.locator("body")).not_to_contain_text("hit")
    assert "hit" not in await page.title()
    stage.expected |= {"sandboxed", "Content Security"}


async def test_variables_are_followed_and_turned_back(stage: Stage) -> None:
    """They change as the run changes them, what changed is marked until it was looked at, and the slider shows earlier ones."""
    run = await stage.run()
    async with stage.store.execution_data.recording(run, capture=False) as recording:
        recording.set_variables({"moved": 1, "name": "kim"})
        await recording.flush()
        page = await stage.page(f"runs/GLOBAL/{run.execution_id}")
        panel = page.get_by_role("tabpanel")
        await expect(panel).to_contain_text("moved: 1")
        for number in (2, 3):
            recording.set_variables({"moved": number, "name": "kim"})
            await recording.flush()
        await expect(panel).to_contain_text("moved: 3")
        await expect(panel.get_by_role("img", name="changed")).to_have_count(1)
        await panel.get_by_text("moved").hover()
        await expect(panel.get_by_role("img", name="changed")).to_have_count(0)
        await panel.get_by_role("slider").focus()
        await page.keyboard.press("Home")
        await expect(panel).to_contain_text("1 of 3")
        await expect(panel).to_contain_text("moved: 1")


async def test_a_run_is_cancelled_after_a_second_thought(stage: Stage) -> None:
    """One press asks, the second cancels."""
    run = await stage.run()
    page = await stage.page(f"runs/GLOBAL/{run.execution_id}")
    await page.get_by_role("button", name="Cancel").click()
    assert ExecutionStatus.RUNNING == await stage.store.executions.get_status(run.scope, run.execution_id)
    await page.get_by_role("button", name="Cancel this run").click()
    await expect(page.locator("header")).to_contain_text("Cancelling")


async def test_a_hidden_tab_loses_nothing(stage: Stage) -> None:
    """What came while nobody looked is there when somebody does."""
    run = await stage.run()
    async with stage.store.execution_data.recording(run, capture=False) as recording:
        recording.info("before")
        await recording.flush()
        page = await stage.page(f"runs/GLOBAL/{run.execution_id}")
        log = LogView(page)
        await log.shows("before")
        await set_hidden(page, hidden=True)
        for number in range(700):
            recording.info(f"line {number}")
        await recording.flush()
        await set_hidden(page, hidden=False)
        await log.is_at_end("line 699")


async def set_hidden(page: Page, *, hidden: bool) -> None:
    """Let the page believe that it is hidden, as browsers say it: animation frames stop, and an event tells."""
    await page.evaluate(
        """hidden => {
          Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
          Object.defineProperty(document, 'visibilityState', { value: hidden ? 'hidden' : 'visible', configurable: true });
          window.requestAnimationFrame = hidden ? () => 0 : window.kept ?? window.requestAnimationFrame;
          window.kept ??= window.requestAnimationFrame;
          document.dispatchEvent(new Event('visibilitychange'));
        }""",
        hidden,
    )
