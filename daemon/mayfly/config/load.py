"""From a document to a Config: cattrs gives every value to its check, and all complaints are gathered."""

from __future__ import annotations

import difflib

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from cattrs import AttributeValidationNote, Converter
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError, IterableValidationError
from cattrs.gen import make_dict_structure_fn, override

from mayfly import document, paths
from mayfly.config import rules, values
from mayfly.config.model import Config, KeyProfile, OnePassword, Profile, RoleProfile
from mayfly.document import Document
from mayfly.errors import ConfigInvalid


# Filled in by load_document, not by the file's owner.
_OWN_FIELDS = {"source", "digest"}


def load(path: Path) -> Config:
    """The config at `path`, if nobody else can have written it; raises ConfigInvalid with every problem."""
    problems = paths.trust_problems(path)
    if problems:
        raise ConfigInvalid(*problems)
    return load_document(document.read(path))


def load_document(found: Document) -> Config:
    """The config in a document; raises ConfigInvalid with every problem."""
    problems = list(_name_problems(found))
    try:
        config = _converter().structure(found.tree, Config)
    except ClassValidationError as group:
        problems += _problems(group, ())
    else:
        problems += rules.problems(config)
        if not problems:
            return attrs.evolve(config, source=str(found.path), digest=found.digest)
    raise ConfigInvalid(*(f"{found.where(*keys)}: {text}" for keys, text in problems))


def _converter() -> Converter:
    converter = Converter(forbid_extra_keys=True)
    for kind, check in values.CHECKS.items():
        converter.register_structure_hook(kind, _as_hook(check))
    converter.register_structure_hook_func(lambda kind: kind == Profile, lambda value, _: _profile(converter, value))
    converter.register_structure_hook_func(_is_text_list, lambda value, _: _text_list(value))
    for table in (OnePassword, KeyProfile, RoleProfile):
        converter.register_structure_hook(table, _table_hook(converter.get_structure_hook(table)))
    converter.register_structure_hook(
        Config,
        make_dict_structure_fn(
            Config,
            converter,
            _cattrs_forbid_extra_keys=True,
            source=override(omit=True),
            digest=override(omit=True),
        ),
    )
    return converter


def _as_hook(check: Any) -> Any:
    return lambda value, _: check(value)


def _table_hook(plain: Any) -> Any:
    return lambda value, kind: plain(values.table(value), kind)


def _name_problems(found: Document) -> Iterator[rules.Problem]:
    for name in found.tables("profiles"):
        try:
            values.profile_name(name)
        except ValueError as reason:
            yield ("profiles", name), str(reason)


def _profile(converter: Converter, value: Any) -> KeyProfile | RoleProfile:
    """Whatever names a source or a role is a role profile, so that its complaints are about the right keys."""
    is_role = isinstance(value, dict) and not {"source_profile", "role_arn"}.isdisjoint(value)
    if is_role:
        return converter.structure(value, RoleProfile)
    return converter.structure(value, KeyProfile)


def _is_text_list(kind: Any) -> bool:
    return bool(kind == tuple[values.Text, ...])


def _text_list(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError("must be a list of texts")
    return tuple(values.text(item) for item in value)


def _problems(error: BaseException, keys: tuple[str, ...]) -> Iterator[rules.Problem]:
    """Every leaf of cattrs' tree of exceptions, with the keys that lead to it."""
    branches = _branches(error)
    if branches is not None:
        for inner, key in branches:
            yield from _problems(inner, (*keys, key) if key else keys)
    elif isinstance(error, ForbiddenExtraKeysError):
        for extra in sorted(error.extra_fields):
            yield (*keys, extra), _unknown_key(extra, error.cl)
    else:
        yield keys, "is missing" if isinstance(error, KeyError) else str(error)


def _branches(error: BaseException) -> list[tuple[BaseException, str]] | None:
    """The exceptions inside a group, each with the key that it is about; None for a leaf."""
    if not isinstance(error, ClassValidationError | IterableValidationError):
        return None
    placed, others = error.group_exceptions()
    branches: list[tuple[BaseException, str]] = [(inner, "") for inner in others]
    for inner, note in placed:
        branches.append((inner, str(note.name if isinstance(note, AttributeValidationNote) else note.index)))
    return branches


def _unknown_key(key: str, table: type) -> str:
    known = [field.name for field in attrs.fields(table) if field.name not in _OWN_FIELDS]
    near = difflib.get_close_matches(key, known, n=1)
    return (
        f"is not a known key: did you mean {near[0]}?" if near else f"is not a known key: known are {', '.join(known)}"
    )
