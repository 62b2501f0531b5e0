"""Secrets sealed as Pulumi's passphrase provider seals them.

The key is PBKDF2-HMAC-SHA256 of the passphrase (1,000,000 rounds, 32 bytes); a value is sealed
with AES-256-GCM and written `v1:<nonce>:<sealed>` in base64. The salt carries the word `pulumi`
sealed with the key, by which a wrong passphrase is recognised.
"""

import base64
import hashlib
import os
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ROUNDS = 1_000_000
_WORD = "pulumi"


class WrongPassphraseError(Exception):
    """The passphrase does not open the state."""


@lru_cache(maxsize=8)
def _key(passphrase: str, salt: bytes) -> AESGCM:
    # A run of several operations derives the key once: the derivation is slow by design.
    return AESGCM(hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, ROUNDS, 32))


@lru_cache(maxsize=8)
def _fresh_salt(passphrase: str) -> bytes:
    # The runs of one command begin with the same salt, so that they derive one key.
    del passphrase
    return os.urandom(8)


class Sealer:
    """Seals and opens the secrets of one state."""

    def __init__(self, passphrase: str, salt: str | None = None) -> None:
        """Derive the key; takes about half a second, once for each salt in a process.

        Args:
            passphrase: The stack's passphrase.
            salt: An `encryptionsalt`; None makes a new one.

        Raises:
            WrongPassphraseError: the passphrase does not belong to the salt.
        """
        if salt is None:
            raw = _fresh_salt(passphrase)
            self._cipher = _key(passphrase, raw)
            self.salt = f"v1:{base64.b64encode(raw).decode()}:{self.seal(_WORD)}"
            return
        version, encoded, check = salt.split(":", 2)
        if version != "v1":
            message = f"the state's salt has version {version}, known is v1"
            raise WrongPassphraseError(message)
        self._cipher = _key(passphrase, base64.b64decode(encoded))
        self.salt = salt
        if self.open(check) != _WORD:
            raise WrongPassphraseError("the passphrase does not open this state")

    def __repr__(self) -> str:
        return "Sealer()"

    def seal(self, text: str) -> str:
        """Return the text sealed."""
        nonce = os.urandom(12)
        sealed = self._cipher.encrypt(nonce, text.encode(), None)
        return f"v1:{base64.b64encode(nonce).decode()}:{base64.b64encode(sealed).decode()}"

    def open(self, sealed: str) -> str:
        """Return the text in clear.

        Raises:
            WrongPassphraseError: it was sealed with another key, or altered.
        """
        _, nonce, body = sealed.split(":", 2)
        try:
            return self._cipher.decrypt(
                base64.b64decode(nonce), base64.b64decode(body), None
            ).decode()
        except InvalidTag:
            raise WrongPassphraseError("the passphrase does not open this state") from None
