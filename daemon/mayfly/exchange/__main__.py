"""The exchange as a program: one request on standard input, one line a profile on standard output, then gone.

`python -I -m mayfly.exchange [--config FILE]`. The only orders it knows are in the config file, which it reads itself.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from mayfly import config as configuration
from mayfly import hardening, paths, wire
from mayfly.config import Config
from mayfly.credentials import Credentials
from mayfly.errors import ConfigChanged, ConfigInvalid, ExchangeFailed, MayflyError
from mayfly.exchange.login import Emit, Login
from mayfly.exchange.where import seal_environment
from mayfly.wire import Request, Result


def main() -> int:
    """Run one exchange; 0 if every profile got a result, 2 if the request was none."""
    hardening.forbid_core_dumps()
    seal_environment(os.environ)
    signal.signal(signal.SIGTERM, _end)
    try:
        request = wire.parse_request(sys.stdin.buffer.readline(wire.MAX_REQUEST_BYTES))
    except (ValueError, TypeError, KeyError, RecursionError):
        print("mayfly.exchange: error: this is no request", file=sys.stderr)
        return 2
    emitted: set[str] = set()

    def emit(result: Result) -> None:
        emitted.add(result.profile)
        sys.stdout.buffer.write(wire.result_bytes(result))
        sys.stdout.buffer.flush()

    error = _run(request, emit)
    for name in request.profiles:
        if name not in emitted and error:
            emit(Result(profile=name, outcome=error))
    return 0


def _run(request: Request, emit: Emit) -> MayflyError | None:
    """Do what is asked; the error that is to be told for every profile without a result of its own."""
    try:
        config = _config(request)
        _KINDS[request.kind](request, config, emit)
    except ConfigInvalid as error:
        return ConfigInvalid(*error.problems)
    except MayflyError as error:
        return error
    except Exception as bug:  # noqa: BLE001 - a traceback could show a secret, and the daemon waits for an answer
        place = _place(bug)
        print(f"mayfly.exchange: error: {type(bug).__name__} at {place}", file=sys.stderr)
        return ExchangeFailed(f"the exchange failed ({type(bug).__name__} at {place})", hint="please report this")
    return None


def _place(bug: BaseException) -> str:
    """Where it happened: file and line, which show no value."""
    trace = bug.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "?"


def _config(request: Request) -> Config:
    given = sys.argv[2] if len(sys.argv) == 3 and sys.argv[1] == "--config" else None
    config = configuration.load(paths.config_file(given))
    if config.digest != request.digest:
        raise ConfigChanged(f"{config.source} has changed since the daemon read it")
    unknown = [name for name in (*request.profiles, *request.sessions) if name not in config.profiles]
    if unknown:
        raise ExchangeFailed("the request names a profile that is not configured")
    return config


def _login(request: Request, config: Config, emit: Emit) -> None:
    """The profiles with keys by `op`, one way to 1Password after the other; then the roles above them."""
    bases = dict.fromkeys(config.base_of(name) for name in request.profiles)
    done = dict(request.sessions)
    failed: dict[str, MayflyError] = {}

    def told(result: Result) -> None:
        if isinstance(result.outcome, MayflyError):
            failed[result.profile] = result.outcome
        emit(result)

    ways = {config.onepassword_of(base): None for base in bases}
    for way in ways:
        names = [base for base in bases if config.onepassword_of(base) == way]
        done |= Login(config, way, os.environ, _now).run(names, told)
    for name in request.profiles:
        error = failed.get(config.base_of(name))
        if error and name not in bases:
            emit(Result(profile=name, outcome=error))
    above = tuple(name for name in request.profiles if name not in bases and config.base_of(name) in done)
    _assume_all(above, done, config, emit)


def _assume(request: Request, config: Config, emit: Emit) -> None:
    _assume_all(request.profiles, request.sessions, config, emit)


def _assume_all(names: tuple[str, ...], sessions: Mapping[str, Credentials], config: Config, emit: Emit) -> None:
    if not names:
        return
    from mayfly.exchange.roles import Roles

    hardening.forbid_dumping()
    asyncio.run(Roles(config, os.environ, _now, emit).run(names, sessions))


def _verify(request: Request, config: Config, emit: Emit) -> None:
    from mayfly.exchange.identity import verify

    hardening.forbid_dumping()
    asyncio.run(verify(request, config, os.environ, _now, emit))


_KINDS = {"login": _login, "assume": _assume, "verify": _verify}


def _now() -> datetime:
    return datetime.now(UTC)


def _end(number: int, _frame: object) -> NoReturn:
    """Asked to end: what was started is ended on the way out."""
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
