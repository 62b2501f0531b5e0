"""The DMARC stage, with the date from which it holds (RFC 9989)."""

from datetime import date
from enum import StrEnum

from components.settings import LocalPart, Settings


class DmarcStage(StrEnum):
    """How strictly receivers are asked to treat mail that fails DMARC, from mild to strict."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"


class DmarcSettings(Settings):
    """What `_dmarc` says. The stage is tightened by evidence only, never by the calendar alone."""

    stage: DmarcStage = DmarcStage.NONE
    """The published policy (`p=`)."""
    since: date
    """The day from which the stage holds. The first `none` starts the clock: quarantine at the
    earliest 30 days later, reject 60 days later, and only when the reports are clean."""
    rua: LocalPart | str = "postmaster"
    """Where aggregate reports go: a mailbox or alias of the domain (local part alone or whole
    address), or an outside address whose domain has authorised it (RFC 9990 section 4)."""
    reject_acknowledged: bool = False
    """Must be true before `stage: reject`. Danger: members of mailing lists lose mail under
    reject (RFC 9989 section 7.4); quarantine is the usual goal."""
