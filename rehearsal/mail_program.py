"""A person's mail program in the rehearsed internet: it sends and reads as one would at home."""

import imaplib
import smtplib
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

_TIMEOUT = 15.0
HELO = "[127.0.0.1]"
"""Said in EHLO: an address literal, so that nobody looks up the name of this machine."""

Reach = Callable[[str, int], tuple[str, int]]
"""Finds the loopback address and port behind a public address and port."""


class _NamedContext(ssl.SSLContext):
    """Expects the certificate of a public name on a connection that goes to loopback."""

    expected: str

    def wrap_socket(self, sock: Any, *args: Any, **options: Any) -> ssl.SSLSocket:
        return super().wrap_socket(sock, *args, **{**options, "server_hostname": self.expected})


def context_for(name: str, authority: Path | None) -> ssl.SSLContext:
    """Return a TLS context that expects a certificate for `name`.

    Args:
        name: Host name.
        authority: Certificate authorities (PEM) to trust; the system's if None.
    """
    context = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.expected = name
    if authority is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(authority)
    return context


class MailProgram:
    """The mail program of one person, set up as the guide says: 465 to send, 993 to read."""

    def __init__(
        self,
        address: str,
        password: str,
        *,
        server: tuple[str, str],
        reach: Reach,
        authority: Path | None,
    ) -> None:
        """Set up the account.

        Args:
            address: The person's address, also the login.
            password: The password.
            server: Name and public address of the mail host.
            reach: Finds the loopback port behind the public address.
            authority: Certificate authorities (PEM) that the person's computer trusts; the
                system's if None.
        """
        self.address = address
        self._password = password
        self._server = server
        self._reach = reach
        self._authority = authority

    def _context(self) -> ssl.SSLContext:
        return context_for(self._server[0], self._authority)

    def send(self, message: EmailMessage) -> None:
        """Send a message by submission over TLS (port 465, RFC 8314).

        Raises:
            smtplib.SMTPException: the server refused it.
            OSError: the server was not reached, or showed a wrong certificate.
        """
        host, port = self._reach(self._server[1], 465)
        with smtplib.SMTP_SSL(
            host, port, local_hostname=HELO, context=self._context(), timeout=_TIMEOUT
        ) as client:
            client.login(self.address, self._password)
            client.send_message(message)

    def read(self, folder: str = "INBOX", *, subject: str = "") -> list[bytes]:
        """Return the messages of a folder, those with `subject` if one is given.

        Raises:
            imaplib.IMAP4.error: the login was refused.
            OSError: the server was not reached, or showed a wrong certificate.
        """
        host, port = self._reach(self._server[1], 993)
        with imaplib.IMAP4_SSL(host, port, ssl_context=self._context(), timeout=_TIMEOUT) as client:
            client.login(self.address, self._password)
            if client.select(folder, readonly=True)[0] != "OK":
                return []
            wanted = ["SUBJECT", f'"{subject}"'] if subject else ["ALL"]
            _, found = client.search(None, *wanted)
            return [_fetch(client, number.decode()) for number in found[0].split()]


def _fetch(client: imaplib.IMAP4, number: str) -> bytes:
    _, data = client.fetch(number, "(RFC822)")
    # What else changed in the folder meanwhile is told in the same answer (RFC 9051 section 7).
    for item in data:
        if isinstance(item, tuple) and item[0].split()[0].decode() == number:
            return item[1]
    msg = f"message {number} came without its text"
    raise imaplib.IMAP4.error(msg)
