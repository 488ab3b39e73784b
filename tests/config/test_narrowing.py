"""What narrows a grant's session: what AWS would take, and the deny that ends it."""

from __future__ import annotations

import json

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mayfly.config.assume_role import Policy, PolicyArn
from mayfly.config.model import KeyProfile, RoleProfile
from mayfly.config.narrowing import narrowing_problem, read_only_arn, view_only_arn, why_never_narrower, with_end
from mayfly.config.values import ProfileName, Reference, RoleArn
from mayfly.shared.grant import MAX_POLICY_CHARACTERS, Narrowing


ROLE = "arn:aws:iam::058264411872:role/Admin"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
OWN = "arn:aws:iam::058264411872:policy/team/own"
ENDS_AT = datetime(2026, 11, 28, 12, 30, tzinfo=UTC)
READS = {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}
NO_SECRETS = {"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::secret/*"}
DENY_AFTER = {
    "Effect": "Deny",
    "Action": "*",
    "Resource": "*",
    "Condition": {"DateGreaterThan": {"aws:CurrentTime": "2026-11-28T12:30:00Z"}},
}


def _policy(*statements: dict[str, Any], **more: str) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)} | more)


LONG = _policy(READS, Id="x" * 1900)

TAKEN = {
    "none": Narrowing(),
    "AWS's own": Narrowing(policy_arns=(READ_ONLY,)),
    "the account's own": Narrowing(policy_arns=(READ_ONLY, OWN)),
    "a policy": Narrowing(_policy(READS)),
    "both": Narrowing(_policy(READS), (OWN,)),
    "ten": Narrowing(policy_arns=tuple(f"{OWN}{number}" for number in range(10))),
    "the longest policy": Narrowing(_policy(READS, Id="x" * (MAX_POLICY_CHARACTERS - len(_policy(READS, Id=""))))),
    "the longest together": Narrowing(
        _policy(READS, Id="x" * (MAX_POLICY_CHARACTERS - len(_policy(READS, Id="") + OWN))), (OWN,)
    ),
}

NOT_TAKEN = {
    "not JSON": (Narrowing("{"), "the policy is not JSON: "),
    "nothing": (Narrowing(""), "the policy is not JSON: "),
    "no object": (Narrowing("[]"), "the policy must be a JSON object"),
    "a key twice": (Narrowing('{"Statement": [], "Statement": []}'), "the policy has a key twice"),
    "letters that AWS does not take": (Narrowing('{"Id": "✓"}'), "the policy has characters that AWS does not take"),
    "too long": (Narrowing(_policy(READS, Id="x" * 2048)), "characters: AWS takes 2048 at most"),
    "too long together": (Narrowing(LONG, (READ_ONLY, OWN, OWN)), "characters together: AWS takes 2048 at most"),
    "eleven": (Narrowing(policy_arns=(READ_ONLY,) * 11), "these are 11 policy ARNs: AWS takes 10 at most"),
    "ARNs too long together": (
        Narrowing(policy_arns=(f"{OWN}{'x' * 300}",) * 7),
        "characters together: AWS takes 2048",
    ),
    "no ARN": (Narrowing(policy_arns=("ReadOnlyAccess",)), "ReadOnlyAccess is no managed policy: expected arn:"),
    "a role": (Narrowing(policy_arns=(ROLE,)), f"{ROLE} is no managed policy"),
    "a line break": (Narrowing(policy_arns=(f"{READ_ONLY}\n",)), f"{READ_ONLY}? is no managed policy"),
    "another partition": (
        Narrowing(policy_arns=("arn:aws-cn:iam::aws:policy/ReadOnlyAccess",)),
        "is in aws-cn, and the role is in aws",
    ),
    "another account": (
        Narrowing(policy_arns=(READ_ONLY, "arn:aws:iam::111111111111:policy/own")),
        "arn:aws:iam::111111111111:policy/own is of another account than the role",
    ),
}


@pytest.mark.parametrize("narrowing", TAKEN.values(), ids=TAKEN.keys())
def test_what_aws_takes_is_no_problem(narrowing: Narrowing) -> None:
    """A JSON object and managed policies of AWS's or of the role's account, 2,048 characters together, ten ARNs."""
    assert narrowing_problem(ROLE, narrowing) is None


@pytest.mark.parametrize(("narrowing", "told"), NOT_TAKEN.values(), ids=NOT_TAKEN.keys())
def test_what_aws_does_not_take_is_told_in_one_line(narrowing: Narrowing, told: str) -> None:
    """The sentence names what is wrong, and what AWS takes."""
    problem = narrowing_problem(ROLE, narrowing)

    assert problem is not None
    assert told in problem
    assert problem.isprintable()


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_aws_own_policies_are_those_of_the_roles_partition(partition: str) -> None:
    """Each partition has a ReadOnlyAccess and a ViewOnlyAccess of its own, and takes no other's."""
    role = ROLE.replace("aws", partition, 1)
    found = read_only_arn(role), view_only_arn(role)

    assert (
        f"arn:{partition}:iam::aws:policy/ReadOnlyAccess",
        f"arn:{partition}:iam::aws:policy/job-function/ViewOnlyAccess",
    ) == found
    assert narrowing_problem(role, Narrowing(policy_arns=found)) is None


def _role(**more: Any) -> RoleProfile:
    return RoleProfile(source_profile=ProfileName("nsrc"), role_arn=RoleArn(ROLE), **more)


def test_only_a_role_without_session_policies_can_be_narrowed() -> None:
    """GetSessionToken takes no session policy, and beside another one a policy would widen."""
    with_keys = KeyProfile(access_key_id=Reference("op://V/I/a"), secret_access_key=Reference("op://V/I/b"))
    policies = [_role(policy=Policy(_policy(READS))), _role(policy_arns=(PolicyArn(READ_ONLY),))]

    assert why_never_narrower(_role()) is None
    assert "GetSessionToken has none" in str(why_never_narrower(with_keys))
    assert [True, True] == ["would widen it" in str(why_never_narrower(profile)) for profile in policies]


# The end

# What the managed policies of these tests allow, as AWS has them.
MANAGED = {READ_ONLY: READS, OWN: {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}}
ACTIONS = {"s3:Get*", "ec2:*", "iam:*"}


def _allowed(narrowing: Narrowing, now: datetime) -> set[str]:
    """What AWS lets a session do that may do all of ACTIONS without a narrowing: an allow in any, a deny in none."""
    inline = json.loads(narrowing.policy)["Statement"] if narrowing.policy else []
    statements = [*(inline if isinstance(inline, list) else [inline]), *(MANAGED[arn] for arn in narrowing.policy_arns)]
    if not statements:
        return ACTIONS
    after = [each["Condition"]["DateGreaterThan"]["aws:CurrentTime"] for each in statements if "Condition" in each]
    if any(now > datetime.fromisoformat(instant) for instant in after):
        return set()
    return {each["Action"] for each in statements if each["Effect"] == "Allow"}


ENDING = {
    "managed policies": Narrowing(policy_arns=(READ_ONLY, OWN)),
    "a policy": Narrowing(_policy(READS, NO_SECRETS)),
    "a policy of one statement": Narrowing(json.dumps({"Statement": READS})),
    "both": Narrowing(_policy(READS), (OWN,)),
}


@pytest.mark.parametrize("narrowing", ENDING.values(), ids=ENDING.keys())
def test_the_end_takes_everything_and_gives_nothing(narrowing: Narrowing) -> None:
    """Until the grant ends, its session may do what the narrowing says; after that AWS denies all."""
    ended = with_end(narrowing, ENDS_AT)

    assert _allowed(narrowing, ENDS_AT) == _allowed(ended, ENDS_AT)
    assert set() == _allowed(ended, ENDS_AT + timedelta(seconds=1)) != _allowed(narrowing, ENDS_AT)
    assert narrowing.policy_arns == ended.policy_arns
    assert narrowing_problem(ROLE, ended) is None


def test_beside_managed_policies_stands_nothing_but_the_deny() -> None:
    """An inline allow would widen what the managed policies allow."""
    ended = with_end(Narrowing(policy_arns=(READ_ONLY,)), ENDS_AT)

    assert {"Version": "2012-10-17", "Statement": [DENY_AFTER]} == json.loads(ended.policy or "")


def test_a_policy_gets_one_more_statement() -> None:
    """Every statement of the policy stays, also with letters beyond ASCII."""
    tree = {"Version": "2012-10-17", "Id": 'é"✓', "Statement": [READS, NO_SECRETS]}
    ended = with_end(Narrowing(json.dumps(tree)), ENDS_AT).policy or ""

    assert tree | {"Statement": [READS, NO_SECRETS, DENY_AFTER]} == json.loads(ended)
    assert ended.isascii()


UNCHANGED = {
    "no narrowing": Narrowing(),
    "no room": Narrowing(LONG),
    "no room beside the ARNs": Narrowing(policy_arns=(f"{OWN}{'x' * 300}",) * 5 + (f"{OWN}{'x' * 180}",)),
    "no statement": Narrowing("{}"),
    "no JSON": Narrowing("{"),
    "no object": Narrowing("[]"),
    "a number without end": Narrowing('{"Statement": {"Effect": 1e999}}'),
    "nested deep": Narrowing('{"Statement": ' + "[" * 1000 + "]" * 1000 + "}"),
}


@pytest.mark.parametrize("name", UNCHANGED)
def test_where_the_end_cannot_go_the_narrowing_stays(name: str) -> None:
    """Alone a deny would forbid all, and a longer narrowing AWS would refuse: then the grant ends without it."""
    assert UNCHANGED[name] == with_end(UNCHANGED[name], ENDS_AT)
