"""The process that has a port, by the links in /proc/PID/fd."""

from __future__ import annotations

import os
import sys

from pathlib import Path

import pytest

from mayfly.cli import ports
from mayfly.shared import sock_diag
from mayfly.shared.users import user_name
from support.ports import (
    ME,
    NOBODY,
    NoSockDiag,
    linux_only,
    root_only,
    row,
    stranger,
)


@linux_only
@root_only
async def test_root_is_told_the_process_of_another_user() -> None:
    """A program's name is printed without the characters that could steer a terminal."""
    async with stranger(0, "127.0.0.1", "SO_REUSEADDR") as listener:
        assert f"a?name (pid {listener.pid}) of {user_name(NOBODY)}" == ports.holder(listener.port)


def proc(folder: Path, *rows: str, v6: tuple[str, ...] = ()) -> None:
    """A /proc with nothing in it but these tables of sockets."""
    (folder / "net").mkdir(exist_ok=True)
    for name, lines in (("tcp", rows), ("tcp6", v6)):
        (folder / "net" / name).write_text("".join(["  sl  local_address rem_address   st ...\n", *lines]))


def process(folder: Path, pid: int, *words: str, uid: int | None = None, is_open: bool = False) -> Path:
    """A process of ours, or of `uid`; its descriptors can be seen if it `is_open`."""
    own = folder / str(pid)
    (own / ("fd" if is_open else "task")).mkdir(parents=True)
    whose = os.getuid() if uid is None else uid
    (own / "status").write_text(f"Name:\tx\nUid:\t{whose}\t{whose}\t{whose}\t{whose}\n")
    (own / "cmdline").write_text("\0".join([*words, ""]))
    (own / "comm").write_text("server\n")
    return own


@pytest.fixture(name="made_up_proc")
def _made_up_proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in the place of /proc, on a Linux without sock_diag."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sock_diag, "SockDiag", NoSockDiag)
    monkeypatch.setattr(ports, "PROC", tmp_path)
    return tmp_path


def test_a_process_that_cannot_be_looked_into_is_told_by_its_user(made_up_proc: Path) -> None:
    """/proc shows the descriptors of our own processes alone: of another user's socket the owner is known, no more."""
    proc(made_up_proc, row("127.0.0.1", uid=NOBODY))
    (made_up_proc / "77").mkdir()
    (made_up_proc / "78").write_text("the process has ended, and something else is in its place")

    assert f"a process of {user_name(NOBODY)}" == ports.holder(9170)
    assert ports.holder(9171) is None


def test_our_daemon_is_told_though_it_cannot_be_looked_into(made_up_proc: Path) -> None:
    """A daemon lets not even its own user look into it: it is known by its command line."""
    proc(made_up_proc, row("127.0.0.1", uid=os.getuid()))
    process(made_up_proc, 70, "vim", "mayfly")
    process(made_up_proc, 71, "strace", "mayfly", "serve", is_open=True)
    process(made_up_proc, 72, "/usr/bin/python3", "/usr/bin/mayfly", "serve", uid=os.getuid() + 1)
    process(made_up_proc, os.getpid(), "/usr/bin/python3", "/usr/bin/mayfly", "serve")
    nobody = ports.holder(9170)
    process(made_up_proc, 77, "/usr/bin/python3", "-m", "mayfly", "serve", "--listen", "127.0.0.1:9170")
    one = ports.holder(9170)
    process(made_up_proc, 8, "/usr/bin/python3", "/usr/bin/mayfly", "serve")
    two = ports.holder(9170)
    proc(made_up_proc, row("127.0.0.1", uid=NOBODY))

    expected = [f"a process of {ME}", f"mayfly serve (pid 77) of {ME}", f"mayfly serve (pid 8 or 77) of {ME}"]
    assert expected == [nobody, one, two]
    assert f"a process of {user_name(NOBODY)}" == ports.holder(9170)


def test_the_listener_with_the_most_specific_address_is_named(made_up_proc: Path) -> None:
    """Connections from the port, and sockets with other addresses, take nothing that is sent to 127.0.0.1."""
    others = [row("127.0.0.1", state="01", uid=1), row("127.0.0.2", uid=1)]
    proc(made_up_proc, *others, row("0.0.0.0", uid=NOBODY), v6=(row("::", uid=1),))

    assert f"a process of {user_name(NOBODY)}" == ports.holder(9170)


def test_a_descriptor_that_is_closed_meanwhile_is_passed_over(
    made_up_proc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Busy processes open and close descriptors all the time: the process's other descriptors still count."""
    proc(made_up_proc, row("127.0.0.1"))
    own = process(made_up_proc, 77, "server", is_open=True)
    (own / "fd/3").symlink_to("socket:[4711]")
    (own / "fd/4").symlink_to("socket:[4711]")
    look = Path.readlink
    gone: list[Path] = []

    def readlink(path: Path) -> Path:
        if not gone:
            gone.append(path)
            raise FileNotFoundError
        return look(path)

    monkeypatch.setattr(Path, "readlink", readlink)

    assert "server (pid 77) of root" == ports.holder(9170)
