"""How Postfix of the rehearsed host would route, read from the files on that host alone.

Only what decides where mail goes is read: `mailcow.conf`, `extra.cf` and the `texthash:` maps that
it names. Nothing is known here of the declaration; a file that was not written has no effect.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from readers import postfix
from readers.mistake import MistakeError

_CONTAINER_CONF = "/opt/postfix/conf/"
_NEXTHOP = re.compile(r"^\[(?P<host>[^\]]+)\](?::(?P<port>\d+))?$")


class ConfigurationError(ValueError):
    """A file of the host says something that Postfix would refuse."""


@dataclass(frozen=True)
class Relay:
    """The global relayhost.

    Attributes:
        nexthop: As written, for map look-ups: `[smtp.example.com]:587`.
        host: Its host name.
        port: Its TCP port.
        login: User and password from the SASL map, if there is an entry.
        tls: TLS level towards it: `may`, `encrypt` or `secure`.
        implicit_tls: Whether TLS begins with the first byte, without STARTTLS.
    """

    nexthop: str
    host: str
    port: int
    login: tuple[str, str] | None
    tls: str
    implicit_tls: bool = False


@dataclass(frozen=True)
class Routing:
    """What the files say.

    Attributes:
        hostname: `myhostname`.
        relay: The relayhost; without one, mail is sent straight to the recipient's host.
        ipv4_only: Whether `inet_protocols` keeps Postfix to IPv4.
        origin: `myorigin`, the domain of what Postfix itself writes.
        waits_for_login: Whether mail waits when the relayhost refuses the login
            (`smtp_sasl_auth_soft_bounce`, which Mailcow's own main.cf switches off).
        tells_postmaster: Whether the postmaster is told of notifications that could not be
            delivered (`2bounce` among `notify_classes`, which Postfix's default leaves out).
    """

    hostname: str
    relay: Relay | None
    ipv4_only: bool
    origin: str = ""
    waits_for_login: bool = False
    tells_postmaster: bool = False


def _read_map(directory: Path, value: str) -> dict[str, str]:
    """Read every `texthash:` map that `value` names; other kinds of map are the database's."""
    entries: dict[str, str] = {}
    for name in postfix.words(value):
        kind, _, path = name.partition(":")
        if kind != "texthash":
            continue
        if not path.startswith(_CONTAINER_CONF):
            msg = f"{name}: no such file in the container"
            raise ConfigurationError(msg)
        file = directory / "data/conf/postfix" / path.removeprefix(_CONTAINER_CONF)
        if not file.exists():
            msg = f"open {path}: No such file or directory"
            raise ConfigurationError(msg)
        entries = postfix.table(file.read_text()) | entries
    return entries


def _relay(directory: Path, settings: dict[str, str]) -> Relay | None:
    nexthop = settings.get("relayhost", "")
    if not nexthop:
        return None
    found = _NEXTHOP.match(nexthop)
    if found is None:
        msg = f"relayhost = {nexthop}: write the host in brackets, or its MX would be asked"
        raise ConfigurationError(msg)
    login: tuple[str, str] | None = None
    # Mailcow's own main.cf switches SASL on; extra.cf may switch it off again.
    if settings.get("smtp_sasl_auth_enable", "yes") == "yes":
        credentials = _read_map(directory, settings.get("smtp_sasl_password_maps", ""))
        user, _, password = credentials.get(nexthop, "").partition(":")
        login = (user, password) if user else None
    policies = _read_map(directory, settings.get("smtp_tls_policy_maps", ""))
    policy = policies.get(nexthop, settings.get("smtp_tls_security_level", "may"))
    level = postfix.tls_policy(policy).level
    return Relay(
        nexthop=nexthop,
        host=found["host"],
        port=int(found["port"] or 25),
        login=login,
        tls={"verify": "secure", "dane": "may", "none": "none"}.get(level, level),
        implicit_tls=postfix.wraps(settings, level),
    )


def read_environment(file: Path) -> dict[str, str]:
    """Read `NAME=value` lines, as docker compose reads `mailcow.conf`; empty without the file."""
    values: dict[str, str] = {}
    if file.exists():
        for line in file.read_text().splitlines():
            name, separator, value = line.partition("=")
            if separator and not name.startswith("#"):
                values[name.strip()] = value.strip().strip("\"'")
    return values


def read_routing(directory: Path) -> Routing:
    """Read what decides the routing from the release's `directory` on the host.

    Raises:
        ConfigurationError: Postfix would not start, or not route, with these files.
    """
    hostname = read_environment(directory / "mailcow.conf").get("MAILCOW_HOSTNAME", "")
    extra = directory / "data/conf/postfix/extra.cf"
    try:
        settings = postfix.parameters(extra.read_text()) if extra.exists() else {}
    except MistakeError as error:
        raise ConfigurationError(str(error)) from None
    try:
        relay = _relay(directory, settings)
    except MistakeError as error:
        raise ConfigurationError(str(error)) from None
    name = settings.get("myhostname", hostname) or "localhost"
    return Routing(
        hostname=name,
        relay=relay,
        ipv4_only=settings.get("inet_protocols", "all") == "ipv4",
        origin=settings.get("myorigin", name),
        waits_for_login=settings.get("smtp_sasl_auth_soft_bounce", "no") == "yes",
        tells_postmaster="2bounce" in postfix.words(settings.get("notify_classes", "")),
    )
