"""A login: the lock, one `op` for all items of an account, one GetSessionToken for each, and a second code at most.

The order is what makes it fast and safe: wait for fresh codes, start and feed `op`, import aiobotocore while a human
looks at the prompt, read and check, write down the step, send. A code goes to STS once: where STS refused it, or may
have seen it, `op` is asked anew, in the next step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from mayfly import hardening
from mayfly.config import Config, OnePassword
from mayfly.credentials import Credentials
from mayfly.errors import (
    AwsError,
    AwsFailed,
    FieldNotFound,
    ItemAmbiguous,
    ItemNotFound,
    MayflyError,
    MfaCodeRefused,
    ReferenceInvalid,
    VaultNotFound,
)
from mayfly.exchange import oplock
from mayfly.exchange.items import Item, item_from
from mayfly.exchange.onepassword import Op
from mayfly.exchange.oplock import Device, OpLock
from mayfly.exchange.where import Where, check_reachable, where_is_sts
from mayfly.wire import Result


if TYPE_CHECKING:
    from mayfly.exchange.sessions import Sessions

Emit = Callable[[Result], None]
Results = dict[str, Result]

CODES_EACH = 2

# After these a code counts as used, and a fresh one may do.
_CODE_IS_SPENT = (MfaCodeRefused, AwsFailed)
# One bad reference fails a whole `op inject`, and says nothing of the other items.
_OF_ONE_ITEM = (ItemNotFound, FieldNotFound, VaultNotFound, ItemAmbiguous, ReferenceInvalid)


class Login:
    """One login of profiles with keys, all of one way to 1Password."""

    def __init__(
        self,
        config: Config,
        way: OnePassword,
        environ: Mapping[str, str],
        clock: Callable[[], datetime],
    ) -> None:
        self._config = config
        self._way = way
        self._environ = environ
        self._clock = clock
        self._codes_sent: set[str] = set()
        self._sessions: Sessions | None = None

    def run(self, names: Iterable[str], emit: Emit) -> dict[str, Credentials]:
        """Log in to each of `names`, emit a result for each as it comes, and return what succeeded."""
        done: dict[str, Credentials] = {}
        left = dict.fromkeys(names, CODES_EACH)
        with oplock.held(self._clock) as lock:
            results = self._unreachable(tuple(left))
            while left:
                for name, result in (results or self._try(lock, tuple(left))).items():
                    left[name] -= 1
                    if left[name] and isinstance(result.outcome, _CODE_IS_SPENT):
                        continue
                    del left[name]
                    emit(result)
                    if isinstance(result.outcome, Credentials):
                        done[name] = result.outcome
                results = {}
        return done

    def _unreachable(self, names: tuple[str, ...]) -> Results:
        """Why some need not be asked for: nobody is to put down a finger for an STS that does not answer."""
        if not self._way.asks_human:
            return {}
        doubts = {where: self._doubt(where) for where in {self._where(name) for name in names}}
        return {
            name: Result(profile=name, outcome=doubt)
            for name in names
            if (doubt := doubts[self._where(name)]) is not None
        }

    def _doubt(self, where: Where) -> MayflyError | None:
        try:
            check_reachable(where, self._environ)
        except MayflyError as error:
            return error
        return None

    def _try(self, lock: OpLock, names: tuple[str, ...]) -> Results:
        """Results for some of `names`: those whose code another of them has used wait for the next step."""
        lock.wait_for_fresh_codes(self._device(name) for name in names)
        try:
            values = self._inject(names)
        except _OF_ONE_ITEM as error:
            return self._one_by_one(lock, names) if len(names) > 1 else _failed(names, error)
        except MayflyError as error:
            return _failed(names, error)
        hardening.forbid_dumping()
        items = {name: self._item(name, values) for name in names}
        results = {
            name: Result(profile=name, outcome=item) for name, item in items.items() if isinstance(item, MayflyError)
        }
        ready = self._one_a_code({name: item for name, item in items.items() if isinstance(item, Item)})
        lock.note_sent(self._device(name) for name in ready)
        return results | self._sent(ready)

    def _one_by_one(self, lock: OpLock, names: tuple[str, ...]) -> Results:
        """Each by an `op` of its own, until one fails for a reason that will meet the others too."""
        results: Results = {}
        for number, name in enumerate(names):
            results |= self._try(lock, (name,))
            outcome = results[name].outcome
            if isinstance(outcome, MayflyError) and not isinstance(outcome, (*_OF_ONE_ITEM, AwsError)):
                return results | _failed(names[number + 1 :], outcome)
        return results

    def _device(self, name: str) -> Device:
        return Device(self._way.account or "", self._config.keys_of(name).otp)

    def _where(self, name: str) -> Where:
        return where_is_sts(self._config, name, self._environ)

    # 1Password

    def _inject(self, names: tuple[str, ...]) -> dict[str, str]:
        """The value of every reference of `names`, the codes last, because they age."""
        profiles = [self._config.keys_of(name) for name in names]
        keys = dict.fromkeys(reference for profile in profiles for reference in profile.references()[:-1])
        codes = dict.fromkeys(profile.otp for profile in profiles)
        with Op(self._way, (*keys, *codes), self._environ) as op:
            self._get_ready_meanwhile(names[0])
            return op.values()

    def _get_ready_meanwhile(self, name: str) -> None:
        """While `op` waits for its human: an import that ran first would double the cold time."""
        if self._sessions is None:
            from mayfly.exchange.sessions import Sessions

            self._sessions = Sessions(self._config, self._environ, self._clock)
            self._sessions.warm_up(name)

    def _item(self, name: str, values: Mapping[str, str]) -> Item | MayflyError:
        profile = self._config.keys_of(name)
        try:
            item = item_from(profile, [values[reference] for reference in profile.references()])
        except MayflyError as error:
            return error
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

    def _sent(self, items: Mapping[str, Item]) -> Results:
        """What STS answers. A code counts as sent from here on, whatever comes of it."""
        assert self._sessions is not None  # noqa: S101 - for mypy: made while op was under way
        self._codes_sent |= {item.token_code for item in items.values()}
        return self._sessions.get(items)


def _failed(names: Iterable[str], error: MayflyError) -> Results:
    return {name: Result(profile=name, outcome=error) for name in names}
