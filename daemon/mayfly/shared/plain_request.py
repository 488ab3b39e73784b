"""The part of `wire` that an exchange needs before `op` starts: `wire` itself imports attrs, which takes long."""

from __future__ import annotations

import json

from typing import NamedTuple

from mayfly.shared import grant


VERSION = 2
MAX_REQUEST_BYTES = 8 * 1024 * 1024
REQUEST_KEYS = {"version", "kind", "digest", "profiles", "sessions"}

MAY_I = f'{{"version":{VERSION},"may_i":"prompt"}}\n'.encode()
YOU_MAY = f'{{"version":{VERSION},"you_may":"prompt"}}\n'.encode()


class PlainLogin(NamedTuple):
    """A request for a login that hands over no sessions."""

    digest: str
    profiles: tuple[str, ...]


def plain_login(raw: bytes) -> PlainLogin | None:
    """The request, if `wire.parse_request` takes it, too, and it is for a login without sessions; else None."""
    try:
        tree = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(tree, dict) or tree.keys() not in (REQUEST_KEYS, REQUEST_KEYS | {"stages"}):
        return None
    if tree.get("stages", True) is not True:
        return None
    if (tree["version"], tree["kind"], tree["sessions"]) != (VERSION, "login", {}):
        return None
    digest, names = tree["digest"], tree["profiles"]
    if not isinstance(names, list) or not all(isinstance(text, str) for text in (digest, *names)):
        return None
    # The session of a grant is assumed, never logged in to.
    is_plain = names and len(set(names)) == len(names) and not any(grant.grant_id_of(name) for name in names)
    return PlainLogin(digest, tuple(names)) if is_plain else None
