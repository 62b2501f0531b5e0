"""Names: what the zone publishes, Traefik routes, the certificate covers and Mailcow serves."""

import ipaddress
import re
from collections.abc import Iterator

from declaration.certificate import covers
from declaration.names import AUTOCONFIG, AUTODISCOVER, MTA_STS
from policies.model import Area, Finding, Resource, Severity
from policies.registry import in_area
from policies.stack import Stack
from readers.caa import climb, refusal
from readers.mistake import MistakeError
from readers.mta_sts import announcement, is_sts, reporting
from readers.mta_sts import policy as mta_sts_policy
from readers.tlsa import parse as parse_tlsa

rule = in_area(Area.NAMES)

ISSUER = "letsencrypt.org"
"""Who issues the certificate, by the name that CAA knows."""
METHODS = ("dns-01",)
"""How Traefik proves that the names are ours."""
_SERVICES = {
    "submissions": 465, "submission": 587, "imaps": 993, "imap": 143, "pop3s": 995, "pop3": 110,
    "sieve": 4190,
}  # fmt: skip
"""What mail programs look up, with the port it stands on (RFC 6186, RFC 8314, RFC 5804)."""


def inside(stack: Stack, name: str) -> bool:
    """Tell whether a name lies in the zone of the stack."""
    zone = stack.declaration.zone.name or stack.declaration.domain
    return f".{name}".endswith(f".{zone}")


def routed_hosts(stack: Stack) -> set[str]:
    """Return the hosts that Traefik routes."""
    return {host for router in stack.routes.routers for host in router.rule.hosts}


def routes_resource(stack: Stack) -> Resource | None:
    """Return the resource that writes Traefik's dynamic file."""
    return stack.routes.resource


def routes_known(stack: Stack) -> bool:
    """Tell whether Traefik's dynamic file is there and known."""
    return bool(stack.routes.routers)


def key_of(stack: Stack, name: str) -> str:
    """Return the key in the declaration from which a published name comes."""
    names = stack.names
    keys = {
        names.mail_host: "mail:zone.mxLabel",
        names.administration: "mail:web.admin",
        names.webmail: "mail:web.webmail",
        f"{AUTOCONFIG}.{names.domain}": "mail:web.autoconfig",
        f"{AUTODISCOVER}.{names.domain}": "mail:web.autodiscover",
        f"{MTA_STS}.{names.domain}": "mail:zone.mtaSts",
    }
    return keys.get(name, "mail:zone")


@rule(
    "mx-present",
    Severity.CRITICAL,
    protects="Mail to the domain finds the mail host, and only the mail host.",
    reason="Without an MX record mail goes to the website's address, with another one elsewhere.",
    source="RFC 5321 section 5.1",
    remedy="publish one MX record at the domain, for the mail host",
)
def _mx_present(stack: Stack) -> Iterator[Finding]:
    declaration = stack.declaration
    found = stack.zone.at(declaration.domain, "MX")
    if not found:
        message = f"{declaration.domain} has no MX record"
        yield Finding(message, "mail:zone.mxLabel", seen=declaration.domain, absent=True)
    for item in found:
        # An address in the place of a name is for `mx-target-address` to judge.
        if item.target != stack.names.mail_host and not _is_address(item.target):
            message = f"the MX of {declaration.domain} is {item.target or 'nobody'}"
            yield Finding(message, "mail:zone.mxLabel", item.resource, item.value)


@rule(
    "mx-target-address",
    Severity.CRITICAL,
    protects="Every MX record points at a name that has an address of its own.",
    reason="An alias, an address or a name without an address is refused by many senders.",
    source="RFC 2181 section 10.3; RFC 5321 section 5.1",
    remedy="point the MX at a name with an A record",
)
def _mx_target(stack: Stack) -> Iterator[Finding]:
    for item in (record for record in stack.zone.records if record.type == "MX"):
        target, key = item.target, "mail:zone.mxLabel"
        if _is_address(target):
            yield Finding(f"{item.name} has an address as MX", key, item.resource, item.value)
        elif stack.zone.at(target, "CNAME"):
            message = f"{target}, MX of {item.name}, is an alias (CNAME)"
            yield Finding(message, key, item.resource, item.value)
        elif target == stack.names.mail_host and not stack.zone.addresses(target):
            message = f"{target}, MX of {item.name}, has no address"
            yield Finding(message, key, item.resource, item.value, absent=True)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True


@rule(
    "records-not-proxied",
    Severity.CRITICAL,
    protects="No name that mail uses stands behind Cloudflare's proxy.",
    reason="The proxy passes HTTP only: SMTP and IMAP to a proxied name time out.",
    source="https://developers.cloudflare.com/dns/proxy-status/",
    remedy="say proxied=False for every record",
)
def _not_proxied(stack: Stack) -> Iterator[Finding]:
    for record in stack.zone.records:
        if record.proxied is not False and (
            record.proxied or record.type in ("A", "AAAA", "CNAME")
        ):
            shown = "proxied" if record.proxied else "not said to be unproxied"
            message = f"{record.name} {record.type} is {shown}"
            yield Finding(message, key_of(stack, record.name), record.resource, str(record.proxied))


@rule(
    "hosts-published",
    Severity.HIGH,
    protects="Every host that Traefik routes is published in the zone.",
    reason="A route to a name without an address is never reached, and its certificate not issued.",
    source="https://doc.traefik.io/traefik/routing/routers/",
    remedy="publish the name, or take the route out",
)
def _published(stack: Stack) -> Iterator[Finding]:
    for host in routed_hosts(stack):
        # A mail host without an address is for `mx-target-address` to judge.
        routed = inside(stack, host) and host != stack.names.mail_host
        if routed and not stack.zone.has_address(host):
            message = f"{host} is routed by Traefik but not published in the zone"
            resource = routes_resource(stack)
            yield Finding(message, key_of(stack, host), resource, host, absent=True)


@rule(
    "hosts-routed",
    Severity.HIGH,
    protects="Every web host that is published is routed, and the mail host.",
    reason="A published name without a route answers 404, or whatever else runs behind the proxy. "
    "Mailcow gives people addresses on the mail host: ActiveSync, calendars, quarantine links.",
    source="https://doc.traefik.io/traefik/routing/routers/",
    remedy="route the name, or take its record out",
)
def _routed(stack: Stack) -> Iterator[Finding]:
    if not routes_known(stack):
        return
    hosts = routed_hosts(stack)
    mail_host = stack.names.mail_host
    for record in stack.zone.records:
        if record.type not in ("A", "AAAA", "CNAME"):
            continue
        own = stack.zone.addresses(record.name) or record.target == mail_host
        if own and record.name not in hosts and not record.name.startswith("_"):
            kind = "the mail host" if record.name == mail_host else "published as a web host"
            message = f"{record.name} is {kind} and not routed by Traefik"
            key = key_of(stack, record.name)
            yield Finding(message, key, record.resource, record.name, absent=True)


@rule(
    "hosts-declared",
    Severity.MEDIUM,
    protects="The web hosts that were declared are published and routed.",
    reason="People are told these names; one that is missing is a set-up guide that does not work.",
    source="https://docs.mailcow.email/manual-guides/u_e-autodiscover_config/",
    remedy="publish and route the host, or take it out of the declaration",
)
def _declared(stack: Stack) -> Iterator[Finding]:
    hosts = routed_hosts(stack)
    for name in stack.names.web_hosts:
        if not stack.zone.has_address(name) and name not in hosts and routes_known(stack):
            message = f"{name} is declared, and neither published nor routed"
            yield Finding(message, key_of(stack, name), seen=name, absent=True)


@rule(
    "certificate-covers",
    Severity.CRITICAL,
    protects="The certificate covers the mail host and every routed host.",
    reason="A mail program or browser refuses a certificate that does not name the host.",
    source="RFC 9525 section 6; RFC 8314 section 3",
    remedy="name the host in the router's tls.domains",
)
def _certificate(stack: Stack) -> Iterator[Finding]:
    resource = routes_resource(stack)
    existing = stack.names.existing_certificate
    for router in stack.routes.routers:
        if existing and router.resolver:
            message = f"the router {router.name} asks for a certificate, and one exists"
            yield Finding(message, "mail:certificate.existing", resource, router.name)
        elif not router.resolver and not existing:
            message = f"the router {router.name} asks no resolver for a certificate"
            yield Finding(message, "mail:traefik.certificateResolver", resource, router.name)
        for host in dict.fromkeys((stack.names.mail_host, *router.rule.hosts)):
            if not any(covers(name, host) for name in existing or router.names):
                message = f"the certificate of the router {router.name} does not cover {host}"
                yield Finding(message, key_of(stack, host), resource, host)


@rule(
    "certificate-delivered",
    Severity.CRITICAL,
    protects="Postfix and Dovecot are given the certificate of the mail host, before they start.",
    reason="Otherwise people's mail programs meet Mailcow's self-signed certificate.",
    source="RFC 8314 section 3; https://docs.mailcow.email/post_installation/firststeps-ssl/",
    remedy="deliver the certificate of the mail host, and let the stack wait for it",
)
def _delivered(stack: Stack) -> Iterator[Finding]:
    host = stack.names.mail_host
    found = [(one, text) for one, text in stack.commands() if "certificate_delivery.py" in text]
    if not found:
        message = "nothing delivers the certificate to the mail services"
        yield Finding(message, "mail:certificate", absent=True)
    started = stack.starts()
    for one, text in found:
        named = re.search(r"--host[ =](\S+)", text)
        if named is None or named[1] != host:
            message = f"the certificate of {named[1] if named else 'nobody'} is delivered"
            yield Finding(message, "mail:zone.mxLabel", one, named[1] if named else "")
            continue
        for start in started:
            if not stack.waits_for(start, one):
                message = "the stack does not wait for its certificate"
                yield Finding(message, "mail:certificate", start)


@rule(
    "services-match-ports",
    Severity.MEDIUM,
    protects="The service records offer what is open, and nothing that is closed.",
    reason="Mail programs believe these records: a wrong one is a set-up that hangs.",
    source="RFC 6186 section 3.4; RFC 8314 section 5.1",
    remedy="offer the service on its open port, or say with a target of . that it is not offered",
)
def _services(stack: Stack) -> Iterator[Finding]:
    mailcow = stack.declaration.mailcow
    for service, port in _SERVICES.items():
        name = f"_{service}._tcp.{stack.declaration.domain}"
        for record in stack.zone.at(name, "SRV"):
            opened = port in mailcow.raw_ports
            if record.offered and not opened:
                message = f"{name} is offered, but port {port} is closed"
                yield Finding(message, "mail:mailcow.rawPorts", record.resource, str(record.port))
            elif not record.offered and opened:
                message = f"{name} says that it is not offered, but port {port} is open"
                yield Finding(message, "mail:mailcow.rawPorts", record.resource, str(record.port))
            elif record.offered and record.port != port:
                message = f"{name} names port {record.port}; the service stands on {port}"
                yield Finding(message, "mail:zone.srv", record.resource, str(record.port))
            elif record.offered and record.target != stack.names.mail_host:
                message = f"{name} leads to {record.target}, where the service is not"
                yield Finding(message, "mail:zone.srv", record.resource, record.target)
        if (
            port in mailcow.raw_ports
            and stack.declaration.zone.srv
            and not stack.zone.at(name, "SRV")
        ):
            message = f"{name} is not published, though port {port} is open"
            yield Finding(message, "mail:zone.srv", seen=name, absent=True)


@rule(
    "setup-over-https",
    Severity.MEDIUM,
    protects="Autodiscover, calendars and address books point at port 443 of a routed host.",
    reason="Mail programs take the host and port from these records and from nowhere else.",
    source="RFC 6764 section 3; https://learn.microsoft.com/en-us/exchange/architecture/"
    "client-access/autodiscover",
    remedy="point the record at port 443 of the host that Traefik routes",
)
def _setup(stack: Stack) -> Iterator[Finding]:
    hosts = (*stack.names.web_hosts, stack.names.mail_host)
    for service in ("autodiscover", "caldavs", "carddavs"):
        name = f"_{service}._tcp.{stack.declaration.domain}"
        for record in stack.zone.at(name, "SRV"):
            if record.offered and record.port != 443:
                message = f"{name} names port {record.port}; web hosts answer on 443"
                yield Finding(message, "mail:zone.srv", record.resource, str(record.port))
            elif service == "autodiscover" and record.target == stack.names.mail_host:
                message = f"{name} points at the mail host, which has no answer to it"
                yield Finding(message, "mail:zone.srv", record.resource, record.target)
            elif record.offered and record.target not in hosts:
                if inside(stack, record.target) and not stack.zone.has_address(record.target):
                    continue  # for `names-not-dangling` to judge
                message = f"{name} points at {record.target}, which is no web host of ours"
                yield Finding(message, "mail:zone.srv", record.resource, record.target)


@rule(
    "names-not-dangling",
    Severity.HIGH,
    protects="Every name that a record points at inside the zone is there.",
    reason="A record that points at nothing fails late, and a forgotten name can be taken over.",
    source="RFC 2782; RFC 1912 section 2.4",
    remedy="publish the name, or take out the record that points at it",
)
def _dangling(stack: Stack) -> Iterator[Finding]:
    for record in stack.zone.records:
        target = record.target
        # MX records, the mail host and routed hosts without an address have rules of their own.
        elsewhere = target == stack.names.mail_host or target in routed_hosts(stack)
        if not target or not inside(stack, target) or record.type == "MX" or elsewhere:
            continue
        if not stack.zone.has_address(target):
            message = f"{record.name} {record.type} points at {target}, which has no address"
            key = key_of(stack, target)
            yield Finding(message, key, record.resource, target, absent=True)
        elif record.type == "SRV" and stack.zone.at(target, "CNAME"):
            message = f"{record.name} points at {target}, an alias; RFC 2782 forbids it"
            yield Finding(message, "mail:zone.srv", record.resource, target)


@rule(
    "addresses-declared",
    Severity.CRITICAL,
    protects="Every address record names the declared host.",
    reason="A record with another address sends mail and passwords to another machine.",
    source="RFC 5321 section 5.1",
    remedy="declare the address in host.address or ipv6.address; it is the only place",
)
def _addresses(stack: Stack) -> Iterator[Finding]:
    declaration = stack.declaration
    wanted = {"A": {declaration.host.address}}
    wanted["AAAA"] = {declaration.ipv6.address} if declaration.ipv6 else set()
    for record in stack.zone.records:
        # An AAAA without declared IPv6 is for `ipv6-all-or-none` to judge.
        if (
            record.type in wanted
            and wanted[record.type]
            and _short(record.value) not in wanted[record.type]
        ):
            message = f"{record.name} has the address {record.value}"
            key = "mail:host.address" if record.type == "A" else "mail:ipv6.address"
            yield Finding(message, key, record.resource, record.value)


def _short(address: str) -> str:
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address


@rule(
    "mta-sts-lists-mx",
    Severity.CRITICAL,
    protects="The MTA-STS policy lists exactly the MX, and the zone announces it.",
    reason="Under enforce, senders deliver to no host that the policy does not list.",
    source="RFC 8461 sections 3.2 and 4.1",
    remedy="render the policy from the MX, and announce it at _mta-sts",
)
def _mta_sts(stack: Stack) -> Iterator[Finding]:
    domain, key = stack.declaration.domain, "mail:zone.mtaSts"
    announced = [
        record for record in stack.zone.at(f"_mta-sts.{domain}", "TXT") if is_sts(record.value)
    ]
    file = stack.mailcow_file("data/conf/nginx/mta-sts.txt")
    if not announced:
        if file is not None:
            message = "there is an MTA-STS policy, and the zone does not announce it"
            yield Finding(message, key, file.resource, absent=True)
        return
    if file is None:
        message = "the zone announces an MTA-STS policy that nobody serves"
        yield Finding(message, key, announced[0].resource, announced[0].value, absent=True)
        return
    if file.text is None:
        return
    served = mta_sts_policy(file.text)
    for mistake in served.mistakes:
        yield Finding(f"the MTA-STS policy is none: {mistake}", key, file.resource)
    if served.mode == "none":
        message = "the MTA-STS policy is announced and asks for nothing (mode none)"
        yield Finding(message, key, file.resource)
    published = {record.target for record in stack.zone.at(domain, "MX")}
    if {*served.mx} != published:
        message = f"the MTA-STS policy lists {', '.join(served.mx) or 'nobody'}"
        message += f", the MX is {', '.join(sorted(published)) or 'nobody'}"
        yield Finding(message, key, file.resource, ", ".join(served.mx))


@rule(
    "mta-sts-id",
    Severity.HIGH,
    protects="The MTA-STS record can be read: one record with an id of letters and digits.",
    reason="Senders fetch the policy again only when the id changes; a broken record is none.",
    source="RFC 8461 section 3.1",
    remedy="publish one record with an id of 1 to 32 letters and digits",
)
def _mta_sts_id(stack: Stack) -> Iterator[Finding]:
    records = stack.zone.at(f"_mta-sts.{stack.declaration.domain}", "TXT")
    read = announcement([record.value for record in records])
    for mistake in read.mistakes if read else ():
        message = f"the MTA-STS record cannot be read: {mistake}"
        yield Finding(message, "mail:zone.mtaSts", records[-1].resource, records[-1].value)
        break


@rule(
    "tls-reports-arrive",
    Severity.MEDIUM,
    protects="Reports on TLS failures reach a mailbox.",
    reason="They are the only sign that senders cannot deliver over TLS.",
    source="RFC 8460 section 3",
    remedy="name an address that reaches a mailbox",
)
def _tls_reports(stack: Stack) -> Iterator[Finding]:
    domain, key = stack.declaration.domain, "mail:zone.tlsRpt"
    records = stack.zone.at(f"_smtp._tls.{domain}", "TXT")
    read = reporting([record.value for record in records])
    if read is None:
        return
    for mistake in read.mistakes:
        message = f"nobody sends TLS reports: {mistake}"
        yield Finding(message, key, records[0].resource, records[0].value)
    for address in read.addresses:
        if address.endswith(f"@{domain}") and not stack.reaches_mailbox(address):
            message = f"TLS reports go to {address}, which reaches no mailbox"
            yield Finding(message, key, records[0].resource, address, absent=True)


@rule(
    "tlsa-matches",
    Severity.CRITICAL,
    protects="Every TLSA record stands at a port of the mail host and names a declared key.",
    reason="A TLSA record that does not match makes senders refuse to deliver.",
    source="RFC 7672 section 3.1",
    remedy="publish 3 1 1 with the digests in zone.tlsa, at _25._tcp of the mail host",
)
def _tlsa(stack: Stack) -> Iterator[Finding]:
    host, key = stack.names.mail_host, "mail:zone.tlsa"
    places = {f"_{port}._tcp.{host}" for port in (25, *stack.declaration.mailcow.raw_ports)}
    published = set()
    for record in (record for record in stack.zone.records if record.type == "TLSA"):
        fault = None
        try:
            read = parse_tlsa(record.value)
        except MistakeError as error:
            fault = f"cannot be read: {error}"
        else:
            if record.name not in places:
                fault = f"stands at {record.name}, where no service of the mail host is"
            elif (read.usage, read.selector, read.matching) != (3, 1, 1):
                fault = "is not 3 1 1, the digest of the host's public key"
            elif read.data not in stack.declaration.zone.tlsa:
                fault = "names a key that was not declared"
            elif record.name == f"_25._tcp.{host}":
                published.add(read.data)
        if fault:
            yield Finding(f"a TLSA record {fault}", key, record.resource, record.value)
    for digest in sorted({*stack.declaration.zone.tlsa} - published):
        message = f"the declared TLSA digest {digest[:16]} is not published"
        yield Finding(message, key, seen=f"_25._tcp.{host}", absent=True)


@rule(
    "caa-allows-issuer",
    Severity.CRITICAL,
    protects="Whoever issues the certificate may do so, in the way in which it is asked for.",
    reason="A CAA record that does not name the authority stops every renewal.",
    source="RFC 8659 section 4; RFC 8657 section 4",
    remedy="add letsencrypt.org to zone.caa",
)
def _caa(stack: Stack) -> Iterator[Finding]:
    blamed = set()
    for host in (stack.names.mail_host, *stack.names.web_hosts):
        records = climb(host, lambda name: stack.zone.at(name, "CAA"))
        mistake = refusal([record.value for record in records], ISSUER, METHODS)
        if mistake and records[0].name not in blamed:
            blamed.add(records[0].name)
            message = f"CAA at {records[0].name} shuts out {ISSUER}, which issues the certificate"
            message += f" of {host}: {mistake}"
            yield Finding(message, "mail:zone.caa", records[0].resource, records[0].value)


@rule(
    "zone-quota",
    Severity.HIGH,
    protects="The zone stays within what its plan allows.",
    reason="The record beyond the quota is refused in the middle of a deployment.",
    source="https://developers.cloudflare.com/dns/manage-dns-records/",
    remedy="drop an option, or declare a larger plan in zone.recordQuota",
)
def _quota(stack: Stack) -> Iterator[Finding]:
    count, quota = len(stack.zone.records), stack.declaration.zone.record_quota
    if count > quota:
        message = f"{count} records, and the plan allows {quota}"
        yield Finding(message, "mail:zone.recordQuota", seen=str(count))


@rule(
    "records-canonical",
    Severity.MEDIUM,
    protects="Records are written as Cloudflare keeps them, so that they do not drift.",
    reason="Short names, capitals, trailing dots and long strings come back changed, for ever.",
    source="https://developers.cloudflare.com/dns/manage-dns-records/reference/"
    "dns-record-types/; RFC 1035 section 3.3",
    remedy="write full names in lower case, and TXT as quoted strings of at most 255 bytes",
)
def _canonical(stack: Stack) -> Iterator[Finding]:
    for record in stack.zone.records:
        name = stack.text(record.resource, "name")
        fault = None
        if name != record.name or not inside(stack, record.name):
            fault = "is not a full name of the zone in lower case without a trailing dot"
        elif record.type == "TXT" and not record.strings:
            fault = "has a text without quotes"
        elif any(len(string.encode()) > 255 for string in record.strings):
            fault = "has a string of more than 255 bytes"
        elif record.type == "SRV" and not record.value and not stack.met:
            fault = "names no host, and no . for a service that is not offered"
        elif (
            record.type in ("MX", "CNAME")
            and stack.text(record.resource, "content") != record.target
            and (not _is_address(record.target))
        ):
            fault = "has a target that is not in lower case without a trailing dot"
        if fault:
            yield Finding(f"{name} {record.type} {fault}", "mail:zone", record.resource, name)


@rule(
    "cname-alone",
    Severity.HIGH,
    protects="An alias stands alone at its name.",
    reason="A CNAME beside other records is refused by servers, or hides them.",
    source="RFC 1034 section 3.6.2",
    remedy="take out the alias, or what stands beside it",
)
def _alone(stack: Stack) -> Iterator[Finding]:
    for record in stack.zone.records:
        if record.type == "CNAME":
            others = [
                other
                for other in stack.zone.records
                if other.name == record.name and other is not record
            ]
            if others:
                message = f"{record.name} is an alias and has {others[0].type} beside it"
                yield Finding(message, key_of(stack, record.name), record.resource, record.value)


@rule(
    "records-unique",
    Severity.MEDIUM,
    protects="No record stands twice.",
    reason="Cloudflare refuses the second one in the middle of a deployment.",
    source="https://developers.cloudflare.com/dns/manage-dns-records/",
    remedy="take one of the two out",
)
def _unique(stack: Stack) -> Iterator[Finding]:
    seen: set[tuple[object, ...]] = set()
    for record in stack.zone.records:
        place = (record.name, record.type, record.value, record.port, record.weight)
        # Records of which one must stand alone have rules of their own.
        alone = record.type == "TXT" and record.value.lower().startswith(
            ("v=spf1", "v=dmarc", "v=sts")
        )
        if place in seen and not alone:
            message = f"{record.name} {record.type} stands twice"
            yield Finding(message, key_of(stack, record.name), record.resource, record.value)
        seen.add(place)
