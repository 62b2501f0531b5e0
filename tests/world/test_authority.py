"""The world's certificate authority."""

import asyncio
import ssl
from pathlib import Path

import pytest

from rehearsal.world.authority import CertificateAuthority, self_signed


async def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    listener = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=server)
    port = listener.sockets[0].getsockname()[1]
    try:
        _, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client, server_hostname=name
        )
        writer.close()
    finally:
        listener.close()


def _context(folder: Path, chain: bytes, key: bytes) -> ssl.SSLContext:
    (folder / "c.pem").write_bytes(chain)
    (folder / "k.pem").write_bytes(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "c.pem", folder / "k.pem")
    return context


def test_its_certificates_are_trusted_for_their_names_and_no_others(tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path)
    server = authority.server_context(["mx.example.com"], tmp_path / "server")
    asyncio.run(_shake_hands(server, authority.client_context(), "mx.example.com"))
    with pytest.raises(ssl.SSLCertVerificationError):
        asyncio.run(_shake_hands(server, authority.client_context(), "www.example.com"))


def test_it_stays_the_same_for_as_long_as_its_folder(tmp_path: Path) -> None:
    first = CertificateAuthority(tmp_path).bundle.read_bytes()
    assert CertificateAuthority(tmp_path).bundle.read_bytes() == first
    assert CertificateAuthority(tmp_path / "other").bundle.read_bytes() != first


def test_neither_snake_oil_nor_an_expired_certificate_is_trusted(tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path)
    client = authority.client_context()
    snake_oil = self_signed("mx.example.com")
    expired = authority.issue(["mx.example.com"], days=-1)
    for item in (snake_oil, expired):
        server = _context(tmp_path, item.chain, item.key)
        with pytest.raises(ssl.SSLCertVerificationError):
            asyncio.run(_shake_hands(server, client, "mx.example.com"))
