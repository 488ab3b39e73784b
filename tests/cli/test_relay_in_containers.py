"""`mayfly relay` in a real container, and SDKs in others that share its network: they see nothing of this machine's."""

from __future__ import annotations

import asyncio
import json
import os
import sys

from asyncio.subprocess import PIPE
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from support import containers
from support.containers import PORT, Client, Containers, granted, sidecar
from support.world import WITHOUT_CODES, World


# Podman, for which these images are this machine's own programs, and which gives the relay no network but lo.
PODMAN = """
import json, os, sys
podman, image = json.loads(os.environ["STAND_IN"])
words = sys.argv[1:]
cut = next((at for at, word in enumerate(words) if word in {"python:3-alpine", "example/app"}), None)
if cut:
    alone = ["--network=none"] if "-d" in words else []
    words = [words[0], *alone, *words[1:cut], *image, *words[cut + 1 :]]
os.execvp(podman[0], [*podman, *words])
"""
# For each line that it reads, an SDK that has just started finds credentials.
CLIENT = """
import os, sys, boto3
print(os.getuid(), os.listdir("/sys/class/net"), flush=True)
for _ in sys.stdin:
    print(boto3.Session().get_credentials().get_frozen_credentials().access_key, flush=True)
"""


@pytest.fixture(name="engine")
def _engine(open_folder: Path) -> Containers:
    reason = containers.missing()
    if reason and not os.environ.get("MAYFLY_REQUIRE_ALL_TESTS"):
        pytest.skip(reason)
    assert "" == reason
    if reason := containers.forbidden():
        pytest.skip(reason)
    return Containers(open_folder)


@pytest.mark.slow
async def test_boto3_gets_credentials_through_a_sidecar(world: World, engine: Containers, open_folder: Path) -> None:
    """Cold, with a human of some seconds; warm; and while the daemon restarts, by a grant's socket."""
    world.write_toml(WITHOUT_CODES)
    world.vault.update(prompt={"answer": "ignore"})
    async with asyncio.timeout(120), AsyncExitStack() as stack:
        async with world.serve() as served:
            folder, token = await granted(world)
            name, relay = await stack.enter_async_context(sidecar(engine, folder))
            env = {
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{PORT}/credentials/nsrc",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN": token,
            }
            program = (sys.executable, "-c", CLIENT)
            running = engine.running(*program, network=f"container:{name}", paths=containers.python(), env=env)
            client = Client((await stack.enter_async_context(running))[1])
            assert f"{containers.USER} ['lo']" == await client.answer()
            client.ask()
            await served.event("approval.wanted")
            await asyncio.sleep(3)  # longer than boto3 waits for a byte
            world.vault.update(prompt={"answer": "approve"})
            cold = await client.answer()
            client.ask()
            warm = await client.answer()
            assert [(await world.get()).json["AccessKeyId"]] * 2 == [cold, warm]
        client.ask()
        await asyncio.sleep(1)
        async with world.serve():
            assert await client.answer() == (await world.get()).json["AccessKeyId"] != cold
        relay.terminate()

        assert 0 == await relay.wait()


@pytest.mark.slow
async def test_the_recipe_for_podman_runs(world: World, engine: Containers, open_folder: Path) -> None:
    """Pasted as it is printed, in the place of an image what this machine has: it gets a grant's credentials.

    Also from the daemon that comes after a restart; and no more once the grant is revoked.
    """
    world.write_toml(WITHOUT_CODES)
    (open_folder / "podman").write_text(f"#!{sys.executable} -IS\n{PODMAN}")
    (open_folder / "podman").chmod(0o755)
    text = (await world.run("recipe", "podman", "nsrc", "--", "example/app", sys.executable, "-c", CLIENT)).out
    text = text.replace("run --rm --net", "run --rm -i --net")  # the client reads
    env = {
        "PATH": f"{open_folder}:{world.env['PATH']}:{os.environ['PATH']}",
        "STAND_IN": json.dumps([containers.PODMAN, engine.image(*containers.python())]),
    }
    async with AsyncExitStack() as stack:
        async with world.serve():
            key = (await world.get()).json["AccessKeyId"]
            process = await asyncio.create_subprocess_exec(
                *("sh", "-c", text), stdin=PIPE, stdout=PIPE, stderr=PIPE, env=world.with_env(env), cwd=world.home
            )
            stack.callback(lambda: process.returncode is None and process.terminate())
            client = Client(process)
            assert "0 ['lo']" == await client.answer()
            client.ask()
            assert key == await client.answer()
        async with world.serve() as served:
            client.ask()
            assert await client.answer() not in {key, ""}
            await world.run("revoke", "podman")
            out, err = await process.communicate(b"\n")
            # The script takes the relay away before it ends.
            assert "revoked" == (await served.event("grant.ended"))["cause"]

    assert (1, b"") == (process.returncode, out)
    # The grant's folder has gone, so the relay says why.
    assert b"Error when retrieving credentials from container-role" in err
    assert b"this grant has ended" in err
