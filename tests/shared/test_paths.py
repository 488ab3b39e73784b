"""Where things are, and whether somebody else could have put them there."""

from __future__ import annotations

import os
import sys

from pathlib import Path

import pytest

from hypothesis import given
from hypothesis import strategies as st

from mayfly.shared import address, paths, trust, users
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
    """A first-time user is told the place, the README and the demo."""
    with pytest.raises(ConfigInvalid) as refusal:
        paths.config_file()

    assert str(refusal.value).startswith(f"{tmp_path}/.config/mayfly/config.toml: no config yet (config.json neither)")
    assert "'mayfly demo'" in str(refusal.value)


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
    stands_for = {usual: tmp_path}
    is_dir, look = Path.is_dir, Path.stat
    monkeypatch.setattr(Path, "is_dir", lambda path: is_dir(stands_for.get(path, path)))
    monkeypatch.setattr(Path, "stat", lambda path, **more: look(stands_for.get(path, path), **more))

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


def test_a_runtime_folder_by_a_link_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever owns the link could lead the tokens elsewhere."""
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


@pytest.fixture(name="config")
def _config(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o755)
    put(folder / "config.toml").chmod(0o644)
    return folder / "config.toml"


def test_a_file_of_ours_in_folders_of_ours_is_trusted(config: Path) -> None:
    """Under a sticky /tmp too, where nobody can replace what is another's."""
    assert [] == trust.trust_problems(config)
    config.parent.chmod(0o1777)
    assert [] == trust.trust_problems(config)


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_a_file_that_others_can_write_is_told_with_its_remedy(config: Path, mode: int) -> None:
    """The line ends with the command that mends it."""
    config.chmod(mode)

    assert [f"{config} is writable by others: chmod go-w {config}"] == trust.trust_problems(config)


def test_the_remedy_can_be_pasted(tmp_path: Path) -> None:
    """Blanks in a path are quoted in the command, as macOS has them."""
    path = put(tmp_path / "Application Support/config.toml")
    path.chmod(0o666)

    assert [f"{path} is writable by others: chmod go-w '{path}'"] == trust.trust_problems(path)


def test_a_folder_above_that_others_can_write_is_told(config: Path) -> None:
    """Who can rename in a folder can replace what is in it."""
    config.parent.chmod(0o775)

    assert [f"{config.parent} is writable by others: chmod go-w {config.parent}"] == trust.trust_problems(config)


@needs_root
def test_what_macos_s_administrators_may_write_is_trusted_there(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Homebrew makes its folders so, and whoever is in that group may become root; everybody else is not."""
    os.chown(config.parent, 0, trust.MACOS_ADMIN_GID)
    config.parent.chmod(0o775)
    assert [] != trust.trust_problems(config)

    monkeypatch.setattr(sys, "platform", "darwin")
    assert [] == trust.trust_problems(config)
    config.parent.chmod(0o777)
    assert [] != trust.trust_problems(config)


@needs_root
def test_what_belongs_to_somebody_else_is_told_with_the_name(config: Path) -> None:
    """Files and folders of another user, even if nobody else can write them: the owner can."""
    name = users.user_name(FOREIGN)
    os.chown(config, FOREIGN, FOREIGN)
    os.chown(config.parent, FOREIGN, FOREIGN)

    assert [
        f"{config.parent} belongs to {name}: chown it, or move the file",
        f"{config} belongs to {name}: chown it, or move the file",
    ] == trust.trust_problems(config)


def test_a_linked_config_is_checked_where_it_really_is(config: Path, tmp_path: Path) -> None:
    """A link into a loose folder, or to a loose file, is as loose as that."""
    link = tmp_path / "link.toml"
    link.symlink_to(config)
    assert [] == trust.trust_problems(link)

    config.chmod(0o666)
    config.parent.chmod(0o777)
    assert [
        f"{config.parent} is writable by others: chmod go-w {config.parent}",
        f"{config} is writable by others: chmod go-w {config}",
    ] == trust.trust_problems(link)


def test_every_link_on_the_way_is_checked(config: Path, tmp_path: Path) -> None:
    """A link that leads through a loose folder to a sound file can be led elsewhere tomorrow."""
    loose = tmp_path / "loose"
    loose.mkdir()
    loose.chmod(0o777)
    (loose / "between").symlink_to(config)
    (tmp_path / "link.toml").symlink_to("folder/../loose/between")

    assert [f"{loose} is writable by others: chmod go-w {loose}"] == trust.trust_problems(tmp_path / "link.toml")


@needs_root
def test_a_link_of_somebody_else_is_not_followed_in_trust(config: Path) -> None:
    """In a sticky folder nobody can replace our files, but a link of theirs stays theirs."""
    link = config.with_name("link.toml")
    link.symlink_to(config)
    os.chown(link, FOREIGN, FOREIGN, follow_symlinks=False)

    name = users.user_name(FOREIGN)
    assert [f"{link} belongs to {name}: chown it, or move the file"] == trust.trust_problems(link)


def test_links_in_a_ring_come_to_an_end(tmp_path: Path) -> None:
    """What leads nowhere is not distrusted for ever: reading it will fail."""
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")

    assert [] == trust.trust_problems(tmp_path / "a")


def test_what_is_not_there_has_the_trust_of_its_folders(config: Path) -> None:
    """A missing file is another error's business, a loose folder is not."""
    missing = config.with_name("none.toml")
    assert [] == trust.trust_problems(missing)

    config.parent.chmod(0o777)
    assert 1 == len(trust.trust_problems(missing))


def test_a_user_without_a_name_is_a_number() -> None:
    """Containers have such users."""
    assert ("root", "uid 4000000") == (users.user_name(0), users.user_name(4_000_000))


NOT_OURS = "is not on 127.0.0.1: mayfly listens nowhere else"
NO_ADDRESS = "must be 127.0.0.1:PORT: mayfly listens nowhere else"
BAD_ADDRESSES = [
    *(
        (text, f"{text!r} {NOT_OURS}")
        for text in ("0.0.0.0:80", "localhost:9170", "[::1]:9170", "10.0.0.1:1", "::1:80")
    ),
    *((text, NO_ADDRESS) for text in ("", ":9170", "9170", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:-1")),
    *((text, NO_ADDRESS) for text in ("127.0.0.1:9170 ", "127.0.0.1:+1", "127.0.0.1:٣", "127.0.0.1:0009170")),
    *((f"127.0.0.1:{port}", f"'127.0.0.1:{port}' has no port between 0 and 65535") for port in (65536, 999_999)),
]


@pytest.mark.parametrize(("text", "line"), BAD_ADDRESSES)
def test_an_address_that_is_not_ours_is_refused(text: str, line: str) -> None:
    """Anything but 127.0.0.1 and a port, whatever it is called elsewhere."""
    with pytest.raises(ValueError, match="127") as refusal:
        address.parse_address(text)

    assert line == str(refusal.value)


@given(st.integers(0, 65535))
def test_every_port_is_an_address(port: int) -> None:
    """0 is the port that the system chooses."""
    assert ("127.0.0.1", port) == address.parse_address(f"127.0.0.1:{port}")


@given(st.text())
def test_no_text_is_more_than_refused(text: str) -> None:
    """An address is parsed or refused with ValueError, whatever stands there."""
    try:
        host, _ = address.parse_address(text)
    except ValueError:
        host = "127.0.0.1"
    assert "127.0.0.1" == host


def test_the_address_is_given_then_the_variable_then_configured_then_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable says nothing; an empty --listen is a mistake."""
    assert ("127.0.0.1", 2) == address.listen_address(None, "127.0.0.1:2")
    monkeypatch.setenv("MAYFLY_LISTEN", "127.0.0.1:3")
    assert ("127.0.0.1", 3) == address.listen_address(None, "127.0.0.1:2")
    assert ("127.0.0.1", 4) == address.listen_address("127.0.0.1:4", "127.0.0.1:2")
    with pytest.raises(ValueError, match="must be"):
        address.listen_address("", None)
    monkeypatch.setenv("MAYFLY_LISTEN", "")
    assert ("127.0.0.1", 9170 + os.getuid() % 1000) == address.listen_address(None, None)


@pytest.mark.parametrize(("uid", "port"), [(0, 9170), (501, 9671), (1000, 9170), (1999, 10169)])
def test_each_user_has_a_port_of_its_own(monkeypatch: pytest.MonkeyPatch, uid: int, port: int) -> None:
    """9170 and the uid's last three digits: two users of a machine do not collide."""
    monkeypatch.setattr(os, "getuid", lambda: uid)

    assert ("127.0.0.1", port) == address.default_address()
