"""The smarthost: a provider is a row of a table, and another provider is another row."""

from typing import Any

import pytest

from declaration.model import Declaration
from declaration.reading import read
from declaration.records import Record
from declaration.smarthost import (
    PROVIDERS,
    Account,
    SmarthostProvider,
    SmarthostSettings,
    dkim_records,
    mx_record,
    spf_record,
)
from declaration.zone_records import records

ACCOUNT = Account("example.pt", "eu-west-1", "send.example.pt", "resend", "p=MIGf")


def _mailgun(account: Account) -> tuple[Record, ...]:
    return (
        mx_record(account, "mxa.eu.mailgun.org"),
        mx_record(account, "mxb.eu.mailgun.org", key="send-mx-b"),
        spf_record(account, "v=spf1 include:mailgun.org ~all"),
        *dkim_records(account),
    )


MAILGUN_EU = SmarthostProvider(
    title="Mailgun",
    host="smtp.eu.mailgun.org",
    user="postmaster@{envelope}",
    regions={"eu": "DE"},
    records=_mailgun,
    dkim="TXT",
    daily_limit=100,
    monthly_limit=None,
    source="https://documentation.mailgun.com/docs/mailgun/user-manual/sending-messages/send-smtp",
)


def test_resend_asks_for_its_three_records() -> None:
    assert [str(one) for one in PROVIDERS["resend"].records(ACCOUNT)] == [
        "send.example.pt MX 10 feedback-smtp.eu-west-1.amazonses.com",
        'send.example.pt TXT "v=spf1 include:amazonses.com ~all"',
        'resend._domainkey.example.pt TXT "p=MIGf"',
    ]


def test_resend_is_reached_with_starttls_on_587_as_the_user_resend() -> None:
    row = SmarthostSettings().row

    assert (row.server("eu-west-1"), row.port, row.login(ACCOUNT)) == (
        "smtp.resend.com",
        587,
        "resend",
    )


def test_the_records_follow_region_envelope_and_selector(qual_values: dict[str, Any]) -> None:
    qual_values["smarthost"] |= {"envelopeLabel": "bounce", "selector": "s2026"}
    declaration = read(qual_values, source="x")

    names = {one.name for one in declaration.smarthost.row.records(declaration.names.account)}

    assert names == {
        "bounce.portugalodyssey.pt",
        "s2026._domainkey.portugalodyssey.pt",
    }


def test_another_provider_is_one_row(
    monkeypatch: pytest.MonkeyPatch, qual_values: dict[str, Any]
) -> None:
    monkeypatch.setitem(PROVIDERS, "mailgun", MAILGUN_EU)
    qual_values["smarthost"] |= {"provider": "mailgun", "region": "eu", "selector": "k1"}

    declaration = read(qual_values, source="x")

    shown = {one.key: str(one) for one in records(declaration)}
    assert shown["send-mx"].endswith("MX 10 mxa.eu.mailgun.org")
    assert shown["send-mx-b"].endswith("MX 10 mxb.eu.mailgun.org")
    account = declaration.names.account
    assert declaration.smarthost.row.login(account) == "postmaster@send.portugalodyssey.pt"


def test_every_row_names_where_its_facts_are_found_and_a_region_in_the_eu(
    qual: Declaration,
) -> None:
    for row in (*PROVIDERS.values(), MAILGUN_EU):
        assert row.source.startswith("https://")
        assert set(row.regions.values()) & {"IE", "DE", "FR"}
        assert len({one.key for one in row.records(qual.names.account)}) >= 3
