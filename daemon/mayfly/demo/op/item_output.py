"""An item as `op item get` and `op item list` print it.

Law: JSON conceals nothing, not even the seed of a one-time password. The text for people conceals secrets.
"""

from __future__ import annotations

from mayfly.demo.op import messages, references
from mayfly.demo.op.messages import OpError


TYPE_CHECKING = False  # importing typing takes 4 ms of every call
if TYPE_CHECKING:
    from mayfly.demo.op.call import Call
    from mayfly.demo.op.state import State


# Recorded; an item that was never a favorite, or has no tags or URLs, lacks the key.
_OPTIONAL = ("favorite", "tags", "urls", "last_edited_by", "created_at", "updated_at", "additional_information")


def overview(call: Call, item: State) -> State:
    """An item without its fields."""
    vault = references.vault_of(call, item)
    return {
        "id": item["id"],
        "title": item["title"],
        "version": item.get("version", 1),
        "vault": {"id": vault["id"], "name": vault["name"]},
        "category": item["category"],
    } | {name: item[name] for name in _OPTIONAL if name in item}


def whole(call: Call, item: State) -> State:
    """An item with its sections and fields."""
    sections = {one["section"]["id"]: one["section"] for one in item["fields"] if one.get("section")}
    return overview(call, item) | {
        "sections": list(sections.values()),
        "fields": [field(call, item, one) for one in item["fields"]],
    }


def field(call: Call, item: State, one: State) -> State:
    """A field. An empty one has no `value`; a one-time password has both its seed and its code."""
    vault = references.vault_of(call, item)
    section = one.get("section") or {}
    parts = [vault["name"], item["title"], section.get("label") or section.get("id"), one["label"]]
    shown: State = {name: one[name] for name in ("id", "section", "type", "purpose") if name in one}
    shown["label"] = one["label"]
    value = references.value_of(one)
    if value:
        shown["value"] = value
    if one["type"] == "OTP":
        shown["totp"] = references.code_of(call, item, one)
    return shown | {"reference": "op://" + "/".join(filter(None, parts))}


def chosen(item: State, wanted: str) -> list[State]:
    """The fields of `--fields label=a,type=b,c`, in that order. Raises OpError."""
    found: list[State] = []
    for word in wanted.split(","):
        kind, equals, name = word.partition("=")
        if equals and kind == "type":
            matches = [f for f in item["fields"] if f["type"].lower() == name.lower()]
        else:
            match = references.find_field(item, name if equals and kind == "label" else word)
            matches = [match] if match else []
        if not matches:
            raise OpError(messages.item_field_missing(item["title"], name or word))
        found += matches
    return found


def comma_separated(call: Call, item: State, fields: list[State]) -> str:
    """Some fields as text."""
    return ",".join(_shown(call, item, one) for one in fields) + "\n"


def text(call: Call, item: State) -> str:
    """An item as text. assumption: the layout, which no program should read."""
    head = f"ID:       {item['id']}\nTitle:    {item['title']}\nFields:\n"
    lines = [f"  {one['label']}:    {_shown(call, item, one)}\n" for one in item["fields"]]
    return head + "".join(lines)


def _shown(call: Call, item: State, one: State) -> str:
    if one["type"] == "CONCEALED" and not call.arguments.is_on("reveal"):
        return f"[use 'op item get {item['id']} --reveal' to reveal]"
    return references.value_of(one)
