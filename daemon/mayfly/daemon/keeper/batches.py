"""What goes into one exchange: as much as falls due together. Requests are made here, and nothing is set going."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple

from mayfly.config.model import Config
from mayfly.daemon.keeper.code_queue import CodeQueue
from mayfly.daemon.keeper.ledger import Ledger
from mayfly.shared.wire import Request


class Asked(NamedTuple):
    """What an exchange was asked, by which config, and when."""

    request: Request
    config: Config
    at: datetime


def login_request(
    ledger: Ledger,
    logins: Mapping[str, bool],
    roles: Collection[str],
    in_flight: Collection[str],
    code_queue: CodeQueue,
    now: datetime,
) -> Request:
    """All that is wanted of the first one's way to 1Password, whoever may come along, and the roles above.

    `logins` tells of each whether somebody waits for it, who is not to wait longer because of company: a code serves
    one.
    """
    taken = {ledger.config.keys_of(name).otp for name, is_waited_for in logins.items() if is_waited_for}

    def is_company(name: str) -> bool:
        policy = ledger.policy(name, now)
        is_free = name not in in_flight and ledger.config.keys_of(name).otp not in taken
        return policy.asks_human and is_free and ledger[name].may_come_along(policy, now)

    ways = [ledger.config.onepassword_of(name) for name in logins][:1]
    same = [name for name in ledger.names if ledger.is_base(name) and ledger.config.onepassword_of(name) in ways]
    bases = code_queue.pick(ledger.config, [name for name in same if name in logins or is_company(name)], logins)
    above = [name for name in roles if ledger.base(name) in bases and not ledger.live_source(name, now)]
    links = dict.fromkeys(link for role in above for link in ledger.chain(role)[1:])
    return Request(kind="login", digest=ledger.config.digest, profiles=(*bases, *links))


def assume_request(ledger: Ledger, roles: Collection[str], now: datetime) -> Request:
    """Roles that stand on live sessions, with the links between."""
    sources = dict.fromkeys(source for name in roles if (source := ledger.live_source(name, now)))
    links = dict.fromkeys(link for name in roles for link in ledger.links_above_live(name, now))
    live = {source: session for source in sources if (session := ledger[source].usable(now))}
    return Request(kind="assume", digest=ledger.config.digest, profiles=tuple(links), sessions=live)
