"""A request for a grant, as `POST /grants` has it: read strictly, and nothing is guessed."""

from __future__ import annotations

from typing import Any, NamedTuple

from mayfly.config import strict_json
from mayfly.daemon.grants.narrowing import WORDS
from mayfly.daemon.grants.table import ENDPOINT, ENV, FILE, SOCKET
from mayfly.shared.errors import GrantRefused
from mayfly.shared.grant import MAX_SECONDS, MIN_SECONDS, USUAL_SECONDS, Narrowing, is_label


USUAL_LABEL = "grant"
DELIVERIES = (ENDPOINT, SOCKET, FILE, ENV)
# A policy of 2,048 characters, each escaped, with ten ARNs.
BODY_BYTES = 16 * 1024

_KEYS: dict[str, tuple[type, ...]] = {
    "profile": (str,),
    "label": (str,),
    "seconds": (int,),
    "narrowing": (dict,),
    "as": (str,),
    "ask": (bool,),
    "token_file": (bool,),
    "allow_disk": (bool,),
    "held": (bool,),
}
_NARROWING_KEYS: dict[str, tuple[type, ...]] = {"words": (str,), "policy": (str,), "policy_arns": (list,)}
_KINDS = {str: "a text", int: "a whole number", dict: "an object", bool: "true or false", list: "a list of texts"}


class Order(NamedTuple):
    """What is asked for."""

    profile: str
    label: str = USUAL_LABEL
    seconds: int = USUAL_SECONDS
    narrowing: Narrowing = Narrowing()
    delivery: str = ENDPOINT
    asks: bool = False
    has_token_file: bool = False
    allows_disk: bool = False
    is_held: bool = False
    # One of WORDS, for a policy of AWS's that depends on the role's partition.
    words: str = ""


def parse(body: bytes) -> Order:
    """The order in a JSON object; what is left out or null is as usual. Raises GrantRefused for any other body."""
    try:
        tree = strict_json.parse(body.decode())
    except (ValueError, RecursionError):
        raise GrantRefused("the body of POST /grants is no JSON object") from None
    found = _fields(tree, _KEYS, "the body of POST /grants")
    if "profile" not in found:
        raise GrantRefused("the body of POST /grants names no profile")
    words, narrowing = _narrowing(found.get("narrowing", {}))
    order = Order(
        profile=found["profile"],
        label=found.get("label", USUAL_LABEL),
        seconds=found.get("seconds", USUAL_SECONDS),
        narrowing=narrowing,
        delivery=found.get("as", ENDPOINT),
        asks=found.get("ask", False),
        has_token_file=found.get("token_file", False),
        allows_disk=found.get("allow_disk", False),
        is_held=found.get("held", False),
        words=words,
    )
    _check(order)
    return order


def _check(order: Order) -> None:
    if not is_label(order.label):
        raise GrantRefused("a label is 1 to 32 letters, digits and . _ -, and begins with a letter or a digit")
    if not MIN_SECONDS <= order.seconds <= MAX_SECONDS:
        raise GrantRefused(f"a grant lasts 15 min to 12 h ({MIN_SECONDS} to {MAX_SECONDS} seconds)")
    if order.delivery not in DELIVERIES:
        raise GrantRefused(f"a grant is given as {', '.join(DELIVERIES[:-1])} or {DELIVERIES[-1]}")
    if order.has_token_file and order.delivery in (FILE, ENV):
        raise GrantRefused(f"a grant as {order.delivery} has no token, so there is no token file")


def _narrowing(tree: dict[str, Any]) -> tuple[str, Narrowing]:
    """Which of WORDS is wanted, "" for none; and the policies.

    Other words only describe the policies beside them, and are dropped: `narrowing.words` describes the policies anew,
    so that a person is not asked for less than what is given.
    """
    found = _fields(tree, _NARROWING_KEYS, "narrowing")
    arns = found.get("policy_arns", [])
    if not all(isinstance(arn, str) for arn in arns):
        raise GrantRefused("policy_arns must be a list of texts")
    words, narrowing = found.get("words", ""), Narrowing(found.get("policy"), tuple(arns))
    if words in WORDS:
        return words, narrowing
    if words and narrowing == Narrowing():
        raise GrantRefused(f"a narrowing is {' or '.join(WORDS)}, or has a policy or policy_arns; not {words[:64]!r}")
    return "", narrowing


def _fields(tree: Any, kinds: dict[str, tuple[type, ...]], what: str) -> dict[str, Any]:
    """The object without its nulls; raises GrantRefused for any other value, key or type."""
    if not isinstance(tree, dict):
        raise GrantRefused(f"{what} is no JSON object")
    if unknown := sorted(tree.keys() - kinds.keys()):
        raise GrantRefused(f"{what} has a key that this daemon does not know: {unknown[0][:64]!r}")
    found = {key: value for key, value in tree.items() if value is not None}
    for key, value in found.items():
        # A bool is an int in Python, and not in JSON.
        if type(value) not in kinds[key]:
            raise GrantRefused(f"{key} must be {_KINDS[kinds[key][0]]}")
    return found
