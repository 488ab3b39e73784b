"""`mayfly prompt`: a segment for a shell's prompt, from a file, and without a word of complaint."""

from __future__ import annotations

import os
import time

from pathlib import Path

import pytest

from mayfly.cli.main import main
from support.world import World


SECONDS = 7 * 3600 + 12 * 60 + 50


@pytest.fixture(name="prompts")
def _prompts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the files, in a shell that uses no profile."""
    for name in ("MAYFLY_PROFILE", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MAYFLY_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "prompt").mkdir()
    return tmp_path / "prompt"


def in_seconds(seconds: float, profile: str = "work") -> bytes:
    return f"{profile} {time.time() + seconds:.0f}\n".encode()


@pytest.mark.parametrize(
    ("content", "segment"),
    [
        (1e6, "work 11d 13h"),
        (SECONDS * 100, "work 30d "),
        (b"work 1\n", "work expired"),
        (b"work 0", "work expired"),
        (None, "work -"),
        (b"", "work -"),
        (b"work\n", "work -"),
        (b"other 99999999999\n", "work -"),
        (b"work soon\n", "work -"),
        (b"work -5\n", "work -"),
        (b"work 1 2\n", "work -"),
        (b"\xff\xfe", "work -"),
        (b"work 1" + b"0" * 300, "work -"),
    ],
)
def test_the_segment_is_what_the_file_says(
    prompts: Path, capsys: pytest.CaptureFixture[str], content: bytes | float | None, segment: str
) -> None:
    """The time that is left, or that none is; what is no line of the daemon's is no session."""
    if content is not None:
        (prompts / "work").write_bytes(content if isinstance(content, bytes) else in_seconds(content))
    code = main(["prompt", "work"])
    out, err = capsys.readouterr()

    assert (0, "") == (code, err)
    assert out.startswith(segment)
    assert 1 == out.count("\n")


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_file_is_not_read(prompts: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    """Nor waited for."""
    path = prompts / "work"
    (prompts / "other").write_bytes(in_seconds(60))
    {"link": lambda: path.symlink_to("other"), "pipe": lambda: os.mkfifo(path), "folder": path.mkdir}[kind]()

    assert 0 == main(["prompt", "work"])
    assert "work -\n" == capsys.readouterr().out


@pytest.mark.parametrize(
    ("files", "environ", "argv", "segment"),
    [
        (("work",), {}, [], "work "),
        (("work", "play"), {}, [], ""),
        ((), {}, [], ""),
        (("work", "play"), {"MAYFLY_PROFILE": "play", "AWS_PROFILE": "work"}, [], "play "),
        (("work",), {"MAYFLY_PROFILE": "play"}, [], "play -"),
        (("work", "play"), {"MAYFLY_PROFILE": "", "AWS_PROFILE": "work"}, [], "work "),
        (("work",), {"AWS_PROFILE": "not-ours"}, [], ""),
        (("work",), {"MAYFLY_PROFILE": "../work"}, [], "work "),
        (("work", "play"), {"MAYFLY_PROFILE": "play"}, ["work"], "work "),
        (("work", ".work.1.ab"), {}, [], "work "),
    ],
)
def test_the_profile_is_the_shells(
    prompts: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    files: tuple[str, ...],
    environ: dict[str, str],
    argv: list[str],
    segment: str,
) -> None:
    """The one that is named, `mayfly env`'s, AWS_PROFILE if Mayfly has it, or the only one; else nothing is printed."""
    for name in files:
        (prompts / name).write_bytes(in_seconds(SECONDS, name))
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    code = main(["prompt", *argv])
    out, err = capsys.readouterr()

    assert (0, "", bool(segment)) == (code, err, bool(out))
    assert out.startswith(segment)


@pytest.mark.parametrize("name", ["../tokens/work", "a b", "-", ".", "work\n", "\x1b[31m", "x" * 65])
@pytest.mark.usefixtures("prompts")
def test_what_is_no_name_is_refused(capsys: pytest.CaptureFixture[str], name: str) -> None:
    """No path leads elsewhere, and nothing steers the terminal."""
    code = main(["prompt", name])
    out, err = capsys.readouterr()

    assert (2, "") == (code, out)
    assert "\x1b" not in err


async def test_a_real_daemon_is_not_asked(world: World) -> None:
    """After it was killed its file tells the same; the folder is printed for the lines of a shell's config."""
    folder = (await world.run("prompt", "--folder")).out
    async with world.serve() as daemon:
        before = await world.run("prompt", "nsrc")
        await world.get()
        while not (world.run_dir / "prompt/nsrc").exists():
            await daemon.event("session.refreshed")
        living = await world.run("prompt")
        await daemon.end(9)
    killed = await world.run("prompt")

    assert f"{world.run_dir}/prompt\n" == folder
    assert (0, "nsrc -\n", "") == before
    assert {"nsrc 8h\n", "nsrc 7h 59m\n"} >= {living.out, killed.out}
