"""Every kind of single value: what is taken, and the exact line that refuses the rest."""

from __future__ import annotations

import datetime
import re

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hypothesis import given
from hypothesis import strategies as st

from mayfly.config import assume_role, values
from mayfly.config.model import KeyProfile, RoleProfile
from support.configs import keys, loaded, of_key_profile, of_role, problems, role


REFERENCE = (
    "must be a secret reference op://vault/item/field; a name with other characters than letters, digits, space, '-', "
    "'_' and '.' must be given by its ID"
)
ACCOUNT = 'must be the twelve digits of an AWS account, in quotes: "123456789012"'
REGION = "is no region: expected a name like eu-central-1"
URL = "must be an https:// URL (http:// on loopback only), with no user or password in it"
HOST = "names no host: letters, digits and '-' between dots, at most 63 of them, '-' not at an end"
MFA = "must be a secret reference, or an MFA device like arn:aws:iam::123456789012:mfa/NAME"
NO_MFA_ARN = "is no MFA device: expected arn:aws:iam::123456789012:mfa/NAME"
ROLE = "is no role: expected arn:aws:iam::123456789012:role/NAME"
LISTEN = "must be 127.0.0.1:PORT: mayfly listens nowhere else"
CONTROL = "must be one line without control characters"
TAG_LETTERS = "letters, digits, spaces and _ . : / = + - @"
TAG_KEY = f"is no tag key: 1 to 128 characters, {TAG_LETTERS}"
TAG_VALUE = f"is no tag value: a text of up to 256 characters, {TAG_LETTERS}"
SESSION_NAME = "must be 2 to 64 characters: letters, digits and _ + = , . @ -"
EXTERNAL_ID = "must be 2 to 1224 characters: letters, digits and _ + = , . @ : / -"
REFRESH = "must be one of always, while-used, on-demand"
LOCK = "must be one of keep, withhold, forget"
AGENTS = "must be one of same, read-only, ask, deny"

GOOD_ON_KEYS = [
    ("access_key_id", "op://NSRC/NSRC AWS Training Account/access_key_id"),
    ("access_key_id", "op://vault/item/section/field"),
    ("otp", "op://V/I/totp?attribute=otp"),
    ("mfa_id", "arn:aws:iam::123456789012:mfa/carmas"),
    ("mfa_id", "arn:aws-us-gov:iam::123456789012:mfa/path/phone"),
    ("mfa_id", "GAHT12345678"),
    ("duration_seconds", 900),
    ("duration_seconds", 129_600),
    ("region", "eu-central-1"),
    ("region", "us-gov-west-1"),
    ("sts_region", "eusc-de-east-1"),
    ("account_id", "058264411872"),
    ("sts_endpoint_url", "https://sts.example.com"),
    ("sts_endpoint_url", "https://sts.example.com:8443/sts"),
    ("sts_endpoint_url", "http://127.0.0.1:9999"),
    ("sts_endpoint_url", "http://localhost"),
    ("sts_endpoint_url", "http://[::1]:4566"),
    ("sts_endpoint_url", "https://[2001:db8::1]"),
    ("sts_endpoint_url", "https://STS.internal.:443/"),
    ("sts_endpoint_url", "https://" + "a" * 63 + ".x--y"),
    ("sts_endpoint_url", "https://" + ("a" * 50 + ".") * 4 + "b" * 51),
    ("refresh", "always"),
    ("refresh", "while-used"),
    ("refresh", "on-demand"),
    ("on_lock", "keep"),
    ("on_lock", "withhold"),
    ("on_lock", "forget"),
    ("agents", "same"),
    ("agents", "ask"),
    ("agents", "deny"),
    ("top_up", True),
    ("name", "Schulung Zürich"),
]

BAD_ON_KEYS: list[tuple[str, Any, str]] = [
    *(
        ("access_key_id", value, REFERENCE)
        for value in (
            "AKIAIOSFODNN7EXAMPLE",
            "op://V/I",
            "op://V/I/s/f/x",
            "op://V//f",
            "op://V/I/f?attribute=otp",
            "OP://V/I/f",
            "op://V/I(1)/f",
            "op://V/I/f\n",
            "op://V/\uff29/f",
            "",
            7,
            None,
            [],
            {},
        )
    ),
    ("otp", "op://V/I/f?attribute=value", "may end with ?attribute=otp and no other query: leave it away"),
    ("otp", "op://V/I(1)/f?attribute=otp", REFERENCE),
    ("otp", None, "is null: give it a value, or leave it out"),
    ("mfa_id", "op://V/I", REFERENCE),
    ("mfa_id", "short", MFA),
    ("mfa_id", "GAHT 12345678", MFA),
    ("mfa_id", 123456, MFA),
    ("mfa_id", "arn:aws:iam::123456789012:user/carmas", NO_MFA_ARN),
    ("mfa_id", "arn:aws:iam::12345:mfa/carmas", NO_MFA_ARN),
    ("duration_seconds", 899, "is 899 seconds: must be from 900 to 129600 seconds"),
    ("duration_seconds", 129_601, "is 129601 seconds: must be from 900 to 129600 seconds"),
    ("duration_seconds", -1, "is -1 seconds: must be from 900 to 129600 seconds"),
    ("duration_seconds", "8h", "must be a whole number of seconds, not a text"),
    ("duration_seconds", 3600.0, "must be a whole number of seconds, not a fraction"),
    ("duration_seconds", True, "must be a whole number of seconds, not true or false"),
    ("duration_seconds", None, "must be a whole number of seconds, not null"),
    ("region", None, "is null: give it a value, or leave it out"),
    ("duration_seconds", datetime.time(8), "must be a whole number of seconds, not a date or time"),
    ("region", "Frankfurt", REGION),
    ("region", "eu-central-1\n", REGION),
    ("region", ["eu-central-1"], REGION),
    ("sts_region", "Frankfurt", REGION),
    ("sts_region", [], "is empty: name one, or leave it out"),
    ("account_id", 58264411872, ACCOUNT),
    ("account_id", "05826441187", ACCOUNT),
    ("account_id", "٠٥٨٢٦٤٤١١٨٧٢", ACCOUNT),
    ("sts_endpoint_url", "http://sts.example.com", URL),
    ("sts_endpoint_url", "http://127.0.0.1.example.com", URL),
    ("sts_endpoint_url", "https://", URL),
    ("sts_endpoint_url", "https://me:secret@sts.example.com", URL),
    ("sts_endpoint_url", "https://sts.example.com:99999", URL),
    ("sts_endpoint_url", "https://sts.example.com:0", URL),
    ("sts_endpoint_url", "https://sts.exa mple.com", URL),
    ("sts_endpoint_url", "https://sts.example.com\n", URL),
    ("sts_endpoint_url", "http://[::1", URL),
    ("sts_endpoint_url", "ftp://127.0.0.1", URL),
    ("sts_endpoint_url", "https://localhost%2e:8443", URL),
    ("sts_endpoint_url", "https://%31%32%37.0.0.1", URL),
    ("sts_endpoint_url", "https://sts%2Eexample.com", URL),
    ("sts_endpoint_url", 1, URL),
    *(
        ("sts_endpoint_url", f"https://{host}", HOST)
        for host in (
            "sts_local",
            "a..b",
            ".a",
            "a..",
            "a" * 64,
            ("a" * 50 + ".") * 5 + "b",
            "-x",
            "x-.example.com",
            "x;y",
            "x,y",
            "*.example.com",
            "x\\y",
            "[v1.abc]",
            "[::1]x",
        )
    ),
    ("refresh", "often", REFRESH),
    ("refresh", {}, REFRESH),
    ("on_lock", "Forget", LOCK),
    ("on_lock", True, LOCK),
    ("on_lock", None, LOCK),
    ("agents", "Deny", AGENTS),
    ("agents", "read_only", AGENTS),
    ("agents", False, AGENTS),
    ("agents", None, AGENTS),
    ("top_up", "yes", "must be true or false, not a text"),
    ("top_up", 1, "must be true or false, not a number"),
    ("name", "", "must be a text, not an empty text"),
    ("name", {"a": 1}, "must be a text, not a table"),
    ("name", "two\nlines", CONTROL),
    ("name", "\ud800", CONTROL),
    ("onepassword", ["work"], "must be a text, not a list"),
]


@pytest.mark.parametrize(("key", "value"), GOOD_ON_KEYS)
def test_a_good_value_of_a_profile_with_keys_is_taken(key: str, value: Any) -> None:
    """A value that AWS or 1Password would take stands against nothing."""
    assert [] == of_key_profile(**{key: value})


@pytest.mark.parametrize(("key", "value", "line"), BAD_ON_KEYS)
def test_a_bad_value_of_a_profile_with_keys_gets_its_line(key: str, value: Any, line: str) -> None:
    """A value that could not work is refused in one line that begins with its key."""
    assert [f"profiles.p.{key}: {line}"] == of_key_profile(**{key: value})


GOOD_ON_ROLES = [
    ("role_arn", "arn:aws-cn:iam::123456789012:role/path/to/Admin"),
    ("role_arn", "arn:aws-next-9:iam::123456789012:role/Admin"),
    ("role_session_name", "me@host"),
    ("role_session_name", "x" * 64),
    ("external_id", "partner:42/x"),
    ("external_id", "x" * 1224),
    ("policy", '{"Version": "2012-10-17",\n "Statement": []}'),
    ("policy", '{"Sid": "' + "x" * (2048 - 11) + '"}'),
    ("policy_arns", ["arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::123456789012:policy/path/Mine"]),
    ("policy_arns", ["arn:aws:iam::aws:policy/ReadOnlyAccess"] * 10),
    ("source_identity", "carmas@example.com"),
    ("tags", {"Cost Center": "", "équipe": "Zürich @ 1"}),
    ("tags", {f"key{number}": "x" * 256 for number in range(50)}),
    ("tags", {"k" * 128: "v"}),
    ("mfa", "each"),
    ("duration_seconds", 900),
    ("duration_seconds", 3600),
]

BAD_ON_ROLES: list[tuple[str, Any, str]] = [
    ("role_arn", "arn:aws:iam::123456789012:user/Admin", f"role_arn: {ROLE}"),
    ("role_arn", "arn:aws:sts::123456789012:assumed-role/Admin/x", f"role_arn: {ROLE}"),
    ("role_arn", "arn:aws:iam::٠٥٨٢٦٤٤١١٨٧٢:role/Admin", f"role_arn: {ROLE}"),
    ("role_arn", "Admin", f"role_arn: {ROLE}"),
    ("role_arn", "arn:aws:iam::123456789012:role/", f"role_arn: {ROLE}"),
    ("role_arn", "arn:aws:iam::123456789012:role//", f"role_arn: {ROLE}"),
    ("role_arn", "arn:aws:iam::123456789012:role//Admin", f"role_arn: {ROLE}"),
    ("role_arn", "arn:aws:iam::123456789012:role/path/", f"role_arn: {ROLE}"),
    ("role_arn", "arn:aws:iam::123456789012:role/" + "x" * 601, f"role_arn: {ROLE}"),
    ("role_arn", "arn:aws-:iam::123456789012:role/Admin", f"role_arn: {ROLE}"),
    ("role_arn", "arn:awesome:iam::123456789012:role/Admin", f"role_arn: {ROLE}"),
    ("role_arn", None, f"role_arn: {ROLE}"),
    ("role_session_name", "x", f"role_session_name: {SESSION_NAME}"),
    ("role_session_name", "x" * 65, f"role_session_name: {SESSION_NAME}"),
    ("role_session_name", "two words", f"role_session_name: {SESSION_NAME}"),
    ("role_session_name", "Zürich", f"role_session_name: {SESSION_NAME}"),
    ("external_id", "x", f"external_id: {EXTERNAL_ID}"),
    ("external_id", "x" * 1225, f"external_id: {EXTERNAL_ID}"),
    ("external_id", 42, f"external_id: {EXTERNAL_ID}"),
    ("source_identity", "a b", f"source_identity: {SESSION_NAME}"),
    ("policy", {"Version": "2012-10-17"}, "policy: must be a JSON object as a text: policy = '''{…}'''"),
    (
        "policy",
        "[]",
        'policy: must be a JSON object: {"Version": "2012-10-17", "Statement": […]}',
    ),
    ("policy", '{\n "a": }', "policy: is not JSON: Expecting value (line 2, column 7)"),
    ("policy", "", "policy: is not JSON: Expecting value (line 1, column 1)"),
    ("policy", '{"a": NaN}', "policy: is not JSON: NaN is no number there"),
    ("policy", '{"a": [-Infinity]}', "policy: is not JSON: -Infinity is no number there"),
    ("policy", '{"a": {"b": 1, "b": 2}}', "policy: has a key twice in one object"),
    ("policy", '{"a": "' + "x" * 2048 + '"}', "policy: has 2057 characters: AWS takes 2048 at most"),
    (
        "policy",
        '{"a": "€"}',
        "policy: has characters that AWS does not take: only Latin-1, without control characters",
    ),
    ("policy_arns", "arn:aws:iam::aws:policy/X", "policy_arns: must be a list, not a text"),
    (
        "policy_arns",
        ["arn:aws:iam::aws:policy/X", "X"],
        "policy_arns[1]: is no managed policy: expected arn:aws:iam::aws:policy/NAME",
    ),
    ("policy_arns", ["arn:aws:iam::aws:policy/X"] * 11, "policy_arns: has 11: AWS takes 10 at most"),
    ("tags", ["team"], "tags: must be a table, not a list"),
    ("tags", {"team": 1}, f"tags.team: {TAG_VALUE}"),
    ("tags", {"team": "x" * 257}, f"tags.team: {TAG_VALUE}"),
    ("tags", {"team": "a\nb"}, f"tags.team: {TAG_VALUE}"),
    ("tags", {"a*b": "x"}, f'tags."a*b": {TAG_KEY}'),
    ("tags", {"": "x"}, f'tags."": {TAG_KEY}'),
    ("tags", {"AWS:team": "x"}, 'tags."AWS:team": is no tag key: aws: is AWS\'s own'),
    ("tags", {f"key{number}": "x" for number in range(51)}, "tags: has 51: AWS takes 50 at most"),
    ("tags", {"team": "x", "Team": "y"}, "tags.Team: differs from team by case only: to AWS they are one"),
    ("transitive_tag_keys", ["team"], "transitive_tag_keys[0]: is no key of tags: known are none"),
    ("transitive_tag_keys", [7], f"transitive_tag_keys[0]: {TAG_KEY}"),
    ("transitive_tag_keys", None, "transitive_tag_keys: must be a list, not null"),
    ("mfa", "once", 'mfa: must be "each", or left out'),
    ("mfa", True, 'mfa: must be "each", or left out'),
    ("duration_seconds", 899, "duration_seconds: is 899 seconds: must be 900 seconds or more"),
    (
        "source_profile",
        "no name",
        "source_profile: is no profile name: letters, digits, '.', '_' and '-', at most 64, the first a letter or "
        "digit",
    ),
]


@pytest.mark.parametrize(("key", "value"), GOOD_ON_ROLES)
def test_a_good_value_of_a_role_is_taken(key: str, value: Any) -> None:
    """What AssumeRole would take stands against nothing."""
    assert [] == of_role(**{key: value})


@pytest.mark.parametrize(("key", "value", "line"), BAD_ON_ROLES)
def test_a_bad_value_of_a_role_gets_its_line(key: str, value: Any, line: str) -> None:
    """What AssumeRole would refuse is refused in one line that begins with its key."""
    assert [f"profiles.p.{line}"] == of_role(**{key: value})


def test_a_policy_that_is_nested_without_an_end_is_no_json() -> None:
    """How deep is too deep for Python differs from version to version."""
    [line] = of_role(policy="[" * 2048)

    assert line.startswith("profiles.p.policy: is not JSON: ")


BAD_ON_TOP: list[tuple[dict[str, Any], str]] = [
    ({"listen": "0.0.0.0:9170"}, "listen: '0.0.0.0:9170' is not on 127.0.0.1: mayfly listens nowhere else"),
    ({"listen": "127.0.0.1"}, f"listen: {LISTEN}"),
    ({"listen": 9170}, 'listen: must be an address like "127.0.0.1:9170", not a number'),
    ({"listen": "127.0.0.1:65536"}, "listen: '127.0.0.1:65536' has no port between 0 and 65535"),
    ({"cold_wait_seconds": 3601}, "cold_wait_seconds: is 3601 seconds: must be from 0 to 3600 seconds"),
    ({"allow_root": 1}, "allow_root: must be true or false, not a number"),
    ({"notify": "yes"}, "notify: must be true or false, not a text"),
    ({"onepassword": "work"}, "onepassword: must be a table, not a text"),
    ({"onepasswords": []}, "onepasswords: must be a table, not a list"),
    ({"onepasswords": {"w": 1}}, "onepasswords.w: must be a table, not a number"),
    ({"onepassword": {"op": "op"}}, "onepassword.op: must be an absolute path: begin it with / or ~/"),
    ({"onepassword": {"op": 1}}, "onepassword.op: must be an absolute path, not a number"),
    ({"onepassword": {"op": "/usr/bin/\0op"}}, f"onepassword.op: {CONTROL}"),
    (
        {"onepassword": {"op": "~nobody-of-that-name/op"}},
        "onepassword.op: begins with the home of a user that there is not",
    ),
    (
        {"onepassword": {"timeout_seconds": 0}},
        "onepassword.timeout_seconds: is 0 seconds: must be from 1 to 600 seconds",
    ),
    ({"onepassword": {"token_command": "pass op"}}, "onepassword.token_command: must be a list, not a text"),
    ({"onepassword": {"token_command": ["a", 1]}}, "onepassword.token_command[1]: must be a text, not a number"),
    (
        {"onepassword": {"token_command": []}},
        "onepassword.token_command: is empty: the program comes first, then its arguments",
    ),
]


@pytest.mark.parametrize(("more", "line"), BAD_ON_TOP)
def test_a_bad_value_outside_profiles_gets_its_line(more: dict[str, Any], line: str) -> None:
    """The daemon's own settings and the ways to 1Password are judged as strictly."""
    assert [line] == problems({"profiles": {"p": keys()}} | more)


def test_good_values_outside_profiles_are_taken() -> None:
    """A whole set of settings is read as it stands, `~` as the home."""
    config = loaded(
        {
            "profiles": {"p": keys(onepassword="work")},
            "listen": "127.0.0.1:0",
            "cold_wait_seconds": 0,
            "allow_root": True,
            "notify": False,
            "onepassword": {"op": "/usr/local/bin/op", "account": "my.1password.com", "timeout_seconds": 600},
            "onepasswords": {
                "work": {"token_file": "~/token"},
                "server": {"connect_host": "https://connect.example.com", "connect_token_file": "/etc/connect"},
            },
        }
    )

    assert ("127.0.0.1:0", 0, True, False) == (
        config.listen,
        config.cold_wait_seconds,
        config.allow_root,
        config.notify,
    )
    assert str(Path.home() / "token") == config.onepassword_of("p").token_file
    assert ("desktop", True) == (config.onepassword.mode, config.onepassword.asks_human)
    assert [("service", False), ("connect", False)] == [
        (way.mode, way.asks_human) for way in config.onepasswords.values()
    ]


def test_what_is_left_out_is_what_the_contract_says() -> None:
    """Eight hours of a session, one of a role, 65 s of patience, 90 s for op, the port to be chosen, no region."""
    config = loaded({"profiles": {"p": keys(), "r": role("p")}})
    plain, assumed = config.profiles["p"], config.profiles["r"]

    assert isinstance(plain, KeyProfile)
    assert isinstance(assumed, RoleProfile)
    assert (28_800, 3600) == (plain.duration_seconds, assumed.duration_seconds)
    assert (65, 90, None) == (config.cold_wait_seconds, config.onepassword.timeout_seconds, config.listen)
    assert (None, None, None) == (plain.region, plain.refresh, assumed.mfa)
    assert [("keep", False, "same")] * 2 == [(each.on_lock, each.top_up, each.agents) for each in (plain, assumed)]
    assert (False, True) == (config.allow_root, config.notify)


def test_the_code_is_asked_for_where_the_reference_names_only_its_field() -> None:
    """`?attribute=otp` is added once, however it was put, because without it op would print the TOTP's own secret."""
    queries = ("", "?attribute=otp", "?attribute=totp", "?attr=otp", "?attr=totp")
    for given_otp in (f"op://V/I/totp{query}" for query in queries):
        profile = loaded({"profiles": {"p": keys(otp=given_otp)}}).profiles["p"]

        assert isinstance(profile, KeyProfile)
        assert "op://V/I/totp?attribute=otp" == profile.otp
        assert profile.otp == profile.references()[-1]


def test_an_mfa_device_by_arn_is_not_asked_of_op() -> None:
    """Only references go to op: a device that the config names by ARN is known already."""
    profile = loaded({"profiles": {"p": keys(mfa_id="arn:aws:iam::123456789012:mfa/x")}}).profiles["p"]

    assert isinstance(profile, KeyProfile)
    assert ("op://V/I/id", "op://V/I/secret", "op://V/I/totp?attribute=otp") == profile.references()


@given(st.text(alphabet="ABCDEFGHIJKabcdefghijk0123456789/+_-", min_size=8, max_size=60))
def test_no_check_ever_repeats_a_text(secret: str) -> None:
    """A wrong value, perhaps a secret, is not in the message that refuses it."""
    said = [refusal_of(check, secret) for check in (values.CHECKS | assume_role.CHECKS).values()]

    assert [] == [text for text in said if secret in text]
    assert 5 < len([text for text in said if text])


def refusal_of(check: Callable[[Any], Any], value: Any) -> str:
    try:
        check(value)
    except ValueError as refusal:
        return str(refusal)
    return ""


SECRETS = (
    "AKIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "ops_eyJzaWduSW5BZGRyZXNzIjoibXku",
    "correct horse battery staple",
    "371946",
)


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("shape", [str, lambda text: [text], lambda text: {"key": text}], ids=["text", "list", "table"])
def test_no_problem_ever_repeats_a_secret(secret: str, shape: Any) -> None:
    """A secret in any wrong place, alone or inside a list or table, is in no problem of the file."""
    wrong = shape(secret)
    tree = {
        "listen": wrong,
        "onepassword": {"op": wrong, "timeout_seconds": wrong, "connect_host": wrong, "token_command": wrong},
        "profiles": {
            "p": dict.fromkeys(
                ("access_key_id", "otp", "mfa_id", "region", "account_id", "refresh", "onepassword"), wrong
            ),
            "r": dict.fromkeys(("source_profile", "role_arn", "policy", "tags", "policy_arns", "mfa"), wrong),
            "q": wrong,
        },
    }

    found = problems(tree)

    assert 12 < len(found)
    assert [] == [line for line in found if secret in line]


def test_only_the_look_of_an_address_is_repeated() -> None:
    """A wrong address is shown to its owner if it is a short host and a port, and so no secret."""
    shown = problems({"profiles": {"p": keys()}, "listen": "localhost:9170"})
    hidden = problems({"profiles": {"p": keys()}, "listen": f"{'x' * 40}:9170"})

    assert ["listen: 'localhost:9170' is not on 127.0.0.1: mayfly listens nowhere else"] == shown
    assert [f"listen: {LISTEN}"] == hidden


@given(st.integers())
def test_seconds_are_taken_between_their_bounds_and_nowhere_else(number: int) -> None:
    """A number is itself between the bounds, and refused with both bounds outside."""
    check = values.seconds(900, 3600)

    if 900 <= number <= 3600:
        assert number == check(number)
    else:
        with pytest.raises(ValueError, match=re.escape("must be from 900 to 3600 seconds")):
            check(number)
