"""What the demo puts on its stage: made anew for each, and nothing of the user's own among it."""

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
from mayfly.demo.sts.server import Account, User


ACCOUNT_ID = "058264411872"
USER = "carmas"
MAX_SOCKET_PATH = 100  # 104 on macOS (sys/un.h), whose usual temporary folders are long

# Whatever means AWS, 1Password, Mayfly or this desktop to a program. The demo has its own of each.
_OURS = ("AWS_", "OP_", "MAYFLY_", "XDG_", "DBUS_", "LISTEN_", "NOTIFY_", "WATCHDOG_")
_DESKTOP = {"DISPLAY", "WAYLAND_DISPLAY", "SSH_AUTH_SOCK"}


def account_of(vault: Vault) -> Account:
    """The account whose user's keys are in `vault`."""
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
    """A config of the one-account shape."""
    return {"aws": {"org_id": "nsrc", "name": ITEM} | vault.references()}


def neutral(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of `environ` that mean nothing of the user's own to a program."""
    return {
        name: value
        for name, value in environ.items()
        if not name.startswith(_OURS) and not name.lower().endswith("_proxy") and name not in _DESKTOP
    }


def folder_to_add(environ: Mapping[str, str], own: Path | None = None) -> str | None:
    """What another terminal must have on its PATH to find our own `mayfly`; None if it finds it without.

    `own` is our program, by default the one beside our Python.
    """
    own = own or Path(sys.executable).with_name("mayfly")
    found = shutil.which("mayfly", path=_usual_path(environ))
    is_found = found is not None and Path(found).resolve() == own.resolve()
    return None if is_found or not own.exists() else str(own.parent)


def has_aws(environ: Mapping[str, str], added: str | None) -> bool:
    """Whether another terminal has the AWS CLI, once the folder `added` is on its PATH."""
    return shutil.which("aws", path=f"{added or ''}:{_usual_path(environ)}") is not None


def _usual_path(environ: Mapping[str, str]) -> str:
    """PATH without the virtual environment that is active in this terminal only."""
    active = f"{environ.get('VIRTUAL_ENV') or '/nowhere'}/bin"
    return ":".join(folder for folder in environ.get("PATH", os.defpath).split(":") if folder != active)


def temporary_folder() -> str:
    """The usual temporary folder, unless a socket's path would become too long there."""
    usual = str(Path(tempfile.gettempdir()).resolve())
    return usual if len(usual) + len("/mayfly-demo-12345678/run/control.sock") < MAX_SOCKET_PATH else "/tmp"  # noqa: S108


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on.

    It is below those that kernels give to whoever does not name one (Linux: from 32768 on), so that nobody takes it
    before the daemon does; and another process begins to look at another place.
    """
    some = range(28_000, 32_000)
    start = os.getpid() % len(some)
    return next(port for port in chain(some[start:], some[:start]) if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False
