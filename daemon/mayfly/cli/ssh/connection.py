"""One ssh connection to the other host: its first channel keeps the token's file, later channels are shells.

Law: ssh itself talks to the person. Its prompts and messages go to the terminal unchanged.
"""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import tempfile
import time

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, cast

from mayfly.cli import speech
from mayfly.cli.ssh import afterwards, remote


# For our script, from the moment when ssh is connected. Before that, a person may be typing a password.
ANSWER_SECONDS = 60
_LOOK_SECONDS = 0.5
_END_SECONDS = 5
_LOST_SECONDS = 1
# A host that says more than this before our script does is no shell.
_MAX_BYTES = 1024 * 1024
# ssh adds 17 letters to the path of its control socket, and 104 bytes is what macOS takes.
_MAX_FOLDER = 60

# How ssh ends where it has no connection.
LOST = 255


class Connection:
    """An ssh whose connection others share, by a socket in a folder that only we can open.

    `look` is called while we wait for the other host.
    """

    def __init__(self, host: str, options: Sequence[str], look: Callable[[], object]) -> None:
        """Start ssh; it may ask for passwords."""
        self._folder = Path(tempfile.mkdtemp(prefix="mayfly-ssh-", dir=_short_folder()))
        self._control = self._folder / "c"
        # The forwarded port leads to this link, which is replaced once the grant has ended.
        self._way = self._folder / "s"
        self._host, self._options, self._look = host, [*options], look
        self._received = b""
        self._answers_until: float | None = None
        try:
            self._process = self._started()
        except BaseException:
            # `__exit__` is for a connection that was entered.
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        self._input = cast("IO[bytes]", self._process.stdin)
        self._output = cast("IO[bytes]", self._process.stdout)

    def _started(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                *("ssh", "-oControlMaster=yes", f"-oControlPath={_literal(str(self._control))}", "-oControlPersist=no"),
                *("-oExitOnForwardFailure=yes", "-oRemoteCommand=none", "-T", *self._options),
                *("--", self._host, remote.keeper()),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        """End it: the other host removes the file, and nobody can come by the forwarded port any more."""
        self._input.close()
        if not self._control.exists():
            # It asks a person something, or waits for the host.
            self._process.terminate()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.terminate()
            self._process.wait()
        self._output.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def ready(self) -> None:
        """Wait until the other host runs our script; raises Stop."""
        self._heard(remote.READY)

    def forward(self, socket: str) -> int:
        """Forward a port of the host's 127.0.0.1 to `socket`, and return it. Raises Stop if others could reach it."""
        self._way.symlink_to(socket)
        done = subprocess.run(
            [*self._shared("-Fnone"), "-Oforward", f"-R127.0.0.1:0:{_literal(str(self._way))}", "--", self._host],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=False,
        )
        told = done.stdout.strip()
        if done.returncode or not told.isdigit():
            hint = "see AllowTcpForwarding, PermitListen and DisableForwarding in its sshd_config"
            raise speech.Stop(speech.FAILED, f"{self._host} forwards no port to us", hints=(hint,))
        port = int(told)
        self._refuse_far(port)
        return port

    def keep(self, token: str) -> str:
        """Put the token into a file there; returns its path. It stays until we disconnect, or a shell removes it."""
        self._tell(f"{len(token)}\n{token}")
        return self._heard(remote.FILE)[-1]

    def shell(self, command: str) -> list[str]:
        """The ssh that runs `command` over this connection, on this terminal if there is one."""
        terminal = "-t" if os.isatty(0) else "-T"
        # The forwards of the configuration are the first ssh's.
        no_forwards = ("-oClearAllForwardings=yes", "-oRemoteCommand=none")
        return [*self._shared(*no_forwards), *self._options, terminal, "--", self._host, command]

    def refuse(self, message: str) -> None:
        """From now on the port answers 401."""
        afterwards.refuse_all(self._way, message)

    def is_lost(self) -> bool:
        """True if the connection has broken off. Call it after a shell that ended with LOST, which may end first."""
        try:
            self._process.wait(_LOST_SECONDS)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _refuse_far(self, port: int) -> None:
        self._tell(f"{port} {port:04X}\n")
        told = self._heard(remote.LOOKED)
        if not told:
            speech.warning(f"{self._host} does not tell who can reach its port {port}: others on its network, perhaps")
        elif any(map(remote.is_far, told)):
            text = f"others on its network could reach the port that {self._host} forwards to us"
            hint = "in its sshd_config, set GatewayPorts to no or clientspecified"
            raise speech.Stop(speech.FAILED, f"{text}; the token was not sent", hints=(hint,))

    def _shared(self, *words: str) -> list[str]:
        return ["ssh", f"-oControlPath={_literal(str(self._control))}", "-oControlMaster=no", *words]

    def _tell(self, text: str) -> None:
        try:
            self._input.write(text.encode())
            self._input.flush()
        except BrokenPipeError:
            raise self._broken() from None

    def _heard(self, last: str) -> list[str]:
        """What the script tells in its lines up to `last`, without their first words; raises Stop."""
        told: list[str] = []
        while True:
            line = self._line()
            word, _, rest = line.partition(" ")
            if word in {remote.LISTENS, last} and rest:
                told.append(rest)
            if word == last:
                return told

    def _line(self) -> str:
        while b"\n" not in self._received:
            self._read()
        line, _, self._received = self._received.partition(b"\n")
        return line.decode(errors="replace").rstrip("\r")

    def _read(self) -> None:
        if not select.select([self._output], [], [], _LOOK_SECONDS)[0]:
            self._look()
            self._refuse_silence()
            return
        block = os.read(self._output.fileno(), 65536)
        self._received += block
        if not block:
            raise self._broken()
        if len(self._received) > _MAX_BYTES:
            raise speech.Stop(speech.FAILED, f"{self._host} runs something else than our script")

    def _refuse_silence(self) -> None:
        if self._answers_until is None and self._control.exists():
            self._answers_until = time.monotonic() + ANSWER_SECONDS
        if self._answers_until is not None and time.monotonic() > self._answers_until:
            hint = "it must let you run commands by sh: no ForceCommand, no menu"
            raise speech.Stop(speech.FAILED, f"{self._host} does not run our script", hints=(hint,))

    def _broken(self) -> speech.Stop:
        try:
            code = self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            code = LOST
        if code == LOST:
            return speech.Stop(speech.FAILED, f"ssh has no connection to {self._host}; what it says stands above")
        hint = "it must let you run commands by sh, which needs mktemp and dd"
        return speech.Stop(speech.FAILED, f"{self._host} does not run our script (exit code {code})", hints=(hint,))


def _short_folder() -> str:
    usual = tempfile.gettempdir()
    return usual if len(usual) <= _MAX_FOLDER else "/tmp"  # noqa: S108 - mkdtemp makes a folder of our own in it


def refuse_missing() -> None:
    """Raise Stop if there is no ssh."""
    if not shutil.which("ssh"):
        raise speech.Stop(speech.FAILED, "there is no program ssh on PATH", hints=("install OpenSSH's client",))


def _literal(path: str) -> str:
    """A path as ssh takes it: it would expand what follows a percent sign."""
    return path.replace("%", "%%")


def environment_of_shell(environ: Mapping[str, str], is_guarded: Callable[[str], bool]) -> dict[str, str]:
    """The variables for the ssh of a shell: SendEnv may name any, and none of AWS's is for that host."""
    return {name: value for name, value in environ.items() if not is_guarded(name)}
