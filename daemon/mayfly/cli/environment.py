"""The variables that a shell sets and unsets to use a profile, given the variables that it has.

Laws: (1) pure: variables in, changes out; (2) a variable that would win over the endpoint is unset, never blanked
(boto3 fails on a blank AWS_PROFILE, object_store signs with a blank key); (3) applying the changes a second time
changes nothing; (4) of a variable that may be the user's own, only our part is ever removed. `MAYFLY_X` holds what we
put into X (AWS_REGION, AWS_DEFAULT_REGION, NO_PROXY, no_proxy, a grant's files, a grant's AWS_ACCESS_KEY_ID); if X has
another value since, that is the user's. `MAYFLY_WAS_X` holds what X was before a grant's file.
"""

from __future__ import annotations

from collections.abc import Mapping

from mayfly.cli.target import Target


# New value by the variable's name; None: unset.
Changes = dict[str, str | None]

URL = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
TOKEN = "AWS_CONTAINER_AUTHORIZATION_TOKEN"  # noqa: S105 - a name
TOKEN_FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"  # noqa: S105 - a name
PROFILE = "MAYFLY_PROFILE"

# SDKs take these before the container credentials endpoint, or instead of it.
SHADOWING = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)

# The AWS CLI and boto3 read only the second; most other SDKs read only the first.
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")

# Without NO_PROXY, object_store sends the credential request with its token to the proxy; other SDKs do not.
PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
NO_PROXIES = ("NO_PROXY", "no_proxy")
HOSTS = ("127.0.0.1", "localhost")

MARK = "MAYFLY_"

# What only a grant sets (`mayfly grant`): its name and its socket, the AWS files that it puts in the place of the
# user's, and the credentials themselves.
GRANT = "MAYFLY_GRANT"
SOCKET = "MAYFLY_SOCKET"
FILES = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_SDK_LOAD_CONFIG")
KEY_ID = "AWS_ACCESS_KEY_ID"
STATIC = (KEY_ID, "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CREDENTIAL_EXPIRATION")
WAS = "MAYFLY_WAS_"


def changes_to_set(now: Mapping[str, str], target: Target, *, token: str = "", token_file: str = "") -> Changes:
    """The changes that give the variables `now` the profile of `target`, with its token or the path of its file."""
    changes = changes_to_choose(now, target)
    changes[URL] = f"http://127.0.0.1:{target.port}/credentials/{target.profile}"
    changes[TOKEN_FILE if token_file else TOKEN] = token_file or token
    return changes | changes_past_proxy(now)


def changes_to_choose(now: Mapping[str, str], target: Target) -> Changes:
    """The changes that name the profile and its region, and take away every way to credentials."""
    changes: Changes = dict.fromkeys((*SHADOWING, URL, TOKEN, TOKEN_FILE))
    changes[PROFILE] = target.profile
    region = target.region or (None if _has_region(now) else target.fallback_region)
    for name in REGIONS:
        changes |= _region(now, name, region)
    return _changes_to_leave_grant(now) | changes


def changes_to_files(now: Mapping[str, str], files: Mapping[str, str]) -> Changes:
    """The changes that put a grant's `files` (values by names of FILES) in the place of the user's."""
    changes: Changes = {}
    for name, value in files.items():
        before = now.get(WAS + name) if _is_ours(now, name) else now.get(name)
        changes |= {name: value, MARK + name: value}
        if before is not None:
            changes[WAS + name] = before
    return changes


def changes_to_static(credentials: Mapping[str, str]) -> Changes:
    """The changes that set credentials (values by names of STATIC) themselves."""
    return {**credentials, MARK + KEY_ID: credentials[KEY_ID]}


def changes_past_proxy(now: Mapping[str, str]) -> Changes:
    """The changes that keep requests to this machine away from a proxy, if one is set; empty if they stay away."""
    changes: Changes = {}
    if any(now.get(proxy) for proxy in PROXIES):
        for name, other in zip(NO_PROXIES, reversed(NO_PROXIES), strict=True):
            changes |= _past_proxy(now, name, other)
    return changes


def changes_to_unset(now: Mapping[str, str]) -> Changes:
    """The changes that remove from `now` all that `changes_to_set` has put there."""
    changes: Changes = dict.fromkeys((URL, TOKEN, TOKEN_FILE, PROFILE))
    changes |= _changes_to_leave_grant(now)
    for name in REGIONS:
        changes |= _region(now, name, None)
    for name in NO_PROXIES:
        changes |= _back_to_proxy(now, name)
    return changes


def applied(now: Mapping[str, str], changes: Changes) -> dict[str, str]:
    """The variables after the changes."""
    return {name: value for name, value in ({**now} | changes).items() if value is not None}


def _has_region(now: Mapping[str, str]) -> bool:
    """True if the user has set a region."""
    return any(now.get(name) and not _is_ours(now, name) for name in REGIONS)


def _is_ours(now: Mapping[str, str], name: str) -> bool:
    return name in now and now[name] == now.get(MARK + name)


def _changes_to_leave_grant(now: Mapping[str, str]) -> Changes:
    """The changes that remove what a grant has put into `now`; none where there was no grant."""
    changes: Changes = {name: None for name in (GRANT, SOCKET) if name in now}
    for name in FILES:
        if MARK + name in now:
            changes |= {name: now.get(WAS + name)} if _is_ours(now, name) else {}
            changes |= {MARK + name: None, WAS + name: None}
    if MARK + KEY_ID in now:
        changes |= dict.fromkeys(STATIC) if _is_ours(now, KEY_ID) else {}
        changes[MARK + KEY_ID] = None
    return changes


def _region(now: Mapping[str, str], name: str, region: str | None) -> Changes:
    mark, is_ours = MARK + name, _is_ours(now, name)
    if region is not None and (is_ours or now.get(name) != region):
        return {name: region, mark: region}
    if is_ours:
        return {name: None, mark: None}
    return {mark: None} if mark in now else {}


def _past_proxy(now: Mapping[str, str], name: str, other: str) -> Changes:
    present = _entries(now.get(name))
    # Some programs read only one of the two names: a new variable starts with the other's hosts.
    wanted = present or _entries(now.get(other))
    if "*" in wanted:
        return {}
    wanted = [*wanted, *(host for host in HOSTS if host not in wanted)]
    added = [entry for entry in wanted if entry not in present]
    if not added:
        return {}
    ours = [entry for entry in _entries(now.get(MARK + name)) if entry in present]
    return {name: ",".join(wanted), MARK + name: ",".join([*ours, *added])}


def _back_to_proxy(now: Mapping[str, str], name: str) -> Changes:
    mark = MARK + name
    if mark not in now:
        return {}
    ours = _entries(now[mark])
    theirs = [entry for entry in _entries(now.get(name)) if entry not in ours]
    return {name: ",".join(theirs) or None, mark: None}


def _entries(value: str | None) -> list[str]:
    return [entry.strip() for entry in (value or "").split(",") if entry.strip()]
