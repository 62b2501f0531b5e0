"""Passwords as Mailcow keeps them: never in clear, in Dovecot's notation."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable

import bcrypt

_HASHED = re.compile(
    r"\{(ARGON2I|ARGON2ID|BLF-CRYPT|CRYPT|DES-CRYPT|LDAP-MD5|MD5|MD5-CRYPT|PBKDF2|PBKDF2-SHA512|"
    r"PLAIN-MD4|PLAIN-MD5|SHA|SHA1|SHA256|SHA256-CRYPT|SHA512|SHA512-CRYPT|SMD5|SSHA|SSHA256|"
    r"SSHA512)\}(.+)",
    re.IGNORECASE,
)
_ROUNDS = 4  # the least that bcrypt knows: the people here are made up, and a rehearsal waits
_BCRYPT_LIMIT = 72
_DIGEST_SIZES = {"sha1": 20, "sha256": 32, "sha512": 64}
_MINIMUM = 6


def hash_password(password: str) -> str:
    """Return what is kept of a password; one that is hashed already is kept as it is."""
    if _HASHED.fullmatch(password):
        return password
    hashed = bcrypt.hashpw(_clip(password), bcrypt.gensalt(_ROUNDS)).decode()
    return "{BLF-CRYPT}" + hashed.replace("$2b$", "$2y$", 1)


def _clip(password: str) -> bytes:
    return password.encode()[:_BCRYPT_LIMIT]


def _bcrypt(kept: str, password: str) -> bool:
    try:
        return bcrypt.checkpw(_clip(password), kept.replace("$2y$", "$2b$", 1).encode())
    except ValueError:
        return False


def _digest(algorithm: str) -> Callable[[str, str], bool]:
    def check(kept: str, password: str) -> bool:
        raw = base64.b64decode(kept)
        size = _DIGEST_SIZES[algorithm]
        made = hashlib.new(algorithm, password.encode() + raw[size:]).digest()
        return hmac.compare_digest(made, raw[:size])

    return check


def _pbkdf2(kept: str, password: str) -> bool:
    rounds, salt, digest = kept.split("$")
    wanted = base64.b64decode(digest)
    made = hashlib.pbkdf2_hmac(
        "sha512", password.encode(), base64.b64decode(salt), int(rounds), len(wanted)
    )
    return hmac.compare_digest(made, wanted)


_CHECKS: dict[str, Callable[[str, str], bool]] = {
    "BLF-CRYPT": _bcrypt,
    "CRYPT": _bcrypt,
    "SHA": _digest("sha1"),
    "SHA1": _digest("sha1"),
    "SSHA": _digest("sha1"),
    "SHA256": _digest("sha256"),
    "SSHA256": _digest("sha256"),
    "SHA512": _digest("sha512"),
    "SSHA512": _digest("sha512"),
    "PBKDF2-SHA512": _pbkdf2,
}


def verify(kept: str, password: str) -> bool:
    """Return whether `password` is the one of which `kept` is the hash.

    A scheme that the world does not know opens nothing.
    """
    found = _HASHED.fullmatch(kept)
    check = _CHECKS.get(found.group(1).upper()) if found else None
    if found is None or check is None:
        return False
    try:
        return check(found.group(2), password)
    except ValueError:
        return False


def complaint(password: str, repeated: str) -> str | None:
    """Return the message code for a pair of passwords that is refused, None for a good one."""
    if not password or not repeated:
        return "password_complexity"
    if password != repeated:
        return "password_mismatch"
    if len(password) < _MINIMUM:
        return "password_complexity"
    return None
