"""Web: webmail, administration, and the set-up of mail programs, all through Traefik."""

import ssl
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

from declaration.names import AUTOCONFIG, AUTODISCOVER, MTA_STS
from operations.prove.findings import failed, passed, skipped, unseen
from operations.prove.model import Finding, Severity, Station
from operations.prove.net import Reply, UnseenError
from operations.prove.registry import at
from operations.prove.subject import Subject

check = at(Station.WEB)

_ROUTES = "`pulumi up` writes Traefik's dynamic file; Traefik's log says why it is not taken over."
_SCHEMAS = "http://schemas.microsoft.com/exchange/autodiscover"
_REQUEST = f"""<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="{_SCHEMAS}/{{kind}}/requestschema/2006">
<Request><EMailAddress>{{address}}</EMailAddress><AcceptableResponseSchema>\
{_SCHEMAS}/{{kind}}/responseschema/{{version}}\
</AcceptableResponseSchema></Request></Autodiscover>"""
_SETTINGS = f"{{{_SCHEMAS}/outlook/responseschema/2006a}}"
_DOORS = ("/admin", "/domainadmin", "/api/v1/get/status/version", "/rspamd/", "/x/..%2fadmin",
          "/SOGo/..%2fadmin")  # fmt: skip
"""The last two are plain paths to Traefik, and the administration to nginx, which decodes them."""


def _name(subject: Subject, label: str) -> str:
    return f"{label}.{subject.declaration.domain}"


def _problem(reply: Reply, host: str) -> Finding:
    return failed(
        f"{host} answers {reply.status}", "200", key="mail:web", facts={"http": str(reply.status)}
    )


@check(
    "webmail", Severity.HIGH, "Webmail opens",
    why="It is how people read mail away from their own machine.",
    source="docs/declaration.md, mail:web.webmail",
    mend=_ROUTES,
)  # fmt: skip
async def _webmail(subject: Subject) -> Finding:
    if subject.declaration.mailcow.skip_sogo:
        return skipped("SOGo is switched off", key="mail:mailcow.skipSogo")
    host = subject.declaration.names.webmail
    reply = await subject.net.https(host, "/SOGo/")
    if reply.status not in (200, 302):
        return _problem(reply, host)
    return passed(
        f"https://{host}/SOGo/ answers {reply.status}", "an answer", key="mail:web.webmail"
    )


@check(
    "administration", Severity.MEDIUM, "The administration opens on its own host",
    why="Mailboxes and the API, by which Pulumi works, are reached there.",
    source="docs/decisions/0003-the-api-is-reached-through-traefik.md",
    mend=_ROUTES,
)  # fmt: skip
async def _administration(subject: Subject) -> Finding:
    host = subject.declaration.names.administration
    reply = await subject.net.https(host, "/")
    if reply.status not in (200, 302):
        return _problem(reply, host)
    return passed(f"https://{host}/ answers {reply.status}", "an answer", key="mail:web.admin")


@check(
    "administration-alone", Severity.HIGH, "The administration opens nowhere else",
    why="A host that people visit daily is no place for the administrator's door.",
    source="components/traefik.py: one host alone has the administration and the API",
    mend=_ROUTES,
)  # fmt: skip
async def _administration_alone(subject: Subject) -> Finding:
    hosts = (subject.declaration.names.webmail, subject.declaration.names.mail_host)
    addresses = [(host, path) for host in hosts for path in _DOORS]
    statuses = {
        f"{host}{path}": (await subject.net.https(host, path)).status for host, path in addresses
    }
    details = tuple(f"{address}: {status}" for address, status in statuses.items())
    opened = [address for address, status in statuses.items() if status not in (403, 404)]
    if opened:
        return failed(f"{', '.join(opened)} answers", "404", key="mail:web", details=details)
    shown = f"{' and '.join(hosts)} refuse {', '.join(_DOORS)}"
    return passed(shown, "404", key="mail:web", details=details)


@check(
    "api-locked", Severity.CRITICAL, "The API tells nothing without its key",
    why="The API makes and deletes mailboxes.",
    source="docs/declaration.md, mail:operatorAddresses",
    mend="Take the key out of wherever it leaked, delete its secret on the host, `pulumi up`.",
)  # fmt: skip
async def _api_locked(subject: Subject) -> Finding:
    host = subject.declaration.names.administration
    reply = await subject.net.https(host, "/api/v1/get/mailbox/all")
    empty = reply.text.strip() in ('""', "", "{}", "[]")
    if reply.status == 200 and not empty and '"error"' not in reply.text:
        return failed("it lists the mailboxes", "nothing", key="mail:operatorAddresses")
    if reply.status >= 500:
        return unseen(f"{host} answers {reply.status}", "nothing")
    return passed(f"{reply.status}, and nothing in it", "nothing", key="mail:operatorAddresses")


@check(
    "autoconfig", Severity.MEDIUM, "Thunderbird and others set themselves up",
    why="People know their address and their password, not ports.",
    source="Mozilla: autoconfiguration file format",
    mend=_ROUTES,
)  # fmt: skip
async def _autoconfig(subject: Subject) -> Finding:
    if not subject.declaration.web.autoconfig:
        return skipped("not declared", key="mail:web.autoconfig")
    host, who = _name(subject, AUTOCONFIG), subject.address(subject.addressee)
    reply = await subject.net.https(host, f"/mail/config-v1.1.xml?emailaddress={who}")
    if reply.status != 200:
        return _problem(reply, host)
    root = _parsed(reply)
    if root is None or root.tag != "clientConfig":
        return _not_understood(reply, "a clientConfig", "mail:web.autoconfig")
    offered = {
        (node.get("type") or "", node.findtext("hostname") or "", node.findtext("port") or "")
        for node in root.iter()
        if node.tag in ("incomingServer", "outgoingServer") and node.findtext("socketType") == "SSL"
    }
    return _offered(subject, offered, "mail:web.autoconfig")


@check(
    "autodiscover", Severity.MEDIUM, "Outlook sets itself up",
    why="People know their address and their password, not ports.",
    source="Microsoft: MS-OXDSCLI, plain old XML",
    mend=_ROUTES,
)  # fmt: skip
async def _autodiscover(subject: Subject) -> Finding:
    if not subject.declaration.web.autodiscover:
        return skipped("not declared", key="mail:web.autodiscover")
    host = _name(subject, AUTODISCOVER)
    reply = await _asked(subject, "outlook", "2006a")
    if reply.status != 200:
        return _problem(reply, host)
    root = _parsed(reply)
    if root is None or not root.tag.endswith("Autodiscover"):
        return _not_understood(reply, "an Autodiscover answer", "mail:web.autodiscover")
    if root.findtext(f".//{_SETTINGS}Action") is None and "MobileSync" in reply.text:
        return passed("ActiveSync is offered", "settings", key="mail:web.autodiscover")
    offered = {
        (
            (node.findtext(f"{_SETTINGS}Type") or "").lower(),
            node.findtext(f"{_SETTINGS}Server") or "",
            node.findtext(f"{_SETTINGS}Port") or "",
        )
        for node in root.iter(f"{_SETTINGS}Protocol")
    }
    return _offered(subject, offered, "mail:web.autodiscover")


async def _asked(subject: Subject, kind: str, version: str) -> Reply:
    """Ask Autodiscover for somebody's settings, as `kind` of program."""
    who = subject.address(subject.addressee)
    return await subject.net.https(
        _name(subject, AUTODISCOVER),
        "/autodiscover/autodiscover.xml",
        method="POST",
        body=_REQUEST.format(kind=kind, version=version, address=who),
        headers={"Content-Type": "text/xml"},
    )


@check(
    "handed-out", Severity.HIGH, "Every address that Mailcow gives to people leads to it",
    why="Phones, calendars, address books and the links in quarantine mails use these addresses; "
    "Mailcow builds them from the name of the mail host.",
    source="mailcow-dockerized: data/web/autodiscover.php, autoconfig.php, inc/vars.inc.php, "
    "data/assets/templates/quarantine.tpl",
    mend=_ROUTES,
)  # fmt: skip
async def _handed_out(subject: Subject) -> Finding:
    web, host = subject.declaration.web, subject.declaration.names.mail_host
    # A profile for Apple's devices and the links of quarantine mails come by other ways.
    addresses = {f"https://{host}/mobileconfig.php", f"https://{host}/qhandler/release/{'0' * 64}"}
    if web.autodiscover:
        for kind, version in (("outlook", "2006a"), ("mobilesync", "2006")):
            addresses |= _addresses(await _asked(subject, kind, version))
    if web.autoconfig:
        path = f"/mail/config-v1.1.xml?emailaddress={subject.address(subject.addressee)}"
        addresses |= _addresses(await subject.net.https(_name(subject, AUTOCONFIG), path))
    answers = {address: await _answer(subject, address) for address in sorted(addresses)}
    details = tuple(f"{address}: {answer}" for address, answer in answers.items())
    lost = [address for address, answer in answers.items() if answer not in _LEADS_SOMEWHERE]
    if lost:
        return failed(f"{', '.join(lost)} leads nowhere", "an answer", key="mail:zone.mxLabel",
                      details=details)  # fmt: skip
    return passed(f"{len(answers)} addresses answer", "an answer", key="mail:zone.mxLabel",
                  details=details)  # fmt: skip


_LEADS_SOMEWHERE = {200, 301, 302, 401}
"""Statuses of something that is there; 401 asks for the password that a phone has."""


def _addresses(reply: Reply) -> set[str]:
    """Return the addresses on the web in an answer, but for the administrator's own door.

    Autoconfig names it (`enable visiturl`), to people who cannot use it; it answers on its own
    host alone.
    """
    root = _parsed(reply)
    if reply.status != 200 or root is None:
        return set()
    texts = [
        text for element in root.iter() for text in (element.text or "", *element.attrib.values())
    ]
    found = {text.strip() for text in texts if text.strip().startswith("https://")}
    return {address for address in found if not urlsplit(address).path.startswith("/admin")}


async def _answer(subject: Subject, address: str) -> int | str:
    """Return the status with which an address answers, or why there is none."""
    parts = urlsplit(address)
    if parts.port not in (None, 443):
        return f"port {parts.port} is shut"
    try:
        return (await subject.net.https(str(parts.hostname), parts.path or "/")).status
    except (UnseenError, ssl.SSLError) as error:
        return str(error)


def _parsed(reply: Reply) -> ET.Element | None:
    """Return the answer as XML, None where it is none, or where it declares entities."""
    if "<!DOCTYPE" in reply.text or "<!ENTITY" in reply.text:
        return None
    try:
        # Without a document type there is nothing in it that could expand.
        return ET.fromstring(reply.text)  # noqa: S314
    except ET.ParseError:
        return None


def _not_understood(reply: Reply, expected: str, key: str) -> Finding:
    kind = reply.headers.get("content-type", "something")
    return failed(f"{kind} that no mail program understands", expected, key=key)


def _offered(subject: Subject, offered: set[tuple[str, str, str]], key: str) -> Finding:
    host = subject.declaration.names.mail_host
    wanted = {("imap", host, "993"), ("smtp", host, "465")}
    shown = ", ".join(sorted(" ".join(pair) for pair in offered)) or "nothing"
    expected = ", ".join(sorted(" ".join(item) for item in wanted))
    if not wanted <= offered:
        return failed(shown, expected, key=key)
    return passed(shown, expected, key=key)


@check(
    "mta-sts-policy", Severity.MEDIUM, "The MTA-STS policy is served as declared",
    why="Senders that follow it refuse to deliver where the policy and the MX disagree.",
    source="RFC 8461 section 3.3",
    mend=_ROUTES,
)  # fmt: skip
async def _mta_sts(subject: Subject) -> Finding:
    if subject.declaration.zone.mta_sts is None:
        return skipped("no policy is declared", key="mail:zone.mtaSts")
    host = _name(subject, MTA_STS)
    reply = await subject.net.https(host, "/.well-known/mta-sts.txt")
    if reply.status != 200:
        return _problem(reply, host)

    def fields(text: str) -> set[str]:
        return {"".join(line.split()) for line in text.splitlines() if line.strip()}

    expected = subject.declaration.names.mta_sts_policy or ""
    if fields(reply.text) != fields(expected):
        shown = " | ".join(reply.text.split("\n"))
        return failed(shown, " | ".join(expected.split("\n")), key="mail:zone.mtaSts")
    return passed("as declared", "as declared", key="mail:zone.mtaSts")
