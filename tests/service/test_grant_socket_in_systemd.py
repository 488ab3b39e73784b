"""A grant's socket behind the real seal: the daemon makes its folder, the desk binds it, a container mounts it."""

from __future__ import annotations

import asyncio
import json
import sys

from typing import Any

import pytest

from support.managers import UserManager


pytestmark = pytest.mark.unfollowed
CONTAINER_UID = 4711
ID = "1a2b3c4d"

# Runs in the daemon's place. Each answer tells who serves, and whom the kernel names as the client.
SERVE = """
import asyncio, json, os, sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from mayfly.daemon.delivery import Delivery
from mayfly.daemon.delivery.binding import from_desk
from mayfly.daemon.events import Events
from mayfly.daemon.http.answer import json_answer
from mayfly.daemon.http.places import Places
from mayfly.daemon.tasks import Tasks
from mayfly.shared.grant_folder import listening

runtime, grant_id = sys.argv[1:]

async def answer(request):
    return json_answer(200, [os.getpid(), request.protocol.peer.uid])

def refusal():
    try:
        listening(runtime, grant_id).close()
    except OSError as reason:
        return reason.strerror

async def main():
    events = Events(SimpleNamespace(info=print, warning=print, error=print))
    delivery = Delivery(
        runtime,
        bind=partial(from_desk, f"{runtime}/desk.sock"),
        handler_of=lambda _: answer,
        places=Places(),
        events=events,
        tasks=Tasks(events),
        on_fault=print,
        on_refusal=print,
    )
    await delivery.open(SimpleNamespace(id=grant_id, delivery="socket", allows_disk=False))
    found = json.dumps([os.getpid(), refusal()])
    Path(runtime, "draft").write_text(found)
    os.rename(f"{runtime}/draft", f"{runtime}/found")
    await asyncio.Event().wait()

asyncio.run(main())
"""

# A container's mount namespace, in which the folder $1 is mounted read-only, for the program that follows.
MOUNTED = (
    'mkdir /run/inside && mount --bind "$1" /run/inside && mount -o remount,bind,ro /run/inside && shift && exec "$@"'
)

# A process of the container's user. For each line it tells its pid, and what becomes of a request, of one by the path
# outside of the container, of a list and of a new file.
PROCESS = """
import json, os, socket, sys
folder, outside = sys.argv[1:]

def ask(path):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(path + "/s")
        sock.sendall(b"GET / HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n")
        return json.loads(sock.makefile("rb").read().rpartition(b"\\r\\n\\r\\n")[2])

def tried(act):
    try:
        return act()
    except OSError as reason:
        return reason.strerror

for _ in sys.stdin:
    acts = (
        lambda: ask(folder),
        lambda: ask(outside),
        lambda: os.listdir(folder),
        lambda: os.open(folder + "/new", os.O_CREAT | os.O_WRONLY),
    )
    print(json.dumps([os.getpid()] + [tried(act) for act in acts]), flush=True)
"""


async def _served(manager: UserManager, before: int = 0) -> tuple[int, str]:
    """The process that serves in the daemon's place, another than `before`, and why it may not bind itself."""
    path = manager.runtime_dir / "mayfly/found"
    async with asyncio.timeout(60):
        while not path.exists() or json.loads(path.read_text())[0] == before:
            await asyncio.sleep(0.05)
    pid, refusal = json.loads(path.read_text())
    return pid, refusal


async def _told(container: asyncio.subprocess.Process) -> list[Any]:
    assert container.stdin is not None
    assert container.stdout is not None
    container.stdin.write(b"\n")
    async with asyncio.timeout(30):
        return list(json.loads(await container.stdout.readline()))


async def _process(manager: UserManager, *before: str, paths: tuple[str, str]) -> asyncio.subprocess.Process:
    """A process of the container's user on this machine, started by the words `before`."""
    become = ("setpriv", f"--reuid={CONTAINER_UID}", f"--regid={CONTAINER_UID}", "--clear-groups")
    return await asyncio.create_subprocess_exec(
        *(*manager.inside, *before, *become, sys.executable, "-I", "-c", PROCESS, *paths),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )


async def test_a_container_reaches_the_sealed_daemon_over_a_restart(ordinary: UserManager) -> None:
    """Another user's process reaches it by its mount, and by the same mount the daemon after a restart.

    The sealed daemon makes the folder, and may not bind; the desk binds for it. The folder is closed to others from
    outside of the mount, and inside of it nothing can be listed or written. A process of the machine that has the
    container's user reaches the socket by /proc/PID/root: there, as anywhere, the token alone judges.
    """
    await ordinary.install()
    runtime = f"/run/user/{ordinary.uid}/mayfly"
    script = ordinary.world.folder / "serve.py"
    script.write_text(SERVE)
    ordinary.lay_over(
        "50-serve",
        *("Type=exec", "Restart=no", "WatchdogSec=0", "ExecStart="),
        f"ExecStart={ordinary.python} -I {script} {runtime} {ID}",
        units=("mayfly.service",),
    )
    await ordinary.systemctl("daemon-reload")
    await ordinary.systemctl("start", "mayfly-desk.socket", "mayfly.service")
    first, refusal = await _served(ordinary)
    folder = f"{runtime}/grants/{ID}/socket"
    mounted = ("unshare", "--mount", "--propagation=private", "sh", "-c", MOUNTED, "sh", folder)
    container = await _process(ordinary, *mounted, paths=("/run/inside", folder))
    pid, *told = await _told(container)
    neighbour = await _process(ordinary, paths=(f"/proc/{pid}/root/run/inside", folder))
    _, *by_proc = await _told(neighbour)
    await ordinary.systemctl("restart", "mayfly.service")
    second, _ = await _served(ordinary, first)
    _, *after = await _told(container)
    for process in (neighbour, container):
        await asyncio.wait_for(process.communicate(b""), 30)

    # To a process in a user namespace, as the sealed daemon is, every other user may be the one who stands for all.
    assert told[0][1] in {CONTAINER_UID, 65534}
    outside = ["Permission denied", "Permission denied", "Read-only file system"]
    assert "Operation not permitted" == refusal
    assert first != second
    assert [first, *outside] == [told[0][0], *told[1:]] == [by_proc[0][0], *by_proc[1:]]
    assert [second, *outside] == [after[0][0], *after[1:]]
