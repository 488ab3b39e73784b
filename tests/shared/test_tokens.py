"""A profile's token is made once, in a file for its owner alone."""

from __future__ import annotations

import base64
import os
import re
import stat
import subprocess
import sys

from hashlib import sha256
from pathlib import Path

import pytest

from mayfly.shared import tokens
from mayfly.shared.errors import ConfigInvalid
from mayfly.shared.users import user_name


FOREIGN = 65534
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")


@pytest.fixture(name="run_dir", autouse=True)
def _run_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("MAYFLY_RUNTIME_DIR", str(tmp_path / "run"))
    return tmp_path / "run"


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def refusal() -> str:
    """Why the token of nsrc is not to be had."""
    with pytest.raises(ConfigInvalid) as caught:
        tokens.ensure_token("nsrc")
    return str(caught.value)


def test_a_token_is_43_characters_for_its_owner_alone(run_dir: Path) -> None:
    """256 bits in base64url, no line break at the end, 0600 in a folder 0700, and nothing beside it."""
    token = tokens.ensure_token("nsrc")
    path = run_dir / "tokens/nsrc"

    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", token)
    assert token.encode() == path.read_bytes()
    assert (0o600, 0o700, 0o700) == (mode_of(path), mode_of(path.parent), mode_of(run_dir))
    assert [path] == list(path.parent.iterdir())
    assert path == tokens.token_path("nsrc")


def test_a_token_stays_what_it_is() -> None:
    """A second call, also after a restart, returns the same token; each profile has its own."""
    first = [tokens.ensure_token(profile) for profile in ("nsrc", "other")]

    assert first == [tokens.ensure_token(profile) for profile in ("nsrc", "other")]
    assert 2 == len(set(first))


def test_tokens_are_base64url_of_random_bits(run_dir: Path) -> None:
    """Every letter of the alphabet comes up, the last carries 4 bits, and no token comes twice."""
    made = [tokens.rotate_token("nsrc") for _ in range(200)]

    assert 200 == len(set(made))
    assert 64 == len(set("".join(token[:-1] for token in made)))
    assert {32} == {len(base64.urlsafe_b64decode(token + "=")) for token in made}
    assert set("AEIMQUYcgkosw048") == {token[-1] for token in made}


def test_a_digest_is_that_of_the_token(run_dir: Path) -> None:
    """The daemon asks for digests alone: of tokens that are there, and of those that it makes."""
    made = tokens.ensure_digests(["nsrc"])
    (run_dir / "tokens/other").write_text("short")
    (run_dir / "tokens/other").chmod(0o600)

    assert {"nsrc": sha256(tokens.ensure_token("nsrc").encode()).digest()} == made
    found, problems = tokens.readable_digests(["nsrc", "other"])
    assert (made, ["other"]) == (found, list(problems))


def test_a_loose_umask_loosens_nothing(run_dir: Path) -> None:
    """The modes are the files' own: the shell's umask changes nothing."""
    before = os.umask(0)
    try:
        tokens.ensure_token("nsrc")
    finally:
        os.umask(before)

    assert (0o600, 0o700) == (mode_of(run_dir / "tokens/nsrc"), mode_of(run_dir / "tokens"))


def test_a_fifo_is_no_token(run_dir: Path) -> None:
    """Nobody waits for somebody to write into it."""
    tokens.ensure_token("nsrc")
    (run_dir / "tokens/nsrc").unlink()
    os.mkfifo(run_dir / "tokens/nsrc", 0o600)

    assert f"{run_dir}/tokens/nsrc is no file: remove it" == refusal()


RACER = """
import sys
from mayfly.shared import tokens
sys.stdin.readline()
print(tokens.ensure_token("a"), tokens.ensure_token("b"))
"""


def test_of_many_makers_one_wins_and_all_agree(run_dir: Path) -> None:
    """Processes that start together, a shell and the daemon say, have one token, and no draft is left."""
    command = [sys.executable, "-c", RACER]
    racers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ)
        for _ in range(8)
    ]
    for racer in racers:  # all have been started; now let them go
        assert racer.stdin
        racer.stdin.write("\n")
        racer.stdin.flush()
    said = {racer.communicate()[0] for racer in racers}

    assert {f"{tokens.ensure_token('a')} {tokens.ensure_token('b')}\n"} == said
    assert {"a", "b"} == {entry.name for entry in (run_dir / "tokens").iterdir()}


def test_a_new_token_replaces_the_old_one(run_dir: Path) -> None:
    """Rotating leaves one file, 0600, with another token."""
    old = tokens.ensure_token("nsrc")
    new = tokens.rotate_token("nsrc")

    assert old != new
    assert new == tokens.ensure_token("nsrc")
    assert ["nsrc"] == [entry.name for entry in (run_dir / "tokens").iterdir()]
    assert 0o600 == mode_of(run_dir / "tokens/nsrc")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_token_that_others_can_read_is_refused(run_dir: Path, mode: int) -> None:
    """It is no secret any more: the line says which file, and the remedy."""
    tokens.ensure_token("nsrc")
    path = run_dir / "tokens/nsrc"
    path.chmod(mode)

    assert f"{path} is open to others: chmod 600 {path}" == refusal()


def test_a_folder_of_tokens_that_others_can_enter_is_refused(run_dir: Path) -> None:
    """Names of profiles are nobody's business either."""
    tokens.ensure_token("nsrc")
    (run_dir / "tokens").chmod(0o755)

    assert f"{run_dir}/tokens is open to others: chmod 700 {run_dir}/tokens" == refusal()


@needs_root
def test_a_token_of_somebody_else_is_refused(run_dir: Path) -> None:
    """Its owner knows it."""
    tokens.ensure_token("nsrc")
    os.chown(run_dir / "tokens/nsrc", FOREIGN, FOREIGN)

    assert f"{run_dir}/tokens/nsrc belongs to {user_name(FOREIGN)}: remove it" == refusal()


@pytest.mark.parametrize("target", ["real", "nowhere"])
def test_a_token_by_a_link_is_refused(run_dir: Path, target: str) -> None:
    """Even one that leads nowhere yet: nothing is written through it."""
    (run_dir / "tokens").mkdir(mode=0o700, parents=True)
    run_dir.chmod(0o700)
    (run_dir / "tokens/real").write_text("x" * 43)
    (run_dir / "tokens/nsrc").symlink_to(target)

    assert f"{run_dir}/tokens/nsrc is a symbolic link: remove it" == refusal()
    assert not (run_dir / "tokens/nowhere").exists()


@pytest.mark.parametrize("raw", [b"", b"short", b"x" * 20 + b" " + b"x" * 20, b"\xff" * 43, b"x" * 40 + b"\n\nx\x00"])
def test_a_file_without_a_token_is_refused(run_dir: Path, raw: bytes) -> None:
    """A truncated or foreign file is named, not served, and its content not shown."""
    tokens.ensure_token("nsrc")
    (run_dir / "tokens/nsrc").write_bytes(raw)

    assert f"{run_dir}/tokens/nsrc holds no token: remove it, and run 'mayfly reload'" == refusal()


def test_what_stands_in_the_way_is_named(run_dir: Path) -> None:
    """A folder where the file should be, or a file where the folder should be, is one line and no traceback."""
    (run_dir / "tokens/nsrc").mkdir(mode=0o700, parents=True)
    for folder in (run_dir, run_dir / "tokens"):
        folder.chmod(0o700)
    assert f"{run_dir}/tokens/nsrc: cannot be made or read: Is a directory" == refusal()

    (run_dir / "tokens/nsrc").rmdir()
    (run_dir / "tokens").rmdir()
    (run_dir / "tokens").write_text("")
    assert refusal().startswith(f"{run_dir}/tokens")
