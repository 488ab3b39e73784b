"""Whether another user could change what is at a path."""

from __future__ import annotations

import grp
import os
import pwd
import struct
import sys

from pathlib import Path

import pytest

from mayfly.shared import trust, users


FOREIGN = 65534
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    return path


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
    """Homebrew makes its folders so, and a member of that group may become root; other groups are not trusted."""
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


def test_what_is_not_there_in_a_sticky_folder_can_be_made_by_others(config: Path, tmp_path: Path) -> None:
    """The sticky bit protects entries that are there; so also behind a link, and for the first part that is missing."""
    sticky = config.parent
    sticky.chmod(0o1777)
    (tmp_path / "link").symlink_to(sticky / "none")

    line = f"{sticky}/none is missing, and others could make it: {sticky} is writable by others"
    for path in (sticky / "none", sticky / "none/run/control.sock", tmp_path / "link"):
        assert [line] == trust.trust_problems(path)
        assert [] == trust.trust_problems(path, missing_counts=False)
    (sticky / "none").mkdir(mode=0o700)
    assert [] == trust.trust_problems(sticky / "none/run")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_link_whose_target_depends_on_the_process_is_refused(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/proc/self/cwd, /proc/PID/cwd, /dev/fd/N of a file, and a link to these lead elsewhere for the exchange."""
    monkeypatch.chdir(config.parent)
    link = tmp_path / "link"
    link.symlink_to("/proc/self/cwd/")
    pid = os.getpid()
    with config.open() as file:
        ways = {
            Path("/proc/self/cwd/config.toml"): f"/proc/{pid}/cwd",
            Path("//proc/self/cwd/config.toml"): f"//proc/{pid}/cwd",
            Path(f"/proc/{pid}/cwd"): f"/proc/{pid}/cwd",
            Path(f"/proc/self/root{config}"): f"/proc/{pid}/root",
            Path(f"/dev/fd/{file.fileno()}"): f"/proc/{pid}/fd/{file.fileno()}",
            link / "config.toml": f"/proc/{pid}/cwd",
        }
        found = {way: trust.trust_problems(way) for way in ways}

    line = "is a link of /proc, which leads elsewhere in another process: name the place itself"
    assert {way: [f"{place} {line}"] for way, place in ways.items()} == found


ANN, ANNS_GROUP = 4242, 4343


@pytest.fixture(name="users_and_groups")
def _users_and_groups(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """We are ann, whose primary group is the one called ann, as Debian and Fedora make them; members by group."""
    members: dict[str, list[str]] = {"ann": []}
    user = pwd.struct_passwd(("ann", "x", ANN, ANNS_GROUP, "", "/home/ann", "/bin/sh"))
    monkeypatch.setattr(os, "getuid", lambda: ANN)
    monkeypatch.setattr(pwd, "getpwuid", {ANN: user}.__getitem__)
    monkeypatch.setattr(pwd, "getpwall", lambda: [user])

    def group(gid: int) -> grp.struct_group:
        name = {ANNS_GROUP: "ann", 100: "users"}[gid]
        return grp.struct_group((name, "x", gid, members.get(name, [])))

    monkeypatch.setattr(grp, "getgrgid", group)
    return members


def give_to_ann(path: Path, gid: int = ANNS_GROUP) -> None:
    """What umask 002 leaves behind: writable by the group."""
    for place in (path.parent, path):
        os.chown(place, ANN, gid)
        place.chmod(0o775 if place.is_dir() else 0o664)


@needs_root
def test_what_the_users_private_group_may_write_is_trusted(
    config: Path, users_and_groups: dict[str, list[str]]
) -> None:
    """umask 002 of Debian and Fedora: the group bears the user's name, is the primary one, and lists nobody else."""
    give_to_ann(config)
    assert [] == trust.trust_problems(config)

    users_and_groups["ann"].append("ann")
    assert [] == trust.trust_problems(config)
    users_and_groups["ann"].append("bob")
    assert [f"{place} is writable by others: chmod go-w {place}" for place in (config.parent, config)] == (
        trust.trust_problems(config)
    )


@needs_root
@pytest.mark.usefixtures("users_and_groups")
def test_what_everybody_may_write_is_not_trusted_for_its_group(config: Path) -> None:
    """The bits for others count as ever."""
    give_to_ann(config)
    config.chmod(0o666)

    assert [f"{config} is writable by others: chmod go-w {config}"] == trust.trust_problems(config)


@needs_root
@pytest.mark.usefixtures("users_and_groups")
def test_a_shared_group_is_not_trusted(config: Path) -> None:
    """Such as users, in which everybody is."""
    give_to_ann(config, 100)

    assert 2 == len(trust.trust_problems(config))


@needs_root
@pytest.mark.usefixtures("users_and_groups")
def test_a_group_that_is_somebody_elses_primary_one_is_not_trusted(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/etc/group does not list them."""
    give_to_ann(config)
    bob = pwd.struct_passwd(("bob", "x", ANN + 1, ANNS_GROUP, "", "/home/bob", "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwall", lambda: [pwd.getpwuid(ANN), bob])

    assert 2 == len(trust.trust_problems(config))


def posix_acl(*entries: tuple[int, int, int]) -> bytes:
    """An ACL as the kernel stores it: version 2, then tag, rights and id of each entry (linux/posix_acl_xattr.h)."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


@needs_root
@pytest.mark.skipif(sys.platform != "linux", reason="ACLs are shown otherwise elsewhere")
@pytest.mark.usefixtures("users_and_groups")
def test_an_acl_is_not_taken_for_the_private_group(config: Path) -> None:
    """Where bob has rights by an ACL, the bits for the group are the ACL's mask."""
    give_to_ann(config)
    nobody = 0xFFFFFFFF
    acl = posix_acl((1, 6, nobody), (2, 6, ANN + 1), (4, 4, nobody), (0x10, 6, nobody), (0x20, 4, nobody))
    try:
        os.setxattr(config, "system.posix_acl_access", acl)
    except OSError:
        pytest.skip("a file system without ACLs")

    assert [f"{config} is writable by others: chmod go-w {config}"] == trust.trust_problems(config)


def test_roots_own_group_is_no_private_group(config: Path) -> None:
    """No system sets umask 002 for root, and group 0 has members in many containers."""
    if os.getuid() == 0:
        config.chmod(0o664)
        assert 1 == len(trust.trust_problems(config))
    assert not users.is_private_group(0) or os.getuid() != 0
