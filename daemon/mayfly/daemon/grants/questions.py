"""Grants that wait for a person's yes: one question, at the first use, and never through a locked screen."""

from __future__ import annotations

import asyncio

from collections.abc import Callable

from mayfly.daemon.events import Events
from mayfly.daemon.grants.table import AGENT, ENV, FILE, Ask, Grant
from mayfly.daemon.tasks import Tasks
from mayfly.session.trigger import NOBODY, Requester
from mayfly.shared.desk import Desk, Presence
from mayfly.shared.errors import GrantNotAllowed, GrantRefused, MayflyError
from mayfly.shared.text import printable


_PROGRAM_LETTERS = 64
# A program chooses its own name. Most desktops show markup as text; this is for the others.
_MARKUP = str.maketrans(dict.fromkeys("<>&\\", "?"))


class Questions:
    """Puts the questions. `on_change` is called when a person has said something."""

    def __init__(self, desk: Desk, events: Events, tasks: Tasks, on_change: Callable[[], None]) -> None:
        self._desk = desk
        self._events = events
        self._tasks = tasks
        self._on_change = on_change
        self._asked: dict[Grant, asyncio.Task[MayflyError | None]] = {}

    async def check_desktop(self) -> None:
        """Raise GrantRefused if this desktop can show no question."""
        if not await self._desk.can_ask():
            raise GrantRefused(
                "this desktop can show no question (no notify-send, zenity or kdialog), so a grant cannot ask",
                hint="leave --ask out",
            )

    async def allow(self, grant: Grant, requester: Requester = NOBODY) -> None:
        """Return if the grant may be used. Raises GrantNotAllowed after a no, and if nobody can be asked now.

        All clients of the grant share one question. Cancelling one call does not withdraw it.
        """
        problem = None
        if grant.ask is Ask.ASKING:
            asked = self._asked.get(grant) or self._tasks.start(self._ask(grant, requester))
            self._asked[grant] = asked
            await asyncio.wait([asked])
            problem = None if asked.cancelled() else asked.result()
        if not grant.is_allowed:
            raise problem or denied(grant)

    async def _ask(self, grant: Grant, requester: Requester) -> MayflyError | None:
        """Ask a person, and take the answer. Returns why nobody can be asked now."""
        try:
            if await self._is_locked():
                return _locked(grant)
            program = await self._program(requester)
            self._events.info(
                "grant.asked", grant=grant.id, label=grant.label, profile=grant.profile, program=program or None
            )
            answer = await self._desk.ask(question(grant, program))
            if answer and await self._is_locked():
                # Some desktops show notifications in front of the lock, where anybody may press a button.
                return _locked(grant)
        finally:
            self._asked.pop(grant, None)
        if answer is None:
            return _unasked(grant, "the desktop shows no question", _approve(grant) or "leave --ask out")
        self.decide(grant, is_allowed=answer)
        return None

    async def _is_locked(self) -> bool:
        return (await self._desk.scene()).presence is Presence.LOCKED

    async def _program(self, requester: Requester) -> str:
        """The name of the program that asks, "" where it is not known."""
        caller = None
        if requester.inode:
            caller = await self._desk.caller(requester.inode)
        elif requester.pid:
            caller = await self._desk.process(requester.pid)
        return caller.program if caller else ""

    def decide(self, grant: Grant, *, is_allowed: bool) -> None:
        """A person says yes or no; raises GrantNotAllowed for a yes after a no."""
        if is_allowed and grant.ask is Ask.DENIED:
            raise denied(grant)
        grant.ask = Ask.ALLOWED if is_allowed else Ask.DENIED
        if is_allowed:
            self._events.info("grant.allowed", grant=grant.id, label=grant.label, profile=grant.profile)
        else:
            self._events.info("grant.denied", grant=grant.id, label=grant.label, profile=grant.profile)
        self.withdraw(grant)
        self._on_change()

    def withdraw(self, grant: Grant) -> None:
        """Take the question from the screen: a person has answered elsewhere, or the grant has ended."""
        # A task that is cancelled before its first step runs no `finally`.
        if asked := self._asked.pop(grant, None):
            asked.cancel()


def _unasked(grant: Grant, why: str, hint: str) -> GrantNotAllowed:
    return GrantNotAllowed(f"{grant.label} must ask before it gets {grant.profile}, and {why}", hint=hint)


def _locked(grant: Grant) -> GrantNotAllowed:
    hint = ", or ".join(filter(None, ("unlock it and try again", _approve(grant))))
    return _unasked(grant, "the screen is locked", hint)


def unanswered(grant: Grant) -> GrantNotAllowed:
    """The error for a client that has stopped waiting before a person answered."""
    return _unasked(grant, "nobody has answered yet", _approve(grant))


def _approve(grant: Grant) -> str:
    """A hint for a person at a terminal; "" for a grant as file or env, which is not made if it cannot ask."""
    return "" if grant.delivery in (FILE, ENV) else f"run 'mayfly approve {grant.id}'"


def denied(grant: Grant) -> GrantNotAllowed:
    """The error for each use after a no."""
    is_agents = grant.delivery == AGENT
    hint = f"'mayfly revoke {grant.id}' has it ask anew" if is_agents else f"a new one: 'mayfly grant {grant.profile}'"
    return GrantNotAllowed(f"{grant.label} was not allowed to get {grant.profile}", hint=hint)


def question(grant: Grant, program: str) -> str:
    """`claude (label) wants admin, read-only, for 1 h`: in one line, without markup."""
    who = printable(program)[:_PROGRAM_LETTERS].translate(_MARKUP) or "a program"
    narrowed = f", {grant.words}" if grant.words else ""
    return f"{who} ({grant.label}) wants {grant.profile}{narrowed}, for {length(grant.seconds)}"


def length(seconds: int) -> str:
    """`1 h`, `15 min`, `1 h 30 min`, `16 min 40 s`."""
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    return " ".join(f"{count} {unit}" for count, unit in ((hours, "h"), (minutes, "min"), (rest, "s")) if count)
