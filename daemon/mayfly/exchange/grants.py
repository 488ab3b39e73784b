"""The law for the sessions of grants: an order may ask for less than the config gives, and for nothing else.

Less is a shorter life, and a narrowing of a role that has no session policies. The session's name is composed here,
because the policy of a resource may allow more to a session that it names. All else is as configured. The daemon keeps
these rules, too, and is not trusted to.
"""

from __future__ import annotations

import attrs

from mayfly.config.assume_role import Policy, PolicyArn, RoleSessionName
from mayfly.config.model import Config, RoleProfile
from mayfly.config.narrowing import narrowing_problem, why_never_narrower
from mayfly.config.values import RoleSeconds
from mayfly.shared import grant
from mayfly.shared.errors import ExchangeFailed
from mayfly.shared.grant import MIN_SESSION_SECONDS, GrantOrder, Narrowing
from mayfly.shared.wire import Request


def ordered_roles(request: Request, config: Config) -> dict[str, RoleProfile]:
    """By subject, the role of each order as the grant's session has it.

    Raises ExchangeFailed if a single order asks for more than the config gives.
    """
    return {subject: _ordered_role(subject, order, config) for subject, order in request.grants.items()}


def _ordered_role(subject: str, order: GrantOrder, config: Config) -> RoleProfile:
    name = grant.profile_of(subject)
    profile = config.profiles[name]
    if not isinstance(profile, RoleProfile) or profile.mfa:
        raise ExchangeFailed(f"the request has a grant on {name}, which is no role that is assumed from a session")
    if not MIN_SESSION_SECONDS <= order.seconds <= profile.duration_seconds:
        raise ExchangeFailed(
            f"the request wants {order.seconds} seconds for a grant on {name}: it may have {MIN_SESSION_SECONDS} to "
            f"{profile.duration_seconds}"
        )
    own_name = RoleSessionName(grant.session_name(order.label, grant.grant_id_of(subject) or ""))
    shorter = attrs.evolve(
        profile,
        duration_seconds=RoleSeconds(order.seconds),
        role_session_name=profile.role_session_name or own_name,
    )
    return shorter if order.narrowing == Narrowing() else _narrowed(name, shorter, order.narrowing)


def _narrowed(name: str, profile: RoleProfile, narrowing: Narrowing) -> RoleProfile:
    reason = why_never_narrower(profile)
    if reason:
        raise ExchangeFailed(f"the request narrows a grant on {name}, which {reason}")
    problem = narrowing_problem(profile.role_arn, narrowing)
    if problem:
        raise ExchangeFailed(f"the request narrows a grant on {name} by what AWS does not take: {problem}")
    return attrs.evolve(
        profile,
        policy=Policy(narrowing.policy) if narrowing.policy is not None else None,
        policy_arns=tuple(PolicyArn(arn) for arn in narrowing.policy_arns),
    )
