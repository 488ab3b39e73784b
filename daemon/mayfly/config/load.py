"""Turns a document into a Config: cattrs runs the check of every value, and all problems are collected."""

from __future__ import annotations

import copy
import hashlib

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import attrs

from cattrs import AttributeValidationNote, Converter
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError, IterableValidationError
from cattrs.gen import make_dict_structure_fn, override

from mayfly.config import assume_role, document, kinds, rules, values
from mayfly.config.assume_role import PolicyArn, TagKey, TagValue
from mayfly.config.document import Document, Tree
from mayfly.config.kinds import Text
from mayfly.config.model import Config, KeyProfile, OnePassword, Profile, RoleProfile
from mayfly.config.rules import Keys, Problem
from mayfly.config.values import Region
from mayfly.shared import trust
from mayfly.shared.errors import ConfigInvalid
from mayfly.shared.files import Unreadable, read_plain_file


# Set by load_document, never by the file.
_OWN_FIELDS = ("source", "digest", "warnings")
_TAGS = dict[TagKey, TagValue]


def load(path: Path) -> Config:
    """The config at `path`, if nobody else can have written it; raises ConfigInvalid with every problem."""
    problems = trust.trust_problems(path)
    if problems:
        raise ConfigInvalid(*problems)
    return load_document(document.read(path))


def is_as_on_disk(config: Config) -> bool:
    """True if the file that `config` was read from still has the same bytes; False if it cannot be read."""
    try:
        raw = read_plain_file(Path(config.source), document.MAX_BYTES)
    except (OSError, Unreadable):
        return False
    return hashlib.sha256(raw).hexdigest() == config.digest


def load_document(found: Document) -> Config:
    """The config in a document; raises ConfigInvalid with every problem."""
    problems = list(_name_problems(found))
    config = Config()
    try:
        config = _converter().structure(found.tree, Config)
    except ClassValidationError as group:
        problems += _problems(group, ())
    problems += rules.problems(_sound(found.tree, problems))
    if problems:
        raise ConfigInvalid(*_lines(found, problems))
    warnings = tuple(_lines(found, rules.warnings(config)))
    return attrs.evolve(config, source=found.name, digest=found.digest, warnings=warnings)


def _lines(found: Document, problems: Iterable[Problem]) -> Iterator[str]:
    return (f"{found.where(*keys)}: {text}" for keys, text in problems)


@cache
def _converter() -> Converter:
    converter = Converter(forbid_extra_keys=True)
    for kind, check in (values.CHECKS | assume_role.CHECKS).items():
        converter.register_structure_hook(kind, _as_hook(check))
    converter.register_structure_hook_func(
        _is_optional, lambda value, kind: converter.structure(kinds.present(value), _inner(kind))
    )
    converter.register_structure_hook_func(lambda kind: kind == Profile, lambda value, _: _profile(converter, value))
    # Inner kinds first: cattrs builds a hook from the hooks that are registered already.
    for kind in (tuple[Text, ...], tuple[PolicyArn, ...], tuple[TagKey, ...]):
        _check_first(converter, kind, kinds.array)
    _list_or_one(converter, tuple[Region, ...], values.region)
    for kind in (_TAGS, OnePassword, KeyProfile, RoleProfile, dict[str, Profile], dict[str, OnePassword]):
        _check_first(converter, kind, kinds.table)
    own = override(omit=True)
    whole = make_dict_structure_fn(
        Config, converter, _cattrs_forbid_extra_keys=True, source=own, digest=own, warnings=own
    )
    converter.register_structure_hook(Config, whole)
    return converter


def _as_hook(check: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda value, _: check(value)


def _check_first(converter: Converter, kind: Any, check: Callable[[Any], Any]) -> None:
    """Run `check` on a value before cattrs structures it as `kind`."""
    plain = converter.get_structure_hook(kind)
    converter.register_structure_hook_func(lambda asked: asked == kind, lambda value, _: plain(check(value), kind))


def _list_or_one(converter: Converter, kind: Any, check: Callable[[Any], Any]) -> None:
    """Take a single value for a list of one."""
    plain = converter.get_structure_hook(kind)

    def structured(value: Any, _: Any) -> Any:
        if value == []:
            raise ValueError("is empty: name one, or leave it out")
        return plain(value, kind) if isinstance(value, list) else (check(value),)

    converter.register_structure_hook_func(lambda asked: asked == kind, structured)


def _is_optional(kind: Any) -> bool:
    return type(None) in get_args(kind)


def _inner(optional: Any) -> Any:
    return next(kind for kind in get_args(optional) if kind is not type(None))


def _profile(converter: Converter, value: Any) -> Profile:
    if kinds.is_role(kinds.table(value)):
        return converter.structure(value, RoleProfile)
    return converter.structure(value, KeyProfile)


def _name_problems(found: Document) -> Iterator[Problem]:
    profiles = found.tree.get("profiles")
    for name in profiles if isinstance(profiles, dict) else ():
        try:
            values.profile_name(name)
        except ValueError as reason:
            yield ("profiles", name), str(reason)


def _problems(error: BaseException, keys: Keys) -> Iterator[Problem]:
    """Every single problem in cattrs' tree of exceptions, with the keys that lead to it."""
    if isinstance(error, ClassValidationError | IterableValidationError):
        for inner, key in _branches(error):
            yield from _problems(inner, (*keys, *key))
    elif isinstance(error, ForbiddenExtraKeysError):
        for extra in sorted(error.extra_fields):
            yield (*keys, extra), _unknown_key(extra, error.cl)
    else:
        yield keys, "is missing" if isinstance(error, KeyError) else str(error)


def _branches(error: ClassValidationError | IterableValidationError) -> Iterator[tuple[BaseException, Keys]]:
    """The exceptions inside a group, each with its key or position, if it has one."""
    placed, others = error.group_exceptions()
    for inner in others:
        yield inner, ()
    for inner, note in placed:
        yield inner, (note.name if isinstance(note, AttributeValidationNote) else note.index,)


def _unknown_key(key: str, table: type) -> str:
    known = [field.name for field in attrs.fields(table) if field.name not in _OWN_FIELDS]
    return f"is not a known key: {rules.nearest(key, known)}"


def _sound(tree: Tree, problems: Iterable[Problem]) -> Tree:
    """A copy of `tree` with None in the place of every bad value."""
    sound = copy.deepcopy(tree)
    for keys, _ in problems:
        place: Any = sound
        for key in keys[:-1]:
            place = place[key] if _has(place, key) else None
        if _has(place, keys[-1]):
            place[keys[-1]] = None
    return sound


def _has(place: Any, key: str | int) -> bool:
    return isinstance(place, list) or (isinstance(place, dict) and key in place)
