"""DKIM keys: made by Mailcow, or brought along."""

import base64
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from pulumi_mailcow.catalogue import Listing, Row
from pulumi_mailcow.describe import Kind, Property, Values, domain_name, text, whole
from pulumi_mailcow.objects.base import MailcowObject, Mistake
from pulumi_mailcow.session import Session

SELECTOR = re.compile(r"[A-Za-z0-9._-]*[A-Za-z0-9][A-Za-z0-9._-]*")
SIZE = 2048
"""Bits of a key where none is declared."""


def _shape(answer: Any, key: str) -> Row | None:
    # The answer does not say which domain it is about.
    return {**answer, "domain": key} if isinstance(answer, dict) and answer.get("pubkey") else None


LISTING = Listing(
    name="dkim",
    single=lambda key: f"dkim/{quote(key, safe='')}",
    key=lambda row: text(row.get("domain")),
    shape=_shape,
)


def public_key(private_key: str) -> str | None:
    """Return the public half of a private key as DNS publishes it, or None if it is no RSA key."""
    try:
        key = serialization.load_pem_private_key(private_key.strip().encode(), password=None)
    except (ValueError, TypeError):
        return None
    if not isinstance(key, rsa.RSAPrivateKey):
        return None
    return base64.b64encode(
        key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    ).decode()


class DkimKey(MailcowObject):
    """`dkim` and `dkim_import`."""

    token = "DkimKey"  # noqa: S105 - a type name
    noun = "DKIM key"
    doc = (
        "The key under which Mailcow signs mail of a domain. Mailcow makes one, or takes the "
        "declared `private_key`."
    )
    listing = LISTING
    import_id = "example.org (the domain)"
    taken = frozenset({"dkim_domain_or_sel_exists"})
    delete_first = True
    properties = (
        Property(
            "domain", Kind.TEXT, "Domain that is signed for.",
            required=True, replaces=True, same=domain_name,
        ),
        Property("dkim_selector", Kind.TEXT, "Selector.", default="dkim", replaces=True),
        Property(
            "key_size", Kind.WHOLE,
            f"Bits of a key that Mailcow makes; {SIZE} if left out.",
            replaces=True, choices=(1024, 2048, 3072, 4096),
        ),
        Property(
            "private_key", Kind.TEXT,
            "RSA key in PEM to use instead of a new one. That it arrived is seen by its public "
            "half.",
            replaces=True, secret=True, readable=False,
        ),
        Property("public_key", Kind.TEXT, "Public key, as `p=` in DNS.", output=True),
        Property("dkim_txt", Kind.TEXT, "The whole TXT record, as Mailcow words it.", output=True),
    )  # fmt: skip
    limits = (
        "There is one key for a domain, and it cannot be edited: any change replaces it.",
        "The private key cannot be read back.",
        "It outlives its domain: only this resource removes it.",
        "There is no list of keys: each is read with a request of its own.",
    )
    example = """mailcow.DkimKey(
    "signing",
    domain="example.org",
    dkim_selector="mailcow",
    key_size=2048,
    opts=opts,
)"""

    def mistakes(self, values: Values) -> Iterable[Mistake]:
        """Refuse what Mailcow would refuse, and a key that it would misread."""
        selector = values.get("dkim_selector")
        if selector is not None and not SELECTOR.fullmatch(selector):
            yield "dkim_selector", "must be letters, digits, dots, hyphens and underscores"
        private_key = values.get("private_key")
        if private_key is not None and public_key(private_key) is None:
            yield "private_key", "is not an RSA private key in PEM without a passphrase"
        if private_key is not None and values.get("key_size") is not None:
            yield "key_size", "belongs to a key that Mailcow makes; leave it out with `private_key`"

    def implied(self, values: Values) -> Values:
        """The public half of a declared key is known."""
        if not values.get("private_key"):
            return {}
        return {"public_key": public_key(values["private_key"])}

    def believed(self, remembered: Values, actual: Values) -> Values:
        """Forget a private key that is not the one Mailcow uses any more."""
        known = remembered.get("private_key")
        if known and public_key(known) != actual.get("public_key"):
            return {**remembered, "private_key": None}
        return remembered

    def identity(self, values: Values) -> str:
        """The domain."""
        return domain_name(values["domain"])

    def identity_of(self, row: Row) -> str:
        """The domain."""
        return text(row["domain"])

    def parse(self, row: Row) -> Values:
        """The length is told as text."""
        length = text(row.get("length"))
        return {
            "domain": row["domain"],
            "dkim_selector": text(row.get("dkim_selector")),
            "key_size": whole(length) if length.isdigit() else None,
            "public_key": text(row.get("pubkey")),
            "dkim_txt": text(row.get("dkim_txt")),
        }

    async def add(self, session: Session, values: Values) -> None:
        """Have one made, or import the declared one; never over another."""
        name = self.identity(values)
        selector = values.get("dkim_selector") or "dkim"
        with session.touching(LISTING, name):
            if values.get("private_key"):
                await session.send(
                    "add/dkim_import",
                    {
                        "domain": name,
                        "dkim_selector": selector,
                        "private_key_file": values["private_key"],
                        "overwrite_existing": 0,
                    },
                )
                return
            size = values.get("key_size") or SIZE
            body = {"domains": name, "dkim_selector": selector, "key_size": size}
            await session.send("add/dkim", body)

    async def change(self, session: Session, row: Row, values: Values, changed: set[str]) -> None:
        """Replace an imported key by another under the same selector: the only change in place."""
        del changed
        with session.touching(LISTING, self.identity_of(row)):
            await session.send("delete/dkim", [self.identity_of(row)])
        await self.add(session, values)

    async def remove(self, session: Session, row: Row) -> None:
        """Delete."""
        with session.touching(LISTING, self.identity_of(row)):
            await session.send("delete/dkim", [self.identity_of(row)])
