"""A proxy that plays AWS: it accepts a CONNECT to any host, ends TLS itself, and forwards to the world's STS."""

from __future__ import annotations

import asyncio
import ssl

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from support.world import World


class Tunnel:
    """`hosts` lists the hosts of all CONNECTs in their order; a CONNECT to a host in `closed` fails.

    `accepted` says for each of the others whether the client took the tunnel's certificate.
    """

    def __init__(self, world: World, *names: str) -> None:
        self.hosts: list[str] = []
        self.accepted: list[bool] = []
        self.closed: set[str] = set()
        self._sts_port = int(world.sts.url.rpartition(":")[2])
        self._bundle = _certificate(world.folder, names)
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(self._bundle)
        self.env: dict[str, str] = {}

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Tunnel]:
        """Listen for the block; `env` has the variables that send a process through the tunnel."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self.env = {
            "HTTPS_PROXY": f"http://127.0.0.1:{port}",
            "AWS_CA_BUNDLE": str(self._bundle),
            "AWS_ENDPOINT_URL_STS": "",
        }
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            host = head.split()[1].removesuffix(":443")
            self.hosts.append(host)
            if host in self.closed:
                writer.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
            else:
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
                await writer.drain()
                self.accepted.append(False)
                await writer.start_tls(self._tls)
                # With TLS 1.3 a client refuses after our side of the handshake, so its first byte counts.
                first = await reader.readexactly(1)
                self.accepted[-1] = True
                await self._pass_on(first, reader, writer)
        writer.close()

    async def _pass_on(self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self._sts_port)
        upstream_writer.write(first)
        await asyncio.gather(_copy(reader, upstream_writer), _copy(upstream_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, ssl.SSLError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    writer.close()


def _certificate(folder: Path, names: tuple[str, ...]) -> Path:
    """A file with a key and a self-signed certificate for these names."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = folder / "tls.pem"
    path.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    return path
