"""What a login asks of `op`, read from the document without attrs and cattrs, which take as long as four interpreters.

The exchange starts `op` by it, and checks the whole config while `op` runs. So each value here passes the very check
that `load` applies, and unusual values are left to `load`, which tells the problem. ValueError, TypeError, LookupError
and AttributeError mean no more than that there is no sketch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from mayfly.config import kinds, values
from mayfly.config.document import Document, Tree
from mayfly.config.way import PlainWay, references_of


class Link(NamedTuple):
    """What a profile says of where STS is: the regions and the endpoint that it names, and its ARN or its reference.

    `arn` is "" for a profile without MFA.
    """

    regions: tuple[str, ...]
    endpoint_url: str | None
    arn: str


class Sketch(NamedTuple):
    """A profile that is logged in to. `references` are what `op` resolves, in the order of KeyProfile.references.

    `otp` is None where `op` gives no code, `mfa_id` without MFA. `links` lead from the profile down to the one with
    keys; `table` is the name of the table of `way`.
    """

    way: PlainWay
    table: str
    references: tuple[str, ...]
    otp: str | None
    otp_command: tuple[str, ...] | None
    mfa_id: str | None
    links: tuple[Link, ...]


def sketches(found: Document, profiles: Iterable[str]) -> tuple[Sketch, ...]:
    """The profiles below `profiles` that are logged in to, each once."""
    tables = found.tree["profiles"]
    return tuple(_sketch(found.tree, base) for base in dict.fromkeys(_base(tables, name) for name in profiles))


def _base(tables: Tree, profile: str) -> str:
    """The profile with keys, or the nearest role with a code of its own, as Config.base_of finds it."""
    return next(name for name in _ancestry(tables, profile) if not kinds.is_role(tables[name]) or "mfa" in tables[name])


def _ancestry(tables: Tree, profile: str) -> Iterator[str]:
    """The profile, then its source profile, down to the profile with keys."""
    seen = set[str]()
    while profile not in seen:
        seen.add(profile)
        yield profile
        table = kinds.table(tables[profile])
        if not kinds.is_role(table):
            return
        profile = values.profile_name(table["source_profile"])
    raise ValueError("leads back to itself")


def _sketch(tree: Tree, base: str) -> Sketch:
    line = [tree["profiles"][name] for name in _ancestry(tree["profiles"], base)]
    keys = line[-1]
    mfa_id, otp = _mfa_device(keys), values.otp_reference(keys["otp"]) if "otp" in keys else None
    if (mfa_id is None) != _has_no_codes(keys):
        raise ValueError("has half an MFA device")
    named = keys.get("onepassword")
    return Sketch(
        way=_way(tree.get("onepassword", {}) if named is None else tree["onepasswords"][named]),
        table="onepassword" if named is None else f"onepasswords.{named}",
        references=references_of(
            values.reference(keys["access_key_id"]), values.reference(keys["secret_access_key"]), mfa_id, otp
        ),
        otp=otp,
        otp_command=_words(keys["otp_command"]) if "otp_command" in keys else None,
        mfa_id=mfa_id,
        links=tuple(map(_link, line)),
    )


def _mfa_device(keys: Tree) -> str | None:
    return values.mfa_device(keys["mfa_id"]) if "mfa_id" in keys else None


def _has_no_codes(keys: Tree) -> bool:
    """True if nothing gives codes. That two sources do, the whole check tells."""
    return keys.keys().isdisjoint(("otp", "otp_command"))


def _link(table: Tree) -> Link:
    if "sts_region" in table:
        named = table["sts_region"]
        listed = named if isinstance(named, list) and named else [named]
    else:
        listed = [table["region"]] if "region" in table else []
    regions = tuple(map(values.region, listed))
    url = values.endpoint_url(table["sts_endpoint_url"]) if "sts_endpoint_url" in table else None
    if not kinds.is_role(table):
        return Link(regions, url, _mfa_device(table) or "")
    if "mfa" in table:
        values.mfa_mode(table["mfa"])
    return Link(regions, url, values.role_arn(table["role_arn"]))


def _words(value: Any) -> tuple[str, ...]:
    return tuple(map(kinds.text, kinds.array(value)))


_WAY: Mapping[str, Any] = {
    "op": values.file_path,
    "account": kinds.text,
    "timeout_seconds": values.CHECKS[values.LimitSeconds],
    "token_file": values.file_path,
    "token_command": _words,
    "connect_host": values.endpoint_url,
    "connect_token_file": values.file_path,
}


def _way(table: Tree) -> PlainWay:
    way = PlainWay(**{name: _WAY[name](value) for name, value in kinds.table(table).items()})
    chosen = [found for found in (way.token_file, way.token_command, way.connect_host) if found is not None]
    is_half = (way.connect_host is None) != (way.connect_token_file is None)
    if is_half or len(chosen) > 1 or () in chosen or (chosen and way.account):
        raise ValueError("is not one way")
    return way
