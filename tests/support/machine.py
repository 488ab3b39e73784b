"""A state machine of hypothesis around a running keeper, in a loop whose time is the test's."""

from __future__ import annotations

import asyncio

from collections.abc import Callable
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine, invariant

from support.stage import Stage, TestLoop


PATIENCE_SECONDS = 900


class KeeperMachine(RuleBasedStateMachine):
    """What holds for every keeper. The rules of a machine put clients into `waiting`, and begin with `run`."""

    stage: Stage

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=TestLoop)
        self.waiting: list[asyncio.Task[Any]] = []

    def act(self, work: Any) -> Any:
        return self.runner.run(work)

    def start(self, make: Callable[[], Stage]) -> None:
        """Make the stage in the loop; its keeper begins to run."""

        async def start() -> None:
            self.stage = make()
            self.work = asyncio.ensure_future(self.stage.keeper.run())
            await asyncio.sleep(0)

        self.act(start())

    @invariant()
    def no_fault_of_ours(self) -> None:
        if hasattr(self, "stage"):
            assert [] == self.stage.log.told("task.failed")

    def teardown(self) -> None:
        """Every client is answered, with credentials or with a MayflyError."""
        if not hasattr(self, "stage"):
            return

        async def end() -> list[bool]:
            await asyncio.sleep(PATIENCE_SECONDS)
            ended = [task.done() for task in self.waiting]
            self.work.cancel()
            await asyncio.gather(self.work, return_exceptions=True)
            return ended

        try:
            assert [True] * len(self.waiting) == self.act(end())
            assert [] == [task.exception() for task in self.waiting if not task.cancelled() and task.exception()]
        finally:
            self.runner.close()
