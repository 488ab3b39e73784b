"""How the config links its sessions: which serves a profile, which stands on which, and how each is kept."""

from __future__ import annotations

from mayfly.config.model import Config
from mayfly.config.values import ON_LOCK, REFRESH_MODES


class ConfigLinks:
    """What a config says of its sessions. A session's name is that of the first profile that it serves."""

    def __init__(self, config: Config) -> None:
        self._names = {profile: config.session_of(profile) for profile in config.profiles}
        self.names = tuple(dict.fromkeys(self._names.values()))
        self._chains = {name: tuple(self._names[link] for link in config.chain(name)) for name in self.names}
        self._above: dict[str, list[str]] = {name: [] for name in self._chains}
        for name, chain in self._chains.items():
            for link in chain[:-1]:
                self._above[link].append(name)
        self._asks_human = {name: config.asks_human(name) for name in self.names}
        self._modes: dict[str, str] = {}
        self._on_lock: dict[str, str] = {}
        self._topped_up: set[str] = set()
        self._note_keeping(config)
        self._by_origin: dict[str, list[str]] = {}
        for name in self.names:
            self._by_origin.setdefault(config.origins[name], []).append(name)

    def _note_keeping(self, config: Config) -> None:
        """Of the profiles that share a session, the strongest mode counts, and the strictest lock."""
        for profile, name in self._names.items():
            found = config.profiles[profile]
            mode = found.refresh or ("while-used" if self._asks_human[name] else "always")
            self._modes[name] = min(mode, self._modes.get(name, mode), key=REFRESH_MODES.index)
            self._on_lock[name] = max(found.on_lock, self._on_lock.get(name, found.on_lock), key=ON_LOCK.index)
            self._topped_up |= {name} if found.top_up else set()

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

    def mode(self, name: str) -> str:
        """How the session is renewed: always, while-used or on-demand."""
        return self._modes[name]

    def on_lock(self, name: str) -> str:
        """What a lock of the screen does to the session."""
        return self._on_lock[name]

    def is_topped_up(self, name: str) -> bool:
        """True if the session is renewed at the beginning of a day in whose course it would end."""
        return name in self._topped_up
