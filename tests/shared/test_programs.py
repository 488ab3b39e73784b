"""Which program is run: the first on PATH that no other user can change."""

from __future__ import annotations

import os
import subprocess
import sys

from pathlib import Path

import pytest

from mayfly.shared import programs
from mayfly.shared.programs import NotFound


OTHER = 4242
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")


def put(folder: Path, name: str = "tool", mode: int = 0o755) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text("#!/bin/sh\n")
    program.chmod(mode)
    return program


def refusal(name: str, *folders: object) -> NotFound:
    with pytest.raises(NotFound) as reason:
        programs.find(name, {"PATH": ":".join(map(str, folders))})
    return reason.value


def test_the_first_on_path_is_run(tmp_path: Path) -> None:
    """As a shell would, over folders that have no such program, or only a file that cannot be run."""
    put(tmp_path / "none", "other")
    put(tmp_path / "data", mode=0o644)
    first, second = put(tmp_path / "first"), put(tmp_path / "second")

    folders = (tmp_path / "missing", tmp_path / "none", tmp_path / "data", first.parent, second.parent)
    assert first == programs.find("tool", {"PATH": ":".join(map(str, folders))})


@pytest.mark.parametrize("mode", [0o757, 0o775, 0o777])
def test_a_program_in_a_folder_that_others_can_write_is_passed_over(tmp_path: Path, mode: int) -> None:
    """The next one on PATH is run; without one the error names the program, the folder and the remedy."""
    planted, real = put(tmp_path / "loose"), put(tmp_path / "real")
    planted.parent.chmod(mode)

    assert real == programs.find("tool", {"PATH": f"{planted.parent}:{real.parent}"})
    why = f"{planted.parent} is writable by others: chmod go-w {planted.parent}"
    assert f"{planted} cannot be trusted: {why}" == str(refusal("tool", planted.parent))


def test_a_program_that_others_can_write_is_passed_over(tmp_path: Path) -> None:
    """The file itself is judged, and what it links to."""
    planted, real = put(tmp_path / "loose"), put(tmp_path / "real")
    planted.chmod(0o777)
    linked = tmp_path / "linked/tool"
    linked.parent.mkdir()
    linked.symlink_to(planted)

    assert real == programs.find("tool", {"PATH": f"{planted.parent}:{linked.parent}:{real.parent}"})


@needs_root
def test_a_program_of_another_user_is_passed_over(tmp_path: Path) -> None:
    """Also in a folder of ours: its owner can change it at any time."""
    theirs, real = put(tmp_path / "theirs"), put(tmp_path / "real")
    os.chown(theirs, OTHER, OTHER)

    assert real == programs.find("tool", {"PATH": f"{theirs.parent}:{real.parent}"})
    assert refusal("tool", theirs.parent).distrusted


@pytest.mark.parametrize("entry", ["", ".", "here", "./here"])
def test_the_current_folder_is_never_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str) -> None:
    """It may be somebody's repository; the entry is named."""
    put(tmp_path)
    put(tmp_path / "here")
    monkeypatch.chdir(tmp_path)

    reason = refusal("tool", entry, "/nonexistent")
    assert (f"{entry!r} on PATH is not an absolute path",) == reason.skipped
    assert f"tool is not on PATH; skipped: {entry!r} on PATH is not an absolute path" == str(reason)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
@pytest.mark.parametrize("way", ["/proc/self/cwd", "/proc/PID/cwd", "//proc/self/cwd/", "/dev/fd/N", "link"])
def test_the_current_folder_by_another_name_is_never_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """What leads elsewhere in each process is skipped, and named; so is a link to it."""
    put(tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "link").symlink_to("/proc/self/cwd")
    folder = os.open(".", os.O_RDONLY)
    try:
        entry = f"{tmp_path}/link" if way == "link" else way.replace("PID", str(os.getpid())).replace("N", str(folder))
        reason = refusal("tool", entry, "/nonexistent")
        named = programs.skipped_folders({"PATH": entry})
    finally:
        os.close(folder)

    assert reason.skipped == tuple(named)
    assert [True] == [line.startswith(f"{entry} on PATH goes through ") for line in named]
    assert () == reason.distrusted


@pytest.mark.parametrize("name", ["./tool", "here/tool", "../tool"])
def test_a_name_with_a_slash_must_be_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A relative path is somebody else's choice of folder."""
    put(tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")

    assert f"{name}: must be an absolute path, or a name that is looked up on PATH" == str(refusal(name, tmp_path))


def test_an_absolute_path_is_judged_too(tmp_path: Path) -> None:
    """Nothing is looked up then, and no other program is taken instead."""
    program = put(tmp_path / "real")
    assert program == programs.find(str(program), {})
    assert f"{tmp_path}/none: there is no such program" == str(refusal(f"{tmp_path}/none"))

    program.parent.chmod(0o777)
    assert str(refusal(str(program))).startswith(f"{program} cannot be trusted: {program.parent} is writable")


def test_usual_places_come_last_and_are_judged(tmp_path: Path) -> None:
    """They are for programs that installers put where PATH does not lead."""
    usual, on_path = put(tmp_path / "usual"), put(tmp_path / "path")

    assert on_path == programs.find("tool", {"PATH": str(on_path.parent)}, [str(usual)])
    assert usual == programs.find("tool", {"PATH": "/nonexistent"}, [str(usual)])
    usual.chmod(0o777)
    with pytest.raises(NotFound, match="cannot be trusted"):
        programs.find("tool", {"PATH": "/nonexistent"}, [str(usual)])


def test_a_sticky_folder_that_others_can_write_is_skipped(tmp_path: Path) -> None:
    """In /tmp anybody can take a name that is missing: by a hard link, with a program of root's."""
    sticky, real = put(tmp_path / "sticky"), put(tmp_path / "real")
    sticky.parent.chmod(0o1777)

    assert real == programs.find("tool", {"PATH": f"{sticky.parent}:{real.parent}"})
    assert (f"{sticky.parent} on PATH is writable by others",) == refusal("tool", sticky.parent).skipped


def test_the_folders_that_are_passed_over_are_told_with_the_reason(tmp_path: Path) -> None:
    """So that a warning can name them before a program is missed."""
    sound, loose = put(tmp_path / "sound").parent, put(tmp_path / "loose").parent
    loose.chmod(0o777)

    assert [
        "'.' on PATH is not an absolute path",
        f"{loose} on PATH: {loose} is writable by others: chmod go-w {loose}",
    ] == programs.skipped_folders({"PATH": f"{sound}:.:{loose}:{tmp_path}/missing:."})


@pytest.mark.skipif(os.getuid() != 0, reason="another user is played by root only")
def test_a_folder_that_may_not_be_entered_is_skipped(open_folder: Path) -> None:
    """As root's own folders on the PATH that `su` leaves behind: named, and no traceback."""
    closed, real = put(open_folder / "closed"), put(open_folder / "real")
    closed.parent.chmod(0o700)
    script = (
        "import grp, os, pathlib, pwd, shlex; from mayfly.shared import programs; "
        # The other user may not read the libraries of an interpreter in root's home: so it starts as root.
        f"os.setgroups([]); os.setgid({OTHER}); os.setuid({OTHER}); "
        "print(programs.find('tool', os.environ), programs.skipped_folders(os.environ))"
    )
    ended = subprocess.run(
        (sys.executable, "-I", "-c", script),
        env={"PATH": f"{closed.parent}:{closed.parent}/deeper:{real.parent}"},
        capture_output=True,
        text=True,
        check=False,
    )

    skipped = [f"{closed.parent} on PATH may not be entered", f"{closed.parent}/deeper on PATH may not be entered"]
    assert f"{real} {skipped}\n" == ended.stdout, ended.stderr
