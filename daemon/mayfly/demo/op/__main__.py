"""A stand-in for 1Password's `op`, for `mayfly demo` and the tests: `python -I -m mayfly.demo.op`.

Law: its messages, and when it prints them, are those of the real `op`. What nobody has verified is marked `assumption`.
It uses the standard library alone and imports little, because each call is a process, as with the real `op`.

FAKE_OP_STATE names the JSON file with the state of the world, FAKE_OP_LOG the log. The state has accounts, vaults,
items, app, prompt and auth (see `vault`), and may have
- `fail`, `ratelimit`: a key of `messages.FAILURES`;
- `network`: `offline` or `hang`; `latency_s`, `now_offset_s`: seconds;
- `misbehave`: empty, flood, invalid-utf8, crlf, ansi, truncated or ignore_stdin;
- `hang`, `ignore_sigterm`, `same_code`, `final_newline`: true;
- `daemon`: a table of `spawn`, `hold_pipes` and `hold_s`;
- `service_token`, `connect_token`: the only token that is accepted;
- `script`: a list of changes to the state; each call takes the first one, for itself alone.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from mayfly.demo.op import commands, misbehavior
from mayfly.demo.op.args import USAGE, Arguments
from mayfly.demo.op.call import Call
from mayfly.demo.op.messages import OpError


TYPE_CHECKING = False  # importing typing takes 4 ms of every call
if TYPE_CHECKING:
    from collections.abc import Callable

_COMMANDS: dict[str, Callable[[Call], str]] = {
    "": commands.version,
    "account list": commands.account_list,
    "inject": commands.inject,
    "item get": commands.item_get,
    "item list": commands.item_list,
    "vault list": commands.vault_list,
    "whoami": commands.whoami,
}


class Terminated(BaseException):
    """SIGTERM has arrived."""


def main() -> int:
    """Answer one call, log it and return the exit code. On SIGTERM the process logs the call and dies of the signal."""
    call = Call(sys.argv[1:], dict(os.environ))
    is_ignored = call.state.get("ignore_sigterm")
    signal.signal(signal.SIGTERM, signal.SIG_IGN if is_ignored else _terminate)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        exit_code = _answer(call)
    except Terminated:
        call.finish(-signal.SIGTERM)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
    call.finish(exit_code)
    return exit_code


def _answer(call: Call) -> int:
    misbehave = call.state.get("misbehave")
    errors = b""
    try:
        if call.state.get("hang"):
            misbehavior.hang(call)
        call.arguments = Arguments(call.argv)
        output = _output(call)
    except OpError as error:
        prefix = time.strftime("[ERROR] %Y/%m/%d %H:%M:%S ") if error.has_prefix else ""
        _write(2, misbehavior.coloured(prefix + error.text, misbehave).encode() + b"\n")
        return error.exit_code
    if misbehave == "empty":
        # assumption: wording. The release notes of 2.32.1 say that older versions could end so.
        errors = time.strftime("[ERROR] %Y/%m/%d %H:%M:%S unexpected server response\n").encode()
    _write(1, misbehavior.spoilt(output, misbehave))
    _write(2, errors)
    if call.auth_mode and call.table("daemon").get("spawn"):
        misbehavior.leave_daemon(call)
    return 0


def _output(call: Call) -> bytes:
    return (USAGE if call.arguments.is_on("help") else _COMMANDS[call.arguments.command](call)).encode()


def _write(descriptor: int, content: bytes) -> None:
    """Write all of it, or as much as the reader takes."""
    try:
        while content:
            content = content[os.write(descriptor, content) :]
    except OSError:
        return


def _terminate(_signal: int, _frame: object) -> None:
    raise Terminated


if __name__ == "__main__":
    sys.exit(main())
