"""The routes of the control socket: methods of paths, and the calls that they answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import NamedTuple, cast

from aiohttp import web

from mayfly.daemon.http.answer import Answer
from mayfly.daemon.http.connection import Connection


class Call(NamedTuple):
    """One call of a route: the profile or the grant's ID in its path ("" if there is none), and the caller's pid.

    0 is an unknown pid.
    """

    profile: str
    pid: int
    request: web.BaseRequest
    grant_id: str = ""


# By method.
Routes = dict[str, Callable[[Call], Awaitable[Answer]]]


def awaiting(call: Call, profile: str) -> AbstractContextManager[None]:
    """The block waits for credentials: among many such commands, this one may have to make room (http/places.py)."""
    return cast(Connection, call.request.protocol).awaiting(profile)
