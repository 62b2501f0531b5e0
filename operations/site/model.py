"""A site: one declaration, and everything that an operation may have to reach for it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import httpx

from declaration import secrets as catalogue
from declaration.model import Declaration
from declaration.names import SECRETS
from operations.site.host import Host
from pulumi_host.connection import Account
from pulumi_mailcow.client import Client, Settings

if TYPE_CHECKING:
    from cloudflare import AsyncCloudflare
    from minio import Minio

    from operations.prove.model import Check, Proof
    from operations.prove.net import Net
    from rehearsal.world.client import WorldClient

PROJECT = Path(__file__).resolve().parents[2]
"""Folder of the program and of the declarations."""


class SiteError(Exception):
    """A step cannot be taken; the message says why and what to do."""


@dataclass(frozen=True)
class PlannedStep:
    """What a deployment does, or would do, with one resource.

    Attributes:
        op: `create`, `update`, `replace`, `delete`, `import`, ...; never `same`.
        type: Type token.
        name: Name of the resource.
        properties: Paths of the properties that change.
    """

    op: str
    type: str
    name: str
    properties: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What a deployment does, or would do.

    Attributes:
        steps: What changes.
        unchanged: How many resources stay as they are.
        errors: Why it failed; empty if it did not.
    """

    steps: tuple[PlannedStep, ...]
    unchanged: int = 0
    errors: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing went wrong."""
        return not self.errors


@dataclass(frozen=True)
class Sketch:
    """What a deployment would make, before anything of it is looked for.

    Attributes:
        document: An import file for all of it, ids to be filled in (`pulumi preview
            --import-file`); secrets in it are sealed.
        inputs: Declared inputs by type and name: plain values, `Sealed` where secret, `UNKNOWN`
            where a preview cannot know.
        held: How many resources the state holds already.
        errors: Why it failed; empty if it did not.
    """

    document: dict[str, Any]
    inputs: Mapping[tuple[str, str], Mapping[str, Any]]
    held: int = 0
    errors: tuple[str, ...] = ()


class Deployer(Protocol):
    """Who plans and deploys: the rehearsal's engine, or the genuine CLI."""

    def preview(self) -> Plan:
        """Return what a deployment would do. It blocks."""

    def up(self, on_step: Callable[[str], None] | None = None) -> Plan:
        """Deploy, and return what was done. It blocks.

        Args:
            on_step: Told the name of each resource that was changed.
        """

    def sketch(self) -> Sketch:
        """Return what a deployment would make that the state does not hold. It blocks."""

    def seal(self, text: str) -> str:
        """Return a text sealed as the stack's state is, for an import file. It blocks."""

    def set_secret(self, key: str, value: str) -> None:
        """Seal another value of a secret into the stack's configuration.

        Args:
            key: Configuration key without `mail:`.
            value: The value; shown nowhere.
        """


class Site(ABC):
    """Where an operation works. Connections are opened when they are first asked for."""

    live: bool
    """Whether this is the real stack."""

    def __init__(self, stack: str, declaration: Declaration, secrets: Mapping[str, str]) -> None:
        """Describe the site.

        Args:
            stack: Name of the stack.
            declaration: Its declaration; in a rehearsal the endpoints are set.
            secrets: Its secrets by configuration key, without `mail:`.
        """
        self.stack = stack
        self.declaration = declaration
        self._secrets = dict(secrets)
        self._mailcow: Client | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.stack})"

    @property
    @abstractmethod
    def place(self) -> str:
        """Where this is, in words."""

    @property
    def world(self) -> "WorldClient | None":
        """The rehearsed world; None on a real stack."""
        return None

    @property
    @abstractmethod
    def file(self) -> Path:
        """The stack's declaration, `Pulumi.<stack>.yaml`."""

    @property
    @abstractmethod
    def evidence(self) -> Path:
        """The folder of this stack's evidence (`declaration.evidence`); it may not be there yet."""

    @property
    @abstractmethod
    def deployer(self) -> Deployer:
        """Who deploys here."""

    @property
    @abstractmethod
    def net(self) -> "Net":
        """The network as the proof sees it."""

    @abstractmethod
    def declare(self, changes: Mapping[str, Any]) -> None:
        """Change values of the declaration; the next deployment carries them out.

        On a real stack the file itself is changed, for the operator to commit. In a rehearsal a
        copy is changed and the file stays as it is.

        Args:
            changes: New values by path without `mail:`, such as `dmarc.stage`.

        Raises:
            DeclarationError: the declaration would have mistakes; nothing was changed.
        """

    @property
    def passwords(self) -> dict[str, str]:
        """The passwords of mailboxes that are known here, by local part."""
        mark = catalogue.PASSWORD
        return {
            key.removeprefix(mark): value
            for key, value in self._secrets.items()
            if key.startswith(mark)
        }

    def secret(self, key: str) -> str:
        """Return a secret of the stack.

        Args:
            key: Configuration key without `mail:`, such as `backupPassphrase`.

        Raises:
            SiteError: it is not set; the message has the command.
        """
        try:
            return self._secrets[key]
        except KeyError:
            way_out = catalogue.command(key)
            raise SiteError(f"mail:{key} is not set: {way_out} --stack {self.stack}") from None

    def reload(self, declaration: Declaration, secrets: Mapping[str, str]) -> None:
        """Take a declaration that was changed meanwhile."""
        self.declaration = declaration
        self._secrets = dict(secrets)

    @cached_property
    def host(self) -> Host:
        """The host, over SSH, its key compared with the declared one."""
        ssh = self.declaration.names.ssh
        account = Account(
            address=ssh.address,
            port=ssh.port,
            user=ssh.user,
            private_key=self.secret("sshPrivateKey"),
            host_key=ssh.host_key,
        )
        return Host(account)

    async def mailcow(self) -> Client:
        """Return Mailcow's API. Its key lies on the host and is read there.

        Raises:
            FileNotFoundError: the host holds no key: nothing is deployed yet.
        """
        if self._mailcow is None:
            key = (await self.host.read(f"{SECRETS}/api-key")).decode().strip()
            names = self.declaration.names
            settings = Settings(
                endpoint=names.api,
                api_key=key,
                connect_to=names.web,
                ca_bundle=names.ca_bundle,
            )
            self._mailcow = Client(settings)
        return self._mailcow

    @cached_property
    def storage(self) -> "Minio":
        """The object storage, as its administrator."""
        from minio import Minio  # noqa: PLC0415  # few operations need it, and it is slow to import

        place = self.declaration.names.storage
        return Minio(
            endpoint=place.server,
            access_key=self.secret("storageAccessKey"),
            secret_key=self.secret("storageSecretKey"),
            region=self.declaration.backup.region,
            secure=place.tls,
        )

    @cached_property
    def cloudflare(self) -> "AsyncCloudflare":
        """The zone's provider."""
        from cloudflare import AsyncCloudflare  # noqa: PLC0415  # as above

        return AsyncCloudflare(
            api_token=self.secret("cloudflareApiToken"),
            base_url=self.declaration.endpoints.cloudflare_api,
            http_client=httpx.AsyncClient(trust_env=self.live, timeout=60),
        )

    async def prove(self, *, only: "Sequence[Check] | None" = None) -> "Proof":
        """Prove the mail of this site, as `make prove` does.

        Args:
            only: The checks to run; all if None.
        """
        from operations.prove.run import prove  # noqa: PLC0415  # as above
        from operations.prove.subject import Subject  # noqa: PLC0415  # as above

        subject = Subject(self.declaration, self.net, self.passwords)
        return await prove(subject, stack=self.stack, only=only)

    async def close(self) -> None:
        """Close what was opened."""
        if "host" in self.__dict__:
            await self.host.close()
        if self._mailcow is not None:
            await self._mailcow.close()
        if "cloudflare" in self.__dict__:
            await self.cloudflare.close()
