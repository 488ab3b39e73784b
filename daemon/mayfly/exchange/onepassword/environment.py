"""The environment of `op`: an allow-list of variables, and exactly one way to authenticate."""

from __future__ import annotations

import os
import re
import stat

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from mayfly.exchange.onepassword import command, windows_drive
from mayfly.shared import trust
from mayfly.shared.errors import ConfigInvalid, OnePasswordHung
from mayfly.shared.files import Unreadable, read_plain_file


if TYPE_CHECKING:
    from mayfly.config.model import Way

TOKEN_COMMAND_SECONDS = 30
TOKEN_FILE_BYTES = 64 * 1024
_TOKEN = rb"\s*([!-~]{1,16384})\s*"

# `op` needs these, and OP_CONFIG_DIR, to find the app, its config and its language. No AWS variable, no `op` session of
# another terminal and no debug switch is among them.
_PASSED_ON = (
    "HOME",
    "PATH",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LC_MESSAGES",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "HTTPS_PROXY",
    "https_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    # The socket by which WSL starts Windows programs.
    "WSL_INTEROP",
)

# Variables that decide which account a person's own `op` uses, with the key of the config that takes their place here.
IN_PLACE = {
    "OP_ACCOUNT": "account",
    "OP_SERVICE_ACCOUNT_TOKEN": "token_file",
    "OP_CONNECT_HOST": "connect_host",
    "OP_CONNECT_TOKEN": "connect_token_file",
}


def overlooked(onepassword: Way, environ: Mapping[str, str], table: str, whose: str) -> list[str]:
    """A line for each variable of `environ` that our `op` does not get, and for which the config has nothing instead.

    `table` is the name of the table in the config; `whose` says whose environment it is.
    """
    if onepassword.mode != "desktop":
        return []
    found = [name for name in IN_PLACE if environ.get(name) and not (name == "OP_ACCOUNT" and onepassword.account)]
    return [f"{name} {whose} does not count: {IN_PLACE[name]} in [{table}] takes its place" for name in found]


def passed_on(environ: Mapping[str, str], more: Iterable[str] = ()) -> dict[str, str]:
    """The variables of `environ` that a program gets which shows something to a person, and those that `more` names."""
    return {name: environ[name] for name in (*_PASSED_ON, *more) if name in environ}


def plain_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of an `op` that need not authenticate, taken from `environ`."""
    return passed_on(environ, ("OP_CONFIG_DIR",)) | {"OP_CACHE": "false"}


def op_environment(onepassword: Way, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of `op` for this [onepassword] table, taken from `environ`.

    Raises ConfigInvalid or OnePasswordHung if its token cannot be had.
    """
    chosen = _with_authentication(onepassword, environ)
    if windows_drive.is_op_exe(onepassword.op):
        # A Windows program gets the variables that WSLENV names; /w: from WSL to Windows, and not back.
        chosen["WSLENV"] = ":".join(f"{name}/w" for name in chosen if name.startswith("OP_"))
    return chosen


def _with_authentication(onepassword: Way, environ: Mapping[str, str]) -> dict[str, str]:
    chosen = plain_environment(environ)
    if onepassword.mode == "desktop":
        return chosen
    # Without these two op reads the desktop app's settings first, and on macOS can hang there.
    chosen |= {"OP_LOAD_DESKTOP_APP_SETTINGS": "false", "OP_BIOMETRIC_UNLOCK_ENABLED": "false"}
    if onepassword.mode == "connect":
        token = _token_in_file(onepassword.connect_token_file)
        return chosen | {"OP_CONNECT_HOST": str(onepassword.connect_host), "OP_CONNECT_TOKEN": token}
    by_command = onepassword.token_command is not None
    token = _token_by_command(onepassword, environ) if by_command else _token_in_file(onepassword.token_file)
    return chosen | {"OP_SERVICE_ACCOUNT_TOKEN": token}


def _token_by_command(onepassword: Way, environ: Mapping[str, str]) -> str:
    words = command.found("token_command", onepassword.token_command or (), environ)
    limit_seconds = min(TOKEN_COMMAND_SECONDS, onepassword.timeout_seconds)
    try:
        printed = command.output(
            "token_command", words, environment=environ, limit_seconds=limit_seconds, expected="a token"
        )
    except command.TooSlow as reason:
        raise OnePasswordHung(str(reason)) from None
    except command.Failed as reason:
        raise ConfigInvalid(str(reason)) from None
    return _token(printed, f"token_command {words[0]}")


def token_file_problems(path: str) -> list[str]:
    """Why the token in this file would not be used: others could change or read it, or it is no file. Does not read it.

    Raises OSError if it is not there.
    """
    from shlex import quote

    problems = trust.trust_problems(path)
    facts = os.stat(path)
    if facts.st_mode & 0o077:
        problems.append(f"{path} is open to others: chmod 600 {quote(path)}")
    if not stat.S_ISREG(facts.st_mode):
        problems.append(f"{path} is no file")
    return problems


def _token_in_file(name: str | None) -> str:
    path = name or ""
    try:
        if problems := token_file_problems(path):
            raise ConfigInvalid(*problems)
        return _token(read_plain_file(path, TOKEN_FILE_BYTES), path)
    except Unreadable as reason:
        raise ConfigInvalid(f"{path} {reason}") from None
    except OSError as reason:
        raise ConfigInvalid(f"{path}: the token cannot be read: {reason.strerror}") from None


def _token(raw: bytes, source: str) -> str:
    found = re.fullmatch(_TOKEN, raw)
    if not found:
        raise ConfigInvalid(f"{source}: gives no token: expected one word")
    return found[1].decode()
