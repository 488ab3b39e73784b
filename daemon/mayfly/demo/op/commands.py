"""The commands of `op`: what each of them prints.

Law: a command checks what it was given, logs in, looks up, and returns the whole of its output;
it prints nothing itself, so that an error leaves stdout empty.
"""

from __future__ import annotations

import base64
import json
import os

from mayfly.demo.op import authentication as op_login
from mayfly.demo.op import item_output as op_items
from mayfly.demo.op import messages as op_texts
from mayfly.demo.op import references as op_vault
from mayfly.demo.op import state as op_state
from mayfly.demo.op import template as op_template
from mayfly.demo.op.args import USAGE
from mayfly.demo.op.messages import OpError
from mayfly.demo.op.references import Reference


TYPE_CHECKING = False  # typing costs 4 ms of every call
if TYPE_CHECKING:
    from typing import Any

    from mayfly.demo.op.call import Call
    from mayfly.demo.op.state import State


def version(call: Call) -> str:
    """`op --version`; alone, `op` prints its usage."""
    return f"{call.state['version']}\n" if call.arguments.on("version") else USAGE


def account_list(call: Call) -> str:
    """`op account list`: what `op` knows without asking anyone."""
    accounts = [] if call.state["mode"] == "none" else call.state["accounts"]
    columns = ["shorthand", "url", "email", "user_uuid"]
    titles = ["SHORTHAND", "URL", "EMAIL", "USER ID"]
    return _listed(call, accounts, columns, titles)


def whoami(call: Call) -> str:
    """`op whoami`: never signed in with the desktop app, which is why it is no health check."""
    client = op_login.client(call)
    account: State = next(iter(call.state.get("accounts") or []), {})
    if client == "service":
        if not call.state.get("service_used"):
            raise OpError(op_texts.NOT_AUTHENTICATED_YET)
        names = ("url", "user_uuid", "account_uuid")
        return _json({n: account.get(n) for n in names} | {"user_type": "SERVICE_ACCOUNT"})
    if client == "none":
        raise OpError(op_texts.NO_ACCOUNT_FOUND)
    if client != "manual" or op_login.session_token(call) is None:
        raise OpError(op_texts.ACCOUNT_NOT_SIGNED_IN)
    return _json(op_login.account(call))


def signin(call: Call) -> str:
    """`op signin`: with the app nothing on stdout, by hand a session token."""
    if op_login.client(call) != "manual":
        op_login.log_in(call)
        return ""
    token = base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")
    with op_state.changing(call.path) as state:
        state["session_token"] = token
    user = op_login.account(call)["user_uuid"]
    return f"{token}\n" if call.arguments.on("raw") else f'export OP_SESSION_{user}="{token}"\n'


def vault_list(call: Call) -> str:
    """`op vault list`."""
    op_login.log_in(call)
    return _listed(call, call.state["vaults"], ["id", "name"], ["ID", "NAME"])


def item_list(call: Call) -> str:
    """`op item list`: overviews, which have no fields."""
    op_login.log_in(call)
    wanted = call.arguments.text("vault")
    vault = op_vault.find_vault(call, wanted) if wanted else None
    items = [
        op_items.overview(call, item)
        for item in call.state["items"]
        if not item.get("archived") and (vault is None or item["vault"] == vault["id"])
    ]
    return _listed(call, items, ["id", "title"], ["ID", "TITLE"])


def item_get(call: Call) -> str:
    """`op item get X`: the item, some of its fields, or its code."""
    op_login.log_in(call)
    wanted, vault_name = _one_word(call), call.arguments.text("vault")
    if call.client == "service" and not vault_name and len(call.state["vaults"]) > 1:
        raise OpError(op_texts.VAULT_NEEDED)
    vault = op_vault.find_vault(call, vault_name) if vault_name else None
    missing = op_texts.item_missing(wanted, vault["name"] if vault else None)
    item = op_vault.find_item(call, wanted, vault, missing)
    if call.arguments.on("otp"):
        return op_vault.code_of(call, item, op_vault.one_time_field(item)) + "\n"
    fields = call.arguments.text("fields")
    if fields:
        chosen = op_items.chosen(item, fields)
        shown = [op_items.field(call, item, one) for one in chosen]
        return (
            _json(shown if len(shown) > 1 else shown[0])
            if _wants_json(call)
            else (op_items.comma_separated(call, item, chosen))
        )
    return _json(op_items.whole(call, item)) if _wants_json(call) else op_items.text(call, item)


def read(call: Call) -> str:
    """`op read REFERENCE`."""
    text = _one_word(call)
    try:
        # assumption: the reference is looked at before anyone is asked to let us in
        reference = Reference(text)
        op_login.log_in(call)
        value = op_vault.resolve(call, reference, reading=True)
    except OpError as error:
        if not error.prefixed or error.text == op_texts.NOT_SIGNED_IN:
            raise
        text = f"could not read secret '{text}': {error.text}"
        raise OpError(text, error.exit_code) from None
    return value if call.arguments.on("no-newline") else value + "\n"


def inject(call: Call) -> str:
    """`op inject`: the template from stdin or a file; read before anyone is asked."""
    path = call.arguments.text("in-file")
    if call.state.get("misbehave") == "ignore_stdin":
        os.close(0)
        raise OpError(op_texts.NO_STDIN)
    template = call.read_stdin() if path in {None, "-", "/dev/stdin"} else _content(str(path))
    pieces = op_template.parse(template, call.environment)
    op_login.log_in(call)
    texts = [piece if isinstance(piece, str) else op_vault.resolve(call, piece, reading=False) for piece in pieces]
    # Whether op ends its output with a newline of its own is unknown: the state may ask for one.
    return "".join(texts) + ("\n" if call.state.get("final_newline") else "")


def _one_word(call: Call) -> str:
    if len(call.arguments.words) != 1:
        count = len(call.arguments.words)
        raise OpError(f"accepts 1 arg(s), received {count}")  # cobra's own words
    return call.arguments.words[0]


def _content(path: str) -> str:
    from pathlib import Path  # costs 5 ms, here alone

    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        reason = str(error.strerror).lower()
        raise OpError(f"open {path}: {reason}") from None  # Go's own words


def _wants_json(call: Call) -> bool:
    return (call.arguments.text("format") or call.environment.get("OP_FORMAT")) == "json"


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _listed(call: Call, rows: list[Any], columns: list[str], titles: list[str]) -> str:
    if _wants_json(call):
        return _json(rows)
    table = [titles, *([str(row.get(column, "")) for column in columns] for row in rows)]
    widths = [max(len(row[index]) for row in table) + 4 for index in range(len(columns))]
    lines = ["".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    return "\n".join(lines) + "\n" if rows else ""
