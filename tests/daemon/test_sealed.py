"""`serve --sealed`, as its unit starts it, and without one."""

from __future__ import annotations

from support.world import World


async def test_an_op_that_only_the_exchange_can_see_is_no_hindrance(world: World) -> None:
    """Behind the seal `op` may not be seen, as where it lies in /tmp; the exchange, which runs it, judges it."""
    without_op = {"PATH": "/nonexistent"}
    by_hand = await world.run("serve", env=without_op)
    async with world.serve("--sealed", env=without_op):
        status = await world.run("status")

    assert 1 == by_hand.code
    assert 0 == status.code
