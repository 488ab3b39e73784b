"""The sessions of all profiles: changed in one place, read by name, and linked as the config links them."""

from __future__ import annotations

import hashlib

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from mayfly.config.model import Config
from mayfly.daemon.keeper.grant_links import Links
from mayfly.daemon.keeper.grant_session import GrantSession
from mayfly.daemon.keeper.snapshot import StoredSession, is_to_be_kept
from mayfly.daemon.keeper.wanted import Kind
from mayfly.session import Phase, Session, screen_lock
from mayfly.session.refresh_policy import RefreshPolicy
from mayfly.shared import grant
from mayfly.shared.credentials import Credentials
from mayfly.shared.desk import Scene
from mayfly.shared.errors import AccessKeyUnknown, MayflyError, SessionEnded


class Ledger:
    """Every session, by its name: the first profile that it serves, or a grant's subject.

    A grant's session is here from its first use on; before that it reads as a new one.
    """

    def __init__(self, config: Config, on_change: Callable[[], None] = lambda: None) -> None:
        self.config = config
        self.links = Links(config)
        self._on_change = on_change
        self._sessions: dict[str, Session] = {name: Session() for name in self.links.names}

    def adopt(self, config: Config) -> None:
        """Take over a config. A session goes on if nothing has changed that it was made from; its name may change."""
        before, sessions = self.config, self._sessions
        self.config = config
        self.links.adopt(config)
        self._sessions = {name: Session() for name in self.links.names}
        for old, new in self.current_names(before, sessions).items():
            is_otherwise = _call_settings(before, old) != _call_settings(config, new)
            self._sessions[new] = sessions[old].failures_cleared() if is_otherwise else sessions[old].config_adopted()

    # Grants

    def admit(self, session: GrantSession) -> None:
        """Know a grant's session; raises ValueError. One that the clock renews is looked after from now on."""
        self.links.admit(session)
        if session.refresh == "always":
            self._sessions.setdefault(session.subject, Session())

    def dismiss(self, subject: str) -> None:
        """Know the grant no more, and drop its session."""
        if self.links.grant(subject):
            self.drop(subject)
            self.links.dismiss(subject)

    def drop(self, subject: str) -> None:
        """Drop a grant's session; the grant stays."""
        dropped = self._sessions.pop(subject, None)
        if dropped and is_to_be_kept(dropped, Session()):
            self._on_change()

    def used_grants_of(self, profile: str) -> list[str]:
        """The subjects of the profile's grants that have a session here."""
        return [subject for subject in self.links.grants_of(profile) if subject in self._sessions]

    def has_ended(self, name: str, now: datetime) -> bool:
        """True if `name` is the session of a grant that has ended."""
        found = self.links.grant(name)
        return found is not None and now >= found.ends_at

    def usable(self, name: str, now: datetime) -> Credentials | None:
        """The credentials that may be handed out: live ones, and not after the end of their grant."""
        return None if self.has_ended(name, now) else self[name].usable(now)

    # All sessions

    def current_names(self, config: Config, names: Iterable[str]) -> dict[str, str]:
        """The present name of each session of `config`. Sessions whose origin is no longer configured are left out."""
        pairs = [(here, name) for name in names if (here := self.current_name(config, name))]
        # If several sessions have become one, the session with the same name is kept.
        before = dict(sorted(pairs, key=lambda pair: pair[0] == pair[1]))
        return {name: here for here, name in before.items()}

    def current_name(self, config: Config, name: str) -> str | None:
        """The present name of the session `name` of `config`; None if its origin is no longer configured."""
        return self.links.current_name(config, name)

    def __contains__(self, name: str) -> bool:
        return name in self._sessions or self.links.grant(name) is not None

    def __getitem__(self, name: str) -> Session:
        if name not in self._sessions and self.links.grant(name):
            return Session()
        return self._sessions[name]

    def __setitem__(self, name: str, session: Session) -> None:
        """Change a session: the only place. Calls `on_change` after changes that a restart must not undo."""
        before, self._sessions[name] = self[name], session
        if is_to_be_kept(before, session):
            self._on_change()

    def snapshot(self, now: datetime) -> dict[str, StoredSession]:
        """Every session, to be kept over a restart."""
        return {name: self._stored(name, now) for name in self.names}

    def _stored(self, name: str, now: datetime) -> StoredSession:
        circumstances = _digest(_call_settings(self.config, name))
        origin = self.links.origin(name) or ""
        return StoredSession(origin, self[name].to_keep(self.policy(name, now)), circumstances)

    def restore(self, kept: Mapping[str, StoredSession], now: datetime) -> list[str]:
        """Take back sessions whose origin is configured now. Returns the names of those with live credentials.

        A failure no longer counts where 1Password or STS is asked another way than before. A session of which nothing
        is kept, and whose login may raise a prompt, is forgotten: it waits for somebody to ask. Grants are admitted
        before.
        """
        by_origin: dict[str, dict[str, StoredSession]] = {}
        for name, stored in kept.items():
            by_origin.setdefault(stored.origin, {})[name] = stored
        for name in dict.fromkeys((*self.names, *filter(self.links.grant, kept))):
            rows = by_origin.get(self.links.origin(name) or "", {})
            # Of several with this origin, prefer live credentials, then the same name.
            best = max(rows, key=lambda other: (rows[other].session.usable(now) is not None, other == name), default="")
            if best:
                recalled = rows[best].session.recalled(now)
                is_alike = rows[best].circumstances == _digest(_call_settings(self.config, name))
                self._sessions[name] = recalled if is_alike else recalled.failures_cleared()
            elif self.is_base(name) and self.asks_human(name):
                self._sessions[name] = self[name].forgot()
        return [name for name in self.names if self.usable(name, now)]

    @property
    def names(self) -> list[str]:
        """All sessions, in the order of the config; then those of grants that are used."""
        return list(self._sessions)

    def name_of(self, profile: str) -> str:
        """The session that serves `profile`, which may be a grant's subject."""
        return self.links.name_of(profile)

    def source(self, profile: str) -> str | None:
        """The profile whose session that of `profile` comes from; None if it has a login of its own."""
        return next(iter(self.config.chain(profile)[-2:-1]), None)

    def chain(self, name: str) -> tuple[str, ...]:
        """The sessions from the one that needs a login up to `name`."""
        return self.links.chain(name)

    def base(self, name: str) -> str:
        """The session that needs a login, at the bottom of the chain of `name`."""
        return self.links.chain(name)[0]

    def is_base(self, name: str) -> bool:
        """True if a login gets `name`, not AssumeRole from another session."""
        return len(self.links.chain(name)) == 1

    def kind(self, name: str) -> Kind:
        """The kind of exchange that gets `name`."""
        return Kind.LOGIN if self.is_base(name) else Kind.ROLE

    def live_source(self, name: str, now: datetime) -> str | None:
        """The nearest session below `name` that is live, or None."""
        return next((link for link in reversed(self.chain(name)[:-1]) if self[link].usable(now)), None)

    def links_above_live(self, name: str, now: datetime) -> tuple[str, ...]:
        """The roles to assume, each from the one before, from the nearest live session up to `name`."""
        chain, source = self.chain(name), self.live_source(name, now)
        return chain[chain.index(source) + 1 :] if source else ()

    def has_source(self, name: str, now: datetime) -> bool:
        """True if `name` needs no other session first: it is got by a login, or from a live session."""
        return self.is_base(name) or self.live_source(name, now) is not None

    def asks_human(self, name: str) -> bool:
        """True if a login for `name` may raise a prompt."""
        return self.links.asks_human(name)

    def policy(self, name: str, now: datetime) -> RefreshPolicy:
        """The session's policy. A role on a live session asks nobody; a login asks as its 1Password account does."""
        asks_human = self.asks_human(name) and not self.live_source(name, now)
        return self.links.policy(name, asks_human=asks_human)

    def obey_lock(self, scene: Scene, now: datetime) -> list[str]:
        """Drop the credentials that must not outlive the lock of the screen. Returns the names of their sessions."""
        dropped = [
            name
            for name in self.names
            if self[name].credentials and screen_lock.is_dropped(self.policy(name, now).on_lock, scene)
        ]
        for name in dropped:
            self[name] = self[name].locked_away()
        return dropped

    def phase(self, name: str, now: datetime) -> Phase:
        """Where the session stands."""
        return self[name].phase(self.policy(name, now), now)

    def note_fetch(self, name: str, now: datetime) -> None:
        """A client uses `name`, and with it every session below."""
        for link in self.chain(name):
            self[link] = self[link].fetched(now)

    def needed_until(self, name: str, now: datetime) -> datetime | None:
        """The first end of a role in use above `name` that outlives `name`; None if there is none.

        Sessions of grants do not count: a grant raises no more prompts than its role.
        """
        end = self[name].ends_at()
        used = [role for role in self.links.above(name) if self[role].is_in_use()]
        kept = [role for role in used if self[role].is_renewed_by_clock(self.policy(role, now))]
        ends = [later for role in kept if (later := self[role].ends_at()) and (end is None or later > end)]
        return min(ends, default=None)

    def reject(self, name: str, refusal: MayflyError, now: datetime) -> None:
        """AWS no longer accepts the session. Roles that failed because of that may be tried from the next session."""
        self[name] = self[name].rejected(refusal, self.policy(name, now), now)
        for role in (*self.links.above(name), *self._grants_above(name)):
            if isinstance(self[role].last_error, SessionEnded | AccessKeyUnknown):
                self[role] = self[role].failures_cleared()

    def _grants_above(self, name: str) -> list[str]:
        """The sessions of grants that stand on `name`."""
        return [role for role in self.names if self.links.grant(role) and name in self.chain(role)[:-1]]

    def clear_failures(self, name: str) -> None:
        """A person asks for `name`: earlier failures of its whole chain no longer count."""
        for link in self.chain(name):
            self[link] = self[link].asked_by_person()


def _call_settings(config: Config, name: str) -> list[object]:
    """The settings for calling STS and `op`. A session does not depend on these, but a failure may come from them."""
    profile = grant.profile_of(name)
    links = [config.profiles[link] for link in config.ancestry(profile)]
    return [*((link.region, link.sts_region) for link in links), config.onepassword_of(profile)]


def _digest(value: object) -> str:
    """The SHA-256 of a value of plain types."""
    return hashlib.sha256(repr(value).encode()).hexdigest()
