"""Sessions go over a restart, to what they were made from, and only whole."""

import json

from typing import Any

import attrs
import pytest

from mayfly.daemon.keeper.snapshot import StoredSession, pack, unpack
from mayfly.session import Session
from support.engine import HOUR, config, issued, key, role
from support.stage import Stage, fetch, staged


KEPT = StoredSession("origin", issued().warned(900))


def test_what_is_packed_is_unpacked() -> None:
    """Credentials, times, skew and warnings come back as they were; an empty session is not kept."""
    session = KEPT.session
    assert {"nsrc": StoredSession("origin", session)} == unpack(
        pack({"nsrc": KEPT, "none": StoredSession("origin", Session())})
    )
    assert (b"", {}) == (pack({"none": StoredSession("origin", Session())}), unpack(b""))


def test_an_aws_that_seemed_behind_does_not_lengthen_a_life() -> None:
    """The skew by an earlier clock counts only if it shortens the life."""
    skews = []
    for skew in (-3600.0, 3600.0):
        kept = StoredSession("origin", attrs.evolve(KEPT.session, skew_seconds=skew))
        skews.append(unpack(pack({"nsrc": kept}))["nsrc"].session.skew_seconds)
    assert [0, 3600] == skews


def test_what_an_earlier_version_kept_has_no_partition() -> None:
    """Such a session is taken over all the same, and costs no prompt."""
    tree = json.loads(pack({"nsrc": KEPT}))
    del tree["sessions"]["nsrc"]["credentials"]["partition"]
    assert {"nsrc": KEPT} == unpack(json.dumps(tree).encode())


def changed(path: tuple[str, ...], value: Any) -> bytes:
    tree = json.loads(pack({"nsrc": KEPT}))
    place = tree
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return json.dumps(tree).encode()


ROW = ("sessions", "nsrc")


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense",
        b"[]",
        b"{}",
        b"[" * 100_000,
        changed(("format",), "mayfly-sessions-0"),
        changed(("extra",), 1),
        changed(("sessions",), []),
        changed(ROW, []),
        changed((*ROW, "extra"), 1),
        changed((*ROW, "origin"), 7),
        changed((*ROW, "issued_at"), None),
        changed((*ROW, "issued_at"), "2026-03-02T12:00:00"),
        changed((*ROW, "issued_at"), "noon"),
        changed((*ROW, "skew_seconds"), None),
        changed((*ROW, "skew_seconds"), True),
        changed((*ROW, "jitter_seconds"), float("inf")),
        changed((*ROW, "credentials", "secret_access_key"), ""),
    ],
)
def test_what_is_not_whole_is_dropped(raw: bytes) -> None:
    """Another format or shape is dropped."""
    assert {} == unpack(raw)


MADE = config(nsrc=key(), admin=role("nsrc"), other=key("other"))
AFTERWARDS: list[tuple[Any, float, list[str]]] = [
    (MADE, 60, ["nsrc", "admin"]),
    (config(nsrc=key(refresh="always", name="N"), admin=role("nsrc")), 60, ["nsrc", "admin"]),
    (config(nsrc=key(), admin=role("nsrc", "another")), 60, ["nsrc"]),
    (config(nsrc=key("other"), admin=role("nsrc")), 60, []),
    (config(other=key("other")), 60, []),
    (MADE, 2 * HOUR, ["nsrc"]),
    (MADE, 9 * HOUR, []),
]


@pytest.mark.parametrize(("after", "seconds", "names"), AFTERWARDS)
def test_who_comes_back_after_a_restart(after: Any, seconds: float, names: list[str]) -> None:
    """Live sessions that are made from the same are recalled, logged, and served without an exchange."""

    @staged(MADE)
    async def play(stage: Stage) -> None:
        """A life, and the next one."""
        await fetch(stage, "admin")
        next_life = Stage(after)
        next_life.stepped_seconds = seconds
        next_life.keeper.restore(stage.keeper.snapshot())
        assert names == [facts["profile"] for facts in next_life.log.told("session.recalled")]
        assert names == [name for name in after.profiles if next_life.keeper.take(name)]

    play()


def test_every_change_of_credentials_is_heard_of() -> None:
    """`on_change` keeps the snapshot up to date: it is called for new and dropped credentials, not for a fetch."""

    @staged(config(nsrc=key()))
    async def play(stage: Stage) -> None:
        """A fetch, another one, and the end."""
        heard: list[int] = []
        ledger = stage.keeper._ledger
        ledger._on_change = lambda: heard.append(1)
        await fetch(stage, "nsrc")
        await fetch(stage, "nsrc")
        issued_once = len(heard)
        stage.keeper.forget(["nsrc"])
        assert (1, 2, False) == (issued_once, len(heard), stage.keeper.is_busy)

    play()
