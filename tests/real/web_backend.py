"""A web server behind a proxy, with a certificate that nobody trusts: what nginx is to Traefik."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from rehearsal.world.authority import self_signed
from rehearsal.world.service import LOOPBACK


class Backend:
    """Answers every request, and remembers it.

    Attributes:
        port: Port of loopback.
        seen: Request lines' path and headers, in order of arrival.
    """

    def __init__(self) -> None:
        """Begin without having seen anything."""
        self.port = 0
        self.seen: list[tuple[str, dict[str, str]]] = []

    def handler(self) -> type[BaseHTTPRequestHandler]:
        """Return the class that answers."""
        backend = self

        class Answer(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            server_version = "nginx"
            sys_version = ""

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                headers = {name.lower(): value for name, value in self.headers.items()}
                backend.seen.append((self.path, headers))
                document: dict[str, Any] = {
                    "method": self.command, "path": self.path, "headers": headers,
                    "body": body.decode(),
                }  # fmt: skip
                said = json.dumps(document).encode()
                self.send_response(302 if self.path.startswith("/moved") else 200)
                self.send_header("Content-Length", str(len(said)))
                self.send_header("Content-Type", "application/json")
                self.send_header("Set-Cookie", "first=1; Secure")
                self.send_header("Set-Cookie", "second=2; Secure")
                if self.path.startswith("/moved"):
                    self.send_header("Location", "/SOGo/")
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(said)

            do_GET = do_POST = do_HEAD = do_PUT = do_PROPFIND = do_OPTIONS = answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        return Answer


@contextmanager
def backend(folder: Path) -> Iterator[Backend]:
    """Serve until the block ends."""
    made = self_signed("snake-oil.invalid")
    chain, key = folder / "backend.pem", folder / "backend.key"
    chain.write_bytes(made.chain)
    key.write_bytes(made.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    one = Backend()
    server = ThreadingHTTPServer((LOOPBACK, 0), one.handler())
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    one.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield one
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
