"""The exchange: reads one request from standard input, writes one line a profile to standard output, and ends.

`python -I -m mayfly.exchange [--config FILE]`. The config file alone says what it runs and calls; it reads it itself.

Few imports: `op` starts before attrs, cattrs and aiobotocore are imported (early.py).
"""

from __future__ import annotations

import gc
import os
import signal
import sys

from datetime import UTC, datetime
from typing import NoReturn

from mayfly.exchange import descendants, peer_check
from mayfly.exchange.early import started
from mayfly.exchange.onepassword import child
from mayfly.exchange.streams import STDIN, ask_permission, print_error, request_line
from mayfly.exchange.sts.environment import seal_environment
from mayfly.shared import hardening


def main() -> int:
    """Run one exchange, and return its exit code.

    0: every profile got a result, or there was no request. 1: the daemon no longer listens. 2: the request is
    malformed, or does not come from the daemon, or comes from a daemon of another version, which is told so.

    Every process that the exchange has started ends with it.
    """
    _prepare_process()
    if not peer_check.may_ask(STDIN):
        print_error(f"only {peer_check.UNIT} may ask")
        return 2
    try:
        config_name = _config_named(sys.argv[1:])
    except ValueError:
        print_error("this is no request")
        return 2
    try:
        line = request_line()
        return _answer(line, config_name) if line else 0
    except BrokenPipeError:
        return 1
    finally:
        descendants.kill_descendants()
        # At exit Python would collect botocore's garbage once more. That takes 80 ms, in which secrets stay in memory
        # and the next login waits.
        gc.freeze()


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


def _answer(line: bytes, config_name: str | None) -> int:
    peer_check.end_with_peer(STDIN)
    with started(line, config_name, os.environ, _now, ask_permission) as early:
        from mayfly.exchange.request import Tools, answer

        return answer(line, config_name, Tools(_now, ask_permission, early))


def _now() -> datetime:
    return datetime.now(UTC)


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
