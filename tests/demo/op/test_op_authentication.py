"""The stand-in `op`: which modes authenticate, what a refused call prints, and the human at the prompt."""

from __future__ import annotations

import json
import subprocess
import sys
import time

from typing import Any

import pytest

from mayfly.demo.op import messages
from mayfly.demo.op.vault import ITEM, VAULT, Vault
from support.op import DISMISSED, PREFIX, REFERENCE, Op, template, until


CASES: list[tuple[dict[str, Any], str, int]] = [
    ({"app": {"running": False}}, messages.APP_NOT_RUNNING, 1),
    ({"app": {"setgid_ok": False}}, messages.APP_RESETS, 1),
    ({"app": {"integration": False}}, messages.NOT_SIGNED_IN, 1),
    ({"mode": "none"}, messages.NO_ACCOUNTS, 1),
    ({"mode": "manual"}, messages.NOT_SIGNED_IN, 1),
    ({"network": "offline"}, "dial tcp: lookup my.1password.com: no such host", 1),
    ({"prompt": {"answer": "reject"}}, DISMISSED, 1),
    ({"prompt": {"answer": "reject", "bare": True}}, messages.PROMPT_DISMISSED, 1),
    *(({"fail": name}, *failure) for name, failure in messages.FAILURES.items()),
    *(({"ratelimit": name}, *messages.FAILURES[name]) for name in ("hourly", "daily", "throttle")),
]


@pytest.mark.parametrize(("state", "error", "code"), CASES)
def test_state_of_the_world_has_its_message(op: Op, vault: Vault, state: dict[str, Any], error: str, code: int) -> None:
    """Each state in which nobody gets in has its message and its exit code, and leaves stdout empty."""
    vault.update(**state)

    assert (error, code) == op.refused("inject", stdin=template(vault))


def test_error_has_its_time_before_it(op: Op, vault: Vault) -> None:
    """`[ERROR]` and the time stand before an error, but not before the list of ways to sign in."""
    with op.start("nope") as process:
        _, prefixed = process.communicate(b"")
    vault.update(mode="none")
    with op.start("vault", "list") as process:
        _, bare = process.communicate(b"")

    assert PREFIX.match(prefixed.decode())
    assert bare.startswith(b"No accounts configured for use with 1Password CLI.\n\n - ")


def test_account_is_known_by_any_of_its_names(op: Op, vault: Vault) -> None:
    """URL, email and IDs all select an account."""
    for name in vault.state()["accounts"][0].values():
        op.ask("--account", name, "vault", "list")

    refused = ("no account found for filter nobody", 1)
    assert refused == op.refused("--account=nobody", "inject", stdin="x")
    assert refused == op.refused("inject", stdin="x", OP_ACCOUNT="nobody")


def test_whoami_knows_nobody_in_desktop_mode(op: Op, vault: Vault) -> None:
    """`op whoami` fails even after a call that the app has authorized."""
    op.ask("vault", "list")

    assert (messages.ACCOUNT_NOT_SIGNED_IN, 1) == op.refused("whoami")
    vault.update(mode="none")
    assert ("no account found for filter ", 1) == op.refused("whoami")
    assert "[]\n" == op.ask("account", "list", "--format=json")
    assert "" == op.ask("account", "list")


def test_service_account_needs_no_approval(op: Op, vault: Vault) -> None:
    """A service account never prompts, is unknown to `op whoami` before its first call, and must name the vault."""
    vault.update(mode="service", service_token="ops_right")
    right = {"OP_SERVICE_ACCOUNT_TOKEN": "ops_right"}
    unused = ("service account token set, but not authenticated yet", 1)

    assert unused == op.refused("whoami", **right)
    assert vault.access_key_id == op.ask("inject", stdin=f"{{{{ {REFERENCE} }}}}", **right)
    assert "SERVICE_ACCOUNT" == json.loads(op.ask("whoami", **right))["user_type"]
    assert 0 == vault.state()["prompts"]
    vault.add_item("Other", {}, vault="More")
    assert (messages.VAULT_NEEDED, 1) == op.refused("item", "get", ITEM, **right)


def test_service_account_with_another_token_is_refused(op: Op, vault: Vault) -> None:
    """A wrong token is malformed; without a token, or with --account, there is no account."""
    vault.update(mode="service", service_token="ops_right")
    wrong = {"OP_SERVICE_ACCOUNT_TOKEN": "ops_wrong"}

    assert (messages.SERVICE_TOKEN_MALFORMED, 1) == op.refused("vault", "list", **wrong)
    assert (messages.NO_ACCOUNTS, 1) == op.refused("vault", "list")
    assert (messages.NO_ACCOUNTS, 1) == op.refused("vault", "list", "--account=my.1password.com", **wrong)


def test_connect_server_wins_over_a_service_account(op: Op, vault: Vault) -> None:
    """With both tokens set, `op` asks the Connect server."""
    vault.update(mode="connect", connect_token="right")
    right = {"OP_CONNECT_HOST": "http://127.0.0.1:1", "OP_CONNECT_TOKEN": "right"}
    service = {"OP_SERVICE_ACCOUNT_TOKEN": "ops_any"}

    assert VAULT in op.ask("vault", "list", **right, **service)
    wrong = right | {"OP_CONNECT_TOKEN": "wrong"}
    assert (messages.CONNECT_UNAUTHORIZED, 4) == op.refused("vault", "list", **wrong)


def test_environment_can_keep_op_from_the_app(op: Op) -> None:
    """With OP_BIOMETRIC_UNLOCK_ENABLED=false `op` does not ask the app."""
    refused = op.refused("vault", "list", OP_BIOMETRIC_UNLOCK_ENABLED="false")

    assert (messages.NOT_SIGNED_IN, 1) == refused


@pytest.mark.parametrize(
    ("platform", "error"),
    [("darwin", "error initializing client: authorization timeout"), ("linux", DISMISSED)],
)
def test_ignored_prompt_times_out(op: Op, vault: Vault, platform: str, error: str) -> None:
    """On Linux an ignored prompt ends with the message of a rejected one."""
    vault.update(prompt={"answer": "ignore", "timeout_s": 0.1, "platform": platform})

    assert (error, 1) == op.refused("vault", "list")


def test_code_is_computed_after_the_approval(op: Op, vault: Vault) -> None:
    """However long the human takes, the code is current."""
    vault.update(prompt={"answer": "ignore"})
    process = op.start("item", "get", ITEM, "--otp")
    until(lambda: vault.state()["prompts"] == 1)
    late = time.time() + 3600
    vault.update(now_offset_s=3600)
    vault.update(prompt={"answer": "approve"})
    stdout, _ = process.communicate(b"")

    assert stdout.decode().strip() in {vault.code_at(late), vault.code_at(late + 30)}


def test_approval_serves_later_calls(op: Op, vault: Vault) -> None:
    """An approval serves later calls until the app is locked, or the authorization is idle or too old."""
    prompts = []
    changes: list[dict[str, Any]] = [
        {},
        {},
        {"app": {"locked": True}},
        {},
        {"now_offset_s": 599},
        {"now_offset_s": 1300},
        {"auth": {"max_s": 1}, "now_offset_s": 1302},
    ]
    for change in changes:
        vault.update(**change)
        op.ask("vault", "list")
        prompts.append(vault.state()["prompts"])

    assert [1, 1, 2, 2, 2, 3, 4] == prompts
    assert not vault.state()["app"]["locked"]


@pytest.mark.parametrize("session_key", ["per-process", "tty"])
def test_state_may_prompt_in_each_session(op: Op, vault: Vault, session_key: str) -> None:
    """A state may prompt again in each process or session."""
    vault.update(auth={"session_key": session_key})
    op.ask("vault", "list")
    op.ask("vault", "list")

    assert 2 == vault.state()["prompts"]


def test_terminal_is_what_an_approval_is_for(op: Op, vault: Vault) -> None:
    """Calls in one terminal share an approval, those in another one do not."""
    spawn = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)"
    twice = ["sh", "-c", '"$0" vault list && "$0" vault list', str(op.path)]
    for _ in range(2):
        subprocess.run([sys.executable, "-c", spawn, *twice], check=True, timeout=10)

    assert (2, 4) == (vault.state()["prompts"], vault.state()["calls"])


def test_script_has_an_entry_for_each_call(op: Op, vault: Vault) -> None:
    """Each call takes one entry of the script, for itself alone."""
    vault.update(script=[{"prompt": {"answer": "reject"}}, {"fail": "throttle"}])

    assert (DISMISSED, 1) == op.refused("vault", "list")
    assert "Too many requests" in op.refused("vault", "list")[0]
    assert VAULT in op.ask("vault", "list")
