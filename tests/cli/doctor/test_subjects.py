"""What single subjects make of what they see: tables, without a machine around them."""

from __future__ import annotations

import os
import socket
import stat
import sys

from pathlib import Path

import pytest

from mayfly.cli.doctor import clients, network, onepassword, op_app
from mayfly.cli.doctor.facts import Facts
from mayfly.cli.doctor.network import Probe
from mayfly.cli.doctor.programs_asked import Asked
from mayfly.config.model import OnePassword
from mayfly.config.values import FilePath
from mayfly.shared import mounts
from support.exchange import program


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="Linux's own")


@pytest.mark.parametrize(
    ("client", "answer", "state"),
    [
        ("aws", "aws-cli/2.36.7 Python/3.14.0 Linux/6.18 exe/x86_64.debian.12", "ok"),
        ("aws", "aws-cli/2.15.0 Python/3.11.6", "ok"),
        ("aws", "aws-cli/2.14.6 Python/3.11.6", "warning"),
        ("aws", "aws-cli/2.9.19 Python/3.11.2 Linux/6.1 source/x86_64.debian.12 prompt/off", "warning"),
        ("aws", "aws-cli/1.46.3 Python/3.11.7 Linux/6.18 botocore/1.43.62", "ok"),
        ("aws", "aws-cli/1.22.34 Python/3.10.6 Linux/5.15 botocore/1.23.34", "warning"),
        ("aws", "something else", None),
        ("python3", "botocore/1.32.0", "ok"),
        ("python3", "botocore/1.31.85", "warning"),
        ("python3", "", None),
        ("terraform", "Terraform v1.11.4\non linux_amd64", "ok"),
        ("terraform", "Terraform v1.5.7", "warning"),
        ("ruby", "aws-sdk-core/3.211.0", "ok"),
        ("ruby", "aws-sdk-core/3.168.4", "warning"),
    ],
)
def test_the_versions_from_which_a_client_works(client: str, answer: str, state: str | None) -> None:
    """By what the program says; one that does not have the SDK is no check."""
    candidates = [one for one in clients.CLIENTS if one.program == client]
    check = clients.judged(Asked(output=answer), candidates)

    assert state == (check and check.state)


@pytest.mark.parametrize(
    ("skew", "state", "words"),
    [
        (0.4, "ok", "right, by AWS's"),
        (-14, "ok", "right, by AWS's"),
        (15, "warning", "15s behind AWS's: some one-time passwords are refused"),
        (-61, "failure", "1m 1s ahead of AWS's: one-time passwords are refused"),
        (None, "ok", "not known: AWS did not tell its time"),
    ],
)
def test_the_skew_from_which_a_clock_is_wrong(skew: float | None, state: str, words: str) -> None:
    """A one-time password is of thirty seconds."""
    check = network.clock(Probe(skew_seconds=skew))

    assert (state, words) == (check.state, check.message)


MOUNTS = [
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
    "25 22 0:22 / /run rw,nosuid shared:2 - tmpfs tmpfs rw,mode=755",
    "40 25 0:40 / /run/user/1000 rw master:3 - tmpfs tmpfs rw",
    "41 22 0:41 / /mnt/a\\040b rw - btrfs /dev/sdb rw",
    "42 22 0:42 / /mnt/a\\040b rw - tmpfs none rw",
    "",
]


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/run/user/1000/mayfly", "tmpfs"),
        ("/running", "ext4"),
        ("/mnt/a b/c", "tmpfs"),
        ("/home/carmas/.local/state/mayfly", "ext4"),
    ],
)
def test_the_file_system_of_a_folder(folder: str, kind: str) -> None:
    """That of the nearest mount above it; of two mounts on one point the later one."""
    assert kind == mounts.file_system(Path(folder), MOUNTS)


@linux_only
@pytest.mark.parametrize(
    ("mode", "gid", "is_nosuid", "state"),
    [
        (0o2755, 31002, False, "ok"),
        (0o755, 31002, False, "failure"),
        (0o2755, 951, False, "warning"),
        (0o2755, 31002, True, "failure"),
    ],
)
def test_the_group_by_which_the_app_knows_op(mode: int, gid: int, is_nosuid: bool, state: str) -> None:
    """Setgid, to no system group, on a file system that lets it be; what mends it names the program."""
    check = onepassword._group_of(Path("/opt/my op/op"), stat.S_IFREG | mode, gid, is_nosuid=is_nosuid)

    assert state == check.state
    assert ("'/opt/my op/op'" in check.hint) == (state != "ok" and not is_nosuid)


@linux_only
def test_the_app_runs_if_it_listens(tmp_path: Path) -> None:
    """On a socket of its own in the runtime folder, or on an abstract one; a socket of another name is none."""
    facts = Facts(environ={"XDG_RUNTIME_DIR": str(tmp_path)})
    with socket.socket(socket.AF_UNIX) as other, socket.socket(socket.AF_UNIX) as app:
        other.bind(str(tmp_path / "other.sock"))
        other.listen()
        assert "warning" == op_app.running(facts, is_known=True).state
        assert "1password --silent &" == op_app.running(facts, is_known=True).hint
        app.bind(f"\0/tmp/1Password-{os.getuid()}/{os.urandom(4).hex()}")
        app.listen()
        assert "ok" == op_app.running(facts, is_known=True).state


def test_a_script_has_no_group_of_its_own(tmp_path: Path) -> None:
    """The kernel ignores its setgid bit: what it runs is what counts, and is not known."""
    script = tmp_path / "op"
    script.write_text("#!/bin/sh\n")

    assert (True, False) == (onepassword.is_script(script), onepassword.is_script(Path(sys.executable).resolve()))


def test_an_op_of_windows_is_not_judged_by_linux(tmp_path: Path) -> None:
    """It needs no setgid bit, and neither its app nor its account is on this side."""
    place = program(tmp_path / "op.exe", "#!/bin/sh\necho 2.39.0\n")
    made = onepassword._of_way(Facts(environ={}), "onepassword", OnePassword(op=FilePath(str(place))))

    found = {check.id: (check.state, check.message) for check in made}
    assert {"op.program", "op.version", "op.app"} == found.keys()
    assert ("ok", True) == (found["op.app"][0], "asks Windows's 1Password app" in found["op.app"][1])
