"""The values of an item: checked before they are used, and never repeated in an error."""

from __future__ import annotations

import re

from collections.abc import Mapping, Sequence

import attrs

from mayfly.config.model import KeyProfile
from mayfly.shared.errors import (
    FieldNotFound,
    ItemAmbiguous,
    ItemNotFound,
    ItemValueInvalid,
    OnePasswordGarbled,
    OnePasswordUnknown,
    ReferenceInvalid,
    VaultNotFound,
)


# One bad reference fails a whole `op inject` and tells nothing about the other items. An error with an
# unknown text may come from one reference, too.
OF_ONE_ITEM = (
    ItemNotFound,
    FieldNotFound,
    VaultNotFound,
    ItemAmbiguous,
    ItemValueInvalid,
    ReferenceInvalid,
    OnePasswordGarbled,
    OnePasswordUnknown,
)


@attrs.frozen(kw_only=True)
class Item:
    """A long-term access key, the serial of the MFA device, and a current one-time password.

    `mfa_serial` is None without MFA. `token_code` is None without MFA, and as long as `otp_command` has given none.
    """

    access_key_id: str = attrs.field(repr=False)
    secret_access_key: str = attrs.field(repr=False)
    mfa_serial: str | None = None
    token_code: str | None = attrs.field(default=None, repr=False)

    @property
    def lacks_code(self) -> bool:
        """True if the device must still give a code."""
        return self.mfa_serial is not None and self.token_code is None


def item_from(profile: KeyProfile, values: Sequence[str]) -> Item:
    """The item of `profile`, from the values of its references in their order; raises ItemValueInvalid."""
    found = dict(zip(profile.references(), values, strict=True))
    serial = profile.mfa_id and _checked(
        found | {profile.mfa_id: found.get(profile.mfa_id, profile.mfa_id)},
        profile.mfa_id,
        r"[\w+=/:,.@-]{9,256}",
        "the serial number or ARN of an MFA device",
    )
    return Item(
        access_key_id=_checked(found, profile.access_key_id, r"AKIA[A-Z0-9]{16}", "a long-term access key id (AKIA…)"),
        secret_access_key=_checked(found, profile.secret_access_key, r"[A-Za-z0-9/+]{40}", "a secret access key"),
        mfa_serial=serial,
        token_code=profile.otp and _checked(found, profile.otp, r"\d{6}", "a one-time password of six digits"),
    )


def _checked(found: dict[str, str], reference: str, pattern: str, what: str) -> str:
    value = found[reference]
    if not value:
        raise ItemValueInvalid(f"1Password has nothing in {reference.partition('?')[0]}", hint="fill the field in")
    if not re.fullmatch(pattern, value, re.ASCII):
        raise ItemValueInvalid(
            f"1Password gives for {reference.partition('?')[0]} something that is not {what}",
            hint="mend the item, or the reference in the config",
        )
    return value


def first_of_each_code(items: Mapping[str, Item]) -> dict[str, Item]:
    """One item for each code: several profiles may use the same MFA device. Those without MFA all."""
    first: dict[str, str] = {}
    for name, item in items.items():
        first.setdefault(item.token_code or f"none for {name}", name)
    return {name: items[name] for name in first.values()}
