"""Where things are, and whether somebody else could have put them there."""

from __future__ import annotations

import os
import sys

from pathlib import Path

import pytest

from mayfly.shared import paths, users
from mayfly.shared.errors import ConfigInvalid


FOREIGN = 65534
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of this machine's session has a say, and the home is empty."""
    for name in ("MAYFLY_CONFIG", "MAYFLY_RUNTIME_DIR", "MAYFLY_LISTEN", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    return path


def test_the_config_is_the_given_one_then_the_variables_then_toml_then_json(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each place is looked at only where those before it say nothing."""
    json_file = put(tmp_path / ".config/mayfly/config.json")
    assert json_file == paths.config_file()

    toml_file = put(tmp_path / ".config/mayfly/config.toml")
    assert toml_file == paths.config_file()

    monkeypatch.setenv("MAYFLY_CONFIG", "~/named.toml")
    assert tmp_path / "named.toml" == paths.config_file()
    assert Path("/given.json") == paths.config_file("/given.json")
    assert Path.cwd() / "given.toml" == paths.config_file("given.toml")


@pytest.mark.parametrize(("base", "folder"), [("/etc/xdg", "/etc/xdg/mayfly"), ("rel", None), ("", None)])
def test_xdg_config_home_counts_if_it_is_absolute(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, base: str, folder: str | None
) -> None:
    """The XDG specification says to ignore a relative path; macOS is no exception to any of it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", base)
    expected = Path(folder) if folder else tmp_path / ".config/mayfly"

    assert expected == paths.config_dir()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert expected == paths.config_dir()


def test_no_config_at_all_says_where_one_would_be(tmp_path: Path) -> None:
    """A first-time user is told the place, the command that makes a config, and the demo."""
    with pytest.raises(ConfigInvalid) as refusal:
        paths.config_file()

    assert str(refusal.value).startswith(f"{tmp_path}/.config/mayfly/config.toml: no config yet (config.json neither)")
    assert "mayfly init" in refusal.value.hint
    assert "mayfly demo" in refusal.value.hint


@pytest.mark.parametrize("variable", ["MAYFLY_CONFIG", "MAYFLY_RUNTIME_DIR"])
def test_the_home_of_nobody_is_no_place(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """A `~name` that cannot be expanded is refused, not a traceback."""
    monkeypatch.setenv(variable, "~nobody-of-that-name/x")
    find = {"MAYFLY_CONFIG": paths.config_file, "MAYFLY_RUNTIME_DIR": paths.runtime_dir}[variable]

    with pytest.raises(ConfigInvalid, match="there is no such user's home"):
        find()


def test_the_runtime_folder_is_the_variables_then_the_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """MAYFLY_RUNTIME_DIR is the folder itself; XDG_RUNTIME_DIR has it inside, if it is absolute."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    assert Path("/run/user/7/mayfly") == paths.runtime_dir()
    assert [Path(f"/run/user/7/mayfly/{name}.sock") for name in ("control", "exchange", "desk")] == [
        paths.control_socket(),
        paths.exchange_socket(),
        paths.desk_socket(),
    ]

    monkeypatch.setenv("MAYFLY_RUNTIME_DIR", "/tmp/mine")
    assert Path("/tmp/mine") == paths.runtime_dir()


def test_without_a_session_the_runtime_folder_is_found_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """cron and su find /run/user/UID where it is ours; else it is the state folder, on macOS Application Support."""
    mine = Path(f"/run/user/{os.getuid()}")
    if mine.is_dir() and mine.stat().st_uid == os.getuid():
        assert mine / "mayfly" == paths.runtime_dir()

    # A user without a session of its own.
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    monkeypatch.setattr(sys, "platform", "linux")
    assert tmp_path / ".local/state/mayfly/run" == paths.runtime_dir()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert tmp_path / "Library/Application Support/mayfly/run" == paths.runtime_dir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", "relative")
    assert tmp_path / "Library/Application Support/mayfly/run" == paths.runtime_dir()


def test_run_user_is_taken_where_it_is_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """/run/user/UID counts if it exists and belongs to this user, and not otherwise."""
    usual = Path(f"/run/user/{os.getuid()}")
    stands_for = {str(usual): tmp_path}
    look = os.stat
    monkeypatch.setattr(os, "stat", lambda path, **more: look(stands_for.get(path, path), **more))

    assert usual / "mayfly" == paths.runtime_dir()
    if os.getuid() == 0:
        os.chown(tmp_path, FOREIGN, FOREIGN)
        assert usual / "mayfly" != paths.runtime_dir()


def test_the_runtime_folder_is_made_for_its_user_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """0700 from the start, parents too if need be; what is there already must be so."""
    monkeypatch.setenv("MAYFLY_RUNTIME_DIR", str(tmp_path / "a/b c"))

    folder = paths.make_runtime_dir()
    assert (0o700, folder) == (folder.stat().st_mode & 0o777, paths.make_runtime_dir())

    folder.chmod(0o750)
    with pytest.raises(ConfigInvalid) as refusal:
        paths.make_runtime_dir()
    assert f"{folder} is open to others: chmod 700 '{folder}'" == str(refusal.value)


def test_a_runtime_folder_that_cannot_be_made_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file in the way is named with the system's own words."""
    monkeypatch.setenv("MAYFLY_RUNTIME_DIR", str(put(tmp_path / "file") / "run"))

    with pytest.raises(ConfigInvalid) as refusal:
        paths.make_runtime_dir()
    assert f"{tmp_path}/file/run: cannot be made: Not a directory" == str(refusal.value)
    assert "export MAYFLY_RUNTIME_DIR=" in refusal.value.hint


def test_a_runtime_folder_by_a_link_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The owner of the link could lead the tokens elsewhere."""
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("real")
    monkeypatch.setenv("MAYFLY_RUNTIME_DIR", str(tmp_path / "link"))

    with pytest.raises(ConfigInvalid) as refusal:
        paths.make_runtime_dir()
    assert f"{tmp_path}/link is a symbolic link: remove it" == str(refusal.value)


@needs_root
def test_a_runtime_folder_of_somebody_else_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whose it is, is told by name."""
    (tmp_path / "run").mkdir(mode=0o700)
    os.chown(tmp_path / "run", FOREIGN, FOREIGN)
    monkeypatch.setenv("MAYFLY_RUNTIME_DIR", str(tmp_path / "run"))

    with pytest.raises(ConfigInvalid) as refusal:
        paths.make_runtime_dir()
    owner = users.user_name(FOREIGN)
    assert f"{tmp_path}/run belongs to {owner}: choose another folder for MAYFLY_RUNTIME_DIR" == str(refusal.value)


@pytest.mark.parametrize("mode", [0o777, 0o773, 0o770])
@pytest.mark.parametrize("is_there", [False, True])
def test_a_runtime_folder_in_a_folder_that_others_can_write_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: int, *, is_there: bool
) -> None:
    """Another user could put theirs in its place: it is neither made nor used, nor is a socket in it believed."""
    loose = tmp_path / "loose"
    loose.mkdir()
    (loose / "between").mkdir(mode=0o755)
    if is_there:
        (loose / "between/run").mkdir(mode=0o700)
    loose.chmod(mode)
    monkeypatch.setenv("MAYFLY_RUNTIME_DIR", str(loose / "between/run"))

    for use in (paths.make_runtime_dir, paths.trusted_control_socket, paths.lasting_control_socket):
        with pytest.raises(ConfigInvalid) as refusal:
            use()
        assert f"{loose} is writable by others: chmod go-w {loose}" == str(refusal.value)
    assert is_there == (loose / "between/run").exists()


def test_a_runtime_folder_in_a_sticky_folder_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in /tmp: only its owner can replace it."""
    tmp_path.chmod(0o1777)
    monkeypatch.setenv("MAYFLY_RUNTIME_DIR", str(tmp_path / "run"))

    assert tmp_path / "run" == paths.make_runtime_dir()
    for socket in (paths.trusted_control_socket, paths.lasting_control_socket):
        assert tmp_path / "run/control.sock" == socket()


def test_a_missing_runtime_folder_in_a_sticky_folder_is_given_to_no_other_program(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Another user may be the first to make it, with a socket of theirs. Our commands ask who answers there."""
    tmp_path.chmod(0o1777)
    monkeypatch.setenv("MAYFLY_RUNTIME_DIR", str(tmp_path / "a/run"))

    assert tmp_path / "a/run/control.sock" == paths.trusted_control_socket()
    with pytest.raises(ConfigInvalid) as refusal:
        paths.lasting_control_socket()
    assert (
        f"{tmp_path}/a is missing, and others could make it: {tmp_path} is writable by others: "
        "start the daemon first, which makes it: mayfly serve"
    ) == str(refusal.value)


def test_a_sticky_folder_is_no_runtime_folder_for_other_programs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """MAYFLY_RUNTIME_DIR=/tmp: there anybody can make a control.sock. The daemon refuses such a folder too."""
    tmp_path.chmod(0o1777)
    monkeypatch.setenv("MAYFLY_RUNTIME_DIR", str(tmp_path))

    with pytest.raises(ConfigInvalid) as refusal:
        paths.lasting_control_socket()
    assert f"{tmp_path} is writable by others: choose another folder for MAYFLY_RUNTIME_DIR" == str(refusal.value)


@needs_root
def test_a_runtime_folder_in_somebody_elses_folder_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its owner may do anything there, also if the modes forbid it."""
    theirs = tmp_path / "theirs"
    (theirs / "run").mkdir(mode=0o700, parents=True)
    os.chown(theirs, FOREIGN, FOREIGN)
    monkeypatch.setenv("MAYFLY_RUNTIME_DIR", str(theirs / "run"))

    with pytest.raises(ConfigInvalid, match=f"{theirs} belongs to"):
        paths.make_runtime_dir()


def test_folders_above_the_runtime_folder_are_made_private(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With any umask, so that a folder that was made is trusted afterwards."""
    monkeypatch.setenv("MAYFLY_RUNTIME_DIR", str(tmp_path / "a/b/run"))
    before = os.umask(0)
    try:
        paths.make_runtime_dir()
    finally:
        os.umask(before)

    assert [0o700] * 3 == [(tmp_path / name).stat().st_mode & 0o777 for name in ("a", "a/b", "a/b/run")]
