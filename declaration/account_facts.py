"""What only the operator's accounts can tell, stood in for where nothing depends on it."""

import base64
from collections.abc import Mapping
from functools import cache


def asks_for_key(values: Mapping[str, object]) -> bool:
    """Tell whether the DKIM key is asked for: where the account shows names, they stand for it."""
    smarthost = values.get("smarthost")
    return not (isinstance(smarthost, Mapping) and smarthost.get("dkimNames"))


def stood_in(values: Mapping[str, object]) -> dict[str, object]:
    """Return facts of nobody, valid in form, by key, for those that a declaration lacks.

    Args:
        values: Values by key, without the prefix `mail:`.
    """
    return {
        key: fact
        for key, fact in _of_nobody().items()
        if values.get(key) in (None, "", []) and (key != "dkimPublicKey" or asks_for_key(values))
    }


@cache
def _of_nobody() -> Mapping[str, object]:
    # Imported where it is needed: few readings stand in for a key, and it loads slowly.
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415

    key = rsa.RSAPublicNumbers(65537, (1 << 2047) + 0x10001).public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    # RFC 8709 section 4: the name and the 32 octets of the key, each after its length.
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + b"placeholder".ljust(32)
    return {
        "hostKey": f"ssh-ed25519 {base64.b64encode(blob).decode()}",
        "dkimPublicKey": f"p={base64.b64encode(der).decode()}",
        "exporterDigest": f"sha256:{'0' * 64}",
        "operatorAddresses": ["192.0.2.1"],  # TEST-NET-1 (RFC 5737)
    }
