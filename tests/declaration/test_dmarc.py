"""DMARC: the record says the declared stage, in tags that RFC 9989 knows."""

from datetime import date, timedelta

import pytest

from declaration.dmarc import DmarcSettings, DmarcStage, record_text, report_addresses
from declaration.mail_domain import mail_domain
from declaration.model import Declaration
from dmarc.advice import earliest

KNOWN_TAGS = {"v", "p", "sp", "np", "adkim", "aspf", "rua", "ruf", "fo", "psd", "t"}
SINCE = date(2026, 11, 1)
DAY = timedelta(days=1)


@pytest.mark.parametrize("stage", DmarcStage)
def test_the_record_says_the_stage_in_known_tags_with_the_version_first(stage: DmarcStage) -> None:
    text = record_text(DmarcSettings(stage=stage, since=SINCE), "example.pt")

    tags = [part.split("=")[0] for part in text.split("; ")]
    assert text.startswith(f"v=DMARC1; p={stage.value}; rua=mailto:postmaster@example.pt")
    assert set(tags) <= KNOWN_TAGS
    assert len(tags) == len(set(tags))


def test_spf_aligns_relaxed_because_the_envelope_is_a_subdomain() -> None:
    assert "aspf=r" in record_text(DmarcSettings(since=SINCE), "example.pt")


@pytest.mark.parametrize(
    ("rua", "address"),
    [
        ("postmaster", "postmaster@example.pt"),
        ("postmaster@", "postmaster@example.pt"),
        ("DMARC@example.pt", "dmarc@example.pt"),
        ("reports@example.org", "reports@example.org"),
    ],
)
def test_reports_go_to_a_whole_address(rua: str, address: str) -> None:
    settings = DmarcSettings.model_validate({"since": SINCE, "rua": rua})
    assert report_addresses(settings, "example.pt") == (address,)


@pytest.mark.parametrize(
    "rua", ["postmaster+dmarc, a@b.example", ["postmaster+dmarc", "a@b.example"]]
)
def test_reports_go_to_several_addresses(rua: object) -> None:
    settings = DmarcSettings.model_validate({"since": SINCE, "rua": rua})
    text = record_text(settings, "example.pt")
    assert "rua=mailto:postmaster+dmarc@example.pt,mailto:a@b.example;" in text


def test_the_clock_starts_with_the_first_day_that_has_rua(qual: Declaration) -> None:
    asked = DmarcSettings(since=SINCE, first_published=SINCE, reports_since=SINCE + 20 * DAY)
    domain = mail_domain(qual.model_copy(update={"dmarc": asked}))

    assert earliest(domain, "quarantine") == SINCE + 50 * DAY
    assert earliest(domain, "reject") == SINCE + 80 * DAY


def test_a_record_without_reports_starts_no_clock(qual: Declaration) -> None:
    published = DmarcSettings(since=SINCE, first_published=SINCE)
    domain = mail_domain(qual.model_copy(update={"dmarc": published}))

    assert earliest(domain, "quarantine") == date.max
