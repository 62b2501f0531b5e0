"""What only the operator's accounts can tell, stood in for where nothing depends on it."""

import base64
from collections.abc import Mapping

_RSA_2048 = bytes.fromhex("30820122300d06092a864886f70d01010105000382010f003082010a0282010100")
"""What stands before the modulus in every public key of that size."""


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


def _of_nobody() -> Mapping[str, object]:
    # RFC 8709 section 4: the name and the 32 octets of the key, each after its length.
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + b"placeholder".ljust(32)
    # RFC 8017 appendix A.1.1 within RFC 5280 section 4.1: 2048 bits, and the usual exponent.
    modulus = ((1 << 2047) + 0x10001).to_bytes(256, "big")
    key = _RSA_2048 + modulus + bytes.fromhex("0203010001")
    return {
        "hostKey": f"ssh-ed25519 {base64.b64encode(blob).decode()}",
        "dkimPublicKey": f"p={base64.b64encode(key).decode()}",
        "exporterDigest": f"sha256:{'0' * 64}",
        "operatorAddresses": ["192.0.2.1"],  # TEST-NET-1 (RFC 5737)
    }
