"""`grants/ID/token` in the runtime folder: the token of a grant, for programs that read one from a file.

Everything is opened by the descriptor of the folder above, and no link is followed. These calls may block, so threads
make them.
"""

from __future__ import annotations

import os
import stat

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from mayfly.shared import runtime_folder
from mayfly.shared.grant import is_id
from mayfly.shared.grant_folder import GRANTS


_NAME = "token"
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAKE_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def path_of(grant_id: str) -> str:
    """Where the token of a grant is."""
    return f"{runtime_folder.runtime_dir()}/{GRANTS}/{grant_id}/{_NAME}"


def write(grant_id: str, token: str) -> None:
    """Write the token, 0600 and without a newline; raises OSError, and leaves nothing behind then."""
    try:
        with (
            _opened(runtime_folder.runtime_dir()) as runtime,
            _made(GRANTS, runtime) as grants,
            _made(grant_id, grants) as own,
        ):
            descriptor = os.open(_NAME, _MAKE_FILE, 0o600, dir_fd=own)
            with FileIO(descriptor, "w") as file:
                file.write(token.encode())
    except OSError:
        remove(grant_id)
        raise


def remove(grant_id: str) -> None:
    """Remove the token of a grant, and its folder if that is empty then."""
    with suppress(OSError), _opened(runtime_folder.runtime_dir()) as runtime, _opened(GRANTS, runtime) as grants:
        with suppress(OSError), _opened(grant_id, grants) as own:
            os.unlink(_NAME, dir_fd=own)
        os.rmdir(grant_id, dir_fd=grants)


def sweep(known: Collection[str]) -> None:
    """Remove what an earlier process has left of grants that are not `known`."""
    with suppress(OSError):
        for place in Path(runtime_folder.runtime_dir(), GRANTS).iterdir():
            if is_id(place.name) and place.name not in known:
                remove(place.name)


@contextmanager
def _opened(name: str, above: int | None = None) -> Iterator[int]:
    """A folder of this user that nobody else may enter; raises OSError."""
    descriptor = os.open(name, _OPEN_FOLDER, dir_fd=above)
    try:
        facts = os.fstat(descriptor)
        if facts.st_uid != os.getuid() or stat.S_IMODE(facts.st_mode) & 0o022:
            raise PermissionError(1, "belongs to others, or is writable by them")
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _made(name: str, above: int) -> Iterator[int]:
    """The folder, made with mode 0700 if it is missing."""
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=above)
    with _opened(name, above) as descriptor:
        yield descriptor
