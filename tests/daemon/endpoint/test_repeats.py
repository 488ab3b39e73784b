"""The same request again on one connection: token and credentials are judged each time."""

from __future__ import annotations

import asyncio

from support.raw import asking, dial, filled
from support.world import PATIENCE_SECONDS, World


REPEATS = 5


async def test_a_rotated_token_is_refused_on_an_open_connection(world: World) -> None:
    """After `rotate`, the next request on a connection that was served before is 401, and the new token is served."""
    async with world.serve():
        await world.get()
        old = _request(world)
        async with dial(world.port) as line:
            for _ in range(REPEATS):
                line.send(old)
                assert 200 == (await line.reply()).status
            assert 0 == (await world.run("rotate", "nsrc")).code
            line.send(old)
            refused = await line.reply()
            line.send(_request(world))
            served = await line.reply()

    assert (401, "Unauthorized", 200) == (refused.status, refused.json["code"], served.status)


async def test_forgotten_credentials_are_not_repeated(world: World) -> None:
    """After `forget`, a request on a connection that was served before waits for new credentials."""
    async with world.serve():
        await world.get()
        world.vault.update(hang=True)
        async with dial(world.port) as line:
            for _ in range(REPEATS):
                line.send(_request(world))
                assert 200 == (await line.reply()).status
            assert 0 == (await world.run("forget", "nsrc")).code
            line.send(_request(world))
            assert 100 == (await line.reply()).status


async def test_a_process_that_repeats_its_request_is_suspected(world: World) -> None:
    """Whoever asks again and again on one connection has AWS asked about the session, and is noted once."""
    async with world.serve() as daemon:
        await world.get()
        async with dial(world.port) as line, asyncio.timeout(PATIENCE_SECONDS):
            while not any(call.action == "GetCallerIdentity" for call in world.sts.calls):
                line.send(_request(world))
                assert 200 == (await line.reply()).status
                await asyncio.sleep(0.02)

    assert 1 == len(daemon.events("credentials.handed_out"))


def _request(world: World) -> bytes:
    return filled(asking(), port=str(world.port), token=world.token())
