"""The exchange: reads one request from standard input, writes one line a profile to standard output, and ends.

`python -I -m mayfly.exchange [--config FILE]`. The config file alone says what it runs and calls; it reads it itself.
"""

from __future__ import annotations

import gc
import os
import signal
import sys

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import attrs

from mayfly.config.load import load
from mayfly.config.model import Config
from mayfly.exchange import descendants, peer_check
from mayfly.exchange.login import Login
from mayfly.exchange.onepassword import child
from mayfly.exchange.prompt_permission import PromptPermission
from mayfly.exchange.sts.environment import seal_environment
from mayfly.shared import hardening, paths, stages, wire
from mayfly.shared.credentials import Credentials
from mayfly.shared.errors import ConfigChanged, ExchangeFailed, MayflyError
from mayfly.shared.stages import Stage
from mayfly.shared.text import printable
from mayfly.shared.wire import Report, Request, Result


def main() -> int:
    """Run one exchange, and return its exit code.

    0: every profile got a result, or there was no request. 1: the daemon no longer listens. 2: the request is
    malformed, or does not come from the daemon, or comes from a daemon of another version, which is told so.

    Every process that the exchange has started ends with it.
    """
    _prepare_process()
    if not peer_check.may_ask(STDIN):
        _print_error(f"only {peer_check.UNIT} may ask")
        return 2
    try:
        config_name, request = _config_named(sys.argv[1:]), _request()
    except wire.OtherVersion as other:
        _print_error("the daemon is of another version: restart it")
        with suppress(BrokenPipeError):
            _write(other.answer())
        return 2
    except _MALFORMED:
        _print_error("this is no request")
        return 2
    try:
        if request:
            peer_check.end_with_peer(STDIN)
            _answer(request, config_name)
    except BrokenPipeError:
        return 1
    finally:
        descendants.kill_descendants()
        # At exit Python would collect botocore's garbage once more. That takes 80 ms, in which secrets stay in memory
        # and the next login waits.
        gc.freeze()
    return 0


STDIN = 0

# What a malformed request or command line raises.
_MALFORMED = (ValueError, TypeError, KeyError, RecursionError)


def _prepare_process() -> None:
    """Seal the environment against other endpoints, and undo the signal settings of the parent."""
    hardening.forbid_core_dumps()
    seal_environment(os.environ)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in _END_SIGNALS:
        signal.signal(number, _end)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _config_named(argv: list[str]) -> str | None:
    match argv:
        case []:
            return None
        case ["--config", name]:
            return name
        case _:
            raise ValueError("expected --config FILE")


def _request() -> Request | None:
    """The request; None if the client closed its end without one."""
    line = sys.stdin.buffer.readline(wire.MAX_REQUEST_BYTES + 1)
    return wire.parse_request(line) if line else None


def _answer(request: Request, config_name: str | None) -> None:
    wanted = dict.fromkeys(request.subjects)

    def emit(result: Result | Stage) -> None:
        if isinstance(result, Stage):
            waiting = tuple(name for name in result.profiles if name in wanted)
            if request.with_stages and waiting:
                _write(wire.stage_bytes(attrs.evolve(result, profiles=waiting)))
            return
        # A chain may need a role in the middle that was not asked for.
        if result.profile in wanted:
            del wanted[result.profile]
            _clean(result.outcome)
            _write(wire.result_bytes(result))

    error = _run(request, config_name, emit) or ExchangeFailed("the exchange found nothing to say")
    for name in tuple(wanted):
        emit(Result(profile=name, outcome=error))


def _clean(outcome: object) -> None:
    """Leave only printable characters in an error: a person reads it, and `op`, AWS and paths may be quoted in it."""
    if isinstance(outcome, MayflyError):
        outcome.message, outcome.hint = printable(outcome.message), printable(outcome.hint)


def _run(request: Request, config_name: str | None, emit: Report) -> MayflyError | None:
    """Carry out the request. Returns an error that holds for every profile without a result of its own."""
    try:
        _KINDS[request.kind](request, _config(request, config_name), emit)
    except MayflyError as error:
        return error
    except BrokenPipeError:
        raise
    except Exception as bug:  # noqa: BLE001 - a traceback could show a secret, and the daemon waits for an answer
        place = _place(bug)
        _print_error(f"{type(bug).__name__} at {place}")
        return ExchangeFailed(f"the exchange failed at {place}", hint="please report this, with the daemon's log")
    return None


def _config(request: Request, config_name: str | None) -> Config:
    config = load(paths.config_file(config_name))
    if config.digest != request.digest:
        raise ConfigChanged(f"{config.source} has changed since the daemon read it")
    if any(name not in config.profiles for name in (*request.profiles, *request.sessions)):
        raise ExchangeFailed("the request names a profile that is not configured")
    return config


def _login(request: Request, config: Config, emit: Report) -> None:
    """Log in with codes from `op`, one [onepassword] table after the other; after each time step assume the roles."""
    bases = {name: config.session_of(config.base_of(name)) for name in request.profiles}

    def emit_with_roles_above(result: Result | Stage) -> None:
        if isinstance(result, Stage):
            waiting = tuple(name for name, base in bases.items() if base in result.profiles)
            emit(attrs.evolve(result, profiles=tuple(dict.fromkeys((*result.profiles, *waiting)))))
            return
        above = [name for name, base in bases.items() if base == result.profile]
        for name in above if isinstance(result.outcome, MayflyError) else ():
            emit(Result(profile=name, outcome=result.outcome))
        emit(result)

    permission = PromptPermission(_ask_permission, _now)
    for onepassword in dict.fromkeys(config.onepassword_of(base) for base in bases.values()):
        names = dict.fromkeys(base for base in bases.values() if config.onepassword_of(base) == onepassword)
        login = Login(config, onepassword, os.environ, _now, emit_with_roles_above, permission)
        for new_credentials in login.run(names):
            roles = [name for name, base in bases.items() if name != base and base in new_credentials]
            _assume_all(roles, {**request.sessions, **new_credentials}, config, emit)


def _assume(request: Request, config: Config, emit: Report) -> None:
    _assume_all(request.profiles, request.sessions, config, emit)


def _assume_all(names: Sequence[str], sessions: Mapping[str, Credentials], config: Config, emit: Report) -> None:
    if not names:
        return
    emit(Stage(name=stages.AWS, profiles=tuple(names)))
    import asyncio

    from mayfly.exchange.sts.roles import Roles

    hardening.forbid_dumping()
    asyncio.run(Roles(config, os.environ, _now, emit).run(names, sessions))


def _verify(request: Request, config: Config, emit: Report) -> None:
    import asyncio

    from mayfly.exchange.sts.identity import verify

    hardening.forbid_dumping()
    asyncio.run(verify(request, config, os.environ, _now, emit))


_KINDS = {"login": _login, "assume": _assume, "verify": _verify}


def _now() -> datetime:
    return datetime.now(UTC)


def _ask_permission() -> None:
    """Ask the daemon whether a prompt may still come. No answer means that the daemon no longer listens."""
    _write(wire.MAY_I)
    if sys.stdin.buffer.readline(len(wire.YOU_MAY)) != wire.YOU_MAY:
        raise BrokenPipeError


def _write(line: bytes) -> None:
    """Write the whole line, unbuffered: Python would print an error for a buffer that it cannot flush at exit."""
    while line:
        line = line[os.write(1, line) :]


def _print_error(text: str) -> None:
    with suppress(OSError):
        os.write(2, f"mayfly.exchange: error: {text}\n".encode())


def _place(bug: BaseException) -> str:
    """File and line of the exception: its text could show a value."""
    trace = bug.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "?"


_END_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def _end(number: int, _frame: object) -> NoReturn:
    """On a signal to end: end every process that was started, then exit. A second signal changes nothing.

    It raises no exception: Python drops one that is raised in a destructor, and an import that is interrupted by one
    can block on its own lock.
    """
    for other in _END_SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    child.end_all()
    os._exit(128 + number)
