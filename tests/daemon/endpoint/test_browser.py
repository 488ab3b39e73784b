"""A web page in the user's own browser that knows the right token: it never reads credentials."""

from __future__ import annotations

import asyncio
import json
import os

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from daemon.endpoint import browser
from daemon.endpoint.browser import REBOUND, Page
from support.raw import asking, dial
from support.warm import Warm


pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(
        browser.program() is None and not os.environ.get("MAYFLY_REQUIRE_ALL_TESTS"),
        reason="there is no chromium on this machine",
    ),
]

PAGE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 20\r\nConnection: close\r\n\r\n<h1>free money!</h1>"
)
# What a script gets to see of an answer: its status and text, or that there is none for it.
FETCH = "fetch({url}, {options}).then(async r => r.type + ' ' + r.status + ' ' + await r.text(), e => 'failed')"
ELEMENT = """new Promise(done => {{
    const element = document.createElement({tag});
    element.onload = () => done('loaded');
    element.onerror = () => done('failed');
    element.src = {url};
    document.body.append(element);
}})"""
FORM = """new Promise(done => {{
    const frame = document.createElement('iframe');
    frame.name = 'frame';
    document.body.append(frame);
    const look = () => {{ try {{ done(frame.contentDocument.body.innerText) }} catch (e) {{ done('failed') }} }};
    setTimeout(look, 300);
    const form = document.createElement('form');
    form.method = {method};
    form.action = {url};
    form.target = 'frame';
    document.body.append(form);
    form.submit();
}})"""
SOCKET = """new Promise(done => {{
    const socket = new WebSocket({url}.replace('http', 'ws'));
    socket.onopen = () => done('open');
    socket.onerror = () => done('failed');
}})"""


class Scene(NamedTuple):
    """A browser, the daemon, and a site of somebody else's at `port`."""

    page: Page
    warm: Warm
    port: int

    def url(self, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.warm.world.port}/credentials/nsrc"

    async def refusals(self) -> dict[str, int]:
        told = json.loads((await self.warm.world.run("status", "--json")).out)
        return dict(told["refusals"])

    async def try_it(self, template: str, **words: str) -> str:
        script = template.format(**{name: json.dumps(word) for name, word in words.items()})
        return str(await self.page.run(script))

    async def fetch(self, url: str, **options: Any) -> str:
        script = FETCH.format(url=json.dumps(url), options=json.dumps(options))
        return str(await self.page.run(script))


@asynccontextmanager
async def _site() -> AsyncIterator[int]:
    """A web site with one page."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.readline():
            writer.write(PAGE)
        writer.close()

    server = await asyncio.start_server(answer, "0.0.0.0", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="scene")
async def _scene(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    assert browser.program(), "chromium is required here"
    async with _site() as port, browser.page(tmp_path_factory.mktemp("browser")) as page:
        yield Scene(page, warm, port)


@pytest.fixture(name="token")
def _token(warm: Warm) -> dict[str, str]:
    """The right token, as a script would send it."""
    return {"Authorization": warm.world.token()}


@pytest.mark.parametrize("origin", ["127.0.0.1", "localhost", "0.0.0.0", REBOUND])
async def test_a_page_from_anywhere_else_reads_nothing(scene: Scene, token: dict[str, str], origin: str) -> None:
    """Neither fetch in any mode, nor an image, script, frame, form or WebSocket gets at credentials."""
    await scene.page.visit(f"http://{origin}:{scene.port}/")
    before = await scene.refusals()

    seen = {}
    for host in ("127.0.0.1", "localhost", "0.0.0.0", REBOUND):
        url = scene.url(host)
        seen[host, "fetch"] = await scene.fetch(url)
        seen[host, "fetch with the token"] = await scene.fetch(url, headers=token)
        seen[host, "fetch without looking"] = await scene.fetch(url, mode="no-cors", headers=token)
        seen[host, "hidden fetch"] = await scene.fetch(url, mode="no-cors", referrerPolicy="no-referrer")
        seen[host, "POST"] = await scene.fetch(url, method="POST", body="x", mode="no-cors")
    url = scene.url()
    for tag in ("img", "script"):
        seen[tag] = await scene.try_it(ELEMENT, tag=tag, url=url)
    for method in ("get", "post"):
        seen["form", method] = await scene.try_it(FORM, method=method, url=url)
    seen["WebSocket"] = await scene.try_it(SOCKET, url=url)

    assert {"", "failed", "opaque 0 "} >= set(seen.values()), seen
    after = await scene.refusals()
    assert sum(after.values()) >= sum(before.values()) + 8


async def test_a_rebound_name_is_as_foreign_as_it_sounds(scene: Scene, token: dict[str, str]) -> None:
    """DNS rebinding: same origin for the browser, no CORS, no Referer, the right token; refused for its Host."""
    await scene.page.visit(scene.url(REBOUND))
    before = await scene.refusals()

    answer = await scene.fetch("/credentials/nsrc", headers=token, referrerPolicy="no-referrer")
    text = await scene.page.run("document.body.innerText")

    assert "ForeignHost" in text
    assert answer.startswith("basic 403 ")
    assert "ForeignHost" in answer
    assert (await scene.refusals())["host"] == before.get("host", 0) + 1


async def test_an_address_that_is_typed_shows_nothing(scene: Scene, token: dict[str, str]) -> None:
    """A tab at the endpoint's own address is refused, and so is a script that runs in it."""
    await scene.page.visit(scene.url())

    text = await scene.page.run("document.body.innerText")
    answer = await scene.fetch("/credentials/nsrc", headers=token, referrerPolicy="no-referrer")

    assert "BrowserRequest" in text
    assert answer.startswith("basic 403 ")


async def test_the_daemon_goes_on_as_if_nothing_had_been(scene: Scene) -> None:
    """An honest client beside the browser is served."""
    async with dial(scene.warm.world.port) as line:
        line.send(scene.warm.fill(asking()))
        assert 200 == (await line.reply()).status
