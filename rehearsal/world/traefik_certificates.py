"""Traefik's certificates: obtained by DNS-01 from the world's authority, kept in acme.json."""

import base64
import json
import secrets
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dns.exception
from cryptography import x509

from readers import caa
from rehearsal.private_file import write_private
from rehearsal.world.authority import CertificateAuthority, self_signed
from rehearsal.world.dns import Dns
from rehearsal.world.zone_store import RecordError

AUTHORITY = "letsencrypt.org"
"""Name of the authority in CAA records (RFC 8659)."""

_RENEW_BEFORE = timedelta(days=30)


class ChallengeError(Exception):
    """A certificate that is not given; the message says why."""


def _context(chain: bytes, key: bytes) -> ssl.SSLContext:
    """Return a server context; the library reads keys from files alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as folder:
        chain_file, key_file = Path(folder) / "chain.pem", Path(folder) / "key.pem"
        chain_file.write_bytes(chain)
        key_file.touch(mode=0o600)
        key_file.write_bytes(key)
        context.load_cert_chain(chain_file, key_file)
    return context


def _covers(held: str, name: str) -> bool:
    return held == name or (held.startswith("*.") and name.partition(".")[2] == held[2:])


class Certificates:
    """The certificates of one resolver."""

    def __init__(
        self, storage: Path, resolver: str, authority: CertificateAuthority, names: Dns
    ) -> None:
        """Keep them in `storage`, in Traefik's own form, beside those of other resolvers.

        Args:
            storage: Path of `acme.json`.
            resolver: Name of the resolver.
            authority: Issues them.
            names: The DNS in which challenges are set and looked up.
        """
        self._storage = storage
        self._resolver = resolver
        self._authority = authority
        self._names = names
        self._contexts: dict[str, ssl.SSLContext] = {}
        name = f"{secrets.token_hex(16)}.{secrets.token_hex(16)}.traefik.default"
        fallback = self_signed(name, common_name="TRAEFIK DEFAULT CERT")
        self._default = _context(fallback.chain, fallback.key)

    def _read(self) -> dict[str, Any]:
        try:
            kept: dict[str, Any] = json.loads(self._storage.read_text() or "{}")
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return kept

    def _entries(self) -> list[dict[str, Any]]:
        return list((self._read().get(self._resolver) or {}).get("Certificates") or [])

    def context_for(self, name: str | None) -> ssl.SSLContext:
        """Return the context of the certificate that covers `name`, or Traefik's own default."""
        for entry in self._entries() if name else ():
            domain = entry["domain"]
            held = [domain["main"], *(domain.get("sans") or [])]
            if any(_covers(san, str(name).lower()) for san in held):
                if entry["certificate"] not in self._contexts:
                    chain = base64.b64decode(entry["certificate"])
                    key = base64.b64decode(entry["key"])
                    self._contexts[entry["certificate"]] = _context(chain, key)
                return self._contexts[entry["certificate"]]
        return self._default

    def expiry(self, names: Sequence[str]) -> datetime | None:
        """Return when the certificate for exactly these names ends, None without one."""
        for entry in self._entries():
            domain = entry["domain"]
            if {domain["main"], *(domain.get("sans") or [])} == set(names):
                chain = base64.b64decode(entry["certificate"])
                return x509.load_pem_x509_certificate(chain).not_valid_after_utc
        return None

    def due(self, names: Sequence[str]) -> bool:
        """Return whether a certificate for these names is to be obtained or renewed now."""
        expiry = self.expiry(names)
        return expiry is None or expiry - datetime.now(UTC) < _RENEW_BEFORE

    def obtain(self, names: Sequence[str], *, days: float = 90) -> None:
        """Obtain a certificate and keep it in place of the one for the same names.

        Raises:
            ChallengeError: a name is in no zone of the account, its challenge is not seen, or a
                CAA record names another authority.
        """
        for name in names:
            self._refuse_foreign(name)
            self._challenge(name.removeprefix("*."))
        issued = self._authority.issue(list(names), days=days)
        kept = self._read()
        account = {
            "Email": f"postmaster@{names[0].partition('.')[2]}",
            "Registration": {"body": {"status": "valid"}, "uri": "https://acme.example/acct/1"},
            "PrivateKey": "",
            "KeyType": "4096",
        }
        mine = kept.get(self._resolver) or {"Account": account}
        entry = {
            "domain": {"main": names[0], **({"sans": list(names[1:])} if names[1:] else {})},
            "certificate": base64.b64encode(issued.chain).decode(),
            "key": base64.b64encode(issued.key).decode(),
            "Store": "default",
        }
        others = [
            certificate
            for certificate in mine.get("Certificates") or []
            if {certificate["domain"]["main"], *(certificate["domain"].get("sans") or [])}
            != set(names)
        ]
        mine["Certificates"] = [*others, entry]
        kept[self._resolver] = mine
        self._write(kept)

    def _write(self, kept: dict[str, Any]) -> None:
        self._storage.parent.mkdir(parents=True, exist_ok=True)
        write_private(self._storage, json.dumps(kept, indent=2))

    def _refuse_foreign(self, name: str) -> None:
        """Obey CAA: the nearest set up the tree decides (RFC 8659 section 3)."""
        records = caa.climb(name, lambda place: self._ask(place, "CAA") if "." in place else ())
        mistake = caa.refusal(records, AUTHORITY, ("dns-01",), wildcard=name.startswith("*."))
        if mistake is not None:
            raise ChallengeError(f"CAA record prevents issuance for {name}: {mistake}")

    def _ask(self, name: str, kind: str) -> list[str]:
        try:
            return [str(text) for text in self._names.resolve(name, kind)]
        except dns.exception.DNSException as error:
            raise ChallengeError(f"DNS problem: looking up {kind} for {name}: {error}") from None

    def _challenge(self, name: str) -> None:
        zone = self._names.store.zone_of(name)
        if zone is None:
            raise ChallengeError(f"cloudflare: failed to find zone for {name}")
        token = secrets.token_urlsafe(32)
        place = f"_acme-challenge.{name}"
        try:
            record = self._names.store.add(
                zone.id, {"type": "TXT", "name": place, "content": f'"{token}"', "ttl": 120}
            )
        except RecordError as error:
            raise ChallengeError(f"cloudflare: {error}") from None
        try:
            if f'"{token}"' not in self._ask(place, "TXT"):
                raise ChallengeError(f"Incorrect TXT record found at {place}")
        finally:
            with suppress(RecordError):
                self._names.store.remove(zone.id, record.id)


Choose = Callable[[ssl.SSLSocket | ssl.SSLObject, str | None, ssl.SSLContext], None]


def chooser(certificates: Certificates) -> Choose:
    """Return the callback that picks a certificate by the name that a client asks for."""

    def choose(
        connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _context: ssl.SSLContext
    ) -> None:
        connection.context = certificates.context_for(name)

    return choose
