"""botocore's data files, read once for all exchanges of a process: they are half of what each costs.

A test of what is read, and from where, asks for an exchange from scratch.
"""

from __future__ import annotations

import asyncio
import logging

from datetime import UTC, datetime
from typing import Any, ClassVar

from botocore.loaders import Loader

from mayfly.exchange.sts import client
from mayfly.exchange.sts.location import StsLocation


class SharingLoader(Loader):
    """A loader that keeps what it has read for all others."""

    _read: ClassVar[dict[Any, Any]] = {}

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._cache = self._read


def read() -> None:
    """Read what a client of STS needs, for this process and those that it forks."""
    client.Loader = SharingLoader
    anywhere = StsLocation(region="us-east-1", endpoint_url="http://127.0.0.1:1")
    asyncio.run(client.Sts(lambda: datetime.now(UTC)).warm_up(anywhere))
    logging.disable(logging.NOTSET)
