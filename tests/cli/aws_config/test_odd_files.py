"""A file in `~/.aws` that is no plain file, or far too large: nothing waits for it, and one line names it."""

from __future__ import annotations

import asyncio
import os

from pathlib import Path

import pytest

from support.world import Ended, World


QUICKLY_SECONDS = 8
REASONS = {"pipe": "is a pipe", "device": "is a device", "huge file": "is larger than 16777216 bytes"}


def put(world: World, name: str, kind: str) -> Path:
    path = Path(world.home, ".aws", name)
    path.parent.mkdir(exist_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        with path.open("wb") as file:
            file.truncate(17 * 1024 * 1024)
    return path


async def run(world: World, *argv: str) -> Ended:
    async with asyncio.timeout(QUICKLY_SECONDS):
        return await world.run(*argv)


def errors(ended: Ended) -> list[str]:
    return [line for line in ended.err.splitlines() if "error" in line]


@pytest.mark.parametrize("kind", REASONS)
async def test_the_lines_are_printed_and_not_written(world: World, kind: str) -> None:
    """`aws-config` prints as where the config cannot be read, and `--write` says why it writes nothing."""
    path = put(world, "config", kind)
    printed = await run(world, "aws-config")
    written = await run(world, "aws-config", "--write")

    assert 0 == printed.code, printed.err
    assert "[profile nsrc]" in printed.out
    assert (1, [f"mayfly: error: {path} {REASONS[kind]}"]) == (written.code, errors(written))
    assert [path] == list(path.parent.iterdir())


@pytest.mark.parametrize("kind", REASONS)
async def test_odd_credentials_stop_no_write(world: World, kind: str) -> None:
    """They can give no credentials that win over ours; SDKs cannot read them either."""
    config = put(world, "credentials", kind).with_name("config")
    ended = await run(world, "aws-config", "--write")

    assert 0 == ended.code, ended.err
    assert "[profile nsrc]" in config.read_text()


@pytest.mark.parametrize("name", ["config", "credentials"])
@pytest.mark.parametrize("kind", REASONS)
async def test_nothing_is_imported_from_it(world: World, kind: str, name: str) -> None:
    """As where a file cannot be read."""
    path = put(world, name, kind)
    ended = await run(world, "import-aws-config", "--item", "op://NSRC/ann")

    assert (1, "", [f"mayfly: error: {path} {REASONS[kind]}"]) == (ended.code, ended.out, errors(ended))
