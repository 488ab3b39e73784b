"""Grants of an earlier process: the file says what was granted, and the config and the clock what still counts."""

from __future__ import annotations

from typing import Any

import pytest

from mayfly.daemon.grants import Grant
from mayfly.daemon.grants.kept import still_granted
from mayfly.shared.grant import Narrowing
from support.engine import NOON, at, config, key, role


READ_ONLY = Narrowing(None, ("arn:aws:iam::aws:policy/ReadOnlyAccess",))
CONFIG = config(nsrc=key(), admin=role("nsrc"), narrow=role("nsrc", policy_arns=READ_ONLY.policy_arns))


def kept(profile: str, **changed: Any) -> list[Grant]:
    """What is left of a grant on the profile, of an hour, that was made at noon."""
    session = profile if profile == "nsrc" else f"{profile}@00000001"
    grant = Grant(
        **{
            "profile": profile,
            "session": session,
            "id": "00000001",
            "label": "claude",
            "origin": CONFIG.origins.get(profile, ""),
            "seconds": 3600,
            "ends_at": at(3600),
            **changed,
        }
    )
    return [*still_granted([grant], CONFIG, NOON)]


def test_what_was_made_goes_on() -> None:
    """With its own end, and with words that are told anew."""
    (plain,), (narrowed,) = kept("nsrc"), kept("admin", narrowing=READ_ONLY, words="everything")

    assert ("nsrc", at(3600), "") == (plain.session, plain.ends_at, plain.words)
    assert ("admin@00000001", "read-only") == (narrowed.session, narrowed.words)


@pytest.mark.parametrize(
    ("profile", "changed"),
    [
        ("nsrc", {"session": "nsrc@00000001"}),
        ("admin", {"session": "admin"}),
        ("admin", {"session": "admin", "narrowing": READ_ONLY}),
        ("nsrc", {"narrowing": READ_ONLY}),
        ("narrow", {"narrowing": READ_ONLY}),
        ("admin", {"narrowing": Narrowing("x" * 2049)}),
        ("admin", {"delivery": "env", "seconds": 7200}),
        ("admin", {"origin": CONFIG.origins["nsrc"]}),
        ("nobody", {}),
        ("", {"session": ""}),
        ("nsrc", {"ends_at": NOON}),
    ],
)
def test_what_would_not_be_made_now_ends(profile: str, changed: dict[str, Any]) -> None:
    """A narrowed grant never opens the profile's own session, even if the file says so."""
    assert [] == kept(profile, **changed)


def test_a_clock_that_was_set_back_gives_no_more_time() -> None:
    """A grant of an hour ends an hour from now at the latest."""
    (grant,) = kept("nsrc", ends_at=at(5 * 3600))

    assert at(3600) == grant.ends_at
