"""Sessions of grants: less than the config gives, under a name that the exchange composes, and no more by any order."""

from __future__ import annotations

import json
import random
import string

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mayfly.demo.sts.server import Call, Role
from mayfly.shared import wire
from mayfly.shared.credentials import Credentials
from mayfly.shared.grant import GrantOrder, Narrowing
from mayfly.shared.wire import Request
from support.exchange import as_bytes, ask, digest, login
from support.people import ROLES, calls_of, inhabited, keys, role
from support.world import World


READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
POLICY = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}]}'
# Random letters: they do not shrink when they are packed.
WIDE_POLICY = json.dumps({"Statement": [], "Id": "".join(random.Random(1).choices(string.ascii_letters, k=1990))})
CONFIGURED = (
    "duration_seconds = 1800",
    'external_id = "a:b/c"',
    'source_identity = "ann"',
    'tags = { team = "core" }',
)
CONFIG = "".join(
    [
        keys("ann"),
        role("admin", "ann", *CONFIGURED, arn=f"{ROLES}/Admin"),
        role("top", "admin", arn=f"{ROLES}/Reader"),
        role("named", "ann", 'role_session_name = "ann-laptop"', arn=f"{ROLES}/Named"),
        role("misnamed", "ann", 'role_session_name = "bob"', arn=f"{ROLES}/Named"),
        role("unnamed", "ann", arn=f"{ROLES}/Named"),
        role("policed", "ann", f"policy = '{POLICY}'", arn=f"{ROLES}/Reader"),
        role("managed", "ann", f'policy_arns = ["{READ_ONLY}"]', arn=f"{ROLES}/Reader"),
        role("wide", "ann", f"policy = '{WIDE_POLICY}'", arn=f"{ROLES}/Reader"),
        role("coded", "ann", 'mfa = "each"', arn=f"{ROLES}/Reader"),
    ]
)
SUBJECT = "admin@1a2b3c4d"
ORDER = GrantOrder(label="claude", seconds=900)


@pytest.fixture(name="world")
async def _world(tmp_path: Path) -> AsyncIterator[World]:
    roles = [Role(name="Admin", external_id="a:b/c"), Role(name="Reader"), Role(name="Named", session_name="ann-*")]
    async with inhabited(tmp_path, ["ann"], roles) as world:
        world.write_toml(CONFIG)
        yield world


async def _session(world: World) -> Credentials:
    return (await ask(world, login(world, "ann"))).credentials("ann")


def _assume(world: World, session: Credentials, *profiles: str, **grants: GrantOrder) -> Request:
    """An assume of `profiles`, and of the grants: `admin_1a2b3c4d=…` for the subject `admin@1a2b3c4d`."""
    orders = {name.replace("_", "@"): order for name, order in grants.items()}
    return Request(
        kind="assume",
        digest=digest(world),
        profiles=(*profiles, *orders),
        sessions={"ann": session},
        with_stages=True,
        grants=orders,
    )


def _by_session_name(world: World) -> dict[str, Call]:
    return {call.parameters["RoleSessionName"]: call for call in calls_of(world, "AssumeRole")}


async def test_a_grant_has_a_session_of_its_own(world: World) -> None:
    """One exchange assumes a role for its profile and its grants: each has its life, its name and its narrowing."""
    session = await _session(world)
    narrow = Narrowing(POLICY, (READ_ONLY, "arn:aws:iam::058264411872:policy/own"))
    request = _assume(
        world,
        session,
        "admin",
        admin_1a2b3c4d=ORDER._replace(narrowing=narrow),
        admin_00000000=GrantOrder(label="a.b_c-D", seconds=1800),
    )

    ended = await ask(world, request)

    calls = _by_session_name(world)
    narrowed, plain = calls["mayfly-claude-1a2b3c4d"], calls["mayfly-a.b_c-D-00000000"]
    [own] = [call for call in calls.values() if call not in (narrowed, plain)]
    assert dict.fromkeys(request.profiles, "Credentials") == ended.verdicts
    assert [f"aws: {' '.join(request.profiles)}"] == ended.stages
    assert 3 == len({ended.credentials(name).access_key_id for name in request.profiles})
    assert own.parameters | {"RoleSessionName": "mayfly-a.b_c-D-00000000"} == plain.parameters
    assert (
        own.parameters
        | {
            "RoleSessionName": "mayfly-claude-1a2b3c4d",
            "DurationSeconds": "900",
            "Policy": POLICY,
            "PolicyArns.member.1.arn": READ_ONLY,
            "PolicyArns.member.2.arn": "arn:aws:iam::058264411872:policy/own",
        }
        == narrowed.parameters
    )
    assert "a:b/c" == narrowed.parameters["ExternalId"]
    assert {session.access_key_id} == {call.access_key_id for call in calls.values()}


async def test_what_the_config_says_of_a_session_stays(world: World) -> None:
    """A configured name and configured policies hold for grants, too; below a grant stands the whole session."""
    session = await _session(world)
    ended = await ask(
        world,
        _assume(
            world, session, named_1a2b3c4d=ORDER, policed_1a2b3c4d=ORDER, managed_1a2b3c4d=ORDER, top_1a2b3c4d=ORDER
        ),
    )

    calls = calls_of(world, "AssumeRole")
    below, top = [call for call in calls if "Admin" in call.parameters["RoleArn"]], calls[-1]
    found = {(call.parameters["RoleArn"], call.parameters.get("Policy"), call.policy_arns) for call in calls}
    assert {"Credentials"} == set(ended.verdicts.values())
    assert "ann-laptop" in _by_session_name(world)
    assert {(f"{ROLES}/Reader", POLICY, ()), (f"{ROLES}/Reader", None, (READ_ONLY,))} <= found
    assert ["1800"] == [call.parameters["DurationSeconds"] for call in below]
    assert "mayfly" not in below[0].parameters["RoleSessionName"]
    assert "mayfly-claude-1a2b3c4d" == top.parameters["RoleSessionName"]


async def test_a_grants_session_can_be_verified(world: World) -> None:
    """AWS is asked whose it is, under the grant's name."""
    session = await _session(world)
    granted = (await ask(world, _assume(world, session, admin_1a2b3c4d=ORDER))).credentials(SUBJECT)

    ended = await ask(world, Request(kind="verify", digest=digest(world), profiles=(), sessions={SUBJECT: granted}))

    assert ended.outcomes[SUBJECT].arn.endswith("assumed-role/Admin/mayfly-claude-1a2b3c4d")


NO_REQUEST = (2, "mayfly.exchange: error: this is no request\n", {})


def _order(subject: str = SUBJECT, **changes: Any) -> dict[str, Any]:
    order = {"label": "claude", "seconds": 900, "policy": None, "policy_arns": []} | changes
    return {"profiles": [subject], "grants": {subject: order}}


def _refused(subject: str = SUBJECT) -> tuple[int, str, dict[str, str]]:
    return 0, "", {subject: "ExchangeFailed"}


# Changes of a request for a grant on `admin`, and how the exchange ends.
HOSTILE: dict[str, tuple[dict[str, Any], tuple[int, str, dict[str, str]]]] = {
    "longer than the config says": (_order(seconds=1801), _refused()),
    "shorter than AWS allows": (_order(seconds=899), _refused()),
    "no time": (_order(seconds=0), _refused()),
    "a time behind": (_order(seconds=-900), _refused()),
    "another role": (_order(role_arn=f"{ROLES}/Reader"), NO_REQUEST),
    "a session name": (_order(session_name="ann-laptop"), NO_REQUEST),
    "tags": (_order(tags={"team": "root"}), NO_REQUEST),
    "an external id": (_order(external_id="x"), NO_REQUEST),
    "a source identity": (_order(source_identity="root"), NO_REQUEST),
    "a region": (_order(region="us-east-1"), NO_REQUEST),
    "a policy beside a policy": (_order("policed@1a2b3c4d", policy=POLICY), _refused("policed@1a2b3c4d")),
    "ARNs beside a policy": (_order("policed@1a2b3c4d", policy_arns=[READ_ONLY]), _refused("policed@1a2b3c4d")),
    "a policy beside ARNs": (_order("managed@1a2b3c4d", policy=POLICY), _refused("managed@1a2b3c4d")),
    "ARNs beside ARNs": (_order("managed@1a2b3c4d", policy_arns=[READ_ONLY]), _refused("managed@1a2b3c4d")),
    "an empty policy beside a policy": (_order("policed@1a2b3c4d", policy=""), _refused("policed@1a2b3c4d")),
    "a profile with keys": (_order("ann@1a2b3c4d"), _refused("ann@1a2b3c4d")),
    "a role that wants a code": (_order("coded@1a2b3c4d"), _refused("coded@1a2b3c4d")),
    "an unknown profile": (_order("other@1a2b3c4d"), _refused("other@1a2b3c4d")),
    "no profile": (_order("@1a2b3c4d"), _refused("@1a2b3c4d")),
    "an odd id": (_order("admin@1a2b3c4D"), NO_REQUEST),
    "an id that is a path": (_order("admin@../../ab"), NO_REQUEST),
    "two ids": (_order("admin@1a2b3c4d@1a2b3c4d"), NO_REQUEST),
    "an odd label": (_order(label="ann laptop"), NO_REQUEST),
    "a label that is a name of AWS's": (_order(label="a=b,c@d"), NO_REQUEST),
    "a long label": (_order(label="a" * 33), NO_REQUEST),
    "an empty policy": (_order(policy=""), _refused()),
    "a policy that is no object": (_order(policy="[]"), _refused()),
    "a policy with a key twice": (_order(policy='{"Statement": [], "Statement": []}'), _refused()),
    "a long policy": (_order(policy=json.dumps({"Id": "x" * 2048})), _refused()),
    "long together": (_order(policy=json.dumps({"Id": "x" * 2001}), policy_arns=[READ_ONLY]), _refused()),
    "eleven ARNs": (_order(policy_arns=[READ_ONLY] * 11), _refused()),
    "another partition": (_order(policy_arns=["arn:aws-cn:iam::aws:policy/ReadOnlyAccess"]), _refused()),
    "another account": (_order(policy_arns=["arn:aws:iam::111111111111:policy/own"]), _refused()),
    "no policy's ARN": (_order(policy_arns=[f"{ROLES}/Admin"]), _refused()),
    "a login": ({"kind": "login"}, NO_REQUEST),
    "a login of a grant's session": ({"kind": "login", "grants": ...}, NO_REQUEST),
    "a verify": ({"kind": "verify"}, NO_REQUEST),
    "no order": ({"grants": ...}, NO_REQUEST),
    "an empty table": ({"grants": {}}, NO_REQUEST),
    "another's order": ({"profiles": ["admin@00000000"]}, NO_REQUEST),
    "an order without its subject": ({"profiles": ["admin"]}, NO_REQUEST),
    "an order for the profile itself": (_order("admin"), NO_REQUEST),
    "a subject as a source": ({"sessions": {SUBJECT: ...}}, _refused()),
    "a subject as the source of a profile": (
        {"profiles": ["top"], "grants": ..., "sessions": {SUBJECT: ...}},
        (0, "", {"top": "ExchangeFailed"}),
    ),
    "one honest order and one hostile": (
        {
            "profiles": ["top@1a2b3c4d", SUBJECT],
            "grants": _order("top@1a2b3c4d")["grants"] | _order(seconds=1801)["grants"],
        },
        (0, "", {"top@1a2b3c4d": "ExchangeFailed", SUBJECT: "ExchangeFailed"}),
    ),
}


async def test_no_order_gives_more_than_the_config(world: World) -> None:
    """A daemon that asks for more than its config gives is refused, and STS is not called for any of it."""
    session = await _session(world)
    honest = json.loads(wire.request_bytes(_assume(world, session, admin_1a2b3c4d=ORDER)))
    assert {SUBJECT: "Credentials"} == (await ask(world, as_bytes(honest))).verdicts
    before = len(world.sts.calls)

    found = {}
    for name, (changes, _) in HOSTILE.items():
        ended = await ask(world, as_bytes(_changed(honest, changes)))
        found[name] = (ended.code, ended.err, ended.verdicts)

    assert {name: expected for name, (_, expected) in HOSTILE.items()} == found
    assert before == len(world.sts.calls)
    assert 1 == len(world.vault.calls())


def _changed(honest: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The request with `changes`; `...` stands for a key that goes, and for the session in hand."""
    tree = {key: value for key, value in (honest | changes).items() if value is not ...}
    return tree | {"sessions": dict.fromkeys(tree["sessions"], honest["sessions"]["ann"])}


# AWS's refusals


async def test_policies_that_are_too_large_are_named_with_what_to_shorten(world: World) -> None:
    """Whether they come from the config or from a grant: how large they are, and which of them to shorten."""
    session = await _session(world)
    wide = ORDER._replace(narrowing=Narrowing(WIDE_POLICY))
    ended = await ask(world, _assume(world, session, "wide", top_1a2b3c4d=wide, admin_1a2b3c4d=wide))

    for name, steps in {
        "wide": "shorten the policy",
        "top@1a2b3c4d": "shorten the policy",
        SUBJECT: "shorten the policy or give fewer or shorter tags",
    }.items():
        error = ended.error(name)
        assert "RequestInvalid" == error.code
        assert "too large when packed: 1" in error.message
        assert "% of the space (PackedPolicyTooLarge)" in error.message
        assert steps == error.hint


async def test_a_session_name_that_the_trust_policy_refuses_is_named(world: World) -> None:
    """AWS says only that access is denied; the hint names the session's name, where it is one of ours."""
    session = await _session(world)
    ended = await ask(world, _assume(world, session, "unnamed", "named", "misnamed", unnamed_1a2b3c4d=ORDER))

    assert ("Credentials", "AccessDenied") == (ended.verdicts["named"], ended.verdicts["misnamed"])
    assert "RoleSessionName" not in ended.error("misnamed").hint
    for name, session_name in {"unnamed": "@", "unnamed@1a2b3c4d": "mayfly-claude-1a2b3c4d"}.items():
        error = ended.error(name)
        assert "AccessDenied" == error.code
        assert "; if the trust policy requires another sts:RoleSessionName than " in error.hint
        assert session_name in error.hint
        assert error.hint.endswith(", set role_session_name in the config")
