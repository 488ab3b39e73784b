"""Whose files and processes are whose, in user namespaces too: tried in real ones."""

from __future__ import annotations

import os
import subprocess

from collections.abc import Sequence
from pathlib import Path

import pytest

from mayfly.shared import users
from mayfly.shared.users import OUTSIDE
from support.others import AS_ME, ME, OTHER, PACKAGE, by_root, python


pytestmark = by_root

ASK = """
import os, sys
from pathlib import Path
from mayfly.shared import peer, trust, users
if "sealed" in sys.argv:
    users.trust_unmapped_root()
print(os.getuid(), peer.is_ours(os.getuid()), *trust.trust_problems(Path(sys.argv[1])), sep="|")
"""


@pytest.fixture(name="mine")
def _mine(open_folder: Path) -> Path:
    """A file of ME's, which ME can reach, in folders of root's."""
    path = open_folder / "mine"
    path.write_text("")
    os.chown(path, ME, ME)
    return path


def told(path: Path, *argv: str, sealed: bool = False) -> str:
    """The uid that a process has inside, whether it would talk to itself, and what it has against `path`."""
    command = [*argv, python(), "-c", ASK, str(path), *(["sealed"] if sealed else [])]
    return subprocess.run(command, env=PACKAGE, capture_output=True, text=True, check=True).stdout.strip()


def told_in_map(path: Path, uid_map: str, argv: Sequence[str]) -> str:
    """The same, as ME in a new user namespace with this map of uids and gids, as Podman makes them."""
    waits = ("unshare", "-U", "--", "sh", "-c", 'read go; exec "$@"', "sh")
    command = (*waits, *argv, python(), "-c", ASK, str(path))
    with subprocess.Popen(command, env=PACKAGE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        while Path(f"/proc/{process.pid}/ns/user").readlink() == Path("/proc/self/ns/user").readlink():
            pass
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{process.pid}/{name}").write_text(uid_map)
        out, _ = process.communicate("go\n")
    return out.strip()


def test_where_everybody_is_nobody_nothing_is_trusted(mine: Path) -> None:
    """`unshare -U` maps no user: our own files and processes look like everybody's."""
    assert f"65534|False|{OUTSIDE}" == told(mine, "unshare", "-U", "--")
    assert f"65534|False|{OUTSIDE}" == told(mine, "unshare", "-U", "--", sealed=True)
    assert f"65534|False|{OUTSIDE}" == told(mine, *AS_ME, "unshare", "-U", "--")


def test_where_only_we_have_a_uid_nothing_is_trusted_unless_systemd_made_it_so(mine: Path) -> None:
    """Bubblewrap and `unshare --map-current-user` map one user: root's files look like any stranger's."""
    in_one = (*AS_ME, "unshare", "--map-current-user", "--")

    assert f"{ME}|True|{OUTSIDE}" == told(mine, *in_one)
    assert f"{ME}|True" == told(mine, *in_one, sealed=True)


def test_where_root_has_a_uid_files_are_trusted_as_ever(mine: Path) -> None:
    """Podman with keep-id, toolbox, WSL 2 and Crostini map a root: theirs and ours are trusted, another user's not."""
    theirs = mine.with_name("theirs")
    theirs.write_text("")
    os.chown(theirs, OTHER, OTHER)
    keep_id = f"0 0 1000\n{ME} {ME} 10\n"

    assert f"{ME}|True" == told_in_map(mine, keep_id, AS_ME)
    refusal = f"{ME}|True|{theirs} belongs to uid {OTHER}: chown it, or move the file"
    assert refusal == told_in_map(theirs, keep_id, AS_ME)


def test_a_file_of_a_user_without_a_uid_here_is_one_line(mine: Path) -> None:
    """Also where root is mapped: the file may be anybody's, and the line says where to run instead."""
    os.chown(mine, OTHER, OTHER)
    keep_id = f"0 0 1000\n{ME} {ME} 1\n"

    refusal = f"{ME}|True|{mine} belongs to a user that has no uid here: {OUTSIDE}"
    assert refusal == told_in_map(mine, keep_id, AS_ME)


def test_on_the_host_nobody_is_a_user_like_any_other(mine: Path) -> None:
    """A service that runs as nobody has a uid of its own there."""
    os.chown(mine, 65534, 65534)
    as_nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")

    assert "65534|True" == told(mine, *as_nobody)


def test_a_user_without_a_name_is_a_number() -> None:
    """Containers have such users."""
    assert ("root", "uid 4000000") == (users.user_name(0), users.user_name(4_000_000))
