"""One-time passwords: RFC 6238 with SHA-1, 30 s and six digits, the only form that AWS accepts."""

from __future__ import annotations

import base64
import hmac
import re


STEP_SECONDS = 30


def step_at(epoch_seconds: float) -> int:
    """The 30 s step that contains this time."""
    return int(epoch_seconds // STEP_SECONDS)


def code_of(seed: str, step: int) -> str:
    """The code of a step; `seed` is base32 or an otpauth:// URI."""
    secret = re.sub(r".*[?&]secret=([^&]*).*", r"\1", seed).replace(" ", "").upper().rstrip("=")
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.digest(key, step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 15
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
    return f"{number % 1_000_000:06}"
