"""A login: the lock, one `op` for all items of an account, one call with a code for each item, one more code at most.

The order makes it fast and safe: wait until every device has an unused code, start and feed `op`, import aiobotocore
while the person looks at the prompt, read and check the values, write down the time step, send. A code is sent to STS
once. If STS refused it, or may have seen it, `op` is run again in the next step. The daemon permits each prompt.

An `otp_command` is run after that, when the codes of `op` are sent, because codes age: one command, then its call. A
profile with a command, or without MFA, needs `op` once: a second try has its keys already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import attrs

from mayfly.config.model import Config, OnePassword, RoleProfile
from mayfly.exchange import otp_command
from mayfly.exchange.early import Asked, Early
from mayfly.exchange.onepassword.items import OF_ONE_ITEM, Item, first_of_each_code, item_from
from mayfly.exchange.onepassword.op import Op, in_order
from mayfly.exchange.onepassword.sent_codes import Device, SentCodes, devices_of
from mayfly.exchange.preflight import Preflight
from mayfly.shared import hardening, stages
from mayfly.shared.credentials import Credentials
from mayfly.shared.errors import AwsFailed, MayflyError, MfaCodeRefused, OnePasswordGarbled, OnePasswordUnknown
from mayfly.shared.stages import Stage
from mayfly.shared.wire import Report, Result


if TYPE_CHECKING:
    from mayfly.exchange.sts.sessions import Sessions

CODES_PER_PROFILE = 2
MAX_UNCLEAR_ERRORS = 2

# After these the code counts as used, and a new one, or the same call without a code, may succeed.
_CODE_IS_USED = (MfaCodeRefused, AwsFailed)


class Login:
    """One login of profiles that need a long-term access key, all of one [onepassword] table.

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
        self._preflight = Preflight(config, onepassword, environ, early)
        # The profiles without a result so far, each with the number of codes that it may still use.
        self._codes_left: dict[str, int] = {}
        # Items that have been read, of profiles whose codes `op` does not give.
        self._items_read: dict[str, Item] = {}
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
        self._fail_each({name: self._preflight.uncallable(name) for name in self._codes_left})
        if not self._codes_left:
            return
        with self._early.lock(self._clock, partial(self._tell, stages.TURN, self._codes_left)) as sent:
            self._fail_unreachable()
            self._fail_if_op_is_old(sent)
            self._run_step(sent)
        yield self._new_credentials
        while self._codes_left:
            with self._early.lock(self._clock, partial(self._tell, stages.TURN, self._codes_left)) as sent:
                self._run_step(sent)
            yield self._new_credentials

    def _tell(self, stage: str, names: Iterable[str], left_seconds: float | None = None) -> None:
        self._emit(Stage(name=stage, profiles=tuple(names), left_seconds=left_seconds))

    def _is_role(self, name: str) -> bool:
        return isinstance(self._config.profiles[name], RoleProfile)

    def _run_step(self, sent: SentCodes) -> None:
        """Use at most one code of each device."""
        self._new_credentials = {}
        self._devices_used = set()
        read = {name: item for name, item in self._items_read.items() if name in self._codes_left}
        unread = tuple(name for name in self._codes_left if name not in read)
        if unread:
            self._try(sent, unread)
        self._send(sent, read)

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

    def _fail_each(self, errors: Mapping[str, MayflyError | None]) -> None:
        for name, error in errors.items():
            if error:
                self._fail([name], error)

    def _fail_unreachable(self) -> None:
        """Fail the profiles whose STS cannot be reached, so that nobody is prompted in vain."""
        asking = [name for name in self._codes_left if self._config.asks_human(name)]
        if asking:
            self._fail_each(self._preflight.unreachable(asking, partial(self._tell, stages.CONNECT, asking)))

    def _fail_if_op_is_old(self, sent: SentCodes) -> None:
        names = tuple(self._codes_left)
        devices = [device for name in names for device in self._devices(name)]
        error = self._preflight.old_op(sent, devices, names[0]) if names else None
        if error:
            self._fail(names, error)

    def _try(self, sent: SentCodes, names: tuple[str, ...]) -> MayflyError | None:
        """Conclude `names`, except those whose device another one has used in this step.

        Returns an error that every further `op` would meet too, if there was one.
        """
        running = self._early.take(self._asked(names))
        if running is None:
            devices = [device for name in names for device in self._devices(name)]
            sent.wait_for_fresh_codes(devices, lambda seconds: self._tell(stages.CODE, names, seconds))
        try:
            values = self._read_values(sent, names, running or self._new_op(names))
        except OF_ONE_ITEM as error:
            if len(names) > 1:
                return self._try_one_by_one(sent, names)
            self._fail(names, error)
            return error if self._concerns_all_items(error) else None
        except MayflyError as error:
            self._fail(names, error)
            return error
        hardening.forbid_dumping()
        self._send(sent, {name: self._item(name, values) for name in names})
        return None

    def _concerns_all_items(self, error: MayflyError) -> bool:
        """True once unclear errors repeat where each `op` prompts a person: it is hardly the items' fault."""
        self._unclear_errors += isinstance(error, OnePasswordUnknown | OnePasswordGarbled)
        return self._onepassword.asks_human and self._unclear_errors >= MAX_UNCLEAR_ERRORS

    def _try_one_by_one(self, sent: SentCodes, names: tuple[str, ...]) -> MayflyError | None:
        """Run an `op` for each profile, until one fails with an error that the others would meet too."""
        for name in names:
            # A device that was used in this step waits for the next one; waiting here would hold up all the others.
            error = self._try(sent, (name,)) if self._devices_used.isdisjoint(self._devices(name)) else None
            if error:
                self._fail([other for other in names if other in self._codes_left], error)
                return error
        return None

    def _devices(self, name: str) -> list[Device]:
        """The MFA device of `name` under every name it has; none without MFA."""
        keys = self._config.keys_of(name)
        serial = self._mfa_serials.get(name)
        found = devices_of(self._onepassword.account, keys.otp, keys.mfa_id)
        return list(dict.fromkeys([*found, *([Device.of_serial(serial)] if serial else [])]))

    # 1Password

    def _references(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return in_order(self._config.keys_of(name).references() for name in names)

    def _asked(self, names: tuple[str, ...]) -> Asked:
        devices = frozenset(device for name in names for device in self._devices(name))
        return Asked(self._onepassword.plain(), frozenset(self._references(names)), devices)

    @contextmanager
    def _new_op(self, names: tuple[str, ...]) -> Iterator[Op]:
        """An `op` for all values of `names`."""
        if self._onepassword.asks_human:
            self._check_prompt()
        with Op(self._onepassword, self._references(names), self._environ, self._preflight.table(names[0])) as op:
            yield op

    def _read_values(
        self, sent: SentCodes, names: tuple[str, ...], running: AbstractContextManager[Op]
    ) -> dict[str, str]:
        """The value of every secret reference of `names`, by an `op` that is asked for them."""
        is_prompt = self._onepassword.asks_human and not sent.may_be_authorized(self._onepassword.account or "")
        with running as op:
            self._tell(stages.APPROVE if is_prompt else stages.OP, names)
            self._program = op.program
            self._import_aiobotocore(names[0])
            return op.values()

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
        if item.mfa_serial:
            self._mfa_serials[name] = item.mfa_serial
        if item.token_code is None:
            self._items_read[name] = item
        return item

    # AWS

    def _send(self, sent: SentCodes, items: Mapping[str, Item | MayflyError]) -> None:
        """Call STS for every valid item; for those whose code a command gives last, one after the other."""
        valid: dict[str, Item] = {}
        for name, item in items.items():
            if isinstance(item, MayflyError):
                self._fail([name], item)
            else:
                valid[name] = item
        self._call(sent, {name: item for name, item in valid.items() if not item.lacks_code})
        for name in [name for name, item in valid.items() if item.lacks_code]:
            # With new sessions in hand it waits for the next step, so that roles above them need not wait for a touch.
            if not self._new_credentials:
                self._call_with_command(sent, name, valid[name])

    def _call_with_command(self, sent: SentCodes, name: str, item: Item) -> None:
        """Get a code that was not sent from the profile's `otp_command`, and call STS."""
        keys = self._config.keys_of(name)
        sent.wait_for_fresh_codes(self._devices(name), partial(self._tell, stages.CODE, [name]))
        if keys.command_asks_human:
            self._check_prompt()
        self._tell(stages.TOUCH if keys.command_asks_human else stages.COMMAND, [name])
        try:
            code = otp_command.one_time_password(keys, self._environ, self._onepassword.timeout_seconds)
        except MayflyError as error:
            self._fail([name], error)
        else:
            self._call(sent, {name: attrs.evolve(item, token_code=code)}, is_of_command=True)

    def _call(self, sent: SentCodes, items: Mapping[str, Item], *, is_of_command: bool = False) -> None:
        """Call STS for every item. From here on a code counts as sent, also if STS fails."""
        refusals = {name: refusal for name, item in items.items() if (refusal := self._refusal(sent, name, item))}
        for name, refusal in refusals.items():
            self._fail([name], refusal)
        ready = first_of_each_code({name: item for name, item in items.items() if name not in refusals})
        devices = {device for name in ready for device in self._devices(name)}
        self._devices_used |= devices
        if ready:
            sent.note_sent(devices, self._program, is_of_command=is_of_command)
            self._codes_sent |= {item.token_code for item in ready.values() if item.token_code}
            self._tell(stages.AWS, ready)
            assert self._sessions is not None  # noqa: S101 - for mypy: made while op ran
            self._sessions.start(ready, self._conclude)

    def _refusal(self, sent: SentCodes, name: str, item: Item) -> MayflyError | None:
        """The reason why the item's code may not be sent, if it was sent already."""
        if item.token_code in self._codes_sent:
            who = otp_command.KEY if self._config.keys_of(name).otp_command else "1Password"
            return MfaCodeRefused(f"{who} gives the same one-time password again in the next 30 seconds")
        if item.mfa_serial and sent.is_spent(Device.of_serial(item.mfa_serial)):
            self._devices_used.update(self._devices(name))
            return MfaCodeRefused(f"the one-time password of {item.mfa_serial} has just been used")
        return None
