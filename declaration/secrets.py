"""The secrets of a stack: each a key of its own, sealed in the stack's file."""

import re
from collections.abc import Iterable, Mapping

from declaration.mistakes import PREFIX, Mistake, suggestion

PASSWORD = "password."  # noqa: S105 - what the keys of passwords begin with
IMPORT_PASSWORD = "importPassword."  # noqa: S105 - the same where old mail is fetched from

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


def names_secret(key: str) -> bool:
    """Tell whether a key is one of a secret."""
    return key in CATALOGUE or key in OPTIONAL or key.startswith((PASSWORD, IMPORT_PASSWORD))


def keys(mailboxes: Iterable[str], imports: Iterable[str] = ()) -> dict[str, str]:
    """Return the key of every secret, with where it is found.

    Args:
        mailboxes: Local parts of the declared mailboxes.
        imports: Names of the declared imports.
    """
    passwords = {f"{PASSWORD}{name}": f"password of the mailbox {name}" for name in mailboxes}
    elsewhere = {
        f"{IMPORT_PASSWORD}{name}": f"password at the server of the import {name}; an app password"
        " where the provider has them"
        for name in imports
    }
    return CATALOGUE | passwords | elsewhere


def mistakes(
    given: Mapping[str, str],
    mailboxes: Iterable[str] | None,
    imports: Iterable[str] | None = (),
) -> list[Mistake]:
    """Return what is missing, what belongs to nobody, and what cannot be right. Echoes no value.

    Args:
        given: The sealed values by key.
        mailboxes: Local parts of the declared mailboxes; None when they could not be read.
        imports: Names of the declared imports; None when they could not be read.
    """
    names, sources = list(mailboxes or ()), list(imports or ())
    needed = keys(names, sources)
    known = {
        PASSWORD: ("mailbox", None if mailboxes is None else names),
        IMPORT_PASSWORD: ("import", None if imports is None else sources),
    }
    found = [_missing(key, needed[key]) for key in needed if not given.get(key)]
    for key, value in given.items():
        prefix = IMPORT_PASSWORD if key.startswith(IMPORT_PASSWORD) else PASSWORD
        kind, declared = known[prefix]
        if key not in needed and key not in OPTIONAL and declared is not None:
            name = key.removeprefix(prefix)
            near = suggestion(name, declared)
            way_out = f"; otherwise pulumi config rm {PREFIX}{key}"
            found.append(Mistake(PREFIX + key, f"there is no {kind} {name}{near}{way_out}"))
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
