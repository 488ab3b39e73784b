"""The sessions of all profiles: changed in one place, read by name, and linked as the config links them."""

from __future__ import annotations

import hashlib

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from mayfly.config.model import Config
from mayfly.config.values import ON_LOCK, REFRESH_MODES
from mayfly.daemon.keeper.snapshot import StoredSession, is_to_be_kept
from mayfly.daemon.keeper.wanted import Kind
from mayfly.session import Phase, Session, screen_lock
from mayfly.session.refresh_policy import RefreshPolicy
from mayfly.shared.desk import Scene
from mayfly.shared.errors import AccessKeyUnknown, MayflyError, SessionEnded


class Ledger:
    """Every session, by the name of the first profile that it serves."""

    def __init__(self, config: Config, on_change: Callable[[], None] = lambda: None) -> None:
        self.config = config
        self._on_change = on_change
        self._sessions: dict[str, Session] = {}
        self.adopt(config)

    def adopt(self, config: Config) -> None:
        """Take over a config. A session goes on if nothing has changed that it was made from; its name may change."""
        before, sessions = self.config, self._sessions
        self.config = config
        self._names = {profile: config.session_of(profile) for profile in config.profiles}
        names = dict.fromkeys(self._names.values())
        self._chains = {name: tuple(self._names[link] for link in config.chain(name)) for name in names}
        self._above: dict[str, list[str]] = {name: [] for name in self._chains}
        for name, chain in self._chains.items():
            for link in chain[:-1]:
                self._above[link].append(name)
        self._asks_human = {name: config.asks_human(name) for name in names}
        self._modes: dict[str, str] = {}
        self._on_lock: dict[str, str] = {}
        self._topped_up: set[str] = set()
        for profile, name in self._names.items():
            found = config.profiles[profile]
            mode = found.refresh or ("while-used" if self._asks_human[name] else "always")
            self._modes[name] = min(mode, self._modes.get(name, mode), key=REFRESH_MODES.index)
            self._on_lock[name] = max(found.on_lock, self._on_lock.get(name, found.on_lock), key=ON_LOCK.index)
            self._topped_up |= {name} if found.top_up else set()
        self._sessions = {name: Session() for name in names}
        self._by_origin: dict[str, list[str]] = {}
        for name in names:
            self._by_origin.setdefault(config.origins[name], []).append(name)
        for old, new in self.current_names(before, sessions).items():
            is_otherwise = _call_settings(before, old) != _call_settings(config, new)
            self._sessions[new] = sessions[old].failures_cleared() if is_otherwise else sessions[old].config_adopted()

    def current_names(self, config: Config, names: Iterable[str]) -> dict[str, str]:
        """The present name of each session of `config`. Sessions whose origin is no longer configured are left out."""
        pairs = [(here, name) for name in names if (here := self.current_name(config, name))]
        # If several sessions have become one, the session with the same name is kept.
        before = dict(sorted(pairs, key=lambda pair: pair[0] == pair[1]))
        return {name: here for here, name in before.items()}

    def current_name(self, config: Config, name: str) -> str | None:
        """The present name of the session `name` of `config`; None if its origin is no longer configured."""
        names = self._by_origin.get(config.origins.get(name, ""), [])
        return name if name in names else next(iter(names), None)

    def __contains__(self, name: str) -> bool:
        return name in self._sessions

    def __getitem__(self, name: str) -> Session:
        return self._sessions[name]

    def __setitem__(self, name: str, session: Session) -> None:
        """Change a session: the only place. Calls `on_change` after changes that a restart must not undo."""
        before, self._sessions[name] = self._sessions[name], session
        if is_to_be_kept(before, session):
            self._on_change()

    def snapshot(self, now: datetime) -> dict[str, StoredSession]:
        """Every session, to be kept over a restart."""
        return {name: self._stored(name, now) for name in self.names}

    def _stored(self, name: str, now: datetime) -> StoredSession:
        circumstances = _digest(_call_settings(self.config, name))
        return StoredSession(self.config.origins[name], self[name].to_keep(self.policy(name, now)), circumstances)

    def restore(self, kept: Mapping[str, StoredSession], now: datetime) -> list[str]:
        """Take back sessions whose origin is configured now. Returns the names of those with live credentials.

        A failure no longer counts where 1Password or STS is asked another way than before. A session of which nothing
        is kept, and whose login may raise a prompt, is forgotten: it waits for somebody to ask.
        """
        by_origin: dict[str, dict[str, StoredSession]] = {}
        for name, stored in kept.items():
            by_origin.setdefault(stored.origin, {})[name] = stored
        for name in self.names:
            rows = by_origin.get(self.config.origins[name], {})
            # Of several with this origin, prefer live credentials, then the same name.
            best = max(rows, key=lambda other: (rows[other].session.usable(now) is not None, other == name), default="")
            if best:
                recalled = rows[best].session.recalled(now)
                is_alike = rows[best].circumstances == _digest(_call_settings(self.config, name))
                self._sessions[name] = recalled if is_alike else recalled.failures_cleared()
            elif self.is_base(name) and self.asks_human(name):
                self._sessions[name] = self[name].forgot()
        return [name for name in self.names if self[name].usable(now)]

    @property
    def names(self) -> list[str]:
        """All sessions, in the order of the config."""
        return list(self._sessions)

    def name_of(self, profile: str) -> str:
        """The session that serves `profile`."""
        return self._names[profile]

    def source(self, profile: str) -> str | None:
        """The profile whose session that of `profile` comes from; None if it has a login of its own."""
        return next(iter(self.config.chain(profile)[-2:-1]), None)

    def chain(self, name: str) -> tuple[str, ...]:
        """The sessions from the one that needs a login up to `name`."""
        return self._chains[name]

    def base(self, name: str) -> str:
        """The session that needs a login, at the bottom of the chain of `name`."""
        return self._chains[name][0]

    def is_base(self, name: str) -> bool:
        """True if a login gets `name`, not AssumeRole from another session."""
        return len(self._chains[name]) == 1

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
        return self._asks_human[name]

    def policy(self, name: str, now: datetime) -> RefreshPolicy:
        """The session's policy. A role on a live session asks nobody; a login asks as its 1Password account does."""
        asks_human = self.asks_human(name) and not self.live_source(name, now)
        # Of the profiles that share the session, the strongest mode counts, and the strictest lock.
        return RefreshPolicy(
            mode=self._modes[name],
            asks_human=asks_human,
            on_lock=self._on_lock[name],
            top_up=name in self._topped_up,
        )

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
        """The first end of a role in use above `name` that outlives `name`; None if there is none."""
        end = self[name].ends_at()
        used = [role for role in self._above[name] if self[role].is_in_use()]
        kept = [role for role in used if self[role].is_renewed_by_clock(self.policy(role, now))]
        ends = [later for role in kept if (later := self[role].ends_at()) and (end is None or later > end)]
        return min(ends, default=None)

    def reject(self, name: str, refusal: MayflyError, now: datetime) -> None:
        """AWS no longer accepts the session. Roles that failed because of that may be tried from the next session."""
        self[name] = self[name].rejected(refusal, self.policy(name, now), now)
        for role in self._above[name]:
            if isinstance(self[role].last_error, SessionEnded | AccessKeyUnknown):
                self[role] = self[role].failures_cleared()

    def clear_failures(self, name: str) -> None:
        """A person asks for `name`: earlier failures of its whole chain no longer count."""
        for link in self.chain(name):
            self[link] = self[link].asked_by_person()


def _call_settings(config: Config, name: str) -> list[object]:
    """The settings for calling STS and `op`. A session does not depend on these, but a failure may come from them."""
    links = [config.profiles[link] for link in config.ancestry(name)]
    return [*((link.region, link.sts_region) for link in links), config.onepassword_of(name)]


def _digest(value: object) -> str:
    """The SHA-256 of a value of plain types."""
    return hashlib.sha256(repr(value).encode()).hexdigest()
