"""The embedded vault: the items that the stand-in `op` of `mayfly demo` and of the tests knows.

Law: each vault makes up its own keys. None of them is ever written into this repository.
"""

import json
import secrets
import shlex
import string
import sys

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mayfly.demo import totp
from mayfly.demo.op import state as op_state
from mayfly.shared.interpreter import isolation_flags


VAULT = "NSRC"
ITEM = "NSRC AWS Training Account"

_UPPER = string.ascii_uppercase + string.digits
_LOWER = string.ascii_lowercase + string.digits
_BASE32 = string.ascii_uppercase + "234567"
_SHIM = """\
#!/bin/sh
# The exchange passes on few variables, so the shim says where the state is.
export FAKE_OP_STATE={state} FAKE_OP_LOG={log}
exec {python} {isolation} -m mayfly.demo.op "$@"
"""


def new_id() -> str:
    """A made-up ID as 1Password's are: 26 lower-case letters and digits."""
    return _random(26, _LOWER)


class Vault:
    """The state of a stand-in `op`: one account, and the vault NSRC with the seed config's item.

    It is in memory until `install`, and then in the file that the stand-in uses.
    """

    def __init__(self, mfa_id: str = "arn:aws:iam::058264411872:mfa/carmas") -> None:
        self.access_key_id = "AKIA" + _random(16, _UPPER)
        self.secret_access_key = _random(40, string.ascii_letters + string.digits + "/+")
        self.totp_seed = _random(32, _BASE32)
        self.mfa_id = mfa_id
        self._folder: Path | None = None
        self._state = _empty_state()
        self.item_id = self.add_item(
            ITEM,
            {
                "access_key_id": self.access_key_id,
                "secret_access_key": self.secret_access_key,
                "totp": self.totp_seed,
                "mfa_id": self.mfa_id,
            },
        )

    def add_item(self, title: str, fields: Mapping[str, str], *, vault: str = VAULT) -> str:
        """Add an item, and its vault if there is none of that name yet; return the item's ID.

        The field `totp` becomes a one-time password with that seed, `secret_access_key` is concealed, the others are
        text.
        """
        item = {
            "id": new_id(),
            "title": title,
            "category": "API_CREDENTIAL",
            "fields": [_field(label, value) for label, value in fields.items()],
        }
        with self._changing() as state:
            ids = {known["name"]: known["id"] for known in state["vaults"]}
            if vault not in ids:
                ids[vault] = new_id()
                state["vaults"].append({"id": ids[vault], "name": vault, "content_version": 1})
            state["items"].append(item | {"vault": ids[vault]})
        return str(item["id"])

    def references(self, item: str = ITEM, vault: str = VAULT) -> dict[str, str]:
        """The four references of an item, by their keys in the config."""
        where = f"op://{vault}/{item}"
        names = {"otp": "totp"}
        keys = ("access_key_id", "secret_access_key", "otp", "mfa_id")
        return {key: f"{where}/{names.get(key, key)}" for key in keys}

    def install(self, folder: Path) -> Path:
        """Write state, log and `bin/op` into `folder`, and return the path of that `op`.

        Only this user can read them; the umask does not matter.
        """
        folder = folder.absolute()
        shim = folder / "bin" / "op"
        for place in (folder, shim.parent):
            place.mkdir(parents=True, exist_ok=True)
            place.chmod(0o700)
        state, log = folder / "state.json", folder / "op.log"
        text = _SHIM.format(
            state=shlex.quote(str(state)),
            log=shlex.quote(str(log)),
            python=shlex.quote(sys.executable),
            isolation=shlex.join(isolation_flags()),
        )
        _write(state, json.dumps(self._state), 0o600)
        _write(log, "", 0o600)
        _write(shim, text, 0o700)
        self._folder = folder
        return shim

    def update(self, **changes: Any) -> None:
        """Merge `changes` into the state, tables into tables. Running calls see all of them or none."""
        with self._changing() as state:
            state.update(op_state.merged(state, changes))

    def state(self) -> dict[str, Any]:
        """The state as it is now, with the counts `prompts`, `calls`, `overlap` and the list `daemons`."""
        return op_state.read(str(self._folder / "state.json")) if self._folder else self._state

    def calls(self) -> list[dict[str, Any]]:
        """The log: one row for each call that has ended or hangs. Calls that were killed with SIGKILL are missing."""
        if self._folder is None:
            return []
        return [json.loads(line) for line in (self._folder / "op.log").read_text().splitlines()]

    def code_at(self, epoch_seconds: float) -> str:
        """The code of the seed config's item at that time."""
        return totp.code_of(self.totp_seed, totp.step_at(epoch_seconds))

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        if self._folder is None:
            yield self._state
            return
        with op_state.changing(str(self._folder / "state.json")) as state:
            yield state


def _empty_state() -> dict[str, Any]:
    account = {"url": "my.1password.com", "email": "carmas@example.com"}
    return {
        "version": "2.39.0",
        "mode": "desktop",
        "accounts": [account | {"user_uuid": new_id().upper(), "account_uuid": new_id().upper()}],
        "vaults": [],
        "items": [],
        "app": {"running": True, "locked": False, "setgid_ok": True, "integration": True},
        "prompt": {
            "answer": "approve",
            "delay_s": 0.0,
            "timeout_s": 60,
            "platform": "darwin" if sys.platform == "darwin" else "linux",
        },
        "auth": {"session_key": "none-shared", "idle_s": 600, "max_s": 43_200, "grants": {}},
        "prompts": 0,
        "calls": 0,
        "overlap": {"now": 0, "max": 0},
    }


def _field(label: str, value: str) -> dict[str, str]:
    if label == "totp":
        return {"id": f"TOTP_{new_id()}", "label": label, "type": "OTP", "seed": value}
    kind = "CONCEALED" if label == "secret_access_key" else "STRING"
    return {"id": new_id(), "label": label, "type": kind, "value": value}


def _random(length: int, alphabet: str) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))


def _write(path: Path, content: str, mode: int) -> None:
    path.unlink(missing_ok=True)  # an old file may be readable by others
    path.touch(mode=mode)
    path.chmod(mode)
    path.write_text(content, encoding="utf-8")
