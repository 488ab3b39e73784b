"""A file read whole and judged whole: every problem at once, each with file and key; then a Config."""

from __future__ import annotations

import hashlib
import json

from pathlib import Path
from typing import Any

import pytest

from mayfly.config.document import Document
from mayfly.config.load import load, load_document
from mayfly.config.model import KeyProfile
from mayfly.shared.errors import ConfigInvalid
from support.configs import REFERENCES, document, keys, problems, role


EVERYTHING_WRONG = """
listen = "0.0.0.0:80"
lisen = "x"

[onepassword]
timeout = 3
token_file = "token"

[onepasswords.work]
account = 7

[profiles.base]
access_key_id = "AKIAIOSFODNN7EXAMPLE"
secret_access_key = "op://V/I/secret"
otp = "op://V/I/totp"
duration_seconds = 60

[profiles.loop]
source_profile = "pool"
role_arn = "arn:aws:iam::1:role/x"
duration_seconds = 7200
policy = "[]"

[profiles.pool]
source_profile = "loop"
role_arn = "arn:aws:iam::123456789012:role/x"
tags = { "a*b" = "x", ok = "y" }
policy_arns = ["x", "arn:aws:iam::aws:policy/ReadOnlyAccess", 3]
transitive_tag_keys = ["okay"]

[profiles.Base]
role_session_name = "x"
onepassword = "home"
"""

ALL_PROBLEMS = [
    "lisen: is not a known key: did you mean listen?",
    "onepassword.timeout: is not a known key: did you mean timeout_seconds?",
    "onepassword.token_file: must be an absolute path: begin it with / or ~/",
    "onepasswords.work.account: must be a text, not a number",
    "profiles.base.access_key_id: must be a secret reference op://vault/item/field; a name with other characters than "
    "letters, digits, space, '-', '_' and '.' must be given by its ID",
    "profiles.base.mfa_id: is missing: otp gives its codes. Without MFA leave out both",
    "profiles.base.duration_seconds: is 60 seconds: must be from 900 to 129600 seconds",
    "profiles.loop.role_arn: is no role: expected arn:aws:iam::123456789012:role/NAME",
    'profiles.loop.policy: must be a JSON object: {"Version": "2012-10-17", "Statement": […]}',
    "profiles.loop.source_profile: leads back to loop: a chain must end at a profile with keys",
    "profiles.loop.duration_seconds: is 7200 seconds: a role assumed from a session lives an hour at most in AWS "
    '(role chaining): use 3600 or less, it is renewed without a prompt; or mfa = "each", with a code and a prompt for '
    "each session",
    "profiles.pool.policy_arns[0]: is no managed policy: expected arn:aws:iam::aws:policy/NAME",
    "profiles.pool.policy_arns[2]: is no managed policy: expected arn:aws:iam::aws:policy/NAME",
    'profiles.pool.tags."a*b": is no tag key: 1 to 128 characters, letters, digits, spaces and _ . : / = + - @',
    "profiles.pool.source_profile: leads back to pool: a chain must end at a profile with keys",
    "profiles.pool.transitive_tag_keys[0]: is no key of tags: did you mean ok?",
    "profiles.Base.role_session_name: is not a known key: known are name, region, sts_region, sts_endpoint_url, "
    "account_id, refresh, on_lock, top_up, agents, access_key_id, secret_access_key, otp, otp_command, otp_unattended, "
    "mfa_id, onepassword, duration_seconds",
    "profiles.Base.access_key_id: is missing",
    "profiles.Base.secret_access_key: is missing",
    "profiles.Base: differs from base by case only: token files could not be told apart",
    "profiles.Base.onepassword: names no table in [onepasswords]: known are work",
    "listen: '0.0.0.0:80' is not on 127.0.0.1: mayfly listens nowhere else",
]


def test_all_problems_of_a_file_are_told_at_once() -> None:
    """No problem hides another: bad values, unknown and missing keys, cycles, twins and lengths in one reading."""
    found = problems(Document(Path("/c/config.toml"), EVERYTHING_WRONG.encode()))

    assert sorted(ALL_PROBLEMS) == sorted(found)


UNKNOWN: list[tuple[dict[str, Any], str]] = [
    ({"listn": 1}, "listn: is not a known key: did you mean listen?"),
    (
        {"zzz": 1},
        "zzz: is not a known key: known are profiles, onepassword, onepasswords, listen, cold_wait_seconds, "
        "allow_root, notify",
    ),
    (
        {"source": "/x"},
        "source: is not a known key: known are profiles, onepassword, onepasswords, listen, "
        "cold_wait_seconds, allow_root, notify",
    ),
    ({"onepassword": {"acount": "x"}}, "onepassword.acount: is not a known key: did you mean account?"),
    ({"profiles": {"p": keys(mfa_serial="x")}}, "profiles.p.mfa_serial: is not a known key: did you mean mfa_id?"),
    (
        {"profiles": {"p": keys(), "r": role("p", role_sesion_name="x")}},
        "profiles.r.role_sesion_name: is not a known key: did you mean role_session_name?",
    ),
    (
        {"two\nlines": 1},
        '"two\\nlines": is not a known key: known are profiles, onepassword, onepasswords, listen, '
        "cold_wait_seconds, allow_root, notify",
    ),
]


@pytest.mark.parametrize(("more", "line"), UNKNOWN)
def test_an_unknown_key_is_told_with_the_nearest_known_one(more: dict[str, Any], line: str) -> None:
    """A slip of the pen is never ignored; where nothing is near, all known keys are told."""
    assert [line] == problems({"profiles": {"p": keys()}} | more)


@pytest.mark.parametrize("tree", [{}, {"profiles": {}}])
def test_a_config_without_profiles_is_refused(tree: dict[str, Any]) -> None:
    """An empty file, or an empty table, is nothing to serve."""
    assert ["profiles: is missing or empty: mayfly needs at least one profile"] == problems(tree)


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "a b", "a\nb", "x" * 65, "émile", "-x"])
def test_a_name_that_could_not_be_a_file_or_url_is_refused(name: str) -> None:
    """A profile's name goes into paths, URLs and ~/.aws/config as it stands."""
    (line,) = problems({"profiles": {name: keys()}})

    assert line.endswith(
        "is no profile name: letters, digits, '.', '_' and '-', at most 64, the first a letter or digit"
    )
    assert "\n" not in line


def test_a_bad_name_and_a_bad_value_are_both_told() -> None:
    """Neither waits for the other to be mended."""
    found = problems({"profiles": {"a b": keys(region=1)}})

    assert [
        "profiles.\"a b\": is no profile name: letters, digits, '.', '_' and '-', at most 64, the first a letter "
        "or digit",
        'profiles."a b".region: is no region: expected a name like eu-central-1',
    ] == found


def test_a_table_with_a_role_is_judged_as_a_role() -> None:
    """A role without its source lacks the source, not an access key."""
    assert ["profiles.r.source_profile: is missing"] == problems(
        {"profiles": {"r": {"role_arn": "arn:aws:iam::123456789012:role/x"}}}
    )


SEED: dict[str, Any] = {"aws": {"org_id": "nsrc", "name": "NSRC AWS Training Account"} | REFERENCES}


def seed(**more: Any) -> Document:
    tree = {"aws": SEED["aws"] | more}
    return Document(Path("/c/config.json"), json.dumps(tree).encode())


def test_the_one_account_shape_works_unchanged() -> None:
    """The file of the script that Mayfly replaces is one profile, named by org_id."""
    config = load_document(seed())
    profile = config.profiles["nsrc"]

    assert ["nsrc"] == list(config.profiles)
    assert isinstance(profile, KeyProfile)
    assert "NSRC AWS Training Account" == profile.name
    assert ("op://V/I/id", "op://V/I/secret", "op://V/I/mfa", "op://V/I/totp?attribute=otp") == profile.references()


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"otpp": 1}, "aws.otpp: is not a known key: did you mean otp?"),
        ({"duration_seconds": 60}, "aws.duration_seconds: is 60 seconds: must be from 900 to 129600 seconds"),
        ({"region": None}, "aws.region: is null: give it a value, or leave it out"),
        ({"onepassword": "x"}, "aws.onepassword: names no table in [onepasswords]: known are none"),
        *(
            (
                {"org_id": name},
                "aws.org_id: is no profile name: letters, digits, '.', '_' and '-', at most 64, the first a letter or "
                "digit",
            )
            for name in (None, "", "a b", 7)
        ),
    ],
)
def test_problems_of_the_one_account_shape_are_named_in_its_words(more: dict[str, Any], line: str) -> None:
    """Nobody is told of a table that is not in the file."""
    assert [line] == problems(seed(**more))


def test_a_missing_org_id_hides_no_other_problem() -> None:
    """The profile has no name, and is judged all the same."""
    found = problems(Document(Path("/c/config.json"), b'{"aws": {}}'))

    assert [
        "aws.org_id: is no profile name: letters, digits, '.', '_' and '-', at most 64, the first a letter or digit",
        *(f"aws.{key}: is missing" for key in ("access_key_id", "secret_access_key")),
    ] == found


def test_what_a_loader_fills_in_is_no_key() -> None:
    """Source, digest and warnings are facts about the file, not in it."""
    found = problems({"profiles": {"p": keys()}, "source": "/x", "digest": "0", "warnings": []})

    assert ["digest", "source", "warnings"] == [line.partition(":")[0] for line in found]


def test_a_config_knows_its_file_and_its_digest(tmp_path: Path) -> None:
    """The digest is the SHA-256 of the file's bytes: the exchange refuses any other."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps(SEED))

    config = load(path)

    assert (str(path), hashlib.sha256(path.read_bytes()).hexdigest()) == (config.source, config.digest)


def test_a_file_that_others_can_write_is_not_read_at_all(tmp_path: Path) -> None:
    """What somebody else may have written is not quoted, not even its mistakes."""
    path = tmp_path / "config.toml"
    path.write_text("nonsense = ")
    path.chmod(0o664)

    with pytest.raises(ConfigInvalid) as refusal:
        load(path)

    assert (f"{path} is writable by others: chmod go-w {path}",) == refusal.value.problems


def test_judging_a_document_leaves_it_as_it_was() -> None:
    """The tree is read, never written."""
    tree = {"profiles": {"p": keys(region=1)}}
    found = document(tree)

    assert 1 == len(problems(found))
    assert {"profiles": {"p": keys(region=1)}} == found.tree
