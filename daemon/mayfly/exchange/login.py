"""A login: the lock, one `op` for all items of an account, one GetSessionToken for each, and at most one more try in the next step.

The order is what makes it fast and safe: wait for fresh codes, start and feed `op`, import aiobotocore while a human
looks at the prompt,
read and check, write down the step, send. A code that STS refused, or may have seen, is never sent again: the second
try asks `op` anew.
"""

from __future__ import annotations

import asyncio
import urllib.request

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from mayfly import hardening
from mayfly.config import Config, OnePassword
from mayfly.credentials import Credentials
from mayfly.errors import (
    AccountMismatch,
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
from mayfly.exchange.where import check_reachable, where_is_sts
from mayfly.wire import Result


Emit = Callable[[Result], None]
Items = dict[str, Item | MayflyError]

# After these a code counts as used, and a fresh one may do.
_CODE_IS_SPENT = (MfaCodeRefused, AwsFailed)
# One bad reference fails a whole `op inject`, and says nothing of the other items.
_ONE_ITEM_ONLY = (ItemNotFound, FieldNotFound, VaultNotFound, ItemAmbiguous, ReferenceInvalid)


class Login:
    """One login of profiles with keys, all of one way to 1Password. `results` holds what came, by profile."""

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

    def run(self, names: Iterable[str], emit: Emit) -> dict[str, Credentials]:
        """Log in to each of `names`, emit a result for each, and return what succeeded."""
        done: dict[str, Credentials] = {}
        with oplock.held(self._clock) as lock:
            results = self._try(lock, tuple(names))
            again = tuple(name for name, result in results.items() if isinstance(result.outcome, _CODE_IS_SPENT))
            if again:
                results |= self._try(lock, again)
        for name, result in results.items():
            emit(result)
            if isinstance(result.outcome, Credentials):
                done[name] = result.outcome
        return done

    def _try(self, lock: OpLock, names: tuple[str, ...]) -> dict[str, Result]:
        lock.wait_for_fresh_codes(self._device(name) for name in names)
        try:
            items = self._items(names)
        except MayflyError as error:
            return {name: Result(profile=name, outcome=error) for name in names}
        hardening.forbid_dumping()
        ready = {name: item for name, item in items.items() if isinstance(item, Item)}
        results = {
            name: Result(profile=name, outcome=item) for name, item in items.items() if not isinstance(item, Item)
        }
        lock.note_sent(self._device(name) for name in ready)
        return results | asyncio.run(self._get_sessions(ready))

    def _device(self, name: str) -> Device:
        return Device(self._way.account or "", self._config.keys_of(name).otp)

    # 1Password

    def _items(self, names: tuple[str, ...]) -> Items:
        """All items by one `op`; one by one only where one of several is at fault."""
        if self._way.asks_human:
            for name in names:
                check_reachable(where_is_sts(self._config, name, self._environ), urllib.request.getproxies())
        try:
            return self._inject(names)
        except _ONE_ITEM_ONLY as error:
            if len(names) == 1:
                return {names[0]: error}
        items: Items = {}
        for name in names:
            try:
                items |= self._inject((name,))
            except MayflyError as error:
                items[name] = error
        return items

    def _inject(self, names: tuple[str, ...]) -> Items:
        profiles = {name: self._config.keys_of(name) for name in names}
        references = tuple(
            dict.fromkeys(
                sorted(
                    (ref for profile in profiles.values() for ref in profile.references()),
                    key=lambda ref: ref.endswith("?attribute=otp"),
                )
            )
        )
        op = Op(self._way, references, self._environ)
        self._get_ready_meanwhile(names[0])
        values = dict(zip(references, op.finish(), strict=True))
        return {name: self._item(name, values) for name in names}

    def _item(self, name: str, values: Mapping[str, str]) -> Item | MayflyError:
        profile = self._config.keys_of(name)
        try:
            item = item_from(profile, [values[reference] for reference in profile.references()])
        except MayflyError as error:
            return error
        if item.token_code in self._codes_sent:
            return MfaCodeRefused("1Password gives the same one-time password again in the next 30 seconds")
        return item

    def _get_ready_meanwhile(self, name: str) -> None:
        """While `op` waits for its human: an import that ran first would double the cold time."""
        from mayfly.exchange import sts

        self._sts = sts.Sts(self._clock)
        asyncio.run(self._sts.warm_up(where_is_sts(self._config, name, self._environ)))

    # AWS

    async def _get_sessions(self, items: Mapping[str, Item]) -> dict[str, Result]:
        return {
            result.profile: result
            for result in await asyncio.gather(*(self._get_session(*pair) for pair in items.items()))
        }

    async def _get_session(self, name: str, item: Item) -> Result:
        from mayfly.exchange import sts

        profile = self._config.keys_of(name)
        self._codes_sent.add(item.token_code)
        keys = sts.Keys(access_key_id=item.access_key_id, secret_access_key=item.secret_access_key)
        try:
            answer = await self._sts.call(
                where_is_sts(self._config, name, self._environ),
                keys,
                "get_session_token",
                DurationSeconds=profile.duration_seconds,
                SerialNumber=item.mfa_serial,
                TokenCode=item.token_code,
            )
            made = sts.credentials_in(answer, arn=None, account_from=item.mfa_serial)
            check_account(made.account_id, profile.account_id)
        except MayflyError as error:
            return Result(profile=name, outcome=error)
        return Result(profile=name, outcome=made, aws_at=answer.aws_at)


def check_account(got: str | None, wanted: str | None) -> None:
    """Raise AccountMismatch where the config names another account than the one that answered."""
    if wanted and got and got != wanted:
        raise AccountMismatch(f"these credentials are of account {got}, and the config says account_id = {wanted}")
