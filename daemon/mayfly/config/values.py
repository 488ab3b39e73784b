"""Checks of single values: a type for each kind of value, and the check that makes one.

A check takes the value from the file and returns it, or raises ValueError with the rest of a sentence that begins with
the key. No sentence repeats a text: it might be a secret in the wrong place.
"""

from __future__ import annotations

import os
import re
import socket

from collections.abc import Callable
from typing import Any, NewType
from urllib.parse import urlsplit

from mayfly.config.assume_role import ARN, PATH
from mayfly.config.kinds import Text, kind_of, text
from mayfly.config.profile_name import is_profile_name
from mayfly.config.region import is_region
from mayfly.shared.address import PORT_BASE, parse_address
from mayfly.shared.pathnames import normal


Reference = NewType("Reference", str)
OtpReference = NewType("OtpReference", str)
MfaDevice = NewType("MfaDevice", str)
RoleArn = NewType("RoleArn", str)
ProfileName = NewType("ProfileName", str)
AccountId = NewType("AccountId", str)
Region = NewType("Region", str)
EndpointUrl = NewType("EndpointUrl", str)
Address = NewType("Address", str)
FilePath = NewType("FilePath", str)
SessionSeconds = NewType("SessionSeconds", int)
RoleSeconds = NewType("RoleSeconds", int)
LimitSeconds = NewType("LimitSeconds", int)
WaitSeconds = NewType("WaitSeconds", int)
RefreshMode = NewType("RefreshMode", str)
MfaMode = NewType("MfaMode", str)
OnLock = NewType("OnLock", str)
AgentsMode = NewType("AgentsMode", str)
Switch = NewType("Switch", bool)

# By how often they renew, most often first.
REFRESH_MODES = ("always", "while-used", "on-demand")
MFA_MODES = ("each",)
# GetSessionToken gives no more (STS API reference).
SESSION_MAX_SECONDS = 129_600
# By how much the lock takes away, least first.
ON_LOCK = ("keep", "withhold", "forget")
# By what an agent gets, most first.
AGENTS_MODES = ("same", "read-only", "ask", "deny")

# What `op` itself accepts; other characters in a name need the ID instead (developer documentation of secret
# references).
_PART = r"[A-Za-z0-9_. -]+"
_REFERENCE = re.compile(rf"op://{_PART}/{_PART}/(?:{_PART}/)?{_PART}")
OTP_QUERY = "?attribute=otp"
# `attr` is another name of it, and `totp` is what the examples of 1Password's SDK have.
_OTP_QUERIES = {f"{key}={value}" for key in ("attribute", "attr") for value in ("otp", "totp")}
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
# A host as botocore takes it (is_valid_endpoint_url in botocore/utils.py), or an address of IPv6, and perhaps a port.
_LABEL = r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)"
_NETLOC = re.compile(rf"(?:(?P<name>(?:{_LABEL}\.)*{_LABEL}\.?)|\[(?P<ipv6>[0-9A-Fa-f:.]+)\])(?::[0-9]*)?")
_LONGEST_HOST = 255


def profile_name(value: Any) -> ProfileName:
    """A name that can stand in a URL, a file name and an AWS profile."""
    if not is_profile_name(value):
        raise ValueError(
            "is no profile name: letters, digits, '.', '_' and '-', at most 64, the first a letter or digit"
        )
    return ProfileName(value)


def reference(value: Any) -> Reference:
    """`op://vault/item/[section/]field`, names or IDs."""
    if not isinstance(value, str) or not _REFERENCE.fullmatch(value):
        raise ValueError(
            "must be a secret reference op://vault/item/field; a name with other characters than letters, digits, "
            "space, '-', '_' and '.' must be given by its ID"
        )
    return Reference(value)


def otp_reference(value: Any) -> OtpReference:
    """A reference that asks for the code; without the query `op` would return the TOTP secret itself."""
    if not isinstance(value, str):
        return OtpReference(reference(value))
    bare, mark, query = value.partition("?")
    if mark and query not in _OTP_QUERIES:
        raise ValueError("may end with ?attribute=otp and no other query: leave it away")
    return OtpReference(reference(bare) + OTP_QUERY)


def mfa_device(value: Any) -> MfaDevice:
    """A reference, or the device's ARN (for hardware tokens their serial number)."""
    if isinstance(value, str) and value.startswith("op://"):
        return MfaDevice(reference(value))
    if not isinstance(value, str) or not re.fullmatch(r"[\w+=/:,.@-]{9,256}", value, re.ASCII):
        raise ValueError("must be a secret reference, or an MFA device like arn:aws:iam::123456789012:mfa/NAME")
    if value.startswith("arn:") and not re.fullmatch(rf"{ARN}:[0-9]{{12}}:mfa/{PATH}", value):
        raise ValueError("is no MFA device: expected arn:aws:iam::123456789012:mfa/NAME")
    return MfaDevice(value)


def role_arn(value: Any) -> RoleArn:
    """`arn:PARTITION:iam::ACCOUNT:role/PATH/NAME`."""
    if not isinstance(value, str) or not re.fullmatch(rf"{ARN}:[0-9]{{12}}:role/{PATH}", value):
        raise ValueError("is no role: expected arn:aws:iam::123456789012:role/NAME")
    return RoleArn(value)


def account_id(value: Any) -> AccountId:
    """Twelve digits, as text, because a number would lose leading zeros."""
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{12}", value):
        raise ValueError('must be the twelve digits of an AWS account, in quotes: "123456789012"')
    return AccountId(value)


def region(value: Any) -> Region:
    """A region's name. Whether AWS has the region, botocore knows."""
    if not is_region(value):
        raise ValueError("is no region: expected a name like eu-central-1")
    return Region(value)


def endpoint_url(value: Any) -> EndpointUrl:
    """https anywhere, http on loopback only, because keys and codes are sent there."""
    if not isinstance(value, str) or not is_private_url(value):
        raise ValueError("must be an https:// URL (http:// on loopback only), with no user or password in it")
    if not has_host(value):
        raise ValueError("names no host: letters, digits and '-' between dots, at most 63 of them, '-' not at an end")
    return EndpointUrl(value)


def has_host(url: str) -> bool:
    """True if botocore would call the host of `url`, which is a valid one."""
    found = _NETLOC.fullmatch(urlsplit(url).netloc)
    if found is None:
        return False
    name, ipv6 = found["name"], found["ipv6"]
    return len(name) <= _LONGEST_HOST if name else _is_ipv6(ipv6)


def _is_ipv6(text: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6, text)
    except OSError:
        return False
    return True


def is_private_url(url: str) -> bool:
    """True if nobody on the way can read what is sent to `url`, and the URL itself holds no secret."""
    try:
        parts = urlsplit(url)
        # A percent escape in the host is decoded by some programs, and by others not.
        is_sound = bool(parts.hostname) and not {"@", "%"} & {*parts.netloc} and parts.port != 0
        return is_sound and _is_visible(url) and (parts.scheme == "https" or is_loopback_url(url))
    except ValueError:
        return False


def _is_visible(url: str) -> bool:
    """True if `url` has visible ASCII characters alone; urlsplit drops line breaks that other parsers keep."""
    return url.isascii() and url.isprintable() and " " not in url


def is_loopback_url(url: str) -> bool:
    """True if `url` is http on this machine."""
    parts = urlsplit(url)
    return parts.scheme == "http" and (parts.hostname or "") in _LOOPBACK


def address(value: Any) -> Address:
    """`127.0.0.1:PORT`."""
    if not isinstance(value, str):
        raise ValueError(f'must be an address like "127.0.0.1:{PORT_BASE}", not {kind_of(value)}')
    parse_address(value)
    return Address(value)


def file_path(value: Any) -> FilePath:
    """An absolute path; `~` is the user's home."""
    if not isinstance(value, str):
        raise ValueError(f"must be an absolute path, not {kind_of(value)}")
    path = os.path.expanduser(text(value))
    if path.startswith("~"):
        raise ValueError("begins with the home of a user that there is not")
    if not path.startswith("/"):
        raise ValueError("must be an absolute path: begin it with / or ~/")
    return FilePath(normal(path))


def seconds(low: int, high: int | None = None) -> Callable[[Any], int]:
    """The check for a whole number of seconds between `low` and `high`, where the kind of value has such an end."""

    def check(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(f"must be a whole number of seconds, not {kind_of(value)}")
        if high is None and value < low:
            raise ValueError(f"is {value} seconds: must be {low} seconds or more")
        if high is not None and not low <= value <= high:
            raise ValueError(f"is {value} seconds: must be from {low} to {high} seconds")
        return value

    return check


def refresh_mode(value: Any) -> RefreshMode:
    """`always`, `while-used` or `on-demand`: whether the clock renews a session before it expires."""
    if value not in REFRESH_MODES:
        raise ValueError(f"must be one of {', '.join(REFRESH_MODES)}")
    return RefreshMode(value)


def mfa_mode(value: Any) -> MfaMode:
    """`each`: a role is assumed with a code of its own. Without this key it uses none."""
    if value not in MFA_MODES:
        raise ValueError('must be "each", or left out')
    return MfaMode(value)


def on_lock(value: Any) -> OnLock:
    """`keep`, `withhold` or `forget`: what becomes of the credentials while the screen is locked."""
    if value not in ON_LOCK:
        raise ValueError(f"must be one of {', '.join(ON_LOCK)}")
    return OnLock(value)


def agents_mode(value: Any) -> AgentsMode:
    """`same`, `read-only`, `ask` or `deny`: what the profile gives to a process that works for a coding agent."""
    if value not in AGENTS_MODES:
        raise ValueError(f"must be one of {', '.join(AGENTS_MODES)}")
    return AgentsMode(value)


def switch(value: Any) -> Switch:
    """True or false; 0, 1 and "yes" are neither."""
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {kind_of(value)}")
    return Switch(value)


# The kinds of durations: the least and the most, by the type's name. GetSessionToken takes 900 to 129600; AssumeRole
# 900 to what rules.py tells (STS API reference).
SECONDS: dict[str, tuple[int, int | None]] = {
    "SessionSeconds": (900, SESSION_MAX_SECONDS),
    "RoleSeconds": (900, None),
    "LimitSeconds": (1, 600),
    "WaitSeconds": (0, 3600),
}

CHECKS: dict[Any, Callable[[Any], Any]] = {
    Text: text,
    ProfileName: profile_name,
    Reference: reference,
    OtpReference: otp_reference,
    MfaDevice: mfa_device,
    RoleArn: role_arn,
    AccountId: account_id,
    Region: region,
    EndpointUrl: endpoint_url,
    Address: address,
    FilePath: file_path,
    **{kind: seconds(*SECONDS[kind.__name__]) for kind in (SessionSeconds, RoleSeconds, LimitSeconds, WaitSeconds)},
    RefreshMode: refresh_mode,
    MfaMode: mfa_mode,
    OnLock: on_lock,
    AgentsMode: agents_mode,
    Switch: switch,
}
