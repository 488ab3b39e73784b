"""The variables that a shell sets and unsets, as values, without a shell."""

from __future__ import annotations

import pytest

from hypothesis import given
from hypothesis import strategies as st

from mayfly.cli import environment
from mayfly.cli.target import Target


TARGET = Target("nsrc", 9170, "eu-central-1")
NO_REGION = Target("nsrc", 9170)
FALLBACK_REGION = Target("nsrc", 9170, fallback_region="us-east-1")


def entered(now: dict[str, str], target: Target = TARGET) -> dict[str, str]:
    return environment.applied(now, environment.changes_to_set(now, target, token="T"))


def left(now: dict[str, str]) -> dict[str, str]:
    return environment.applied(now, environment.changes_to_unset(now))


def test_a_shell_gets_the_url_the_token_and_the_profile() -> None:
    """The endpoint's URL is on 127.0.0.1, and one of the two token variables is set."""
    assert {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9170/credentials/nsrc",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "T",
        "MAYFLY_PROFILE": "nsrc",
    } == entered({"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/old"}, NO_REGION)


def test_a_token_file_stands_in_for_the_token() -> None:
    """If the token's file is set, the token is unset."""
    changes = environment.changes_to_set({}, NO_REGION, token_file="/run/t")

    assert "/run/t" == changes["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]
    assert changes["AWS_CONTAINER_AUTHORIZATION_TOKEN"] is None


@pytest.mark.parametrize(
    "name",
    [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
    ],
)
def test_what_would_win_over_the_endpoint_is_unset(name: str) -> None:
    """A variable that SDKs take before the endpoint is unset, not blank."""
    assert name not in entered({name: "x"})
    assert name in environment.changes_to_set({}, TARGET)


def test_a_region_is_set_in_both_of_its_variables() -> None:
    """Most SDKs read AWS_REGION; the AWS CLI reads AWS_DEFAULT_REGION."""
    after = entered({"AWS_REGION": "us-west-2"})

    assert ("eu-central-1", "eu-central-1") == (after["AWS_REGION"], after["AWS_DEFAULT_REGION"])


def test_a_region_of_an_earlier_profile_goes_with_it() -> None:
    """A profile without a region does not keep the region of the profile before it."""
    assert entered({}, NO_REGION) == entered(entered({}), NO_REGION)


def test_a_region_that_the_user_gave_stays() -> None:
    """A region that the user has set is never removed, even if it is the profile's."""
    changed = entered({}) | {"AWS_REGION": "us-west-2"}
    had = {"AWS_DEFAULT_REGION": "eu-central-1"}

    assert {"AWS_REGION": "us-west-2"} == left(changed)
    assert "us-west-2" == entered(changed, NO_REGION)["AWS_REGION"]
    assert had == left(entered(had))


def test_the_fallback_region_is_set_if_there_is_no_other() -> None:
    """It is set in both variables, and removed with the profile."""
    after = entered({"AWS_REGION": ""}, FALLBACK_REGION)

    assert ("us-east-1", "us-east-1") == (after["AWS_REGION"], after["AWS_DEFAULT_REGION"])
    assert not {"AWS_REGION", "AWS_DEFAULT_REGION"} & set(left(after))
    assert entered({}, FALLBACK_REGION) == entered(entered({}), FALLBACK_REGION)


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_users_region_wins_over_the_fallback(name: str) -> None:
    """If the user has set a region in one variable, the other gets no fallback."""
    after = entered({name: "us-west-2"}, FALLBACK_REGION)

    assert {name: "us-west-2"} == {key: value for key, value in after.items() if "REGION" in key}


def test_a_region_that_the_user_has_set_since_is_the_users() -> None:
    """It is so even if it is the next profile's region."""
    moved = entered(entered({}) | {"AWS_REGION": "us-east-1"}, Target("p", 1, "us-east-1"))

    assert "us-east-1" == left(moved)["AWS_REGION"]


def test_without_a_proxy_nothing_is_said_about_proxies() -> None:
    """NO_PROXY changes only if there is a proxy."""
    assert {"NO_PROXY": "x"}.items() <= entered({"NO_PROXY": "x"}).items()
    assert "no_proxy" not in entered({"NO_PROXY": "x"})


@pytest.mark.parametrize("proxy", ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_a_proxy_never_sees_the_token(proxy: str) -> None:
    """If there is a proxy, both spellings of NO_PROXY name this machine."""
    after = entered({proxy: "http://proxy:3128"})

    assert ("127.0.0.1,localhost",) * 2 == (after["NO_PROXY"], after["no_proxy"])


def test_no_proxy_keeps_what_it_has_and_doubles_nothing() -> None:
    """Only missing hosts are added; a new variable starts with the hosts of the other spelling."""
    after = entered({"https_proxy": "p", "no_proxy": "corp.example, 127.0.0.1"})

    assert "corp.example,127.0.0.1,localhost" == after["no_proxy"]
    assert "corp.example,127.0.0.1,localhost" == after["NO_PROXY"]


def test_no_proxy_for_everything_is_enough() -> None:
    """`*` means all hosts only if it stands alone, so nothing is added to it."""
    now = {"https_proxy": "p", "NO_PROXY": "*"}

    assert now.items() <= entered(now).items()
    assert "no_proxy" not in entered(now)


def test_what_we_added_to_no_proxy_is_taken_out_again() -> None:
    """Hosts that the user has added since stay, and a variable that we have made is unset."""
    now = {"https_proxy": "p", "no_proxy": "127.0.0.1,corp.example"}
    after = entered(now)
    more = after | {"no_proxy": after["no_proxy"] + ",late.example"}

    assert now == left(after)
    assert now | {"no_proxy": "127.0.0.1,corp.example,late.example"} == left(more)


def test_a_mark_in_no_proxy_follows_what_is_there() -> None:
    """A host that we add again is ours, even if the user had it before."""
    after = entered({"https_proxy": "p", "NO_PROXY": "a"})
    again = entered(after | {"NO_PROXY": "a,localhost"})

    assert "a,localhost,127.0.0.1" == again["NO_PROXY"]
    assert "a" == left(again)["NO_PROXY"]


names = st.sampled_from(
    [*environment.SHADOWING, *environment.REGIONS, *environment.NO_PROXIES, "https_proxy", "http_proxy", "OTHER"]
)
values = st.sampled_from(["", "*", "eu-central-1", "us-east-1", "a, b", "localhost", "127.0.0.1,c", "x"])
variables = st.dictionaries(names, values, max_size=8)
regions = st.sampled_from([None, "eu-central-1", "us-east-1"])


targets = st.builds(Target, st.just("nsrc"), st.just(1), regions, regions)


@given(variables, targets, targets)
def test_a_second_eval_changes_nothing(now: dict[str, str], first: Target, second: Target) -> None:
    """The changes of a profile, applied twice, are the same as applied once."""
    once = entered(entered(now, first), second)

    assert once == entered(once, second)


@given(variables, targets, targets)
def test_off_leaves_nothing_of_ours(now: dict[str, str], first: Target, second: Target) -> None:
    """After two profiles and --off, no variable is left that was not there before."""
    after = left(entered(entered(now, first), second))

    assert set(after) <= set(now)
    assert after == left(after)
