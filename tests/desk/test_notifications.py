"""Foreign text in notifications."""

from __future__ import annotations

import os
import subprocess
import sys

from pathlib import Path

import pytest

from mayfly.desk.linux import LinuxDesk
from mayfly.desk.macos import MacDesk
from support.desks import put_program
from support.engine import NOON


@pytest.mark.parametrize(
    ("text", "linux", "mac"),
    [
        ("-x wants nsrc", "-x wants nsrc", "-x wants nsrc"),
        ("<b>a & b</b>", "&lt;b&gt;a &amp; b&lt;/b&gt;", "<b>a & b</b>"),
        ("a \\033]0;x \\n", "a \\\\033]0;x \\\\n", "a \\033]0;x \\n"),
        ("\x1b]52;c;eA==\x07 \x9b\u202e\u2066\u2028\u2029\r\n\0", "?]52;c;eA==? ????????", "?]52;c;eA==? ????????"),
        ('" & (do shell script "id") & "', '" &amp; (do shell script "id") &amp; "', '" & (do shell script "id") & "'),
        ("терминал 東京", "терминал 東京", "терминал 東京"),
        ("lone \udcff", "lone ?", "lone ?"),
    ],
)
async def test_a_notification_is_text_and_nothing_else(programs: Path, text: str, linux: str, mac: str) -> None:
    """No option, no markup, no escape of C, no AppleScript, and nothing that steers a terminal."""
    notify = put_program(programs, "notify-send", "exit 0")
    osascript = put_program(programs, "osascript", "exit 0")
    await LinuxDesk(lambda: NOON).tell(text, text)
    await MacDesk(lambda: NOON).tell(text, text)

    assert ["--", mac, linux] == notify.read_text().splitlines()[-3:]
    assert ["--", mac, mac] == osascript.read_text().splitlines()[-3:]


ASCII = """
import asyncio, sys
from mayfly.desk.linux import LinuxDesk
from mayfly.shared.clock import Clock
assert "ascii" == sys.getfilesystemencoding(), sys.getfilesystemencoding()
asyncio.run(LinuxDesk(Clock()).tell("Mayfly", "\\u0442\\u0435\\u0440 caf\\xe9 wants nsrc"))
"""


def test_a_name_in_another_script_is_shown_in_every_locale(programs: Path) -> None:
    """notify-send takes UTF-8 alone, also where the locale's encoding has no such letters."""
    calls = put_program(programs, "notify-send", "exit 0")
    env = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-c", ASCII], env=env, capture_output=True, text=True, check=False)

    assert (0, "") == (done.returncode, done.stderr)
    assert "тер café wants nsrc" == calls.read_text().splitlines()[-1]
