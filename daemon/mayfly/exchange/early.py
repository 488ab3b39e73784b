"""Starts `op` before attrs, cattrs and aiobotocore are imported, which would make a person wait for the prompt.

It does what `login.Login` does before it reads values, in the plain case: nobody holds the lock, no code has to be
waited for, nothing is wrong. In every other case it does nothing: the ordinary way waits, and tells what is wrong.

Law: what `op` prints is read by Login alone, after the whole config has passed its checks, and only if the login that
this config asks for is exactly the one that was begun here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from mayfly.config import document
from mayfly.config.sketch import Sketch, sketches
from mayfly.config.way import PlainWay
from mayfly.exchange import otp_command
from mayfly.exchange.onepassword import lock as oplock
from mayfly.exchange.onepassword.op import Op, in_order
from mayfly.exchange.onepassword.op_program import find_op
from mayfly.exchange.onepassword.sent_codes import Device, SentCodes, devices_of
from mayfly.exchange.sts.environment import check_settings
from mayfly.exchange.sts.location import alternatives_to, location_of
from mayfly.exchange.sts.reachability import unreachability
from mayfly.shared import config_place, trust
from mayfly.shared.plain_request import PlainLogin, plain_login


if TYPE_CHECKING:
    from mayfly.exchange.sts.reachability import Place
    from mayfly.shared.errors import MayflyError


class Asked(NamedTuple):
    """What an `op` is asked for, and the devices whose codes are among it."""

    way: PlainWay
    references: frozenset[str]
    devices: frozenset[Device]


class NotPlain(Exception):
    """Not the plain case."""


class Early:
    """A login that has been begun: the lock is held, and `op` runs. Or none."""

    def __init__(self) -> None:
        self._sented = ExitStack()
        self._running = ExitStack()
        self._sent: SentCodes | None = None
        self._op: Op | None = None
        self._asked: Asked | None = None
        self._tried: dict[Place, MayflyError | None] = {}

    def begin(
        self,
        logins: tuple[Sketch, ...],
        environ: Mapping[str, str],
        clock: Callable[[], datetime],
        check_prompt: Callable[[], None],
    ) -> None:
        """Start `op` for all of `logins`. The ordinary way will meet an error of this call again, and tell it.

        Where STS cannot be reached, no `op` starts. `take_tried` then returns the errors, so that the ordinary way need
        not try again, which would take as long.
        """
        (table,) = {login.table for login in logins}
        way = logins[0].way
        find_op(way, environ, table)
        for words in {login.otp_command for login in logins if login.otp_command}:
            otp_command.find(words, environ)
        stss = {(location_of(login.links, environ), alternatives_to(login.links, environ)) for login in logins}
        for location, _ in stss:
            check_settings(location, environ)
        self._sent = sent = self._sented.enter_context(oplock.held(clock, waits=False))
        devices = [device for login in logins for device in _devices(login)]
        if sent.must_wait(devices):
            raise NotPlain
        sent.wait_for_fresh_codes(devices)
        if way.asks_human:
            self._tried = {place: unreachability(place, environ) for place in stss}
            if any(self._tried.values()):
                return
            check_prompt()
        references = in_order(login.references for login in logins)
        self._op = self._running.enter_context(Op(way, references, environ, table))
        self._asked = Asked(way, frozenset(references), frozenset(devices))

    @contextmanager
    def lock(self, clock: Callable[[], datetime], on_wait: Callable[[], None]) -> Iterator[SentCodes]:
        """Hold the lock for the block, or wait for it. At its end an `op` that was not taken is ended.

        `on_wait` is called if another exchange has the lock.
        """
        sent, self._sent = self._sent, None
        if sent is None:
            with oplock.held(clock, on_wait=on_wait) as sent:
                yield sent
            return
        with self._sented.pop_all(), self._running:
            yield sent

    def take(self, asked: Asked) -> AbstractContextManager[Op] | None:
        """The `op` that runs, if it was asked for just this. Else it is ended."""
        op, self._op = self._op, None
        if op is None or asked != self._asked:
            self._running.close()
            return None
        return _ending(self._running.pop_all(), op)

    def take_tried(self) -> dict[Place, MayflyError | None]:
        """The places of STS that have just been tried, each with the error if it cannot be reached."""
        tried, self._tried = self._tried, {}
        return tried

    def close(self) -> None:
        """End what was begun and not taken."""
        self._op = self._sent = None
        self._running.close()
        self._sented.close()


@contextmanager
def started(
    line: bytes,
    config_name: str | None,
    environ: Mapping[str, str],
    clock: Callable[[], datetime],
    check_prompt: Callable[[], None],
) -> Iterator[Early]:
    """The login that `line` asks for, begun in the plain case. Raises BrokenPipeError from `check_prompt`."""
    early = Early()
    try:
        try:
            early.begin(_logins(line, config_name), environ, clock, check_prompt)
        except BrokenPipeError:
            raise
        except Exception:  # noqa: BLE001 - the ordinary way meets it again, and tells it
            early.close()
        yield early
    finally:
        early.close()


def _logins(line: bytes, config_name: str | None) -> tuple[Sketch, ...]:
    request = plain_login(line)
    if request is None:
        raise NotPlain
    return sketches(_config(request, config_name), request.profiles)


def _config(request: PlainLogin, config_name: str | None) -> document.Document:
    """The config that the daemon read, if nobody else can have written it."""
    path = config_place.config_file(config_name)
    if trust.trust_problems(path):
        raise NotPlain
    found = document.read(path)
    if found.digest != request.digest:
        raise NotPlain
    return found


def _devices(login: Sketch) -> Iterable[Device]:
    return devices_of(login.way.account, login.otp, login.mfa_id)


@contextmanager
def _ending(running: ExitStack, op: Op) -> Iterator[Op]:
    with running:
        yield op
