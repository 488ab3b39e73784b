"""One `op inject` for all references of one 1Password account: started, fed, watched, read, and gone.

`op` may prompt, hang, flood, or leave children behind that hold its pipes; whatever it does, `finish` returns checked
lines or raises,
within the limit, and nothing of it lives on. What `op` prints never leaves this file unless it is what was asked for.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time

from collections.abc import Iterable, Mapping
from pathlib import Path

from mayfly import hardening, paths
from mayfly.config import OnePassword
from mayfly.errors import ConfigInvalid, OnePasswordGarbled, OnePasswordHung, OnePasswordMissing
from mayfly.exchange.refusals import from_op


OUTPUT_CAP_BYTES = 64 * 1024
TERM_GRACE_SECONDS = 3
LOOK_SECONDS = 0.05

USUAL_PLACES = ("/usr/bin/op", "/usr/local/bin/op", "/opt/homebrew/bin/op", "/opt/1Password/op")

# What `op` needs to find its app, its config and its language; nothing of AWS, no session of another terminal, no debug
# switch.
_ENVIRONMENT = (
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


def find_op(way: OnePassword, environment: Mapping[str, str]) -> str:
    """The `op` to run: the configured one, or the first on PATH and in the usual places that nobody else can replace.

    Raises OnePasswordMissing, or ConfigInvalid where the only ones there are could have been put there by somebody
    else.
    """
    if way.op:
        return _trusted([Path(way.op)]) or _missing(f"{way.op}: there is no such program")
    folders = [Path(entry) for entry in environment.get("PATH", "").split(":") if entry.startswith("/")]
    places = [folder / "op" for folder in folders] + [Path(place) for place in USUAL_PLACES]
    return _trusted(places) or _missing("op, the 1Password CLI, is neither on PATH nor in the usual places")


def _trusted(places: Iterable[Path]) -> str | None:
    doubts: list[str] = []
    for place in places:
        if not place.is_file() or not os.access(place, os.X_OK):
            continue
        problems = paths.trust_problems(place)
        if not problems:
            return str(place)
        doubts += [f"op at {place} cannot be trusted: {problem}" for problem in problems]
    if doubts:
        raise ConfigInvalid(*dict.fromkeys(doubts))
    return None


def _missing(message: str) -> str:
    raise OnePasswordMissing(message)


def environment(way: OnePassword, of: Mapping[str, str]) -> dict[str, str]:
    """The allow-listed environment of `op`, with exactly one way to authenticate."""
    chosen = {name: of[name] for name in _ENVIRONMENT if name in of}
    chosen["OP_CACHE"] = "false"
    if way.mode == "desktop":
        return chosen
    # Without these two op reads the desktop app's settings first, and on macOS can hang there.
    chosen |= {"OP_LOAD_DESKTOP_APP_SETTINGS": "false", "OP_BIOMETRIC_UNLOCK_ENABLED": "false"}
    if way.mode == "connect":
        token = _secret_file(way.connect_token_file)
        return chosen | {"OP_CONNECT_HOST": str(way.connect_host), "OP_CONNECT_TOKEN": token}
    return chosen | {"OP_SERVICE_ACCOUNT_TOKEN": _service_token(way)}


def _service_token(way: OnePassword) -> str:
    if way.token_command is None:
        return _secret_file(way.token_file)
    command = list(way.token_command)
    try:
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError) as reason:
        raise ConfigInvalid(f"token_command {command[0]} failed ({type(reason).__name__})") from None
    return done.stdout.decode(errors="replace").strip()


def _secret_file(name: str | None) -> str:
    path = Path(name or "")
    try:
        problems = paths.trust_problems(path)
        if path.stat().st_mode & 0o077:
            problems.append(f"{path} is open to others: chmod 600 {path}")
        if problems:
            raise ConfigInvalid(*problems)
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as reason:
        raise ConfigInvalid(f"{path}: the token cannot be read ({type(reason).__name__})") from None


def template(references: Iterable[str]) -> bytes:
    """One enclosed reference a line: enclosed, because a bare one would end at its first blank or '='."""
    return "".join(f"{{{{ {reference} }}}}\n" for reference in references).encode()


class Op:
    """One running `op inject`. Made started and fed; `finish` waits for it."""

    def __init__(self, way: OnePassword, references: tuple[str, ...], environ: Mapping[str, str]) -> None:
        self._limit_seconds = way.timeout_seconds
        self._references = references
        account = ("--account", way.account) if way.account else ()
        argv = [find_op(way, environ), "--cache=false", "--no-color", *account, "inject"]
        hardening.adopt_orphans()
        self._started = time.monotonic()
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(way, environ),
            cwd="/",
            start_new_session=True,
        )
        self._feed(template(references))

    def _feed(self, text: bytes) -> None:
        """The whole template, then end of file: `op` waits for the end, and a pipe holds more than any template."""
        assert self._process.stdin is not None  # noqa: S101 - for mypy: it was made with a pipe
        try:
            self._process.stdin.write(text)
            self._process.stdin.close()
        except BrokenPipeError:
            pass  # it ended without reading; its own words, or its silence, tell why

    def finish(self) -> list[str]:
        """The values, one for each reference, in their order; raises an OnePasswordError."""
        try:
            printed, complaint = self._read()
        finally:
            self._end()
        if self._process.returncode != 0 or (complaint and not printed):
            raise from_op(complaint, self._references, elapsed_seconds=time.monotonic() - self._started)
        return self._lines(printed)

    def _read(self) -> tuple[bytes, bytes]:
        """Both streams to their end, or to the end of `op` itself where a child of it holds them open."""
        taken: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
        with selectors.DefaultSelector() as selector:
            for name, stream in (
                ("stdout", self._process.stdout),
                ("stderr", self._process.stderr),
            ):
                selector.register(stream, selectors.EVENT_READ, name)  # type: ignore[arg-type] # made with pipes
            while selector.get_map():
                ended = self._process.poll() is not None
                ready = selector.select(0 if ended else LOOK_SECONDS)
                if ended and not ready:
                    break
                self._take(selector, ready, taken)
                if time.monotonic() - self._started > self._limit_seconds:
                    raise OnePasswordHung(
                        f"op did not end within {self._limit_seconds} s",
                        hint="see that no window of 1Password waits; timeout_seconds in [onepassword] is the limit",
                    )
        self._process.wait()
        return bytes(taken["stdout"]), bytes(taken["stderr"])

    def _take(
        self,
        selector: selectors.BaseSelector,
        ready: list[tuple[selectors.SelectorKey, int]],
        taken: dict[str, bytearray],
    ) -> None:
        for key, _ in ready:
            chunk = os.read(key.fd, 16 * 1024)
            if not chunk:
                selector.unregister(key.fileobj)
            taken[key.data] += chunk
            if len(taken[key.data]) > OUTPUT_CAP_BYTES:
                raise OnePasswordGarbled("op printed more than any set of values can be")

    def _end(self) -> None:
        """Whatever still runs is asked to end, then made to, with all it has started."""
        if self._process.poll() is None:
            self._signal(signal.SIGTERM)
            try:
                self._process.wait(TERM_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                self._signal(signal.SIGKILL)
                self._process.wait()
        self._signal(signal.SIGKILL)
        hardening.kill_descendants()

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            pass  # nobody is left in the group (macOS says so with EPERM)

    def _lines(self, printed: bytes) -> list[str]:
        try:
            text = printed.decode()
        except UnicodeDecodeError:
            raise OnePasswordGarbled("op printed something that is no text") from None
        lines = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
        if len(lines) != len(self._references) or not all(lines):
            raise OnePasswordGarbled(
                f"op ended well and printed {len([line for line in lines if line])} values where {len(self._references)} were asked",
                hint="update op (before 2.32.1 it hid some errors), and look for line breaks in the item's fields",
            )
        return lines
