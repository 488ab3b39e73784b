"""The sessions of all profiles: written in one place, read by name, and linked as the config links them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import attrs

from mayfly.config import Config, Profile
from mayfly.demand import RefreshPolicy
from mayfly.errors import AccessKeyUnknown, MayflyError, SessionEnded
from mayfly.keeper.keepsake import Kept, origin
from mayfly.session import Phase, Session


class Ledger:
    """Every session by its name, which is the name of the first profile that it serves."""

    def __init__(self, config: Config, on_change: Callable[[], None] = lambda: None) -> None:
        self.config = config
        self._on_change = on_change
        self._sessions: dict[str, Session] = {}
        self.adopt(config)

    def adopt(self, config: Config) -> None:
        """Take over a config. A session goes on where nothing that made it has changed."""
        known = {
            name: session.config_adopted()
            for name, session in self._sessions.items()
            if _is_unchanged(name, self.config, config)
        }
        self.config = config
        self._names = {profile: config.session_of(profile) for profile in config.profiles}
        names = dict.fromkeys(self._names.values())
        self._chains = {name: tuple(self._names[link] for link in config.chain(name)) for name in names}
        self._above: dict[str, list[str]] = {name: [] for name in self._chains}
        for name, chain in self._chains.items():
            for link in chain[:-1]:
                self._above[link].append(name)
        self._asks_human = {name: config.onepassword_of(name).asks_human for name in names}
        self._sessions = {name: known.get(name, Session()) for name in self._chains}

    def __contains__(self, name: str) -> bool:
        return name in self._sessions

    def __getitem__(self, name: str) -> Session:
        return self._sessions[name]

    def __setitem__(self, name: str, session: Session) -> None:
        """The one place where a session changes; `on_change` hears of it where it has other credentials than before."""
        before, self._sessions[name] = self._sessions[name], session
        if before.credentials is not session.credentials:
            self._on_change()

    def keepsake(self) -> dict[str, Kept]:
        """Every session with its origin, to be kept over a restart."""
        return {name: Kept(origin(self.config, name), session) for name, session in self._sessions.items()}

    def recall(self, kept: Mapping[str, Kept], now: datetime) -> list[str]:
        """Take back what is still good and was made from what is configured now; the names of these sessions."""
        good = {name: row.session for name, row in kept.items() if name in self and row.session.usable(now)}
        mine = {name: session for name, session in good.items() if kept[name].origin == origin(self.config, name)}
        self._sessions |= mine
        return list(mine)

    @property
    def names(self) -> list[str]:
        """All sessions, each before those that stand on it or not: as configured."""
        return list(self._sessions)

    def name_of(self, profile: str) -> str:
        """The session that serves `profile`."""
        return self._names[profile]

    def chain(self, name: str) -> tuple[str, ...]:
        """The sessions from the one with keys up to `name`."""
        return self._chains[name]

    def base(self, name: str) -> str:
        """The session with keys that `name` finally stands on."""
        return self._chains[name][0]

    def is_base(self, name: str) -> bool:
        """Whether `name` needs a login, and no role."""
        return len(self._chains[name]) == 1

    def live_source(self, name: str, now: datetime) -> str | None:
        """The nearest session below `name` that is usable."""
        return next((link for link in reversed(self.chain(name)[:-1]) if self[link].usable(now)), None)

    def links_above_live(self, name: str, now: datetime) -> tuple[str, ...]:
        """The roles to assume, one from the other, to get from the nearest live session to `name`."""
        chain, source = self.chain(name), self.live_source(name, now)
        return chain[chain.index(source) + 1 :] if source else ()

    def is_grounded(self, name: str, now: datetime) -> bool:
        """Whether `name` can be got without getting another session first."""
        return self.is_base(name) or self.live_source(name, now) is not None

    def is_as_in(self, config: Config, name: str) -> bool:
        """Whether a session called `name` that was got by `config` is the one that is wanted here."""
        return name in self._sessions and _is_unchanged(name, config, self.config)

    def asks_human(self, name: str) -> bool:
        """Whether a login for `name` may cost somebody a fingerprint."""
        return self._asks_human[name]

    def policy(self, name: str, now: datetime) -> RefreshPolicy:
        """A role on a live session needs nobody; whatever needs a login asks whom its 1Password asks."""
        asks_human = self.asks_human(name)
        mode = self.config.profiles[name].refresh or ("while-used" if asks_human else "always")
        return RefreshPolicy(mode=mode, asks_human=asks_human and not self.live_source(name, now))

    def phase(self, name: str, now: datetime) -> Phase:
        """Where the session stands."""
        return self[name].phase(self.policy(name, now), now)

    def note_fetch(self, name: str, now: datetime) -> None:
        """A client was given `name`, and so uses all that it stands on."""
        for link in self.chain(name):
            self[link] = self[link].fetched(now)

    def needed_until(self, name: str, now: datetime) -> datetime | None:
        """When the first of the roles ends that are above `name`, in use, and outlive it; None where there is none."""
        end = self[name].ends_at()
        used = [role for role in self._above[name] if self[role].is_in_use()]
        kept = [role for role in used if self[role].is_kept(self.policy(role, now))]
        ends = [later for role in kept if (later := self[role].ends_at()) and (end is None or later > end)]
        return min(ends, default=None)

    def reject(self, name: str, refusal: MayflyError, now: datetime) -> None:
        """AWS does not take the session `name`; roles that were refused on account of it may try the next one."""
        self[name] = self[name].rejected(refusal, self.policy(name, now), now)
        for role in self._above[name]:
            if isinstance(self[role].last_error, SessionEnded | AccessKeyUnknown):
                self[role] = self[role].absolved()

    def forgive(self, name: str) -> None:
        """A person asks: what failed before no longer counts."""
        for link in self.chain(name):
            self[link] = self[link].asked_by_person()


def _is_unchanged(name: str, old: Config, new: Config) -> bool:
    """Whether everything that went into the session called `name` is as it was."""
    return (
        name in new.profiles
        and new.session_of(name) == name
        and _makings(name, old) == _makings(name, new)
        and old.onepassword_of(name) == new.onepassword_of(name)
    )


def _makings(name: str, config: Config) -> list[Profile]:
    """What the session called `name` is made from; how it is shown and when it is renewed is not of it."""
    return [attrs.evolve(config.profiles[link], name=None, refresh=None) for link in config.ancestry(name)]
