"""DKIM keys: made by Mailcow, or brought along."""

import base64
import re
from collections.abc import Iterable
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from pulumi_mailcow.catalogue import Listing, Row
from pulumi_mailcow.describe import (
    Kind,
    Property,
    Values,
    asked,
    domain_mistake,
    domain_name,
    text,
    whole,
)
from pulumi_mailcow.errors import RefusedError
from pulumi_mailcow.objects.base import MailcowObject, Mistake
from pulumi_mailcow.session import Session

SELECTOR = re.compile(r"[A-Za-z0-9._-]*[A-Za-z0-9][A-Za-z0-9._-]*")
IMPORTS = 10
"""How often an import is tried that stumbles over what another key left behind."""
LEFT_OVER = "Cannot open file"
SIZE = 2048
"""Bits of a key where none is declared."""


def _shape(answer: Any, key: str) -> Row | None:
    # The answer does not say which domain it is about.
    return {**answer, "domain": key} if isinstance(answer, dict) and answer.get("pubkey") else None


LISTING = Listing(
    name="dkim",
    single=lambda key: f"dkim/{asked(key)}",
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
            required=True, replaces=True, same=domain_name, form=domain_mistake,
        ),
        Property("dkim_selector", Kind.TEXT, "Selector.", default="dkim", replaces=True),
        Property(
            "key_size", Kind.WHOLE,
            f"Bits of a key that Mailcow makes; {SIZE} if left out.",
            replaces=True, choices=(1024, 2048, 3072, 4096),
        ),
        Property(
            "private_key", Kind.TEXT,
            "RSA key in PEM to use instead of one that Mailcow makes. Leave it out if you can: "
            "Mailcow shows an imported key in clear in `get/logs/api`, to the read-only key too. "
            "That it arrived is seen by its public half.",
            secret=True, readable=False, limit=None,
        ),
        Property("public_key", Kind.TEXT, "Public key, as `p=` in DNS.", output=True),
        Property("dkim_txt", Kind.TEXT, "The whole TXT record, as Mailcow words it.", output=True),
    )  # fmt: skip
    limits = (
        (
            "There is one key for a domain. Another declared `private_key` takes its place in one "
            "request; another selector or size makes a new object, and for a moment there is none."
        ),
        (
            "The private key cannot be read back, but Mailcow's log of the API (`get/logs/api`) "
            "shows an imported one to everyone with an API key, the read-only one included, until "
            "enough later requests (`LOG_LINES`) have pushed it out. One that Mailcow makes never "
            "leaves it."
        ),
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

    def own_mistakes(self, values: Values) -> Iterable[Mistake]:
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
        public = public_key(values["private_key"])
        return {"public_key": public, "dkim_txt": f"v=DKIM1;k=rsa;t=s;s=email;p={public}"}

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
        if values.get("private_key"):
            await self._bring(session, values, over=False)
            return
        name = self.identity(values)
        selector = values.get("dkim_selector") or "dkim"
        size = values.get("key_size") or SIZE
        body = {"domains": name, "dkim_selector": selector, "key_size": size}
        with session.touching(LISTING, name):
            await session.send("add/dkim", body)

    async def _bring(self, session: Session, values: Values, *, over: bool) -> None:
        """Import the declared key, again where Mailcow stumbles over what another key left.

        A worker of php-fpm that has made a key keeps its errors, and takes each for a fault of the
        next key it is given; that clears one of them. It looks before it removes the old key.
        """
        name = self.identity(values)
        body = {
            "domain": name,
            "dkim_selector": values.get("dkim_selector") or "dkim",
            "private_key_file": values["private_key"],
            "overwrite_existing": int(over),
        }
        with session.touching(LISTING, name):
            for attempt in range(IMPORTS):
                try:
                    await session.send("add/dkim_import", body)
                except RefusedError as error:
                    if LEFT_OVER not in str(error) or attempt + 1 == IMPORTS:
                        raise
                else:
                    return

    async def change(self, session: Session, row: Row, values: Values, changed: set[str]) -> None:
        """Put another declared key in the place of the one that is there."""
        del row, changed
        await self._bring(session, values, over=True)

    def hidden(self, declared: Values, remembered: Values, actual: Values) -> set[str]:
        """A declared key that Mailcow does not use is to be written, whatever is remembered."""
        del remembered
        known = declared.get("private_key")
        lost = known and public_key(known) != actual.get("public_key")
        return {"private_key"} if lost else set()

    async def remove(self, session: Session, row: Row) -> None:
        """Delete."""
        with session.touching(LISTING, self.identity_of(row)):
            await session.send("delete/dkim", [self.identity_of(row)])
