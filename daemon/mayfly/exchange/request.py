"""Carries out one request. Imported once `op` runs, because attrs and cattrs take as long as four interpreters."""

from __future__ import annotations

import os

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

import attrs

from mayfly.config.load import load
from mayfly.config.model import Config, RoleProfile
from mayfly.exchange.early import Early
from mayfly.exchange.grants import ordered_roles
from mayfly.exchange.login import Login
from mayfly.exchange.streams import print_error, write
from mayfly.shared import grant, hardening, paths, stages, wire
from mayfly.shared.credentials import Credentials
from mayfly.shared.errors import ConfigChanged, ExchangeFailed, MayflyError
from mayfly.shared.stages import Stage
from mayfly.shared.text import printable
from mayfly.shared.wire import Report, Request, Result


class Tools(NamedTuple):
    """`check_prompt` raises if no person may be prompted now; `early` may have begun the login that is asked for."""

    clock: Callable[[], datetime]
    check_prompt: Callable[[], None]
    early: Early


# What a malformed request raises.
_MALFORMED = (ValueError, TypeError, KeyError, RecursionError)


def answer(line: bytes, config_name: str | None, tools: Tools) -> int:
    """Carry out the request in `line`, and write a result for each of its profiles. Returns the exit code.

    Raises BrokenPipeError if the daemon no longer listens.
    """
    try:
        request = wire.parse_request(line)
    except wire.OtherVersion as other:
        print_error("the daemon is of another version: restart it")
        with suppress(BrokenPipeError):
            write(other.answer())
        return 2
    except _MALFORMED:
        print_error("this is no request")
        return 2
    _answer(request, config_name, tools)
    return 0


def _answer(request: Request, config_name: str | None, tools: Tools) -> None:
    wanted = dict.fromkeys(request.subjects)

    def emit(result: Result | Stage) -> None:
        if isinstance(result, Stage):
            waiting = tuple(name for name in result.profiles if name in wanted)
            if request.with_stages and waiting:
                write(wire.stage_bytes(attrs.evolve(result, profiles=waiting)))
            return
        # A chain may need a role in the middle that was not asked for.
        if result.profile in wanted:
            del wanted[result.profile]
            _clean(result.outcome)
            write(wire.result_bytes(result))

    error = _run(request, config_name, tools, emit) or ExchangeFailed("the exchange found nothing to say")
    for name in tuple(wanted):
        emit(Result(profile=name, outcome=error))


def _clean(outcome: object) -> None:
    """Leave only printable characters in an error: a person reads it, and `op`, AWS and paths may be quoted in it."""
    if isinstance(outcome, MayflyError):
        outcome.message, outcome.hint = printable(outcome.message), printable(outcome.hint)


def _run(request: Request, config_name: str | None, tools: Tools, emit: Report) -> MayflyError | None:
    """Carry out the request. Returns an error that holds for every profile without a result of its own."""
    try:
        _KINDS[request.kind](request, _config(request, config_name), tools, emit)
    except MayflyError as error:
        return error
    except BrokenPipeError:
        raise
    except Exception as bug:  # noqa: BLE001 - a traceback could show a secret, and the daemon waits for an answer
        place = _place(bug)
        print_error(f"{type(bug).__name__} at {place}")
        return ExchangeFailed(f"the exchange failed at {place}", hint="please report this, with the daemon's log")
    return None


def _config(request: Request, config_name: str | None) -> Config:
    config = load(paths.config_file(config_name))
    if config.digest != request.digest:
        raise ConfigChanged(f"{config.source} has changed since the daemon read it")
    if any(name not in config.profiles for name in _profiles_of(request)):
        raise ExchangeFailed("the request names a profile that is not configured")
    return config


def _profiles_of(request: Request) -> Iterator[str]:
    """The profiles that the request is about. A grant's session is ordered or verified, and never a source."""
    for name in request.profiles:
        yield grant.profile_of(name) if name in request.grants else name
    for name in request.sessions:
        yield grant.profile_of(name) if request.kind == "verify" else name


def _login(request: Request, config: Config, tools: Tools, emit: Report) -> None:
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

    for onepassword in dict.fromkeys(config.onepassword_of(base) for base in bases.values()):
        names = dict.fromkeys(base for base in bases.values() if config.onepassword_of(base) == onepassword)
        login = Login(
            config, onepassword, os.environ, tools.clock, emit_with_roles_above, tools.check_prompt, tools.early
        )
        for new_credentials in login.run(names):
            roles = [name for name, base in bases.items() if name != base and base in new_credentials]
            _assume_all(roles, {**request.sessions, **new_credentials}, config, tools, emit, ordered={})


def _assume(request: Request, config: Config, tools: Tools, emit: Report) -> None:
    ordered = ordered_roles(request, config)
    _assume_all(request.profiles, request.sessions, config, tools, emit, ordered)


def _assume_all(
    names: Sequence[str],
    sessions: Mapping[str, Credentials],
    config: Config,
    tools: Tools,
    emit: Report,
    ordered: Mapping[str, RoleProfile],
) -> None:
    if not names:
        return
    emit(Stage(name=stages.AWS, profiles=tuple(names)))
    import asyncio

    from mayfly.exchange.sts.roles import Roles

    hardening.forbid_dumping()
    asyncio.run(Roles(config, os.environ, tools.clock, emit, ordered).run(names, sessions))


def _verify(request: Request, config: Config, tools: Tools, emit: Report) -> None:
    import asyncio

    from mayfly.exchange.sts.identity import verify

    hardening.forbid_dumping()
    asyncio.run(verify(request, config, os.environ, tools.clock, emit))


_KINDS = {"login": _login, "assume": _assume, "verify": _verify}


def _place(bug: BaseException) -> str:
    """File and line of the exception: its text could show a value."""
    trace = bug.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else "?"
