"""The daemon's port, held over its restarts as systemd and launchd do: what connects meanwhile waits."""

from __future__ import annotations

import asyncio
import socket
import sys

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


# sd_listen_fds(3): the first descriptor is 3.
_BECOME = """
import os, socket, sys
with socket.socket(socket.AF_UNIX) as line:
    line.connect(sys.argv[1])
    port = socket.recv_fds(line, 1, 1)[1][0]
os.dup2(port, 3)
os.set_inheritable(3, True)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
os.execv(sys.argv[2], sys.argv[2:])
"""


@contextmanager
def held(port: int, folder: Path) -> Iterator[tuple[str, ...]]:
    """A command that becomes another one with the port as systemd hands it over; needs a running loop."""
    path = folder / "port"
    with socket.create_server(("127.0.0.1", port), backlog=1024) as listening, socket.socket(socket.AF_UNIX) as asked:
        asked.bind(str(path))
        asked.listen()

        def hand_over() -> None:
            line, _ = asked.accept()
            with line:
                socket.send_fds(line, [b"\0"], [listening.fileno()])

        loop = asyncio.get_running_loop()
        loop.add_reader(asked, hand_over)
        try:
            yield (sys.executable, "-I", "-S", "-c", _BECOME, str(path))
        finally:
            loop.remove_reader(asked)
