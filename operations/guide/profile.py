"""The profile that Apple's devices take: the guide's facts as a `.mobileconfig`.

Keys are those of Apple's published schema: the payloads com.apple.mail.managed,
com.apple.caldav.account and com.apple.carddav.account. There is no password in a profile: the
device asks for it.
"""

import plistlib
from collections.abc import Mapping
from uuid import NAMESPACE_DNS, UUID, uuid5

from operations.guide.facts import Groupware, Guide, Server

_NAMESPACE = uuid5(NAMESPACE_DNS, "mobileconfig")
_HTTPS = 443

Payload = Mapping[str, str | int | bool]
"""One account of a profile."""


def profile(guide: Guide) -> bytes:
    """Return the profile of one mailbox as an XML property list.

    The same mailbox always has the same identifiers, so that a device takes a later profile as
    an update of the earlier one.
    """
    accounts: list[Payload] = [_mail(guide)]
    if guide.groupware is not None:
        accounts += [_calendars(guide, guide.groupware), _contacts(guide, guide.groupware)]
    whole = {
        **_frame(guide, "Configuration", "profile", guide.address),
        "PayloadContent": accounts,
        "PayloadOrganization": guide.company,
        "PayloadRemovalDisallowed": False,
    }
    return plistlib.dumps(whole)


def _mail(guide: Guide) -> Payload:
    return {
        **_frame(guide, "com.apple.mail.managed", "mail", f"IMAP {guide.address}"),
        "EmailAccountDescription": guide.address,
        "EmailAccountName": guide.full_name,
        "EmailAccountType": "EmailTypeIMAP",
        "EmailAddress": guide.address,
        **_server("Incoming", guide.incoming, guide.address),
        **_server("Outgoing", guide.outgoing, guide.address),
        "OutgoingPasswordSameAsIncomingPassword": True,
    }


def _server(direction: str, server: Server, user: str) -> Payload:
    return {
        f"{direction}MailServerAuthentication": "EmailAuthPassword",
        f"{direction}MailServerHostName": server.host,
        f"{direction}MailServerPortNumber": server.port,
        # Apple's word for either kind of encryption; the port decides which.
        f"{direction}MailServerUseSSL": True,
        f"{direction}MailServerUsername": user,
    }


def _calendars(guide: Guide, groupware: Groupware) -> Payload:
    frame = _frame(guide, "com.apple.caldav.account", "calendars", f"CalDAV {guide.address}")
    return frame | _dav("CalDAV", guide, groupware)


def _contacts(guide: Guide, groupware: Groupware) -> Payload:
    frame = _frame(guide, "com.apple.carddav.account", "contacts", f"CardDAV {guide.address}")
    return frame | _dav("CardDAV", guide, groupware)


def _dav(kind: str, guide: Guide, groupware: Groupware) -> dict[str, str | int | bool]:
    return {
        f"{kind}AccountDescription": guide.address,
        f"{kind}HostName": groupware.host,
        f"{kind}Port": _HTTPS,
        f"{kind}PrincipalURL": groupware.path,
        f"{kind}UseSSL": True,
        f"{kind}Username": guide.address,
    }


def _frame(guide: Guide, kind: str, part: str, title: str) -> dict[str, str | int | bool]:
    labels = [*reversed(guide.domain.split(".")), part, guide.name]
    identifier = ".".join(labels)
    return {
        "PayloadDisplayName": title,
        "PayloadIdentifier": identifier,
        "PayloadType": kind,
        "PayloadUUID": _identity(identifier),
        "PayloadVersion": 1,
    }


def _identity(identifier: str) -> str:
    identity: UUID = uuid5(_NAMESPACE, identifier)
    return str(identity).upper()
