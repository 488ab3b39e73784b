"""AWS's partitions, from botocore's data: a newer botocore brings the new ones.

The file is read without importing botocore, which is slow.
"""

from __future__ import annotations

import json
import os
import re

from functools import cache
from importlib.util import find_spec
from typing import NamedTuple


# For a region that fits no partition, and where there is no data.
_USUAL = "aws"


class Partition(NamedTuple):
    """A part of AWS with regions, hosts and accounts of its own.

    `first_region` is where its global services are; `domains` are what its hosts end with, without a leading dot.
    """

    name: str
    first_region: str
    domains: tuple[str, ...]
    regions: frozenset[str]
    region_pattern: str


def partition_named(name: str) -> Partition:
    """The partition called `name` (`aws-cn`), or the usual one."""
    return next((found for found in partitions() if found.name == name), partitions()[0])


def partition_of(arn: str) -> str:
    """`aws`, `aws-cn`, …; "" for what is no ARN."""
    parts = arn.split(":")
    return parts[1] if len(parts) > 5 and parts[0] == "arn" else ""


def partition_with(region: str) -> Partition:
    """The partition that has `region`, else one whose regions are named like it, else the usual one."""
    exact = (found for found in partitions() if region in found.regions)
    like = (found for found in partitions() if re.fullmatch(found.region_pattern, region))
    return next(exact, None) or next(like, partitions()[0])


def sts_host(region: str) -> str:
    """The host of STS in a region."""
    return f"sts.{region}.{partition_with(region).domains[0]}"


@cache
def partitions() -> tuple[Partition, ...]:
    """All of them, the usual one first."""
    with open(os.path.join(botocore_folder(), "data", "partitions.json"), "rb") as file:
        found = [_partition(row) for row in json.load(file)["partitions"]]
    return tuple(sorted(found, key=lambda partition: partition.name != _USUAL))


def botocore_folder() -> str:
    """The folder of botocore, which is found without an import of it."""
    spec = find_spec("botocore")
    places = spec.submodule_search_locations if spec else None
    return next(iter(places or ()), "")


def _partition(row: dict[str, object]) -> Partition:
    outputs, regions = row["outputs"], row["regions"]
    assert isinstance(outputs, dict) and isinstance(regions, dict)  # noqa: S101, PT018 - botocore's own data
    return Partition(
        name=str(row["id"]),
        first_region=outputs["implicitGlobalRegion"],
        domains=(outputs["dnsSuffix"], outputs["dualStackDnsSuffix"]),
        regions=frozenset(regions),
        region_pattern=str(row["regionRegex"]),
    )
