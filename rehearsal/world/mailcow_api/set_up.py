"""What Mailcow tells a mail program that sets itself up: autoconfig and autodiscover."""

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
        f"{servers}  </emailProvider>\n</clientConfig>\n"
    )


def address_asked_for(request: str) -> str:
    """Return the address in Outlook's question; empty where there is none."""
    try:
        # The world's own questions only, and expat expands no outside entity.
        root = ET.fromstring(request)  # noqa: S314
    except ET.ParseError:
        return ""
    return next((one.text or "" for one in root.iter() if one.tag.endswith("EMailAddress")), "")


def autodiscover(host: str, address: str) -> str:
    """Return the answer to Outlook; without an `address` that is known, an error."""
    head = f'<?xml version="1.0" encoding="utf-8" ?>\n<Autodiscover xmlns="{_OUTLOOK}'
    head += 'responseschema/2006">\n'
    if not address:
        return (
            f'{head}  <Response><Error Time="12:00:00" Id="1"><ErrorCode>600</ErrorCode>'
            "<Message>Invalid Request</Message><DebugData /></Error></Response>\n</Autodiscover>\n"
        )
    protocols = "".join(
        _PROTOCOL.format(type=type_, host=escape(host), port=port, address=escape(address))
        for type_, port in (("IMAP", 993), ("SMTP", 465))
    )
    return (
        f'{head}  <Response xmlns="{_OUTLOOK}outlook/responseschema/2006a">\n    <Account>\n'
        f"      <AccountType>email</AccountType>\n      <Action>settings</Action>\n"
        f"{protocols}    </Account>\n  </Response>\n</Autodiscover>\n"
    )
