"""The authentication of `op`: its mode, the app's permission, and the human's answer.

Law: the order is: the failure that the state asks for; the mode (Connect, service account, desktop app, manual session,
none); the app; the account; the authorization or its prompt; the network and its limits. No vault is read before that.
"""

from __future__ import annotations

import os
import time

from mayfly.demo.op import messages
from mayfly.demo.op import state as op_state
from mayfly.demo.op.messages import INITIALIZING, OpError


TYPE_CHECKING = False  # importing typing takes 4 ms of every call
if TYPE_CHECKING:
    from mayfly.demo.op.call import Call
    from mayfly.demo.op.state import State

_POLL_SECONDS = 0.02


def authenticate(call: Call) -> None:
    """Return when vaults may be read, with `call.auth_mode` set. Raises OpError."""
    call.auth_mode = mode_of(call)
    _fail(call.state.get("fail"))
    {
        "connect": _connect,
        "service": _service,
        "desktop": _desktop,
        "manual": _manual,
        "none": _none,
    }[call.auth_mode](call)
    _network(call)


def mode_of(call: Call) -> str:
    """The mode of this call's authentication: connect, service, desktop, manual or none."""
    names = call.environment.keys()
    if {"OP_CONNECT_HOST", "OP_CONNECT_TOKEN"} <= names:
        return "connect"
    # Reported by users: with --account, op ignores the service account's token.
    if "OP_SERVICE_ACCOUNT_TOKEN" in names and not call.arguments.text("account"):
        return "service"
    mode = call.state.get("mode")
    is_app_wanted = call.environment.get("OP_BIOMETRIC_UNLOCK_ENABLED") != "false"
    if mode == "desktop" and is_app_wanted and call.table("app").get("integration", True):
        return "desktop"
    return "manual" if mode in {"desktop", "manual"} and call.state.get("accounts") else "none"


def _account(call: Call) -> State:
    """The account of the call. Raises OpError if none matches."""
    wanted = call.arguments.text("account") or call.environment.get("OP_ACCOUNT") or ""
    accounts: list[State] = call.state.get("accounts") or []
    for candidate in accounts:
        if not wanted or wanted in candidate.values():
            return candidate
    # assumption: it comes before the app is asked. `op whoami` is known to use these words.
    raise OpError(messages.NO_ACCOUNT_FOUND + wanted)


def _fail(failure: str | None) -> None:
    if failure:
        raise OpError(*messages.FAILURES[failure])


def _connect(call: Call) -> None:
    if not _is_accepted(call, "connect", "OP_CONNECT_TOKEN"):
        raise OpError(messages.CONNECT_UNAUTHORIZED, 4)


def _service(call: Call) -> None:
    if not _is_accepted(call, "service", "OP_SERVICE_ACCOUNT_TOKEN"):
        raise OpError(messages.SERVICE_TOKEN_MALFORMED)
    with op_state.changing(call.path) as state:
        state["service_used"] = True


def _is_accepted(call: Call, mode: str, variable: str) -> bool:
    """True if the world is in this mode and accepts the token in `variable`."""
    return call.state.get("mode") == mode and call.state.get(f"{mode}_token") in {None, call.environment[variable]}


def _manual(call: Call) -> None:
    _account(call)
    raise OpError(messages.NOT_SIGNED_IN)


def _none(_call: Call) -> None:
    raise OpError(messages.NO_ACCOUNTS, has_prefix=False)


def _desktop(call: Call) -> None:
    app = call.table("app")
    if not app.get("running", True):
        raise OpError(messages.APP_NOT_RUNNING)
    if not app.get("setgid_ok", True):
        raise OpError(messages.APP_RESETS)
    grant = f"{_account(call).get('account_uuid')} {_session_key(call)}"
    if not _is_authorized(call, grant):
        _prompt(call)
    with op_state.changing(call.path) as state:
        state.setdefault("app", {})["locked"] = False
        grants = state.setdefault("auth", {}).setdefault("grants", {})
        now = call.now()
        grants[grant] = {"granted_at": grants.get(grant, {}).get("granted_at", now)}
        grants[grant]["last_used"] = now


def _session_key(call: Call) -> str:
    """The session that an authorization is for: the terminal, or what the state says."""
    try:
        descriptor = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        # assumption, all three: what op takes for the session without a terminal is unknown.
        without = {"none-shared": "none", "per-process": f"pid {os.getpid()} {time.time_ns()}"}
        return without.get(call.table("auth").get("session_key", ""), f"sid {os.getsid(0)}")
    try:
        return os.ttyname(descriptor) + f" {os.fstat(descriptor).st_rdev} {os.getsid(0)}"
    finally:
        os.close(descriptor)


def _is_authorized(call: Call, grant: str) -> bool:
    """True if this session has an authorization that is neither idle, too old, nor revoked by a lock."""
    with op_state.changing(call.path) as state:
        auth = state.setdefault("auth", {})
        if call.table("app").get("locked"):
            auth["grants"] = {}  # locking the app revokes them
        times = auth.setdefault("grants", {}).get(grant)
        now = call.now()
        idle, longest = auth.get("idle_s", 600), auth.get("max_s", 43_200)
        valid = times and now - times["last_used"] < idle and now - times["granted_at"] < longest
        if not valid:
            auth["grants"].pop(grant, None)
            state["prompts"] = state.get("prompts", 0) + 1
        return bool(valid)


def _prompt(call: Call) -> None:
    """Wait for the human's answer. A test may change the answer while the prompt is open. Raises OpError."""
    time.sleep(call.table("prompt").get("delay_s", 0))
    prompt = call.refresh()["prompt"]
    deadline = time.monotonic() + prompt.get("timeout_s", 60)
    while prompt["answer"] == "ignore" and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        prompt = call.refresh()["prompt"]
    if prompt["answer"] == "approve":
        return
    timed_out = prompt["answer"] == "ignore" and prompt.get("platform") == "darwin"
    text = messages.PROMPT_TIMED_OUT if timed_out else messages.PROMPT_DISMISSED
    raise OpError(text if prompt.get("bare") else INITIALIZING + text)


def _network(call: Call) -> None:
    time.sleep(call.state.get("latency_s", 0))
    network = call.state.get("network", "ok")
    if network == "offline":
        raise OpError(messages.OFFLINE)
    while network == "hang":
        time.sleep(3600)
    _fail(call.state.get("ratelimit"))
