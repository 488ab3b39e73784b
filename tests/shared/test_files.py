"""Only plain files are read, and no more of them than their kind can have. A file is written whole or not at all."""

from __future__ import annotations

import os
import socket

from pathlib import Path

import pytest

from mayfly.shared.files import NotPlain, TooLarge, read_plain_file, write_whole_file


def test_a_plain_file_is_read_whole(tmp_path: Path) -> None:
    """Up to its limit, also through a link."""
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_bytes(b"\0" * 10)
    link.symlink_to(path)

    assert b"\0" * 10 == read_plain_file(path, 10) == read_plain_file(link, 10)


def test_a_file_over_its_limit_is_refused(tmp_path: Path) -> None:
    """No more than the limit and a byte is read into memory, whether the file is large or only claims to be."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 11)
    with pytest.raises(TooLarge, match="is larger than 10 bytes"):
        read_plain_file(path, 10)

    os.truncate(path, 2**40)
    with pytest.raises(TooLarge):
        read_plain_file(path, 1024 * 1024)


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    """Nobody is waited for at its other end."""
    os.mkfifo(tmp_path / "fifo")

    with pytest.raises(NotPlain, match="is a pipe"):
        read_plain_file(tmp_path / "fifo", 10)


def test_a_shells_substitution_is_refused() -> None:
    """`<(…)` is a pipe by another name."""
    reading, writing = os.pipe()
    try:
        with pytest.raises(NotPlain, match="is a pipe"):
            read_plain_file(Path(f"/dev/fd/{reading}"), 10)
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize("name", ["zero", "null"])
def test_a_device_is_refused(name: str) -> None:
    """/dev/zero would never end."""
    with pytest.raises(NotPlain, match="is a device"):
        read_plain_file(Path("/dev", name), 10)


def test_a_socket_and_a_folder_are_refused(tmp_path: Path) -> None:
    """A folder in the system's own words."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        with pytest.raises(NotPlain, match="is a socket"):
            read_plain_file(tmp_path / "socket", 10)
    with pytest.raises(IsADirectoryError):
        read_plain_file(tmp_path, 10)


def test_a_link_is_followed_only_where_it_may_be(tmp_path: Path) -> None:
    """A token's file is never a link."""
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("file")

    with pytest.raises(OSError, match="symbolic links"):
        read_plain_file(tmp_path / "link", 10, follow_link=False)


@pytest.mark.parametrize("umask", [0, 0o277])
def test_a_file_is_written_whole_with_its_own_mode(tmp_path: Path, umask: int) -> None:
    """The umask changes nothing, and no draft is left."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    before = os.umask(umask)
    try:
        write_whole_file(path, b"new", mode=0o640)
    finally:
        os.umask(before)

    assert (b"new", 0o640, [path]) == (path.read_bytes(), path.stat().st_mode & 0o777, list(tmp_path.iterdir()))


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    """The file at its other end stays as it was."""
    (tmp_path / "theirs").write_bytes(b"theirs")
    (tmp_path / "link").symlink_to("theirs")

    write_whole_file(tmp_path / "link", b"ours")

    assert (b"theirs", b"ours") == ((tmp_path / "theirs").read_bytes(), (tmp_path / "link").read_bytes())
    assert not (tmp_path / "link").is_symlink()


def test_the_first_of_two_writers_wins_if_nothing_may_be_replaced(tmp_path: Path) -> None:
    """The second gets FileExistsError, and leaves no draft."""
    path = tmp_path / "file"
    write_whole_file(path, bytearray(b"first"), replaces=False)

    with pytest.raises(FileExistsError):
        write_whole_file(path, b"second", replaces=False)

    assert (b"first", [path]) == (path.read_bytes(), list(tmp_path.iterdir()))


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    """A folder is never replaced by a file."""
    (tmp_path / "folder").mkdir()

    with pytest.raises(IsADirectoryError):
        write_whole_file(tmp_path / "folder", b"new")

    assert [tmp_path / "folder"] == list(tmp_path.iterdir())


@pytest.mark.parametrize(("outlasts_crash", "sizes"), [(True, [3]), (False, [])])
def test_a_file_that_outlasts_a_crash_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outlasts_crash: bool, sizes: list[int]
) -> None:
    """The whole draft is synchronized while the old file still stands there."""
    path, synchronized = tmp_path / "file", []

    def fsync(descriptor: int) -> None:
        synchronized.append(os.fstat(descriptor).st_size)
        assert b"old" == path.read_bytes()

    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", fsync)
    write_whole_file(path, b"new", outlasts_crash=outlasts_crash)

    assert (sizes, b"new") == (synchronized, path.read_bytes())
