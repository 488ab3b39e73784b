"""One way to 1Password and what it reads, as `op` needs to know it.

Few imports: each login waits for them before `op` starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple


if TYPE_CHECKING:
    from typing import TypeAlias

    from mayfly.config.model import OnePassword

    Way: TypeAlias = "OnePassword | PlainWay"

USUAL_TIMEOUT_SECONDS = 90


class PlainWay(NamedTuple):
    """A `model.OnePassword` without attrs."""

    op: str | None = None
    account: str | None = None
    timeout_seconds: int = USUAL_TIMEOUT_SECONDS
    token_file: str | None = None
    token_command: tuple[str, ...] | None = None
    connect_host: str | None = None
    connect_token_file: str | None = None

    @property
    def mode(self) -> str:
        """`desktop`, `service` or `connect`."""
        return mode_of(self)

    @property
    def asks_human(self) -> bool:
        """True if a use may raise a prompt that a person must answer."""
        return asks_human(self)


def plain(way: Way) -> PlainWay:
    """The same way, without attrs."""
    return PlainWay(*(getattr(way, name) for name in PlainWay._fields))


def mode_of(way: Way) -> str:
    """`desktop`, `service` or `connect`."""
    if way.connect_host:
        return "connect"
    return "service" if way.token_file or way.token_command else "desktop"


def asks_human(way: Way) -> bool:
    """True if a use may raise a prompt that a person must answer."""
    return mode_of(way) == "desktop"


def references_of(access_key_id: str, secret_access_key: str, mfa_id: str | None, otp: str | None) -> tuple[str, ...]:
    """The references of a profile with keys, in the order in which `op` resolves them."""
    serial = (mfa_id,) if mfa_id and mfa_id.startswith("op://") else ()
    return (access_key_id, secret_access_key, *serial, *((otp,) if otp else ()))
