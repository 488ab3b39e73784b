"""One way to 1Password and what it reads, as `op` needs to know it.

Few imports: each login waits for them before `op` starts.
"""

from __future__ import annotations

from typing import NamedTuple


USUAL_TIMEOUT_SECONDS = 90


class PlainWay(NamedTuple):
    """One way to 1Password: a `model.OnePassword` without attrs."""

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
        if self.connect_host:
            return "connect"
        return "service" if self.token_file or self.token_command else "desktop"

    @property
    def asks_human(self) -> bool:
        """True if a use may raise a prompt that a person must answer."""
        return self.mode == "desktop"


def references_of(access_key_id: str, secret_access_key: str, mfa_id: str | None, otp: str | None) -> tuple[str, ...]:
    """The references of a profile with keys, in the order in which `op` resolves them."""
    serial = (mfa_id,) if mfa_id and mfa_id.startswith("op://") else ()
    return (access_key_id, secret_access_key, *serial, *((otp,) if otp else ()))
