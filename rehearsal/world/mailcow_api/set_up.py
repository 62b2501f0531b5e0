"""What Mailcow tells a mail program that sets itself up: autoconfig and autodiscover."""

import posixpath
import re
from collections.abc import Mapping
from urllib.parse import unquote
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

_OUTLOOK = "http://schemas.microsoft.com/exchange/autodiscover/"
_SERVER = """\
    <{kind}Server type="{type}">
      <hostname>{host}</hostname>
      <port>{port}</port>
      <socketType>{socket}</socketType>
      <username>%EMAILADDRESS%</username>
      <authentication>password-cleartext</authentication>
    </{kind}Server>
"""
_DAV = """\
      <Protocol>
        <Type>{type}</Type>
        <Server>https://{host}/SOGo/dav/{address}/</Server>
        <DomainRequired>off</DomainRequired>
        <LoginName>{address}</LoginName>
      </Protocol>
"""
_PROTOCOL = """\
      <Protocol>
        <Type>{type}</Type>
        <Server>{host}</Server>
        <Port>{port}</Port>
        <DomainRequired>off</DomainRequired>
        <LoginName>{address}</LoginName>
        <SPA>off</SPA>
        <SSL>on</SSL>
        <AuthRequired>on</AuthRequired>
      </Protocol>
"""


def autoconfig(host: str) -> str:
    """Return the answer to Thunderbird and others for the mail host `host`."""
    servers = "".join(
        _SERVER.format(kind=kind, type=type_, host=escape(host), port=port, socket=socket)
        for kind, type_, port, socket in (
            ("incoming", "imap", 993, "SSL"),
            ("incoming", "imap", 143, "STARTTLS"),
            ("outgoing", "smtp", 465, "SSL"),
            ("outgoing", "smtp", 587, "STARTTLS"),
        )
    )
    return (
        f'<?xml version="1.0"?>\n<clientConfig version="1.1">\n'
        f'  <emailProvider id="{escape(host)}">\n    <domain>%EMAILDOMAIN%</domain>\n'
        f'{servers}    <enable visiturl="https://{escape(host)}/admin"></enable>\n'
        f"  </emailProvider>\n  <webMail>\n"
        f'    <loginPage url="https://{escape(host)}/SOGo/" />\n  </webMail>\n</clientConfig>\n'
    )


def address_asked_for(request: str) -> str:
    """Return the address in Outlook's question; empty where there is none."""
    try:
        # The world's own questions only, and expat expands no outside entity.
        root = ET.fromstring(request)  # noqa: S314
    except ET.ParseError:
        return ""
    return next((node.text or "" for node in root.iter() if node.tag.endswith("EMailAddress")), "")


def autodiscover(host: str, address: str, request: str, *, sogo: bool) -> str:
    """Return the answer to Outlook and to phones.

    Args:
        host: The mail host.
        address: Who asks; without an address that is known, the answer is an error.
        request: What was asked. Outlook is given IMAP, whoever names another schema ActiveSync
            (`autodiscoverType` of data/web/inc/vars.inc.php).
        sogo: Whether there is groupware; without it everybody is given IMAP alone.
    """
    head = f'<?xml version="1.0" encoding="utf-8" ?>\n<Autodiscover xmlns="{_OUTLOOK}'
    head += 'responseschema/2006">\n'
    if not address:
        return (
            f'{head}  <Response><Error Time="12:00:00" Id="1"><ErrorCode>600</ErrorCode>'
            "<Message>Invalid Request</Message><DebugData /></Error></Response>\n</Autodiscover>\n"
        )
    if sogo and "autodiscover/outlook/responseschema" not in request:
        url = f"https://{escape(host)}/Microsoft-Server-ActiveSync"
        return (
            f'{head}  <Response xmlns="{_OUTLOOK}mobilesync/responseschema/2006">\n'
            f"    <Culture>en:en</Culture>\n    <User>\n"
            f"      <DisplayName>{escape(address)}</DisplayName>\n"
            f"      <EMailAddress>{escape(address)}</EMailAddress>\n    </User>\n"
            f"    <Action><Settings><Server><Type>MobileSync</Type>\n"
            f"      <Url>{url}</Url>\n      <Name>{url}</Name>\n"
            f"    </Server></Settings></Action>\n  </Response>\n</Autodiscover>\n"
        )
    protocols = "".join(
        _PROTOCOL.format(type=type_, host=escape(host), port=port, address=escape(address))
        for type_, port in (("IMAP", 993), ("SMTP", 465))
    )
    if sogo:
        protocols += "".join(
            _DAV.format(type=type_, host=escape(host), address=escape(address))
            for type_ in ("CalDAV", "CardDAV")
        )
    return (
        f'{head}  <Response xmlns="{_OUTLOOK}outlook/responseschema/2006a">\n    <Account>\n'
        f"      <AccountType>email</AccountType>\n      <Action>settings</Action>\n"
        f"{protocols}    </Account>\n  </Response>\n</Autodiscover>\n"
    )


_AUTHENTICATE = {"WWW-Authenticate": 'Basic realm="mailcow"'}
_PAGES = re.compile(
    r"/|/(user|admin|domainadmin|index\.php|rspamd|SOGo|SOGo\.woa)(/.*)?"
    r"|/qhandler/[^/]*/[^/]*|/(cache|css|fonts|img|js)/.+|/inc/ajax/qitem_details\.php"
)


def page(path: str) -> tuple[int, Mapping[str, str]]:
    """Return status and headers with which nginx answers a path to whoever has not signed in.

    Args:
        path: As it came; nginx decodes it, then resolves `..`.
    """
    plain = posixpath.normpath("/" + unquote(path).lstrip("/"))
    if plain in {"/.well-known/caldav", "/.well-known/carddav"}:
        return 301, {"Location": "/SOGo/dav/"}
    if plain.startswith("/principals"):
        return 301, {"Location": "/SOGo/dav"}
    if plain == "/mobileconfig.php":
        return 302, {"Location": "index.php?mobileconfig"}
    if plain.startswith(("/Microsoft-Server-ActiveSync", "/SOGo/dav")):
        return 401, _AUTHENTICATE
    return (200 if _PAGES.fullmatch(plain) else 404), {}
