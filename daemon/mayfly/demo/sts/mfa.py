"""MFA devices: a code counts for one step and its two neighbours, and never twice.

TOTP is RFC 6238 with SHA-1, 30 s and 6 digits, the only form that AWS takes. A code that was
accepted or refused once is spent for its device.
"""

import base64
import hashlib
import hmac

from datetime import datetime

from mayfly.demo.sts.account import User
from mayfly.demo.sts.responses import StsError, denied


STEP_SECONDS = 30
# Six digits come round again by chance; a device that forgot nothing would refuse a fresh code.
MEMORY_STEPS = 120


def step_at(at: datetime) -> int:
    """The TOTP step in which `at` lies."""
    return int(at.timestamp()) // STEP_SECONDS


def code_of(totp_seed: str, step: int) -> str:
    """The six digits of `step` for a base32 seed, as an authenticator shows them."""
    text = totp_seed.replace(" ", "").upper()
    key = base64.b32decode(text + "=" * (-len(text) % 8))
    digest = hmac.new(key, step.to_bytes(8, "big"), hashlib.sha1).digest()
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"


def code_at(totp_seed: str, at: datetime) -> str:
    """The six digits that are on the authenticator's screen at the instant `at`."""
    return code_of(totp_seed, step_at(at))


class Devices:
    """What STS remembers of every device: the codes that it has seen."""

    def __init__(self) -> None:
        self._spent: dict[tuple[str, str], int] = {}

    def check(self, user: User | None, serial: str, code: str, now: datetime) -> int:
        """Spend `code`, and return the step that it belongs to. Raises StsError, AccessDenied."""
        if user is None or not user.totp_seed or serial != user.mfa_serial:
            raise denied(
                "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your"
                " MFA serial number is valid and associated with this user."
            )
        spent = self._spend(serial, code, now)
        step = _matching_step(user.totp_seed, code, now)
        if spent or step is None:
            raise invalid_code()
        return step

    def _spend(self, serial: str, code: str, now: datetime) -> bool:
        oldest = step_at(now) - MEMORY_STEPS
        self._spent = {key: step for key, step in self._spent.items() if step > oldest}
        seen = (serial, code) in self._spent
        self._spent[serial, code] = step_at(now)
        return seen


def invalid_code() -> StsError:
    """AWS's answer to a wrong code, and to a right one that was seen before."""
    return denied("MultiFactorAuthentication failed with invalid MFA one time pass code.")


def _matching_step(totp_seed: str, code: str, now: datetime) -> int | None:
    this = step_at(now)
    steps = (this, this - 1, this + 1)
    return next((s for s in steps if hmac.compare_digest(code_of(totp_seed, s), code)), None)
