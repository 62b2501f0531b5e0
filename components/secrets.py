"""The secrets of a stack: each a key of its own, sealed in the stack's file."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pulumi

from components.mistakes import PREFIX, Mistake, suggestion

PASSWORD = "password."  # noqa: S105 - what the keys of passwords begin with

CATALOGUE = {
    "cloudflareApiToken": "Cloudflare, My Profile, API Tokens: Zone.DNS Edit and Zone.Zone Read",
    "sshPrivateKey": "the key file of the account that deploys, without a passphrase",
    "smarthostPassword": "the smarthost's account; at Resend: API Keys, Sending access",
    "storageAccessKey": "MinIO, the administrator's access key",
    "storageSecretKey": "MinIO, the administrator's secret key",
    "backupPassphrase": "make a new one and keep a copy elsewhere: without it nothing is restored",
}
"""Where each secret is found, beside the password of each mailbox."""

OPTIONAL = {
    "spamhausDqsKey": "Spamhaus, Data Query Service: lists that answer a resolver of many users",
}
"""Where the secrets are found that a stack can do without."""


@dataclass(frozen=True)
class Secrets:
    """What the stack's file keeps sealed; none of it is in the declaration.

    Attributes:
        cloudflare_api_token: Token that may edit the records of the zone.
        ssh_private_key: Private key of the deploying account, PEM.
        smarthost_password: Password of the smarthost login; at Resend the API key.
        storage_access_key: Access key of the MinIO administrator.
        storage_secret_key: Secret key of the MinIO administrator.
        backup_passphrase: Passphrase of the encrypted archives.
        passwords: Password of each mailbox, by local part.
        spamhaus_dqs_key: Key to Spamhaus' lists, None without one.
    """

    cloudflare_api_token: pulumi.Output[str]
    ssh_private_key: pulumi.Output[str]
    smarthost_password: pulumi.Output[str]
    storage_access_key: pulumi.Output[str]
    storage_secret_key: pulumi.Output[str]
    backup_passphrase: pulumi.Output[str]
    passwords: Mapping[str, pulumi.Output[str]] = field(default_factory=dict)
    spamhaus_dqs_key: pulumi.Output[str] | None = None


def names_secret(key: str) -> bool:
    """Tell whether a key is one of a secret."""
    return key in CATALOGUE or key in OPTIONAL or key.startswith(PASSWORD)


def keys(mailboxes: Iterable[str]) -> dict[str, str]:
    """Return the key of every secret, with where it is found.

    Args:
        mailboxes: Local parts of the declared mailboxes.
    """
    passwords = {f"{PASSWORD}{name}": f"password of the mailbox {name}" for name in mailboxes}
    return CATALOGUE | passwords


def from_configuration(config: pulumi.Config, mailboxes: Iterable[str]) -> Secrets:
    """Return the secrets of the stack that is being deployed.

    Args:
        config: The configuration, in which every secret is set.
        mailboxes: Local parts of the declared mailboxes.
    """
    return Secrets(
        cloudflare_api_token=config.require_secret("cloudflareApiToken"),
        ssh_private_key=config.require_secret("sshPrivateKey"),
        smarthost_password=config.require_secret("smarthostPassword"),
        storage_access_key=config.require_secret("storageAccessKey"),
        storage_secret_key=config.require_secret("storageSecretKey"),
        backup_passphrase=config.require_secret("backupPassphrase"),
        passwords={name: config.require_secret(PASSWORD + name) for name in mailboxes},
        spamhaus_dqs_key=config.get_secret("spamhausDqsKey"),
    )


def mistakes(given: Mapping[str, str], mailboxes: Iterable[str] | None) -> list[Mistake]:
    """Return what is missing, what belongs to nobody, and what cannot be right. Echoes no value.

    Args:
        given: The sealed values by key.
        mailboxes: Local parts of the declared mailboxes; None when they could not be read.
    """
    names = list(mailboxes or ())
    needed = keys(names)
    found = [_missing(key, needed[key]) for key in needed if not given.get(key)]
    for key, value in given.items():
        name = key.removeprefix(PASSWORD)
        if key not in needed and key not in OPTIONAL and mailboxes is not None:
            near = suggestion(name, names)
            way_out = f"; otherwise pulumi config rm {PREFIX}{key}"
            found.append(Mistake(PREFIX + key, f"there is no mailbox {name}{near}{way_out}"))
        elif value and (fault := _fault(key, value)):
            found.append(Mistake(PREFIX + key, fault))
    return found


def in_clear(key: str) -> Mistake:
    """Return the mistake of a secret that is not sealed."""
    way_out = f"type {command(key)}; whoever saw the file knows the old one, so make a new one"
    return Mistake(PREFIX + key, f"is a secret and stands in clear; {way_out}")


def command(key: str) -> str:
    """Return the command that sets a secret and shows it neither in a list nor in a history."""
    text = f"pulumi config set --secret {PREFIX}{key}"
    return f"{text} < key-file" if key == "sshPrivateKey" else text


def _missing(key: str, where: str) -> Mistake:
    return Mistake(PREFIX + key, where, command(key))


def _fault(key: str, value: str) -> str | None:
    if key == "sshPrivateKey":
        if not value.lstrip().startswith("-----BEGIN "):
            return f"is not a private key in PEM; type {command(key)}"
        return None
    if key == "spamhausDqsKey" and not re.fullmatch("[A-Za-z0-9]+", value):
        return f"has other characters than letters and digits; type {command(key)}"
    if value != value.strip():
        return f"begins or ends in white space; type {command(key)}"
    least = {"backupPassphrase": 16}.get(key, 8 if key.startswith(PASSWORD) else 1)
    if len(value) < least:
        return f"has fewer than {least} characters; type {command(key)}"
    return None
