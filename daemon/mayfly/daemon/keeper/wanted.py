"""The sessions that are wanted now: one table, with one value for each session.

Laws: (1) a session is in this table from the moment it is wanted until it is answered, and nowhere else; (2) a value is
replaced, never changed; (3) only `rename` gives a session another name; (4) what leaves the table is answered.
"""

from __future__ import annotations

import asyncio

from collections.abc import Callable
from datetime import datetime
from enum import Enum

import attrs

from mayfly.shared.errors import MayflyError


# None if new credentials came, or else the error.
Answer = asyncio.Future[MayflyError | None]


class Kind(Enum):
    """The kind of exchange that gets a session."""

    LOGIN = "login"
    ROLE = "role"


class State(Enum):
    """The state of a wanted session."""

    QUEUED = "queued for an exchange"
    IN_EXCHANGE = "in an exchange"
    WAITING_FOR_CODE = "waiting for the next one-time password of its MFA device"


def answered(error: MayflyError | None) -> Answer:
    """An answer that is there already."""
    answer: Answer = asyncio.get_running_loop().create_future()
    answer.set_result(error)
    return answer


class PersonsRequest:
    """A `mayfly login` that waits for the session. `through_lock`: until it ends, it allows a prompt through a lock."""

    def __init__(self, *, through_lock: bool) -> None:
        self.through_lock = through_lock
        self.holds = True

    def end(self) -> None:
        """The request has ended, with or without success."""
        self.holds = False


@attrs.frozen(kw_only=True)
class Progress:
    """What the exchange of a session waits for (a name of `shared.stages`), since when, and until when if known."""

    stage: str
    since_at: datetime
    until_at: datetime | None = None


@attrs.frozen(kw_only=True, eq=False)
class Wanted:
    """One session that is wanted.

    `answer` is what all clients of the session wait for. `persons` are the `mayfly login` among them. `code_user` is
    the session that uses the current one-time password of the same MFA device (WAITING_FOR_CODE). `progress`: what its
    exchange has told last.
    """

    kind: Kind
    answer: Answer
    state: State = State.QUEUED
    persons: tuple[PersonsRequest, ...] = ()
    code_user: str | None = None
    progress: Progress | None = None


class WantedSessions:
    """The table. `on_answer` is called after each answer."""

    def __init__(self, on_answer: Callable[[], None]) -> None:
        self._on_answer = on_answer
        self._table: dict[str, Wanted] = {}

    def answer_of(self, name: str) -> Answer | None:
        """The answer that the session's clients wait for, or None if it is not wanted."""
        return self._table[name].answer if name in self._table else None

    def __contains__(self, name: object) -> bool:
        return name in self._table

    def __bool__(self) -> bool:
        return bool(self._table)

    @property
    def names(self) -> list[str]:
        """Every session that is wanted."""
        return list(self._table)

    def answers(self) -> list[Answer]:
        """The answers of all wanted sessions."""
        return [wanted.answer for wanted in self._table.values()]

    def names_in(self, state: State, kind: Kind) -> list[str]:
        """The sessions of one kind in one state, in the order in which they came into the queue."""
        return [name for name, wanted in self._table.items() if wanted.state is state and wanted.kind is kind]

    def is_queued(self, kind: Kind) -> bool:
        """True if any session of this kind waits for an exchange."""
        return any(wanted.kind is kind and wanted.state is State.QUEUED for wanted in self._table.values())

    def is_by_person(self, name: str | None) -> bool:
        """True if the session is wanted, and by a person."""
        return name in self._table and bool(self._table[name].persons)

    def may_pass_lock(self, name: str | None) -> bool:
        """True if a prompt for the session is allowed through a locked screen."""
        return name in self._table and any(one.holds and one.through_lock for one in self._table[name].persons)

    def has_lapsed(self, name: str | None) -> bool:
        """True if a person wanted the session, and a request of theirs has ended: the screen must be looked at."""
        return name in self._table and not all(one.holds for one in self._table[name].persons)

    def is_in_exchange(self, name: str | None) -> bool:
        """True if an exchange is getting the session."""
        return name in self._table and self._table[name].state is State.IN_EXCHANGE

    def code_users(self) -> dict[str, str | None]:
        """Every session that waits for a one-time password, and the session that uses the current one."""
        waiting = State.WAITING_FOR_CODE
        return {name: wanted.code_user for name, wanted in self._table.items() if wanted.state is waiting}

    def progress_of(self, name: str) -> Progress | None:
        """What the session's exchange waits for; None if it has told nothing, or the session is not wanted."""
        return self._table[name].progress if name in self._table else None

    # What changes it

    def add(self, name: str, kind: Kind) -> Answer:
        """Put the session at the end of the queue, unless it is wanted already. Returns its answer."""
        wanted = self._table.setdefault(name, Wanted(kind=kind, answer=asyncio.get_running_loop().create_future()))
        return wanted.answer

    def queue(self, name: str) -> None:
        """Put a session back at the end of the queue. Does nothing if it is no longer wanted."""
        if name in self._table:
            self._table[name] = attrs.evolve(self._table.pop(name), state=State.QUEUED, code_user=None, progress=None)

    def enter_exchange(self, name: str, kind: Kind) -> None:
        """An exchange gets the session. It may come along without having been wanted before."""
        self.add(name, kind)
        self._table[name] = attrs.evolve(self._table[name], state=State.IN_EXCHANGE, code_user=None, progress=None)

    def note_progress(self, name: str, progress: Progress) -> None:
        """The session's exchange waits for something else now. Does nothing if the session is no longer wanted."""
        if name in self._table:
            self._table[name] = attrs.evolve(self._table[name], progress=progress)

    def wait_for_code(self, name: str, code_user: str) -> None:
        """The session gives way to `code_user` until the next one-time password."""
        self._table[name] = attrs.evolve(self._table[name], state=State.WAITING_FOR_CODE, code_user=code_user)

    def mark_person(self, name: str, person: PersonsRequest) -> None:
        """A person wants the session. Does nothing if it is no longer wanted."""
        if name in self._table:
            before = self._table[name]
            self._table[name] = attrs.evolve(before, persons=(*before.persons, person))

    def answer(self, name: str, error: MayflyError | None) -> None:
        """Answer the session's clients, and remove it from the table."""
        wanted = self._table.pop(name, None)
        if wanted and not wanted.answer.done():
            wanted.answer.set_result(error)
        self._on_answer()

    def rename(self, new_names: dict[str, str], current_name: Callable[[str], str | None]) -> None:
        """Give every session its new name from `new_names`; `current_name` tells the new name of any other session."""
        self._table = {
            new_names[name]: attrs.evolve(
                wanted, code_user=current_name(wanted.code_user) if wanted.code_user else None
            )
            for name, wanted in self._table.items()
        }
