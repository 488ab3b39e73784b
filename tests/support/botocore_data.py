"""botocore's data files, read once for all exchanges of a process: they are half of what each costs.

Most of the other half is what a session finds out anew of each of its hundred handlers, and is the same each time.

A test of what is read, and from where, asks for an exchange from scratch.
"""

from __future__ import annotations

import asyncio
import inspect
import logging

from datetime import UTC, datetime
from typing import Any, ClassVar

from botocore import hooks
from botocore.loaders import Loader

from mayfly.exchange.sts import client
from mayfly.exchange.sts.location import StsLocation


class SharingLoader(Loader):
    """A loader that keeps what it has read for all others."""

    _read: ClassVar[dict[Any, Any]] = {}

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._cache = self._read


_names: dict[str, str] = {}
_alias, _accepts_kwargs = hooks.EventAliaser._alias_event_name, hooks.accepts_kwargs


def shared_alias(aliaser: hooks.EventAliaser, name: str) -> str:
    """What an event is called now; asked of botocore once a name."""
    if aliaser._event_aliases is not hooks.EVENT_ALIASES:
        return str(_alias(aliaser, name))
    if name not in _names:
        _names[name] = _alias(aliaser, name)
    return _names[name]


def accepts_kwargs(handler: Any) -> Any:
    """Whether a handler takes any keyword, without its whole signature, where that can be seen at once."""
    code = getattr(handler, "__code__", None)
    return code.co_flags & inspect.CO_VARKEYWORDS if code else _accepts_kwargs(handler)


def read() -> None:
    """Read what a client of STS needs, for this process and those that it forks."""
    client.Loader = SharingLoader
    hooks.EventAliaser._alias_event_name = shared_alias
    hooks.accepts_kwargs = accepts_kwargs
    anywhere = StsLocation(region="us-east-1", endpoint_url="http://127.0.0.1:1")
    asyncio.run(client.Sts(lambda: datetime.now(UTC)).warm_up(anywhere))
    logging.disable(logging.NOTSET)
