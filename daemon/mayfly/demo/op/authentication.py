"""How `op` gets in: which way, whether the app lets it, and what the human says.

Law: in this order: a failure that the state asks for, Connect, service account, desktop app,
manual session, nobody; then the app, the account, the authorization or its prompt; last the
network and its limits. Nothing is looked up before all of that is through.
"""

from __future__ import annotations

import os
import time

from mayfly.demo.op import messages as op_texts
from mayfly.demo.op import state as op_state
from mayfly.demo.op.messages import INITIALIZING, OpError


TYPE_CHECKING = False  # typing costs 4 ms of every call
if TYPE_CHECKING:
    from mayfly.demo.op.call import Call
    from mayfly.demo.op.state import State

_GLANCE_SECONDS = 0.02


def log_in(call: Call) -> None:
    """Return once vaults may be looked into, with `call.client` set. Raises OpError."""
    call.client = client(call)
    _fail(call, call.state.get("fail"))
    {
        "connect": _connect,
        "service": _service,
        "desktop": _desktop,
        "manual": _manual,
        "none": _nobody,
    }[call.client](call)
    _network(call)


def client(call: Call) -> str:
    """Who will answer: connect, service, desktop, manual or none."""
    names = call.environment.keys()
    if {"OP_CONNECT_HOST", "OP_CONNECT_TOKEN"} <= names:
        return "connect"
    # Reported by users: with --account the token is passed by and the interactive way taken.
    if "OP_SERVICE_ACCOUNT_TOKEN" in names and not call.arguments.text("account"):
        return "service"
    mode = call.state.get("mode")
    wanted = call.environment.get("OP_BIOMETRIC_UNLOCK_ENABLED") != "false"
    if mode == "desktop" and wanted and call.table("app").get("integration", True):
        return "desktop"
    return "manual" if mode in {"desktop", "manual"} and call.state.get("accounts") else "none"


def session_token(call: Call) -> str | None:
    """The session of a manual sign-in, None where there is none."""
    given = call.arguments.text("session")
    names = [name for name in call.environment if name.startswith("OP_SESSION")]
    return given or next((call.environment[name] for name in names), None)


def account(call: Call) -> State:
    """The account that the call is for. Raises OpError where none matches."""
    wanted = call.arguments.text("account") or call.environment.get("OP_ACCOUNT") or ""
    accounts: list[State] = call.state.get("accounts") or []
    for candidate in accounts:
        if not wanted or wanted in candidate.values():
            return candidate
    # assumption: said before the app is asked; `op whoami` is known to say it in these words.
    raise OpError(op_texts.NO_ACCOUNT_FOUND + wanted)


def _fail(call: Call, failure: str | State | None) -> None:
    if isinstance(failure, str):
        raise OpError(*op_texts.FAILURES[failure])
    if failure:
        raise OpError(failure["text"], failure.get("exit", 1))


def _connect(call: Call) -> None:
    expected = call.state.get("connect_token")
    known = call.state.get("mode") == "connect"
    if not known or expected not in {None, call.environment["OP_CONNECT_TOKEN"]}:
        raise OpError(op_texts.CONNECT_UNAUTHORIZED, 4)


def _service(call: Call) -> None:
    expected = call.state.get("service_token")
    known = call.state.get("mode") == "service"
    if not known or expected not in {None, call.environment["OP_SERVICE_ACCOUNT_TOKEN"]}:
        raise OpError(op_texts.SERVICE_TOKEN_MALFORMED)
    with op_state.changing(call.path) as state:
        state["service_used"] = True


def _manual(call: Call) -> None:
    account(call)
    token = session_token(call)
    if token is None:
        raise OpError(op_texts.NOT_SIGNED_IN)
    if call.state.get("session_token") not in {None, token}:
        raise OpError(op_texts.SESSION_EXPIRED)  # assumption: a wrong one is told like an old one


def _nobody(_call: Call) -> None:
    raise OpError(op_texts.NO_ACCOUNTS, prefixed=False)


def _desktop(call: Call) -> None:
    app = call.table("app")
    if not app.get("running", True):
        raise OpError(op_texts.APP_NOT_RUNNING)
    if not app.get("setgid_ok", True):
        raise OpError(op_texts.APP_RESETS)
    grant = f"{account(call).get('account_uuid')} {_session_key(call)}"
    if not _authorized(call, grant):
        _prompt(call)
    with op_state.changing(call.path) as state:
        state.setdefault("app", {})["locked"] = False
        grants = state.setdefault("auth", {}).setdefault("grants", {})
        now = call.now()
        grants[grant] = {"granted_at": grants.get(grant, {}).get("granted_at", now)}
        grants[grant]["last_used"] = now


def _session_key(call: Call) -> str:
    """Name the session that an authorization is for: the terminal, or what the state says."""
    try:
        descriptor = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        # assumption, all three: what stands for the terminal where there is none is unknown.
        without = {"none-shared": "none", "per-process": f"pid {os.getpid()} {time.time_ns()}"}
        return without.get(call.table("auth").get("session_key", ""), f"sid {os.getsid(0)}")
    try:
        return os.ttyname(descriptor) + f" {os.fstat(descriptor).st_rdev} {os.getsid(0)}"
    finally:
        os.close(descriptor)


def _authorized(call: Call, grant: str) -> bool:
    """Whether this session was let in, is in use, and nobody locked the app since."""
    with op_state.changing(call.path) as state:
        auth = state.setdefault("auth", {})
        if call.table("app").get("locked"):
            auth["grants"] = {}  # locking revokes
        times = auth.setdefault("grants", {}).get(grant)
        now = call.now()
        idle, longest = auth.get("idle_s", 600), auth.get("max_s", 43_200)
        valid = times and now - times["last_used"] < idle and now - times["granted_at"] < longest
        if not valid:
            auth["grants"].pop(grant, None)
            state["prompts"] = state.get("prompts", 0) + 1
        return bool(valid)


def _prompt(call: Call) -> None:
    """Wait for the human, whom a test can play while the prompt is there. Raises OpError."""
    time.sleep(call.table("prompt").get("delay_s", 0))
    prompt = call.refresh()["prompt"]
    deadline = time.monotonic() + prompt.get("timeout_s", 60)
    while prompt["answer"] == "ignore" and time.monotonic() < deadline:
        time.sleep(_GLANCE_SECONDS)
        prompt = call.refresh()["prompt"]
    if prompt["answer"] == "approve":
        return
    timed_out = prompt["answer"] == "ignore" and prompt.get("platform") == "darwin"
    text = op_texts.PROMPT_TIMED_OUT if timed_out else op_texts.PROMPT_DISMISSED
    raise OpError(text if prompt.get("bare") else INITIALIZING + text)


def _network(call: Call) -> None:
    time.sleep(call.state.get("latency_s", 0))
    network = call.state.get("network", "ok")
    if network == "offline":
        raise OpError(op_texts.OFFLINE)
    while network == "hang":
        time.sleep(3600)
    _fail(call, call.state.get("ratelimit"))
