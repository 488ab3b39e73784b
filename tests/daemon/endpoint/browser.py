"""A real browser without a window, spoken to by its debugging protocol."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse


PATIENCE_SECONDS = 60
# A name that anybody's DNS may point at this machine.
REBOUND = "rebind.test"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1",
)


def program() -> str | None:
    """The browser, if this machine has one."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Page:
    """One tab."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)

    async def visit(self, url: str) -> None:
        """Go to `url`, and return when the page is there, whatever it is."""
        await self._call("Page.enable")
        await self._call("Page.navigate", url=url)
        while (await self._message()).get("method") != "Page.loadEventFired":
            pass

    async def run(self, script: str) -> Any:
        """The value of a script's promise, in the page."""
        told = await self._call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        return told["result"].get("value")

    async def _call(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while (message := await self._message()).get("id") != number:
            pass
        return message["result"]

    async def _message(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            message: dict[str, Any] = json.loads(await self._socket.receive_str())
            return message


@asynccontextmanager
async def page(folder: Path) -> AsyncIterator[Page]:
    """A tab of a new browser whose files are in `folder`."""
    process = await asyncio.create_subprocess_exec(
        *(str(program()), *FLAGS, f"--user-data-dir={folder}", "about:blank"),
        stderr=asyncio.subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
    )
    try:
        port = await _port(folder / "DevToolsActivePort")
        async with ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json") as tabs:
                url = next(tab["webSocketDebuggerUrl"] for tab in await tabs.json() if tab["type"] == "page")
            async with session.ws_connect(url) as socket:
                yield Page(socket)
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _port(file: Path) -> int:
    """Where the browser listens, as soon as it has said so."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (found := _lines(file)):
            await asyncio.sleep(0.05)
    return int(found[0])


def _lines(file: Path) -> list[str]:
    """The lines of a file, none as long as it is not there or not complete."""
    text = file.read_text() if file.exists() else ""
    return text.splitlines() if "\n" in text else []
