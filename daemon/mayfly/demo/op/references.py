"""Secret references, and the vaults, items and fields that they name.

Law: IDs must match exactly, names in any case. A code is computed when it is asked for, by the clock of the state.
"""

from __future__ import annotations

import re

from mayfly.demo.op import messages
from mayfly.demo.op import state as op_state
from mayfly.demo.op.messages import OpError


TYPE_CHECKING = False  # importing typing takes 4 ms of every call
if TYPE_CHECKING:
    from mayfly.demo.op.call import Call
    from mayfly.demo.op.state import State

_QUERY = re.compile(r"(?:attribute|attr)=(type|value|id|purpose|otp)|ssh-format=openssh")


class Reference:
    """The parts of `op://vault/item/[section/]field[?attribute=…]`. Raises OpError."""

    def __init__(self, text: str) -> None:
        path, question, query = text.partition("?")
        scheme, slashes, rest = path.partition("://")
        parts = rest.split("/")
        match = _QUERY.fullmatch(query)
        # `attribute=totp` is the SDK's. assumption: op accepts `otp` alone, as its manual says.
        problems = {
            "missing prefix 'op://'": not slashes or scheme != "op",  # assumption: wording
            messages.TOO_FEW_SLASHES: len(parts) < 3,
            messages.TOO_MANY_SLASHES: len(parts) > 4,
            messages.BAD_CHARACTER: not re.fullmatch(r"[A-Za-z0-9_. /-]*", rest),
            messages.BAD_QUERY: question and not match,
        }
        for reason, is_so in problems.items():
            if is_so:
                raise OpError(messages.bad_reference(text, reason))
        self.vault, self.item, self.field = parts[0], parts[1], parts[-1]
        self.section = parts[2] if len(parts) == 4 else None
        self.attribute = match[1] if match else None


def find_vault(call: Call, wanted: str) -> State:
    """The vault of this ID or name. Raises OpError."""
    for vault in call.state.get("vaults", []):
        if _is(vault, wanted, "name"):
            found: State = vault
            return found
    raise OpError(messages.vault_missing(wanted))


def vault_of(call: Call, item: State) -> State:
    """The vault that holds `item`."""
    return find_vault(call, item["vault"])


def find_item(call: Call, wanted: str, vault: State | None, missing: str) -> State:
    """The one item of this ID or name, in `vault` or any. Raises OpError, with the text `missing` if there is none."""
    items: list[State] = [
        item
        for item in call.state.get("items", [])
        if _is(item, wanted, "title") and (vault is None or item["vault"] == vault["id"])
    ]
    if not items:
        raise OpError(missing)
    present = [item for item in items if not item.get("archived")]
    if not present:
        raise OpError(messages.item_archived(wanted, vault_of(call, items[0])["name"]))
    if len(present) > 1:
        candidates = [(i["title"], vault_of(call, i)["name"], i["id"]) for i in present]
        raise OpError(messages.item_ambiguous(wanted, candidates))
    return present[0]


def find_field(item: State, wanted: str, section: str | None = None) -> State | None:
    """The first field of this ID or label, in any section unless one is named."""
    for field in item["fields"]:
        if _is(field, wanted, "label") and (section is None or _is(field.get("section") or {}, section, "label")):
            found: State = field
            return found
    return None


def resolve(call: Call, reference: Reference) -> str:
    """The value that a reference names. Raises OpError, in the words of `op inject`."""
    vault = find_vault(call, reference.vault)
    missing = f"could not find item {reference.item} in vault {vault['id']}"
    try:
        item = find_item(call, reference.item, vault, missing)
    except OpError as error:
        raise OpError(f"could not resolve item UUID for item {reference.item}: {error.text}") from None
    field = find_field(item, reference.field, reference.section)
    if field is None:
        # assumption: a missing section has the message of a missing field
        named = "/".join(filter(None, [reference.section, reference.field]))
        raise OpError(messages.field_missing(reference.vault, reference.item, named))
    if reference.attribute == "otp":
        return code_of(call, item, field)
    if reference.attribute in {"type", "id", "purpose"}:
        return str(field.get(reference.attribute, ""))
    return value_of(field)


def value_of(field: State) -> str:
    """The raw value: the seed of a one-time password, nothing for an empty field."""
    value: str = field.get("seed") or field.get("value") or ""
    return value


def code_of(call: Call, item: State, field: State | None) -> str:
    """The six digits that are valid now. Raises OpError if the field is not a one-time password."""
    from mayfly.demo import totp  # its imports take 8 ms, which only a call for a code should pay

    if field is None or field["type"] != "OTP":
        raise OpError(messages.without_code(item["title"]))
    code = totp.code_of(value_of(field), totp.step_at(call.now()))
    if not call.state.get("same_code"):
        return code
    with op_state.changing(call.path) as state:
        first: str = state.setdefault("first_code", code)
        return first


def one_time_field(item: State) -> State | None:
    """The first one-time password of an item."""
    return next((field for field in item["fields"] if field["type"] == "OTP"), None)


def _is(thing: State, wanted: str, name: str) -> bool:
    return wanted == thing.get("id") or wanted.lower() == str(thing.get(name, "")).lower()
