"""The DMARC stage, with the date from which it holds (RFC 9989)."""

from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated

from pydantic import BeforeValidator, Field

from declaration.settings import Day, Settings


class DmarcStage(StrEnum):
    """How strictly receivers are asked to treat mail that fails DMARC, from mild to strict."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"


MINIMUM_AGE = MappingProxyType(
    {
        DmarcStage.NONE: timedelta(0),
        DmarcStage.QUARANTINE: timedelta(days=30),
        DmarcStage.REJECT: timedelta(days=60),
    }
)
"""How long reports must have been asked for before a stage may begin: a month of `none`, then as
long of `quarantine` (RFC 9989 section 7.4). A record without `rua` shows nothing to anybody."""


class EvidenceThresholds(Settings):
    """How much evidence a stage needs.

    The defaults suit a company of some ten people; docs/dmarc.md gives the reason of each.
    """

    days: int = Field(30, ge=14, le=90)
    """Length of the judged period in days: the month of RFC 9989 section 7.4. It ends with the
    newest report."""
    least_days: int = Field(21, ge=7, le=90)
    """Days of the period for which there must be reports. Some days are quiet, and some receivers
    skip a day."""
    longest_gap: int = Field(5, ge=1, le=30)
    """Longest run of days without any report: a long weekend and a day that was lost."""
    fresh_days: int = Field(4, ge=2, le=14)
    """Age of the newest report in days, beyond which nothing is judged. Reports come a day or two
    late."""
    least_messages: int = Field(100, ge=20)
    """Reported messages of declared senders: with fewer, one message is more than one per cent."""
    least_reporters: int = Field(2, ge=1)
    """Different receivers that report: one alone may judge wrongly, or be made up."""
    aligned_percent: float = Field(98.0, ge=90, le=100)
    """Share of each declared sender's messages that must be aligned, in per cent. Some forwarding
    breaks both SPF and DKIM, so that a sound sender stays a little under 100."""
    regular_days: int = Field(4, ge=1)
    """Days within the period from which on an unknown source counts as regular."""
    regular_messages: int = Field(10, ge=1)
    """Messages within the period from which on an unknown source counts as regular. A regular one
    must be declared or acknowledged before the stage is tightened."""
    recent_days: int = Field(7, ge=2, le=30)
    """Last days of the period, in which a rise of failures is looked for."""
    step_back_percent: float = Field(95.0, ge=50, le=100)
    """Share of aligned messages of declared senders in the recent days, in per cent, under which
    stepping back is proposed."""
    step_back_messages: int = Field(5, ge=1)
    """Failing messages of declared senders that it takes at least: one lost message is no trend."""


class AcknowledgedSource(Settings):
    """A source that sends as the domain, never aligned, and that shall be refused."""

    name: str = Field(min_length=1, max_length=253)
    """Its name as `make dmarc` shows it."""
    reason: str = Field(min_length=10)
    """Why it may be refused, in a sentence: a forger, or a service that was given up."""


def _addresses(value: object) -> object:
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


class DmarcSettings(Settings):
    """What `_dmarc` says. The stage is tightened by evidence only, never by the calendar alone."""

    stage: DmarcStage = DmarcStage.NONE
    """The published policy (`p=`)."""
    since: Day
    """The day from which the stage holds; never in the future."""
    first_published: Day | None = None
    """The day on which the first DMARC record was published; `since` when absent."""
    reports_since: Day | None = None
    """The first day on which the published record had `rua`; absent while it never had. It starts
    the clock: quarantine at the earliest 30 days later, reject 60 days later, and only when the
    reports are clean."""
    rua: Annotated[tuple[str, ...], BeforeValidator(_addresses), Field(min_length=1)] = (
        "postmaster",
    )
    """Where aggregate reports go, one address or several: a mailbox or alias of the domain (local
    part alone or whole address, a tag after + may follow), or an outside address whose domain has
    authorised it (RFC 9990 section 4)."""
    rua_authorised: bool = False
    """Must be true when `rua` lies outside the domain: the destination then publishes
    `<domain>._report._dmarc.<destination>` with `v=DMARC1`, or receivers send it nothing."""
    reject_acknowledged: bool = False
    """Must be true before `stage: reject`. Danger: members of mailing lists lose mail under
    reject (RFC 9989 section 7.4); quarantine is the usual goal."""
    evidence: EvidenceThresholds = EvidenceThresholds()
    """How much evidence a stage needs."""
    acknowledged_sources: tuple[AcknowledgedSource, ...] = ()
    """Unknown sources of which somebody has decided that they may be refused."""

    @property
    def goal(self) -> DmarcStage:
        """The strictest stage that is wanted: quarantine, or reject once that is acknowledged."""
        return DmarcStage.REJECT if self.reject_acknowledged else DmarcStage.QUARANTINE


def report_addresses(settings: DmarcSettings, domain: str) -> tuple[str, ...]:
    """Return the whole addresses to which aggregate reports go."""
    parts = [address.removesuffix("@").partition("@") for address in settings.rua]
    return tuple(f"{local}@{outside or domain}".lower() for local, _, outside in parts)


def record_text(settings: DmarcSettings, domain: str) -> str:
    """Return the text of the `_dmarc` record, of tags that RFC 9989 knows.

    Alignment is relaxed and says so. SPF can only align relaxed, because the smarthost's envelope
    domain is a name below the mail domain.
    """
    tags = {
        "v": "DMARC1",
        "p": settings.stage.value,
        "rua": ",".join(f"mailto:{address}" for address in report_addresses(settings, domain)),
        "adkim": "r",
        "aspf": "r",
    }
    return "; ".join(f"{tag}={value}" for tag, value in tags.items())
