"""One clock for many processes, which runs fast and can jump.

libfaketime makes every instant of a process `started + offset + (real - started) * rate`. `started` is shared by all
processes that are given the same FAKETIME_SHARED, which lives as long as the first of them: here the anchor, which
does nothing else. Offset and rate stand in a file that every process reads at every look at the clock. So the same sum
done here gives the same time.
"""

from __future__ import annotations

import subprocess
import sys
import time

from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support import faketime


LIBRARIES = sorted(Path("/usr/lib").glob("**/faketime/libfaketime.so.1"))

_ANCHOR = """
import os, sys, time
print(os.environ["FAKETIME_SHARED"], flush=True)
for _ in sys.stdin:
    print(time.time(), flush=True)
"""


class Clock:
    """The time of all processes that have `variables` in their environment, and here of `now`."""

    def __init__(self, folder: Path, *, starts_at: datetime, rate: int) -> None:
        self._file = folder / "faketime"
        self._starts_at = starts_at
        self._offset_seconds = 0.0
        self._rate = 1
        self._wanted_rate = rate
        self.variables = {
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_RESET": "1",
            "NO_FAKE_STAT": "1",
        }

    def __enter__(self) -> Self:
        self._write()
        faketime.tidy()
        self._anchor = subprocess.Popen(
            [sys.executable, "-I", "-c", _ANCHOR],
            env=self.variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self.variables["FAKETIME_SHARED"] = self._line().strip()
        self._started = self._find_start()
        self._rate = self._wanted_rate
        self.jump(self._starts_at.timestamp() - self.timestamp())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._anchor.kill()
        self._anchor.wait()
        # It was killed, and so could not do this itself.
        for name in self.variables["FAKETIME_SHARED"].split():
            for path in Path("/dev/shm").glob(f"*{name.lstrip('/')}"):
                path.unlink(missing_ok=True)

    @property
    def rate(self) -> int:
        """How much faster than the real one."""
        return self._rate

    def now(self) -> datetime:
        """The time of all of them."""
        return datetime.fromtimestamp(self.timestamp(), UTC)

    def timestamp(self) -> float:
        return self._started + self._offset_seconds + (time.time() - self._started) * self._rate

    def jump(self, seconds: float) -> None:
        """Be so much later at once."""
        self._offset_seconds += seconds
        self._write()

    def error_seconds(self) -> float:
        """How far a process is off what is worked out here."""
        return abs(self._asked() - self.timestamp())

    def _find_start(self) -> float:
        """What libfaketime counts from: a thousandfold rate shows how long that is ago."""
        self._rate = 1001
        self._write()
        real = time.time()
        start = real - (self._asked() - real) / 1000
        self._rate = 1
        return start

    def _asked(self) -> float:
        assert self._anchor.stdin is not None
        self._anchor.stdin.write(b"\n")
        return float(self._line())

    def _line(self) -> str:
        assert self._anchor.stdout is not None
        line = b""
        while not line.endswith(b"\n"):
            byte = self._anchor.stdout.read(1)
            if not byte:
                raise AssertionError("the clock's anchor has ended")
            line += byte
        return line.decode()

    def _write(self) -> None:
        draft = self._file.with_suffix(".new")
        draft.write_text(f"{self._offset_seconds:+.6f} x{self._rate}\n")
        draft.replace(self._file)
