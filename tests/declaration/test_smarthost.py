"""The smarthost: a provider is a row of a table, and another provider is another row."""

from typing import Any

import pytest

from declaration.mail_domain import mail_domain
from declaration.mistakes import DeclarationError
from declaration.model import Declaration
from declaration.reading import read
from declaration.smarthost_providers import PROVIDERS, Account
from declaration.zone_records import records

ACCOUNT = Account("example.pt", "eu-west-1", "send.example.pt", "resend", "p=MIGf")


def declared(values: dict[str, Any], /, **smarthost: Any) -> Declaration:
    """Return the declaration with a smarthost, and nothing else of it."""
    return read(values | {"smarthost": smarthost}, source="x")


def mistakes(values: dict[str, Any], /, **smarthost: Any) -> dict[str, str]:
    """Return what is wrong with a smarthost, by key."""
    with pytest.raises(DeclarationError) as caught:
        declared(values, **smarthost)
    return {
        mistake.path.removeprefix("mail:"): mistake.message for mistake in caught.value.mistakes
    }


def shown(declaration: Declaration) -> list[str]:
    """Return the records that the smarthost's account asks for."""
    wanted = declaration.smarthost.row.records(declaration.names.account)
    published = {record.key: record for record in records(declaration)}
    assert all(published[record.key] == record for record in wanted)
    return [str(record).replace("portugalodyssey.pt", "D") for record in wanted]


def test_resend_asks_for_its_three_records() -> None:
    assert [str(record) for record in PROVIDERS["resend"].records(ACCOUNT)] == [
        "send.example.pt MX 10 feedback-smtp.eu-west-1.amazonses.com",
        'send.example.pt TXT "v=spf1 include:amazonses.com ~all"',
        'resend._domainkey.example.pt TXT "p=MIGf"',
    ]


def test_resend_is_reached_with_starttls_on_587_as_the_user_resend(qual: Declaration) -> None:
    nexthop = qual.names.nexthop

    assert (str(nexthop), nexthop.user) == ("[smtp.resend.com]:587", "resend")
    assert not nexthop.implicit_tls


@pytest.mark.parametrize(
    ("port", "begins"),
    [(25, "STARTTLS"), (2587, "STARTTLS"), (465, "at once"), (2465, "at once")],
)
def test_another_port_is_one_line_and_says_how_tls_begins(
    qual_values: dict[str, Any], port: int, begins: str
) -> None:
    nexthop = declared(qual_values, provider="resend", port=port).names.nexthop

    assert str(nexthop) == f"[smtp.resend.com]:{port}"
    assert nexthop.implicit_tls == (begins == "at once")


def test_a_port_that_the_provider_does_not_offer_is_refused_with_those_that_it_does(
    qual_values: dict[str, Any],
) -> None:
    assert mistakes(qual_values, provider="resend", port=2525) == {
        "smarthost.port": "Resend takes no mail on 2525; use 25, 465, 587, 2465 or 2587"
    }


def test_the_records_follow_region_envelope_and_selector(qual_values: dict[str, Any]) -> None:
    declaration = declared(qual_values, envelopeLabel="bounce", selector="s2026")

    names = {record.name for record in declaration.smarthost.row.records(declaration.names.account)}

    assert names == {
        "bounce.portugalodyssey.pt",
        "s2026._domainkey.portugalodyssey.pt",
    }


def test_the_region_is_the_first_in_the_eu_unless_one_is_declared(
    qual_values: dict[str, Any],
) -> None:
    assert declared(qual_values, provider="ses", user="AKIA").smarthost.region == "eu-west-1"
    assert declared(qual_values, provider="mailgun", user="x").smarthost.region == "eu"


def test_a_domain_of_its_own_at_mailgun_takes_bounces_at_two_hosts(
    qual_values: dict[str, Any],
) -> None:
    user = "postmaster@send.portugalodyssey.pt"
    declaration = declared(qual_values, provider="mailgun", user=user, selector="s1")

    assert shown(declaration)[:3] == [
        "send.D MX 10 mxa.eu.mailgun.org",
        "send.D MX 10 mxb.eu.mailgun.org",
        'send.D TXT "v=spf1 include:mailgun.org ~all"',
    ]
    assert str(declaration.names.nexthop) == "[smtp.eu.mailgun.org]:587"


def test_a_smarthost_that_keeps_the_envelope_must_stand_in_the_domains_own_spf_record(
    qual_values: dict[str, Any],
) -> None:
    account = {"provider": "scaleway", "user": "project-id", "selector": "s1"}

    assert mistakes(qual_values, **account) == {
        "zone.apexSpf": "shuts Scaleway Transactional Email out, which keeps the envelope sender; "
        "put include:_spf.tem.scaleway.com before its end"
    }

    qual_values["zone"]["apexSpf"] = "v=spf1 mx include:_spf.tem.scaleway.com -all"
    declaration = declared(qual_values, **account)
    assert declaration.names.envelope == "portugalodyssey.pt"
    assert [text.partition(" ")[0] for text in shown(declaration)] == ["s1._domainkey.D"]


def test_names_to_point_at_stand_for_a_key(qual_values: dict[str, Any]) -> None:
    del qual_values["dkimPublicKey"]
    names = {f"brevo{number}": f"b{number}.portugalodyssey-pt.dkim.brevo.com" for number in (1, 2)}
    account = {"provider": "brevo", "user": "x@smtp-brevo.com", "region": "FR"}

    assert list(mistakes(qual_values, **account, selector="brevo1")) == ["dkimPublicKey"]
    assert mistakes(qual_values, **account, dkimNames=names) == {
        "smarthost.selector": "resend is none of dkimNames (brevo1, brevo2); name one that signs"
    }

    code = "brevo-code:0123456789abcdef"
    declaration = declared(
        qual_values, **account, dkimNames=names, selector="brevo1", verification=code
    )
    assert shown(declaration) == [
        "brevo1._domainkey.D CNAME b1.portugalodyssey-pt.dkim.brevo.com",
        "brevo2._domainkey.D CNAME b2.portugalodyssey-pt.dkim.brevo.com",
        f'D TXT "{code}"',
    ]
    sender = mail_domain(declaration).senders[0]
    assert sender.envelopes == ()
    assert {*sender.selectors} == {"brevo1", "brevo2"}


def test_a_key_beside_names_is_refused(qual_values: dict[str, Any]) -> None:
    names = {"s1": "s1.dkim.example.net"}

    assert list(mistakes(qual_values, dkimNames=names, selector="s1")) == ["dkimPublicKey"]


def test_postmark_is_refused_for_where_its_data_lies(qual_values: dict[str, Any]) -> None:
    assert mistakes(qual_values, provider="postmark", user="token", region="us") == {
        "smarthost.region": "us lies in US, outside the EU; take another provider"
    }


def test_any_other_smarthost_is_declared_by_its_host(qual_values: dict[str, Any]) -> None:
    qual_values["zone"]["apexSpf"] = "v=spf1 mx include:spf.example.net -all"

    declaration = declared(
        qual_values, provider="other", host="relay.example.net", port=465, user="company",
        region="DE", spfInclude="spf.example.net", selector="k1",
    )  # fmt: skip

    nexthop = declaration.names.nexthop
    assert (str(nexthop), nexthop.user) == ("[relay.example.net]:465", "company")
    assert nexthop.implicit_tls
    assert [text.partition(" ")[0] for text in shown(declaration)] == ["k1._domainkey.D"]


def test_tls_begins_on_a_port_of_their_own_as_it_is_declared(qual_values: dict[str, Any]) -> None:
    qual_values["zone"]["apexSpf"] = "v=spf1 mx include:spf.example.net -all"
    account = {
        "provider": "other", "host": "relay.example.net", "user": "company", "region": "DE",
        "spfInclude": "spf.example.net",
    }  # fmt: skip

    assert not declared(qual_values, **account, port=10025).names.nexthop.implicit_tls
    assert declared(qual_values, **account, port=10025, implicitTls=True).names.nexthop.implicit_tls


def test_what_another_smarthost_lacks_is_said_at_once(qual_values: dict[str, Any]) -> None:
    assert set(mistakes(qual_values, provider="other")) == {
        "smarthost.host", "smarthost.user", "smarthost.region", "smarthost.spfInclude",
    }  # fmt: skip


@pytest.mark.parametrize("region", ["US", "CH"])
def test_another_smarthost_outside_the_eu_is_refused(
    qual_values: dict[str, Any], region: str
) -> None:
    qual_values["zone"]["apexSpf"] = "v=spf1 mx include:spf.example.net -all"
    found = mistakes(
        qual_values, provider="other", host="relay.example.net", user="x", region=region,
        spfInclude="spf.example.net",
    )  # fmt: skip

    assert found == {
        "smarthost.region": f"{region} lies in {region}, outside the EU; take another provider"
    }


def test_a_region_that_is_no_country_is_refused_where_a_country_is_asked_for(
    qual_values: dict[str, Any],
) -> None:
    found = mistakes(qual_values, provider="brevo", user="x", region="eu-west-1")

    assert "is no region of Brevo; say the country" in found["smarthost.region"]


def test_facts_of_a_known_smarthost_are_not_declared(qual_values: dict[str, Any]) -> None:
    found = mistakes(qual_values, host="smtp.example.net", implicitTls=False)

    assert set(found) == {"smarthost.host", "smarthost.implicitTls"}


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_row_names_where_its_facts_are_found_and_offers_the_usual_port(name: str) -> None:
    row = PROVIDERS[name]

    assert row.sources
    assert all(page.startswith("https://") for page in row.sources.values())
    assert row.port in row.ports
    assert not {*row.starttls} & {*row.implicit_tls}
