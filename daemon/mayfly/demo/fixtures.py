"""Fixtures of the demo's stage: an account, a config, a folder, a port, and an environment without the user's own."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile

from collections.abc import Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path

from mayfly.demo.op.vault import ITEM, Vault
from mayfly.demo.sts.account import Account, User


ACCOUNT_ID = "058264411872"
USER = "carmas"
MAX_SOCKET_PATH = 100  # bytes; macOS has 104 (sys/un.h), and long names for temporary folders

# The variables that configure AWS, 1Password, Mayfly or the desktop. The demo sets its own.
_PREFIXES = ("AWS_", "OP_", "MAYFLY_", "XDG_", "DBUS_", "LISTEN_", "NOTIFY_", "WATCHDOG_")
# They bring certificates of the machine to the demo's STS, which speaks plain http.
_CERTIFICATES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
_DESKTOP = {"DISPLAY", "WAYLAND_DISPLAY", "SSH_AUTH_SOCK"}


def account_of(vault: Vault) -> Account:
    """An AWS account with one user, whose access key and MFA device are in `vault`."""
    user = User(
        name=USER,
        user_id="AIDAEXAMPLEUSERID00001",
        access_key_id=vault.access_key_id,
        secret_access_key=vault.secret_access_key,
        mfa_serial=vault.mfa_id,
        totp_seed=vault.totp_seed,
    )
    return Account(account_id=ACCOUNT_ID, users=(user,))


def seed_config(vault: Vault) -> dict[str, dict[str, str]]:
    """A config with one account, in the JSON form."""
    return {"aws": {"org_id": "nsrc", "name": ITEM} | vault.references()}


def neutral(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` without the variables that configure AWS, 1Password, Mayfly, a proxy, certificates or the desktop."""
    return {
        name: value
        for name, value in environ.items()
        if not name.startswith(_PREFIXES)
        and not name.lower().endswith("_proxy")
        and name not in (*_DESKTOP, *_CERTIFICATES)
    }


def folder_to_add(environ: Mapping[str, str], own: Path | None = None) -> str | None:
    """The folder to add to another terminal's PATH, so that it finds this `mayfly`; None if it finds it already.

    `own` is this program, by default the one beside our Python.
    """
    own = own or Path(sys.executable).with_name("mayfly")
    found = shutil.which("mayfly", path=_usual_path(environ))
    is_found = found is not None and Path(found).resolve() == own.resolve()
    return None if is_found or not own.exists() else str(own.parent)


def has_aws(environ: Mapping[str, str], added: str | None) -> bool:
    """True if another terminal has the AWS CLI, with the folder `added` on its PATH."""
    return shutil.which("aws", path=f"{added or ''}:{_usual_path(environ)}") is not None


def _usual_path(environ: Mapping[str, str]) -> str:
    """PATH without the virtual environment, which is active in this terminal only."""
    active = f"{environ.get('VIRTUAL_ENV') or '/nowhere'}/bin"
    return ":".join(folder for folder in environ.get("PATH", os.defpath).split(":") if folder != active)


def temporary_folder() -> str:
    """The usual temporary folder, or /tmp if a socket's path would be too long in it."""
    usual = str(Path(tempfile.gettempdir()).resolve())
    return usual if len(usual) + len("/mayfly-demo-12345678/run/control.sock") < MAX_SOCKET_PATH else "/tmp"  # noqa: S108


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on.

    It is below the ports that a kernel assigns by itself (Linux: from 32768 on), so that nobody gets it before the
    daemon does. Each process starts its search at another port.
    """
    ports = range(28_000, 32_000)
    start = os.getpid() % len(ports)
    return next(port for port in chain(ports[start:], ports[:start]) if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False
