"""One code of a device a step: whoever wants a second one gives way, and comes back with the next.

A courtesy to all others who want to log in, since an exchange that waits for a code lets nobody pass. That no code goes
out twice is the exchange's own law.
"""

from __future__ import annotations

import asyncio

from collections.abc import Callable, Collection
from datetime import datetime

from mayfly.config.model import Config
from mayfly.daemon.keeper.ledger import Ledger
from mayfly.session import CODE_PERIOD_SECONDS
from mayfly.shared.errors import MayflyError


class CodeQueue:
    """Who waits for the next step, each with the name that has its device in this one."""

    def __init__(self) -> None:
        self.waiting: dict[str, str] = {}

    def pick(self, config: Config, names: Collection[str], wanted: Collection[str]) -> list[str]:
        """`names` without the roles whose code another of them will use; those that are wanted wait from now on."""
        roles = [name for name in names if config.chain(name) != config.ancestry(name)]
        first: dict[str, str] = {}
        for name in sorted(names, key=lambda name: (name not in wanted, name in roles)):
            first.setdefault(config.keys_of(name).otp, name)
        later = {name: other for name in roles if (other := first[config.keys_of(name).otp]) != name}
        picked = [name for name in names if name not in later]
        rest = {name: other for name, other in self.waiting.items() if name not in picked}
        self.waiting = rest | {name: other for name, other in later.items() if name in wanted}
        return picked

    def refused(self, ledger: Ledger) -> dict[str, MayflyError]:
        """Who need not wait, because somebody has said no to the one before; and with what."""
        errors = {
            name: ledger[first].last_error for name, first in self.waiting.items() if name in ledger and first in ledger
        }
        told = {name: error for name, error in errors.items() if error and error.needs_human}
        for name in told:
            del self.waiting[name]
        return told

    def give_up(self, names: Collection[str]) -> None:
        """These wait no more: they are gone, or called otherwise."""
        self.waiting = {name: first for name, first in self.waiting.items() if name not in names}

    def call_back(self, now: datetime, come: Callable[[list[str]], object]) -> None:
        """Have whoever waits `come` when this step is over."""
        if self.waiting:
            left_seconds = CODE_PERIOD_SECONDS - now.timestamp() % CODE_PERIOD_SECONDS
            asyncio.get_running_loop().call_later(left_seconds, self._end_wait, tuple(self.waiting), come)

    def _end_wait(self, names: tuple[str, ...], come: Callable[[list[str]], object]) -> None:
        come([name for name in names if self.waiting.pop(name, None)])
