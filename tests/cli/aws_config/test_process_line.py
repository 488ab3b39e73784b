"""The line that is written for SDKs: the same to all of them, and recognised later in each of its versions."""

from __future__ import annotations

import configparser
import io
import shlex

from pathlib import Path

import pytest

from mayfly.cli.aws_config.process_line import Unquotable, process_line, profile_of_line
from mayfly.cli.aws_config.sections import Entry, block


@pytest.mark.parametrize(
    "folder", ["/run/user/1000/mayfly", "/Users/c/Library/Application Support/mayfly/run", "/tmp/100%/ü=1"]
)
def test_process_line_means_the_same_to_a_splitter_and_to_a_shell(tmp_path: Path, folder: str) -> None:
    """botocore splits the line, Go and JS give it to sh: curl gets the same words."""
    import subprocess

    line = process_line(f"{folder}/control.sock", (f"{folder}/mayfly",), "nsrc")
    curl = tmp_path / "curl"
    curl.write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done\n')
    curl.chmod(0o700)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    split = subprocess.run(shlex.split(line), env=env, capture_output=True, check=True).stdout
    shell = subprocess.run(["sh", "-c", line], env=env, capture_output=True, check=True).stdout
    reader = configparser.RawConfigParser()
    reader.read_file(io.StringIO(block([Entry("nsrc", None, line)])))

    assert split == shell
    assert [f"{folder}/control.sock", "http://mayfly/process/nsrc"] == split.decode().splitlines()[-2:]
    assert line == reader["profile nsrc"]["credential_process"]


@pytest.mark.parametrize("letter", "'\"`$\\!;#\n\x85\u202e\u2028\udcff")
def test_path_that_cannot_be_quoted_for_all_is_refused(letter: str) -> None:
    """No line is written that some SDK would read differently."""
    with pytest.raises(Unquotable):
        process_line(f"/tmp/{letter}/control.sock", ("/usr/bin/mayfly",), "nsrc")


SOCKET, COMMAND = "--unix-socket '/run/user/1000/mayfly/control.sock'", "exec '/usr/bin/mayfly' credential-process"
OPTIONS = "-q -sf --noproxy '*' --connect-timeout 2"
PLACE = "http://mayfly/process"
# From the repository's history: a bare curl and no -P at first, then the whole path, then a time limit.
WRITTEN = [
    f"""sh -c "curl {OPTIONS} {SOCKET} {PLACE}/nsrc 2>/dev/null || {COMMAND} nsrc\"""",
    f"""sh -c "curl {OPTIONS} --max-time 15 {SOCKET} {PLACE}/nsrc 2>/dev/null || {COMMAND} nsrc\"""",
    f"""sh -c "'/usr/bin/curl' {OPTIONS} {SOCKET} {PLACE}/nsrc 2>/dev/null || {COMMAND} nsrc\"""",
    f"""sh -c "'/usr/bin/curl' {OPTIONS} --max-time 15 {SOCKET} {PLACE}/nsrc 2>/dev/null || {COMMAND} nsrc\"""",
    f"""sh -c "{COMMAND} nsrc\"""",
    """sh -c "exec '/usr/bin/python3' '-m' 'mayfly' credential-process nsrc\"""",
    """sh -c "exec '/opt/my python' '-P' '-m' 'mayfly' credential-process nsrc\"""",
]


@pytest.mark.parametrize("line", [*WRITTEN, process_line("/s", ("/mayfly",), "nsrc")])
def test_a_line_of_any_version_is_recognised(line: str) -> None:
    """It gives the profile, whatever the socket and the command are."""
    assert "nsrc" == profile_of_line(line)


@pytest.mark.parametrize(
    "line",
    [
        None,
        "",
        "/usr/bin/mayfly credential-process nsrc",
        WRITTEN[0].replace("2>/dev/null", "2>>/tmp/log"),
        WRITTEN[0].replace("-q -sf", "-q -sfv"),
        WRITTEN[1].replace("15", "60"),
        WRITTEN[0].replace("process/nsrc", "process/other"),
        WRITTEN[0] + " # mine",
        WRITTEN[0] + "\nmore",
        "env X=1 " + WRITTEN[0],
        WRITTEN[4].replace("/usr/bin/mayfly", "/home/me/bin/wrapper"),
        WRITTEN[4].replace("exec", "date; exec"),
        WRITTEN[4].replace("'/usr/bin/mayfly'", "'/usr/bin/mayfly' '--config' '/mine'"),
        "aws-vault exec nsrc --json",
    ],
)
def test_an_edited_line_is_nobodys_but_the_users(line: str | None) -> None:
    """One changed word is enough: the section with it is never rewritten or removed."""
    assert profile_of_line(line) is None
