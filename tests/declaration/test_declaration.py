"""The declaration: every mistake is one clear line at the key that a person must change."""

import base64
import json
import re
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import pulumi
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from components.configuration import from_config
from declaration.checks import CHECKS
from declaration.mistakes import DeclarationError, looks_secret, quoted
from declaration.model import Declaration
from declaration.reading import load_values, read, read_file, secret_keys
from tests.conftest import FACTS, PROJECT
from tests.recording import Recording, json_config, record

Values: TypeAlias = dict[str, Any]
TODAY = date(2026, 11, 23)
RESEND_KEY = "re_Ab12Cd34_Ef56Gh78Jk90Mn12Pq34St56"


def put(path: str, value: object) -> Callable[[Values], None]:
    """Return a change that puts a value at a path such as `aliases.0.to`."""

    def change(values: Values) -> None:
        *steps, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        here: Any = values
        for step in steps:
            here = here.setdefault(step, {}) if isinstance(here, dict) else here[step]
        here[last] = value

    return change


def drop(path: str) -> Callable[[Values], None]:
    """Return a change that takes a key away."""

    def change(values: Values) -> None:
        *steps, last = path.split(".")
        here: Any = values
        for step in steps:
            here = here[step]
        del here[last]

    return change


def both(*changes: Callable[[Values], None]) -> Callable[[Values], None]:
    """Return several changes as one."""

    def change(values: Values) -> None:
        for item in changes:
            item(values)

    return change


def rsa_record(bits: int) -> str:
    key = rsa.generate_private_key(65537, bits).public_key()
    return der_record(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def der_record(der: bytes) -> str:
    return "p=" + base64.b64encode(der).decode()


EC_RECORD = der_record(
    ec.generate_private_key(ec.SECP256R1())
    .public_key()
    .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
)
QUARANTINE = {"stage": "quarantine", "reportsSince": "2026-09-01", "since": "2026-10-15"}
ENDPOINTS = {
    "cloudflareApi": "http://127.0.0.1:8080/client/v4",
    "ssh": {"address": "127.0.0.1", "port": 2222},
    "web": "127.0.0.1:8443",
    "docker": "tcp://127.0.0.1:2375",
    "storage": "127.0.0.1:9000",
    "repository": {"url": "http://127.0.0.1:8418/mailcow", "commit": "0" * 40},
}

MISTAKES: list[tuple[str, Callable[[Values], None], str, str]] = [
    # (what is wrong, how, the key at which it is told, words of the message)
    ("no company", drop("company"), "company", "is missing"),
    ("empty company", put("company", "x" * 101), "company", "at most 100 characters"),
    ("domain in capitals", put("domain", "Example.COM"), "domain", "lower case"),
    ("domain with a dot", put("domain", "example.com."), "domain", "without it"),
    ("unknown key", put("mailboxen", []), "mailboxen", "did you mean mailboxes?"),
    ("unknown inner key", put("web.webmial", "x"), "web.webmial", "did you mean webmail?"),
    ("snake case", put("host.memory_mb", 1), "host.memory_mb", "did you mean memoryMib?"),
    ("a list for an object", put("host", [1]), "host", "is not a set of keys"),
    ("text for a list", put("mailboxes", "info"), "mailboxes", "is not a list"),
    ("text for a number", put("zone.ttl", "often"), "zone.ttl", "is not a whole number"),
    ("a fraction", put("host.cpus", 1.5), "host.cpus", "is not a whole number"),
    ("text for a switch", put("zone.srv", "maybe"), "zone.srv", "neither true nor false"),
    ("too low", put("zone.ttl", 1), "zone.ttl", "at least 60"),
    ("too high", put("zone.mxPreference", 70000), "zone.mxPreference", "at most 65535"),
    ("no date", put("dmarc.since", "soon"), "dmarc.since", "is not a date such as"),
    ("unknown stage", put("dmarc.stage", "quarantin"), "dmarc.stage", "mean quarantine?"),
    (
        "unknown tier",
        put("mailcow.tiers.big", {"memoryMib": 1, "cpus": 1}),
        "mailcow.tiers.big",
        "is none of search, database",
    ),
    ("no address", put("host.address", "31.97.159"), "host.address", "is not an IPv4 address"),
    ("private address", put("host.address", "192.168.1.2"), "host.address", "not a public"),
    ("loopback address", put("host.address", "127.0.0.1"), "host.address", "not a public"),
    ("documentation address", put("host.address", "203.0.113.9"), "host.address", "not a public"),
    ("shared address", put("host.address", "100.64.0.1"), "host.address", "not a public"),
    (
        "IPv6 for books",
        put("ipv6", {"address": "2001:db8::1", "reverseIsSet": True}),
        "ipv6.address",
        "not a public",
    ),
    ("an umlaut", put("domain", "b\u00fccher.example"), "domain", "xn--bcher-kva.example"),
    ("an umlaut in a label", put("web.webmail", "p\u00f6st"), "web.webmail", "xn--pst-sna"),
    ("an option for a user", put("host.ssh.user", "-oProxyCommand=x"), "host.ssh.user", "no name"),
    ("a blank in a user", put("backup.user", "po mail"), "backup.user", "no name of an account"),
    ("a line in the company", put("company", "a\nb"), "company", "control character"),
    (
        "a name with an address",
        put("mailboxes.0.fullName", "Anna <a@b.pt>"),
        "mailboxes[0].fullName",
        "< or >",
    ),
    (
        "a name that is cut",
        put("mailboxes.0.fullName", "\u65e5" * 90),
        "mailboxes[0].fullName",
        "255 bytes",
    ),
    (
        "backup on the host",
        put("backup.server", "31.97.159.7:9000"),
        "backup.server",
        "host itself",
    ),
    (
        "backup on the mail host",
        put("backup.server", "mx.portugalodyssey.pt:9000"),
        "backup.server",
        "host itself",
    ),
    (
        "backup on the host for too long",
        both(
            put("backup.server", "31.97.159.7:9000"),
            put("backup.onTheHost", {"reason": "no other server yet", "until": "2026-11-01"}),
        ),
        "backup.onTheHost.until",
        "is over",
    ),
    (
        "release over the system",
        put("mailcow.directory", "/etc/mailcow"),
        "mailcow.directory",
        "system",
    ),
    ("release as the root", put("mailcow.directory", "/"), "mailcow.directory", "right form"),
    (
        "release over the secrets",
        put("mailcow.directory", "/opt/po-mail"),
        "mailcow.directory",
        "hold each other",
    ),
    (
        "release in the secrets",
        put("mailcow.directory", "/opt/po-mail/secrets/m"),
        "mailcow.directory",
        "secrets lie",
    ),
    (
        "release in Traefik's",
        put("mailcow.directory", "/opt/po-shared/traefik/m"),
        "mailcow.directory",
        "Traefik's",
    ),
    (
        "IMAP in clear",
        put("mailcow.rawPorts", [25, 465, 587, 993, 143]),
        "mailcow.rawPorts[4]",
        "mailcow.clearPorts",
    ),
    (
        "nobody on the website",
        put(
            "mailboxes",
            [
                {"name": "postmaster", "fullName": "P", "quotaMib": 9},
                {"name": "abuse", "fullName": "A", "quotaMib": 9},
            ],
        ),
        "mailboxes",
        "publishesAddresses: false",
    ),
    (
        "somebody on no website",
        put("publishesAddresses", value=False),
        "publishesAddresses",
        "is published",
    ),
    (
        "one of two reports to nobody",
        put("dmarc.rua", "postmaster+a,nobody"),
        "dmarc.rua[1]",
        "neither",
    ),
    ("outside the EU", put("host.country", "CH"), "host.country", "is not in the EU"),
    ("bad label", put("web.admin", "mail_admin"), "web.admin", "is not a host label"),
    ("same label twice", put("web.webmail", "mail-admin"), "web.webmail", "is mail:web.admin"),
    ("web host on the mail host", put("web.admin", "mx"), "web.admin", "mail:zone.mxLabel"),
    ("web host on the envelope", put("web.webmail", "send"), "web.webmail", "envelopeLabel"),
    (
        "envelope on the mail host",
        put("smarthost.envelopeLabel", "mx"),
        "smarthost.envelopeLabel",
        "mail:zone.mxLabel",
    ),
    ("web host called autoconfig", put("web.webmail", "autoconfig"), "web.webmail", "itself"),
    ("domain outside the zone", put("zone.name", "example.org"), "zone.name", "does not lie in"),
    ("open SPF", put("zone.apexSpf", "v=spf1 mx +all"), "zone.apexSpf", "anyone may send"),
    ("neutral SPF", put("zone.apexSpf", "v=spf1 mx ?all"), "zone.apexSpf", "anyone may send"),
    *(
        (f"SPF {text}", put("zone.apexSpf", f"v=spf1 mx {text} -all"), "zone.apexSpf", "term 2")
        for text in ("ip4:203.0.113.300", "ip4:203.0.113.0/33", "ip4:2001:db8::1", "a:b.pt:587")
    ),
    ("no SPF", put("zone.apexSpf", "mx -all"), "zone.apexSpf", "begin with v=spf1"),
    (
        "greedy SPF",
        put("zone.apexSpf", "v=spf1 " + "include:a.example " * 11 + "-all"),
        "zone.apexSpf",
        "11 look-ups",
    ),
    ("no digest", put("zone.tlsa", ["abc"]), "zone.tlsa[0]", "does not have the right form"),
    ("CAA shuts us out", put("zone.caa", ["example.org"]), "zone.caa", "letsencrypt.org"),
    ("CAA twice", put("zone.caa", ["letsencrypt.org"] * 2), "zone.caa[1]", "stands twice"),
    ("too many records", put("zone.recordQuota", 5), "zone.recordQuota", "the zone's plan"),
    ("reports to nobody", put("dmarc.rua", "reports"), "dmarc.rua", "neither a mailbox nor an"),
    ("reports nearly", put("dmarc.rua", "postmastre"), "dmarc.rua", "did you mean postmaster?"),
    (
        "reports outside",
        put("dmarc.rua", "a@example.org"),
        "dmarc.rua",
        "portugalodyssey.pt._report._dmarc.example.org",
    ),
    ("no address for reports", put("dmarc.rua", "a@b@c"), "dmarc.rua", "is not an address"),
    ("stage of tomorrow", put("dmarc.since", "2026-11-24"), "dmarc.since", "in the future"),
    (
        "first day after the stage",
        put("dmarc.firstPublished", "2026-11-20"),
        "dmarc.firstPublished",
        "later than",
    ),
    (
        "quarantine too early",
        put("dmarc", QUARANTINE | {"since": "2026-09-30"}),
        "dmarc.since",
        "2026-10-01 at the earliest",
    ),
    (
        "reject too early",
        put("dmarc", QUARANTINE | {"stage": "reject", "rejectAcknowledged": True}),
        "dmarc.since",
        "2026-10-31 at the earliest",
    ),
    (
        "reject without a word",
        put("dmarc", QUARANTINE | {"stage": "reject", "since": "2026-11-01"}),
        "dmarc.stage",
        "rejectAcknowledged: true",
    ),
    (
        "quarantine without a clock",
        put(
            "dmarc", {"stage": "quarantine", "firstPublished": "2026-05-12", "since": "2026-10-01"}
        ),
        "dmarc.reportsSince",
        "the first day that had rua",
    ),
    (
        "reports of tomorrow",
        put("dmarc.reportsSince", "2026-11-24"),
        "dmarc.reportsSince",
        "in the future",
    ),
    (
        "reports before any record",
        put("dmarc.reportsSince", "2026-05-11"),
        "dmarc.reportsSince",
        "earlier than dmarc.firstPublished",
    ),
    (
        "unknown smarthost",
        put("smarthost.provider", "resent"),
        "smarthost.provider",
        "did you mean resend?",
    ),
    (
        "smarthost overseas",
        put("smarthost.region", "us-east-1"),
        "smarthost.region",
        "lies in US, outside the EU; use eu-west-1",
    ),
    ("unknown region", put("smarthost.region", "eu-west-9"), "smarthost.region", "no region of"),
    (
        "sender twice",
        put("transactionalSenders", [{"name": "shop", "domain": "a.example"}] * 2),
        "transactionalSenders[1].name",
        "stands twice",
    ),
    (
        "tag that is no release",
        put("mailcow.release.tag", "master"),
        "mailcow.release.tag",
        "does not have the right form",
    ),
    (
        "the way back leads forward",
        put("mailcow.release.backFrom", "2026-06"),
        "mailcow.release.backFrom",
        "is not newer than 2026-07a",
    ),
    ("short commit", put("mailcow.release.commit", "489db90"), "mailcow.release.commit", "form"),
    ("no service", put("mailcow.services", {}), "mailcow.services", "names no service"),
    (
        "no Mailcow service",
        put("mailcow.services.nginx", "web"),
        "mailcow.services",
        "is not a Mailcow service",
    ),
    (
        "undeclared tier",
        drop("mailcow.tiers.search"),
        "mailcow.services.sogo-mailcow",
        "search is not declared",
    ),
    (
        "Rspamd is killed by its spikes",
        put("mailcow.services.rspamd-mailcow", "mail"),
        "mailcow.services.rspamd-mailcow",
        "needs 768 MiB, the tier mail has 384",
    ),
    (
        "ClamAV without room for its tables",
        put("mailcow.skipClamd", value=False),
        "mailcow.services.clamd-mailcow",
        "needs 3072 MiB, the tier helper has 96",
    ),
    (
        "tiers too large",
        put("mailcow.tiers.search.memoryMib", 4096),
        "mailcow.tiers",
        "more than the 8192 MiB of the host",
    ),
    (
        "tier with too many processors",
        put("mailcow.tiers.mail.cpus", 8),
        "mailcow.tiers.mail.cpus",
        "more than the 4 of the host",
    ),
    ("no submission", put("mailcow.rawPorts", [25, 993]), "mailcow.rawPorts", "465 (SMTPS), 587"),
    (
        "port twice",
        put("mailcow.rawPorts", [25, 465, 587, 993, 25]),
        "mailcow.rawPorts[4]",
        "stands twice",
    ),
    (
        "no mail port",
        put("mailcow.rawPorts", [25, 465, 587, 993, 22]),
        "mailcow.rawPorts",
        "Mailcow publishes none of [22]",
    ),
    ("reserved port", put("mailcow.httpPort", 8081), "mailcow.httpPort", "is used by nginx itself"),
    ("the other reserved port", put("mailcow.httpsPort", 65510), "mailcow.httpsPort", "nginx"),
    ("same port twice", put("mailcow.httpsPort", 9080), "mailcow.httpsPort", "httpPort; take"),
    (
        "port of the exporter",
        put("monitoring.exporterPort", 9443),
        "monitoring.exporterPort",
        "belongs to mail:mailcow.httpsPort",
    ),
    (
        "port of MariaDB",
        put("monitoring.exporterPort", 13306),
        "monitoring.exporterPort",
        "Mailcow's MariaDB",
    ),
    ("neighbour's project", put("mailcow.project", "po-prod"), "mailcow.project", "neighbour"),
    ("no network", put("mailcow.ipv4Network", "172.22.300"), "mailcow.ipv4Network", "beginning"),
    ("public network", put("mailcow.ipv4Network", "8.8.8"), "mailcow.ipv4Network", "private"),
    (
        "no time zone",
        put("mailcow.timeZone", "Europe/Lisboa"),
        "mailcow.timeZone",
        "did you mean Europe/Lisbon?",
    ),
    (
        "roundabout path",
        put("mailcow.directory", "/opt/po-mail/../x"),
        "mailcow.directory",
        "write it straight",
    ),
    (
        "backend outside its network",
        put("traefik.backendAddress", "172.21.0.1"),
        "traefik.backendAddress",
        "does not lie in 172.20.0.0/16",
    ),
    (
        "public resolver",
        put("monitoring.dnsblResolver", "1.1.1.1"),
        "monitoring.dnsblResolver",
        "refuse public resolvers",
    ),
    (
        "image without release",
        put("monitoring.exporterImage", "ghcr.io/a/b:latest"),
        "monitoring.exporterImage",
        "names no release",
    ),
    ("no mailbox", put("mailboxes", []), "mailboxes", "is missing"),
    ("mailbox twice", put("mailboxes.1.name", "support"), "mailboxes[2].name", "is a mailbox"),
    ("alias over a mailbox", put("aliases.4.name", "info"), "aliases[4].name", "is a mailbox"),
    ("address as name", put("mailboxes.1.name", "info@x.pt"), "mailboxes[1].name", "local part"),
    (
        "password in the clear",
        put("mailboxes.1.password", "hunter2"),
        "mailboxes[1].password",
        "config set --secret mail:password.",
    ),
    ("quotas beyond the disk", put("mailboxes.1.quotaMib", 999_999), "mailboxes", "the quotas"),
    ("alias to nobody", put("aliases.4.to", ["inof"]), "aliases[4].to[0]", "did you mean info?"),
    ("alias to nothing", put("aliases.4.to", []), "aliases[4].to", "at least 1 entries"),
    (
        "alias outside in silence",
        put("aliases.4.to", ["a@example.org"]),
        "aliases[4].to[0]",
        "outside: true",
    ),
    (
        "alias outside that strangers do not reach",
        put("aliases.4", {"name": "hello", "to": ["a@example.org"], "outside": True}),
        "aliases[4].to[0]",
        "the smarthost takes mail of portugalodyssey.pt alone, so the stranger gets his mail back",
    ),
    (
        "own people alone for nothing",
        put("aliases.4.ownPeopleAlone", value=True),
        "aliases[4].ownPeopleAlone",
        "say false",
    ),
    (
        "outside for nothing",
        put("aliases.4.outside", value=True),
        "aliases[4].outside",
        "say false",
    ),
    ("target twice", put("aliases.4.to", ["info", "info"]), "aliases[4].to[1]", "stands twice"),
    (
        "loop of two",
        both(put("aliases.4.to", ["reservations"]), put("aliases.5.to", ["hello"])),
        "aliases[4].to",
        "hello > reservations > hello",
    ),
    ("loop of one", put("aliases.4.to", ["hello"]), "aliases[4].to", "hello > hello"),
    ("no abuse", put("aliases.0.name", "abusive"), "aliases", "abuse is missing"),
    (
        "abuse goes away",
        put(
            "aliases.0",
            {"name": "abuse", "to": ["a@example.org"], "outside": True, "ownPeopleAlone": True},
        ),
        "aliases[0].to",
        "must end in a mailbox",
    ),
    ("few backups", put("backup.retention.weekly", 1), "backup.retention.weekly", "at least 4"),
    ("weekly backup", put("backup.schedule", "Mon *-*-* 03:00:00 UTC"), "backup.schedule", "once"),
    ("backup in local time", put("backup.schedule", "*-*-* 03:00:00"), "backup.schedule", "UTC"),
    ("backup in London", put("backup.region", "eu-west-2"), "backup.region", "lies in GB"),
    ("backup somewhere", put("backup.region", "minio"), "backup.region", "no region known"),
    ("no bucket name", put("backup.bucket", "a..b"), "backup.bucket", "no name for a bucket"),
    ("IPv6 without PTR", put("ipv6", {"address": "2a02::1"}), "ipv6.reverseIsSet", "PTR"),
    (
        "IPv6 at home",
        put("ipv6", {"address": "fe80::1", "reverseIsSet": True}),
        "ipv6.address",
        "not a public address",
    ),
    (
        "endpoint in the world",
        put("endpoints", ENDPOINTS | {"web": "31.97.159.7:443"}),
        "endpoints.web",
        "is not on loopback",
    ),
    (
        "half a rehearsal",
        put("endpoints", {"web": "127.0.0.1:443"}),
        "endpoints.storage",
        "or some would be the real ones",
    ),
    ("no host key", put("hostKey", "ssh-ed25519 AAAA"), "hostKey", "is not a public SSH key"),
    ("no DKIM key", put("dkimPublicKey", "p=AAAA"), "dkimPublicKey", "no public key"),
    ("DKIM without p", put("dkimPublicKey", "v=DKIM1; k=rsa"), "dkimPublicKey", "no key"),
    ("DKIM on a curve", put("dkimPublicKey", EC_RECORD), "dkimPublicKey", "not RSA"),
    ("no digest of the image", put("exporterDigest", "sha256:abc"), "exporterDigest", "form"),
    (
        "API for everybody",
        put("operatorAddresses", ["0.0.0.0/0"]),
        "operatorAddresses[0]",
        "/24 is the widest",
    ),
    ("API for IPv6 everybody", put("operatorAddresses", ["::/0"]), "operatorAddresses[0]", "/48"),
    (
        "no network for operators",
        put("operatorAddresses", ["home"]),
        "operatorAddresses[0]",
        "is not an address or a network",
    ),
    (
        "exception without end",
        put("exceptions", [{"rule": "a", "resource": "b", "reason": "because it is so"}]),
        "exceptions[0].until",
        "is missing",
    ),
    ("API key as company", put("company", RESEND_KEY), "company", "looks like a credential"),
    (
        "API key as password of nobody",
        put("smarthost.password", RESEND_KEY),
        "smarthost.password",
        "looks like a credential",
    ),
    (
        "private key as host key",
        put("hostKey", "-----BEGIN OPENSSH PRIVATE KEY-----"),
        "hostKey",
        "looks like a credential",
    ),
    (
        "secret in clear",
        put("smarthostPassword", RESEND_KEY),
        "smarthostPassword",
        "config set --secret mail:smarthostPassword",
    ),
]


def mistakes_in(values: Values) -> tuple[tuple[str, str], ...]:
    with pytest.raises(DeclarationError) as caught:
        read(values, source="Pulumi.qual.yaml", today=TODAY)
    return tuple((mistake.path, mistake.message) for mistake in caught.value.mistakes)


def test_the_real_declaration_has_no_mistake(qual_values: Values) -> None:
    declaration = read(qual_values, source="Pulumi.qual.yaml", today=TODAY)

    assert len(declaration.mailboxes) == 7
    assert len(declaration.aliases) == 6
    assert declaration.names.mail_host == "mx.portugalodyssey.pt"


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [pytest.param(*mistake[1:], id=mistake[0].replace(" ", "-")) for mistake in MISTAKES],
)
def test_a_mistake_is_told_in_one_line_at_its_key(
    qual_values: Values, change: Callable[[Values], None], path: str, words: str
) -> None:
    change(qual_values)

    found = dict(mistakes_in(qual_values))

    assert f"mail:{path}" in found
    message = found[f"mail:{path}"]
    assert words in message
    assert "\n" not in message
    assert not re.search(r"Input should|type=|pydantic|Value error", message)
    assert RESEND_KEY not in message


def test_there_are_mistakes_enough() -> None:
    assert len({mistake[0] for mistake in MISTAKES}) == len(MISTAKES) >= 40


def test_a_weak_dkim_key_is_refused(qual_values: Values) -> None:
    # A 512-bit RSA key, which today's libraries refuse to make.
    qual_values["dkimPublicKey"] = (
        "p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf9Cnzj4p4WGeKLs1Pt8Qu"
        "KUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQ=="
    )

    assert "512 bits" in dict(mistakes_in(qual_values))["mail:dkimPublicKey"]


def test_a_dkim_key_of_1024_bits_is_taken_as_the_account_shows_it(qual_values: Values) -> None:
    qual_values["dkimPublicKey"] = rsa_record(1024)

    assert read(qual_values, source="x", today=TODAY).dkim_public_key.startswith("p=")


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(qual_values: Values) -> None:
    chosen = ["text for a number", "reports to nobody", "few backups", "loop of one", "no abuse"]
    for name, change, _, _ in MISTAKES:
        if name in chosen:
            change(qual_values)

    with pytest.raises(DeclarationError) as caught:
        read(qual_values, source="Pulumi.qual.yaml", today=TODAY)

    assert [mistake.path for mistake in caught.value.mistakes] == [
        "mail:zone.ttl",
        "mail:dmarc.rua",
        "mail:aliases[4].to",
        "mail:aliases",
        "mail:backup.retention.weekly",
    ]
    lines = str(caught.value).splitlines()
    assert lines[0] == "Pulumi.qual.yaml: 5 mistakes, nothing was touched"
    column = len("  mail:backup.retention.weekly   ")
    assert all(line[column - 1] == " " and line[column] != " " for line in lines[1:])


def test_a_check_reads_only_the_parts_that_it_names(qual: Declaration) -> None:
    parts = {name: getattr(qual, name) for name in Declaration.model_fields}
    for check in CHECKS:
        view = Declaration.__new__(Declaration)
        view.__dict__.update({name: parts[name] for name in check.parts})
        assert list(check.function(view, TODAY)) == []


def test_missing_account_facts_are_commands_to_type() -> None:
    values = load_values(PROJECT / "Pulumi.qual.yaml")

    with pytest.raises(DeclarationError) as caught:
        read(values, source="Pulumi.qual.yaml", today=TODAY)

    text = str(caught.value)
    assert text.startswith("Pulumi.qual.yaml: 4 values not set, nothing was touched\n")
    assert 'pulumi config set mail:hostKey "ssh-ed25519 AAAA..."' in text
    assert "# ssh-keyscan -t ed25519 31.97.159.7" in text
    assert "pulumi config set --path 'mail:operatorAddresses[0]' 203.0.113.7" in text


def test_structures_may_arrive_as_the_runtime_hands_them_over(qual_values: Values) -> None:
    text = {key.removeprefix("mail:"): one for key, one in json_config(qual_values).items()}

    assert read(text, source="x", today=TODAY) == read(qual_values, source="x", today=TODAY)


def test_a_date_that_pulumi_rewrote_is_still_a_date(qual_values: Values) -> None:
    qual_values["dmarc"]["since"] = "2026-11-01 00:00:00 +0000 UTC"

    assert read(qual_values, source="x", today=TODAY).dmarc.since == date(2026, 11, 1)


def test_quarantine_and_reject_are_taken_when_their_time_has_come(qual_values: Values) -> None:
    qual_values["dmarc"] = QUARANTINE
    assert read(qual_values, source="x", today=TODAY).dmarc.stage == "quarantine"

    qual_values["dmarc"] = QUARANTINE | {
        "stage": "reject",
        "since": "2026-11-01",
        "rejectAcknowledged": True,
    }
    assert read(qual_values, source="x", today=TODAY).dmarc.stage == "reject"


def test_an_empty_ipv6_is_off(qual_values: Values) -> None:
    qual_values["ipv6"] = {}

    assert read(qual_values, source="x", today=TODAY).ipv6 is None


def test_a_whole_rehearsal_is_taken(qual_values: Values) -> None:
    qual_values["endpoints"] = ENDPOINTS

    assert read(qual_values, source="x", today=TODAY).endpoints.web == "127.0.0.1:8443"


def leaves(value: object, path: str = "") -> list[str]:
    """Return the path of every text in a structure, for `put`."""
    if isinstance(value, str):
        return [path.removeprefix(".")]
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(
        value, list) else ()  # fmt: skip
    return [leaf for key, inner in pairs for leaf in leaves(inner, f"{path}.{key}")]


def test_a_credential_is_refused_without_an_echo_wherever_it_is_pasted(
    qual_values: Values,
) -> None:
    places = leaves(qual_values)
    assert len(places) > 80

    for place in places:
        values = json.loads(json.dumps(qual_values))
        put(place, RESEND_KEY)(values)
        with pytest.raises(DeclarationError) as caught:
            read(values, source="x", today=TODAY)
        assert RESEND_KEY not in str(caught.value), place


@pytest.mark.parametrize("part", ["mailcow.services", "mailcow.tiers", "web"])
def test_a_credential_in_the_place_of_a_key_is_not_echoed(qual_values: Values, part: str) -> None:
    put(f"{part}.{RESEND_KEY}", "web")(qual_values)

    with pytest.raises(DeclarationError) as caught:
        read(qual_values, source="x", today=TODAY)

    assert RESEND_KEY not in str(caught.value)


def test_a_value_that_looks_like_a_credential_is_never_quoted() -> None:
    assert quoted(RESEND_KEY) == "what stands there"
    assert quoted("x" * 100) == f'"{"x" * 57}..."'


@pytest.mark.parametrize(
    "innocent",
    [
        "489db905122d20487e29c9a8438b311c403442ab",
        "sha256:" + "5e" * 32,
        "https://github.com/mailcow/mailcow-dockerized",
        "/opt/po-shared/grafana/dashboards",
        "v=spf1 include:amazonses.com ~all",
        "Portugal Odyssey",
    ],
)
def test_what_is_public_does_not_look_like_a_secret(innocent: str) -> None:
    assert not looks_secret(innocent)


# The file


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.x.yaml"
    file.write_text("config:\n  mail:company: A\n  mail:company: B\n")

    with pytest.raises(DeclarationError, match=r"line 3\s+mail:company stands twice"):
        load_values(file)


def test_norway_is_a_country_and_a_date_is_text(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.x.yaml"
    file.write_text("config:\n  mail:host: { country: NO, since: 2026-11-01, cpus: 4 }\n")

    assert load_values(file) == {"host": {"country": "NO", "since": "2026-11-01", "cpus": 4}}


@pytest.mark.parametrize("text", ["config: [", "- a", "config:\n  - a", ""])
def test_a_file_that_is_no_stack_is_refused_without_a_traceback(tmp_path: Path, text: str) -> None:
    file = tmp_path / "Pulumi.x.yaml"
    file.write_text(text)

    with pytest.raises(DeclarationError, match=r"^Pulumi.x.yaml: 1 mistake, nothing was touched"):
        read_file(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="No such file"):
        read_file(tmp_path / "Pulumi.nowhere.yaml")


def test_secrets_and_what_is_the_engines_are_left_out_of_the_values(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.x.yaml"
    file.write_text(
        "config:\n  pulumi:tags: {a: b}\n  mail:domain: a.pt\n"
        "  mail:smarthostPassword: {secure: v1:x}\n"
    )

    assert load_values(file) == {"domain": "a.pt"}


@pytest.mark.parametrize(
    ("key", "near"),
    [("mails:backup", "mail:backup"), ("mail.backup", "mail:backup"), ("aws:regoin", "")],
)
def test_a_key_under_a_wrong_namespace_is_refused(tmp_path: Path, key: str, near: str) -> None:
    file = tmp_path / "Pulumi.x.yaml"
    file.write_text(f"config:\n  mail:domain: a.pt\n  {key}: {{}}\n")

    with pytest.raises(DeclarationError) as caught:
        read_file(file)

    (mistake,) = (mistake for mistake in caught.value.mistakes if mistake.path == key)
    assert mistake.line == 3
    assert "keys of this program begin with mail:" in mistake.message
    assert near in mistake.message


HOSTILE = {
    "a list as a key": "config: {[1, 2]: 3}\n",
    "a long number": "config: {mail:host: " + "9" * 6000 + "}\n",
    "NUL": "config: {mail:domain: 'a\0b'}\n",
    "a tag of Python": "config: !!python/object/apply:os.system [id]\n",
    "aliases": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(
        f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n"
        for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "config: {}\n",
    "a circle": "config: &c\n  mail:domain: *c\n",
    "deep": "config: " + "[" * 400 + "]" * 400,
    "deeper": "config: " + "[" * 30 + "]" * 30,
    "large": "config: {}\n" + "#" * 300_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_one_line_at_once(tmp_path: Path, text: str) -> None:
    file = tmp_path / "Pulumi.x.yaml"
    file.write_text(text)
    began = time.process_time()

    with pytest.raises(DeclarationError) as caught:
        load_values(file)

    (mistake,) = caught.value.mistakes
    reasons = (
        "aliases written out", "leads back", "nested deeper", "larger than", "is no key", "digits",
        "allow", "constructor",
    )  # fmt: skip
    assert any(reason in mistake.message for reason in reasons)
    assert time.process_time() - began < 2


def test_a_file_in_another_encoding_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.x.yaml"
    file.write_bytes("config:\n  mail:company: Caf\u00e9\n".encode("latin-1"))

    with pytest.raises(DeclarationError, match=r"line 2 +is not UTF-8"):
        load_values(file)


def test_a_folder_in_the_place_of_the_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="Is a directory"):
        load_values(tmp_path)


def test_an_overlay_takes_the_place_of_what_the_file_says() -> None:
    declaration = read_file(PROJECT / "Pulumi.qual.yaml", FACTS | {"company": "Another"})

    assert declaration.company == "Another"


# The runtime


def sealed_values(declaration: Declaration) -> dict[str, str]:
    """Return an invented secret for each key that needs one."""
    return {
        f"mail:{key}": "-----BEGIN OPENSSH PRIVATE KEY-----\n" if key == "sshPrivateKey"
        else f"planted-{key}-secret"
        for key in secret_keys(declaration)
    }  # fmt: skip


def program() -> None:
    declaration, secrets = from_config()
    pulumi.export("domain", declaration.domain)
    pulumi.export("password", secrets.passwords["info"])


def run(values: Values, sealed: dict[str, str], also_sealed: tuple[str, ...] = ()) -> Recording:
    return record(program, json_config(values) | sealed, [*sealed, *also_sealed])


def test_the_runtime_gives_declaration_and_secrets(qual: Declaration, qual_values: Values) -> None:
    assert run(qual_values, sealed_values(qual)).error is None
    optional = {"mail:spamhausDqsKey": "planted5key"}
    assert run(qual_values, sealed_values(qual) | optional).error is None


def test_a_key_is_the_same_with_and_without_its_last_line_break(
    qual: Declaration, qual_values: Values
) -> None:
    sealed = sealed_values(qual)
    cut = sealed | {"mail:sshPrivateKey": sealed["mail:sshPrivateKey"].rstrip("\n")}
    keys: list[str] = []

    for sealing in (sealed, cut):
        record(
            lambda: from_config()[1].ssh_private_key.apply(keys.append),
            json_config(qual_values) | sealing,
            [*sealing],
        )

    assert len(keys) == 2
    assert keys[0] == keys[1]


def test_missing_secrets_are_one_message_of_commands(
    qual: Declaration, qual_values: Values
) -> None:
    recording = run(qual_values, {})

    assert isinstance(recording.error, pulumi.RunError)
    text = str(recording.error)
    assert text.startswith("Pulumi.qual.yaml: 13 values not set, nothing was touched")
    for key in secret_keys(qual):
        line = next(line for line in text.splitlines() if f"mail:{key}" in line)
        assert line.startswith(f"  pulumi config set --secret mail:{key}")
        assert "# " in line
    assert "--secret mail:sshPrivateKey < key-file" in text
    assert recording.resources == []


def test_mistakes_and_missing_secrets_are_told_together(qual_values: Values) -> None:
    qual_values["zone"]["ttl"] = 1

    text = str(run(qual_values, {}).error)

    assert text.startswith("Pulumi.qual.yaml: 1 mistake, 13 values not set, nothing was touched")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("mail:password.inof", "planted-password", "did you mean info?"),
        ("mail:sshPrivateKey", "planted-password", "is not a private key in PEM"),
        ("mail:backupPassphrase", "planted", "fewer than 16 characters"),
        ("mail:smarthostPassword", "planted-password\n", "white space"),
        ("mail:spamhausDqsKey", "planted password", "other characters than letters and digits"),
    ],
)
def test_a_secret_that_cannot_be_right_is_refused_without_an_echo(
    qual: Declaration, qual_values: Values, key: str, value: str, words: str
) -> None:
    text = str(run(qual_values, sealed_values(qual) | {key: value}).error)

    assert "1 mistake, nothing was touched" in text
    assert f"  {key}   " in text
    assert words in text
    assert "planted" not in text


def test_a_secret_that_is_not_sealed_is_refused_without_an_echo(
    qual: Declaration, qual_values: Values
) -> None:
    sealed = sealed_values(qual)
    qual_values["smarthostPassword"] = sealed.pop("mail:smarthostPassword")

    text = str(run(qual_values, sealed).error)

    assert "mail:smarthostPassword   is a secret and stands in clear" in text
    assert "planted" not in text


def test_a_plain_key_that_is_sealed_is_refused(qual: Declaration, qual_values: Values) -> None:
    text = str(run(qual_values, sealed_values(qual), ("mail:web",)).error)

    assert "mail:web   is sealed, or something in it is" in text


def test_an_unknown_key_of_the_runtime_is_refused(qual: Declaration, qual_values: Values) -> None:
    text = str(run(qual_values | {"companny": "x"}, sealed_values(qual)).error)

    assert "mail:companny   companny is not a known key; did you mean company?" in text


def test_empty_defaults_of_the_project_count_as_not_set(
    qual: Declaration, qual_values: Values
) -> None:
    qual_values |= {"hostKey": "", "operatorAddresses": []}

    text = str(run(qual_values, sealed_values(qual)).error)

    assert "2 values not set" in text
    assert json.dumps(qual_values)  # nothing else was wrong with it


@pytest.mark.parametrize("text", ["v=spf1 mx -ALL", "v=spf1 mx -all exp=why.example.com"])
def test_an_spf_record_may_be_written_as_the_rfc_allows(
    qual_values: dict[str, Any], text: str
) -> None:
    qual_values["zone"] = {"apexSpf": text}

    assert read(qual_values, source="test").zone.apex_spf == text


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=12), st.integers(0, 40))
@settings(max_examples=300, deadline=None)
def test_no_damage_to_a_file_ends_in_a_traceback(place: int, junk: bytes, cut: int) -> None:
    text = (PROJECT / "Pulumi.qual.yaml").read_bytes()
    place %= len(text)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "Pulumi.x.yaml"
        file.write_bytes(text[:place] + junk + text[place + cut :])
        with suppress(DeclarationError):
            read_file(file)
