"""Which field of an item is which. Pure.

Law: the shape of the value decides; among fields of one shape the label does; what is then still open is asked.
Labels in the wild: 1Password's shell plugin has `access key id`, `secret access key`, `one-time password` and `mfa
serial`, an API Credential has `username` and `credential`, scripts have `aws_access_key_id`, `AccessKeyId` and others.
"""

from __future__ import annotations

import re

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mayfly.cli.init import shapes
from mayfly.cli.init.items import Field, Item


KEYS = ("access_key_id", "secret_access_key", "otp", "mfa_id")

WHAT = {
    "access_key_id": "an access key id (AKIA and 16 characters)",
    "secret_access_key": "a secret access key (40 characters)",
    "otp": "a one-time password",
    "mfa_id": "the ARN of an MFA device",
}
_SHAPE = {
    "access_key_id": shapes.ACCESS_KEY_ID,
    "secret_access_key": shapes.SECRET,
    "otp": shapes.OTP,
    "mfa_id": shapes.MFA_ARN,
}
# Letters and digits of labels, the best first; a label that only contains the word counts less.
_LABELS = {
    "access_key_id": ("accesskeyid", "awsaccesskeyid", "accesskey", "awsaccesskey", "keyid", "username"),
    "secret_access_key": (
        "secretaccesskey",
        "awssecretaccesskey",
        "secretkey",
        "awssecretkey",
        "accesskeysecret",
        "secret",
        "credential",
        "password",
    ),
    "otp": ("onetimepassword", "totp", "otp", "mfa", "mfacode", "awsmfa", "2fa"),
    "mfa_id": ("mfaserial", "mfaid", "mfaarn", "mfadevice", "mfaserialnumber", "mfa", "serialnumber", "serial"),
}


_SERIAL = re.compile(r"serial|mfa(?:id|arn|device)")


class Found(NamedTuple):
    """The field for a key of the config, or None; `choices` are the fields among which only a person can tell.

    `problem`: why there is none.
    """

    field: Field | None
    choices: tuple[Field, ...] = ()
    problem: str = ""


def find(item: Item, key: str, *, beside: Field | None = None) -> Found:
    """The item's field for `key` of the config. Of fields that are alike the one in the section of `beside` counts."""
    fitting = [field for field in item.fields if field.shape == _SHAPE[key]]
    if not fitting and key == "mfa_id":
        # A hardware device has a serial number of any form, so the label must say what it is.
        fitting = [field for field in item.fields if field.shape == shapes.WORD and _SERIAL.search(_letters(field))]
    best = _best(key, fitting, beside)
    if len(best) == 1:
        return Found(best[0])
    return Found(None, tuple(best), "" if best else _problem(item, key))


def named(item: Item, key: str, name: str) -> Found:
    """The field that a person calls `name`: its label, `section/label` or ID."""
    wanted = name.casefold()
    fields = [field for field in item.fields if wanted in _names(field)]
    fitting = [field for field in fields if field.shape == _SHAPE[key] or (key == "mfa_id" and _is_serial(field))]
    if len(fitting) == 1:
        return Found(fitting[0])
    why = f"is not {WHAT[key]}" if fields and not fitting else "names several fields" if fields else "names no field"
    return Found(None, tuple(fitting), f"{name!r} {why}: fields are {', '.join(field.shown for field in item.fields)}")


def _names(field: Field) -> set[str]:
    return {part.casefold() for part in (field.id, field.label, field.path) if part}


def _is_serial(field: Field) -> bool:
    return field.shape in {shapes.MFA_ARN, shapes.WORD}


def _best(key: str, fitting: Sequence[Field], beside: Field | None) -> list[Field]:
    """The fields in the same section, if there are any, with the best label."""
    here = [field for field in fitting if beside and field.section_id == beside.section_id] or list(fitting)
    least = min((_rank(key, field) for field in here), default=_LEAST)
    return [field for field in here if _rank(key, field) == least]


_LEAST = 1000


def _rank(key: str, field: Field) -> int:
    """How well the label fits, 0 the best; `_LEAST` if it does not."""
    words = _letters(field)
    if words in _LABELS[key]:
        return _LABELS[key].index(words)
    return next((100 + place for place, name in enumerate(_LABELS[key]) if name in words), _LEAST)


def _letters(field: Field) -> str:
    return re.sub(r"[^a-z0-9]", "", field.label.lower())


def _problem(item: Item, key: str) -> str:
    """Why no field is fit, with the field that looks as if it were meant."""
    if key == "access_key_id" and (field := _of_shape(item, shapes.TEMPORARY_KEY_ID)):
        return f"{field.shown!r} holds a temporary key (ASIA…): only an IAM user's own access key (AKIA…) can log in"
    if key == "otp" and (field := _of_shape(item, shapes.OTP_AS_TEXT)):
        return f"{field.shown!r} holds an otpauth:// address as text: make it a field of the type one-time password"
    if key == "mfa_id" and (field := _of_shape(item, shapes.SECURITY_KEY_ARN)):
        return f"{field.shown!r} is a security key (FIDO), which AWS STS does not take"
    if field := _of_shape(item, f"{shapes.PADDED}{_SHAPE[key]}"):
        return f"{field.shown!r} has blanks or line ends around its value: remove them in 1Password"
    meant = next((field for field in item.fields if _rank(key, field) < 100), None)
    if meant is None:
        return f"no field holds {WHAT[key]}"
    return f"{meant.shown!r} " + ("is empty" if meant.shape == shapes.EMPTY else f"is not {WHAT[key]}")


def _of_shape(item: Item, shape: str) -> Field | None:
    return next((field for field in item.fields if field.shape == shape), None)


# What `op` takes in a part of a reference.
_PART = re.compile(r"[A-Za-z0-9_. -]+")


def reference(item: Item, field: Field) -> str | None:
    """The shortest secret reference that leads to this field and no other, by IDs where they can stand there.

    None if IDs and names have characters that no reference may have.
    """
    return next((f"{item.overview.reference}/{path}" for path in _paths(field) if _leads_to(item, path, field)), None)


def _paths(field: Field) -> Iterator[str]:
    sections = [part for part in (field.section_id, field.section) if _PART.fullmatch(part)]
    for name in (field.id, field.label):
        if _PART.fullmatch(name):
            yield name
            yield from (f"{section}/{name}" for section in sections)


def _leads_to(item: Item, path: str, wanted: Field) -> bool:
    """True if only `wanted` is meant. `op` takes an ID or a label for a name, in any case."""
    *section, name = path.casefold().split("/")
    meant = [
        field
        for field in item.fields
        if name in {field.id.casefold(), field.label.casefold()}
        and (not section or section[0] in {field.section_id.casefold(), field.section.casefold()})
    ]
    return meant == [wanted]
