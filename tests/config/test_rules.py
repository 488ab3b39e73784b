"""What values must be to each other: chains, ways to 1Password, durations, tags, accounts."""

from __future__ import annotations

import json
import sys

from pathlib import Path
from typing import Any

import pytest

from mayfly.config.document import Document
from mayfly.config.load import load_document
from mayfly.config.rules import PARTITIONS
from mayfly.shared.partitions import partitions
from support.configs import REFERENCES, ROLE_ARN, keys, loaded, of_key_profile, of_role, problems, role


def test_a_chain_may_be_of_any_depth() -> None:
    """A role upon a role upon a profile with keys is fine, and everybody knows whose keys these are."""
    config = loaded({"profiles": {"top": role("middle"), "middle": role("base"), "base": keys()}})

    assert ("base", "middle", "top") == config.chain("top")
    assert "base" == config.base_of("top")
    assert config.profiles["base"] == config.keys_of("top")


@pytest.mark.parametrize(
    ("sources", "members"),
    [
        ({"a": "a"}, {"a"}),
        ({"a": "b", "b": "a"}, {"a", "b"}),
        ({"a": "b", "b": "c", "c": "a"}, {"a", "b", "c"}),
        ({"a": "b", "b": "b"}, {"b"}),
        ({"a": "b", "b": "c", "c": "b"}, {"b", "c"}),
    ],
    ids=["self", "two", "three", "into-self", "into-two"],
)
def test_each_member_of_a_cycle_is_told(sources: dict[str, str], members: set[str]) -> None:
    """A cycle has a line at every profile that is part of it, and none at those that only lead into it."""
    found = problems({"profiles": {name: role(source) for name, source in sources.items()}})

    assert [
        f"profiles.{name}.source_profile: leads back to {name}: a chain must end at a profile with keys"
        for name in sources
        if name in members
    ] == found


def test_a_source_that_is_not_there_is_told_with_the_nearest() -> None:
    """A slip of the pen in source_profile gets the name that was meant; a stranger gets all of them."""
    profiles = {"base": keys(), "near": role("bsae"), "far": role("zzz")}

    assert [
        "profiles.near.source_profile: names no profile: did you mean base?",
        "profiles.far.source_profile: names no profile: known are base, near, far",
    ] == problems({"profiles": profiles})


def test_a_broken_source_is_a_profile_all_the_same() -> None:
    """Who stands on a profile that is itself refused is not told that there is none."""
    found = problems({"profiles": {"base": 7, "r": role("base")}})

    assert ["profiles.base: must be a table, not a number"] == found


def test_names_that_differ_by_case_only_are_refused() -> None:
    """Their token files would be one file where file systems do not tell the cases apart."""
    found = problems({"profiles": {"nsrc": keys(), "NSRC": keys(), "Nsrc": keys()}})

    assert [
        f"profiles.{name}: differs from nsrc by case only: token files could not be told apart"
        for name in ("NSRC", "Nsrc")
    ] == found


def test_a_way_to_1password_that_is_not_there_is_told_with_the_nearest() -> None:
    """`onepassword = "NAME"` must name a table of [onepasswords]."""
    ways: dict[str, Any] = {"work": {}, "home": {}}

    assert ["profiles.p.onepassword: names no table in [onepasswords]: known are none"] == of_key_profile(
        onepassword="work"
    )
    assert ["profiles.p.onepassword: names no table in [onepasswords]: did you mean work?"] == problems(
        {"onepasswords": ways, "profiles": {"p": keys(onepassword="wrok")}}
    )
    assert ["onepasswords: must be a table, not a number"] == problems(
        {"onepasswords": 1, "profiles": {"p": keys(onepassword="work")}}
    )


FILE, HOST = "/etc/token", "https://connect.example.com"
WAYS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    ({"account": "my"}, []),
    ({"token_file": FILE}, []),
    ({"token_command": ["pass", "op"]}, []),
    ({"connect_host": HOST, "connect_token_file": FILE}, []),
    ({"connect_host": HOST}, [": needs both connect_host and connect_token_file"]),
    ({"connect_token_file": FILE}, [": needs both connect_host and connect_token_file"]),
    ({"token_file": FILE, "token_command": ["x"]}, [": has token_file and token_command: choose one"]),
    (
        {"token_file": FILE, "connect_host": HOST, "connect_token_file": FILE},
        [": has token_file and connect_host: choose one"],
    ),
    (
        {"token_file": FILE, "account": "my"},
        [".account: cannot be combined with token_file: op would ask the desktop app"],
    ),
    (
        {"token_command": ["x"], "account": "my"},
        [".account: cannot be combined with token_command: op would ask the desktop app"],
    ),
]


@pytest.mark.parametrize(("way", "lines"), WAYS)
@pytest.mark.parametrize("named", [False, True])
def test_a_way_to_1password_is_one_way(way: dict[str, Any], lines: list[str], *, named: bool) -> None:
    """Two ways to authenticate in one table, or half of one, are refused, in the plain table and in named ones."""
    where = "onepasswords.work" if named else "onepassword"
    more = {"onepasswords": {"work": way}} if named else {"onepassword": way}

    assert [f"{where}{line}" for line in lines] == problems({"profiles": {"p": keys()}} | more)


@pytest.mark.parametrize("seconds", [3601, 7200, 43_200])
def test_a_role_over_an_hour_is_refused_with_the_reason_and_the_way_out(seconds: int) -> None:
    """AWS ends a chained role after an hour: the line says so, and names mfa = "each"."""
    assert [
        f"profiles.p.duration_seconds: is {seconds} seconds: a role assumed from a session lives an hour at most in "
        'AWS (role chaining): use 3600 or less, it is renewed without a prompt; or mfa = "each", with a code and a '
        "prompt for each session"
    ] == of_role(duration_seconds=seconds)


def test_a_role_with_a_code_of_its_own_may_last_twelve_hours() -> None:
    """mfa = "each" is no role chaining."""
    assert [] == of_role(mfa="each", duration_seconds=43_200)
    assert ["profiles.p.duration_seconds: is 43201 seconds: AWS gives a role 43200 at most"] == of_role(
        mfa="each", duration_seconds=43_201
    )


def test_a_role_over_twelve_hours_has_the_same_reason_and_way_out() -> None:
    """Its line is not about a limit that would be the next one to be met, but names that, too."""
    (line,) = of_role(duration_seconds=86_400)

    assert "a role assumed from a session lives an hour at most in AWS (role chaining): use 3600 or less" in line
    assert line.endswith('or mfa = "each", with a code and a prompt for each session of 43200 at most')


def test_a_role_with_a_code_of_its_own_stands_on_keys() -> None:
    """mfa = "each" needs permanent keys to sign with, which a role does not have."""
    found = problems({"profiles": {"base": keys(), "role": role("base"), "each": role("role", mfa="each")}})

    assert [
        'profiles.each.source_profile: is role, a role: mfa = "each" signs with permanent keys, so it must be a '
        "profile with keys"
    ] == found


def test_a_role_may_stand_on_one_with_a_code_of_its_own() -> None:
    """Only the role that has the code needs the keys; what stands above it is chained as ever."""
    assert [] == problems({"profiles": {"base": keys(), "each": role("base", mfa="each"), "top": role("each")}})


HALVES: list[tuple[dict[str, Any], list[str]]] = [
    ({"otp": "op://V/I/totp"}, [".mfa_id: is missing: otp gives its codes. Without MFA leave out both"]),
    ({"otp_command": ["ykman"]}, [".mfa_id: is missing: otp_command gives its codes. Without MFA leave out both"]),
    ({"mfa_id": "op://V/I/mfa"}, [".otp: is missing: mfa_id says whose codes they are. Without MFA leave out both"]),
    (
        {"mfa_id": "op://V/I/mfa", "otp": "op://V/I/totp", "otp_command": ["ykman"]},
        [": has otp and otp_command: choose one"],
    ),
    (
        {"mfa_id": "op://V/I/mfa", "otp_command": []},
        [".otp_command: is empty: the program comes first, then its arguments"],
    ),
    (
        {"mfa_id": "op://V/I/mfa", "otp": "op://V/I/totp", "otp_unattended": True},
        [".otp_unattended: belongs to otp_command, and there is none"],
    ),
    ({"mfa_id": "op://V/I/mfa", "otp_command": "ykman"}, [".otp_command: must be a list, not a text"]),
    ({"mfa_id": "op://V/I/mfa", "otp_command": ["ykman", 7]}, [".otp_command[1]: must be a text, not a number"]),
    ({"mfa_id": "op://V/I/mfa", "otp_command": ["ykman", "oath"], "otp_unattended": False}, []),
    ({}, []),
]


@pytest.mark.parametrize(("codes", "lines"), HALVES)
def test_a_profile_has_one_source_of_codes_and_their_device_or_no_mfa(codes: dict[str, Any], lines: list[str]) -> None:
    """Half an MFA device is a mistake, and is told as one: it would be a weaker profile than was meant."""
    two = {name: REFERENCES[name] for name in ("access_key_id", "secret_access_key")}

    assert [f"profiles.p{line}" for line in lines] == problems({"profiles": {"p": two | codes}})


def test_a_profile_without_mfa_is_warned_about_and_gives_no_role_a_code() -> None:
    """The warning says what is weaker, in one line; mfa = "each" has nothing to send."""
    plain = {name: REFERENCES[name] for name in ("access_key_id", "secret_access_key")}
    config = loaded({"profiles": {"base": plain, "r": role("base")}})

    assert (
        "/c/config.toml: profiles.base: has no MFA (neither otp nor mfa_id): that is weaker, and its sessions may "
        "neither call IAM nor assume a role that requires MFA",
    ) == config.warnings
    assert ['profiles.r.mfa: is "each", and base has no MFA: leave mfa out, or give base its device'] == problems(
        {"profiles": {"base": plain, "r": role("base", mfa="each")}}
    )


def test_transitive_tags_are_tags() -> None:
    """Each key in transitive_tag_keys is one of tags; as with AWS, upper and lower case are the same."""
    tags = {"team": "blue", "stage": "test"}

    assert [] == of_role(tags=tags, transitive_tag_keys=["team", "Stage"])
    assert [
        "profiles.p.transitive_tag_keys[1]: is no key of tags: did you mean stage?",
        "profiles.p.transitive_tag_keys[2]: is no key of tags: known are team, stage",
    ] == of_role(tags=tags, transitive_tag_keys=["team", "stagee", "owner"])


def test_tags_that_are_refused_leave_no_second_complaint() -> None:
    """Where tags is no table nobody can say which keys it has."""
    assert ["profiles.p.tags: must be a table, not a text"] == of_role(tags="team", transitive_tag_keys=["team"])


def test_a_role_in_another_partition_than_its_source_is_refused() -> None:
    """Where the ARNs of both tell theirs; what the item will tell is not known yet."""
    cn = "arn:aws-cn:iam::123456789012"
    line = "profiles.p.role_arn: is in aws-cn, and base is in aws: no session goes from one partition to another"
    on_role = {"base": role("keys"), "keys": keys(), "p": role(role_arn=f"{cn}:role/X")}
    on_keys = {"base": keys(mfa_id="arn:aws:iam::123456789012:mfa/x"), "p": role(role_arn=f"{cn}:role/X")}

    assert [line] == problems({"profiles": on_role}) == problems({"profiles": on_keys})
    assert [] == of_role(role_arn=f"{cn}:role/X")
    assert [] == problems(
        {
            "profiles": {
                "base": keys(mfa_id=f"{cn}:mfa/x"),
                "p": role(role_arn=f"{cn}:role/X"),
                "q": role("p", role_arn=f"{cn}:role/Y"),
            }
        }
    )


def test_an_account_id_that_the_arn_contradicts_is_refused() -> None:
    """It would refuse every session that AWS could give."""
    assert ["profiles.p.account_id: is another account than that of role_arn"] == of_role(account_id="210987654321")
    assert ["profiles.p.account_id: is another account than that of mfa_id"] == of_key_profile(
        mfa_id="arn:aws:iam::123456789012:mfa/x", account_id="210987654321"
    )
    assert [] == of_role(account_id=ROLE_ARN.split(":")[4])
    assert [] == of_key_profile(account_id="210987654321")


def test_a_policy_is_aws_own_or_of_the_role_s_account() -> None:
    """AWS takes no other: told with the place in the list."""
    account = "arn:aws:iam::210987654321:policy/Mine"
    partition = "arn:aws-cn:iam::aws:policy/ReadOnlyAccess"

    assert [
        "profiles.p.policy_arns[0]: is of another account than the role: AWS takes its own policies, and those of the "
        "role's account",
        "profiles.p.policy_arns[2]: is in aws-cn, and the role is in aws",
    ] == of_role(policy_arns=[account, "arn:aws:iam::aws:policy/ReadOnlyAccess", partition])
    assert [] == of_role(role_arn=account.replace("policy/Mine", "role/X"), policy_arns=[account])


def test_a_partition_that_nobody_knows_is_warned_about() -> None:
    """It may be newer than this version; more often it is mistyped."""
    gob = "arn:aws-us-gob:iam::123456789012"
    config = loaded(
        {"profiles": {"a": keys(mfa_id=f"{gob}:mfa/x"), "b": keys(), "r": role("b", role_arn=f"{gob}:role/X")}}
    )

    line = "aws-us-gob is no partition known here: did you mean aws-us-gov?"
    assert (
        f"/c/config.toml: profiles.a.mfa_id: {line}",
        f"/c/config.toml: profiles.r.role_arn: {line}",
    ) == config.warnings


def test_every_partition_that_botocore_knows_is_known() -> None:
    """Its data is not read for every config."""
    assert {partition.name for partition in partitions()} <= set(PARTITIONS)


def test_short_durations_are_warned_about() -> None:
    """Under 45 minutes SDKs would ask again for a third of the time: allowed, and said."""
    config = loaded(
        {
            "profiles": {
                "a": keys(duration_seconds=2699),
                "b": keys(duration_seconds=2700),
                "c.d": role("a", duration_seconds=900),
            }
        }
    )

    why = "seconds are short: SDKs ask again 15 minutes before the end; 2700 or more is better"
    assert (
        f"/c/config.toml: profiles.a.duration_seconds: 2699 {why}",
        f'/c/config.toml: profiles."c.d".duration_seconds: 900 {why}',
    ) == config.warnings


def test_a_warning_of_the_one_account_shape_is_in_its_words() -> None:
    """Who has no table of profiles is told of none."""
    raw = json.dumps({"aws": keys(org_id="nsrc", duration_seconds=900)}).encode()
    (warning,) = load_document(Document(Path("/c/config.json"), raw)).warnings

    assert warning.startswith("/c/config.json: aws.duration_seconds: 900 seconds are short")


def test_profiles_with_the_same_keys_account_and_duration_share_a_session() -> None:
    """Names, regions and refresh modes may differ; references, 1Password, durations and accounts may not."""
    config = loaded(
        {
            "onepasswords": {"work": {"account": "work"}, "by-another-name": {"op": "/opt/op", "timeout_seconds": 9}},
            "profiles": {
                "a": keys(),
                "same-way": keys(onepassword="by-another-name"),
                "b": keys(name="B", region="eu-central-1", sts_region="eu-west-1", refresh="always"),
                "other-item": keys(otp="op://V/J/totp"),
                "other-way": keys(onepassword="work"),
                "other-length": keys(duration_seconds=3600),
                "other-account": keys(account_id="123456789012"),
                "other-codes": {name: value for name, value in keys(otp_command=["x"]).items() if name != "otp"},
                "other-without": {name: REFERENCES[name] for name in ("access_key_id", "secret_access_key")},
                "r": role("b"),
            },
        }
    )

    assert {"a": "a", "same-way": "a", "b": "a", "r": "r"} | {
        name: name for name in config.profiles if name.startswith("other")
    } == {name: config.session_of(name) for name in config.profiles}


def test_a_top_up_that_changes_nothing_is_told() -> None:
    """A role is renewed without a prompt, and what the lock has dropped cannot be topped up."""
    profiles = {
        "base": keys(top_up=True),
        "dropped": keys(access_key_id="op://V/J/id", top_up=True, on_lock="forget"),
        "plain": role("base", top_up=True),
        "each": role("base", top_up=True, mfa="each"),
    }

    assert (
        '/c/config.toml: profiles.dropped.top_up: has nothing to renew at the unlock, because on_lock is "forget"',
        "/c/config.toml: profiles.plain.top_up: changes nothing: the role is renewed without a prompt. Set it for base",
    ) == loaded({"profiles": profiles}).warnings


def test_agents_are_read_only_where_a_session_can_be_narrowed() -> None:
    """Keys, a role with session policies and a role with a code of its own say why not; a plain role can."""
    document = json.dumps({"Version": "2012-10-17", "Statement": []})
    profiles = {
        "base": keys(agents="read-only"),
        "plain": role("base", agents="read-only"),
        "policy": role("base", agents="read-only", policy=document),
        "arns": role("base", agents="read-only", policy_arns=["arn:aws:iam::aws:policy/ReadOnlyAccess"]),
        "each": role("base", agents="read-only", mfa="each"),
        "other": role("base", agents="deny", mfa="each", policy=document),
    }
    wider = "AWS allows what any session policy allows, so one more would widen it"

    assert [
        'profiles.base.agents: is "read-only", and GetSessionToken takes no session policy: give the agent a role',
        f'profiles.policy.agents: is "read-only", and the role has policy: {wider}',
        f'profiles.arns.agents: is "read-only", and the role has policy_arns: {wider}',
        'profiles.each.agents: is "read-only", and mfa = "each" would ask for a code for the agent\'s own session',
    ] == problems({"profiles": profiles})


def test_where_agents_are_not_recognised_the_config_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule is allowed everywhere, because one config may serve several machines."""
    profiles = {"base": keys(agents="deny"), "same": keys(agents="same", access_key_id="op://V/J/id")}
    monkeypatch.setattr(sys, "platform", "linux")
    assert () == loaded({"profiles": profiles}).warnings
    monkeypatch.setattr(sys, "platform", "darwin")
    assert (
        "/c/config.toml: profiles.base.agents: changes nothing here: agents are recognised on Linux only",
    ) == loaded({"profiles": profiles}).warnings


def test_who_may_use_a_session_is_no_part_of_its_origin() -> None:
    """A session goes on where `agents` changes."""
    one, other = (loaded({"profiles": {"p": keys(agents=mode)}}) for mode in ("same", "deny"))

    assert one.origins == other.origins
