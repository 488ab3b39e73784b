"""`mayfly status`: the page, and the JSON."""

from __future__ import annotations

import json
import time

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mayfly.cli.durations import format_duration, format_time
from mayfly.cli.status.page import page
from mayfly.cli.terminal import Terminal
from mayfly.config.detours import detours
from mayfly.config.load import load
from mayfly.config.model import Config
from support.world import SEED_TOML, World


NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def row(profile: str = "nsrc", **changes: Any) -> dict[str, Any]:
    fresh = {
        "profile": profile,
        "source": None,
        "phase": "fresh",
        "issued_at": "2026-11-22T11:59:00Z",
        "expiration": "2026-11-22T19:59:00Z",
        "expires_in_seconds": 28_740,
        "due_at": "2026-11-22T19:39:00Z",
        "renewal_at": "2026-11-22T19:39:00Z",
        "renewal_takes": "touch",
        "in_flight": False,
        "last_fetched_at": "2026-11-22T11:58:00Z",
        "last_error": None,
        "retry_not_before_at": None,
        "next_step": "renewed by itself",
        "skew_seconds": 0,
    }
    return fresh | changes


def lines(*rows: dict[str, Any], notes: tuple[str, ...] = (), **more: Any) -> list[str]:
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
    return page(status, Terminal())


EMPTY = row(phase="empty", issued_at=None, expiration=None, expires_in_seconds=0, last_fetched_at=None, renewal_at=None)


def test_wrong_clock_and_the_daemons_notes_are_told() -> None:
    """A wrong clock and a proxy are reported."""
    assert [
        "note: this machine's clock is 1m 32s behind AWS's",
        "note: a proxy is used",
    ] == lines(row(skew_seconds=92), notes=("a proxy is used",))[2:4]
    assert "note: a proxy is used" in lines(row(), detours=("a proxy is used",))


def used(*fetches: dict[str, Any], **changes: Any) -> str:
    """What the page says of the use of a profile."""
    return lines(row(**changes), last_fetches=list(fetches))[0].partition("without a touch  ")[2]


def fetch(at: str, program: str | None = "terraform", pid: int | None = 42, agent: str = "aws") -> dict[str, Any]:
    return {"profile": "nsrc", "pid": pid, "program": program, "agent": agent, "at": f"2026-11-22T{at}Z"}


@pytest.fixture(name="utc")
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is UTC."""
    with monkeypatch.context() as changes:
        changes.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("fetches", "told"),
    [
        ([], ""),
        ([fetch("11:57:30")], " by terraform (pid 42, aws)"),
        ([fetch("11:00:00")], "; 1h ago by terraform (pid 42, aws)"),
        ([fetch("11:57:10", None, None, "curl")], " by a program that was gone (curl)"),
        ([fetch("11:00:00"), fetch("11:57:30"), fetch("11:58:00")], " by terraform (pid 42, aws)"),
        ([fetch("11:57:30"), fetch("11:58:00", "q", 7)], " by q (pid 7, aws), terraform (pid 42, aws)"),
        ([fetch("11:58:00", "\x1b]0;x\x07\nq")], " by ?]0;x??q (pid 42, aws)"),
        ([fetch("11:00:00", agent="curl"), fetch("11:57:50")], " by terraform (pid 42, aws)"),
        ([fetch("11:58:00") | {"profile": "other"}], ""),
        ([fetch(f"11:57:0{pid}", pid=pid) for pid in range(9)], " by terraform (pid 8, aws)"),
        (
            [fetch(f"11:57:0{pid}", f"p{pid}") for pid in range(9)],
            " by p8 (pid 42, aws), p7 (pid 42, aws), p6 (pid 42, aws)",
        ),
    ],
)
def test_page_tells_who_uses_a_profile(fetches: list[dict[str, Any]], told: str) -> None:
    """Programs that were given it in the minute before its last use, then earlier ones; three, each once, by name."""
    changes = {"renewal_takes": "nothing", "last_fetched_at": "2026-11-22T11:58:00Z"}

    assert f"used 2m ago{told}" == used(*fetches, **changes)


def test_page_tells_which_roles_use_a_profile() -> None:
    """A source that no program fetches itself is used for its roles; who waits in vain has asked for it."""
    role = row("admin", source="nsrc")
    unused = row("audit", source="nsrc", last_fetched_at=None)

    assert lines(row(), role, unused)[0].endswith("used 2m ago, for admin")
    earlier = [fetch("11:00:00")]
    assert lines(row(), role, last_fetches=earlier)[0].endswith(", for admin; 1h ago by terraform (pid 42, aws)")
    assert lines(EMPTY | {"last_fetched_at": "2026-11-22T11:58:00Z"})[0].endswith("asked for 2m ago")
    assert lines(row(), role, unused)[2].endswith("from nsrc - not used yet")


def test_page_tells_what_was_refused() -> None:
    """The most frequent cause comes first."""
    assert "refused: 30 by token, 2 by host" == lines(row(), refusals={"host": 2, "token": 30})[2]


def test_page_ends_with_the_daemon_itself() -> None:
    """Its version, address, config, and the time of its start are there."""
    version, config = lines(row())[-2:]

    assert version.startswith("mayfly 0.2.0, http://127.0.0.1:9170, since ")
    assert version.endswith("(2d 4h), pid 4711")
    assert "config /home/carmas/.config/mayfly/config.toml" == config


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


FAILED = {"code": "AwsThrottled", "message": "slow down", "hint": ""}
UNTIL = "2026-11-22T12:00:40Z"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"next_step": "tried again when a client asks"}, "tried again when a client asks"),
        ({"renewal_at": UNTIL}, "tried again at 12:00:40, with a touch"),
        ({"retry_not_before_at": UNTIL}, "clients get this answer until 12:00:40"),
        ({"last_error": FAILED | {"hint": "do it"}, "next_step": "do it"}, "hint: do it"),
    ],
)
@pytest.mark.usefixtures("utc")
def test_what_follows_an_error_is_told(changes: dict[str, Any], told: str) -> None:
    """The error in red below the bar, and the time of the next try, the next step, or how long it holds."""
    shown = lines(EMPTY | {"last_error": FAILED} | changes)

    assert "failed" in shown[0]
    assert "slow down (AwsThrottled)" in shown[1]
    assert 1 == sum(told in line for line in shown)


def test_clients_of_live_credentials_get_them_whatever_went_wrong() -> None:
    """An error is no answer to clients as long as credentials live."""
    shown = lines(row(phase="due", last_error=FAILED, retry_not_before_at=UNTIL, renewal_at=None))

    assert not [line for line in shown if "clients get" in line]


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


async def test_page_tells_of_grants(world: World) -> None:
    """How many there are, and in a shell that has one, which."""
    async with world.serve():
        none = await world.run("status")
        granted = await world.run("grant", "nsrc", "--shell", "json")
        told = json.loads(granted.out)["MAYFLY_GRANT"]
        inside = await world.run("status", env={"MAYFLY_GRANT": told})

    assert "mayfly grants" not in none.out
    (note,) = [line for line in inside.out.splitlines() if line.startswith("note: this shell has the grant ")]
    assert f"the grant {told}, not a profile's own token: mayfly grants" in note
    assert "grants: 1 (mayfly grants)" in inside.out.splitlines()


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
