"""The environment of `op`: an allow-list of variables, and exactly one way to authenticate."""

from __future__ import annotations

import os
import re
import stat

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mayfly.exchange.onepassword.child import Child, Flooded, Hung
from mayfly.shared import errors, programs, trust
from mayfly.shared.errors import ConfigInvalid
from mayfly.shared.files import Unreadable, read_plain_file


if TYPE_CHECKING:
    from mayfly.config.way import Way

TOKEN_COMMAND_SECONDS = 30
TOKEN_FILE_BYTES = 64 * 1024
_TOKEN = rb"\s*([!-~]{1,16384})\s*"

# `op` needs these to find the app, its config and its language. No AWS variable, no `op` session of another terminal
# and no debug switch is among them.
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
    "OP_CONFIG_DIR",
    "HTTPS_PROXY",
    "https_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)


def plain_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of an `op` that need not authenticate, taken from `environ`."""
    return {name: environ[name] for name in _PASSED_ON if name in environ} | {"OP_CACHE": "false"}


def op_environment(onepassword: Way, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of `op` for this [onepassword] table, taken from `environ`.

    Raises ConfigInvalid or OnePasswordHung if its token cannot be had.
    """
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
    command = _program_and_arguments(onepassword, environ)
    limit_seconds = min(TOKEN_COMMAND_SECONDS, onepassword.timeout_seconds)
    try:
        with Child(command, environment=environ, limit_seconds=limit_seconds) as child:
            printed = child.printed()
    except Hung:
        raise errors.OnePasswordHung(f"token_command {command[0]} did not end within {limit_seconds} s") from None
    except Flooded:
        raise ConfigInvalid(f"token_command {command[0]} printed far more than a token") from None
    except OSError as reason:
        raise ConfigInvalid(f"token_command {command[0]} cannot be run: {reason.strerror}") from None
    if printed.exit_code:
        raise ConfigInvalid(f"token_command {command[0]} failed (exit code {printed.exit_code})")
    return _token(printed.stdout, f"token_command {command[0]}")


def _program_and_arguments(onepassword: Way, environ: Mapping[str, str]) -> tuple[str, ...]:
    name, *arguments = onepassword.token_command or ()
    try:
        return (programs.place_of(name, environ), *arguments)
    except programs.NotFound as reason:
        raise ConfigInvalid(*(f"token_command: {line}" for line in reason.distrusted or (str(reason),))) from None


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
