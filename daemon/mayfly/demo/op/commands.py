"""The commands of `op`: what each of them prints.

Law: a command checks its arguments, authenticates, looks up, and returns its whole output. It prints nothing itself, so
that stdout stays empty if it fails.
"""

from __future__ import annotations

import json
import os

from mayfly.demo.op import authentication, item_output, messages, references, template
from mayfly.demo.op.args import USAGE
from mayfly.demo.op.messages import OpError


TYPE_CHECKING = False  # importing typing takes 4 ms of every call
if TYPE_CHECKING:
    from typing import Any

    from mayfly.demo.op.call import Call
    from mayfly.demo.op.state import State


def version(call: Call) -> str:
    """`op --version`; `op` alone prints its usage."""
    return f"{call.state['version']}\n" if call.arguments.is_on("version") else USAGE


def account_list(call: Call) -> str:
    """`op account list`: the accounts that `op` knows without asking the app or a server."""
    accounts = [] if call.state["mode"] == "none" else call.state["accounts"]
    columns = ["shorthand", "url", "email", "user_uuid"]
    titles = ["SHORTHAND", "URL", "EMAIL", "USER ID"]
    return _listed(call, accounts, columns, titles)


def whoami(call: Call) -> str:
    """`op whoami`: with the desktop app it always says "not signed in", so it is no health check."""
    mode = authentication.mode_of(call)
    if mode == "none":
        raise OpError(messages.NO_ACCOUNT_FOUND)
    if mode != "service":
        raise OpError(messages.ACCOUNT_NOT_SIGNED_IN)
    if not call.state.get("service_used"):
        raise OpError(messages.NOT_AUTHENTICATED_YET)
    account: State = next(iter(call.state.get("accounts") or []), {})
    names = ("url", "user_uuid", "account_uuid")
    return _json({name: account.get(name) for name in names} | {"user_type": "SERVICE_ACCOUNT"})


def vault_list(call: Call) -> str:
    """`op vault list`."""
    authentication.authenticate(call)
    return _listed(call, call.state["vaults"], ["id", "name"], ["ID", "NAME"])


def item_list(call: Call) -> str:
    """`op item list`: items without their fields."""
    authentication.authenticate(call)
    wanted = call.arguments.text("vault")
    vault = references.find_vault(call, wanted) if wanted else None
    items = [
        item_output.overview(call, item)
        for item in call.state["items"]
        if not item.get("archived") and (vault is None or item["vault"] == vault["id"])
    ]
    return _listed(call, items, ["id", "title"], ["ID", "TITLE"])


def item_get(call: Call) -> str:
    """`op item get X`: the item, some of its fields, or its code."""
    authentication.authenticate(call)
    wanted, vault_name = _one_word(call), call.arguments.text("vault")
    if call.auth_mode == "service" and not vault_name and len(call.state["vaults"]) > 1:
        raise OpError(messages.VAULT_NEEDED)
    vault = references.find_vault(call, vault_name) if vault_name else None
    missing = messages.item_missing(wanted, vault["name"] if vault else None)
    item = references.find_item(call, wanted, vault, missing)
    if call.arguments.is_on("otp"):
        return references.code_of(call, item, references.one_time_field(item)) + "\n"
    fields = call.arguments.text("fields")
    if fields:
        return _some_fields(call, item, fields)
    return _json(item_output.whole(call, item)) if _wants_json(call) else item_output.text(call, item)


def inject(call: Call) -> str:
    """`op inject`: fills in the template from stdin. It parses the template before it authenticates."""
    if call.state.get("misbehave") == "ignore_stdin":
        os.close(0)
        raise OpError(messages.NO_STDIN)
    pieces = template.parse(call.read_stdin(), call.environment)
    authentication.authenticate(call)
    texts = [piece if isinstance(piece, str) else references.resolve(call, piece) for piece in pieces]
    # Nobody has verified whether op ends its output with a newline, so a state can ask for one.
    return "".join(texts) + ("\n" if call.state.get("final_newline") else "")


def _some_fields(call: Call, item: State, wanted: str) -> str:
    chosen = item_output.chosen(item, wanted)
    if not _wants_json(call):
        return item_output.comma_separated(call, item, chosen)
    shown = [item_output.field(call, item, one) for one in chosen]
    return _json(shown if len(shown) > 1 else shown[0])


def _one_word(call: Call) -> str:
    if len(call.arguments.words) != 1:
        raise OpError(f"accepts 1 arg(s), received {len(call.arguments.words)}")  # cobra's wording
    return call.arguments.words[0]


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
