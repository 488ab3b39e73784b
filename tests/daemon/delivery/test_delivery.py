"""The folders of grants: what is in them, who may enter, and what is left at the end."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mayfly.daemon.delivery import Delivery, Paths
from mayfly.daemon.delivery import delivery as delivery_module
from mayfly.shared.credentials import process_body
from mayfly.shared.errors import GrantRefused, GrantUndelivered
from support.deliveries import ID, OTHER_ID, Deliverable, delivering, descriptor_of, number_of, said, texts, tree
from support.engine import HOUR, at, credentials
from support.others import OTHER, by_root
from support.stage import Log


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="folders are held by O_PATH")
SOCKET = Deliverable(ID, "socket")
FILE = Deliverable(ID, "file", allows_disk=True)
CREDENTIALS = credentials(at(HOUR))


async def test_a_grant_by_socket_is_a_folder_to_mount(runtime: Path) -> None:
    """Others enter the folder of the socket, connect and list nothing. At the end nothing is left."""
    async with delivering(runtime) as delivery:
        paths = await delivery.open(SOCKET)
        answer, found = await said(str(paths.folder)), tree(runtime)
        await delivery.close(SOCKET)

    folder = f"{runtime}/grants/{ID}/socket"
    assert Paths(folder=folder, socket=f"{folder}/s") == paths
    assert f'"{ID}"' == answer
    assert {
        "grants": "drwx------",
        f"grants/{ID}": "drwx------",
        f"grants/{ID}/socket": "drwx--x--x",
        f"grants/{ID}/socket/s": "srw-rw-rw-",
    } == found
    assert {"grants": "drwx------"} == tree(runtime)


async def test_a_grant_by_file_has_its_config_apart_from_its_credentials(runtime: Path) -> None:
    """Who can write in the mounted folder cannot write the config, which names a program to run."""
    async with delivering(runtime) as delivery:
        paths = await delivery.open(FILE)
        await delivery.renewed(FILE, CREDENTIALS)
        found, contents = tree(runtime), texts(runtime)
        await delivery.close(SOCKET)
        await delivery.renewed(FILE, CREDENTIALS)

    grant = f"{runtime}/grants/{ID}"
    assert (
        Paths(
            folder=f"{grant}/credentials",
            config_file=f"{grant}/config/config",
            credentials_file=f"{grant}/credentials/credentials.json",
        )
        == paths
    )
    assert {
        "config": f"[default]\ncredential_process = /bin/cat '{grant}/credentials/credentials.json'\n",
        "credentials.json": process_body(CREDENTIALS).decode(),
    } == contents
    assert {
        "grants": "drwx------",
        f"grants/{ID}": "drwx------",
        f"grants/{ID}/config": "drwx------",
        f"grants/{ID}/config/config": "-rw-------",
        f"grants/{ID}/credentials": "drwx--x--x",
        f"grants/{ID}/credentials/credentials.json": "-rw-r--r--",
    } == found
    assert {"grants": "drwx------"} == tree(runtime)


async def test_credentials_that_are_taken_away_come_back_in_the_same_folder(runtime: Path) -> None:
    """The file alone goes, so a mount shows the next one. A link in its place leads nowhere, and a folder stays."""
    (runtime / "victim").write_text("kept")
    async with delivering(runtime) as delivery:
        mount = descriptor_of((await delivery.open(FILE)).folder)
        taken = [await delivery.take_away(FILE)]
        for _ in range(2):
            await delivery.renewed(FILE, CREDENTIALS)
            taken += [await delivery.take_away(FILE), await delivery.take_away(FILE)]
        left = set(texts(runtime))
        os.symlink(runtime / "victim", "credentials.json", dir_fd=mount)
        taken.append(await delivery.take_away(FILE))
        os.mkdir("credentials.json", dir_fd=mount)
        with pytest.raises(GrantUndelivered):
            await delivery.take_away(FILE)
        os.rmdir("credentials.json", dir_fd=mount)
        await delivery.renewed(FILE, CREDENTIALS)
        seen = os.read(os.open("credentials.json", os.O_RDONLY, dir_fd=mount), 10_000)
        await delivery.close(FILE)
        taken.append(await delivery.take_away(FILE))
    os.close(mount)

    assert [False, True, False, True, False, True, False] == taken
    assert ({"config", "victim"}, {"victim": "kept"}) == (left, texts(runtime))
    assert process_body(CREDENTIALS) == seen


async def test_a_reader_never_sees_half_of_the_credentials(runtime: Path) -> None:
    """The file is replaced as a whole, also while it is read again and again."""
    bodies = [credentials(at(HOUR), key=str(number)) for number in range(40)]

    async def renew_again_and_again(delivery: Delivery) -> None:
        for each in bodies:
            await delivery.renewed(FILE, each)

    async with delivering(runtime) as delivery:
        await delivery.open(FILE)
        await delivery.renewed(FILE, CREDENTIALS)
        path = runtime / f"grants/{ID}/credentials/credentials.json"
        seen, _ = await asyncio.gather(
            asyncio.to_thread(lambda: {path.read_bytes() for _ in range(2000)}), renew_again_and_again(delivery)
        )

    assert seen <= {process_body(each) for each in (CREDENTIALS, *bodies)}


BOTO = """
import boto3
found = boto3.Session().get_credentials()
print(found.method, found.get_frozen_credentials().access_key)
"""


@pytest.mark.parametrize("name", ["plain", "with two spaces", "percent%d"])
async def test_sdks_print_the_file_by_the_grants_config(runtime: Path, name: str) -> None:
    """boto3 splits the line as a POSIX shell does, other SDKs give it to `sh -c`: both get the credentials."""
    folder = runtime / name
    folder.mkdir(mode=0o700)
    fresh = credentials(datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1))
    async with delivering(folder) as delivery:
        paths = await delivery.open(FILE)
        await delivery.renewed(FILE, fresh)
        line = texts(folder)["config"].partition(" = ")[2].strip()
        env = {"PATH": os.environ["PATH"], "HOME": str(runtime), "AWS_CONFIG_FILE": str(paths.config_file)}
        by_boto3 = await _output(env | {"AWS_EC2_METADATA_DISABLED": "true"}, sys.executable, "-c", BOTO)
        by_sh = await _output(env, "sh", "-c", line)

    assert b"custom-process ASIAEXAMPLE00001\n" == by_boto3
    assert process_body(fresh) == by_sh


async def _output(env: dict[str, str], *argv: str) -> bytes:
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE, env=env)
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    return out


@linux_only
async def test_a_mount_made_before_a_restart_reaches_the_new_socket(runtime: Path) -> None:
    """The next daemon takes the folders as they are, and replaces only the socket."""
    async with delivering(runtime) as delivery:
        first = await delivery.open(SOCKET)
        mounts = descriptor_of(first.folder)
        before = number_of(first.socket)
        again = await delivery.open(SOCKET)
        after = number_of(first.socket)
    with pytest.raises(ConnectionRefusedError):
        await said(mounts)
    async with delivering(runtime) as delivery:
        second = await delivery.open(SOCKET)
        answer = await said(mounts)
    os.close(mounts)

    assert (first, first) == (again, second)
    assert (before, f'"{ID}"') == (after, answer)
    assert before != number_of(first.socket)


async def test_what_an_earlier_daemon_has_left_is_swept(runtime: Path) -> None:
    """Folders of grants that are no more go; those of known ones stay, and so does all that is not ours."""
    async with delivering(runtime) as delivery:
        await delivery.open(SOCKET)
        await delivery.open(Deliverable(OTHER_ID, "socket"))
    (runtime / "grants/notes").mkdir()
    (runtime / "grants/0000abcd").write_text("a file")
    log = Log()
    async with delivering(runtime, log=log) as delivery:
        await delivery.sweep({OTHER_ID})

    assert {"0000abcd", "notes", OTHER_ID} == {path.name for path in (runtime / "grants").iterdir()}
    assert [{"grant": "0000abcd", "reason": "Not a directory"}] == log.told("grant.folder_left")


async def test_what_others_have_put_in_a_mounted_folder_is_left(runtime: Path) -> None:
    """The socket goes, the rest is not ours, and the log says that the folder stays."""
    log = Log()
    async with delivering(runtime, log=log) as delivery:
        await delivery.open(SOCKET)
        folder = runtime / f"grants/{ID}/socket"
        (folder / "theirs").write_text("text")
        await delivery.close(SOCKET)

    assert ["theirs"] == [path.name for path in folder.iterdir()]
    assert [{"grant": ID, "reason": "Directory not empty"}] == log.told("grant.folder_left")


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("grants", "socket"),
        ("grants", "file"),
        (f"grants/{ID}", "socket"),
        (f"grants/{ID}", "file"),
        (f"grants/{ID}/socket", "socket"),
        (f"grants/{ID}/config", "file"),
        (f"grants/{ID}/credentials", "file"),
    ],
)
async def test_a_link_in_the_place_of_a_folder_is_not_followed(runtime: Path, place: str, kind: str) -> None:
    """Nothing is made, changed or removed where it leads to, and the error names the grant's folder."""
    victim = runtime / "victim"
    victim.mkdir(mode=0o755)
    (victim / "s").write_text("kept")
    victim.chmod(0o755)
    (runtime / place).parent.mkdir(parents=True, exist_ok=True)
    (runtime / place).symlink_to(victim)
    before = tree(victim)

    async with delivering(runtime) as delivery:
        error = await _outcome(delivery, Deliverable(ID, kind, allows_disk=True))
        await delivery.renewed(FILE, CREDENTIALS)
        await delivery.close(SOCKET)

    assert f"the grant's folder {runtime}/grants/{ID}: Not a directory" == error.message
    assert (before, "kept", 0o755) == (tree(victim), (victim / "s").read_text(), victim.stat().st_mode & 0o777)


@pytest.mark.parametrize("name", [".s", ".new", "socket/s", "config/config", "credentials/credentials.json"])
async def test_a_link_in_the_place_of_a_file_is_replaced(runtime: Path, name: str) -> None:
    """What it leads to stays as it is, and what is ours is no link any more; a draft is gone."""
    victim = runtime / "victim"
    victim.write_text("kept")
    victim.chmod(0o640)
    link = runtime / "grants" / ID / name
    link.parent.mkdir(parents=True)
    link.symlink_to(victim)

    async with delivering(runtime) as delivery:
        await delivery.open(Deliverable(ID, "socket" if name.endswith("s") else "file", allows_disk=True))
        await delivery.renewed(FILE, CREDENTIALS)
        is_link = link.is_symlink()
        await delivery.close(SOCKET)

    assert ("kept", 0o640, False) == (victim.read_text(), victim.stat().st_mode & 0o777, is_link)


@pytest.mark.parametrize("name", ["socket/s", "config/config", "credentials/credentials.json"])
async def test_a_folder_in_the_place_of_a_file_is_an_error(runtime: Path, name: str) -> None:
    """It is not ours: it stays with what is in it, no draft is left beside it, and the log says so at the end."""
    theirs = runtime / "grants" / ID / name
    theirs.mkdir(parents=True)
    (theirs / "text").write_text("kept")
    log, grant = Log(), SOCKET if name.startswith("socket") else FILE

    async with delivering(runtime, log=log) as delivery:
        error = await _outcome(delivery, grant)
        if error is None:
            with pytest.raises(GrantUndelivered) as raised:
                await delivery.renewed(grant, CREDENTIALS)
            error = raised.value
        drafts = [path.name for path in (runtime / "grants" / ID).iterdir() if path.name.startswith(".")]
        await delivery.close(grant)

    assert (f"the grant's folder {runtime}/grants/{ID}: Is a directory", []) == (error.message, drafts)
    assert "kept" == (theirs / "text").read_text()
    assert [ID] == [each["grant"] for each in log.told("grant.folder_left")]


async def _outcome(delivery: Delivery, wanted: Deliverable) -> Any:
    try:
        await delivery.open(wanted)
    except (GrantRefused, GrantUndelivered) as error:
        return error
    return None


@by_root
@pytest.mark.parametrize("place", ["grants", f"grants/{ID}", f"grants/{ID}/socket"])
async def test_another_users_folder_is_not_taken(runtime: Path, place: str) -> None:
    """A folder of another user in the place of ours is refused, and stays as it is."""
    (runtime / place).mkdir(parents=True)
    os.chown(runtime / place, OTHER, OTHER)
    before = (runtime / place).stat()

    async with delivering(runtime) as delivery:
        error = await _outcome(delivery, SOCKET)
        await delivery.close(SOCKET)

    assert f"the grant's folder {runtime}/grants/{ID}: it belongs to another user" == error.message
    after = (runtime / place).stat()
    assert (before.st_ino, before.st_mode, before.st_mtime_ns) == (after.st_ino, after.st_mode, after.st_mtime_ns)


async def test_a_path_that_no_socket_can_have_is_refused_before_anything_is_made(runtime: Path) -> None:
    """107 bytes on Linux, 103 on macOS; the sentence says what to do."""
    room = (107 if sys.platform == "linux" else 103) - len(f"{runtime}//grants/{ID}/socket/s")
    fits, is_longer = runtime / ("f" * room), runtime / ("l" * (room + 1))
    for folder in (fits, is_longer):
        folder.mkdir(mode=0o700)
    async with delivering(fits) as delivery:
        paths = await delivery.open(SOCKET)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(paths.socket))
    async with delivering(is_longer) as delivery:
        error = await _outcome(delivery, SOCKET)

    assert isinstance(error, GrantRefused)
    assert error.message.endswith(f"{is_longer}/grants/{ID}/socket/s")
    assert "set MAYFLY_RUNTIME_DIR to a folder with a shorter name" == error.hint
    assert {} == tree(is_longer)


async def test_a_path_that_an_sdk_would_misread_is_refused_for_a_file(runtime: Path) -> None:
    """A credential_process with such a path would print something else, or run it."""
    odd = runtime / "a;b"
    odd.mkdir(mode=0o700)
    async with delivering(odd) as delivery:
        error = await _outcome(delivery, FILE)

    assert isinstance(error, GrantRefused)
    assert {} == tree(odd)


async def test_a_missing_runtime_folder_is_an_error(runtime: Path) -> None:
    """It is not made: the daemon has made it, or nobody may."""
    async with delivering(runtime / "missing") as delivery:
        error = await _outcome(delivery, SOCKET)
        await delivery.sweep([])

    assert f"the grant's folder {runtime}/missing/grants/{ID}: No such file or directory" == error.message
    assert {} == tree(runtime)


async def test_a_socket_that_cannot_be_bound_leaves_nothing(runtime: Path) -> None:
    """The folder goes again, if it was made for it; that of an earlier daemon stays."""

    def fails(_grant_id: str) -> socket.socket:
        raise OSError(28, "No space left on device")

    async with delivering(runtime) as delivery:
        await delivery.open(Deliverable(OTHER_ID, "socket"))
    async with delivering(runtime, bind=fails) as delivery:
        new, known = await _outcome(delivery, SOCKET), await _outcome(delivery, Deliverable(OTHER_ID, "socket"))

    assert f"the grant's folder {runtime}/grants/{ID}: No space left on device" == new.message
    assert f"the grant's folder {runtime}/grants/{OTHER_ID}: No space left on device" == known.message
    assert f"make room there: df -h {runtime}; df -i {runtime}" == new.hint
    assert {OTHER_ID} == {path.name for path in (runtime / "grants").iterdir()}
    assert (runtime / "grants" / OTHER_ID / "socket").is_dir()


# Runs as root in a mount namespace of its own: opens grants in runtime folders that have no room, or cannot be written.
FULL = """
import asyncio, json, os, subprocess, sys
sys.path[:0] = json.loads(sys.argv[2])
from pathlib import Path
from mayfly.shared.errors import MayflyError
from support.deliveries import ID, Deliverable, delivering, tree
from support.engine import HOUR, at, credentials

def runtime(options, kind):
    folder = Path(sys.argv[1], kind)
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"mode=700,{options}", "tmpfs", folder], check=True)
    return folder

async def outcome(folder, kind):
    grant = Deliverable(ID, kind)
    async with delivering(folder) as delivery:
        try:
            await delivery.open(grant)
            try:
                await delivery.renewed(grant, credentials(at(HOUR)))
                said = "delivered"
            finally:
                await delivery.close(grant)
        except MayflyError as error:
            said = error.message.rpartition(": ")[2]
    return said, sorted(set(tree(folder)) - {"grants", "filler"})

async def main():
    told = {}
    for kind in ("socket", "file"):
        for inodes in range(2, 8):
            told[f"{kind} {inodes}"] = await outcome(runtime(f"nr_inodes={inodes}", f"{kind}{inodes}"), kind)
    full = runtime("size=8k", "full")
    (full / "filler").write_bytes(bytes(8192))
    told["full"] = await outcome(full, "file")
    read_only = runtime("size=1m", "read_only")
    subprocess.run(["mount", "-o", "remount,ro", read_only], check=True)
    told["read_only"] = await outcome(read_only, "socket")
    print(json.dumps(told))

asyncio.run(main())
"""


@by_root
async def test_a_full_runtime_folder_is_an_error_and_leaves_nothing(runtime: Path) -> None:
    """Wherever the room ends, for each kind; and on a file system that is in memory no --allow-disk is needed."""
    process = await asyncio.create_subprocess_exec(
        *("unshare", "--mount", "--propagation=private", sys.executable, "-c", FULL, str(runtime)),
        json.dumps(sys.path),
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    told = json.loads(out)

    no_space = "No space left on device"
    # The root, `grants`, `grants/ID`, its folders, and what is in them.
    assert [[no_space, []]] * 3 + [["delivered", []]] * 3 == [told[f"socket {count}"] for count in range(2, 8)]
    assert [[no_space, []]] * 5 == [told[f"file {count}"] for count in range(2, 7)]
    assert ["delivered", []] == told["file 7"]
    assert [no_space, []] == told["full"]
    assert ["Read-only file system", []] == told["read_only"]


async def test_credentials_are_not_written_to_a_disk_unless_that_is_allowed(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused before anything is made, with both ways out; a socket needs no memory."""
    monkeypatch.setattr(delivery_module, "file_system", lambda _path: "ext4")
    async with delivering(runtime) as delivery:
        error = await _outcome(delivery, FILE._replace(allows_disk=False))
        found = tree(runtime)
        allowed, by_socket = await _outcome(delivery, FILE), await _outcome(delivery, Deliverable(OTHER_ID, "socket"))

    assert isinstance(error, GrantRefused)
    assert f"credentials would be written to a disk: {runtime} is not in memory (tmpfs)" == error.message
    assert "--allow-disk" in error.hint
    assert ({}, None, None) == (found, allowed, by_socket)
