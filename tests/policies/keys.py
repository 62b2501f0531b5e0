"""Public RSA keys of any size, made of no private key at all."""

import base64


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = size.to_bytes((size.bit_length() + 7) // 8 or 1, "big")
    head = length if size < 128 else bytes([0x80 | len(length)]) + length
    return bytes([tag]) + head + content


def _integer(value: int) -> bytes:
    return _der(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def rsa_public_key(bits: int) -> str:
    """Return a public key (SubjectPublicKeyInfo) in base64."""
    modulus = (1 << (bits - 1)) + 0x10001
    key = _der(0x30, _integer(modulus) + _integer(65537))
    algorithm = _der(0x30, bytes.fromhex("06092a864886f70d0101010500"))
    return base64.b64encode(_der(0x30, algorithm + _der(3, b"\0" + key))).decode()
