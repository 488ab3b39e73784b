"""The rules that a grant must keep, and what its owner is told beforehand."""

from __future__ import annotations

from mayfly.config.model import Config, RoleProfile
from mayfly.config.narrowing import narrowing_problem
from mayfly.daemon.grants import narrowing
from mayfly.daemon.grants.order import Order
from mayfly.daemon.grants.table import AGENT, ENV, Ask, Grant
from mayfly.session.screen_lock import heeds_lock
from mayfly.shared.errors import GrantRefused
from mayfly.shared.grant import MIN_SESSION_SECONDS


MAX_GRANTS = 10_000
MAX_DELIVERED = 256
# AssumeRole gives no shorter session, so a grant's last session may outlive the grant by this.
OUTLIVES_SECONDS = MIN_SESSION_SECONDS
# One session of a role that is assumed from a session lives an hour at most (the reference of AssumeRole).
MAX_ENV_SECONDS = 3600


def checked(order: Order, config: Config) -> Order:
    """The order with all of its policies. Raises GrantRefused where a profile of the config allows no such grant."""
    profile = config.profiles[order.profile]
    if isinstance(profile, RoleProfile):
        _check_role(order, profile)
        policies = narrowing.in_full(order.words, order.narrowing, profile.role_arn)
        if problem := narrowing_problem(profile.role_arn, policies):
            raise GrantRefused(problem)
        order = order._replace(narrowing=policies)
    elif _is_narrowed(order):
        raise GrantRefused(
            f"{order.profile} cannot be narrowed: its session is GetSessionToken's, which takes no session policy",
            hint="grant a role on top of it",
        )
    if order.delivery == ENV:
        _check_env(order, profile.duration_seconds)
    return order


def _is_narrowed(order: Order) -> bool:
    return bool(order.words) or narrowing.is_narrowed(order.narrowing)


def _check_role(order: Order, profile: RoleProfile) -> None:
    if profile.mfa is not None:
        raise GrantRefused(
            f"{order.profile} has mfa = {profile.mfa!r}, so each renewal of the grant's session would prompt",
            hint="grant a role without it",
        )
    if _is_narrowed(order) and (profile.policy is not None or profile.policy_arns):
        raise GrantRefused(
            f"{order.profile} has session policies of its own. AWS evaluates all session policies of a session"
            " together, and an allow in any is an allow, so one more would widen it",
            hint="leave the narrowing out, or grant a role without policy and policy_arns",
        )


def _check_env(order: Order, profile_seconds: int) -> None:
    most = min(MAX_ENV_SECONDS, profile_seconds)
    if order.seconds > most:
        raise GrantRefused(
            f"a grant as env is one session, and {order.profile} gives one for {most} seconds at most",
            hint="grant it for less, or as endpoint, which renews",
        )


def is_still_meant(grant: Grant, config: Config) -> bool:
    """True if the profile has the origin that was granted, and still leaves the same to agents."""
    if config.origins.get(grant.profile) != grant.origin:
        return False
    mode = "read-only" if grant.ask is Ask.NONE else "ask"
    return grant.delivery != AGENT or config.profiles[grant.profile].agents == mode


def warnings(order: Order, config: Config) -> list[str]:
    """What the owner of the grant should know."""
    profile = config.profiles[order.profile]
    told = []
    if isinstance(profile, RoleProfile) and profile.role_session_name:
        told.append(
            f"{order.profile} names its own session ({profile.role_session_name}): CloudTrail shows that name,"
            " and policies that name that session still grant what they grant"
        )
    if order.delivery == ENV:
        told.append("'mayfly revoke' cannot take these credentials back: they count until they end")
        if heeds_lock(profile.on_lock):
            told.append(f'on_lock = "{profile.on_lock}" cannot take them back either: a lock of the screen leaves them')
    elif not isinstance(profile, RoleProfile):
        told.append(f"{order.profile} has one session for all: when the grant ends, what it has handed out lives on")
    return told
