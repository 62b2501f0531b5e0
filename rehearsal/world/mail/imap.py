"""IMAP and ManageSieve on the rehearsed host: pymap's servers over the host's Maildirs."""

import asyncio
import ssl
from argparse import Namespace
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from proxyprotocol.sock import SocketInfoLocal
from pymap.backend.maildir import Config, FilterSet, Identity, Login, Session
from pymap.backend.maildir.io import FileWriteable
from pymap.backend.maildir.layout import MaildirLayout
from pymap.backend.maildir.mailbox import MailboxSet, Maildir
from pymap.exceptions import InvalidAuth
from pymap.imap import IMAPServer
from pymap.sieve.manage import ManageSieveServer
from pysasl.creds.server import ServerCredentials

from rehearsal.world.mail.store import MailStore
from rehearsal.world.service import LOOPBACK


def _write_beside(file: FileWriteable) -> None:
    """Write one of pymap's own files anew, all of it or nothing.

    pymap drafts it in the folder for temporary files, and cannot move it from there to a mailbox
    on another file system.
    """
    path = Path(file.get_file(file.path))
    with NamedTemporaryFile("w", dir=path.parent, prefix=".draft-", delete=False) as draft:
        file.write(draft)
    Path(draft.name).replace(path)
    file._touched = False  # noqa: SLF001  # as the method that is replaced here does


FileWriteable.file_write = _write_beside  # type: ignore[assignment,method-assign]  # no setting

CheckPassword = Callable[[str, str], bool]


class _Person:
    """What pysasl compares a login with: Mailcow's own list of people."""

    def __init__(self, address: str, check: CheckPassword) -> None:
        self.authcid = address
        self._check = check

    def compare_authcid(self, authcid: str) -> bool:
        return authcid == self.authcid

    def compare_secret(self, secret: str) -> bool:
        return self._check(self.authcid, secret)


class _Mailbox(Identity):
    """A signed-in person: pymap's own identity, but the Maildir is where the host keeps it."""

    store: MailStore

    @asynccontextmanager
    async def new_session(self) -> AsyncIterator[Session]:
        path = str(self.store.home(self.name))
        layout = MaildirLayout.get(path, self.config.layout, Maildir)
        maildir = Maildir(path, create=False)
        yield Session(self.name, self.config, MailboxSet(maildir, layout), FilterSet(layout.path))


class _Logins(Login):
    """Logins are checked against the rehearsed Mailcow, not against pymap's own files.

    `somebody*master` is the mailbox of somebody, opened by a master, as Dovecot has it.
    """

    def __init__(self, config: Config, store: MailStore, check: CheckPassword) -> None:
        super().__init__(config)
        self._store = store
        self._check = check

    def _identity(self, address: str) -> _Mailbox:
        identity = _Mailbox(self.config, self.tokens, address, None, frozenset())
        identity.store = self._store
        return identity

    async def authenticate(self, credentials: ServerCredentials) -> Identity:
        address = credentials.authcid.lower()
        person: Any = _Person(credentials.authcid, self._check)
        if not await asyncio.to_thread(credentials.verify, person):
            raise InvalidAuth
        return self._identity(address.partition("*")[0])

    async def authorize(self, authenticated: Any, authzid: str) -> Identity:
        if authenticated.name != authzid.lower().partition("*")[0]:
            raise InvalidAuth
        return self._identity(authenticated.name)


def _configuration(tls: ssl.SSLContext | None, *, starttls: bool) -> Config:
    arguments = Namespace(
        base_dir="", layout="++", colon=None, concurrency=4, host=LOOPBACK, port=0,
        cert=None, key=None, tls=starttls, proxy_protocol=None, passlib_cfg=None, debug=False,
        inherited_sockets=None,
    )  # fmt: skip
    return Config.from_args(arguments, ssl_context=tls)


class _Listener:
    """One port of loopback with one of pymap's servers behind it."""

    def __init__(
        self,
        config: Config,
        server: IMAPServer | ManageSieveServer,
        *,
        tls: ssl.SSLContext | None,
        admit: Callable[[], bool],
        port: int = 0,
    ) -> None:
        self._port = port
        self._config = config
        self._behind = server
        self._tls = tls
        self._admit = admit
        self._server: asyncio.Server | None = None
        self._conversations: set[asyncio.Task[None]] = set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._conversations.add(task)
            task.add_done_callback(self._conversations.discard)
        if not self._admit():
            writer.transport.abort()
            return
        self._config.apply_context()
        await self._behind(reader, writer, SocketInfoLocal(writer.transport))

    async def start(self) -> int:
        """Listen on a free port of loopback and return it."""
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self._port, ssl=self._tls)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and end every conversation."""
        if self._server is not None:
            self._server.close()
        for task in list(self._conversations):
            task.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)


class ImapListener(_Listener):
    """IMAPS: TLS from the first byte; plain IMAP without a context."""

    def __init__(
        self,
        store: MailStore,
        check: CheckPassword,
        *,
        tls: ssl.SSLContext | None,
        admit: Callable[[], bool],
        port: int = 0,
    ) -> None:
        """Serve the mailboxes in `store` to whom `check` knows, while `admit` says so."""
        config = _configuration(tls, starttls=False)
        server = IMAPServer(_Logins(config, store, check), config)
        super().__init__(config, server, tls=tls, admit=admit, port=port)


class SieveListener(_Listener):
    """ManageSieve (RFC 5804): STARTTLS before any login. Rules are kept, not obeyed."""

    def __init__(
        self,
        store: MailStore,
        check: CheckPassword,
        *,
        tls: ssl.SSLContext,
        admit: Callable[[], bool],
    ) -> None:
        """Keep the rules of the mailboxes in `store` for whom `check` knows."""
        config = _configuration(tls, starttls=True)
        server = ManageSieveServer(_Logins(config, store, check), config)
        super().__init__(config, server, tls=None, admit=admit)
