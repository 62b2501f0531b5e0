"""An SMTP server on loopback, in the world's own event loop."""

import asyncio
import ssl
import warnings
from collections.abc import Callable
from typing import Any

from aiosmtpd.smtp import SMTP

from rehearsal.world.service import LOOPBACK

_IDLE = 60.0
_SIZE_LIMIT = 104857600
"""Largest message in bytes, as Mailcow sets it."""
_WORDS = {
    "530 Must issue a STARTTLS command first": "530 5.7.0 Must issue a STARTTLS command first",
    "250 OK": "250 2.0.0 Ok",
}
"""Replies of aiosmtpd that lack the enhanced status code which mail hosts give (RFC 2034)."""


class Listener:
    """One listening port, with a protocol of aiosmtpd behind it.

    `aiosmtpd.controller.Controller` runs a loop and a thread for every server; the world has one
    loop, so its servers are made with `loop.create_server`.
    """

    def __init__(
        self,
        handler: Any,
        *,
        hostname: str,
        tls: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
        authenticator: Callable[..., Any] | None = None,
        require_starttls: bool = False,
        auth_required: bool = False,
        admit: Callable[[], bool] = lambda: True,
    ) -> None:
        """Prepare the server.

        Args:
            handler: aiosmtpd handler.
            hostname: Name in the greeting.
            tls: Context for STARTTLS, or for the whole connection with `implicit_tls`.
            implicit_tls: TLS from the first byte (RFC 8314).
            authenticator: aiosmtpd authenticator; AUTH is offered only with one, over TLS only.
            require_starttls: Refuse commands before STARTTLS.
            auth_required: Refuse mail before AUTH.
            admit: Asked at each connection; when false, the connection is dropped at once.
        """
        self._handler = handler
        self._implicit = tls if implicit_tls else None
        self._admit = admit
        self._options: dict[str, Any] = {
            "hostname": hostname,
            "ident": "ESMTP",
            "timeout": _IDLE,
            "enable_SMTPUTF8": False,
            "data_size_limit": _SIZE_LIMIT,
            "tls_context": None if implicit_tls else tls,
            "require_starttls": require_starttls and not implicit_tls,
            "authenticator": authenticator,
            "auth_required": auth_required,
            # With implicit TLS aiosmtpd does not know that the connection is encrypted.
            "auth_require_tls": not implicit_tls,
            "auth_exclude_mechanism": None if authenticator else ["LOGIN", "PLAIN"],
        }
        self._server: asyncio.Server | None = None
        self._transports: set[asyncio.BaseTransport] = set()

    def _protocol(self) -> asyncio.Protocol:
        loop = asyncio.get_running_loop()
        if not self._admit():
            return _Refusal()
        with warnings.catch_warnings():
            # aiosmtpd warns of AUTH without STARTTLS, though the port is encrypted throughout.
            warnings.simplefilter("ignore", UserWarning)
            return _Conversation(self._transports, self._handler, loop=loop, **self._options)

    async def start(self) -> int:
        """Listen on a free port of loopback and return it."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._protocol, LOOPBACK, 0, ssl=self._implicit, start_serving=True
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and drop every open connection."""
        if self._server is None:
            return
        self._server.close()
        for transport in list(self._transports):
            if isinstance(transport, asyncio.Transport) and not transport.is_closing():
                transport.abort()
        await self._server.wait_closed()
        self._server = None


class _Conversation(SMTP):
    """A conversation that its listener can end."""

    def __init__(self, open_: set[asyncio.BaseTransport], handler: Any, **options: Any) -> None:
        super().__init__(handler, **options)
        self._open = open_

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._open.add(transport)
        self._own = transport
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._open.discard(self._own)
        super().connection_lost(error)

    async def push(self, status: Any) -> None:
        await super().push(_WORDS.get(status, status) if isinstance(status, str) else status)


class _Refusal(asyncio.Protocol):
    """Drops a connection, as a port without a server would."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            transport.abort()
