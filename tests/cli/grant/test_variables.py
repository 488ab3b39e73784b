"""What a grant's command and a granted shell find in their environment."""

from __future__ import annotations

import json

from typing import Any

import pytest

from hypothesis import given
from hypothesis import strategies as st

from mayfly.cli import environment
from mayfly.cli.grant import variables
from mayfly.cli.grant.granted import Granted, granted
from mayfly.cli.target import Target
from support.granter import in_future


TARGET = Target("admin", 9170, fallback_region="us-east-1")
CREDENTIALS = {
    "AccessKeyId": "ASIA1",
    "SecretAccessKey": "s",
    "SessionToken": "t",
    "Expiration": "2027-01-01T00:00:00Z",
}
STATIC = {
    "AWS_ACCESS_KEY_ID": "ASIA1",
    "AWS_SECRET_ACCESS_KEY": "s",
    "AWS_SESSION_TOKEN": "t",
    "AWS_CREDENTIAL_EXPIRATION": "2027-01-01T00:00:00Z",
}
URL = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9170/credentials/admin"}
TOKEN = URL | {"AWS_CONTAINER_AUTHORIZATION_TOKEN": "T"}
REGIONS = dict.fromkeys(
    ("AWS_REGION", "AWS_DEFAULT_REGION", "MAYFLY_AWS_REGION", "MAYFLY_AWS_DEFAULT_REGION"), "us-east-1"
)
NAMES = {"MAYFLY_PROFILE": "admin", "MAYFLY_GRANT": "1a2b3c4d"}
FILES = {
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_SDK_LOAD_CONFIG": "1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def made(**more: Any) -> Granted:
    answer = {"id": "1a2b3c4d", "label": "claude", "profile": "admin", "as": "endpoint", "ends_at": in_future(9)}
    return granted(json.dumps(answer | {"outlives_seconds": 900, "narrowing": None} | more).encode())


DELIVERIES: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"token": "T"}, TOKEN),
    ({"token": "T", "token_path": "/t"}, URL | {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/t"}),
    ({"as": "socket", "token": "T", "socket": "/s"}, TOKEN | {"MAYFLY_SOCKET": "/s"}),
    ({"as": "file", "config_file": "/c", "credentials_file": "/j"}, {"AWS_CONFIG_FILE": "/c"}),
    ({"as": "env", "credentials": CREDENTIALS}, STATIC),
]


@pytest.mark.parametrize(("more", "expected"), DELIVERIES)
def test_a_command_gets_the_grant_and_nothing_else(more: dict[str, Any], expected: dict[str, str]) -> None:
    """Each delivery has its variables, and the files of AWS's are the grant's or empty."""
    found = variables.of_command({"PATH": "/bin", "AWS_PROFILE": "other"}, TARGET, made(**more))

    assert {"PATH": "/bin"} | FILES | REGIONS | NAMES | expected == found


@pytest.mark.parametrize(
    "name",
    [
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_PROFILE"),
        *("AWS_DEFAULT_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_BEARER_TOKEN_BEDROCK"),
        *("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_SSO_SESSION", "AWS_LOGIN_CACHE_DIRECTORY", "AWS_DATA_PATH"),
        *("AWS_CREDENTIAL_FILE", "AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_VAULT", "AWS_INVENTED_TOMORROW"),
        *("AMAZON_ACCESS_KEY_ID", "BOTO_CONFIG", "OP_SERVICE_ACCOUNT_TOKEN", "OP_SESSION_my", "OP_CONNECT_TOKEN"),
        *("MAYFLY_CONFIG", "MAYFLY_RUNTIME_DIR", "MAYFLY_SOCKET", "MAYFLY_WAS_AWS_CONFIG_FILE"),
    ],
)
def test_what_could_lead_to_other_credentials_goes(name: str) -> None:
    """Keys, profiles, roles, files, services: all but what is known to be harmless."""
    assert name not in variables.of_command({name: "x"}, TARGET, made(token="T"))


def test_what_is_harmless_stays() -> None:
    """Where and how to work is the user's choice. Nobody's test against LocalStack reaches the real account."""
    listed = dict.fromkeys(variables.HARMLESS, "x") | {"AWS_ENDPOINT_URL_S3": "http://localhost:4566", "HOME": "/h"}

    assert listed.items() <= variables.of_command(listed, TARGET, made(token="T")).items()


def test_the_allow_list_names_no_credentials() -> None:
    """Nothing that is called so, and nothing that `env` unsets."""
    suspicious = ("KEY", "SECRET", "TOKEN", "CREDENTIAL", "PROFILE", "ROLE", "SSO", "_FILE", "METADATA")
    found = {name for name in variables.HARMLESS if any(word in name for word in suspicious)}

    assert (set(), {"AWS_CLI_FILE_ENCODING"}) == (variables.HARMLESS & {*environment.SHADOWING}, found)


def test_a_region_of_an_earlier_env_is_not_the_users() -> None:
    """The command gets the grant's region, as `exec` would give it."""
    now = environment.applied({}, environment.changes_to_set({}, Target("p", 1, "eu-west-1"), token="P"))

    assert REGIONS.items() <= variables.of_command(now, TARGET, made(token="T")).items()


def test_a_proxy_does_not_see_the_token() -> None:
    """A command behind a proxy asks this machine past it, where it has a token to send."""
    now = {"https_proxy": "http://proxy:3128"}

    assert "127.0.0.1,localhost" == variables.of_command(now, TARGET, made(token="T"))["NO_PROXY"]
    assert "NO_PROXY" not in variables.of_command(now, TARGET, made(**{"as": "file", "config_file": "/c"}))


grants = st.sampled_from([made(**more) for more, _ in DELIVERIES])
names = st.sampled_from(
    ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_SDK_LOAD_CONFIG", "OTHER", "AWS_REGION"]
)
shells = st.dictionaries(names, st.sampled_from(["", "1", "/c", "/mine", "us-east-1"]), max_size=5)


@given(shells, st.lists(grants, min_size=1, max_size=3))
def test_off_brings_back_the_shell(before: dict[str, str], several: list[Granted]) -> None:
    """After one grant or several, a second eval and `env --off`, all is as before (regions: as after `env`)."""
    now = before
    for grant in several:
        for _ in range(2):
            now = environment.applied(now, variables.of_shell(now, TARGET, grant))
    after = environment.applied(now, environment.changes_to_unset(now))

    regions = {*environment.REGIONS}
    assert {key: value for key, value in before.items() if key not in regions} == {
        key: value for key, value in after.items() if key not in regions
    }


def test_another_profile_takes_the_grants_place() -> None:
    """`env` after a grant leaves nothing of the grant."""
    for more, _ in DELIVERIES:
        now = environment.applied({}, variables.of_shell({}, TARGET, made(**more)))
        after = environment.applied(now, environment.changes_to_set(now, TARGET, token="P"))

        assert environment.applied({}, environment.changes_to_set({}, TARGET, token="P")) == after


def test_what_the_user_has_set_since_is_the_users() -> None:
    """Other keys and another file stay at `env --off`."""
    for more, name in ((DELIVERIES[4][0], "AWS_ACCESS_KEY_ID"), (DELIVERIES[3][0], "AWS_CONFIG_FILE")):
        now = environment.applied({}, variables.of_shell({}, TARGET, made(**more))) | {name: "mine"}

        assert "mine" == environment.applied(now, environment.changes_to_unset(now))[name]
