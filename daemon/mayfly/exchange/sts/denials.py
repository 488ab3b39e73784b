"""Which action AWS denies, and by which kind of policy, as its AccessDenied says it.

The forms are from "Troubleshoot access denied error messages" of the IAM user guide: "User: ARN is not authorized to
perform: ACTION on resource: ARN", then "because no KIND allows the ACTION action", "with an explicit deny in a KIND",
or nothing. An explicit deny may name the policy by its ARN. Only what has one of these forms is repeated.
"""

from __future__ import annotations

import re

from typing import NamedTuple


_ACTION = re.compile(
    r"is not authorized to perform:\s+([a-z0-9-]{1,32}:[A-Za-z0-9*]{1,64})(?=[\s.,;]|$)", re.IGNORECASE
)
_KIND = (
    r"(identity-based policy|resource-based policy|(?:role )?trust policy|service control policy"
    r"|resource control policy|permissions boundary|sessions? policy|vpc endpoint policy)"
)
_DENIED_BY = re.compile(
    rf"(because\s+no|with\s+an\s+explicit\s+deny\s+in\s+(?:an?|the))\s+{_KIND}(?:: (arn:[\w:/+=,.@-]{{1,512}}\w))?",
    re.IGNORECASE,
)

_DENY = re.compile(r"with\s+an\s+explicit\s+deny", re.IGNORECASE)

TRUST_POLICY = "the trust policy of the role"
# Where a policy of each kind is, for the person who has to look it up.
_PLACES = {
    "identity-based policy": "the permissions of the user or role that asks",
    "resource-based policy": TRUST_POLICY,
    "trust policy": TRUST_POLICY,
    "service control policy": "the organization's service control policies (SCP), which its administrator can change",
    "resource control policy": "the organization's resource control policies (RCP), which its administrator can change",
    "permissions boundary": "the permissions boundary of the user or role that asks",
    "session policy": "policy and policy_arns of the source profile in the config",
    "vpc endpoint policy": "the policy of the VPC endpoint of STS",
}
# What must be allowed beside sts:AssumeRole, and the key of the config that makes it necessary (API reference).
_KEYS = {"sts:tagsession": "tags", "sts:setsourceidentity": "source_identity"}


class Denial(NamedTuple):
    """What AWS named, to follow "access denied for …", and what mends it."""

    words: str
    remedy: str


def denial_in(text: str) -> Denial:
    """The denial of an AccessDenied with this message; of one that names nothing, the usual remedy."""
    action, denied_by = _ACTION.search(text), _DENIED_BY.search(text)
    named = action[1] if action else ""
    if denied_by is None:
        remedy = _remedy_of_deny(named) if _DENY.search(text) else _usual_remedy(named)
        return Denial(f" ({named})" if named else "", remedy)
    is_explicit = not denied_by[1].lower().startswith("because")
    kind = denied_by[2].lower().replace("role ", "").replace("sessions", "session").replace("vpc", "VPC")
    article = "an" if kind.startswith("identity") else "a"
    why = f"an explicit deny in {article} {kind}" if is_explicit else f"no {kind} allows it"
    policy = f", {denied_by[3]}" if denied_by[3] else ""
    place = _PLACES[kind.lower()]
    what = named or "the call"
    step = f"remove the deny of {what} in {place}" if is_explicit else f"allow {what} in {place}"
    return Denial(f" ({named + ': ' if named else ''}{why}{policy})", _with_key(step, named))


def _remedy_of_deny(action: str) -> str:
    """For a deny whose place AWS does not name."""
    of_role = f"{TRUST_POLICY}, " if action.lower() in {"", "sts:assumerole", *_KEYS} else ""
    step = f"remove the deny of {action or 'the call'} in {of_role}the permissions of the user or role that asks"
    return _with_key(f"{step}, or the organization's policies", action)


def _usual_remedy(action: str) -> str:
    if action.lower() in {"", "sts:assumerole", *_KEYS}:
        what = action or "sts:AssumeRole"
        step = f"allow {what} in {TRUST_POLICY}, and in the permissions of the user or role that asks"
        return _with_key(step, action)
    return f"allow {action} in the permissions of the user or role that asks"


def _with_key(step: str, action: str) -> str:
    key = _KEYS.get(action.lower())
    return f"{step}, or leave {key} out of the profile" if key else step
