"""A login: the lock, one `op` for all items of an account, one call with a code for each item, one more code at most.

The order makes it fast and safe: wait until every device has an unused code, start and feed `op`, import aiobotocore
while the person looks at the prompt, read and check the values, write down the time step, send. A code is sent to STS
once. If STS refused it, or may have seen it, `op` is run again in the next step. The daemon permits each prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from mayfly.config import way
from mayfly.config.model import Config, OnePassword, RoleProfile
from mayfly.exchange.early import Asked, Early
from mayfly.exchange.onepassword.items import Item, item_from
from mayfly.exchange.onepassword.lock import Device, OpLock, devices_of
from mayfly.exchange.onepassword.op import Op, check_version, find_op, in_order
from mayfly.exchange.sts.environment import check_settings
from mayfly.exchange.sts.location import locations_in_other_partitions, sts_location
from mayfly.exchange.sts.reachability import Place, check_reachable
from mayfly.shared import hardening, stages
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
from mayfly.shared.stages import Stage
from mayfly.shared.wire import Report, Result


if TYPE_CHECKING:
    from mayfly.exchange.sts.sessions import Sessions

CODES_PER_PROFILE = 2
MAX_UNCLEAR_ERRORS = 2

# After these the code counts as used, and a new one may succeed.
_CODE_IS_USED = (MfaCodeRefused, AwsFailed)
# One bad reference fails a whole `op inject` and tells nothing about the other items. So may a text that nobody knows.
OF_ONE_ITEM = (
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
    """One login of profiles that need a code, all of one [onepassword] table.

    `check_prompt` is called right before `op` runs where that may prompt a person; it raises if nobody may be prompted.
    `early` may have begun the login.
    """

    def __init__(
        self,
        config: Config,
        onepassword: OnePassword,
        environ: Mapping[str, str],
        clock: Callable[[], datetime],
        emit: Report,
        check_prompt: Callable[[], None],
        early: Early,
    ) -> None:
        self._config = config
        self._onepassword = onepassword
        self._environ = environ
        self._clock = clock
        self._emit = emit
        self._check_prompt = check_prompt
        self._early = early
        # The profiles without a result so far, each with the number of codes that it may still use.
        self._codes_left: dict[str, int] = {}
        self._new_credentials: dict[str, Credentials] = {}
        self._devices_used: set[Device] = set()
        self._mfa_serials: dict[str, str] = {}
        self._unclear_errors = 0
        self._codes_sent: set[str] = set()
        self._sessions: Sessions | None = None
        # The `op` that has read the values.
        self._program: str | None = None

    def run(self, names: Iterable[str]) -> Iterator[dict[str, Credentials]]:
        """Log in to each of `names` and emit each result as it comes. Yields the new credentials after each time step.

        The lock is released between the steps, so that roles above the new sessions need not wait for the next step.
        """
        # Sessions come before roles that want a code of the same device: more profiles depend on a session.
        self._codes_left = dict.fromkeys(sorted(names, key=self._is_role), CODES_PER_PROFILE)
        self._fail_uncallable(tuple(self._codes_left))
        if not self._codes_left:
            return
        with self._early.lock(self._clock, partial(self._tell, stages.TURN, self._codes_left)) as lock:
            self._fail_unreachable(tuple(self._codes_left))
            self._fail_if_op_is_old(lock, tuple(self._codes_left))
            self._run_step(lock)
        yield self._new_credentials
        while self._codes_left:
            with self._early.lock(self._clock, partial(self._tell, stages.TURN, self._codes_left)) as lock:
                self._run_step(lock)
            yield self._new_credentials

    def _tell(self, stage: str, names: Iterable[str], left_seconds: float | None = None) -> None:
        self._emit(Stage(name=stage, profiles=tuple(names), left_seconds=left_seconds))

    def _is_role(self, name: str) -> bool:
        return isinstance(self._config.profiles[name], RoleProfile)

    def _run_step(self, lock: OpLock) -> None:
        """Use at most one code of each device."""
        self._new_credentials = {}
        self._devices_used = set()
        if self._codes_left:
            self._try(lock, tuple(self._codes_left))

    def _conclude(self, result: Result) -> None:
        """Emit the result, unless another code may bring a better one."""
        name = result.profile
        self._codes_left[name] -= 1
        if self._codes_left[name] and isinstance(result.outcome, _CODE_IS_USED):
            return
        del self._codes_left[name]
        if isinstance(result.outcome, Credentials):
            self._new_credentials[name] = result.outcome
        self._emit(result)

    def _fail(self, names: Iterable[str], error: MayflyError) -> None:
        for name in names:
            self._conclude(Result(profile=name, outcome=error))

    def _fail_uncallable(self, names: tuple[str, ...]) -> None:
        """Fail the profiles for which there is no `op`, or whose STS no call can reach with the environment's settings.

        This is known before the lock or a code is waited for.
        """
        for name in names:
            try:
                find_op(self._onepassword, self._environ, self._table(name))
                check_settings(sts_location(self._config, name, self._environ), self._environ)
            except MayflyError as error:
                self._fail([name], error)

    def _fail_if_op_is_old(self, lock: OpLock, names: tuple[str, ...]) -> None:
        """Fail all profiles if a code must be waited for, and `op` could then not read it."""
        if names and lock.must_wait([device for name in names for device in self._devices(name)]):
            try:
                table = self._table(names[0])
                if not lock.has_seen_work(find_op(self._onepassword, self._environ, table)):
                    check_version(self._onepassword, self._environ, table)
            except MayflyError as error:
                self._fail(names, error)

    def _fail_unreachable(self, names: tuple[str, ...]) -> None:
        """Fail the profiles whose STS cannot be reached, so that nobody is prompted in vain."""
        if not self._onepassword.asks_human:
            return
        locations = {name: self._locations(name) for name in names}
        unknown = set(locations.values()) - self._early.take_reached()
        if unknown:
            self._tell(stages.CONNECT, names)
        errors = {place: _reachability_error(place, self._environ) for place in unknown}
        for name in names:
            error = errors.get(locations[name])
            if error:
                self._fail([name], error)

    def _locations(self, name: str) -> Place:
        """Where the profile's STS is, and where it may be instead as long as the item has not been read."""
        location = sts_location(self._config, name, self._environ)
        return location, locations_in_other_partitions(self._config, name, self._environ)

    def _try(self, lock: OpLock, names: tuple[str, ...]) -> MayflyError | None:
        """Conclude `names`, except those whose device another one has used in this step.

        Returns an error that every further `op` would meet too, if there was one.
        """
        running = self._early.take(self._asked(names))
        if running is None:
            devices = [device for name in names for device in self._devices(name)]
            lock.wait_for_fresh_codes(devices, lambda seconds: self._tell(stages.CODE, names, seconds))
        try:
            values = self._read_values(lock, names, running or self._new_op(names))
        except OF_ONE_ITEM as error:
            if len(names) > 1:
                return self._try_one_by_one(lock, names)
            self._fail(names, error)
            return error if self._concerns_all_items(error) else None
        except MayflyError as error:
            self._fail(names, error)
            return error
        hardening.forbid_dumping()
        self._send(lock, {name: self._item(name, values) for name in names})
        return None

    def _concerns_all_items(self, error: MayflyError) -> bool:
        """True once unclear errors repeat where each `op` prompts a person: it is hardly the items' fault."""
        self._unclear_errors += isinstance(error, OnePasswordUnknown | OnePasswordGarbled)
        return self._onepassword.asks_human and self._unclear_errors >= MAX_UNCLEAR_ERRORS

    def _try_one_by_one(self, lock: OpLock, names: tuple[str, ...]) -> MayflyError | None:
        """Run an `op` for each profile, until one fails with an error that the others would meet too."""
        for name in names:
            # A device that was used in this step waits for the next one; waiting here would hold up all the others.
            error = self._try(lock, (name,)) if self._devices_used.isdisjoint(self._devices(name)) else None
            if error:
                self._fail([other for other in names if other in self._codes_left], error)
                return error
        return None

    def _devices(self, name: str) -> list[Device]:
        """The MFA device of `name` under every name it has."""
        keys = self._config.keys_of(name)
        return devices_of(self._onepassword.account, keys.otp, self._mfa_serials.get(name) or keys.mfa_id)

    # 1Password

    def _references(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return in_order(self._config.keys_of(name).references() for name in names)

    def _asked(self, names: tuple[str, ...]) -> Asked:
        devices = frozenset(device for name in names for device in self._devices(name))
        return Asked(way.plain(self._onepassword), frozenset(self._references(names)), devices)

    @contextmanager
    def _new_op(self, names: tuple[str, ...]) -> Iterator[Op]:
        """An `op` for all values of `names`."""
        if self._onepassword.asks_human:
            self._check_prompt()
        with Op(self._onepassword, self._references(names), self._environ, self._table(names[0])) as op:
            yield op

    def _read_values(self, lock: OpLock, names: tuple[str, ...], running: AbstractContextManager[Op]) -> dict[str, str]:
        """The value of every secret reference of `names`, by an `op` that is asked for them."""
        is_prompt = self._onepassword.asks_human and not lock.may_be_authorized(self._onepassword.account or "")
        with running as op:
            self._tell(stages.APPROVE if is_prompt else stages.OP, names)
            self._program = op.program
            self._import_aiobotocore(names[0])
            return op.values()

    def _table(self, name: str) -> str:
        """The table of the config that says how the profile's items are read."""
        onepassword = self._config.keys_of(name).onepassword
        return f"onepasswords.{onepassword}" if onepassword else "onepassword"

    def _import_aiobotocore(self, name: str) -> None:
        """Import it while `op` waits for the person: importing it first would double the time of a cold login."""
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
        self._mfa_serials[name] = item.mfa_serial
        if item.token_code in self._codes_sent:
            return MfaCodeRefused("1Password gives the same one-time password again in the next 30 seconds")
        return item

    # AWS

    def _send(self, lock: OpLock, items: Mapping[str, Item | MayflyError]) -> None:
        """Call STS for every valid item. From here on a code counts as sent, also if STS fails."""
        for name, item in items.items():
            if isinstance(item, MayflyError):
                self._fail([name], item)
        valid = {name: item for name, item in items.items() if isinstance(item, Item)}
        used = [name for name, item in valid.items() if lock.is_spent(Device.of_serial(item.mfa_serial))]
        self._devices_used |= {device for name in used for device in self._devices(name)}
        self._fail(used, MfaCodeRefused("the one-time password of this MFA device has just been used"))
        ready = _first_of_each_code({name: item for name, item in valid.items() if name not in used})
        devices = {device for name in ready for device in self._devices(name)}
        self._devices_used |= devices
        lock.note_sent(devices, self._program)
        self._codes_sent |= {item.token_code for item in ready.values()}
        self._tell(stages.AWS, ready)
        assert self._sessions is not None  # noqa: S101 - for mypy: made while op ran
        self._sessions.start(ready, self._conclude)


def _reachability_error(place: Place, environ: Mapping[str, str]) -> MayflyError | None:
    location, alternatives = place
    try:
        check_reachable(location, environ, alternatives)
    except MayflyError as error:
        return error
    return None


def _first_of_each_code(items: Mapping[str, Item]) -> dict[str, Item]:
    """One item for each code: several profiles may use the same MFA device."""
    first: dict[str, str] = {}
    for name, item in items.items():
        first.setdefault(item.token_code, name)
    return {name: items[name] for name in first.values()}
