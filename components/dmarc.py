"""The DMARC stage, with the date from which it holds (RFC 9989)."""

from datetime import date, timedelta
from enum import StrEnum
from types import MappingProxyType

from components.settings import Day, Settings


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
"""How long a DMARC record must have been public before a stage may begin: a month of `none`,
then as long of `quarantine` (RFC 9989 section 7.4)."""


class DmarcSettings(Settings):
    """What `_dmarc` says. The stage is tightened by evidence only, never by the calendar alone."""

    stage: DmarcStage = DmarcStage.NONE
    """The published policy (`p=`)."""
    since: Day
    """The day from which the stage holds; never in the future."""
    first_published: Day | None = None
    """The first day of `none`; `since` when absent. It starts the clock: quarantine at the
    earliest 30 days later, reject 60 days later, and only when the reports are clean."""
    rua: str = "postmaster"
    """Where aggregate reports go: a mailbox or alias of the domain (local part alone or whole
    address), or an outside address whose domain has authorised it (RFC 9990 section 4)."""
    rua_authorised: bool = False
    """Must be true when `rua` lies outside the domain: the destination then publishes
    `<domain>._report._dmarc.<destination>` with `v=DMARC1`, or receivers send it nothing."""
    reject_acknowledged: bool = False
    """Must be true before `stage: reject`. Danger: members of mailing lists lose mail under
    reject (RFC 9989 section 7.4); quarantine is the usual goal."""

    @property
    def clock_started(self) -> date:
        """The day on which the first DMARC record was published."""
        return self.first_published or self.since


def report_address(settings: DmarcSettings, domain: str) -> str:
    """Return the whole address to which aggregate reports go."""
    local, _, outside = settings.rua.removesuffix("@").partition("@")
    return f"{local}@{outside or domain}".lower()


def record_text(settings: DmarcSettings, domain: str) -> str:
    """Return the text of the `_dmarc` record, of tags that RFC 9989 knows.

    Alignment is relaxed and says so. SPF can only align relaxed, because the smarthost's envelope
    domain is a name below the mail domain.
    """
    tags = {
        "v": "DMARC1",
        "p": settings.stage.value,
        "rua": f"mailto:{report_address(settings, domain)}",
        "adkim": "r",
        "aspf": "r",
    }
    return "; ".join(f"{tag}={value}" for tag, value in tags.items())
