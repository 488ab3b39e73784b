"""Private names of aiohttp and aiobotocore that Mayfly uses: a version without them is found here, not by a user.

`pyproject.toml` takes no next major version of either. A name that is missing below stops the update, and shows where.
"""

from __future__ import annotations

import ast
import inspect
import re

from pathlib import Path

import pytest

from aiobotocore.httpsession import AIOHTTPSession
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

import mayfly

from mayfly.daemon.http.connection import Connection
from mayfly.daemon.http.server import Server
from mayfly.exchange.sts.http_session import StsHttpSession


PACKAGE = Path(mayfly.__file__).parent

# Ours, theirs, and the names of theirs that ours uses.
USED = [
    (
        Connection,
        RequestHandler,
        {
            "_close",
            "_force_close",
            "_loop",
            "_manager",
            "_message_tail",
            "_messages",
            "_next_keepalive_close_time",
            "_parser",
            "_request_count",
            "_upgraded",
            "_waiter",
        },
    ),
    (Server, web.Server, {"_connections", "_loop"}),
    (StsHttpSession, AIOHTTPSession, {"_build_verify_context", "_get_session"}),
]


@pytest.mark.parametrize(("ours", "theirs", "names"), USED, ids=lambda value: getattr(value, "__name__", ""))
def test_every_private_name_that_we_use_is_there(ours: type, theirs: type, names: set[str]) -> None:
    """Names of the parent class that ours reads or overrides, and no others, are in this table."""
    source = inspect.getsource(theirs)
    missing = {name for name in names if not re.search(rf"\bself\.{name}\b|def {name}\b", source)}
    own = set(getattr(ours, "__slots__", ())) | {name for name in vars(ours) if not hasattr(theirs, name)}
    seen = set(re.findall(r"(?:self|super\(\))\.(_[a-z]\w*)", inspect.getsource(ours)))
    set_by_us = set(re.findall(r"self\.(_[a-z]\w*)(?:: [^=]+)? = ", inspect.getsource(ours)))
    foreign = {name for name in seen - own if name not in set_by_us or re.search(rf"self\.{name}\b", source)}

    assert set() == missing
    assert names == foreign


def test_private_modules_of_other_packages_are_not_imported() -> None:
    """A name that begins with an underscore in an import is somebody's own."""
    found = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            found += [f"{path.name}: {name}" for name in modules if re.search(r"(^|\.)_(?!_)", name)]
    assert [] == found
