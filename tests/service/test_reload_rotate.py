"""`mayfly reload` and `mayfly rotate`, and a control socket and port that are inherited without a manager."""

from __future__ import annotations

from world import World


async def test_reload_without_a_daemon_is_told(world: World) -> None:
    """Where no daemon runs, `reload` ends with 3."""
    ended = await world.run("reload")

    assert 3 == ended.code
    assert "mayfly: error: the daemon does not run" in ended.err


async def test_a_rotated_token_locks_the_old_one_out(world: World) -> None:
    """After `rotate`, the running daemon knows the new token, and no longer the old one."""
    async with world.serve():
        old = world.token()
        ended = await world.run("rotate", "nsrc")
        refused, served = await world.get(token=old), await world.get()

    assert 0 == ended.code
    assert old != world.token()
    assert (401, 200) == (refused.status, served.status)


async def test_rotating_needs_no_daemon_but_a_profile(world: World) -> None:
    """Without a daemon the token is made anew all the same; a profile that is not there is told, with the nearest."""
    made = await world.run("rotate")
    wrong = await world.run("rotate", "nsrk")

    assert (0, 2) == (made.code, wrong.code)
    assert "nsrc: new token in " in made.out
    assert "did you mean nsrc?" in wrong.err
