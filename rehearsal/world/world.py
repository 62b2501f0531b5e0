"""A world: services on loopback that stand where the real ones would, in one folder."""

import errno
import importlib
import json
import os
import secrets
import string
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from rehearsal.private_file import write_private
from rehearsal.world.authority import CertificateAuthority
from rehearsal.world.control import Control
from rehearsal.world.service import LOOPBACK, AddressBook, Service, Surroundings

HOUSE: Mapping[str, tuple[str, str]] = {
    "dns": ("rehearsal.world.dns", "Dns"),
    "cloudflare": ("rehearsal.world.cloudflare", "Cloudflare"),
    "git": ("rehearsal.world.git_address", "GitAddress"),
    "storage": ("rehearsal.world.storage", "ObjectStorage"),
    "docker": ("rehearsal.world.docker_engine", "DockerEngine"),
    "ssh": ("rehearsal.world.ssh_host", "SshHost"),
    "mailcow": ("rehearsal.world.mailcow_api", "MailcowApi"),
    "traefik": ("rehearsal.world.traefik", "Traefik"),
    "smarthost": ("rehearsal.world.smarthost", "Smarthost"),
    "receiver": ("rehearsal.world.receiver", "Receiver"),
    "mail": ("rehearsal.world.mail", "MailServer"),
}
"""The services in the order in which they start, each with its module and class."""

_ATTEMPTS = 4
"""How often a service tries to start before a port that is always taken is an error."""

_LETTERS = string.ascii_letters + string.digits


class WorldError(Exception):
    """A world that cannot stand; the message says why."""


def _letters(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))


def _ssh_key() -> str:
    key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    ).decode()


def _password() -> str:
    """Return a password that Mailcow's rules accept whatever they ask for."""
    return f"{_letters(20)}-aA1"


def invent_secrets(file: Path, config: Mapping[str, Any]) -> dict[str, str]:
    """Return the secrets of a world, invented once and kept in `file`.

    Args:
        file: Where they are kept, readable by its owner alone.
        config: Declaration; each mailbox in it has a password, each import one elsewhere.

    Returns:
        Value by configuration key, without `mail:`.
    """
    kept: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    makers: dict[str, Callable[[], str]] = {
        "cloudflareApiToken": lambda: _letters(40),
        "smarthostPassword": lambda: f"re_{_letters(32)}",
        "sshPrivateKey": _ssh_key,
        "storageAccessKey": lambda: _letters(20),
        "storageSecretKey": lambda: _letters(40),
        "backupPassphrase": lambda: _letters(40),
    }
    for mailbox in config["mailboxes"]:
        makers[f"password.{mailbox['name']}"] = _password
    for source in config["imports"]:
        makers[f"importPassword.{source['name']}"] = _password
    missing = [name for name in makers if name not in kept]
    for name in missing:
        kept[name] = makers[name]()
    if missing:
        write_private(file, json.dumps(kept, indent=1))
    return kept


def find_services(names: Sequence[str]) -> list[type[Service]]:
    """Return the classes of the named services, in the order in which they start.

    Raises:
        WorldError: a name is unknown, or its module or class is missing.
    """
    unknown = [name for name in names if name not in HOUSE]
    if unknown:
        raise WorldError(f"no service is called {', '.join(unknown)}; there are {', '.join(HOUSE)}")
    found = []
    for name, (module, kind) in HOUSE.items():
        if name not in names:
            continue
        try:
            service = getattr(importlib.import_module(module), kind)
        except (ImportError, AttributeError) as error:
            raise WorldError(f"service `{name}` cannot be loaded from {module}: {error}") from error
        found.append(service)
    return found


class World:
    """Everything around the program: started together, stopped together, kept in one folder."""

    def __init__(
        self,
        folder: Path,
        config: Mapping[str, Any],
        *,
        stack: str,
        services: Sequence[str] | None = None,
    ) -> None:
        """Lay out the world; nothing listens yet.

        Args:
            folder: Holds all that the world keeps; made if it is missing.
            config: The stack's declaration, keys without `mail:`.
            stack: Name of the stack that is rehearsed.
            services: Names of the services to start, all if None.

        Raises:
            WorldError: a service is unknown or cannot be loaded.
        """
        self.folder = folder.resolve()
        self.stack = stack
        kinds = find_services(tuple(HOUSE) if services is None else services)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        root = self.folder / "root"
        root.mkdir(exist_ok=True)
        self.surroundings = Surroundings(
            folder=self.folder,
            root=root,
            authority=CertificateAuthority(self.folder / "authority"),
            addresses=AddressBook(),
            config=dict(config),
            secrets=invent_secrets(self.folder / "secrets.json", config),
        )
        self._waiting = [kind() for kind in kinds]
        self.control = Control(self.services, self.status)

    @property
    def services(self) -> dict[str, Service]:
        """The services that have started, by name."""
        return self.surroundings.services

    @property
    def secrets(self) -> dict[str, str]:
        """The secrets invented for this world, by configuration key without `mail:`."""
        return self.surroundings.secrets

    async def start(self) -> None:
        """Start every service in order, then the control address, then write `world.json`.

        Raises:
            WorldError: a service did not start; those that had are stopped again.
        """
        for service in self._waiting:
            try:
                self.services[service.name] = await self._started(service)
                self.services[service.name].overlay_changed = self._describe
            except Exception as error:
                await self.stop()
                raise WorldError(f"service `{service.name}` did not start: {error!r}") from error
        await self.control.start()
        self._describe()

    def _describe(self) -> None:
        described = {**self.status(), "token": self.control.token, "overlay": self.overlay()}
        write_private(self.folder / "world.json", json.dumps(described, indent=1))

    async def _started(self, service: Service) -> Service:
        """Start a service, anew where another process took its port before it could."""
        for _ in range(_ATTEMPTS - 1):
            try:
                await service.start(self.surroundings)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                # What it had opened before is closed; half started, it may fail at that.
                with suppress(Exception):
                    await service.stop()
                service = type(service)()
            else:
                return service
        await service.start(self.surroundings)
        return service

    async def stop(self) -> None:
        """Stop everything in reverse order; one that fails does not keep the others running.

        Raises:
            ExceptionGroup: what failed.
        """
        failures: list[Exception] = []
        parts: list[Control | Service] = [self.control, *reversed(self.services.values())]
        for part in parts:
            try:
                await part.stop()
            except Exception as error:  # noqa: BLE001 - reported below, after the others stopped
                failures.append(error)
        self.services.clear()
        (self.folder / "world.json").unlink(missing_ok=True)
        if failures:
            raise ExceptionGroup("services did not stop", failures)

    def status(self) -> dict[str, Any]:
        """Return what runs: pid, control address, published addresses, services."""
        return {
            "pid": os.getpid(),
            "stack": self.stack,
            "folder": str(self.folder),
            "control": self.control.address,
            "addresses": self.surroundings.addresses.places(),
            "services": [
                {
                    "name": service.name,
                    "stands_for": service.stands_for,
                    "genuine": service.genuine,
                    "port": getattr(service, "port", None),
                }
                for service in self.services.values()
            ],
        }

    def overlay(self) -> dict[str, Any]:
        """Return what the rehearsed stack's configuration must say beyond the declaration.

        Returns:
            Value by key without `mail:`: the endpoints, and the account facts that the services
            tell. The secrets are not in it; see `secrets`.

        Raises:
            WorldError: two services say different things under one key.
        """
        bundle = self.surroundings.authority.bundle.read_text()
        endpoints: dict[str, Any] = {"caBundle": bundle}
        overlay: dict[str, Any] = {"operatorAddresses": [LOOPBACK], "endpoints": endpoints}
        for service in self.services.values():
            said = dict(service.overlay())
            _merge(endpoints, said.pop("endpoints", {}), service.name)
            _merge(overlay, said, service.name)
        return overlay


def _merge(into: dict[str, Any], said: Mapping[str, Any], service: str) -> None:
    for key, value in said.items():
        if key in into and into[key] != value:
            raise WorldError(f"service `{service}` contradicts another about {key}")
        into[key] = value
