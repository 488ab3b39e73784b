"""SDKs in containers without a network, beside one relay to the socket of one grant.

They ask cold, while a human takes his time; warm; after a restart of the daemon; while it is down; and they wait for
the human while it restarts. Their processes, the containers and the relay live through all of it.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from tests.sdks import toolchains
from tests.sdks.pointed import pointed
from tests.sdks.toolchains import Built
from tests.support import containers
from tests.support.containers import Containers
from tests.support.world import WITHOUT_CODES, World

from mayfly.demo.sts.server import EmbeddedSts


START_SECONDS = 60
ANSWER_SECONDS = 30
# A restart takes less.
DOWN_SECONDS = 2
# Java gives up after 6 s without a daemon, boto3 after 9 s, Go after 15 s, JavaScript after 24 s: docs/containers.md.
LEAST_PATIENCE_SECONDS = 5


class Answer(NamedTuple):
    """An access key id, or why there is none; and when it came."""

    text: str
    at: float


class Contained:
    """An SDK in a container, and what it has shown."""

    def __init__(self, client: containers.Client) -> None:
        self._client = client
        self._words: list[str] = []
        self.is_well = True

    @property
    def told(self) -> tuple[bool, str]:
        return self.is_well, ", ".join(self._words)

    async def fetch(self, within: float = ANSWER_SECONDS) -> Answer:
        """What it finds, asking anew."""
        self._client.ask()
        try:
            async with asyncio.timeout(within):
                text = await self._client.answer()
        except TimeoutError:
            text = "no answer"
        except AssertionError as reason:
            text = f"it has ended: {(str(reason).splitlines() or ['no word'])[-1]}"
        return Answer(text, time.monotonic())

    def shows(self, what: str, since: float, answer: Answer, expected: str) -> None:
        """That it has found the `expected` key, or that it failed."""
        seconds = answer.at - since
        if answer.text == expected:
            self.says(f"{what} {seconds:.2f} s")
        else:
            self.fails(f"{what}: after {seconds:.1f} s {answer.text[:200]}")

    def says(self, words: str) -> None:
        self._words.append(words)

    def fails(self, words: str) -> None:
        self.is_well = False
        self._words.append(words)


Asking = Mapping[Contained, asyncio.Task[Answer]]


async def together(built: Mapping[str, Built], human_seconds: float) -> dict[str, tuple[bool, str]]:
    """For each SDK, whether it had credentials all the time, and how many seconds it waited for them."""
    with tempfile.TemporaryDirectory(prefix="mayfly-sdks-") as name:
        world = World(Path(name))
        world.write_toml(WITHOUT_CODES)
        # 1Password asks each time that it is read.
        world.vault.update(prompt={"answer": "ignore"}, auth={"session_key": "per-process"})
        async with EmbeddedSts(world.account()) as sts, AsyncExitStack() as stack:
            world.sts = sts
            async with world.serve():
                relay, sdks = await stack.enter_async_context(_placed(world, built))
                await _cold(world, relay, sdks.values(), human_seconds)
                await _warm(world, sdks.values())
            async with world.serve():
                await _ask(world, "after a restart", sdks.values())
            await _while_down(world, sdks.values())
            await _held_over(world, relay, sdks.values())
            return {name: sdk.told for name, sdk in sdks.items()}


@asynccontextmanager
async def _placed(world: World, built: Mapping[str, Built]) -> AsyncIterator[tuple[str, dict[str, Contained]]]:
    """The name of the relay's container, and each SDK in another, which shares its network."""
    folder, token = await containers.granted(world)
    with tempfile.TemporaryDirectory(prefix="mayfly-sdks-") as name:
        engine = Containers(Path(name))
        async with containers.sidecar(engine, folder) as (relay, _), AsyncExitStack() as stack:
            sdks = {}
            for sdk, (_, argv, env) in built.items():
                variables = pointed(containers.PORT, token) | env
                running = engine.running(*argv, network=f"container:{relay}", paths=_paths(), env=variables)
                sdks[sdk] = Contained(containers.Client((await stack.enter_async_context(running))[1]))
            yield relay, sdks


def _paths() -> list[Path]:
    """What the SDKs run, and run with."""
    wanted = (toolchains.cache_folder(), toolchains.SOURCES, Path.home() / ".m2", *containers.python())
    return [path for path in wanted if path.exists()]


async def _cold(world: World, relay: str, sdks: Iterable[Contained], human_seconds: float) -> None:
    """All of them wait for one prompt: the human's time begins with the last."""
    asking = await _waiting(relay, sdks, human_seconds)
    since = time.monotonic()
    await asyncio.wait(asking.values(), timeout=human_seconds)
    world.vault.update(prompt={"answer": "approve"})
    await _answered(world, "cold", since, asking)


async def _waiting(relay: str, sdks: Iterable[Contained], seconds: float) -> Asking:
    """Those that are well ask, and are all connected; their answers, which may take so many seconds more."""
    limit = START_SECONDS + seconds + ANSWER_SECONDS
    asking = {sdk: asyncio.ensure_future(sdk.fetch(limit)) for sdk in sdks if sdk.is_well}
    async with asyncio.timeout(START_SECONDS):
        while await containers.connections(relay) < sum(not answer.done() for answer in asking.values()):
            await asyncio.sleep(0.1)
    return asking


async def _answered(world: World, what: str, since: float, asking: Asking) -> None:
    answers = await asyncio.gather(*asking.values())
    key = await _key(world)
    for sdk, answer in zip(asking, answers, strict=True):
        sdk.shows(what, since, answer, key)


async def _warm(world: World, sdks: Iterable[Contained]) -> None:
    """Each asks the daemon again, which reads nothing from 1Password."""
    asked = [sdk for sdk in sdks if sdk.is_well]
    before = await _reads_and_uses(world)
    await _ask(world, "warm", asked)
    after = await _reads_and_uses(world)
    if (before[0], before[1] + len(asked)) != after:
        for sdk in asked:
            reads, uses = after[0] - before[0], after[1] - before[1]
            sdk.fails(f"with {reads} reads of 1Password and {uses} answers for {len(asked)} clients")


async def _reads_and_uses(world: World) -> tuple[int, int]:
    """How often 1Password was read, and the grant used."""
    (grant,) = json.loads((await world.run("grants", "--json")).out)
    return world.vault.state()["calls"], grant["uses"]


async def _ask(world: World, what: str, sdks: Iterable[Contained]) -> None:
    """Those that are well ask at once."""
    since = time.monotonic()
    asking = {sdk: asyncio.ensure_future(sdk.fetch()) for sdk in sdks if sdk.is_well}
    await _answered(world, what, since, asking)


async def _while_down(world: World, sdks: Iterable[Contained]) -> None:
    """They ask while the daemon is down. One that gives up may do so after its patience only, and asks again."""
    asked = [sdk for sdk in sdks if sdk.is_well]
    since = time.monotonic()
    asking = asyncio.gather(*(sdk.fetch() for sdk in asked))
    await asyncio.sleep(DOWN_SECONDS)
    async with world.serve():
        down = time.monotonic() - since
        answers = await asking
        key = await _key(world)
        gave_up = []
        for sdk, answer in zip(asked, answers, strict=True):
            if down > LEAST_PATIENCE_SECONDS and answer.text.startswith("failed: "):
                sdk.says(f"gave up after {answer.at - since:.1f} s of {down:.1f} s without a daemon")
                gave_up.append(sdk)
            else:
                sdk.shows("asked while down", since, answer, key)
        await _ask(world, "then", gave_up)


async def _held_over(world: World, relay: str, sdks: Iterable[Contained]) -> None:
    """They wait for the human while the daemon restarts, and he approves the next one's prompt."""
    world.vault.update(prompt={"answer": "ignore"})
    async with world.serve():
        asking = await _waiting(relay, sdks, ANSWER_SECONDS)
    since = time.monotonic()
    world.vault.update(prompt={"answer": "approve"})
    async with world.serve():
        await _answered(world, "held over a restart", since, asking)


async def _key(world: World) -> str:
    """The one that the daemon has; "" if it has none."""
    return str((await world.get()).json.get("AccessKeyId", ""))
