"""Apple's profile says what the page says, and holds no password."""

import plistlib
import re
from typing import Any
from uuid import UUID

import pytest

from declaration.model import Declaration
from declaration.reading import read
from operations.guide.facts import Guide, guides
from operations.guide.profile import profile
from operations.guide.words import Language, Program
from tests.operations.guide.guide_reading import everything, of, varied

MAIL_KEYS: dict[str, type] = {
    "EmailAccountDescription": str,
    "EmailAccountName": str,
    "EmailAccountType": str,
    "EmailAddress": str,
    "IncomingMailServerAuthentication": str,
    "IncomingMailServerHostName": str,
    "IncomingMailServerPortNumber": int,
    "IncomingMailServerUseSSL": bool,
    "IncomingMailServerUsername": str,
    "OutgoingMailServerAuthentication": str,
    "OutgoingMailServerHostName": str,
    "OutgoingMailServerPortNumber": int,
    "OutgoingMailServerUseSSL": bool,
    "OutgoingMailServerUsername": str,
    "OutgoingPasswordSameAsIncomingPassword": bool,
}
"""Keys of com.apple.mail.managed and their types, as Apple publishes them."""


def _dav_keys(kind: str) -> dict[str, type]:
    texts = ("AccountDescription", "HostName", "PrincipalURL", "Username")
    return {f"{kind}{key}": str for key in texts} | {f"{kind}Port": int, f"{kind}UseSSL": bool}


KEYS: dict[str, dict[str, type]] = {
    "com.apple.mail.managed": MAIL_KEYS,
    "com.apple.caldav.account": _dav_keys("CalDAV"),
    "com.apple.carddav.account": _dav_keys("CardDAV"),
}
FRAME: dict[str, type] = {
    "PayloadDisplayName": str,
    "PayloadIdentifier": str,
    "PayloadType": str,
    "PayloadUUID": str,
    "PayloadVersion": int,
}


def _parsed(guide: Guide) -> dict[str, Any]:
    parsed: dict[str, Any] = plistlib.loads(profile(guide))
    return parsed


def _account(guide: Guide, kind: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = _parsed(guide)["PayloadContent"]
    return next(entry for entry in found if entry["PayloadType"] == kind)


def test_every_key_is_one_of_apples_with_its_type(qual: Declaration) -> None:
    parsed = _parsed(of(qual, "info"))

    whole = {**FRAME, "PayloadContent": list, "PayloadOrganization": str}
    assert {key: type(value) for key, value in parsed.items()} == {
        **whole,
        "PayloadRemovalDisallowed": bool,
    }
    assert parsed["PayloadType"] == "Configuration"
    for account in parsed["PayloadContent"]:
        keys = FRAME | KEYS[account["PayloadType"]]
        assert {key: type(value) for key, value in account.items()} == keys


def test_the_profile_says_what_the_page_says(qual_values: dict[str, Any]) -> None:
    qual_values["zone"]["mxLabel"] = "post"
    declaration = read(qual_values, source="test")
    mail = _account(of(declaration, "info"), "com.apple.mail.managed")

    for language in Language:
        facts = everything(declaration, "info")[language, Program.APPLE].facts
        for key in ("HostName", "PortNumber", "Username"):
            for direction in ("Incoming", "Outgoing"):
                assert str(mail[f"{direction}MailServer{key}"]) in facts
        assert mail["EmailAccountName"] in facts
    assert mail["IncomingMailServerHostName"] == "post.portugalodyssey.pt"
    assert mail["EmailAccountType"] == "EmailTypeIMAP"
    assert mail["IncomingMailServerUseSSL"] is mail["OutgoingMailServerUseSSL"] is True


def test_a_closed_port_is_not_in_the_profile(qual: Declaration) -> None:
    ports = tuple(port for port in qual.mailcow.raw_ports if port != 465)
    guide = of(varied(qual, "mailcow", raw_ports=ports), "info")

    assert _account(guide, "com.apple.mail.managed")["OutgoingMailServerPortNumber"] == 587


def test_calendar_and_contacts_come_with_sogo(qual: Declaration) -> None:
    calendars = _account(of(qual, "info"), "com.apple.caldav.account")
    contacts = _account(of(qual, "info"), "com.apple.carddav.account")
    without = _parsed(of(varied(qual, "mailcow", skip_sogo=True), "info"))

    assert calendars["CalDAVHostName"] == "webmail.portugalodyssey.pt"
    assert contacts["CardDAVPrincipalURL"] == "/SOGo/dav/info@portugalodyssey.pt/"
    assert [item["PayloadType"] for item in without["PayloadContent"]] == ["com.apple.mail.managed"]


def test_no_password_can_be_in_a_profile(qual: Declaration) -> None:
    for guide in guides(qual):
        keys = re.findall(r"<key>(.*?)</key>", profile(guide).decode())
        named = {key for key in keys if "password" in key.lower()}
        assert named == {"OutgoingPasswordSameAsIncomingPassword"}


def test_a_profile_is_the_same_each_time_and_like_nobody_elses(
    qual_values: dict[str, Any],
) -> None:
    qual_values["mailboxes"] += [
        {"name": f"info.{name}", "fullName": name, "quotaMib": 1024} for name in ("mail", "profile")
    ]
    qual = read(qual_values, source="test")
    everyone = list(guides(qual))
    identities = [
        item["PayloadUUID"]
        for guide in everyone
        for item in (_parsed(guide), *_parsed(guide)["PayloadContent"])
    ]

    assert [profile(person) for person in everyone] == [profile(guide) for guide in guides(qual)]
    assert len(set(identities)) == len(identities)
    assert {UUID(identity).version for identity in identities} == {5}


def test_another_port_is_an_update_of_the_same_profile(qual: Declaration) -> None:
    ports = tuple(port for port in qual.mailcow.raw_ports if port != 465)
    later = of(varied(qual, "mailcow", raw_ports=ports), "info")

    assert profile(later) != profile(of(qual, "info"))
    assert _parsed(later)["PayloadUUID"] == _parsed(of(qual, "info"))["PayloadUUID"]


@pytest.mark.parametrize("name", ['A & B "C"', "Balcão n.º 1"])
def test_any_name_is_carried(qual_values: dict[str, Any], name: str) -> None:
    qual_values["mailboxes"][1]["fullName"] = name
    guide = of(read(qual_values, source="test"), "info")

    assert _account(guide, "com.apple.mail.managed")["EmailAccountName"] == name
