"""`mayfly status`: the page, and the JSON."""

from __future__ import annotations

import json

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mayfly.cli.durations import format_duration, format_time
from mayfly.cli.status_page import page
from mayfly.config.detours import detours
from mayfly.config.load import load
from mayfly.config.model import Config
from support.world import SEED_TOML, World


NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def row(profile: str = "nsrc", **changes: Any) -> dict[str, Any]:
    fresh = {
        "profile": profile,
        "phase": "fresh",
        "expiration": "2026-11-22T19:59:00Z",
        "expires_in_seconds": 28_740,
        "in_flight": False,
        "last_fetched_at": "2026-11-22T11:58:00Z",
        "last_error": None,
        "retry_not_before_at": None,
        "next_step": "renewed by itself",
        "skew_seconds": 0,
    }
    return fresh | changes


def lines(*rows: dict[str, Any], notes: tuple[str, ...] = (), is_coloured: bool = False, **more: Any) -> list[str]:
    status = {
        "version": "0.2.0",
        "pid": 4711,
        "address": "127.0.0.1:9170",
        "config": "/home/carmas/.config/mayfly/config.toml",
        "started_at": "2026-11-20T08:00:00Z",
        "observed_at": "2026-11-22T12:00:00Z",
        "notes": list(notes),
        "profiles": list(rows),
    } | more
    return page(status, is_coloured=is_coloured)


EMPTY = row(phase="empty", expiration=None, expires_in_seconds=0, last_fetched_at=None)
DISMISSED = {"code": "ApprovalDismissed", "message": "the prompt was dismissed", "hint": "run 'mayfly login'"}


def test_columns_stand_under_their_headings() -> None:
    """However long a name is, each column is aligned with its heading."""
    assert [
        "PROFILE     PHASE  EXPIRES IN  USED    NEXT",
        "nsrc        fresh  7h 59m      2m ago  renewed by itself",
        "nsrc-admin  due    9m          2m ago  renewed at once",
    ] == lines(row(), row("nsrc-admin", phase="due", expires_in_seconds=540, next_step="renewed at once"))[:3]


def test_profile_without_credentials_has_no_time_left_and_no_use() -> None:
    """Without credentials there is no number in the table."""
    assert "nsrc     empty  -           never  renewed by itself" == lines(EMPTY)[1]


def test_profile_that_has_nothing_but_a_prompt_is_waiting() -> None:
    """The table says that a prompt is on the screen, not that the profile is empty."""
    step = "waiting for 1Password and AWS"

    assert f"nsrc     waiting  -           never  {step}" == lines(EMPTY | {"in_flight": True, "next_step": step})[1]


def test_error_stands_below_with_its_hint_and_how_long_it_holds() -> None:
    """An error is printed once, in full, below the table."""
    broken = EMPTY | {"last_error": DISMISSED, "retry_not_before_at": "2026-11-22T12:00:30Z"}

    assert [
        "nsrc     empty  -           never  see below",
        "",
        "nsrc: the prompt was dismissed (ApprovalDismissed)",
        "  hint: run 'mayfly login'",
        "  clients get this answer for another 30s",
        "",
    ] == lines(broken)[1:7]


def test_wrong_clock_and_the_daemons_notes_are_told() -> None:
    """A wrong clock and a proxy are reported."""
    assert [
        "note: this machine's clock is 1m 32s behind AWS's",
        "note: a proxy is used",
    ] == lines(row(skew_seconds=92), notes=("a proxy is used",))[3:5]
    assert "note: a proxy is used" in lines(row(), detours=("a proxy is used",))


def test_page_tells_who_was_given_what_and_what_was_refused() -> None:
    """The last fetch comes first; an unknown program has its agent's name; no name steers the terminal."""
    given = {"profile": "nsrc", "pid": 42, "program": "terraform", "agent": "aws-sdk-go-v2"}
    fetches = [
        given | {"at": "2026-11-22T11:00:00Z"},
        given | {"pid": 43, "program": "\x1b]0;x\x07\nq", "at": "2026-11-22T11:58:00Z"},
        given | {"pid": None, "program": None, "agent": "curl", "at": "2026-11-22T11:59:30Z"},
    ]

    assert [
        "LAST GIVEN  TO                                 WHEN",
        "nsrc        a program that was gone (curl)     30s ago",
        "nsrc        ?]0;x??q (pid 43, aws-sdk-go-v2)   2m ago",
        "nsrc        terraform (pid 42, aws-sdk-go-v2)  1h ago",
        "",
        "refused: 30 by token, 2 by host",
    ] == lines(row(), last_fetches=fetches, refusals={"host": 2, "token": 30})[3:9]
    assert ["nsrc"] * 5 == [line.split()[0] for line in lines(row(), last_fetches=fetches * 9)[4:9]]


def test_page_ends_with_the_daemon_itself() -> None:
    """Its version, address, config, and the time of its start are there."""
    version, config = lines(row())[-2:]

    assert version.startswith("mayfly 0.2.0, http://127.0.0.1:9170, since ")
    assert version.endswith("(2d 4h), pid 4711")
    assert "config /home/carmas/.config/mayfly/config.toml" == config


def test_colour_changes_nothing_but_colour() -> None:
    """Without its escape sequences, a coloured page is the plain one."""
    import re

    coloured = lines(row(), EMPTY, is_coloured=True)

    assert coloured != lines(row(), EMPTY)
    assert lines(row(), EMPTY) == [re.sub(r"\x1b\[\d+m", "", line) for line in coloured]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (-5, "0s"),
        (59, "59s"),
        (60, "1m"),
        (125, "2m 5s"),
        (28_740, "7h 59m"),
        (3600, "1h"),
        (273_600, "3d 4h"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds: int, text: str) -> None:
    """A duration is written as people say it."""
    assert text == format_duration(seconds)


def test_time_of_another_day_comes_with_its_day() -> None:
    """08:00 of tomorrow cannot be mistaken for 08:00 of today."""
    assert ["20:00", "Mon 23 Nov, 08:00"] == [format_time(NOW + timedelta(hours=hours), NOW) for hours in (8, 20)]


async def test_json_is_what_the_daemon_says(world: World) -> None:
    """`--json` prints the daemon's whole status, and a page for a pipe has no colours."""
    async with world.serve() as daemon:
        ended = await world.run("status", "--json")
        shown = await world.run("status")

    status = json.loads(ended.out)
    assert (0, daemon.pid, f"127.0.0.1:{world.port}") == (ended.code, status["pid"], status["address"])
    assert ["nsrc"] == [profile["profile"] for profile in status["profiles"]]
    assert "\x1b" not in shown.out
    assert f"config {world.config}" in shown.out.splitlines()


def test_an_automatic_retry_is_printed_below_its_error() -> None:
    """The line says when the daemon tries again."""
    error = {"code": "AwsThrottled", "message": "slow down", "hint": ""}
    step = "tried again by itself in 40 s"
    assert f"  {step}" in lines(row(last_error=error, next_step=step))


def _config(folder: Path, text: str) -> Config:
    file = folder / "config.toml"
    file.write_text(text)
    return load(file)


def test_detours_of_calls_to_aws_are_named(tmp_path: Path) -> None:
    """An endpoint, a proxy or certificates from config and environment are named; a proxy's password is not."""
    found = _config(tmp_path, SEED_TOML + 'sts_endpoint_url = "https://sts.example.com/x"\n')
    plain = _config(tmp_path, SEED_TOML)
    environ = {
        "AWS_ENDPOINT_URL_STS": "https://127.0.0.1:8443/",
        "HTTPS_PROXY": "http://ann:secret@proxy.example.com:3128",
        "all_proxy": "proxy.example.com",
        "AWS_CA_BUNDLE": "/etc/ca.pem",
        "AWS_PROFILE": "x",
    }

    assert [
        "nsrc: STS is asked at sts.example.com (sts_endpoint_url)",
        "STS is asked at 127.0.0.1:8443 (AWS_ENDPOINT_URL_STS)",
        "AWS is reached through the proxy proxy.example.com:3128 (HTTPS_PROXY)",
        "the proxy proxy.example.com (all_proxy) is not used for AWS: only HTTPS_PROXY is",
        "AWS's certificates are judged by /etc/ca.pem (AWS_CA_BUNDLE)",
    ] == detours(found, environ)
    assert [] == detours(plain, {"PATH": "/bin"})
    assert ["AWS_ENDPOINT_URL_STS is not followed: it names neither this machine nor AWS"] == detours(
        plain, {"AWS_ENDPOINT_URL_STS": "https://sts.example.com"}
    )


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        (
            {"REQUESTS_CA_BUNDLE": "/r", "SSL_CERT_FILE": "/s"},
            ["AWS's certificates are judged by /r (REQUESTS_CA_BUNDLE)"],
        ),
        ({"SSL_CERT_FILE": "/s"}, ["AWS's certificates are judged by /s (SSL_CERT_FILE)"]),
        ({"HTTP_PROXY": "http://p:1"}, ["the proxy p:1 (HTTP_PROXY) is not used for AWS: only HTTPS_PROXY is"]),
        ({"HTTPS_PROXY": "http://p:1", "https_proxy": ""}, []),
        (
            {"HTTPS_PROXY": "p:1", "HTTP_PROXY": "p:1", "NO_PROXY": "x"},
            ["AWS is reached through the proxy p:1 (HTTPS_PROXY, but for the hosts in NO_PROXY)"],
        ),
        (
            {"HTTPS_PROXY": "socks5://ann:secret@p:1"},
            ["HTTPS_PROXY names a SOCKS proxy, and AWS is called through an HTTP proxy only"],
        ),
    ],
)
def test_what_is_in_force_is_named_and_what_is_not_used(
    tmp_path: Path, environ: dict[str, str], told: list[str]
) -> None:
    """Of several variables the one in force; a proxy that no call of AWS goes through is named as unused."""
    assert told == detours(_config(tmp_path, SEED_TOML), environ)


async def test_the_daemon_reports_detours(world: World) -> None:
    """The daemon reports the detours of its environment, which its exchanges have, too."""
    async with world.serve():
        told = json.loads((await world.run("status", "--json")).out)["detours"]

    assert [f"STS is asked at {world.sts.url.removeprefix('http://')} (AWS_ENDPOINT_URL_STS)"] == told


async def test_page_tells_of_another_config_in_this_shell(world: World) -> None:
    """A service with `--config`, a shell without: the page says so, and how to agree; else it says nothing."""
    named = world.home / "named file.toml"
    named.write_text(SEED_TOML)
    async with world.serve("--config", str(named)):
        other = await world.run("status")
        same = await world.run("status", env={"MAYFLY_CONFIG": str(named)})
        world.config.unlink()
        none = await world.run("status")

    note = f"note: this shell takes {world.config}, the daemon {named}: export MAYFLY_CONFIG='{named}'"
    assert note in other.out.splitlines()
    assert "this shell" not in same.out + none.out
