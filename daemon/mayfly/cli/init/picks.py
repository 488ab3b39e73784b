"""The items and fields that the person or the options pick: access key, secret and one-time password."""

from __future__ import annotations

import argparse

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from shlex import quote
from typing import NamedTuple, TypeVar

from mayfly.cli import speech
from mayfly.cli.init import fields, ranking
from mayfly.cli.init.asking import OF_THE_CHOICE, OnePasswordCli
from mayfly.cli.init.fields import Found
from mayfly.cli.init.items import Field, Item, Overview
from mayfly.cli.init.talk import Talk
from mayfly.shared.errors import ItemAmbiguous, ItemNotFound, MayflyError


ITEMS_HINTED = 10

T = TypeVar("T")


class Picked(NamedTuple):
    """A field of an item, and the secret reference to it."""

    item: Item
    field: Field
    reference: str


class Unfit(Exception):
    """The item lacks what is needed; the text says what."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options that answer for the person."""
    parser.add_argument("--item", metavar="op://VAULT/ITEM", help="the item with the access key, by names or IDs")
    parser.add_argument("--otp-item", metavar="op://VAULT/ITEM", help="the item with the one-time password, if another")
    parser.add_argument(
        "--field",
        metavar="KEY=LABEL",
        action="append",
        default=[],
        help=f"the field for KEY ({', '.join(fields.KEYS)}) where several may be it",
    )


def check(given: argparse.Namespace) -> None:
    """Raise Stop for an option that cannot be right, before anybody is asked."""
    _named_fields(given.field)
    for reference, option in ((given.item, "--item"), (given.otp_item, "--otp-item")):
        if reference is not None:
            _vault_and_name(reference, option)


class Picker:
    """Picks by `op`. Reads the list of items once, and again if an item of it has gone."""

    def __init__(self, op: OnePasswordCli, talk: Talk, given: argparse.Namespace) -> None:
        self._op = op
        self._talk = talk
        self._given = given
        self._named = _named_fields(given.field)
        self._listed: list[Overview] | None = None
        # Items that lack what is looked for.
        self._unfit: set[Overview] = set()

    def keys(self) -> tuple[Picked, Picked]:
        """The access key id and its secret, of one item."""
        return self._until_fit(self._given.item, "--item", self._keys_item, self._keys)

    def code(self, item: Item) -> Picked:
        """The one-time password: in the same item, or in another."""
        if not self._given.otp_item:
            try:
                return self._pick(item, "otp")
            except Unfit as reason:
                if not self._talk.asks:
                    raise speech.Stop(
                        speech.WRONG_USAGE, f"{item.overview.title}: {reason}", hints=_OTHER_SOURCES
                    ) from None
                speech.say(f"{item.overview.title}: {reason}")
                speech.hint(f"no item has it? Ctrl-C, then: mayfly init {_COMMAND}, or mayfly init --no-mfa")
        self._unfit = {item.overview}
        return self._until_fit(
            self._given.otp_item, "--otp-item", self._code_item, lambda found: self._pick(found, "otp")
        )

    def serial(self, *items: Item) -> Picked | None:
        """The field with the MFA device's serial, in the first of the items that has one."""
        problems: list[str] = []
        for item in dict.fromkeys(items):
            try:
                return self._pick(item, "mfa_id")
            except Unfit as reason:
                problems.append(f"{item.overview.title}: {reason}")
        if "mfa_id" in self._named:
            raise speech.Stop(speech.WRONG_USAGE, *problems)
        return None

    def _keys(self, item: Item) -> tuple[Picked, Picked]:
        key = self._pick(item, "access_key_id")
        return key, self._pick(item, "secret_access_key", beside=key.field)

    def _pick(self, item: Item, key: str, beside: Field | None = None) -> Picked:
        """The field for `key` of the config; raises Unfit, or Stop if only a person can tell, and nobody is asked."""
        name = self._named.get(key)
        found = fields.named(item, key, name) if name else fields.find(item, key, beside=beside)
        field = found.field or self._chosen(item, key, found)
        reference = fields.reference(item, field)
        if reference is None:
            raise Unfit(f"no secret reference can lead to {field.shown!r} alone: give it another name in 1Password")
        return Picked(item, field, reference)

    def _chosen(self, item: Item, key: str, found: Found) -> Field:
        if not found.choices:
            raise Unfit(found.problem)
        if self._talk.asks:
            return self._talk.choose(
                f"fields that may be {fields.WHAT[key]}:", found.choices, lambda field: field.shown
            )
        hints = tuple(f"--field {quote(f'{key}={field.path}')}" for field in found.choices)
        raise speech.Stop(
            speech.WRONG_USAGE,
            f"{item.overview.title}: several fields may be {fields.WHAT[key]}: say which",
            hints=hints,
        )

    def _until_fit(
        self, reference: str | None, option: str, from_list: Callable[[], Overview], pick: Callable[[Item], T]
    ) -> T:
        """The result of `pick` for the item of the option, or for the items that the person chooses until one fits."""
        while True:
            overview = _NONE
            try:
                item = self._op.item(*_vault_and_name(reference, option)) if reference else self._read(from_list())
                overview = item.overview
                return pick(item)
            except Unfit as reason:
                problem = f"{overview.title}: {reason}"
                if not self._talk.asks:
                    raise speech.Stop(speech.FAILED, problem, hints=(_OTHER.format(option),)) from None
                speech.error(problem)
                self._unfit.add(overview)
            except OF_THE_CHOICE as error:
                if not self._talk.asks:
                    raise self._stop(error, reference, option) from None
                speech.error(error.message)
                # The item that was chosen from the list has gone.
                self._listed = None if reference is None else self._listed
            reference = None

    def _read(self, overview: Overview) -> Item:
        return self._op.item(overview.vault_id, overview.id)

    @property
    def listed(self) -> list[Overview]:
        """The list of items, if it was read."""
        return self._listed or []

    def _list(self) -> list[Overview]:
        if self._listed is None:
            self._listed = self._op.items()
        return self._listed

    def _keys_item(self) -> Overview:
        """The item that the person chooses; where nobody is asked, the only one that looks as if it had the key."""
        likely = self._fit(ranking.likely_with_keys(self._list()))
        if self._talk.asks:
            return self._chosen_item("an AWS access key", ranking.with_keys(self._list()), likely)
        if len(likely) == 1:
            return likely[0]
        hints = _hints(likely or ranking.with_keys(self._list()))
        raise speech.Stop(speech.WRONG_USAGE, "which item has the access key?", hints=hints)

    def _code_item(self) -> Overview:
        likely = self._fit(ranking.likely_with_code(self._list()))
        return self._chosen_item("the one-time password for AWS", ranking.with_code(self._list()), likely)

    def _chosen_item(self, what: str, overviews: list[Overview], likely: list[Overview]) -> Overview:
        rows = [*likely, *(overview for overview in self._fit(overviews) if overview not in likely)]
        if not rows:
            raise speech.Stop(speech.FAILED, f"1Password lists no item that could hold {what}")
        head = f"1Password items, those that may hold {what} first:"
        return self._talk.choose(head, rows, _shown(rows), likely=len(likely))

    def _fit(self, overviews: list[Overview]) -> list[Overview]:
        return [overview for overview in overviews if overview not in self._unfit]

    def _stop(self, error: MayflyError, reference: str | None, option: str) -> speech.Stop:
        """The Stop for an item that `op` does not find, or finds more than once."""
        name = _vault_and_name(reference, option)[1] if reference else ""
        if isinstance(error, ItemAmbiguous):
            alike = [overview for overview in self._list() if overview.title.casefold() == name.casefold()]
            return speech.Stop(speech.WRONG_USAGE, f"{error.message}", hints=_hints(alike, option))
        is_field = isinstance(error, ItemNotFound) and "/" in name
        hint = f"{option} op://VAULT/ITEM, without the field, or by IDs" if is_field else _OTHER.format(option)
        return speech.Stop(speech.FAILED, error.message, hints=(hint,))


_NONE = Overview("", "", "", "", "")
_COMMAND = "--otp-command 'ykman oath accounts code --single AWS'"
_OTHER_SOURCES = (
    "name the item that has it: --otp-item op://VAULT/ITEM",
    f"a program prints it, as for a security key: {_COMMAND}",
    "the user has no MFA device: --no-mfa",
)
_OTHER = "op item list   # shows names and IDs; then: mayfly init {} op://VAULT/ITEM"


def _shown(overviews: list[Overview]) -> Callable[[Overview], str]:
    """An item in words; two that are alike with their IDs, and when they were edited."""
    alike = Counter((overview.title, overview.vault) for overview in overviews)

    def shown(overview: Overview) -> str:
        if alike[overview.title, overview.vault] < 2:
            return overview.shown
        edited = f", edited {overview.edited_at[:10]}" if overview.edited_at else ""
        return f"{overview.shown}  {overview.id}{edited}"

    return shown


def _hints(overviews: list[Overview], option: str = "--item") -> tuple[str, ...]:
    return tuple(f"{option} {overview.reference}   # {overview.shown}" for overview in overviews[:ITEMS_HINTED])


def _vault_and_name(reference: str, option: str) -> tuple[str, str]:
    """The vault and the item that the option names: a title may have characters that no secret reference may have."""
    vault, slash, name = reference.removeprefix("op://").rstrip("/").partition("/")
    if not (reference.startswith("op://") and vault and slash and name and reference.isprintable()):
        raise speech.Stop(
            speech.WRONG_USAGE, f"{option} is op://VAULT/ITEM, by names or IDs", hints=("op item list   # shows both",)
        )
    return vault, name


def _named_fields(given: Iterable[str]) -> Mapping[str, str]:
    """The names of fields by the config's keys; raises Stop for what is no KEY=LABEL."""
    named: dict[str, str] = {}
    for word in given:
        key, _, label = word.partition("=")
        if key not in fields.KEYS or not label:
            raise speech.Stop(speech.WRONG_USAGE, f"--field is KEY=LABEL, where KEY is one of {', '.join(fields.KEYS)}")
        named[key] = label
    return named
