"""MFA devices: a code is valid in its own step and the two beside it, and only once.

AWS refuses a code that it has seen before, whether it accepted or refused it then.
"""

import hmac

from datetime import datetime

from mayfly.demo import totp
from mayfly.demo.sts.account import User
from mayfly.demo.sts.responses import StsError, denied


# Six digits repeat by chance. A device that never forgot a code would refuse a fresh one some day.
MEMORY_STEPS = 120


def step_at(at: datetime) -> int:
    """The TOTP step of the instant `at`."""
    return totp.step_at(at.timestamp())


def code_at(totp_seed: str, at: datetime) -> str:
    """The code that an authenticator shows at the instant `at`."""
    return totp.code_of(totp_seed, step_at(at))


class Devices:
    """The codes that STS has seen from each device."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], int] = {}

    def check(self, user: User | None, serial: str, code: str, now: datetime) -> int:
        """Use up `code` and return its step. Raises StsError, AccessDenied."""
        if user is None or not user.totp_seed or serial != user.mfa_serial:
            raise denied(
                "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your"
                " MFA serial number is valid and associated with this user."
            )
        was_seen = self._remember(serial, code, now)
        step = _matching_step(user.totp_seed, code, now)
        if was_seen or step is None:
            raise invalid_code()
        return step

    def _remember(self, serial: str, code: str, now: datetime) -> bool:
        """True if the code was seen before; from now on it was."""
        oldest = step_at(now) - MEMORY_STEPS
        self._seen = {key: step for key, step in self._seen.items() if step > oldest}
        was_seen = (serial, code) in self._seen
        self._seen[serial, code] = step_at(now)
        return was_seen


def invalid_code() -> StsError:
    """AWS's error for a wrong code and for a code that was used before."""
    return denied("MultiFactorAuthentication failed with invalid MFA one time pass code.")


def _matching_step(totp_seed: str, code: str, now: datetime) -> int | None:
    this = step_at(now)
    steps = (this, this - 1, this + 1)
    return next((s for s in steps if hmac.compare_digest(totp.code_of(totp_seed, s), code)), None)
