"""The stock client in Chromium, on pages of the hub's own site and of others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page
from starlette.applications import Starlette
from starlette.responses import FileResponse, HTMLResponse
from starlette.routing import Mount, Route

from bifrost_store.signalr import AzureSignalR, Limits, LocalService, Reason
from tests.signalr.hubs import build_hub
from tests.signalr.serving import free_socket, serving
from tests.signalr.stock import find_client

pytestmark = [pytest.mark.anyio, pytest.mark.long]
CONNECT = """async ([url, transport, user]) => {
  window.heard = [];
  const options = { accessTokenFactory: () => user, transport: signalR.HttpTransportType[transport] };
  const builder = new signalR.HubConnectionBuilder().withUrl(url, options).withAutomaticReconnect(Array(1000).fill(0));
  window.connection = builder.configureLogging(signalR.LogLevel.None).build();
  connection.on("said", (...args) => heard.push(args));
  connection.onreconnected((id) => { window.back = id; });
  try {
    await connection.start();
    return connection.connectionId;
  } catch (error) {
    return String(error);
  }
}"""


@pytest.fixture(autouse=True)
def _client() -> None:
    if find_client() is None:
        reason = "@microsoft/signalr is not installed; run the tests through nox, which brings it"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


def site(*mounts: Any) -> Starlette:
    """A page with the client's script, beside what is mounted."""
    found = find_client()
    assert found is not None
    packages = found[1] if found[1].name == "node_modules" else found[1] / "node_modules"
    script = Path(packages) / "@microsoft" / "signalr" / "dist" / "browser" / "signalr.min.js"

    async def page(_: Any) -> HTMLResponse:
        return HTMLResponse("<!doctype html><script src=/signalr.js></script>")

    async def code(_: Any) -> FileResponse:
        return FileResponse(script)

    return Starlette(routes=[Route("/", page), Route("/signalr.js", code), *mounts])


@pytest.fixture
def elsewhere() -> Iterator[str]:
    with serving(site()) as url:
        yield url


async def opened(browser: Browser, url: str) -> Page:
    page = await browser.new_page()
    await page.goto(url)
    return page


async def heard(page: Page, what: list[Any]) -> None:
    await page.wait_for_function("(what) => JSON.stringify(heard) === JSON.stringify(what)", arg=what)


@pytest.mark.parametrize("transport", ["WebSockets", "LongPolling"])
async def test_pages_of_the_hubs_site_and_of_allowed_ones_connect_and_others_do_not(
    browser: Browser, elsewhere: str, transport: str
) -> None:
    """A page calls and is called, over both transports; the browser of a foreign page gets nothing."""
    hub = build_hub(allowed_origins=[elsewhere], limits=Limits(close_seconds=0.5))
    with serving(site(Mount("/live", hub)), hub) as url:
        pages = [await opened(browser, url), await opened(browser, elsewhere)]
        for page, user in zip(pages, ("ada", "bob"), strict=True):
            id = await page.evaluate(CONNECT, [f"{url}/live" if user == "bob" else "/live", transport, user])
            assert await hub.is_connection_of(id, user), id
            assert await page.evaluate("connection.invoke('join', 'g')") is True
        await pages[1].evaluate("connection.invoke('emit', 'g', 1, {x: 'ø'})")
        for page in pages:
            await heard(page, [["bob", 1], ["bob", {"x": "ø"}]])
        foreign = await opened(browser, elsewhere.replace("127.0.0.1", "localhost"))

        assert "Failed to" in await foreign.evaluate(CONNECT, [f"{url}/live", transport, "eve"])
        assert hub.counters.refused.keys() <= {Reason.ORIGIN}
        for page in (*pages, foreign):
            await page.close()


async def test_a_page_comes_back_after_a_restart(browser: Browser) -> None:
    """The server stops and another begins at its address: the page reconnects by itself, with another id."""
    with free_socket() as listening:
        port = listening.getsockname()[1]
    page: Page | None = None
    ids = []
    for hub in (build_hub(key="k" * 32), build_hub(key="k" * 32)):
        with serving(site(Mount("/live", hub)), hub, port=port) as url:
            if page is None:
                page = await opened(browser, url)
                ids.append(await page.evaluate(CONNECT, ["/live", "WebSockets", "ada"]))
            else:
                await page.wait_for_function("window.back")
                ids.append(await page.evaluate("window.back"))
                assert await page.evaluate("connection.invoke('echo', 1)") == [1]
            assert await hub.is_connection_of(ids[-1], "ada")
    assert page is not None
    await page.close()

    assert 2 == len(set(ids))


@pytest.mark.parametrize("transport", ["WebSockets", "LongPolling"])
async def test_a_page_of_another_site_listens_at_the_service(browser: Browser, elsewhere: str, transport: str) -> None:
    """Negotiated elsewhere and redirected to the local Azure service, with preflights and tokens in addresses."""
    service = LocalService(limits=Limits(close_seconds=0.5))
    with serving(service, service) as url:
        async with AzureSignalR(service.connection_string(url), hub="live") as sender:
            found = await sender.negotiate("ada")
            page = await opened(browser, elsewhere)
            answer = {"url": found.url, "accessToken": found.access_token}
            await page.route("**/api/negotiate*", lambda route: route.fulfill(json=answer))
            id = await page.evaluate(CONNECT, ["/api", transport, "ada"])
            assert await sender.is_connection_of(id, "ada"), id
            await sender.add_to_group(id, "g")
            await sender.send_to_group("g", "said", 1)
            await heard(page, [[1]])
            await page.close()
