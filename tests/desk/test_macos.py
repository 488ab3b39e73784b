"""The desk on macOS, with recorded output of real programs, printed by stand-ins that are first on PATH."""

from __future__ import annotations

import os
import plistlib

from pathlib import Path

import pytest

from mayfly.desk.macos import MacDesk, presence_from
from mayfly.shared.desk import Presence, Scene
from support.desks import put_program
from support.engine import NOON


PRESENT, AWAY, LOCKED = Presence.PRESENT, Presence.AWAY, Presence.LOCKED


def root_entry(*users: dict[str, object]) -> str:
    """What `ioreg -n Root -d 1 -a` prints, as far as it is looked at."""
    return plistlib.dumps({"IOConsoleLocked": False, "IOConsoleUsers": list(users)}).decode()


ME = {"kCGSSessionUserIDKey": 501, "kCGSSessionOnConsoleKey": True}
OTHER = {"kCGSSessionUserIDKey": 502, "kCGSSessionOnConsoleKey": False}
LOCK = {"CGSSessionScreenIsLocked": True}
LONG_AGO = '    | |   "HIDIdleTime" = 300000000000'


@pytest.mark.parametrize(
    ("console", "events", "presence"),
    [
        (root_entry(ME), '    | |   "HIDIdleTime" = 1234567', PRESENT),
        (root_entry(ME), '    | |   "HIDIdleTime" = 299999999999', PRESENT),
        (root_entry(ME), LONG_AGO, AWAY),
        (root_entry(ME | LOCK), '    | |   "HIDIdleTime" = 1234567', LOCKED),
        (root_entry(ME | {"CGSSessionScreenIsLocked": False}), "", PRESENT),
        (root_entry(OTHER | LOCK, ME), "", PRESENT),
        (root_entry(OTHER, ME | LOCK), LONG_AGO, LOCKED),
        (root_entry(OTHER | LOCK), "", PRESENT),
        (root_entry(ME), '"HIDIdleTime" = ' + "9" * 400, PRESENT),
        (root_entry(ME), '"HIDIdleTime" = ' + "9" * 5000, PRESENT),
        (root_entry(ME), '"HIDIdleTime" = ٣٣٣٣٣٣٣٣٣٣٣٣٣', PRESENT),
        (root_entry(), "", PRESENT),
        (plistlib.dumps({}).decode(), "", PRESENT),
        (plistlib.dumps({"IOConsoleUsers": ["me"]}).decode(), "", PRESENT),
        (plistlib.dumps({"IOConsoleUsers": 7}).decode(), "", None),
        (plistlib.dumps([]).decode(), "", None),
        ("<plist><dict>", "", None),
        ("<plist><key>a</key></plist>", "", None),
        ("<plist><integer>" + "9" * 5000 + "</integer></plist>", "", None),
        ("bplist00" + "\0" * 32, "", None),
        ("bplist00" + "x" * 32, "", None),
        ("<plist>" + "<array>" * 5000 + "</array>" * 5000 + "</plist>", "", None),
        ("+-o Root", "", None),
        ("", "", None),
    ],
)
def test_who_is_there_by_the_io_registry(console: str, events: str, presence: Presence | None) -> None:
    """Presence goes by the screen lock of this user's session, and the nanoseconds since the last key."""
    assert presence is presence_from(console, events, 501)


async def test_macos_asks_and_tells(programs: Path) -> None:
    """ioreg for who is there, osascript to tell them, with the text as an argument of the script."""
    (programs / "root").write_text(root_entry({"kCGSSessionUserIDKey": os.getuid()} | LOCK))
    put_program(
        programs,
        "ioreg",
        f"case \"$*\" in '-n Root -d 1 -a') cat {programs}/root;; *) echo '\"HIDIdleTime\" = 5';; esac",
    )
    calls = put_program(programs, "osascript", "exit 0")
    desk = MacDesk(lambda: NOON)
    await desk.tell("Mayfly", 'a "quoted" \\ text')
    assert (LOCKED, None) == ((await desk.scene()).presence, await desk.caller(1))
    assert [
        *("-e", "on run argv"),
        *("-e", "display notification (item 2 of argv) with title (item 1 of argv)"),
        *("-e", "end run"),
        *("--", "Mayfly", 'a "quoted" \\ text'),
    ] == calls.read_text().splitlines()


async def test_macos_too_keeps_what_it_saw(programs: Path) -> None:
    """When the I/O registry cannot be read, a locked screen stays locked."""
    (programs / "root").write_text(root_entry({"kCGSSessionUserIDKey": os.getuid()} | LOCK))
    put_program(programs, "ioreg", f"exec cat {programs}/root")
    desk = MacDesk(lambda: NOON)
    first = await desk.scene()
    (programs / "root").unlink()
    assert [Scene(presence=LOCKED)] * 2 == [first, await desk.scene()]
