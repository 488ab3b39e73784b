"""A profile's name: one rule for the daemon's checks and for the commands, which read only the document.

The name stands in a URL, a file name and an AWS profile.
"""

from __future__ import annotations

import re


PROFILE_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"

_PROFILE_NAME = re.compile(PROFILE_NAME)


def is_profile_name(value: object) -> bool:
    """True for 1 to 64 letters, digits, `.`, `_` and `-`, of which the first is a letter or digit."""
    return isinstance(value, str) and _PROFILE_NAME.fullmatch(value) is not None
