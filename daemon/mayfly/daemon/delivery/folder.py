"""`RUNTIME/grants/ID`, made, written and removed by descriptors. Every function blocks, and raises OSError.

    grants/ID/                        0700
              token                   0600  with --token-file: written by grants/token_file.py
              socket/                 0711  to be mounted
                     s                0666
              config/                 0700
                     config           0600
              credentials/            0711  to be mounted
                     credentials.json 0644

A restart of the daemon keeps the folders, because a mount goes on showing the folder that it was made of. Each file is
written in `grants/ID`, which no container sees, and then moved to its place.
"""

from __future__ import annotations

import os
import stat

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from enum import Enum
from io import FileIO

from mayfly.shared.grant import is_id
from mayfly.shared.grant_folder import DRAFT_SOCKET, GRANTS, opened, opened_grant


_DRAFT = ".new"
# Files in `grants/ID` itself.
_IN_GRANT = ("token", _DRAFT, DRAFT_SOCKET)
_PRIVATE = 0o700


class Place(Enum):
    """A file of a grant: the folder in `grants/ID` that it is in, its name and its mode."""

    SOCKET = ("socket", "s", 0o666)
    CONFIG = ("config", "config", 0o600)
    CREDENTIALS = ("credentials", "credentials.json", 0o644)

    def __init__(self, folder: str, name: str, mode: int) -> None:
        self.folder = folder
        self.file = name
        self.mode = mode

    def path(self, runtime_dir: str, grant_id: str) -> str:
        """The path for people and programs; nothing here uses it."""
        return f"{runtime_dir}/{GRANTS}/{grant_id}/{self.folder}/{self.file}"


# A container's users enter a folder by its last bit, and list nothing.
_MODES = {"socket": 0o711, "config": _PRIVATE, "credentials": 0o711}


def make(runtime_dir: str, grant_id: str, *places: Place) -> bool:
    """Make the folders of these places, or find them as they are; False if there was a folder for this ID.

    If that fails, nothing new is left.
    """
    is_new = False
    try:
        with opened(runtime_dir) as runtime, _made(GRANTS, _PRIVATE, at=runtime) as grants:
            is_new = _mkdir(grant_id, at=grants)
            with _made(grant_id, _PRIVATE, at=grants) as folder:
                for name in dict.fromkeys(place.folder for place in places):
                    with _made(name, _MODES[name], at=folder):
                        pass
    except BaseException:
        if is_new:
            with suppress(OSError):
                remove(runtime_dir, grant_id)
        raise
    return is_new


def put(runtime_dir: str, grant_id: str, place: Place, content: bytes) -> None:
    """Write the whole file or nothing, in a folder that is there. A reader sees no half of it."""
    with _opened_for(runtime_dir, grant_id, place) as (draft_folder, folder):
        with suppress(FileNotFoundError):
            os.unlink(_DRAFT, dir_fd=draft_folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(_DRAFT, flags, 0o600, dir_fd=draft_folder)
        with _without_draft(_DRAFT, draft_folder):
            with FileIO(descriptor, "w") as file, memoryview(content) as rest:
                os.fchmod(descriptor, place.mode)
                written = 0
                while written < len(rest):
                    written += file.write(rest[written:])
            os.rename(_DRAFT, place.file, src_dir_fd=draft_folder, dst_dir_fd=folder)


def take_away(runtime_dir: str, grant_id: str, place: Place) -> bool:
    """Remove the file, and leave its folder, which may be mounted; False if there is no such file."""
    with _opened_for(runtime_dir, grant_id, place) as (_, folder):
        try:
            os.unlink(place.file, dir_fd=folder)
        except FileNotFoundError:
            return False
    return True


def put_socket(runtime_dir: str, grant_id: str) -> None:
    """Move the socket that has been bound in `grants/ID` to its place; it replaces that of an earlier daemon."""
    with (
        _opened_for(runtime_dir, grant_id, Place.SOCKET) as (draft_folder, folder),
        _without_draft(DRAFT_SOCKET, draft_folder),
    ):
        os.rename(DRAFT_SOCKET, Place.SOCKET.file, src_dir_fd=draft_folder, dst_dir_fd=folder)


def remove(runtime_dir: str, grant_id: str) -> None:
    """Remove our files and the folders. Raises OSError if a folder has another file in it, which is left."""
    with ExitStack() as stack:
        try:
            runtime = stack.enter_context(opened(runtime_dir))
            grants = stack.enter_context(opened(GRANTS, at=runtime))
            folder = stack.enter_context(opened(grant_id, at=grants))
        except FileNotFoundError:
            return
        problems = [problem for name in _MODES if (problem := _remove_folder(name, at=folder))]
        for name in _IN_GRANT:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
        if problems:
            raise problems[0]
        # `token_file.remove` may have been faster.
        with suppress(FileNotFoundError):
            os.rmdir(grant_id, dir_fd=grants)


def left(runtime_dir: str) -> set[str]:
    """The IDs for which there is a folder."""
    try:
        with opened(runtime_dir) as runtime, opened(GRANTS, at=runtime) as grants, os.scandir(grants) as entries:
            return {entry.name for entry in entries if is_id(entry.name)}
    except FileNotFoundError:
        return set()


def _remove_folder(name: str, *, at: int) -> OSError | None:
    try:
        with opened(name, at=at) as folder:
            for place in Place:
                if place.folder == name:
                    with suppress(FileNotFoundError):
                        os.unlink(place.file, dir_fd=folder)
        os.rmdir(name, dir_fd=at)
    except FileNotFoundError:
        return None
    except OSError as reason:
        return reason
    return None


@contextmanager
def _opened_for(runtime_dir: str, grant_id: str, place: Place) -> Iterator[tuple[int, int]]:
    """The folder of drafts, and that of `place`."""
    with opened_grant(runtime_dir, grant_id) as grant, opened(place.folder, at=grant) as folder:
        yield grant, folder


@contextmanager
def _without_draft(name: str, folder: int) -> Iterator[None]:
    """Remove the draft if the block fails."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            os.unlink(name, dir_fd=folder)
        raise


@contextmanager
def _made(name: str, mode: int, *, at: int) -> Iterator[int]:
    """The folder `name` in the folder `at`, which is made unless it is there."""
    _mkdir(name, at=at)
    with opened(name, at=at) as folder:
        if stat.S_IMODE(os.fstat(folder).st_mode) != mode:
            os.fchmod(folder, mode)
        yield folder


def _mkdir(name: str, *, at: int) -> bool:
    """False if something is there already."""
    try:
        os.mkdir(name, _PRIVATE, dir_fd=at)
    except FileExistsError:
        return False
    return True
