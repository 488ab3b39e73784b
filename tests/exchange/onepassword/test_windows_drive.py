"""Which places are on a Windows drive under WSL, by the lines of /proc/mounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from mayfly.exchange.onepassword import windows_drive
from mayfly.exchange.onepassword.windows_drive import is_on_drive, is_op_exe


ROOT = "/dev/sdc / ext4 rw,relatime,discard,errors=remount-ro,data=ordered 0 0"
END = "uid=1000;gid=1000;symlinkroot=/mnt/,cache=5,access=client,msize=65536,trans=fd,rfd=5,wfd=5 0 0"
C = rf"C:\134 /mnt/c 9p rw,noatime,aname=drvfs;path=C:\;{END}"
PLACE = "/mnt/c/Program Files/1Password CLI/op.exe"

MOUNTS = {
    "WSL 2": (C, PLACE, True),
    "an older WSL 2": (rf"C: /mnt/c 9p rw,relatime,dirsync,aname=drvfs;path=C:;{END}", PLACE, True),
    "a backslash in octal": (rf"C:\134 /mnt/c 9p rw,aname=drvfs;path=C:\134;{END}", PLACE, True),
    "WSL 1": ("C: /mnt/c drvfs rw,noatime,uid=1000,gid=1000,case=off 0 0", PLACE, True),
    "the drive itself": (C, "/mnt/c", True),
    "another root of drives": (rf"D:\134 /win\040d 9p rw,aname=drvfs;path=D:\;{END}", "/win d/op.exe", True),
    "a folder of a drive": (r"C:\134Tools /t 9p rw,aname=drvfs;path=C:\My Tools;uid=0,trans=fd 0 0", "/t/op.exe", True),
    "nothing mounted": ("", PLACE, False),
    "a folder of that name beside it": (C, "/mnt/cc/op.exe", False),
    "above the drive": (C, "/mnt", False),
    "Linux's own": (rf"{C}{chr(10)}", "/usr/bin/op.exe", False),
    "another 9p": ("share /mnt/c 9p rw,aname=share;path=C:,trans=virtio 0 0", PLACE, False),
    "WSL's own 9p": (f"drivers /mnt/c 9p ro,aname=drivers;fmask=222;{END}", PLACE, False),
    "a share of another machine": (rf"\134\134nas\134c /mnt/c 9p rw,aname=drvfs;path=UNC\nas\c;{END}", PLACE, False),
    "a name that only says so": (r"aname=drvfs;path=C:\134 /mnt/c tmpfs rw 0 0", PLACE, False),
    "options that only say so": ("tmpfs /mnt/c tmpfs rw,aname=drvfs;path=C: 0 0", PLACE, False),
    "another file system over it": (f"{C}\ntmpfs /mnt/c tmpfs rw 0 0", PLACE, False),
    "another file system in it": (rf"{C}{chr(10)}tmpfs /mnt/c/Program\040Files tmpfs rw 0 0", PLACE, False),
    "virtiofs, which does not say that it is a drive": ("drvfsC0 /mnt/c virtiofs rw,relatime 0 0", PLACE, False),
    "half a line": ("C: /mnt/c 9p", PLACE, False),
}


@pytest.mark.parametrize("name", MOUNTS)
def test_a_place_is_on_a_drive_if_its_mount_is_one(name: str) -> None:
    """The nearest mount above a place counts, and of several at one point the last."""
    lines, place, is_drive = MOUNTS[name]

    assert is_drive == is_on_drive(place, f"{ROOT}\n{lines}\n")


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        (PLACE, True),
        ("/mnt/c/OP.EXE", True),
        ("/mnt/c/op", False),
        ("/mnt/c/stop.exe", False),
        ("/mnt/c/op.exe/op", False),
        ("op.exe", False),
        ("", False),
        (None, False),
    ],
)
def test_only_op_exe_by_an_absolute_path_is_exempt(path: str | None, *, is_one: bool) -> None:
    """No other program on a drive is run, and none by its name alone."""
    assert is_one == is_op_exe(path)


def test_nothing_is_exempt_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no Windows drive; nor is there one where the mounts cannot be read."""
    assert None is windows_drive.exemption(PLACE)
    monkeypatch.setattr(windows_drive, "MOUNTS", str(tmp_path / "nothing"))
    assert None is windows_drive.exemption(PLACE)
