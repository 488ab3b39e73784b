"""The reader: a short-lived child of `mayfly init`, the only process that sees the values of an item.

`python -I -m mayfly.cli.init.reader` reads one JSON request from standard input, runs `op` once, writes one JSON answer
and ends. `kind` is accounts, items, item or devices (which also asks IAM); `way` is the [onepassword] table.

Law: no value of a field leaves this process, but for the serials of MFA devices that IAM names: not in an answer, an
argument, a variable, a file, a log or an error. An unexpected error is told by its place in the code alone.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from mayfly.cli.init import op_json
from mayfly.config.model import OnePassword
from mayfly.exchange import descendants, peer_check
from mayfly.exchange.onepassword import child
from mayfly.exchange.onepassword import lock as oplock
from mayfly.exchange.onepassword.child import Child, Flooded, Hung, Printed
from mayfly.exchange.onepassword.environment import op_environment
from mayfly.exchange.onepassword.op_program import find_op
from mayfly.exchange.onepassword.refusals import Asked, from_op
from mayfly.shared import hardening, paths
from mayfly.shared.errors import (
    ConfigInvalid,
    ExchangeFailed,
    MayflyError,
    OnePasswordGarbled,
    OnePasswordHung,
    OnePasswordMissing,
)
from mayfly.shared.text import printable


TABLE = "onepassword"
# An overview takes some 600 bytes, and some people have ten thousand items.
LIST_CAP_BYTES = 32 * 1024 * 1024
ITEM_CAP_BYTES = 4 * 1024 * 1024

Request = Mapping[str, Any]


def main() -> int:
    """Answer the request on standard input."""
    _prepare_process()
    request = json.loads(sys.stdin.buffer.readline())
    peer_check.end_with_peer(0)
    line = json.dumps(answer(request)).encode() + b"\n"
    while line:
        line = line[os.write(1, line) :]
    descendants.kill_descendants()
    gc.freeze()
    return 0


def answer(request: Request) -> dict[str, Any]:
    """The answer: a value under the name of the request's kind, or an `error`."""
    try:
        return {request["kind"]: _KINDS[request["kind"]](request)}
    except MayflyError as error:
        return {"error": _error_tree(error)}
    except Exception as bug:  # noqa: BLE001 - a traceback could show a secret
        return {"error": _error_tree(ExchangeFailed(f"the reader failed at {_place(bug)}", hint="please report this"))}


def _accounts(request: Request) -> list[dict[str, Any]]:
    # Neither the app is asked nor a token used.
    way = OnePassword(op=way_from(request["way"]).op)
    tree = op_json.parsed(_run(request, "account", "list", way=way))
    return [account._asdict() for account in op_json.accounts(tree)]


def _items(request: Request) -> list[dict[str, Any]]:
    tree = op_json.parsed(_run(request, "item", "list", cap_bytes=LIST_CAP_BYTES))
    return [overview._asdict() for overview in op_json.overviews(tree)]


def _item(request: Request) -> dict[str, Any]:
    overview, fields = op_json.item(_whole_item(request))
    return {"overview": overview._asdict(), "fields": [field._asdict() for field in fields]}


def _devices(request: Request) -> list[str]:
    from mayfly.cli.init.devices import endpoint_in, serials
    from mayfly.exchange.sts.client import Keys
    from mayfly.exchange.sts.environment import seal_environment

    tree = _whole_item(request)
    keys = Keys(
        access_key_id=op_json.value_of(tree, *request["access_key_id"]),
        secret_access_key=op_json.value_of(tree, *request["secret_access_key"]),
    )
    endpoint_url = endpoint_in(os.environ)
    seal_environment(os.environ)
    return serials(keys, request["region"], endpoint_url)


_KINDS = {"accounts": _accounts, "items": _items, "item": _item, "devices": _devices}


def _whole_item(request: Request) -> Any:
    """The item as `op` prints it: with every value, and the seed of its one-time password."""
    vault, name = request["vault"], request["item"]
    printed = _run(
        request,
        *("item", "get", f"--vault={vault}", "--", name),
        references=(f"op://{vault}/{name}",),
        cap_bytes=ITEM_CAP_BYTES,
    )
    hardening.forbid_dumping()
    return op_json.parsed(printed)


def _run(
    request: Request,
    *words: str,
    references: tuple[str, ...] = (),
    cap_bytes: int = LIST_CAP_BYTES,
    way: OnePassword | None = None,
) -> bytes:
    """What `op WORDS` prints as JSON; raises an OnePasswordError."""
    way = way or way_from(request["way"])
    program = find_op(way, os.environ, TABLE)
    account = ("--account", way.account) if way.account else ()
    argv = (program, "--cache=false", "--no-color", "--format", "json", *account, *words)
    environment = op_environment(way, os.environ)
    try:
        # With the terminal's session, 1Password asks once for all that `op` does in this terminal.
        with (
            _alone(),
            Child(
                argv,
                environment=environment,
                limit_seconds=way.timeout_seconds,
                cap_bytes=cap_bytes,
                keeps_terminal=way.asks_human,
            ) as op,
        ):
            printed = op.printed()
    except Hung:
        raise OnePasswordHung(
            f"op did not end within {way.timeout_seconds} s", hint="see that no window of 1Password waits"
        ) from None
    except Flooded:
        raise OnePasswordGarbled("op printed more than any list of items can be") from None
    except OSError as reason:
        raise OnePasswordMissing(f"{program} cannot be run: {reason.strerror}") from None
    return _checked(printed, Asked(references, way, TABLE))


def _checked(printed: Printed, asked: Asked) -> bytes:
    # Before 2.32.1 op could fail with exit code 0.
    if printed.exit_code != 0 or (printed.stderr and not printed.stdout):
        raise from_op(printed.stderr, asked, elapsed_seconds=printed.seconds)
    return printed.stdout


def _alone() -> AbstractContextManager[object]:
    """While another `op` of ours runs, wait for it. Where Mayfly has never run, there is nothing to wait for."""
    return oplock.held(lambda: datetime.now(UTC)) if paths.runtime_dir().exists() else nullcontext()


def way_from(table: Mapping[str, Any]) -> OnePassword:
    """The way to 1Password that the table names; `init` has made it from values that were checked."""
    words = table.get("token_command")
    return OnePassword(**{**table, "token_command": tuple(words) if words else None})


def _error_tree(error: MayflyError) -> dict[str, Any]:
    problems = error.problems if isinstance(error, ConfigInvalid) else (error.message,)
    return {"code": error.code, "problems": [printable(text) for text in problems], "hint": printable(error.hint)}


def _prepare_process() -> None:
    """Undo the signal settings of the parent, and end with all that was started on a signal to end."""
    hardening.forbid_core_dumps()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _end)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _end(number: int, _frame: object) -> NoReturn:
    """A second signal changes nothing."""
    for other in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    child.end_all()
    os._exit(128 + number)


def _place(bug: BaseException) -> str:
    """File and line of the exception: its text could show a value."""
    trace = bug.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "?"


if __name__ == "__main__":
    sys.exit(main())
