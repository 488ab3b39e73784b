"""A stand-in for 1Password's `op`, for `mayfly demo` and the tests: `python -I -m mayfly.demo.op`.

Law: what it says and when it says it is what is known of the real one; what nobody has verified is
marked `assumption`. It is the standard library and starts as fast as that allows: each call is a
process, as with the real one.

FAKE_OP_STATE names the JSON file that says how the world is, FAKE_OP_LOG the log.
Beside accounts, vaults, items, app, prompt and auth (see `vault`), a state may hold
- `fail`, `ratelimit`: a name in `op_texts.FAILURES`, or a table of `text` and `exit`;
- `network`: `offline` or `hang`; `latency_s`, `now_offset_s`: seconds;
- `misbehave`: empty, flood, invalid-utf8, crlf, ansi, truncated or ignore_stdin;
- `hang`, `ignore_sigterm`, `same_code`, `final_newline`: true;
- `daemon`: a table of `spawn`, `hold_pipes` and `hold_s`;
- `service_token`, `connect_token`, `session_token`: what alone is accepted, where one is named;
- `script`: a list of which each call takes one entry, laid over the state for that call.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from mayfly.demo.op import commands as op_commands
from mayfly.demo.op import misbehavior as op_mischief
from mayfly.demo.op.args import USAGE, Arguments
from mayfly.demo.op.call import Call
from mayfly.demo.op.messages import OpError


TYPE_CHECKING = False  # typing costs 4 ms of every call
if TYPE_CHECKING:
    from collections.abc import Callable

_PRINTING: dict[str, Callable[[Call], str]] = {
    "": op_commands.version,
    "account list": op_commands.account_list,
    "inject": op_commands.inject,
    "item get": op_commands.item_get,
    "item list": op_commands.item_list,
    "read": op_commands.read,
    "signin": op_commands.signin,
    "vault list": op_commands.vault_list,
    "whoami": op_commands.whoami,
}


class Terminated(BaseException):
    """SIGTERM has come."""


def main() -> int:
    """Answer one call and log it; return the exit code. A SIGTERM ends the process as one does."""
    call = Call(sys.argv[1:], dict(os.environ))
    ignored = call.state.get("ignore_sigterm")
    signal.signal(signal.SIGTERM, signal.SIG_IGN if ignored else _terminate)
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
    try:
        if call.state.get("hang"):
            op_mischief.hang(call)
        call.arguments = Arguments(call.argv)
        output, errors, exit_code = _command(call)
    except OpError as error:
        prefix = time.strftime("[ERROR] %Y/%m/%d %H:%M:%S ") if error.prefixed else ""
        _write(2, op_mischief.coloured(prefix + error.text, misbehave).encode() + b"\n")
        return error.exit_code
    if misbehave == "empty":
        # assumption: wording; that op before 2.32.1 could end so is in its release notes
        errors += time.strftime("[ERROR] %Y/%m/%d %H:%M:%S unexpected server response\n").encode()
    _write(1, op_mischief.twisted(output, misbehave))
    _write(2, errors)
    if call.client and call.table("daemon").get("spawn"):
        op_mischief.leave_daemon(call)
    return exit_code


def _command(call: Call) -> tuple[bytes, bytes, int]:
    if call.arguments.on("help"):
        return USAGE.encode(), b"", 0
    if call.arguments.command == "run":
        from mayfly.demo.op import run as op_run  # subprocess costs 10 ms, here alone

        return op_run.run(call)
    return _PRINTING[call.arguments.command](call).encode(), b"", 0


def _write(descriptor: int, content: bytes) -> None:
    """Write all of it, or as much as the reader wants."""
    try:
        while content:
            content = content[os.write(descriptor, content) :]
    except OSError:
        return


def _terminate(_signal: int, _frame: object) -> None:
    raise Terminated


if __name__ == "__main__":
    sys.exit(main())
