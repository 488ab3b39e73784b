"""Asks the reader, a short-lived child, about 1Password; a person at the terminal can mend what is wrong, and go on."""

from __future__ import annotations

import json
import subprocess
import sys

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import attrs

from mayfly.cli import speech
from mayfly.cli.init.items import Account, Field, Item, Overview, accounts_from, item_from, overviews_from
from mayfly.cli.init.talk import Talk
from mayfly.config.model import OnePassword
from mayfly.shared.errors import (
    AccountAmbiguous,
    AccountNotFound,
    AwsError,
    ConfigInvalid,
    ItemAmbiguous,
    ItemNotFound,
    MayflyError,
    OnePasswordMissing,
    OnePasswordUnknown,
    ServiceAccountRejected,
    VaultNotFound,
)
from mayfly.shared.errors.all_errors import leaf_named
from mayfly.shared.interpreter import isolation_flags


QUIET_SECONDS = 1.0
END_SECONDS = 10

# Another choice mends these, and another try does not.
OF_THE_CHOICE = (ItemNotFound, VaultNotFound, ItemAmbiguous)

_HINTS: dict[type[MayflyError], str] = {
    AccountAmbiguous: "say which: mayfly init --account ACCOUNT   ('op account list' shows them)",
    OnePasswordMissing: "install the 1Password CLI, and see that its folder is on PATH: "
    "https://developer.1password.com/docs/cli/get-started/",
    OnePasswordUnknown: "see what op itself says: op item list",
    ServiceAccountRejected: "make a new service account token, and put it where this one is",
}
# The kinds of questions for which 1Password may ask the person.
_PROMPTING = {"items", "item"}


class OnePasswordCli:
    """1Password by one way to it; each method starts a reader, and raises a MayflyError that was not mended."""

    def __init__(self, way: OnePassword, talk: Talk) -> None:
        self._way = way
        self._talk = talk
        # Waiting is told once, and again after the person has been needed.
        self._is_waiting_told = False

    def accounts(self) -> list[Account]:
        """The accounts that `op` knows; none if it cannot tell, because the list of items tells why."""
        try:
            return accounts_from(self._asked("accounts"))
        except (OnePasswordMissing, ConfigInvalid):
            raise
        except MayflyError:
            return []

    def items(self) -> list[Overview]:
        """All items, without their fields."""
        return overviews_from(self._asked("items"))

    def item(self, vault: str, name: str) -> Item:
        """An item by names or IDs."""
        return item_from(self._asked("item", vault=vault, item=name))

    def mfa_serials(self, overview: Overview, access_key_id: Field, secret_access_key: Field, region: str) -> list[str]:
        """The MFA devices of the user whose keys are in these fields, by AWS; raises an AwsError, too."""
        found: list[str] = self._asked(
            "devices",
            vault=overview.vault_id,
            item=overview.id,
            access_key_id=(access_key_id.id, access_key_id.section_id),
            secret_access_key=(secret_access_key.id, secret_access_key.section_id),
            region=region,
        )
        return found

    def _asked(self, kind: str, **more: object) -> Any:
        """The answer. At a terminal the person may mend what is wrong with 1Password, and have it tried again."""
        request = {"kind": kind, "way": attrs.asdict(self._way), **more}
        while True:
            try:
                return _answer(request, self._tell_waiting if kind in _PROMPTING else _say_nothing)
            except MayflyError as error:
                is_told_later = kind == "accounts" and not isinstance(error, OnePasswordMissing)
                if not self._talk.asks or is_told_later or isinstance(error, (*OF_THE_CHOICE, AwsError, ConfigInvalid)):
                    raise _with_hint(error, "run 'mayfly init' again") from None
                speech.error(error.message)
                if hint := _with_hint(error, "press Enter").hint:
                    speech.hint(hint)
                self._talk.wait_for_enter("Enter tries again, Ctrl-C ends: ")
                self._is_waiting_told = False

    def _tell_waiting(self) -> None:
        if self._way.asks_human and not self._is_waiting_told:
            speech.say("waiting for 1Password: approve its prompt if there is one")
        self._is_waiting_told = True


def _say_nothing() -> None:
    return


def _with_hint(error: MayflyError, again: str) -> MayflyError:
    """The error with a hint that fits: `again` stands for the new try."""
    hint = _HINTS.get(type(error), error.hint)
    error.hint = hint.replace("run 'mayfly login'", again)
    if isinstance(error, AccountNotFound):
        error.hint = error.hint.replace(" in [onepassword]", " (--account)")
    return error


def _answer(request: Mapping[str, Any], tell_waiting: Callable[[], None]) -> Any:
    """The reader's answer; raises the MayflyError in it. If it takes a moment, `tell_waiting` is called."""
    with subprocess.Popen(
        [sys.executable, *isolation_flags(), "-m", "mayfly.cli.init.reader"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # A traceback could show a value.
        stderr=subprocess.DEVNULL,
        cwd="/",
    ) as reader:
        try:
            printed = _communicated(reader, json.dumps(request).encode() + b"\n", tell_waiting)
        finally:
            _end(reader)
    try:
        tree = json.loads(printed)
        if "error" not in tree:
            return tree[request["kind"]]
    except (ValueError, LookupError, TypeError):
        raise speech.Stop(speech.FAILED, f"the reader of 1Password's items ended with {reader.returncode}") from None
    raise _error(tree["error"])


def _communicated(reader: subprocess.Popen[bytes], request: bytes, tell_waiting: Callable[[], None]) -> bytes:
    with suppress(subprocess.TimeoutExpired):
        return reader.communicate(request, timeout=QUIET_SECONDS)[0]
    tell_waiting()
    return reader.communicate()[0]


def _end(reader: subprocess.Popen[bytes]) -> None:
    """After Ctrl-C: the reader ends its `op`, and then itself."""
    if reader.poll() is None:
        reader.terminate()
        with suppress(subprocess.TimeoutExpired):
            reader.wait(END_SECONDS)
        reader.kill()


def _error(tree: Mapping[str, Any]) -> MayflyError:
    problems: Sequence[str] = tree["problems"]
    kind = leaf_named(tree["code"])
    error = kind(*problems)
    error.hint = tree["hint"]
    return error
