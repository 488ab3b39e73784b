"""A region's name: one rule for the daemon's checks and for the commands, which read only the document."""

from __future__ import annotations

import re

from typing import TYPE_CHECKING

from mayfly.shared.errors import ConfigInvalid


if TYPE_CHECKING:
    from mayfly.config.document import Document

# Every place ends with a number; aws-global and its like are no places. Whether AWS has it is botocore's to know.
_REGION = r"[a-z]{2,}(-[a-z0-9]+)*-[0-9]+"


def is_region(value: object) -> bool:
    """True for a text of the form of a region's name, like eu-central-1."""
    return isinstance(value, str) and re.fullmatch(_REGION, value) is not None


def region_of(found: Document, profile: str) -> str | None:
    """The region that the document gives to `profile`; None if it gives none. Raises ConfigInvalid for anything else.

    The line does not repeat the value: it might be a secret in the wrong place.
    """
    region = found.tables("profiles")[profile].get("region")
    if region is None:
        return None
    if not is_region(region):
        raise ConfigInvalid(f"{found.where('profiles', profile, 'region')}: is no region")
    return str(region)
