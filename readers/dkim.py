"""A DKIM key record (RFC 6376 section 3.6.1, RFC 8301, RFC 8463): which key, and is it for mail."""

import base64
import binascii
from dataclasses import dataclass

from readers.mistake import Mistake
from readers.tags import parse_tags

LEAST_BITS = 1024
"""Verifiers take no shorter RSA key (RFC 8301 section 3.2)."""
GOOD_BITS = 2048
"""Signers should use no shorter one (the same)."""


@dataclass(frozen=True)
class Key:
    """A key record.

    Attributes:
        kind: `rsa`, `ed25519`, or what it says.
        data: The key without its base64; empty where it is revoked or cannot be read.
        bits: Length of the key, 0 where it cannot be read.
        hashes: Hashes that it may be used with; empty for any.
        flags: Such as `y` for a test and `s` for this domain alone.
        mistakes: Why a verifier of mail takes it for no key.
    """

    kind: str
    data: bytes
    bits: int
    hashes: tuple[str, ...]
    flags: tuple[str, ...]
    mistakes: tuple[Mistake, ...]

    @property
    def usable(self) -> bool:
        """Whether verifiers of mail believe a signature that it verifies."""
        return not self.mistakes

    def is_same(self, other: "Key") -> bool:
        """Tell whether two records publish one key, however they are written."""
        return bool(self.data) and (self.kind, self.data) == (other.kind, other.data)


def parse(text: str) -> Key:
    """Read the text of a record, its strings joined."""
    tags = parse_tags(text)
    mistakes = [*tags.mistakes()]
    kind = (tags.get("k") or "rsa").lower()
    if "v" in tags.names and (tags.names[0] != "v" or tags.get("v") != "DKIM1"):
        mistakes.append(Mistake("v", "is not DKIM1 at the beginning"))
    services, hashes, flags = tags.listed("s"), tags.listed("h"), tags.listed("t")
    if services and not {"*", "email"} & {*services}:
        mistakes.append(Mistake("s", f"is a key for {', '.join(services)}, not for mail"))
    if hashes and "sha256" not in hashes:
        mistakes.append(Mistake("h", f"allows {', '.join(hashes)}, and signers of mail use sha256"))
    if "y" in flags:
        mistakes.append(Mistake("t", "is in test mode: verifiers treat the mail as unsigned"))
    data, bits, mistake = _key(kind, "".join((tags.get("p") or "").split()), "p" in tags.names)
    if mistake:
        mistakes.append(mistake)
    return Key(kind, data, bits, hashes, flags, tuple(mistakes))


def _key(kind: str, encoded: str, there: bool) -> tuple[bytes, int, Mistake | None]:  # noqa: FBT001 - private
    if not encoded:
        reason = "is empty: the key is revoked" if there else "is missing: there is no key"
        return b"", 0, Mistake("p", reason)
    if kind not in ("rsa", "ed25519"):
        return b"", 0, Mistake("k", f"{kind} is no type of key that verifiers know")
    # It loads as slowly as all that reads a declaration, which need not hold a key yet.
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_der_public_key  # noqa: PLC0415

    try:
        data = base64.b64decode(encoded, validate=True)
        if kind == "ed25519":
            wrong = None if len(data) == 32 else Mistake("p", "holds no Ed25519 key of 32 bytes")
            return data, 256, wrong
        key = load_der_public_key(data)
    except (ValueError, binascii.Error, UnsupportedAlgorithm):
        return b"", 0, Mistake("p", "holds no public key (base64 of DER)")
    if not isinstance(key, RSAPublicKey):
        return data, 0, Mistake("p", "holds a key that is not RSA")
    short = key.key_size < LEAST_BITS
    reason = f"has {key.key_size} bits, fewer than the {LEAST_BITS} that verifiers take"
    return data, key.key_size, Mistake("p", reason) if short else None
