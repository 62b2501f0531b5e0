"""Months of mail and of reports on it, made up in a moment: time is a number here."""

import random
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from declaration.mail_domain import mail_domain
from declaration.model import Declaration
from declaration.reading import load_values, read
from dmarc.collecting import Collected, Collecting
from dmarc.domain import MailDomain
from dmarc.evidence import Evidence
from rehearsal.world.aggregate_report import Period, Seen, render
from tests.conftest import FACTS, PROJECT

DOMAIN = "portugalodyssey.pt"
HOST = f"mx.{DOMAIN}"
"""Name of the mail host."""
FIRST = date(2026, 8, 1)
"""The first day of `none` in the tests."""
SMARTHOST = "54.240.3.1"
"""An address in the network of the genuine smarthost."""
SERVICE = "198.2.128.10"
"""One of a genuine newsletter service, and so in another network."""
GOOD = Seen(
    SMARTHOST, DOMAIN, f"send.{DOMAIN}", "pass",
    ((DOMAIN, "resend", "pass"), ("amazonses.com", "x1", "pass")),
)  # fmt: skip
"""As the smarthost sends it."""
BROKEN = Seen(
    SMARTHOST, DOMAIN, f"send.{DOMAIN}", "fail",
    ((DOMAIN, "resend", "fail"), ("amazonses.com", "x1", "pass")),
)  # fmt: skip
"""From the smarthost too, but neither its key nor its envelope is right any more."""
LISTED = Seen(
    "192.0.2.7", DOMAIN, "lists.example.org", "pass", ((DOMAIN, "resend", "fail"),),
    reason="mailing_list",
)  # fmt: skip
"""Of ours, passed on by a mailing list that adds a footer."""
NEWSLETTER = Seen(SERVICE, DOMAIN, "bounce.mcsv.net", "pass", (("mcsv.net", "k1", "pass"),))
"""By a newsletter service that nobody set up for the domain."""
FORGED = Seen("8.8.8.8", DOMAIN, DOMAIN, "fail")
"""By somebody who is nobody."""

Traffic = Callable[[date], Counter[Seen]]
"""What happens on a day."""


def declared(**dmarc: Any) -> Declaration:
    """Return the declaration with other settings of `mail:dmarc`, keys as in the file."""
    values = load_values(PROJECT / "Pulumi.qual.yaml") | FACTS
    settings = {"stage": "none", "since": FIRST, "reportsSince": FIRST} | dmarc
    senders = settings.pop("senders", None)
    values["dmarc"] = {
        key: one.isoformat() if isinstance(one, date) else one for key, one in settings.items()
    }
    if senders is not None:
        values["transactionalSenders"] = senders
    return read(values, source="Pulumi.qual.yaml", today=date(2027, 6, 1))


def steady(day: date) -> Counter[Seen]:
    """Return a day on which all is well."""
    return Counter({GOOD: 10 if day.weekday() < 5 else 4})


def lively(day: date) -> Counter[Seen]:
    """Return a day with something of everything, the same for the same day."""
    chance = random.Random(day.toordinal())
    found = steady(day) + Counter({GOOD: chance.randrange(12)})
    if chance.random() < 0.3:
        found[LISTED] += chance.randrange(1, 4)
    if chance.random() < 0.2:
        found[FORGED] += chance.randrange(1, 9)
    if day.weekday() == 1:
        found[NEWSLETTER] += 6 + chance.randrange(6)
    return found


def xml(
    day: date, seen: Counter[Seen], *, reporter: str = "google.com", legacy: bool = False,
    domain: str = DOMAIN, number: str = "",
) -> bytes:  # fmt: skip
    """Return a report on a day."""
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    period = Period(reporter, number or f"{day:%Y%m%d}", begin, begin + timedelta(seconds=86399))
    return render(period, {"domain": domain, "p": "none"}, seen, legacy=legacy)


def reports(days: Iterable[date], traffic: Traffic = steady) -> list[bytes]:
    """Return the reports of two receivers, one of each format."""
    found = []
    for day in days:
        seen = traffic(day)
        half = Counter({kind: count // 2 for kind, count in seen.items() if count > 1})
        if seen:
            found.append(xml(day, seen - half))
        if half:
            found.append(xml(day, half, reporter="yahoo.com", legacy=True))
    return found


def days(count: int, start: date = FIRST) -> list[date]:
    """Return days in a row."""
    return [start + timedelta(days=number) for number in range(count)]


def collect(
    evidence: Evidence, contents: Iterable[bytes], today: date, host: str = HOST
) -> Collected:
    """Count every new report in some messages or files."""
    collecting = Collecting(evidence, host, today)
    for content in contents:
        collecting.take(content)
    evidence.trim(today)
    return collecting.collected


def domain_of(**dmarc: Any) -> MailDomain:
    """Return the mail domain of `declared`."""
    return mail_domain(declared(**dmarc))


def after(count: int, traffic: Traffic = steady, start: date = FIRST) -> tuple[Evidence, date]:
    """Return the evidence of some days, and the day after them."""
    evidence = Evidence(DOMAIN)
    today = start + timedelta(days=count)
    collect(evidence, reports(days(count, start), traffic), today)
    return evidence, today
