"""The declaration: a company's whole mail presence, read once, checked as a whole."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import pulumi
from pulumi.runtime import config as runtime_config
from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from components import secrets, stack_file
from components.backup import BackupSettings
from components.certificate import CertificateSettings
from components.checks import cross_part_mistakes
from components.dmarc import DmarcSettings
from components.endpoints import Endpoints
from components.generations import GenerationSettings
from components.host import HostSettings, Ipv6Settings
from components.mailcow import MailcowSettings
from components.mistakes import (
    PREFIX,
    DeclarationError,
    Mistake,
    Place,
    looks_secret,
    rephrase,
    spelled,
)
from components.monitoring import MonitoringSettings
from components.people import AliasSettings, MailboxSettings
from components.secrets import Secrets
from components.settings import Day, DomainName, Network, Settings
from components.smarthost import SmarthostSettings, TransactionalSender
from components.traefik import TraefikSettings
from components.zone import WebSettings, ZoneSettings

__all__ = [
    "Declaration",
    "DeclarationError",
    "Mistake",
    "PolicyException",
    "Secrets",
    "from_config",
    "load_values",
    "read",
    "read_file",
    "secret_keys",
]


class PolicyException(Settings):
    """A policy rule that need not hold for one resource, for a reason and a time."""

    rule: str = Field(min_length=1)
    """Id of the rule."""
    resource: str = Field(min_length=1)
    """Name of the resource as the program gives it."""
    reason: str = Field(min_length=10)
    """Why, in a sentence."""
    until: Day
    """Last day on which the exception holds; afterwards it is itself a violation."""


class Declaration(Settings):
    """Everything under `mail:` in `Pulumi.<stack>.yaml`, without the secrets."""

    company: str = Field(min_length=1, max_length=100)
    """Name of the company, as people read it."""
    domain: DomainName
    """The mail domain."""
    host: HostSettings
    """The VPS."""
    ipv6: Annotated[Ipv6Settings | None, BeforeValidator(lambda value: value or None)] = None
    """IPv6; off when absent or empty."""
    zone: ZoneSettings = ZoneSettings()
    """DNS."""
    web: WebSettings = WebSettings()
    """Web hosts."""
    dmarc: DmarcSettings
    """DMARC stage."""
    smarthost: SmarthostSettings = SmarthostSettings()
    """Outbound relay."""
    transactional_senders: tuple[TransactionalSender, ...] = ()
    """Services that send by themselves."""
    mailcow: MailcowSettings
    """The stack."""
    traefik: TraefikSettings = TraefikSettings()
    """Reverse proxy."""
    certificate: CertificateSettings = CertificateSettings()
    """Public certificate."""
    mailboxes: tuple[MailboxSettings, ...] = Field(min_length=1)
    """Mailboxes."""
    aliases: tuple[AliasSettings, ...] = ()
    """Aliases."""
    protect_mailboxes: bool = True
    """Whether a mailbox that holds mail is protected from deletion: taking it out of the
    declaration is then refused until `pulumi state unprotect`. Danger: deleting a mailbox deletes
    its mail. A rehearsal, which has no mail to lose, sets it to false."""
    backup: BackupSettings
    """Backup."""
    monitoring: MonitoringSettings
    """Monitoring."""
    generations: GenerationSettings = GenerationSettings()
    """Generated secrets."""
    exceptions: tuple[PolicyException, ...] = ()
    """Exceptions from policies."""
    endpoints: Endpoints = Endpoints()
    """Where services are reached, if not at their public addresses."""

    # What only the operator's accounts can tell; public, but nothing that could be invented.
    host_key: str
    """Public SSH host key of the host, as in known_hosts: `ssh-ed25519 AAAA...`."""
    dkim_public_key: str
    """Value of the DKIM record that the smarthost's account shows: `p=MIGf...`."""
    exporter_digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    """Digest of the exporter's image, as `docker buildx imagetools inspect` shows it:
    `sha256:` and 64 hexadecimal digits."""
    operator_addresses: tuple[Network, ...] = Field(min_length=1)
    """Addresses from which Mailcow's API may be used: those of the people who deploy."""

    @property
    def mail_host(self) -> str:
        """Fully qualified name of the mail host: MX target and MAILCOW_HOSTNAME."""
        return f"{self.zone.mx_label}.{self.domain}"

    @property
    def web_hosts(self) -> tuple[str, ...]:
        """Fully qualified names of the web hosts, in the order in which they are published."""
        labels = [self.web.admin, self.web.webmail]
        if self.web.autoconfig:
            labels.append("autoconfig")
        if self.web.autodiscover:
            labels.append("autodiscover")
        if self.zone.mta_sts is not None:
            labels.append("mta-sts")
        return tuple(f"{label}.{self.domain}" for label in labels)

    @property
    def certificate_names(self) -> tuple[str, ...]:
        """Names that the public certificate covers: the mail host first, then the web hosts."""
        return (self.mail_host, *self.web_hosts)


_FACTS = {
    "hostKey": (
        'mail:hostKey "ssh-ed25519 AAAA..."',
        "ssh-keyscan -t ed25519 {host}, compared with the console of the host's provider",
    ),
    "dkimPublicKey": ('mail:dkimPublicKey "p=MIGf..."', "the smarthost's account, Domains, DKIM"),
    "exporterDigest": (
        "mail:exporterDigest sha256:...",
        "docker buildx imagetools inspect {exporter}",
    ),
    "operatorAddresses": (
        "--path 'mail:operatorAddresses[0]' 203.0.113.7",
        "the public address from which you deploy",
    ),
}
"""How each account fact is set, and where it is found."""


def secret_keys(declaration: Declaration) -> dict[str, str]:
    """Return the key of every secret that this declaration needs, with where it is found."""
    return secrets.keys(one.name for one in declaration.mailboxes)


def read(values: Mapping[str, object], *, source: str, today: date | None = None) -> Declaration:
    """Read a declaration and check it as a whole.

    Args:
        values: Values by key, without the prefix `mail:`. Structured values may be JSON text, as
            the runtime hands them over.
        source: Name of the file, for the message.
        today: The day to judge dates by; today in UTC when absent.

    Raises:
        DeclarationError: all mistakes at once.
    """
    reading = _Reading(values, today or _today())
    if reading.declaration is None:
        raise DeclarationError(source, reading.mistakes)
    return reading.declaration


def read_file(path: Path, overlay: Mapping[str, object] | None = None) -> Declaration:
    """Read the declaration of a stack from its file; needs no engine and no secret.

    Args:
        path: `Pulumi.<stack>.yaml`.
        overlay: Values by key that take the place of those in the file, or add to them.

    Raises:
        DeclarationError: all mistakes at once, also when there is no such file.
    """
    return read(load_values(path) | dict(overlay or {}), source=path.name)


def load_values(path: Path) -> dict[str, object]:
    """Return the values of a stack's file by key, without the prefix and without secrets.

    Raises:
        DeclarationError: the file cannot be read as YAML with a `config:` in it.
    """
    return stack_file.load(path)


def from_config() -> tuple[Declaration, Secrets]:
    """Read the declaration and the secrets of the stack that is being deployed.

    Raises:
        pulumi.RunError: all mistakes and all missing values at once, as text for the operator.
    """
    source = f"Pulumi.{pulumi.get_stack()}.yaml"
    # Both ways in which a runtime hands configuration over.
    everything = runtime_config.get_config_env() | runtime_config.CONFIG.get()
    given = {
        key.removeprefix(PREFIX): value
        for key, value in everything.items()
        if key.startswith(PREFIX)
    }
    sealed = {key for key in given if runtime_config.is_config_secret(PREFIX + key)}
    hidden = {key: given[key] for key in given if key in sealed and secrets.names_secret(key)}
    plain = {key: value for key, value in given.items() if key not in hidden}
    reading = _Reading(plain, _today())
    names = reading.mailbox_names()
    mistakes = [
        *(_sealed(key) for key in plain if key in sealed),
        *(one for one in reading.mistakes if one.path.removeprefix(PREFIX) not in sealed),
        *secrets.mistakes(hidden, names),
    ]
    if reading.declaration is None or names is None or mistakes:
        raise pulumi.RunError(str(DeclarationError(source, mistakes)))
    return reading.declaration, secrets.from_configuration(pulumi.Config("mail"), names)


class _Reading:
    """One reading of a declaration: what is valid of it, and what is not.

    Attributes:
        mistakes: All of them, in the order in which the keys stand.
        declaration: The declaration; None when there are mistakes.
    """

    def __init__(self, values: Mapping[str, object], today: date) -> None:
        self._parts: dict[str, Any] = {}
        keys = {one.alias or name: name for name, one in Declaration.model_fields.items()}
        given = {
            key: _decoded(value)
            for key, value in values.items()
            if not (key in keys and _absent(value))
        }
        found = [secrets.in_clear(key) for key in given if secrets.names_secret(key)]
        given = {key: value for key, value in given.items() if not secrets.names_secret(key)}
        found += _pasted_secrets(given)
        whole: Declaration | None = None
        try:
            whole = Declaration.model_validate(given)
        except ValidationError as error:
            details = error.errors(include_url=False)
            wrong = {keys.get(str(one["loc"][0])) for one in details}
            self._parts = _valid_parts(given, wrong)
            found += [self._rephrased(one) for one in details]
        else:
            self._parts = {name: getattr(whole, name) for name in Declaration.model_fields}
        found += cross_part_mistakes(Declaration, self._parts, today)
        self.mistakes = _in_order(found, [*given, *keys])
        self.declaration = None if self.mistakes else whole

    def mailbox_names(self) -> list[str] | None:
        """Return the local parts of the mailboxes; None when they are not valid."""
        mailboxes = self._parts.get("mailboxes")
        return None if mailboxes is None else [one.name for one in mailboxes]

    def _rephrased(self, error: ErrorDetails) -> Mistake:
        key = str(error["loc"][0])
        if error["type"] != "missing" or len(error["loc"]) > 1 or key not in _FACTS:
            return rephrase(error, Declaration)
        command, where = _FACTS[key]
        host, monitoring = self._parts.get("host"), self._parts.get("monitoring")
        where = where.format(
            host=host.address if host else "HOST",
            exporter=monitoring.exporter_image if monitoring else "IMAGE",
        )
        return Mistake(PREFIX + key, where, f"pulumi config set {command}")


def _today() -> date:
    return datetime.now(UTC).date()


def _absent(value: object) -> bool:
    # Pulumi.yaml gives the account facts empty defaults, or the engine would ask for them itself.
    return value is None or value in ("", "[]", [])


def _decoded(value: object) -> object:
    """Return a value of the runtime, which hands structures over as JSON, as what it stands for."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _valid_parts(given: Mapping[str, object], wrong: set[str | None]) -> dict[str, Any]:
    """Return the parts that are valid on their own, so that checks across them can run."""
    parts: dict[str, Any] = {}
    for name, one in Declaration.model_fields.items():
        if name in wrong:
            continue
        key = one.alias or name
        if key in given:
            kind: Any = one.annotation
            for constraint in one.metadata:
                kind = Annotated[kind, constraint]
            parts[name] = TypeAdapter(kind).validate_python(given[key])
        else:
            parts[name] = one.get_default(call_default_factory=True)
    return parts


def _pasted_secrets(given: Mapping[str, object]) -> list[Mistake]:
    """Return where something that looks like a credential stands in clear."""
    way_out = "looks like a credential; take it out, make a new one, and set it by one of the keys "
    names = ", ".join(secrets.CATALOGUE)
    return [
        Mistake(spelled(place), f"{way_out}of secrets: {names}")
        for place, text in _texts(given, ())
        if looks_secret(text) and (not _public(place) or "PRIVATE" in text)
    ]


def _public(place: Place) -> bool:
    """Tell whether what stands there is public, though it looks like a credential."""
    whole = {"hostKey", "dkimPublicKey", "exporterDigest", "endpoints"}
    return place[0] in whole or place[-1] == "publicKey"


def _texts(value: object, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _texts(one, (*place, str(key)))
    elif isinstance(value, list | tuple):
        for index, one in enumerate(value):
            yield from _texts(one, (*place, index))


def _sealed(key: str) -> Mistake:
    way_out = f"pulumi config rm {PREFIX}{key}, then declare it in plain text"
    return Mistake(
        PREFIX + key, f"is sealed, or something in it is, but it is no secret; {way_out}"
    )


def _in_order(found: list[Mistake], keys: list[str]) -> tuple[Mistake, ...]:
    """Return one mistake for each place, the first found, in the order of the keys."""
    first: dict[str, Mistake] = {}
    for one in found:
        first.setdefault(one.path, one)
    ranks = {key: rank for rank, key in reversed(list(enumerate(keys)))}

    def rank(one: Mistake) -> int:
        key = re.split(r"[.\[]", one.path.removeprefix(PREFIX))[0]
        return ranks.get(key, len(ranks))

    return tuple(sorted(first.values(), key=rank))
