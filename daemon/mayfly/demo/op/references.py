"""What is in the vaults: references, the items behind them, and their one-time codes.

Law: everything is found by ID, exactly, or by name, in any case; the code is computed when it is
asked for, by the clock of the state.
"""

from __future__ import annotations

import re

from mayfly.demo.op import messages as op_texts
from mayfly.demo.op import state as op_state
from mayfly.demo.op.messages import OpError


TYPE_CHECKING = False  # typing costs 4 ms of every call
if TYPE_CHECKING:
    from mayfly.demo.op.call import Call
    from mayfly.demo.op.state import State

_PERIOD_SECONDS = 30
_QUERY = re.compile(r"(?:attribute|attr)=(type|value|id|purpose|otp)|ssh-format=openssh")


class Reference:
    """`op://vault/item/[section/]field[?attribute=…]`, taken apart. Raises OpError."""

    def __init__(self, text: str) -> None:
        self.text = text
        path, question, query = text.partition("?")
        scheme, slashes, rest = path.partition("://")
        parts = rest.split("/")
        match = _QUERY.fullmatch(query)
        # `attribute=totp` is the SDK's; assumption: op knows `otp` alone, as its manual does.
        wrongs = {
            "missing prefix 'op://'": not slashes or scheme != "op",  # assumption: wording
            op_texts.TOO_FEW_SLASHES: len(parts) < 3,
            op_texts.TOO_MANY_SLASHES: len(parts) > 4,
            op_texts.BAD_CHARACTER: not re.fullmatch(r"[A-Za-z0-9_. /-]*", rest),
            op_texts.BAD_QUERY: question and not match,
        }
        for reason, wrong in wrongs.items():
            if wrong:
                raise OpError(op_texts.bad_reference(text, reason))
        self.vault, self.item, self.field = parts[0], parts[1], parts[-1]
        self.section = parts[2] if len(parts) == 4 else None
        self.attribute = match[1] if match else None


def find_vault(call: Call, wanted: str) -> State:
    """The vault of this ID or name. Raises OpError."""
    for vault in call.state.get("vaults", []):
        if _is(vault, wanted, "name"):
            found: State = vault
            return found
    raise OpError(op_texts.vault_missing(wanted))


def vault_of(call: Call, item: State) -> State:
    """The vault that holds `item`."""
    return find_vault(call, item["vault"])


def find_item(call: Call, wanted: str, vault: State | None, missing: str) -> State:
    """The one item of this ID or name, in one vault or any. Raises OpError, `missing` if none."""
    items: list[State] = [
        item
        for item in call.state.get("items", [])
        if _is(item, wanted, "title") and (vault is None or item["vault"] == vault["id"])
    ]
    if not items:
        raise OpError(missing)
    present = [item for item in items if not item.get("archived")]
    if not present:
        raise OpError(op_texts.item_archived(wanted, vault_of(call, items[0])["name"]))
    if len(present) > 1:
        candidates = [(i["title"], vault_of(call, i)["name"], i["id"]) for i in present]
        raise OpError(op_texts.item_ambiguous(wanted, candidates))
    return present[0]


def find_field(item: State, wanted: str, section: str | None = None) -> State | None:
    """The first field of this ID or label; a section counts only where one is named."""
    for field in item["fields"]:
        if _is(field, wanted, "label") and (section is None or _is(field.get("section") or {}, section, "label")):
            found: State = field
            return found
    return None


def resolve(call: Call, reference: Reference, *, reading: bool) -> str:
    """The value behind a reference; the words of failure are `op read`'s, or `op inject`'s."""
    within = f"could not get item {reference.vault}/{reference.item}: " if reading else ""
    try:
        vault = find_vault(call, reference.vault)
    except OpError as error:
        raise OpError(within + error.text) from None
    missing = f"could not find item {reference.item} in vault {vault['id']}"
    if reading:
        missing = op_texts.item_missing(reference.item, vault["name"])
    try:
        item = find_item(call, reference.item, vault, missing)
    except OpError as error:
        within = within or f"could not resolve item UUID for item {reference.item}: "
        raise OpError(within + error.text) from None
    field = find_field(item, reference.field, reference.section)
    if field is None:
        # assumption: a missing section is told as a missing field
        named = "/".join(filter(None, [reference.section, reference.field]))
        raise OpError(op_texts.field_missing(reference.vault, reference.item, named))
    return _attribute(call, item, field, reference.attribute)


def value_of(field: State) -> str:
    """The raw value: of a one-time password its seed, of an empty field nothing."""
    value: str = field.get("seed") or field.get("value") or ""
    return value


def code_of(call: Call, item: State, field: State | None) -> str:
    """The six digits that hold now. Raises OpError for anything but a one-time password."""
    if field is None or field["type"] != "OTP":
        raise OpError(op_texts.without_code(item["title"]))
    code = code_at(value_of(field), call.now())
    if not call.state.get("same_code"):
        return code
    with op_state.changing(call.path) as state:
        first: str = state.setdefault("first_code", code)
        return first


def one_time_field(item: State) -> State | None:
    """The primary one-time password of an item."""
    return next((field for field in item["fields"] if field["type"] == "OTP"), None)


def code_at(seed: str, epoch_seconds: float) -> str:
    """RFC 6238 with SHA-1, 30 s and six digits; `seed` is base32 or an otpauth:// URI."""
    import base64  # these two cost 8 ms that only a code has to pay
    import hmac

    secret = re.sub(r".*[?&]secret=([^&]*).*", r"\1", seed).replace(" ", "").upper().rstrip("=")
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    step = int(epoch_seconds // _PERIOD_SECONDS)
    digest = hmac.digest(key, step.to_bytes(8), "sha1")
    offset = digest[-1] & 15
    number = int.from_bytes(digest[offset : offset + 4]) & 0x7FFF_FFFF
    return f"{number % 1_000_000:06}"


def _attribute(call: Call, item: State, field: State, attribute: str | None) -> str:
    if attribute == "otp":
        return code_of(call, item, field)
    if attribute in {"type", "id", "purpose"}:
        return str(field.get(attribute, ""))
    return value_of(field)


def _is(thing: State, wanted: str, name: str) -> bool:
    return wanted == thing.get("id") or wanted.lower() == str(thing.get(name, "")).lower()
