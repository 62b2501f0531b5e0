"""A stack's file made ready for a run without its secrets and account facts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from declaration.account_facts import stood_in
from declaration.model import Declaration
from declaration.reading import load_values, read, secret_keys
from policies.recording import PLACEHOLDER, Configuration

_PREFIX = "mail:"


@dataclass(frozen=True)
class Prepared:
    """A declaration and what the program is run with.

    Attributes:
        declaration: The declaration.
        configuration: The configuration; secrets are placeholders.
        assumed: Keys for which a placeholder stands, because the account fact is not set.
    """

    declaration: Declaration
    configuration: Configuration
    assumed: tuple[str, ...]


def prepare(
    path: Path, overlay: Mapping[str, object] | None = None, today: date | None = None
) -> Prepared:
    """Read a stack's file and complete it.

    Args:
        path: `Pulumi.<stack>.yaml`.
        overlay: Values by key that take the place of those in the file, or add to them.
        today: The day to judge dates by; today when absent.

    Raises:
        DeclarationError: all mistakes at once.
    """
    given = load_values(path) | dict(overlay or {})
    missing = stood_in(given)
    values = given | missing
    declaration = read(values, source=path.name, today=today)
    secrets = {f"{_PREFIX}{key}": _placeholder(key) for key in secret_keys(declaration)}
    plain = {f"{_PREFIX}{key}": _text(value) for key, value in values.items()}
    stack = path.stem.partition(".")[2]
    configuration = Configuration(stack, plain | secrets, tuple(secrets))
    return Prepared(declaration, configuration, tuple(f"{_PREFIX}{key}" for key in missing))


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _placeholder(key: str) -> str:
    if key == "sshPrivateKey":
        head = "-----BEGIN OPENSSH PRIVATE KEY-----"
        return f"{head}\n{PLACEHOLDER}\n-----END OPENSSH PRIVATE KEY-----\n"
    return f"{PLACEHOLDER}-of-{key.replace('.', '-')}"
