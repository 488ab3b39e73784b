"""The content of one exchange: all sessions that can be got together. Nothing is started or changed here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import NamedTuple

from mayfly.config.model import Config
from mayfly.daemon.keeper.code_queue import code_users
from mayfly.daemon.keeper.ledger import Ledger
from mayfly.shared.wire import Request


# Their policies are 12 kB at most each as JSON, and a request 8 MiB.
MOST_GRANTS = 256


class Batch(NamedTuple):
    """A request for an exchange, and the sessions that wait for the next one-time password.

    `waiting` names for each the session that uses the current one.
    """

    request: Request
    waiting: Mapping[str, str]


class Asked(NamedTuple):
    """A request that was sent to an exchange, with the config and the time of that moment."""

    request: Request
    config: Config
    at: datetime


def login_batch(
    ledger: Ledger,
    logins: Mapping[str, bool],
    roles: Collection[str],
    is_wanted: Callable[[str], bool],
    now: datetime,
) -> Batch:
    """All logins of the first one's 1Password account, further sessions that are due soon, and the roles above.

    `logins` has True for a login that somebody waits for. A session is not added if such a login uses its MFA device: a
    one-time password serves one login, and the other would wait for the next. Nor is it added if its own `otp_command`
    may ask a person. `is_wanted` is True for a session that is wanted already.
    """
    taken = {ledger.config.keys_of(name).code_source for name, is_waited_for in logins.items() if is_waited_for}

    def joins(name: str) -> bool:
        policy, keys = ledger.policy(name, now), ledger.config.keys_of(name)
        has_code = keys.code_source is None or keys.code_source not in taken
        is_free = not is_wanted(name) and has_code and not keys.command_asks_human
        return policy.asks_human and is_free and ledger[name].may_join_login(policy, now)

    accounts = [ledger.config.onepassword_of(name) for name in logins][:1]
    same = [name for name in ledger.names if ledger.is_base(name) and ledger.config.onepassword_of(name) in accounts]
    candidates = [name for name in same if name in logins or joins(name)]
    later = code_users(ledger.config, candidates, logins)
    bases = [name for name in candidates if name not in later]
    # Of a grant's session an exchange takes no order beside a login: it is assumed from the new session, at once.
    above = [
        name
        for name in roles
        if ledger.base(name) in bases and not ledger.live_source(name, now) and not ledger.links.grant(name)
    ]
    links = dict.fromkeys(link for role in above for link in ledger.chain(role)[1:])
    request = Request(kind="login", digest=ledger.config.digest, profiles=(*bases, *links), with_stages=True)
    return Batch(request, {name: user for name, user in later.items() if name in logins})


def assume_batch(ledger: Ledger, roles: Collection[str], now: datetime) -> Batch:
    """Roles on live sessions, and the roles between; of grants' sessions no more than one request holds."""
    grants = [name for name in roles if ledger.links.grant(name)]
    later = set(grants[MOST_GRANTS:])
    roles = [name for name in roles if name not in later]
    sources = dict.fromkeys(source for name in roles if (source := ledger.live_source(name, now)))
    links = dict.fromkeys(link for name in roles for link in ledger.links_above_live(name, now))
    request = Request(
        kind="assume",
        digest=ledger.config.digest,
        profiles=tuple(links),
        sessions={source: session for source in sources if (session := ledger[source].usable(now))},
        with_stages=True,
        grants={name: order for name in links if (order := ledger.links.order(name, now))},
    )
    return Batch(request, {})
