"""The region of a profile's clients if neither config nor user names one: most SDKs fail without a region."""

from __future__ import annotations

import re

from collections.abc import Iterator

from mayfly.config.document import Document, Tree
from mayfly.config.region import is_region


DEFAULT = "us-east-1"


def fallback(found: Document, name: str) -> str:
    """The region of the nearest source of the profile `name` that has one, else the first region of its partition."""
    line = list(_line(found, name))
    return next(filter(None, map(_region, line)), "") or _first_of(next(filter(None, map(_partition, line)), "aws"))


def _line(found: Document, name: str) -> Iterator[Tree]:
    """The profile and its sources, each once, even if the config leads in a circle."""
    tables = found.tables("profiles")
    while table := tables.pop(name, None):
        yield table
        name = str(table.get("source_profile", ""))


def _region(table: Tree) -> str:
    region = table.get("region")
    return str(region) if is_region(region) else ""  # `serve` says what is wrong with it


def _partition(table: Tree) -> str:
    arn = re.match(r"arn:([a-z0-9-]+):", str(table.get("role_arn") or table.get("mfa_id") or ""))
    return arn[1] if arn else ""


def _first_of(partition: str) -> str:
    if partition == "aws":
        return DEFAULT  # without botocore's data, because this runs in each shell start-up
    from mayfly.shared.partitions import partition_named

    return partition_named(partition).first_region
