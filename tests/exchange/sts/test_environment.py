"""The environment cannot lead a call to another account, file or endpoint."""

from __future__ import annotations

import os

from datetime import timedelta

import pytest

from botocore.httpsession import where
from botocore.utils import get_environ_proxies

from mayfly.config.network import ca_bundle, proxy_of
from mayfly.config.sts_endpoint import followed_endpoint
from mayfly.exchange.sts.environment import check_settings, seal_environment
from mayfly.exchange.sts.location import StsLocation
from mayfly.shared import wire
from mayfly.shared.errors import AwsUnreachable
from support.exchange import ask, login, role_profile
from support.tunnel import Tunnel
from support.world import SEED_ACCOUNT, SEED_TOML, World


DEAD = "http://127.0.0.1:1"

HOSTILE_CONFIG = f"""
[default]
aws_access_key_id = AKIAHOSTILEHOSTILE00
aws_secret_access_key = hostile
endpoint_url = {DEAD}
sts_regional_endpoints = legacy
region = hostile-1
credential_process = touch {{sung}}
[profile other]
credential_process = touch {{sung}}
endpoint_url = {DEAD}
"""


async def test_nothing_of_aws_in_the_environment_counts(world: World) -> None:
    """Profiles, keys, endpoints and files of the environment or of ~/.aws are never used."""
    sung = world.home / "sung"
    folder = world.home / ".aws"
    folder.mkdir()
    for name in ("config", "credentials"):
        (folder / name).write_text(HOSTILE_CONFIG.format(sung=sung))
    hostile = {
        "AWS_PROFILE": "other",
        "AWS_DEFAULT_PROFILE": "missing",
        "AWS_ACCESS_KEY_ID": "AKIAHOSTILEHOSTILE00",
        "AWS_SECRET_ACCESS_KEY": "hostile",
        "AWS_SESSION_TOKEN": "hostile",
        "AWS_ENDPOINT_URL": DEAD,
        "AWS_REGION": "hostile-1",
        "AWS_CONFIG_FILE": str(folder / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials"),
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
        "AWS_DATA_PATH": str(folder),
        "AWS_USE_FIPS_ENDPOINT": "true",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": DEAD,
        "BOTO_CONFIG": str(folder / "config"),
        "PYTHONPATH": str(folder),
        "PYTHONWARNINGS": "error",
    }

    ended = await ask(world, login(world), hostile)

    assert (0, "", {"nsrc": "Credentials"}) == (ended.code, ended.err, ended.verdicts)
    assert [world.vault.access_key_id] == [call.access_key_id for call in world.sts.calls]
    assert not sung.exists()


async def test_models_of_the_home_are_not_read(world: World) -> None:
    """`~/.aws/models`, where botocore looks first, cannot change the API or its endpoints."""
    models = world.home / ".aws/models"
    (models / "sts/2011-06-15").mkdir(parents=True)
    (models / "sts/2011-06-15/service-2.json").write_text('{"metadata": {}, "operations": {}}')
    (models / "sts/2099-01-01").mkdir(parents=True)
    (models / "sts/2099-01-01/service-2.json").write_text('{"metadata": {}, "operations": {}}')
    (models / "endpoints.json").write_text("{}")

    ended = await ask(world, login(world), from_scratch=True)

    assert (0, "", {"nsrc": "Credentials"}) == (ended.code, ended.err, ended.verdicts)


@pytest.mark.parametrize("host", ["127.0.0.1", "LocalHost"])
async def test_a_profile_names_its_own_sts(world: World, host: str) -> None:
    """`sts_endpoint_url` in the config wins over the environment, also for roles above; its host may have capitals."""
    role = role_profile("admin", f"arn:aws:iam::{SEED_ACCOUNT}:role/Admin")
    url = world.sts.url.replace("127.0.0.1", host)
    world.write_toml(f'{SEED_TOML}sts_endpoint_url = "{url}"\n{role}')

    ended = await ask(world, login(world, "nsrc", "admin"), {"AWS_ENDPOINT_URL_STS": DEAD})

    assert {"nsrc": "Credentials", "admin": "Credentials"} == ended.verdicts


@pytest.mark.parametrize(
    ("url", "is_followed"),
    [
        ("http://127.0.0.1:9000", True),
        ("http://localhost:9000/", True),
        ("http://[::1]:9000", True),
        ("https://127.0.0.1:8443", True),
        ("https://localhost", True),
        ("https://localhost.example.com", False),
        ("https://127.0.0.1@example.com", False),
        ("https://sts.eu-central-1.amazonaws.com", True),
        ("https://sts.cn-north-1.amazonaws.com.cn", True),
        ("https://vpce-0123-abcd.sts.eu-central-1.vpce.amazonaws.com", True),
        ("https://sts-fips.us-east-1.amazonaws.com", True),
        ("https://sts.eu-central-1.api.aws", True),
        ("http://sts.eu-central-1.amazonaws.com", False),
        ("https://example.com", False),
        ("https://sts.amazonaws.com.example.com", False),
        ("https://notamazonaws.com", False),
        ("https://abcdef.execute-api.eu-central-1.amazonaws.com", False),
        ("https://bucket.s3.amazonaws.com", False),
        ("https://sts.-x.amazonaws.com", False),
        ("https://sts." + "a" * 64 + ".amazonaws.com", False),
        ("https://user@sts.eu-central-1.amazonaws.com", False),
        ("https://example.com\\@sts.eu-central-1.amazonaws.com", False),
        ("http://127.0.0.1.example.com", False),
        ("http://169.254.169.254", False),
        ("ftp://127.0.0.1", False),
        ("https://localhost%2e:8443", False),
        ("https://%31%32%37.0.0.1", False),
        ("http://%31%32%37.0.0.1", False),
        ("https://sts%2Eeu-central-1.amazonaws.com", False),
        ("http://[::1", False),
        ("sts", False),
        ("", False),
        (None, False),
    ],
)
def test_the_environment_may_name_loopback_or_sts_at_aws(url: str | None, *, is_followed: bool) -> None:
    """An endpoint from the environment is used if it is on this machine, or https at a host of AWS's STS."""
    assert (url if is_followed else None) == followed_endpoint(url)


async def test_an_endpoint_elsewhere_is_not_followed(world: World) -> None:
    """AWS_ENDPOINT_URL_STS with another host is ignored."""
    environ = {"AWS_ENDPOINT_URL_STS": "http://example.com", "AWS_PROFILE": "x", "AWS_CA_BUNDLE": "/ca", "HOME": "/"}
    seal_environment(environ)

    assert {
        "HOME": "/",
        "AWS_CA_BUNDLE": "/ca",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    } == environ


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
async def test_a_missing_ca_bundle_is_told_before_anybody_is_asked(world: World, variable: str) -> None:
    """What makes every call impossible is known before op runs, and the hint names the variable that mends it."""
    ended = await ask(world, login(world), {variable: "/nonexistent"})

    assert {"nsrc": "AwsUnreachable"} == ended.verdicts
    assert f"set {variable} to a file of PEM certificates, or unset it, for the daemon" == ended.error().hint
    assert ([], [], "") == (world.sts.calls, world.vault.calls(), ended.err)


@pytest.mark.parametrize(
    ("environ", "in_force"),
    [
        ({"AWS_CA_BUNDLE": "/a", "REQUESTS_CA_BUNDLE": "/r", "SSL_CERT_FILE": "/s"}, "AWS_CA_BUNDLE"),
        ({"REQUESTS_CA_BUNDLE": "/r", "SSL_CERT_FILE": "/s"}, "REQUESTS_CA_BUNDLE"),
        ({"AWS_CA_BUNDLE": "", "REQUESTS_CA_BUNDLE": "", "SSL_CERT_FILE": "/s"}, "SSL_CERT_FILE"),
        ({"SSL_CERT_FILE": "/dev/null"}, None),
        ({}, None),
    ],
)
def test_the_first_variable_that_is_set_names_the_certificates(environ: dict[str, str], in_force: str | None) -> None:
    """AWS's own, then that of requests, then OpenSSL's; else the bundled list."""
    found = ca_bundle(environ)

    assert in_force == (found.variable if found else None)


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
async def test_a_private_authority_is_accepted_by_each_variable(world: World, variable: str) -> None:
    """A proxy that ends TLS with a certificate of its own is no hindrance once one of the variables names it."""
    async with Tunnel(world, "sts.us-east-1.amazonaws.com").open() as tunnel:
        bundle = tunnel.env.pop("AWS_CA_BUNDLE")
        ended = await ask(world, login(world), tunnel.env | {variable: bundle})

    assert {"nsrc": "Credentials"} == ended.verdicts


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "SSL_CERT_FILE", ""])
async def test_an_unknown_authority_is_told_with_the_variable_that_mends_it(world: World, variable: str) -> None:
    """The file that is in force lacks the certificate; where none is, AWS_CA_BUNDLE can name one."""
    others = where()
    async with Tunnel(world, "sts.us-east-1.amazonaws.com").open() as tunnel:
        del tunnel.env["AWS_CA_BUNDLE"]
        ended = await ask(world, login(world), tunnel.env | ({variable: others} if variable else {}))

    error = ended.error()
    assert "AwsUnreachable" == error.code
    assert "its certificate is not accepted" in error.message
    assert (f"{others} ({variable}) must hold" if variable else "set AWS_CA_BUNDLE for the daemon") in error.hint
    assert "network" not in error.hint


SOCKS = ["socks5://127.0.0.1:1080", "socks5h://127.0.0.1:1080", "SOCKS4://127.0.0.1:1080", "socks://127.0.0.1"]


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
@pytest.mark.parametrize("url", SOCKS)
async def test_a_socks_proxy_is_refused_before_anybody_is_asked(world: World, variable: str, url: str) -> None:
    """Calls of AWS cannot go through it, so nobody is prompted for a code; the variable is named."""
    world.write_toml(SEED_TOML)
    ended = await ask(world, login(world), {variable: url, "AWS_ENDPOINT_URL_STS": ""})

    error = ended.error()
    assert ("AwsUnreachable", []) == (error.code, world.vault.calls())
    assert f"{variable} names a SOCKS proxy" in error.message
    assert f"set {variable} to an http:// proxy" in error.hint


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "http://127.0.0.1:port", "http://[::1", "http://"])
def test_a_proxy_that_is_none_is_refused_by_name(url: str) -> None:
    """What is no address of an HTTP proxy is told as such."""
    with pytest.raises(AwsUnreachable, match="HTTPS_PROXY names no proxy that can be used"):
        check_settings(StsLocation(region="eu-central-1"), {"HTTPS_PROXY": url})


HOST = "sts.eu-central-1.amazonaws.com"
PROXY_ENVIRONMENTS: list[dict[str, str]] = [
    {},
    {"HTTPS_PROXY": "http://p:1"},
    {"https_proxy": "http://p:1"},
    {"HTTPS_PROXY": "http://p:1", "https_proxy": ""},
    {"HTTPS_PROXY": ""},
    {"HTTPS_PROXY": "http://p:1", "https_proxy": "http://q:2"},
    {"HTTP_PROXY": "http://p:1"},
    {"ALL_PROXY": "http://p:1"},
    {"all_proxy": "socks5://p:1"},
    *({"HTTPS_PROXY": "http://p:1", "NO_PROXY": hosts} for hosts in ["*", "x, *", ".amazonaws.com", "amazonaws.com"]),
    *(
        {"HTTPS_PROXY": "http://p:1", "no_proxy": hosts}
        for hosts in [HOST, HOST.upper(), f"{HOST}:443", "aws.com", ","]
    ),
    {"HTTPS_PROXY": "http://p:1", "NO_PROXY": HOST, "no_proxy": ""},
]


@pytest.mark.parametrize("netloc", [HOST, f"{HOST}:443", f"{HOST}:8443"])
@pytest.mark.parametrize("environ", PROXY_ENVIRONMENTS)
def test_the_proxy_is_the_one_that_botocore_takes(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], netloc: str
) -> None:
    """What is said about proxies before a call is what the call then does."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    found = proxy_of(netloc, environ)

    assert get_environ_proxies(f"https://{netloc}/").get("https") == (found.value if found else None)


@pytest.mark.parametrize("clock_skew_seconds", [-1200, 1200])
async def test_a_wrong_clock_is_told(world: World, clock_skew_seconds: float) -> None:
    """The error of a clock that is off by more than AWS tolerates says so, in seconds."""
    world.sts.faults.clock_skew_seconds = clock_skew_seconds

    error = (await ask(world, login(world))).error()

    assert "ClockSkewed" == error.code
    assert ("ahead of" if clock_skew_seconds < 0 else "behind") in error.message


async def test_the_date_of_sts_is_passed_on(world: World) -> None:
    """The `Date` of the answer tells the daemon how far the clocks are apart."""
    world.sts.faults.clock_skew_seconds = 20
    ended = await ask(world, login(world))
    result = wire.parse_result(ended.out.removeprefix(wire.MAY_I))

    [call] = world.sts.calls
    assert result.aws_at is not None
    assert abs(result.aws_at - call.at) < timedelta(seconds=2)
