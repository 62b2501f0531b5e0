"""The package schema, from which the engine knows types, secrets and what replaces a resource."""

import json
from typing import Any

from pulumi_host.file import DEFAULT_MODE
from pulumi_host.resources import ALPHANUMERIC
from pulumi_host.secret import DEFAULT_LENGTH, FIRST_GENERATION, Condition

NAME = "host"
VERSION = "0.1.0"

_CONNECTION: dict[str, dict[str, Any]] = {
    "address": {"type": "string", "description": "Address or name of the host."},
    "port": {"type": "integer", "description": "TCP port of sshd.", "default": 22},
    "user": {"type": "string", "description": "Account on the host."},
    "privateKey": {
        "type": "string",
        "secret": True,
        "description": "Private key in OpenSSH or PEM format, without a passphrase.",
    },
    "hostKey": {
        "type": "string",
        "description": "Public host key as in known_hosts: `ssh-ed25519 AAAA...`. It is always "
        "compared; an unknown key is never accepted.",
    },
}
_REQUIRED = ["address", "hostKey", "privateKey", "user"]

_PATH: dict[str, Any] = {
    "type": "string",
    "willReplaceOnChanges": True,
    "description": "Absolute path on the host.",
}
_FILE: dict[str, dict[str, Any]] = {
    "path": _PATH,
    "content": {"type": "string", "description": "Content, as text; at most 4 MiB."},
    "mode": {
        "type": "string",
        "default": DEFAULT_MODE,
        "description": "Permissions in octal, four digits.",
    },
    "group": {
        "type": "string",
        "description": "Number of the group that the file belongs to; that of the account when "
        "absent.",
    },
}
_OPTIONAL = frozenset({"group"})
_SECRET: dict[str, dict[str, Any]] = {
    "path": _PATH,
    "length": {
        "type": "integer",
        "default": DEFAULT_LENGTH,
        "description": "Length of a generated value. A change does not touch the value.",
    },
    "alphabet": {
        "type": "string",
        "default": ALPHANUMERIC,
        "description": "Characters to choose from. A change does not touch the value.",
    },
    "generation": {
        "type": "integer",
        "default": FIRST_GENERATION,
        "description": "Counted from 1. Another number makes a new value in place of the old.",
    },
}


def _resource(
    description: str, inputs: dict[str, dict[str, Any]], outputs: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    return {
        "description": description,
        "inputProperties": inputs,
        "requiredInputs": [
            key for key, value in inputs.items() if "default" not in value and key not in _OPTIONAL
        ],
        "properties": {
            # What replaces, and what is the default, are questions about inputs.
            **{
                key: {k: v for k, v in value.items() if k in {"type", "description"}}
                for key, value in inputs.items()
            },
            **outputs,
        },
        "required": [*(key for key in inputs if key not in _OPTIONAL), *outputs],
    }


def schema() -> str:
    """Return the schema of the package as JSON."""
    file_outputs: dict[str, dict[str, Any]] = {
        "sha256": {
            "type": "string",
            "description": "SHA-256 of the content, hexadecimal; secret when the content is.",
        },
        "revision": {
            "type": "string",
            "description": "Token that changes with every write to the host and only then.",
        },
    }
    secret_outputs: dict[str, dict[str, Any]] = {
        "value": {"type": "string", "secret": True, "description": "The secret."},
        "condition": {
            "type": "string",
            "description": "What the last look at the file found: "
            + ", ".join(condition.value for condition in Condition)
            + ".",
        },
    }
    return json.dumps(
        {
            "name": NAME,
            "version": VERSION,
            "description": "Files and secrets on a host that is reached over SSH.",
            "config": {"variables": _CONNECTION, "defaults": _REQUIRED},
            "provider": {
                "description": "How the host is reached.",
                "inputProperties": _CONNECTION,
                "requiredInputs": _REQUIRED,
                "properties": {
                    key: {k: v for k, v in value.items() if k != "default"}
                    for key, value in _CONNECTION.items()
                },
                "required": _REQUIRED,
            },
            "resources": {
                f"{NAME}:index:File": _resource(
                    "A file on the host. Creating it overwrites what the path holds; a file that "
                    "is already as declared is adopted untouched.",
                    _FILE,
                    file_outputs,
                ),
                f"{NAME}:index:Secret": _resource(
                    "A secret that is generated once and kept in a file (0600) on the host, also "
                    "when the resource is deleted.",
                    _SECRET,
                    secret_outputs,
                ),
            },
            "language": {"python": {"packageName": "pulumi_host", "respectSchemaVersion": True}},
        }
    )
