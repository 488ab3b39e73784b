"""The shape of a field's value: its kind, in one word. Pure.

Law: a shape tells nothing of a value but one of these words. Only the words leave the reader.
"""

from __future__ import annotations

import re


ACCESS_KEY_ID = "access-key-id"
TEMPORARY_KEY_ID = "temporary-key-id"
SECRET = "secret"  # noqa: S105 - the name of a shape
OTP = "otp"
OTP_AS_TEXT = "otp-as-text"
MFA_ARN = "mfa-arn"
SECURITY_KEY_ARN = "security-key-arn"
ARN = "arn"
WORD = "word"
TEXT = "text"
EMPTY = "empty"

# Put before a shape if white space stands around the value: `op inject` prints that too, and AWS does not take it.
PADDED = "padded-"

# The forms that the exchange takes (exchange/onepassword/items.py); `sk` of IAM's ARNs is a FIDO key's.
_SHAPES = (
    (ACCESS_KEY_ID, r"AKIA[A-Z0-9]{16}"),
    (TEMPORARY_KEY_ID, r"ASIA[A-Z0-9]{16}"),
    (SECRET, r"[A-Za-z0-9/+]{40}"),
    (OTP_AS_TEXT, r"otpauth://.*"),
    (MFA_ARN, r"arn:aws[a-z0-9-]*:iam::[0-9]{12}:mfa/[\w+=/,.@-]+"),
    (SECURITY_KEY_ARN, r"arn:aws[a-z0-9-]*:iam::[0-9]{12}:(?:u2f|sk)/.+"),
    (ARN, r"arn:.+"),
    # What may be the serial number of a hardware device.
    (WORD, r"[\w+=/:,.@-]{9,256}"),
)


def shape_of(kind: str, value: object) -> str:
    """The shape of a field's `value`, which may be missing; `kind` is 1Password's type of the field."""
    text = value if isinstance(value, str) else ""
    if kind.upper() == "OTP":
        return OTP if text.strip() else EMPTY
    bare = text.strip()
    if not bare:
        return EMPTY
    shape = next((name for name, pattern in _SHAPES if re.fullmatch(pattern, bare, re.ASCII)), TEXT)
    return f"{PADDED}{shape}" if bare != text and shape != TEXT else shape


def is_telling(value: str) -> bool:
    """True if a text is, or may contain, a key or a secret: such a text is not passed on as a name either."""
    return bool(re.search(r"A[KS]IA[A-Z0-9]{16}|[A-Za-z0-9/+]{40}|otpauth://", value))
