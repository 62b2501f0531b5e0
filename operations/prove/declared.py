"""The declaration of a stack as the proof needs it: account facts may still be missing."""

import base64
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from declaration.mistakes import PREFIX, DeclarationError
from declaration.model import Declaration
from declaration.reading import load_values, read


def live_declaration(path: Path) -> tuple[Declaration, frozenset[str]]:
    """Read a stack's file; put stand-ins where only the operator's accounts know the value.

    Mail can be proved before these are set: the checks that compare with one of them say so.

    Returns:
        The declaration, and the keys (without prefix) that have a stand-in.

    Raises:
        DeclarationError: there are other mistakes.
    """
    values = load_values(path)
    try:
        return read(values, source=path.name), frozenset()
    except DeclarationError as error:
        missing = {
            mistake.path.removeprefix(PREFIX) for mistake in error.mistakes if mistake.command
        }
        wrong = [mistake for mistake in error.mistakes if not mistake.command]
        if wrong or not missing <= set(_STAND_INS):
            raise DeclarationError(error.source, wrong or error.mistakes) from None
    invented = {key: _STAND_INS[key]() for key in missing}
    return read(values | invented, source=path.name), frozenset(missing)


def _host_key() -> str:
    kind = b"ssh-ed25519"
    blob = len(kind).to_bytes(4, "big") + kind + (32).to_bytes(4, "big") + bytes(32)
    return f"{kind.decode()} {base64.b64encode(blob).decode()}"


def _dkim_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    encoded = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return f"p={base64.b64encode(encoded).decode()}"


_STAND_INS: dict[str, Callable[[], object]] = {
    "hostKey": _host_key,
    "dkimPublicKey": _dkim_key,
    "exporterDigest": lambda: "sha256:" + "0" * 64,
    "operatorAddresses": lambda: ["192.0.2.1"],
}
"""Valid in form, belonging to nobody; the proof does not look at them."""
