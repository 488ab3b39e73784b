"""A login: the lock, one `op` for all items of an account, one call with a code for each, and a second code at most.

The order is what makes it fast and safe: wait for fresh codes, start and feed `op`, import aiobotocore while a human
looks at the prompt, read and check, write down the step, send. A code goes to STS once: where STS refused it, or may
have seen it, `op` is asked anew, in the next step, if the daemon lets us prompt by then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from mayfly.config.model import Config, OnePassword, RoleProfile
from mayfly.exchange.onepassword import lock as oplock
from mayfly.exchange.onepassword.items import Item, item_from
from mayfly.exchange.onepassword.lock import Device, OpLock
from mayfly.exchange.onepassword.op import Op
from mayfly.exchange.prompt_permission import PromptPermission
from mayfly.exchange.sts.location import StsLocation, check_reachable, elsewhere, sts_location
from mayfly.shared import hardening
from mayfly.shared.credentials import Credentials
from mayfly.shared.errors import (
    AwsFailed,
    FieldNotFound,
    ItemAmbiguous,
    ItemNotFound,
    ItemValueInvalid,
    MayflyError,
    MfaCodeRefused,
    OnePasswordGarbled,
    OnePasswordUnknown,
    ReferenceInvalid,
    VaultNotFound,
)
from mayfly.shared.wire import Emit, Result


if TYPE_CHECKING:
    from mayfly.exchange.sts.sessions import Sessions

CODES_EACH = 2
PUZZLES_MOST = 2

# After these a code counts as used, and a fresh one may do.
_CODE_IS_SPENT = (MfaCodeRefused, AwsFailed)
# One bad reference fails a whole `op inject`, and says nothing of the other items. So may what nobody has recorded yet.
_OF_ONE_ITEM = (
    ItemNotFound,
    FieldNotFound,
    VaultNotFound,
    ItemAmbiguous,
    ItemValueInvalid,
    ReferenceInvalid,
    OnePasswordGarbled,
    OnePasswordUnknown,
)


class Login:
    """One login of profiles that need a code, all of one way to 1Password."""

    def __init__(
        self,
        config: Config,
        way: OnePassword,
        environ: Mapping[str, str],
        clock: Callable[[], datetime],
        emit: Emit,
        permission: PromptPermission,
    ) -> None:
        self._config = config
        self._way = way
        self._environ = environ
        self._clock = clock
        self._emit = emit
        self._permission = permission
        self._left: dict[str, int] = {}
        self._fresh: dict[str, Credentials] = {}
        self._used: set[Device] = set()
        self._serials: dict[str, str] = {}
        self._puzzles = 0
        self._codes_sent: set[str] = set()
        self._sessions: Sessions | None = None

    def run(self, names: Iterable[str]) -> Iterator[dict[str, Credentials]]:
        """Log in to each of `names`, and emit a result for each as it comes; yields what each step of codes brought.

        Between the steps the lock is let go, so that whoever stands on what there is need not wait for the next.
        """
        # A session goes before the roles that want a code of the same device for themselves: more stands on it.
        self._left = dict.fromkeys(sorted(names, key=self._is_role), CODES_EACH)
        with oplock.held(self._clock) as lock:
            self._settle_unreachable(tuple(self._left))
            self._step(lock)
        yield self._fresh
        while self._left:
            with oplock.held(self._clock) as lock:
                self._step(lock)
            yield self._fresh

    def _is_role(self, name: str) -> bool:
        return isinstance(self._config.profiles[name], RoleProfile)

    def _step(self, lock: OpLock) -> None:
        """One code of each device at most."""
        self._fresh = {}
        self._used = set()
        if self._left:
            self._try(lock, tuple(self._left))

    def _settle(self, result: Result) -> None:
        """Tell what came, unless a second code may do better."""
        name = result.profile
        self._left[name] -= 1
        if self._left[name] and isinstance(result.outcome, _CODE_IS_SPENT):
            return
        del self._left[name]
        if isinstance(result.outcome, Credentials):
            self._fresh[name] = result.outcome
        self._emit(result)

    def _fail(self, names: Iterable[str], error: MayflyError) -> None:
        for name in names:
            self._settle(Result(profile=name, outcome=error))

    def _settle_unreachable(self, names: tuple[str, ...]) -> None:
        """Some need not be asked for: nobody is to put down a finger for an STS that does not answer."""
        if not self._way.asks_human:
            return
        doubts = {places: self._doubt(*places) for places in {self._places(name) for name in names}}
        for name in names:
            doubt = doubts[self._places(name)]
            if doubt:
                self._fail([name], doubt)

    def _doubt(self, where: StsLocation, instead: tuple[StsLocation, ...]) -> MayflyError | None:
        try:
            check_reachable(where, self._environ, instead)
        except MayflyError as error:
            return error
        return None

    def _try(self, lock: OpLock, names: tuple[str, ...]) -> MayflyError | None:
        """Settle `names` but those whose code another of them has used; the error that would meet others, too."""
        lock.wait_for_fresh_codes([device for name in names for device in self._devices(name)])
        try:
            values = self._inject(names)
        except _OF_ONE_ITEM as error:
            if len(names) > 1:
                return self._one_by_one(lock, names)
            self._fail(names, error)
            return error if self._is_beyond_items(error) else None
        except MayflyError as error:
            self._fail(names, error)
            return error
        hardening.forbid_dumping()
        self._send(lock, {name: self._item(name, values) for name in names})
        return None

    def _is_beyond_items(self, error: MayflyError) -> bool:
        """Whether what nobody understands is hardly an item's: a person is not to be asked for each of them."""
        self._puzzles += isinstance(error, OnePasswordUnknown | OnePasswordGarbled)
        return self._way.asks_human and self._puzzles >= PUZZLES_MOST

    def _one_by_one(self, lock: OpLock, names: tuple[str, ...]) -> MayflyError | None:
        """Each by an `op` of its own, until one fails for a reason that will meet the others too."""
        for name in names:
            # Its next code is for the next step: here all the others would wait for it.
            error = self._try(lock, (name,)) if self._used.isdisjoint(self._devices(name)) else None
            if error:
                self._fail([other for other in names if other in self._left], error)
                return error
        return None

    def _devices(self, name: str) -> list[Device]:
        """The device behind the codes of `name`, by all that it is known by: two items may be one, by other words."""
        keys = self._config.keys_of(name)
        serial = self._serials.get(name) or ("" if keys.mfa_id.startswith("op://") else keys.mfa_id)
        return [Device(self._way.account or "", keys.otp), *([Device.of_serial(serial)] if serial else [])]

    def _places(self, name: str) -> tuple[StsLocation, tuple[StsLocation, ...]]:
        """Where its STS is, and where else as long as nobody has looked into the item."""
        where = sts_location(self._config, name, self._environ)
        return where, elsewhere(self._config, name, self._environ)

    # 1Password

    def _inject(self, names: tuple[str, ...]) -> dict[str, str]:
        """The value of every reference of `names`, the codes last, because they age."""
        profiles = [self._config.keys_of(name) for name in names]
        keys = dict.fromkeys(reference for profile in profiles for reference in profile.references()[:-1])
        codes = dict.fromkeys(profile.otp for profile in profiles)
        name = profiles[0].onepassword
        table = f"onepasswords.{name}" if name else "onepassword"
        if self._way.asks_human:
            self._permission.check()
        with Op(self._way, (*keys, *codes), self._environ, table) as op:
            self._get_ready_meanwhile(names[0])
            return op.values()

    def _get_ready_meanwhile(self, name: str) -> None:
        """While `op` waits for its human: an import that ran first would double the cold time."""
        if self._sessions is None:
            from mayfly.exchange.sts.sessions import Sessions

            self._sessions = Sessions(self._config, self._environ, self._clock)
            self._sessions.warm_up(name)

    def _item(self, name: str, values: Mapping[str, str]) -> Item | MayflyError:
        profile = self._config.keys_of(name)
        try:
            item = item_from(profile, [values[reference] for reference in profile.references()])
        except MayflyError as error:
            return error
        self._serials[name] = item.mfa_serial
        if item.token_code in self._codes_sent:
            return MfaCodeRefused("1Password gives the same one-time password again in the next 30 seconds")
        return item

    def _one_a_code(self, items: Mapping[str, Item]) -> dict[str, Item]:
        """The first item of each code: several profiles may stand on one MFA device."""
        first: dict[str, str] = {}
        for name, item in items.items():
            first.setdefault(item.token_code, name)
        return {name: items[name] for name in first.values()}

    # AWS

    def _send(self, lock: OpLock, items: Mapping[str, Item | MayflyError]) -> None:
        """Settle what STS answers to every sound item. A code counts as sent from here on, whatever comes of it."""
        for name, item in items.items():
            if isinstance(item, MayflyError):
                self._fail([name], item)
        sound = {name: item for name, item in items.items() if isinstance(item, Item)}
        spent = [name for name, item in sound.items() if lock.is_spent(Device.of_serial(item.mfa_serial))]
        self._used |= {device for name in spent for device in self._devices(name)}
        self._fail(spent, MfaCodeRefused("the one-time password of this MFA device has just been used"))
        ready = self._one_a_code({name: item for name, item in sound.items() if name not in spent})
        devices = {device for name in ready for device in self._devices(name)}
        self._used |= devices
        lock.note_sent(devices)
        self._codes_sent |= {item.token_code for item in ready.values()}
        assert self._sessions is not None  # noqa: S101 - for mypy: made while op was under way
        self._sessions.get(ready, self._settle)
