"""After the grant's end its socket leads to an answer that says so, not to a connection that breaks."""

from __future__ import annotations

import socket

from pathlib import Path

from mayfly.cli.ssh.afterwards import refuse_all
from support.world import Reply, parse_reply


def ask(path: Path, *parts: bytes) -> Reply:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(str(path))
        for part in parts:
            client.sendall(part)
        return parse_reply(b"".join(iter(lambda: client.recv(4096), b"")))


def test_every_request_is_told_why_there_is_nothing(tmp_path: Path) -> None:
    """Also one that comes in parts, after one that hung up; what was at the path before is replaced."""
    path = tmp_path / "s"
    path.symlink_to(tmp_path / "gone")
    refuse_all(path, "the grant has ended (revoked)")

    with socket.socket(socket.AF_UNIX) as hasty:
        hasty.connect(str(path))
    replies = [
        ask(path, b"GET /credentials/nsrc HTTP/1.1\r\nHost: x\r\n\r\n"),
        ask(path, b"GET / HTTP/1.1\r\nHo", b"st: x\r\n", b"\r\n"),
    ]

    told = {"code": "Unauthorized", "message": "the grant has ended (revoked)"}
    assert [(401, told)] * 2 == [(reply.status, reply.json) for reply in replies]
    assert ["s"] == [found.name for found in tmp_path.iterdir()]
