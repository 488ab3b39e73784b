"""Files: reads a path that may have become something else, and writes a file whole or not at all.

Only plain files are read, up to a size.
"""

from __future__ import annotations

import errno
import os
import stat

from contextlib import suppress
from io import BufferedReader, FileIO


TYPE_CHECKING = False  # typing costs each shell start-up some ms through `env`
if TYPE_CHECKING:
    from mayfly.shared.pathnames import AnyPath


class Unreadable(Exception):
    """The file is not one to read; the text is the rest of a sentence that begins with its path."""


class NotPlain(Unreadable):
    """There is a pipe, a socket or a device instead of a plain file."""


class TooLarge(Unreadable):
    """The file has more bytes than anything of its kind."""


_KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


def read_plain_file(path: AnyPath, limit_bytes: int, *, follow_link: bool = True) -> bytes:
    """All bytes of the plain file at `path`; raises OSError, NotPlain or TooLarge.

    Nothing that is no plain file is opened or waited for. On a file system that does not answer (a network home whose
    server is gone) this call waits as long as that lasts, O_NONBLOCK or not: a daemon reads in a thread.
    """
    with BufferedReader(open_plain_file(path, follow_link=follow_link)) as file:
        content = file.read(limit_bytes + 1)
    if len(content) > limit_bytes:
        raise TooLarge(f"is larger than {limit_bytes} bytes")
    return content


def open_plain_file(path: AnyPath, *, follow_link: bool = True) -> FileIO:
    """The plain file at `path`, without a buffer; raises OSError or NotPlain."""
    # Opening a device can have effects, so look first; look again at what was opened.
    _check(os.stat(path, follow_symlinks=follow_link))
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | (0 if follow_link else os.O_NOFOLLOW)
    file = FileIO(os.open(path, flags))
    try:
        _check(os.fstat(file.fileno()))
    except BaseException:
        file.close()
        raise
    return file


def write_whole_file(
    path: AnyPath,
    content: bytes | bytearray,
    *,
    mode: int = 0o600,
    replaces: bool = True,
    outlasts_crash: bool = False,
) -> None:
    """Write the whole file or nothing, with exactly `mode`; raises OSError.

    With `replaces` anything at `path` but a folder is replaced; without it, FileExistsError is raised. A reader sees no
    half-written file, and with `outlasts_crash` neither does one after a crash of the machine. The content is in no
    other copy than the caller's.
    """
    folder, name = os.path.split(path)
    draft = os.path.join(folder, f".{name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with FileIO(descriptor, "w") as file, memoryview(content) as rest:
            os.fchmod(descriptor, mode)
            written = 0
            while written < len(rest):
                written += file.write(rest[written:])
            if outlasts_crash:
                os.fsync(descriptor)
        if replaces:
            os.rename(draft, path)
        else:
            os.link(draft, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(draft)


def _check(facts: os.stat_result) -> None:
    if stat.S_ISDIR(facts.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if stat.S_ISLNK(facts.st_mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if not stat.S_ISREG(facts.st_mode):
        raise NotPlain(f"is {_KINDS.get(stat.S_IFMT(facts.st_mode), 'no file')}")
