"""The links of all sessions, of profiles and of grants: a grant's session has the same source as that of its role.

Laws: (1) a grant's session has its grant's own name (`grant.subject`), which no profile can have; (2) it is the source
of no other session, and no profile shares it; (3) a grant that nobody uses costs its row here and nothing else: the
clock does not look at it.
"""

from __future__ import annotations

import hashlib
import json

from datetime import datetime

import attrs

from mayfly.config.model import Config, Profile, RoleProfile
from mayfly.daemon.keeper.grant_session import GrantSession
from mayfly.daemon.keeper.links import ConfigLinks
from mayfly.session import screen_lock
from mayfly.session.refresh_policy import RefreshPolicy
from mayfly.shared import grant
from mayfly.shared.grant import GrantOrder, Narrowing


class Links:
    """Answers for the sessions of profiles and of grants alike."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._of_config = ConfigLinks(config)
        self._grants: dict[str, GrantSession] = {}

    def adopt(self, config: Config) -> None:
        """Take over a config. Grants of profiles whose session is made from something else now are gone."""
        before, self._config = self._config, config
        self._of_config = ConfigLinks(config)
        same = {name for name, origin in config.origins.items() if before.origins.get(name) == origin}
        self._grants = {subject: found for subject, found in self._grants.items() if found.profile in same}

    # Grants

    def admit(self, session: GrantSession) -> None:
        """Know a grant's session from now on; raises ValueError if its profile can have none, or its name is taken."""
        profile = self._config.profiles.get(session.profile)
        if not isinstance(profile, RoleProfile) or profile.mfa:
            raise ValueError(f"{session.profile} is no role that is assumed from a session")
        if session.narrowing != Narrowing() and (profile.policy or profile.policy_arns):
            raise ValueError(f"{session.profile} has session policies: one more would widen what they allow")
        if self._grants.setdefault(session.subject, session) != session:
            raise ValueError(f"{session.subject} is another grant's")

    def dismiss(self, subject: str) -> None:
        """Know the grant's session no more."""
        self._grants.pop(subject, None)

    def grant(self, name: str) -> GrantSession | None:
        """The grant whose session `name` is; None for the session of a profile."""
        return self._grants.get(name)

    def grants_of(self, profile: str) -> list[str]:
        """The subjects of the profile's grants."""
        return [subject for subject, found in self._grants.items() if found.profile == profile]

    def order(self, name: str, now: datetime) -> GrantOrder | None:
        """The order to the exchange for the session of a grant; None for the session of a profile."""
        found = self._grants.get(name)
        if found is None:
            return None
        left = (found.ends_at - now).total_seconds()
        # A session that is never renewed must cover the grant's whole time.
        usual = grant.MAX_SECONDS if found.refresh == "on-demand" else grant.MAX_SESSION_SECONDS
        most = min(usual, self._config.profiles[found.profile].duration_seconds)
        return GrantOrder(found.label, max(grant.MIN_SESSION_SECONDS, min(round(left), most)), found.narrowing)

    def is_order_of(self, name: str, order: GrantOrder) -> bool:
        """True if `order` is for the grant of that name; its seconds do not count."""
        found = self._grants.get(name)
        return found is not None and (found.label, found.narrowing) == (order.label, order.narrowing)

    # All sessions

    @property
    def names(self) -> tuple[str, ...]:
        """The sessions of all profiles, in the order of the config."""
        return self._of_config.names

    def __contains__(self, name: object) -> bool:
        """True for a configured profile, and for the subject of a grant."""
        return name in self._config.profiles or name in self._grants

    def profile(self, name: str) -> Profile | None:
        """The profile of that name, or of the grant's session of that name; None if there is none."""
        found = self._grants.get(name)
        return self._config.profiles.get(found.profile if found else name)

    def name_of(self, profile: str) -> str:
        """The session that serves a profile. A grant's subject is the name of its session."""
        return profile if profile in self._grants else self._of_config.name_of(profile)

    def chain(self, name: str) -> tuple[str, ...]:
        """The sessions from the one that needs a login up to `name`."""
        found = self._grants.get(name)
        return (*self._of_config.chain(found.profile)[:-1], name) if found else self._of_config.chain(name)

    def above(self, name: str) -> list[str]:
        """The profiles' roles whose chain `name` is in."""
        return [] if name in self._grants else self._of_config.above(name)

    def asks_human(self, name: str) -> bool:
        """True if a login for `name` may raise a prompt."""
        found = self._grants.get(name)
        return self._of_config.asks_human(found.profile if found else name)

    def policy(self, name: str, *, asks_human: bool) -> RefreshPolicy:
        """How the session is renewed: a grant's in its own mode and until its end, else as its profile's."""
        found = self._grants.get(name)
        if found is None:
            return self._of_config.policy(name, asks_human=asks_human)
        like = self._of_config.policy(found.profile, asks_human=asks_human)
        return attrs.evolve(like, mode=found.refresh, top_up=False, ends_at=found.ends_at)

    def on_lock(self, name: str) -> str:
        """The `on_lock` of a profile, or of a grant's profile. A profile that is gone hands nothing out."""
        found = self.profile(name)
        return found.on_lock if found else screen_lock.KEEP

    def origin(self, name: str) -> str | None:
        """The SHA-256 of everything that the session is made from; None for a name that is not known."""
        found = self._grants.get(name)
        if found is None:
            return self._config.origins.get(name)
        made_of = [self._config.origins[found.profile], found.grant_id, found.label, *found.narrowing]
        return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()

    def current_name(self, config: Config, name: str) -> str | None:
        """The present name of the session `name` of `config`; None if it is no longer made from the same.

        A grant's session never gets another name: it is gone with its profile's.
        """
        if grant.grant_id_of(name) is None:
            return self._of_config.current_name(config, name)
        found = self._grants.get(name)
        is_same = found and config.origins.get(found.profile) == self._config.origins[found.profile]
        return name if is_same else None
