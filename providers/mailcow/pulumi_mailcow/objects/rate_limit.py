"""Rate limits of domains and mailboxes."""

from typing import Any

from pulumi_mailcow.catalogue import Listing, Row
from pulumi_mailcow.describe import (
    Kind,
    Property,
    Values,
    address,
    asked,
    either_mistake,
    text,
    whole,
)
from pulumi_mailcow.objects.base import MailcowObject
from pulumi_mailcow.session import Session


def _route(key: str) -> str:
    return "rl-mbox" if "@" in key else "rl-domain"


def _shape(answer: Any, key: str) -> Row | None:
    # The answer does not say what it is about.
    return {**answer, "object": key} if isinstance(answer, dict) and answer.get("value") else None


def _rows(answer: Any, _: str) -> list[Row]:
    found = answer if isinstance(answer, list) else []
    return [{**row, "object": row.get("mailbox") or row.get("domain")} for row in found]


LISTING = Listing(
    name="rate_limit",
    single=lambda key: f"{_route(key)}/{asked(key)}",
    whole=lambda group: f"{group}/all",
    group=_route,
    key=lambda row: text(row.get("object")),
    rows=_rows,
    shape=_shape,
)


class RateLimit(MailcowObject):
    """`rl-domain` and `rl-mbox`."""

    token = "RateLimit"  # noqa: S105 - a type name
    noun = "rate limit"
    doc = "How much a mailbox, or all of a domain together, may send."
    listing = LISTING
    import_id = "info@example.org or example.org (what is limited)"
    properties = (
        Property(
            "object", Kind.TEXT, "What is limited: the address of a mailbox, or a domain.",
            required=True, replaces=True, same=address, form=either_mistake,
        ),
        Property("value", Kind.WHOLE, "Messages for each time.", required=True, least=1),
        Property(
            "frame", Kind.TEXT, "The time: second, minute, hour or day.", required=True,
            choices=("s", "m", "h", "d"),
        ),
    )  # fmt: skip
    limits = ("There is none to delete: no limit is what deleting it means.",)
    example = """mailcow.RateLimit(
    "newsletter",
    object="info@example.org",
    value=100,
    frame="h",
    opts=opts,
)"""

    def identity(self, values: Values) -> str:
        """What is limited."""
        return address(values["object"])

    def identity_of(self, row: Row) -> str:
        """What is limited."""
        return address(text(row["object"]))

    def parse(self, row: Row) -> Values:
        """The number comes as text."""
        return {
            "object": text(row["object"]),
            "value": whole(row.get("value")),
            "frame": text(row.get("frame")),
        }

    async def _write(self, session: Session, key: str, value: int, frame: str) -> None:
        with session.touching(LISTING, key):
            await session.edit(_route(key), key, {"rl_value": value, "rl_frame": frame})

    async def add(self, session: Session, values: Values) -> None:
        """Set it."""
        await self._write(session, self.identity(values), values["value"], values["frame"])

    async def change(self, session: Session, row: Row, values: Values, changed: set[str]) -> None:
        """Set it again."""
        del row, changed
        await self.add(session, values)

    async def remove(self, session: Session, row: Row) -> None:
        """Set it to nothing; a time must be said all the same."""
        await self._write(session, self.identity_of(row), 0, "s")
