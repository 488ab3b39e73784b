"""The links between the config's sessions: which one serves a profile, comes from which, and is renewed how."""

from __future__ import annotations

import attrs

from mayfly.config.model import Config
from mayfly.config.values import ON_LOCK, REFRESH_MODES
from mayfly.session.refresh_policy import RefreshPolicy


class ConfigLinks:
    """The sessions of a config. A session's name is that of the first profile that it serves."""

    def __init__(self, config: Config) -> None:
        self._names = {profile: config.session_of(profile) for profile in config.profiles}
        self.names = tuple(dict.fromkeys(self._names.values()))
        self._chains = {name: tuple(self._names[link] for link in config.chain(name)) for name in self.names}
        self._above: dict[str, list[str]] = {name: [] for name in self._chains}
        for name, chain in self._chains.items():
            for link in chain[:-1]:
                self._above[link].append(name)
        self._asks_human = {name: config.asks_human(name) for name in self.names}
        self._policies = {
            (name, asks_human): attrs.evolve(policy, asks_human=asks_human)
            for name, policy in self._kept(config).items()
            for asks_human in (False, True)
        }
        self._by_origin: dict[str, list[str]] = {}
        for name in self.names:
            self._by_origin.setdefault(config.origins[name], []).append(name)

    def _kept(self, config: Config) -> dict[str, RefreshPolicy]:
        """How each session is kept. Of the profiles that share it the strongest mode counts, and the strictest lock."""
        kept: dict[str, RefreshPolicy] = {}
        for profile, name in self._names.items():
            found = config.profiles[profile]
            mode = found.refresh or ("while-used" if self._asks_human[name] else "always")
            before = kept.get(name, RefreshPolicy(mode=mode, asks_human=False, on_lock=found.on_lock))
            kept[name] = attrs.evolve(
                before,
                mode=min(mode, before.mode, key=REFRESH_MODES.index),
                on_lock=max(found.on_lock, before.on_lock, key=ON_LOCK.index),
                top_up=found.top_up or before.top_up,
            )
        return kept

    def current_name(self, config: Config, name: str) -> str | None:
        """The present name of the session `name` of `config`; None if its origin is no longer configured."""
        names = self._by_origin.get(config.origins.get(name, ""), [])
        return name if name in names else next(iter(names), None)

    def name_of(self, profile: str) -> str:
        """The session that serves `profile`."""
        return self._names[profile]

    def chain(self, name: str) -> tuple[str, ...]:
        """The sessions from the one that needs a login up to `name`."""
        return self._chains[name]

    def above(self, name: str) -> list[str]:
        """The roles whose chain `name` is in."""
        return self._above[name]

    def asks_human(self, name: str) -> bool:
        """True if a login for `name` may raise a prompt."""
        return self._asks_human[name]

    def policy(self, name: str, *, asks_human: bool) -> RefreshPolicy:
        """How the session is renewed, and what a lock of the screen does to it."""
        return self._policies[name, asks_human]
