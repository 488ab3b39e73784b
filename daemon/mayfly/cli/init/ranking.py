"""Which items may hold an AWS access key, or the one-time password to it, by what the list tells of them. Pure."""

from __future__ import annotations

import re

from collections.abc import Callable, Iterable

from mayfly.cli.init.items import Overview


# Not the shop: `amazon` alone is no sign.
_AWS = re.compile(r"(?<![a-z])aws(?![a-z])|amazon ?web ?services|amazonaws", re.IGNORECASE)
_KEYS = "API_CREDENTIAL"
# Kinds of items that are about something else.
_OTHERS = {
    "BANK_ACCOUNT",
    "CREDIT_CARD",
    "DOCUMENT",
    "DRIVER_LICENSE",
    "EMAIL_ACCOUNT",
    "IDENTITY",
    "MEMBERSHIP",
    "OUTDOOR_LICENSE",
    "PASSPORT",
    "REWARD_PROGRAM",
    "SOCIAL_SECURITY_NUMBER",
    "SOFTWARE_LICENSE",
    "SSH_KEY",
    "WIRELESS_ROUTER",
}


def with_keys(found: Iterable[Overview]) -> list[Overview]:
    """The items, the likeliest first, without those of a kind that has no keys."""
    return _sorted((item for item in found if item.category not in _OTHERS), _key_score)


def likely_with_keys(found: Iterable[Overview]) -> list[Overview]:
    """The items that look as if they had an access key: those about AWS, else those made for keys."""
    items = with_keys(found)
    return [item for item in items if _about_aws(item)] or [item for item in items if item.category == _KEYS]


def with_code(found: Iterable[Overview]) -> list[Overview]:
    """As `with_keys`, for a one-time password."""
    return _sorted((item for item in found if item.category not in _OTHERS), _code_score)


def likely_with_code(found: Iterable[Overview]) -> list[Overview]:
    """The items that look as if they had the one-time password: those about AWS."""
    return [item for item in with_code(found) if _about_aws(item)]


def _key_score(item: Overview) -> int:
    return 2 * _about_aws(item) + 3 * (item.category == _KEYS)


def _code_score(item: Overview) -> int:
    return 2 * _about_aws(item) + (item.category == "LOGIN")


def _about_aws(item: Overview) -> int:
    """0 to 6: the title counts most."""
    in_title = bool(_AWS.search(item.title))
    beside = any(_AWS.search(text) for text in (*item.tags, *item.urls))
    return 3 * in_title + 2 * beside + bool(_AWS.search(item.vault))


def _sorted(items: Iterable[Overview], score: Callable[[Overview], int]) -> list[Overview]:
    return sorted(items, key=lambda item: (-score(item), item.title.casefold(), item.vault.casefold(), item.id))
