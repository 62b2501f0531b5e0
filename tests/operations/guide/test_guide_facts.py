"""What a guide says is what the declaration says."""

from typing import Any

import pytest

from declaration.model import Declaration
from declaration.people import AliasSettings
from declaration.reading import read
from operations.guide.facts import GuideError, Security, Server, guides, leading_to
from tests.operations.guide.guide_reading import of, varied

MX = "mx.portugalodyssey.pt"


def test_every_mailbox_has_a_guide_and_no_alias_has(qual: Declaration) -> None:
    names = [guide.name for guide in guides(qual)]

    assert names == [mailbox.name for mailbox in qual.mailboxes]


def test_mail_is_read_and_sent_under_the_mail_host_by_implicit_tls(qual: Declaration) -> None:
    guide = of(qual, "info")

    assert guide.incoming == Server(MX, 993, Security.TLS)
    assert guide.outgoing == Server(MX, 465, Security.TLS)
    assert guide.outgoing_instead == Server(MX, 587, Security.STARTTLS)
    assert guide.filters == Server(MX, 4190, Security.STARTTLS)


def test_with_465_closed_mail_is_sent_by_starttls_alone(qual: Declaration) -> None:
    guide = of(varied(qual, "mailcow", raw_ports=(25, 587, 993)), "info")

    assert guide.outgoing == Server(MX, 587, Security.STARTTLS)
    assert guide.outgoing_instead is None
    assert guide.filters is None


@pytest.mark.parametrize(
    ("ports", "what"), [((25, 465, 587), "993 or 143"), ((25, 993), "465 or 587")]
)
def test_without_a_way_to_read_or_to_send_there_is_no_guide(
    qual: Declaration, ports: tuple[int, ...], what: str
) -> None:
    with pytest.raises(GuideError, match=rf"mail:mailcow.rawPorts .*{what}"):
        of(varied(qual, "mailcow", raw_ports=ports), "info")


def test_programs_find_settings_only_where_they_are_published(qual: Declaration) -> None:
    assert of(qual, "info").autoconfig
    assert of(qual, "info").autodiscover
    assert not of(varied(qual, "web", autoconfig=False), "info").autoconfig
    assert not of(varied(qual, "web", autodiscover=False), "info").autodiscover


def test_what_mailcow_would_announce_on_a_closed_port_is_not_promised(qual: Declaration) -> None:
    guide = of(varied(qual, "mailcow", raw_ports=(25, 587, 993)), "info")

    assert not guide.autoconfig
    assert not guide.autodiscover


def test_passwords_are_changed_where_mailcows_api_is_routed(qual: Declaration) -> None:
    assert of(qual, "info").account_settings == "https://mail-admin.portugalodyssey.pt/user"


def test_calendar_contacts_and_webmail_are_there_only_with_sogo(qual: Declaration) -> None:
    guide = of(qual, "info")
    without = of(varied(qual, "mailcow", skip_sogo=True), "info")

    assert guide.webmail == "https://webmail.portugalodyssey.pt"
    assert guide.groupware is not None
    assert guide.groupware.base == (
        "https://webmail.portugalodyssey.pt/SOGo/dav/info@portugalodyssey.pt/"
    )
    assert without.webmail is None
    assert without.groupware is None


def test_the_aliases_that_lead_to_a_person_are_named(qual: Declaration) -> None:
    at = "@portugalodyssey.pt"

    assert of(qual, "bookings").aliases == (f"reservations{at}",)
    assert of(qual, "cristina").aliases == ()
    assert of(qual, "postmaster").aliases == tuple(
        f"{name}{at}" for name in ("abuse", "hostmaster", "webmaster", "security")
    )


def test_an_alias_may_lead_to_a_person_by_way_of_others() -> None:
    aliases = [
        AliasSettings(name="team", to=("sales", "info")),
        AliasSettings(name="sales", to=("Ana@example.org", "else@example.net"), outside=True),
        AliasSettings(name="ring", to=("ring",)),
    ]

    assert leading_to("ana", aliases, "example.org") == ["team", "sales"]
    assert leading_to("info", aliases, "example.org") == ["team"]
    assert leading_to("else", aliases, "example.org") == []


@pytest.mark.parametrize(("mib", "said"), [(8192, "8 GiB"), (1536, "1536 MiB")])
def test_the_quota_is_said_exactly(qual_values: dict[str, Any], mib: int, said: str) -> None:
    qual_values["mailboxes"][1]["quotaMib"] = mib

    assert of(read(qual_values, source="test"), "info").quota == said
