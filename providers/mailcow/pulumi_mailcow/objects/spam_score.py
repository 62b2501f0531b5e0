"""Spam scores: from when on mail of a mailbox is marked, and refused."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from pulumi_mailcow.catalogue import Listing, Row
from pulumi_mailcow.describe import (
    Kind,
    Property,
    Values,
    address,
    address_mistake,
    asked,
    decimal,
    text,
)
from pulumi_mailcow.objects.base import MailcowObject, Mistake
from pulumi_mailcow.session import Session

NOBODY = "default"
"""Asked for what is no address, Mailcow answers the server's own score."""


def _shape(answer: Any, key: str) -> Row | None:
    score = answer.get("score") if isinstance(answer, dict) else None
    return {"score": score, "username": key} if score else None


LISTING = Listing(
    name="spam_score",
    single=lambda key: f"spam-score/{asked(key)}",
    key=lambda row: text(row.get("username")),
    shape=_shape,
)


def _levels(score: str) -> tuple[float | None, float | None]:
    low, _, high = score.replace(" ", "").partition(",")
    return decimal(low), decimal(high)


def _written(score: float) -> str:
    """Return a score with every digit, and none that a power of ten would hide."""
    return format(Decimal(repr(score)), "f").removesuffix(".0")


class SpamScore(MailcowObject):
    """`spam-score`."""

    token = "SpamScore"  # noqa: S105 - a type name
    noun = "spam score"
    doc = "Scores from which mail for a mailbox is marked as spam, and refused."
    listing = LISTING
    import_id = "info@example.org (the mailbox)"
    properties = (
        Property(
            "username", Kind.TEXT, "Address of the mailbox.",
            required=True, replaces=True, same=address, form=address_mistake,
        ),
        Property("lowspamlevel", Kind.NUMBER, "Score from which mail is marked.", required=True),
        Property("highspamlevel", Kind.NUMBER, "Score from which mail is refused.", required=True),
    )  # fmt: skip
    limits = (
        "A score that equals the server's own cannot be told from none.",
        "Deleting it returns the mailbox to the server's own score.",
        "There is no list: each is read with a request of its own.",
    )
    example = """mailcow.SpamScore(
    "strict",
    username="info@example.org",
    lowspamlevel=4,
    highspamlevel=10,
    opts=opts,
)"""

    def own_mistakes(self, values: Values) -> Iterable[Mistake]:
        """Refuse what Mailcow would turn into something else."""
        low, high = values.get("lowspamlevel"), values.get("highspamlevel")
        if low is not None and high is not None and low >= high:
            yield "lowspamlevel", "must be lower than `highspamlevel`"

    def identity(self, values: Values) -> str:
        """The mailbox."""
        return address(values["username"])

    def identity_of(self, row: Row) -> str:
        """The mailbox."""
        return text(row["username"])

    def parse(self, row: Row) -> Values:
        """Both are one text."""
        low, high = _levels(text(row["score"]))
        return {"username": row["username"], "lowspamlevel": low, "highspamlevel": high}

    async def stands(self, session: Session, row: Row) -> bool:
        """A mailbox always has a score; its own is one that is not the server's."""
        default = await session.catalogue.find(LISTING, NOBODY)
        return default is None or _levels(text(default["score"])) != _levels(text(row["score"]))

    async def _write(self, session: Session, key: str, score: str) -> None:
        with session.touching(LISTING, key):
            await session.edit("spam-score", key, {"spam_score": score})

    async def add(self, session: Session, values: Values) -> None:
        """Set it."""
        score = f"{_written(values['lowspamlevel'])},{_written(values['highspamlevel'])}"
        await self._write(session, self.identity(values), score)

    async def change(self, session: Session, row: Row, values: Values, changed: set[str]) -> None:
        """Set it again."""
        del row, changed
        await self.add(session, values)

    async def remove(self, session: Session, row: Row) -> None:
        """Return to the server's own."""
        await self._write(session, self.identity_of(row), "default")
