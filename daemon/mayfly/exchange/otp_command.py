"""`otp_command`: a program of the user's that prints a one-time password, as from a security key.

It is run like `op`: found by the same rule, without a terminal and without input, in a neutral folder, within the time
limit of its way to 1Password, and ended with everything that it started. The code is read from its standard output, and
is nowhere else.
"""

from __future__ import annotations

import os
import re

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mayfly.exchange.onepassword import command
from mayfly.exchange.onepassword.environment import passed_on
from mayfly.shared.errors import OtpCommandFailed


if TYPE_CHECKING:
    from mayfly.config.model import KeyProfile

_CODE = re.compile(rb"\s*([0-9]{6})\s*")

# Where programs that keep codes have their data, their agents and their card readers (ykman, pass, gpg, pcsc-lite).
_FOR_CODES = ("XDG_DATA_HOME", "XDG_CACHE_HOME", "GNUPGHOME", "PASSWORD_STORE_DIR", "PCSCLITE_CSOCK_NAME")

KEY = "otp_command"


def find(words: Sequence[str], environ: Mapping[str, str]) -> tuple[str, ...]:
    """The command, with the program's absolute path as its first word; raises ConfigInvalid."""
    return command.found(KEY, words, environ)


def name(profile: KeyProfile) -> str:
    """The program's name, for people."""
    return os.path.basename((profile.otp_command or ("",))[0])


def one_time_password(profile: KeyProfile, environ: Mapping[str, str], limit_seconds: float) -> str:
    """The six digits that the command of `profile` prints; raises ConfigInvalid or OtpCommandFailed."""
    words = find(profile.otp_command or (), environ)
    try:
        printed = command.output(
            KEY,
            words,
            environment=passed_on(environ, _FOR_CODES),
            limit_seconds=limit_seconds,
            expected="a one-time password",
        )
    except command.Failed as reason:
        raise OtpCommandFailed(str(reason)) from None
    code = _CODE.fullmatch(printed)
    if not code:
        raise OtpCommandFailed(f"{KEY} {words[0]} printed something that is not a one-time password of six digits")
    return code[1].decode()
