"""`mayfly console`: a role's session becomes a session of the AWS console, and nobody else sees its URL."""

from __future__ import annotations

import asyncio
import signal
import sys
import time

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from aiohttp import web

from mayfly.cli.console.federation import Credentials, FederationFailed, sign_in_token
from mayfly.cli.console.hosts import hosts_of
from mayfly.demo.sts.server import EmbeddedSts, Role
from support.federation import SIGN_IN_TOKEN, Federation, federation
from support.others import AS_ME, by_root
from support.tunnel import Tunnel
from support.world import PATIENCE_SECONDS, SEED_ACCOUNT, SEED_TOML, World


ARN = f"arn:aws:iam::{SEED_ACCOUNT}:role"
ROLES = f"""
[profiles.admin]
source_profile = "nsrc"
role_arn = "{ARN}/Admin"
region = "eu-west-1"
[profiles.long]
source_profile = "nsrc"
role_arn = "{ARN}/Long"
mfa = "each"
duration_seconds = 7200
[profiles.elsewhere]
source_profile = "nsrc"
role_arn = "arn:aws-iso:iam::{SEED_ACCOUNT}:role/Admin"
"""
LOGIN = "https://signin.aws.amazon.com/federation"

# A browser for the tests: it fetches the address that it is given, and writes down that address and where it leads.
BROWSER = """#!{python}
import http.client, sys, urllib.parse
parts = urllib.parse.urlsplit(sys.argv[-1])
found = []
for _ in range(2):
    try:
        connection = http.client.HTTPConnection(parts.netloc)
        connection.request("GET", parts.path)
        answer = connection.getresponse()
        found.append(f"{{answer.status}} {{answer.getheader('Location')}}")
    except OSError:
        found.append("nobody listens")
open({notes!r}, "w").write("\\n".join([sys.argv[-1], *found]))
"""


@asynccontextmanager
async def console(world: World) -> AsyncIterator[tuple[Federation, dict[str, str]]]:
    """A daemon with roles, and a federation endpoint; with the variables that lead the command there."""
    world.write_toml(SEED_TOML + ROLES)
    roles = (Role(name="Admin"), Role(name="Long", max_session_seconds=43_200))
    async with (
        EmbeddedSts(world.account(*roles)) as world.sts,
        federation(world.sts.url) as endpoint,
        world.serve(),
    ):
        yield endpoint, {"AWS_ENDPOINT_URL_SIGNIN": endpoint.url}


def browser(folder: Path) -> tuple[Path, Path]:
    """The browser's program, and where its notes will be."""
    program, notes = folder / "browser", folder / "notes"
    program.write_text(BROWSER.format(python=sys.executable, notes=str(notes)))
    program.chmod(0o755)
    return program, notes


def noted(notes: Path) -> list[str]:
    """The browser's notes, which may come after the command has ended."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not notes.exists() or notes.read_text().count("\n") < 2:
        assert time.monotonic() < end, "the browser has asked for nothing"
        time.sleep(0.02)
    return notes.read_text().splitlines()


def parameters(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


async def test_the_url_is_printed_and_nothing_else(world: World) -> None:
    """`--print` is for scripts: one line, which leads to the place that `--to` names."""
    async with console(world) as (endpoint, env):
        await world.run("login", "nsrc", "admin")
        plain = await world.run("console", "admin", "--print", env=env)
        there = await world.run("console", "admin", "--print", "--to", "s3", env=env)
        first = await world.run("console", "admin", "--print", "--logout-first", env=env)

    assert [0, 0, 0] == [plain.code, there.code, first.code], (plain.err, there.err, first.err)
    assert ["", "", ""] == [plain.err, there.err, first.err]
    assert 1 == plain.out.count("\n")
    assert plain.out.startswith(f"{LOGIN}?Action=login&")
    home = "https://console.aws.amazon.com/console/home?region=eu-west-1"
    expected = {"Action": "login", "Issuer": "mayfly", "Destination": home, "SigninToken": SIGN_IN_TOKEN}
    assert expected == parameters(plain.out.strip())
    assert parameters(there.out.strip())["Destination"] == "https://console.aws.amazon.com/s3/home?region=eu-west-1"
    assert first.out.startswith("https://us-east-1.signin.aws.amazon.com/oauth?Action=logout&redirect_uri=")
    assert expected == parameters(parameters(first.out.strip())["redirect_uri"])
    assert ["getSigninToken"] * 3 == [asked["Action"] for asked in endpoint.asked]
    assert not any("SessionDuration" in asked for asked in endpoint.asked)


async def test_a_role_with_a_code_of_its_own_has_a_console_as_long_as_its_session(world: World) -> None:
    """AWS takes a duration only for a role that was assumed with a long-term key: `mfa = "each"`."""
    async with console(world) as (endpoint, env):
        endpoint.takes_duration = True
        await world.run("login", "long")
        ended = await world.run("console", "long", "--print", env=env)

    assert (0, "") == (ended.code, ended.err)
    assert ["7200"] == [asked["SessionDuration"] for asked in endpoint.asked]


async def test_the_browser_gets_an_address_that_works_once(world: World) -> None:
    """The URL is on no command line: what `ps` shows leads nowhere a second time."""
    program, notes = browser(world.folder)
    async with console(world) as (_, env):
        await world.run("login", "nsrc", "admin")
        ended = await world.run("console", "admin", "--browser", str(program), env=env)
        several = {"BROWSER": f"no-such-browser:{program} --new-window"}
        by_variable = await world.run("console", "admin", env=env | several)
    given, first, second = noted(notes)

    assert (0, "", "") == tuple(ended)
    assert 0 == by_variable.code
    assert urlsplit(given).hostname == "127.0.0.1"
    assert SIGN_IN_TOKEN not in given
    assert first.startswith(f"303 {LOGIN}?Action=login&")
    assert second in {"404 None", "nobody listens"}


async def test_a_browser_that_fails_is_told(world: World) -> None:
    """The command waits for the browser, and says what became of it."""
    program = world.folder / "broken"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    async with console(world) as (_, env):
        failed = await world.run("console", "admin", "--browser", str(program), env=env)
        missing = await world.run("console", "admin", "--browser", "no-such-browser", env=env)
        by_variable = await world.run("console", "admin", env=env | {"BROWSER": "no-such-browser"})
        none = await world.run("console", "admin", env=env | {"PATH": str(world.folder)})

    assert (1, f"mayfly: error: {program} ended with exit code 3, and asked for nothing") == (
        failed.code,
        failed.err.splitlines()[0],
    )
    assert (2, "mayfly: error: --browser: no-such-browser is not on PATH") == (
        missing.code,
        missing.err.splitlines()[0],
    )
    assert [
        "mayfly: error: $BROWSER: no-such-browser is not on PATH",
        "mayfly: hint: print the URL instead: mayfly console --print admin",
    ] == by_variable.err.splitlines()
    assert (1, True) == (none.code, none.err.startswith("mayfly: error: no browser is known here"))


async def test_a_browser_that_asks_for_nothing_is_waited_for_aloud(world: World) -> None:
    """As on a host without a screen, where an opener ends well and opens nothing."""
    async with console(world) as (_, env), asyncio.timeout(PATIENCE_SECONDS):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "mayfly", "console", "admin", "--browser", "true"),
            env=world.with_env(env),
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr
        while b"browser" not in (line := await process.stderr.readline()):
            assert line
        process.send_signal(signal.SIGINT)

        assert b"mayfly: waiting for the browser to ask for the page, 60 s at most\n" == line
        assert 130 == await process.wait()


@by_root
async def test_another_user_gets_nothing_from_the_address(world: World) -> None:
    """Somebody who reads the command line in time is not sent on, and the person still is."""
    program, notes = browser(world.folder)
    spy, seen = world.folder / "spy", world.folder / "seen"
    spy.write_text(
        f'#!/bin/sh\n{" ".join(AS_ME)} curl -s -o /dev/null -w "%{{http_code}}" "$1" >{seen}\nexec {program} "$1"\n'
    )
    spy.chmod(0o755)
    async with console(world) as (_, env):
        ended = await world.run("console", "admin", "--browser", str(spy), env=env)

    assert (0, "404") == (ended.code, seen.read_text())
    assert noted(notes)[1].startswith("303 ")


WRONG = [
    (["nsrc"], "nsrc has a session of GetSessionToken, and AWS's console takes only a role's session"),
    (["nobody"], "there is no profile 'nobody'"),
    (["elsewhere"], "the console of the partition aws-iso is not known"),
    (["admin", "--to", "https://evil.example/"], "--to takes a service"),
    (["admin", "--to", "https://console.aws.amazon.com@evil.example/"], "--to takes a service"),
    (["admin", "--to", "https://console.aws.amazon.com.evil.example/"], "--to takes a service"),
    (["admin", "--to", "http://console.aws.amazon.com/"], "--to takes a service"),
    # Browsers take a backslash for a slash.
    (["admin", "--to", "https://evil.example\\.console.aws.amazon.com/"], "--to takes a service"),
    (["admin", "--to", "https://me:pw@eu-west-1.console.aws.amazon.com/"], "--to takes a service"),
    (["admin", "--to", "https://evil.example;.console.aws.amazon.com/"], "--to takes a service"),
    (["admin", "--to", "S 3"], "--to 'S 3' is neither a URL"),
    (["admin", "--browser", "'x"], "--browser has a quote that does not end"),
]


async def test_what_cannot_be_is_said_before_anything_is_asked(world: World) -> None:
    """One line with the reason, exit code 2, and nobody is asked."""
    async with console(world) as (endpoint, env):
        for words, text in WRONG:
            ended = await world.run("console", *words, env=env)
            assert 2 == ended.code, words
            assert ended.err.startswith(f"mayfly: error: {text}"), ended.err
        assert [] == endpoint.asked
        assert 0 == world.vault.state()["prompts"]


async def test_a_setting_that_makes_the_call_impossible_is_told_before_anybody_is_asked(world: World) -> None:
    """A proxy that cannot be used, or a file without certificates: one line, what mends it, and no prompt."""
    impossible = {
        "HTTPS_PROXY": ("socks5://127.0.0.1:1", "HTTPS_PROXY names a SOCKS proxy", "set HTTPS_PROXY to an http://"),
        "https_proxy": ("https://127.0.0.1:1", "https_proxy names an https:// proxy", "set https_proxy to an http://"),
        "SSL_CERT_FILE": ("/nonexistent", "SSL_CERT_FILE: /nonexistent cannot be read", "set SSL_CERT_FILE to a file"),
        "AWS_CA_BUNDLE": ("/dev/zero", "AWS_CA_BUNDLE: /dev/zero cannot be read: is a device", "set AWS_CA_BUNDLE to"),
    }
    async with console(world):
        for variable, (value, error, hint) in impossible.items():
            ended = await world.run("console", "admin", "--print", env={variable: value})
            told, advice = ended.err.splitlines()
            assert (1, True) == (ended.code, told.startswith(f"mayfly: error: {error}")), ended.err
            assert advice.startswith(f"mayfly: hint: {hint}")
        assert 0 == world.vault.state()["prompts"]
        nobody = await world.run("console", "admin", "--print", env={"HTTPS_PROXY": "http://127.0.0.1:1"})
        advice = "is the network up? The proxy is in HTTPS_PROXY of this shell"
        assert (1, f"mayfly: hint: {advice}") == (nobody.code, nobody.err.splitlines()[-1])


async def test_a_private_authority_is_accepted_by_its_variable(world: World) -> None:
    """As for STS: where the certificate is not accepted the hint names the variable, and with it the call is made."""
    async with console(world), Tunnel(world, "signin.aws.amazon.com").open() as tunnel:
        proxy = {"HTTPS_PROXY": tunnel.env["HTTPS_PROXY"]}
        refused = await world.run("console", "admin", "--print", env=proxy)
        await world.run("console", "admin", "--print", env=proxy | {"SSL_CERT_FILE": tunnel.env["AWS_CA_BUNDLE"]})

    error, hint = refused.err.splitlines()
    assert error.endswith("cannot be reached at signin.aws.amazon.com: its certificate is not accepted")
    assert "mayfly: hint: behind a company's proxy set AWS_CA_BUNDLE in this shell to a file" in hint
    assert [False, True] == tunnel.accepted


async def test_a_profile_without_a_role_is_told_which_can(world: World) -> None:
    """The hint can be pasted."""
    async with console(world) as (endpoint, env):
        ended = await world.run("console", "nsrc", env=env)

    assert "mayfly: hint: mayfly console admin   (or: long, elsewhere)" == ended.err.splitlines()[1]
    assert [] == endpoint.asked


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ({"status": 400, "text": "<html>"}, "AWS takes this session for no sign-in to the console (HTTP 400)"),
        ({"status": 503, "text": ""}, "AWS's federation endpoint refused the session (HTTP 503)"),
        (
            {"status": 302, "headers": {"Location": "/elsewhere"}},
            "AWS's federation endpoint refused the session (HTTP 302)",
        ),
        ({"text": "[]"}, "AWS's federation endpoint answered without a sign-in token"),
        ({"text": '{"SigninToken": 1}'}, "AWS's federation endpoint answered without a sign-in token"),
        ({"body": b" " * 70_000}, "AWS's federation endpoint answered more than it ever does"),
    ],
)
async def test_an_odd_answer_is_one_line(answer: dict[str, object], text: str) -> None:
    """The refusals of AWS, or of a server in its place, are told without the credentials that were sent."""
    async with federation("") as endpoint:
        endpoint.answer = web.Response(**answer)  # type: ignore[arg-type] # a table of answers
        given = Credentials("ASIAEXAMPLE", "s" * 40, "t" * 400)
        env = {"AWS_ENDPOINT_URL_SIGNIN": endpoint.url}
        with pytest.raises(FederationFailed) as caught:
            await asyncio.to_thread(sign_in_token, hosts_of(f"{ARN}/Admin"), given, None, env)
    assert text == str(caught.value)


@pytest.mark.parametrize(
    ("variable", "answer", "words"),
    [
        ("AWS_ENDPOINT_URL_SIGNIN", b"SSH-2.0-OpenSSH_9.6\r\n", "what answers there speaks no HTTP"),
        ("AWS_ENDPOINT_URL_SIGNIN", b"", "the connection broke off"),
        ("HTTPS_PROXY", b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "the proxy refuses it (HTTP 407)"),
        ("HTTPS_PROXY", b"HTTP/1.1 403 Forbidden\r\n\r\n", "the proxy refuses it (HTTP 403)"),
        ("HTTPS_PROXY", b"", "the connection broke off"),
        (
            "HTTPS_PROXY",
            b"HTTP/1.1 200 OK\r\n\r\nthis is no TLS",
            "no TLS connection comes about with what answers there",
        ),
    ],
)
async def test_an_answer_that_is_none_has_a_reason_in_words(variable: str, answer: bytes, words: str) -> None:
    """Never the name of an exception of Python's."""

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head, end, rest = answer.partition(b"\r\n\r\n")
        writer.write(head + end)
        if rest:
            await reader.read(1)  # of what goes through the proxy
            writer.write(rest)
        if answer:
            await reader.read()  # to the end: bytes that nobody reads would reset the connection
        writer.close()

    async with await asyncio.start_server(answered, "127.0.0.1", 0) as server:
        env = {variable: f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"}
        given = Credentials("ASIAEXAMPLE", "s" * 40, "t" * 400)
        with pytest.raises(FederationFailed) as caught:
            await asyncio.to_thread(sign_in_token, hosts_of(f"{ARN}/Admin"), given, None, env)
    assert str(caught.value).startswith("AWS's federation endpoint cannot be reached at ")
    assert words == str(caught.value).rpartition(": ")[2]


@pytest.mark.parametrize(
    ("partition", "domain", "region"),
    [
        ("aws", "aws.amazon.com", "us-east-1"),
        ("aws-us-gov", "amazonaws-us-gov.com", "us-gov-west-1"),
        ("aws-cn", "amazonaws.cn", "cn-northwest-1"),
        ("aws-eusc", "amazonaws-eusc.eu", "eusc-de-east-1"),
    ],
)
def test_each_partition_has_its_own_sign_in(partition: str, domain: str, region: str) -> None:
    """Credentials of one partition are sent to no other."""
    hosts = hosts_of(f"arn:{partition}:iam::{SEED_ACCOUNT}:role/Admin")
    assert f"https://signin.{domain}/federation" == hosts.federation_url
    assert f"https://{region}.signin.{domain}" == hosts.regional_signin
    assert f"https://console.{domain}/s3/home" == hosts.destination("s3", None)
    assert (own := f"https://{region}.console.{domain}/ec2") == hosts.destination(own, None)
