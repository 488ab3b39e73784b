"""Ask for credentials with real SDKs, cold, while a human takes 20 s to approve the prompt.

An MCP server is in a grant, and works on after its first credentials have ended. Where podman and runc are installed,
four SDKs ask from containers, by a grant's socket and a relay: all wait for one prompt, then ask again, after a restart
of the daemon and while it is down.
Prints how many seconds after the prompt, or after it asked, each SDK had credentials. Exit code 1 where one got none;
an SDK whose toolchain is missing, or whose libraries cannot be fetched, is skipped with the reason.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time

from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from tests.sdks import contained, mcp_server, toolchains
from tests.sdks.pointed import pointed
from tests.sdks.toolchains import Built, Missing
from tests.support import containers
from tests.support.world import World

from mayfly.demo.sts.server import EmbeddedSts


HUMAN_SECONDS = 20
START_SECONDS = 60
ANSWER_SECONDS = 30


class Client(NamedTuple):
    """An SDK, and the human who keeps it waiting."""

    name: str
    build: Callable[[], Built]
    human_seconds: float = HUMAN_SECONDS
    is_contained: bool = False
    # Another trial than to wait for the human.
    trial: Callable[[Built], Awaitable[tuple[bool, str]]] | None = None


CLIENTS = {
    "boto3": Client("boto3", toolchains.boto3),
    "awscli": Client("awscli", toolchains.awscli),
    "js": Client("JavaScript v3", toolchains.node),
    "cpp": Client("C++ (pyarrow)", toolchains.pyarrow),
    "go": Client("Go v2", toolchains.go),
    "terraform": Client("Terraform's request", toolchains.old_go),
    "java": Client("Java v2", toolchains.java),
    # It gives up after 18 to 21 s, whatever it is sent: docs/sdks.md.
    "rust": Client("Rust", toolchains.rust, human_seconds=12),
    "mcp": Client("MCP server", toolchains.mcp, 0, trial=mcp_server.outlives_its_credentials),
    # Tried together.
    "boto3-contained": Client("boto3, contained", toolchains.boto3, is_contained=True),
    "js-contained": Client("JavaScript, contained", toolchains.node, is_contained=True),
    "go-contained": Client("Go, contained", toolchains.go, is_contained=True),
    "java-contained": Client("Java, contained", toolchains.java, is_contained=True),
}


async def _wait_cold(client: Client, built: Built) -> tuple[bool, str]:
    """Whether the client got credentials, and how."""
    with tempfile.TemporaryDirectory(prefix="mayfly-sdks-") as folder:
        world = World(Path(folder))
        async with EmbeddedSts(world.account()) as sts:
            world.sts = sts
            world.vault.update(prompt={"answer": "ignore"})
            async with world.serve():
                env = world.env | pointed(world.port, world.token()) | built.env
                return await _asked(world, client, built.argv, env)


async def _asked(world: World, client: Client, argv: tuple[str, ...], env: dict[str, str]) -> tuple[bool, str]:
    process = await asyncio.create_subprocess_exec(*argv, stdin=PIPE, stdout=PIPE, stderr=PIPE, cwd=world.home, env=env)
    ending = asyncio.ensure_future(process.communicate(b"\n"))
    try:
        async with asyncio.timeout(START_SECONDS):
            while not world.vault.state()["prompts"] and not ending.done():
                await asyncio.sleep(0.02)
        asked_at = time.monotonic()
        await asyncio.wait([ending], timeout=client.human_seconds)
        gave_up = ending.done()
        world.vault.update(prompt={"answer": "approve"})
        async with asyncio.timeout(ANSWER_SECONDS):
            out, err = await ending
        seconds = time.monotonic() - asked_at
    except TimeoutError:
        return False, "it neither asked nor ended in time"
    finally:
        if process.returncode is None:
            process.kill()
    if gave_up:
        return False, f"gave up after {seconds:.1f} s: {_last_line(out + err)}"
    expected = {(await world.get()).json["AccessKeyId"], f"arn:aws:iam::{world.account().account_id}:user/carmas"}
    if out.decode().strip() not in expected:
        return False, f"no credentials after {seconds:.1f} s: {_last_line(out + err)}"
    return True, f"credentials after {seconds:.1f} s"


def _last_line(raw: bytes) -> str:
    return (raw.decode(errors="replace").strip().splitlines() or ["no word"])[-1][:200]


class Report:
    """The lines that are printed, one for each SDK, and how many say what."""

    def __init__(self) -> None:
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}

    def skip(self, client: Client, reason: Missing) -> None:
        self.counts["skipped"] += 1
        print(f"{client.name:21} skipped: {reason}", flush=True)

    def add(self, client: Client, built: Built, told: tuple[bool, str]) -> None:
        is_well, what = told
        self.counts["passed" if is_well else "failed"] += 1
        human = f"human {client.human_seconds:.0f} s" if client.human_seconds else ""
        print(f"{client.name:21} {built.version:12} {human:12} {'ok' if is_well else 'FAILED':8} {what}", flush=True)


async def _all(names: list[str]) -> bool:
    report = Report()
    inside: dict[str, Built] = {}
    for name in names:
        client = CLIENTS[name]
        try:
            built = await asyncio.to_thread(_built, client)
        except Missing as reason:
            report.skip(client, reason)
            continue
        if client.is_contained:
            inside[name] = built
        else:
            report.add(client, built, await (client.trial(built) if client.trial else _wait_cold(client, built)))
    for name, told in (await contained.together(inside, HUMAN_SECONDS) if inside else {}).items():
        report.add(CLIENTS[name], inside[name], told)
    print(", ".join(f"{count} {word}" for word, count in report.counts.items()))
    return report.counts["failed"] == 0


def _built(client: Client) -> Built:
    """Its program; raises Missing."""
    if client.is_contained and (reason := containers.missing() or containers.forbidden()):
        raise Missing(reason)
    return client.build()


def main() -> None:
    """Try the SDKs that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.sdks", description=__doc__)
    parser.add_argument("sdks", nargs="*", metavar="SDK", help=f"of {', '.join(CLIENTS)}; all, if none is named")
    chosen = parser.parse_args().sdks or list(CLIENTS)
    if unknown := set(chosen) - CLIENTS.keys():
        parser.error(f"no such SDK: {', '.join(sorted(unknown))}")
    sys.exit(0 if asyncio.run(_all(chosen)) else 1)


if __name__ == "__main__":
    main()
