"""The mutation list: single mistakes, each with the one rule that must catch it."""

import json
from datetime import date

from components.traefik import ADMINISTRATION, HANDED_OUT
from declaration.dmarc import DmarcStage
from declaration.model import PolicyException
from declaration.records import quote_text
from declaration.smarthost import SecondSelectorSettings, TransactionalSender
from dmarc.evidence import Evidence, StepTaken
from dmarc.evidence import render as render_evidence
from policies import Secret
from tests.policies.keys import rsa_public_key
from tests.policies.planting import (
    Mistake,
    added,
    after,
    both,
    changed,
    declared,
    evident,
    knowing,
    not_waiting,
    record,
    replaced,
    switched,
    switched_off,
    unprotected,
    unsealed,
    without,
)

DOMAIN = "portugalodyssey.pt"
FILE = "host:index:File"
ALIAS = "mailcow:index:Alias"
COMMAND = "command:remote:Command"
NGINX = "/opt/po-mail/mailcow/data/conf/nginx"
CONF, LIMITS, ROUTES, EXTRA = (
    "mailcow-conf",
    "mailcow-limits",
    "traefik-routes",
    "smarthost-extra-cf",
)
WEBMAIL_RULE = f" && !PathRegexp(`{ADMINISTRATION}`)"
EIGHTS = {f"d{number}_example": "v=spf1 a mx -all" for number in range(4)}
"""SPF records of others, three look-ups each when they are included."""


def _dmarc(text: str) -> Mistake:
    return changed("dmarc", f'"{text}"', "content")


def _policy(**tags: str) -> Mistake:
    given = {"v": "DMARC1", "p": "none", "rua": f"mailto:postmaster@{DOMAIN}"} | tags
    return _dmarc("; ".join(f"{name}={value}" for name, value in given.items()))


def _srv(target: str, port: int) -> dict[str, object]:
    return {"priority": 0.0, "weight": 1.0, "port": float(port), "target": target}


def _sender(selector: str) -> Mistake:
    sender = TransactionalSender(name="app", domain=DOMAIN, selector=selector)
    return declared("transactional_senders", (sender,))


def _second_selector(until: date) -> Mistake:
    second = SecondSelectorSettings(selector="next", public_key="p=next", until=until)
    return declared("smarthost.second_selector", second)


def _second_key() -> Mistake:
    return record("next._domainkey", "TXT", quote_text(f"p={rsa_public_key(2048)}"))


def _carried(stage: DmarcStage, on: date, days: int = 28) -> Mistake:
    """Have evidence on which a stage was begun."""
    step = StepTaken(stage, on, days, reporters=3, messages=400, aligned=399)
    return evident("dmarc", json.loads(render_evidence(Evidence(DOMAIN, steps=(step,)))))


def _in_time() -> Mistake:
    """Declare and publish quarantine on its first day."""
    return both(
        _policy(p="quarantine"),
        declared("dmarc.stage", DmarcStage.QUARANTINE),
        declared("dmarc.since", date(2026, 12, 1)),
        declared("dmarc.reports_since", date(2026, 11, 1)),
    )


def _bucket_policy(action: str, resource: str) -> Mistake:
    statement = {"Effect": "Allow", "Action": [action], "Resource": [resource]}
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return changed("backup-policy", text, "policy")


def _exception(rule: str, resource: str, until: date) -> Mistake:
    reason = "until the provider has mended it"
    return declared(
        "exceptions",
        (PolicyException(rule=rule, resource=resource, reason=reason, until=until),),
    )


_OURS = "arn:aws:s3:::po-mail-backups"
_ANNOUNCED = record("_mta-sts", "TXT", '"v=STSv1; id=20261101"')
_POLICY_TEXT = "version: STSv1\nmode: testing\nmx: mx.portugalodyssey.pt\nmax_age: 604800\n"


def _sts_file(text: str) -> Mistake:
    return added(FILE, "nginx-mta-sts-txt", path=f"{NGINX}/mta-sts.txt", content=text, mode="0644")


def _dynamic(name: str, text: str) -> Mistake:
    path = f"/opt/po-shared/traefik/dynamic/{name}"
    return added(FILE, f"dynamic-{name}", path=path, content=text, mode="0644")


def _routed(name: str, rule: str, **more: object) -> Mistake:
    """Put a second file into Traefik's folder, with a router to the service of the first."""
    tls = {
        "certResolver": "cloudflare",
        "domains": [{"main": f"mx.{DOMAIN}", "sans": [f"webmail.{DOMAIN}"]}],
    }
    router = {"rule": rule, "service": "po-mail", "entryPoints": ["websecure"], "tls": tls, **more}
    return _dynamic(name, json.dumps({"http": {"routers": {"second": router}}}))


AUTHENTICATION: dict[str, tuple[str, Mistake]] = {
    "the key of the smarthost is not published": ("dkim-selector-published", without("dkim")),
    "the declared selector is another one": (
        "dkim-selector-published",
        declared("smarthost.selector", "other"),
    ),
    "a transactional sender signs with a key that nobody published": (
        "dkim-selector-published",
        _sender("app"),
    ),
    "Mailcow signs too, and its key is not published": (
        "dkim-selector-published",
        added("mailcow:index:DkimKey", "dkim-key", domain=DOMAIN, dkimSelector="dkim"),
    ),
    "a DKIM key was left behind": (
        "dkim-key-used",
        record("old._domainkey", "TXT", quote_text(f"p={rsa_public_key(2048)}")),
    ),
    "the retired selector has outstayed its time": (
        "dkim-second-selector-ends",
        both(_second_selector(date(2026, 11, 1)), _second_key()),
    ),
    "the next selector is not published": (
        "dkim-selector-published",
        _second_selector(date(2026, 12, 1)),
    ),
    "the DKIM key is revoked": ("dkim-record-wellformed", changed("dkim", '"p="', "content")),
    "the DKIM record is in test mode": (
        "dkim-record-wellformed",
        replaced("dkim", '"p=', '"t=y; " "p='),
    ),
    "the DKIM key is cut short": (
        "dkim-record-wellformed",
        replaced("dkim", 'IDAQAB"', '"'),
    ),
    "the DKIM key has 768 bits": (
        "dkim-key-strength",
        changed("dkim", f'"p={rsa_public_key(768)}"', "content"),
    ),
    "the domain has a second SPF record": ("spf-single", record("", "TXT", '"v=spf1 -all"')),
    "the whole world may send as the domain": (
        "spf-qualifier",
        replaced("apex-spf", "-all", "+all"),
    ),
    "SPF says nothing about others": ("spf-qualifier", replaced("send-spf", "~all", "?all")),
    "SPF has no end": ("spf-qualifier", replaced("apex-spf", " -all", "")),
    "SPF has a misspelt mechanism": (
        "spf-wellformed",
        replaced("apex-spf", "mx", "mx ipv4:192.0.2.1"),
    ),
    "the SPF record says version 2": (
        "spf-wellformed",
        replaced("apex-spf", "v=spf1", "v=spf2"),
    ),
    "SPF costs eleven look-ups": (
        "spf-lookups",
        replaced("apex-spf", "mx", " ".join(["mx"] * 11)),
    ),
    "SPF costs twelve look-ups, nine of them in its includes": (
        "spf-lookups",
        both(
            knowing(**EIGHTS),
            replaced(
                "apex-spf",
                "mx",
                "include:d0.example include:d1.example include:d2.example include:d3.example",
            ),
        ),
    ),
    "SPF includes what nobody has looked at": (
        "spf-includes-known",
        replaced("apex-spf", "mx", "mx include:unknown.example"),
    ),
    "SPF asks for three names that do not exist": (
        "spf-void-lookups",
        replaced("apex-spf", "mx", f"a:x.{DOMAIN} a:y.{DOMAIN} a:z.{DOMAIN}"),
    ),
    "the envelope domain has no SPF record": ("spf-envelope-covered", without("send-spf")),
    "the envelope domain does not name the smarthost": (
        "spf-envelope-covered",
        replaced("send-spf", "include:amazonses.com", "ip4:192.0.2.1"),
    ),
    "the envelope domain takes no bounces": ("envelope-takes-bounces", without("send-mx")),
    "bounces go to somebody else": (
        "envelope-takes-bounces",
        changed("send-mx", "bounces.example.org", "content"),
    ),
    "there is no DMARC record": ("dmarc-single", without("dmarc")),
    "there are two DMARC records": (
        "dmarc-single",
        record("_dmarc", "TXT", f'"v=DMARC1; p=none; rua=mailto:postmaster@{DOMAIN}"'),
    ),
    "the DMARC record has a tag that is gone": ("dmarc-tags", _policy(pct="50")),
    "the DMARC record begins in small letters": (
        "dmarc-tags",
        replaced("dmarc", "v=DMARC1", "v=dmarc1"),
    ),
    "the DMARC record has no policy": ("dmarc-tags", replaced("dmarc", "p=none; ", "")),
    "the DMARC record has an unknown value": ("dmarc-tags", _policy(adkim="relaxed")),
    "nobody asked for reports": (
        "dmarc-reports-asked",
        replaced("dmarc", f" rua=mailto:postmaster@{DOMAIN};", ""),
    ),
    "the report address lacks mailto": (
        "dmarc-reports-asked",
        _policy(rua=f"postmaster@{DOMAIN}"),
    ),
    "reports go to nobody": ("dmarc-reports-arrive", _policy(rua=f"mailto:reports@{DOMAIN}")),
    "reports go outside without consent": (
        "dmarc-reports-authorised",
        _policy(rua="mailto:reports@example.org"),
    ),
    "the record goes further than the declared stage": ("dmarc-stage", _policy(p="quarantine")),
    "subdomains are treated more strictly than declared": (
        "dmarc-stage",
        _policy(sp="quarantine"),
    ),
    "the declared stage has not reached the record": (
        "dmarc-stage",
        both(
            declared("dmarc.stage", DmarcStage.QUARANTINE),
            declared("dmarc.since", date(2026, 11, 1)),
            _carried(DmarcStage.QUARANTINE, date(2026, 11, 1)),
        ),
    ),
    "the stage begins in the future": (
        "dmarc-stage",
        declared("dmarc.since", date(2027, 1, 1)),
    ),
    "quarantine begins after a week": (
        "dmarc-stage",
        both(
            _policy(p="quarantine"),
            declared("dmarc.stage", DmarcStage.QUARANTINE),
            declared("dmarc.since", date(2026, 11, 8)),
            _carried(DmarcStage.QUARANTINE, date(2026, 11, 8)),
        ),
    ),
    "quarantine is declared, and nobody has looked at the reports": (
        "dmarc-stage-evidenced",
        _in_time(),
    ),
    "quarantine is declared on a week of reports": (
        "dmarc-stage-evidenced",
        both(_in_time(), _carried(DmarcStage.QUARANTINE, date(2026, 12, 1), days=7)),
    ),
    "quarantine is declared on the evidence of another day": (
        "dmarc-stage-evidenced",
        both(_in_time(), _carried(DmarcStage.QUARANTINE, date(2026, 11, 20))),
    ),
    "reject is not acknowledged": (
        "dmarc-reject-deliberate",
        both(
            _policy(p="reject"),
            declared("dmarc.stage", DmarcStage.REJECT),
            declared("dmarc.since", date(2026, 11, 1)),
            declared("dmarc.reports_since", date(2026, 1, 1)),
            _carried(DmarcStage.REJECT, date(2026, 11, 1)),
        ),
    ),
    "names below may be forged": (
        "dmarc-without-gaps",
        both(
            _in_time(),
            _carried(DmarcStage.QUARANTINE, date(2026, 12, 1)),
            _policy(p="quarantine", sp="none"),
        ),
    ),
    "names that do not exist may be forged": (
        "dmarc-without-gaps",
        both(
            _in_time(),
            _carried(DmarcStage.QUARANTINE, date(2026, 12, 1)),
            _policy(p="quarantine", np="none"),
        ),
    ),
    "the DMARC record is in test mode": ("dmarc-without-gaps", _policy(t="y")),
    "everybody may register below the domain": ("dmarc-without-gaps", _policy(psd="y")),
    "failure reports go to a stranger": (
        "dmarc-reports-authorised",
        _policy(ruf="mailto:x@stranger.example"),
    ),
    "failure reports are asked for and go nowhere": ("dmarc-reports-asked", _policy(fo="1")),
    "the published key is another than the declared one": (
        "dkim-key-declared",
        changed("dkim", quote_text(f"p={rsa_public_key(2048)}"), "content"),
    ),
    "the DKIM key is for another service": (
        "dkim-record-wellformed",
        replaced("dkim", '"p=', '"s=tlsrpt; " "p='),
    ),
    "the DKIM key is for an old hash alone": (
        "dkim-record-wellformed",
        replaced("dkim", '"p=', '"h=sha1; " "p='),
    ),
    "two ranges make up the world": (
        "spf-qualifier",
        replaced("apex-spf", "mx", "ip4:0.0.0.0/1 ip4:128.0.0.0/1"),
    ),
    "the envelope domain names the smarthost behind all": (
        "spf-envelope-covered",
        replaced("send-spf", "include:amazonses.com ~all", "~all include:amazonses.com"),
    ),
    "SPF includes a name without a record": (
        "spf-wellformed",
        replaced("apex-spf", "mx", f"mx include:gone.{DOMAIN}"),
    ),
    "SPF can never align": ("dmarc-alignment", _policy(aspf="s")),
}

NAMES: dict[str, tuple[str, Mistake]] = {
    "the domain has no MX record": ("mx-present", without("apex-mx")),
    "mail goes to another company's host": (
        "mx-present",
        changed("apex-mx", "mx.example.org", "content"),
    ),
    "the MX is an address": (
        "mx-target-address",
        changed("apex-mx", "31.97.159.7", "content"),
    ),
    "the mail host is an alias": (
        "mx-target-address",
        both(changed("mx-a", "CNAME", "type"), changed("mx-a", "vps.example.org", "content")),
    ),
    "the mail host has no address": ("mx-target-address", without("mx-a")),
    "the mail host is proxied": ("records-not-proxied", switched("mx-a", "proxied", on=True)),
    "a web host leaves the proxy to chance": (
        "records-not-proxied",
        changed("webmail-a", None, "proxied"),
    ),
    "a routed host is not published": ("hosts-published", without("webmail-a")),
    "a web host is published and not routed": (
        "hosts-routed",
        record("shop", "A", "31.97.159.7"),
    ),
    "the route of the webmail is gone": (
        "hosts-routed",
        replaced(ROUTES, f"Host(`webmail.{DOMAIN}`)", f"Host(`mail-admin.{DOMAIN}`)"),
    ),
    "a declared host is neither published nor routed": (
        "hosts-declared",
        both(
            without("autoconfig-a"),
            replaced(ROUTES, f"Host(`autoconfig.{DOMAIN}`)", f"Host(`mail-admin.{DOMAIN}`)"),
        ),
    ),
    "the certificate does not cover the webmail": (
        "certificate-covers",
        replaced(ROUTES, f"          - webmail.{DOMAIN}\n", ""),
    ),
    "the certificate does not cover the mail host": (
        "certificate-covers",
        replaced(ROUTES, f"main: mx.{DOMAIN}", f"main: mail.{DOMAIN}"),
    ),
    "no resolver is asked for a certificate": (
        "certificate-covers",
        replaced(ROUTES, "certResolver: cloudflare", "certResolver: ''"),
    ),
    "another host's certificate is delivered": (
        "certificate-delivered",
        replaced("certificate-delivery", "--host mx.", "--host mail.", "create"),
    ),
    "the stack starts before its certificate is there": (
        "certificate-delivered",
        not_waiting("mailcow", "certificate-delivery", kind=COMMAND),
    ),
    "a closed port is offered": (
        "services-match-ports",
        changed("srv-imap", _srv(f"mx.{DOMAIN}", 143), "data"),
    ),
    "an open port is said to be closed": (
        "services-match-ports",
        changed("srv-imaps", _srv(".", 0), "data"),
    ),
    "a service names another port": (
        "services-match-ports",
        changed("srv-submissions", _srv(f"mx.{DOMAIN}", 466), "data"),
    ),
    "an open service is not published": ("services-match-ports", without("srv-submission")),
    "autodiscover names another port": (
        "setup-over-https",
        changed("srv-autodiscover", _srv(f"autodiscover.{DOMAIN}", 8443), "data"),
    ),
    "autodiscover is looked for at the mail host": (
        "setup-over-https",
        changed("srv-autodiscover", _srv(f"mx.{DOMAIN}", 443), "data"),
    ),
    "the mail host, to which Mailcow sends people, is not routed": (
        "hosts-routed",
        replaced(ROUTES, f"Host(`mx.{DOMAIN}`)", f"Host(`mail-admin.{DOMAIN}`)"),
    ),
    "the mail host answers every page": (
        "admin-on-one-host",
        replaced(ROUTES, f"&& PathRegexp(`{HANDED_OUT}`) ", ""),
    ),
    "a service points at a name that is gone": (
        "names-not-dangling",
        changed("srv-caldavs", _srv(f"dav.{DOMAIN}", 443), "data"),
    ),
    "an alias points at a name that is gone": (
        "names-not-dangling",
        record("old", "CNAME", f"gone.{DOMAIN}"),
    ),
    "a record has another machine's address": (
        "addresses-declared",
        changed("mx-a", "31.97.159.8", "content"),
    ),
    "an MTA-STS policy is announced that nobody serves": ("mta-sts-lists-mx", _ANNOUNCED),
    "the MTA-STS policy lists another MX": (
        "mta-sts-lists-mx",
        both(_ANNOUNCED, _sts_file(_POLICY_TEXT.replace("mx.port", "mail.port"))),
    ),
    "the MTA-STS policy is not announced": ("mta-sts-lists-mx", _sts_file(_POLICY_TEXT)),
    "the id of the MTA-STS policy has a hyphen": (
        "mta-sts-id",
        both(_sts_file(_POLICY_TEXT), record("_mta-sts", "TXT", '"v=STSv1; id=2026-11"')),
    ),
    "TLS reports go to nobody": (
        "tls-reports-arrive",
        record("_smtp._tls", "TXT", f'"v=TLSRPTv1; rua=mailto:tls@{DOMAIN}"'),
    ),
    "a TLSA record names a key that nobody declared": (
        "tlsa-matches",
        record("_25._tcp.mx", "TLSA", f"3 1 1 {'ab' * 32}"),
    ),
    "a declared TLSA digest is not published": (
        "tlsa-matches",
        declared("zone.tlsa", ("ab" * 32,)),
    ),
    "CAA names a look-alike of the issuer": (
        "caa-allows-issuer",
        record("", "CAA", '0 issue "letsencrypt.org.evil.example"'),
    ),
    "CAA allows the issuer in another way only": (
        "caa-allows-issuer",
        record("", "CAA", '0 issue "letsencrypt.org; validationmethods=http-01"'),
    ),
    "CAA holds a critical property that nobody knows": (
        "caa-allows-issuer",
        both(record("", "CAA", '128 tbs "x"'), record("", "CAA", '0 issue "letsencrypt.org"')),
    ),
    "a wildcard takes the mail of every name": (
        "records-declared",
        record("*", "MX", "mail.elsewhere.example", priority=10.0),
    ),
    "a name of ours is delegated": ("records-declared", record("webmail", "NS", "ns.example")),
    "a service binding leads elsewhere": (
        "records-declared",
        record("webmail", "HTTPS", "", data={"priority": 1.0, "target": "x.example", "value": ""}),
    ),
    "an alias leads to a name of somebody else": (
        "records-declared",
        record("shop", "CNAME", "gone.elsewhere.example"),
    ),
    "a DMARC record stands below the domain": (
        "records-declared",
        record("_dmarc.send", "TXT", '"v=DMARC1; p=none"'),
    ),
    "mail programs are led to another company's host": (
        "services-match-ports",
        changed("srv-imaps", _srv("imap.elsewhere.example", 993), "data"),
    ),
    "the path of the calendars is another": (
        "records-declared",
        changed("path-caldavs", '"path=/dav/"', "content"),
    ),
    "a record lives for a week": ("records-lifetime", changed("apex-mx", 604800.0, "ttl")),
    "a record does not live at all": ("records-lifetime", changed("dmarc", 0.0, "ttl")),
    "a record is published in another zone": (
        "records-in-one-zone",
        changed("mx-a", "1" * 32, "zoneId"),
    ),
    "CAA shuts out the issuer": (
        "caa-allows-issuer",
        record("", "CAA", '0 issue "digicert.com"'),
    ),
    "the zone is fuller than its plan": ("zone-quota", declared("zone.record_quota", 10)),
    "a name has a capital": (
        "records-canonical",
        changed("webmail-a", f"Webmail.{DOMAIN}", "name"),
    ),
    "a name is short": ("records-canonical", changed("path-caldavs", "_x", "name")),
    "a text has no quotes": (
        "records-canonical",
        changed("path-caldavs", "path=/SOGo/dav/", "content"),
    ),
    "a text is in one string of 400 bytes": (
        "records-canonical",
        replaced("dkim", '" "', ""),
    ),
    "an alias stands beside an address": (
        "cname-alone",
        record("autoconfig", "CNAME", f"mx.{DOMAIN}"),
    ),
    "a record stands twice": ("records-unique", record("webmail", "A", "31.97.159.7")),
}

HOST: dict[str, tuple[str, Mistake]] = {
    "the TLS policy of the smarthost is not written": (
        "files-deployed",
        without("smarthost-tls-policy"),
    ),
    "the firewall is not written": ("files-deployed", without("firewall-rules")),
    "a service has no limits": (
        "tiers-complete",
        replaced(LIMITS, "  dovecot-mailcow:\n    mem_limit: 384m\n    cpus: 1.0\n", ""),
    ),
    "a service has no limit of memory": (
        "tiers-complete",
        replaced(LIMITS, "  mysql-mailcow:\n    mem_limit: 768m\n", "  mysql-mailcow:\n"),
    ),
    "a service of the release has no tier": (
        "tiers-complete",
        replaced(
            "mailcow-release", "--service acme", "--service new-mailcow --service acme", "create"
        ),
    ),
    "one service may take nine gigabytes": (
        "tiers-complete",
        replaced(LIMITS, "mem_limit: 768m", "mem_limit: 9g"),
    ),
    "the host has half the memory": ("tiers-fit-host", declared("host.memory_mib", 4096)),
    "a service may take more processors than there are": (
        "tiers-complete",
        replaced(LIMITS, "mem_limit: 768m\n    cpus: 1.0", "mem_limit: 768m\n    cpus: 8.0"),
    ),
    "another commit is brought": (
        "release-pinned",
        replaced("mailcow-release", "--commit 489db9", "--commit 000db9", "create"),
    ),
    "a branch is brought": (
        "release-pinned",
        replaced("mailcow-release", "--tag 2026-07a", "--tag master", "create"),
    ),
    "the exporter's image is a tag": (
        "images-pinned",
        changed("exporter-image", "ghcr.io/mailcow/prometheus-exporter:2", "name"),
    ),
    "the override names another image": (
        "images-pinned",
        replaced(LIMITS, "  nginx-mailcow:\n", "  nginx-mailcow:\n    image: nginx:latest\n"),
    ),
    "IMAP without TLS is open": (
        "ports-published",
        replaced(CONF, "IMAP_PORT=127.0.0.1:143", "IMAP_PORT=143"),
    ),
    "the database is open": (
        "ports-published",
        replaced(CONF, "SQL_PORT=127.0.0.1:13306", "SQL_PORT=13306"),
    ),
    "a declared port is on loopback alone": (
        "ports-published",
        replaced(CONF, "SIEVE_PORT=4190", "SIEVE_PORT=127.0.0.1:4190"),
    ),
    "the exporter is open": (
        "ports-published",
        changed("exporter", "0.0.0.0", "ports", "0", "ip"),
    ),
    "the override publishes a port": (
        "ports-published",
        replaced(LIMITS, "  redis-mailcow:\n", "  redis-mailcow:\n    ports: ['6379:6379']\n"),
    ),
    "the firewall opens a port that is not declared": (
        "ports-firewalled",
        replaced("firewall-rules", "        tcp dport { 25, 4", "        tcp dport { 25, 110, 4"),
    ),
    "the firewall leaves the web ports open": (
        "ports-firewalled",
        replaced("firewall-rules", "tcp dport { 9080, 9443 } counter drop", "counter"),
    ),
    "the exporter is given Docker's socket": (
        "exporter-confined",
        changed("exporter", [{"hostPath": "/run/docker.sock", "containerPath": "/d"}], "volumes"),
    ),
    "a protection is misspelt": (
        "units-stand",
        replaced("backup-service", "NoNewPrivileges=yes", "NoNewPrivilege=yes"),
    ),
    "a drop-in lets the backup do nothing": (
        "units-declared",
        added(
            FILE,
            "drop-in",
            path="/etc/systemd/system/po-mail-backup.service.d/x.conf",
            content="[Service]\nExecStart=\nExecStart=/bin/true\n",
        ),
    ),
    "a service may load modules of the kernel": (
        "units-confined",
        replaced("backup-service", "=CAP_DAC_OVERRIDE", "=CAP_SYS_MODULE CAP_SYS_ADMIN"),
    ),
    "the firewall is not loaded at boot": (
        "units-switched-on",
        replaced("firewall", "enable --now", "start", "create"),
    ),
    "the certificate is looked for once": (
        "timers-repeat",
        replaced("certificate-timer", "OnUnitInactiveSec=60min\n", ""),
    ),
    "a service is given the host's network": (
        "override-limits-alone",
        replaced(LIMITS, "  acme-mailcow:\n", "  acme-mailcow:\n    network_mode: host\n"),
    ),
    "a service is given Docker's socket": (
        "override-limits-alone",
        replaced(
            LIMITS, "  acme-mailcow:\n", "  acme-mailcow:\n    volumes: [/var/run/docker.sock:/d]\n"
        ),
    ),
    "the override opens a network of its own": (
        "override-limits-alone",
        replaced(LIMITS, "services:\n", "networks: {other: {}}\nservices:\n"),
    ),
    "a copy of all mail goes to somebody": (
        "postfix-as-declared",
        replaced(EXTRA, "myorigin =", "always_bcc = spy@example.org\nmyorigin ="),
    ),
    "Postfix relays for the world": (
        "postfix-as-declared",
        replaced(EXTRA, "myorigin =", "mynetworks = 0.0.0.0/0\nmyorigin ="),
    ),
    "Postfix relays for the neighbours' containers": (
        "postfix-as-declared",
        replaced(EXTRA, "mynetworks = !172.22.1.1, ", "mynetworks = "),
    ),
    "a filter takes all mail": (
        "postfix-as-declared",
        replaced(EXTRA, "myorigin =", "content_filter = smtp:[192.0.2.1]:25\nmyorigin ="),
    ),
    "the smarthost may show another name": (
        "relay-tls-mandatory",
        replaced("smarthost-tls-policy", " secure", " secure match=.example"),
    ),
    "the firewall throws Docker's rules away": (
        "ports-firewalled",
        replaced(
            "firewall-rules",
            "table inet po_mail\ndelete",
            "flush ruleset\ntable inet po_mail\ndelete",
        ),
    ),
    "the firewall lets everybody in before it looks": (
        "ports-firewalled",
        replaced("firewall-rules", 'iif "lo" accept', "accept"),
    ),
    "the firewall drops for all but the web ports": (
        "ports-firewalled",
        replaced(
            "firewall-rules",
            "tcp dport { 9080, 9443 } counter",
            "tcp dport != { 9080, 9443 } counter",
        ),
    ),
    "the firewall holds for one family": (
        "ports-firewalled",
        replaced(
            "firewall-rules",
            "tcp dport { 9080, 9443 } counter",
            "ip daddr 0.0.0.0/0 tcp dport { 9080, 9443 } counter",
        ),
    ),
    "the firewall lets mail over IPv6 in": (
        "ports-firewalled",
        replaced("firewall-rules", "meta nfproto ipv6 tcp", "meta nfproto ipv4 tcp sport 1 tcp"),
    ),
    "the firewall shuts everything": (
        "ports-firewalled",
        replaced("firewall-rules", "policy accept", "policy drop"),
    ),
    "the firewall comes after Docker's rules": (
        "ports-firewalled",
        replaced("firewall-rules", "hook prerouting", "hook input"),
    ),
    "nginx listens on every address": (
        "admin-through-traefik",
        replaced(CONF, "HTTPS_BIND=172.20.0.1", "HTTPS_BIND=0.0.0.0"),
    ),
    "everybody is a trusted proxy": (
        "admin-through-traefik",
        replaced(CONF, "TRUSTED_PROXIES=172.20.0.0/16", "TRUSTED_PROXIES=0.0.0.0/0"),
    ),
    "a second file routes every name": (
        "routes-own-hosts-alone",
        _routed("catch.yml", r"HostRegexp(`^x\.`)"),
    ),
    "a second file routes TCP past the rules": (
        "routes-stand",
        _dynamic("tcp.yml", "tcp: {routers: {all: {rule: 'HostSNI(`*`)', service: x}}}"),
    ),
    "a second file is no YAML": ("routes-stand", _dynamic("broken.yml", "http: [")),
    "a router names a middleware that is nowhere": (
        "routes-stand",
        replaced(
            ROUTES, "      service: po-mail\n", "      service: po-mail\n      middlewares: [x]\n"
        ),
    ),
    "a router hears on an entry point without TLS": (
        "routes-stand",
        replaced(ROUTES, "      - websecure\n", "      - web\n"),
    ),
    "a router of a higher priority shuts the webmail out": (
        "admin-on-one-host",
        _routed("first.yml", f"Host(`webmail.{DOMAIN}`)", priority=10000),
    ),
    "the policy of MTA-STS is shut": (
        "hosts-serve-their-purpose",
        replaced(ROUTES, r"/mail/config-v1\.1\.xml$", r"/mail/config-v2\.xml$"),
    ),
    "nginx is not told which host was asked for": (
        "routes-lead-to-nginx",
        replaced(ROUTES, "passHostHeader: true", "passHostHeader: false"),
    ),
    "the webmail's host answers the administration": (
        "admin-on-one-host",
        replaced(ROUTES, WEBMAIL_RULE, ""),
    ),
    "a second transport verifies nothing": (
        "backend-skips-verification-once",
        replaced(
            ROUTES,
            "  serversTransports:\n",
            "  serversTransports:\n    other:\n      insecureSkipVerify: true\n",
        ),
    ),
    "the backend is another machine": (
        "routes-lead-to-nginx",
        replaced(ROUTES, "https://172.20.0.1:9443", "https://198.51.100.9:9443"),
    ),
    "the backend's name is verified": (
        "backend-skips-verification-once",
        replaced(ROUTES, "insecureSkipVerify: true", "insecureSkipVerify: false"),
    ),
    "a command checks no host key": (
        "host-key-verified",
        changed("firewall", None, "connection", "hostKey"),
    ),
    "Docker trusts whatever answers": (
        "host-key-verified",
        replaced("docker", "HostKeyChecking=yes", "HostKeyChecking=no", "sshOpts"),
    ),
    "the provider of files has another host key": (
        "host-key-verified",
        changed("host", "ssh-ed25519 AAAA", "hostKey", kind="pulumi:providers"),
    ),
    "an IPv6 address is published": (
        "ipv6-all-or-none",
        record("mx", "AAAA", "2001:db8::7"),
    ),
    "Postfix speaks IPv6": (
        "ipv6-all-or-none",
        replaced(EXTRA, "inet_protocols = ipv4", "inet_protocols = all"),
    ),
    "Mailcow's network has IPv6": (
        "ipv6-all-or-none",
        replaced(CONF, "ENABLE_IPV6=false", "ENABLE_IPV6=true"),
    ),
    "the whole world may use the API": (
        "api-narrow",
        replaced(CONF, "API_ALLOW_FROM=", "API_ALLOW_FROM=0.0.0.0/0,"),
    ),
    "somebody undeclared may use the API": (
        "api-narrow",
        replaced(CONF, "API_ALLOW_FROM=", "API_ALLOW_FROM=198.51.100.1,"),
    ),
    "nothing guards the unsafe settings": (
        "settings-guarded",
        without("mailcow-settings-guard"),
    ),
    "the guard forgets a setting": (
        "settings-guarded",
        replaced("mailcow-settings-guard", ', "MAILDIR_SUB": "Maildir"', "", "create"),
    ),
    "the configuration is written before the guard has looked": (
        "settings-guarded",
        not_waiting(CONF, "mailcow-settings-guard"),
    ),
    "mail would vanish from view": (
        "settings-unchanged",
        after(
            replaced("mailcow-settings-guard", '"Maildir"', '"Mail"', "create"),
            replaced(CONF, "MAILDIR_SUB=Maildir", "MAILDIR_SUB=Mail"),
        ),
    ),
    "a command acts on a neighbour": (
        "project-own",
        replaced("mailcow", "--project po-mail", "--project po-shared", "create", kind=COMMAND),
    ),
    "the project is a neighbour's": (
        "project-own",
        declared("host.neighbours", ("po-shared", "po-mail")),
    ),
}

SMARTHOST: dict[str, tuple[str, Mistake]] = {
    "mail is delivered directly": (
        "relay-is-smarthost",
        replaced(EXTRA, "relayhost = [smtp.resend.com]:587", "relayhost ="),
    ),
    "the MX records of the smarthost are asked": (
        "relay-is-smarthost",
        replaced(EXTRA, "relayhost = [smtp.resend.com]:587", "relayhost = smtp.resend.com:587"),
    ),
    "a second relayhost stands below the first": (
        "relay-is-smarthost",
        replaced(EXTRA, "smtp_sasl_auth", "relayhost = [mail.example.org]:25\nsmtp_sasl_auth"),
    ),
    "there is a fall-back past the smarthost": (
        "relay-without-bypass",
        replaced(EXTRA, "smtp_sasl_auth", "smtp_fallback_relay = [mx.example.org]\nsmtp_sasl_auth"),
    ),
    "a transport leads past the smarthost": (
        "relay-without-bypass",
        added(
            "mailcow:index:Transport", "transport", destination="*", nexthop="[mx.example.org]:25"
        ),
    ),
    "TLS is opportunistic": (
        "relay-tls-mandatory",
        replaced("smarthost-tls-policy", "587 secure", "587 may"),
    ),
    "the smarthost's name is not verified": (
        "relay-tls-mandatory",
        replaced("smarthost-tls-policy", "587 secure", "587 encrypt"),
    ),
    "the TLS policy is for another port": (
        "relay-tls-mandatory",
        replaced("smarthost-tls-policy", ":587", ":465"),
    ),
    "another policy map comes first": (
        "relay-tls-mandatory",
        replaced(
            EXTRA,
            "texthash:/opt/postfix/conf/smarthost_tls_policy, ",
            "socketmap:inet:postfix-tlspol:8642:QUERY, ",
        ),
    ),
    "Postfix does not log in": (
        "relay-login",
        replaced(EXTRA, "smtp_sasl_auth_enable = yes", "smtp_sasl_auth_enable = no"),
    ),
    "the map of logins is not read": (
        "relay-login",
        replaced(EXTRA, "texthash:/opt/postfix/conf/smarthost_passwd, ", ""),
    ),
    "the login is another user's": (
        "relay-login",
        replaced("smarthost-login", " resend:", " postmaster:"),
    ),
    "the smarthost's password is readable in the state": (
        "relay-credential-sealed",
        unsealed("smarthost-login", "content"),
    ),
    "the smarthost's password is readable on the host": (
        "relay-credential-sealed",
        changed("smarthost-login", "0644", "mode"),
    ),
    "a container uses the smarthost's credential": (
        "relay-credential-own",
        changed("exporter", Secret(["KEY=placeholder-of-smarthostPassword"]), "envs"),
    ),
    "Postfix starts before it knows the smarthost": (
        "relay-before-start",
        not_waiting("mailcow", EXTRA, kind=COMMAND),
    ),
    "containers start before the firewall": (
        "relay-before-start",
        not_waiting("mailcow", "firewall", kind=COMMAND),
    ),
}

PEOPLE: dict[str, tuple[str, Mistake]] = {
    "abuse reaches nobody": ("people-required", without("alias-abuse")),
    "an alias has a misspelt target": (
        "alias-targets-exist",
        changed("alias-hello", [f"inof@{DOMAIN}"], "goto"),
    ),
    "an alias forwards outside": (
        "alias-targets-exist",
        changed("alias-hello", ["someone@example.org"], "goto"),
    ),
    "an alias hands on to nobody": ("alias-targets-exist", changed("alias-hello", [], "goto")),
    "two aliases lead to each other": (
        "aliases-end",
        both(
            changed("alias-hello", [f"reservations@{DOMAIN}"], "goto"),
            changed("alias-reservations", [f"hello@{DOMAIN}"], "goto"),
        ),
    ),
    "an alias has the name of a mailbox": (
        "addresses-unique",
        added(ALIAS, "alias-info", address=f"info@{DOMAIN}", goto=[f"cristina@{DOMAIN}"]),
    ),
    "one mailbox may fill the disk": (
        "quotas-fit-disk",
        changed("mailbox-info", 102400.0, "quota"),
    ),
    "a mailbox has no quota": ("quotas-fit-disk", changed("mailbox-info", 0.0, "quota")),
    "the disk is smaller than the quotas": ("quotas-fit-disk", declared("host.disk_gib", 20)),
    "a published address is not served": (
        "published-addresses-exist",
        without("mailbox-support"),
    ),
    "a declared mailbox is missing": ("people-declared", without("mailbox-accounts")),
    "somebody undeclared reads along": (
        "people-declared",
        added(ALIAS, "alias-x", address=f"x@{DOMAIN}", goto=[f"cristina@{DOMAIN}"]),
    ),
    "the stack serves a second domain": (
        "one-tenant",
        added("mailcow:index:Domain", "other", domain="example.org", quota=1024.0),
    ),
    "a mailbox is not protected": ("mailboxes-protected", unprotected("mailbox-info")),
    "no mailbox is protected, and this is no rehearsal": (
        "mailboxes-protected",
        switched_off("protect_mailboxes"),
    ),
}

KEPT: dict[str, tuple[str, Mistake]] = {
    "the timer of the backup is not switched on": (
        "units-switched-on",
        without("backup-schedule"),
    ),
    "a run of the backup that is missed is not made up for": (
        "backup-daily",
        replaced("backup-timer", "Persistent=true\n", ""),
    ),
    "the backup is told nothing": ("backup-there", without("backup-settings")),
    "the bucket is another one": (
        "backup-there",
        changed("backup-bucket", "other", "bucket"),
    ),
    "the bucket is public": ("bucket-private", changed("backup-bucket", "public-read", "acl")),
    "the bucket is destroyed with its content": (
        "bucket-private",
        switched("backup-bucket", "forceDestroy", on=True),
    ),
    "versioning is suspended": (
        "bucket-versioned",
        changed("backup-versioning", {"status": "Suspended"}, "versioningConfiguration"),
    ),
    "versioning is gone": ("bucket-versioned", without("backup-versioning")),
    "objects in use expire": (
        "bucket-lifecycle",
        changed("backup-lifecycle", "30d", "rules", "0", "expiration"),
    ),
    "old versions end too soon": (
        "bucket-lifecycle",
        changed("backup-lifecycle", 1.0, "rules", "0", "noncurrentVersionExpirationDays"),
    ),
    "the backup's user reaches every bucket": (
        "backup-user-confined",
        _bucket_policy("s3:GetObject", "arn:aws:s3:::*"),
    ),
    "the backup's user may do everything in its bucket": (
        "backup-user-confined",
        _bucket_policy("s3:*", f"{_OURS}/*"),
    ),
    "the backup's user may delete versions": (
        "backup-user-confined",
        _bucket_policy("s3:DeleteObjectVersion", f"{_OURS}/*"),
    ),
    "the backup's user is an administrator": (
        "backup-user-confined",
        changed("backup-policy-attachment", "consoleAdmin", "policyName"),
    ),
    "the backup travels in clear": (
        "backup-encrypted",
        replaced("backup-environment", "s3:https://", "s3:http://"),
    ),
    "restic has no passphrase": (
        "backup-encrypted",
        replaced("backup-environment", "RESTIC_PASSWORD_FILE=", "PASSWORD="),
    ),
    "three daily snapshots are kept": (
        "backup-retention",
        replaced("backup-settings", '"daily": 7', '"daily": 3'),
    ),
    "two monthly snapshots are declared": (
        "backup-retention",
        declared("backup.retention.monthly", 2),
    ),
    "the timer runs once a week": (
        "backup-daily",
        replaced("backup-timer", "OnCalendar=*-*-*", "OnCalendar=Mon *-*-*"),
    ),
    "the declared schedule is monthly": (
        "backup-daily",
        declared("backup.schedule", "*-*-01 03:00:00 UTC"),
    ),
    "the key of the mail is not stored": (
        "backup-complete",
        replaced("backup-settings", "crypt-vol-1", "clamd-db-vol-1"),
    ),
    "the hooks are not stored": (
        "backup-complete",
        replaced("backup-settings", "mailcow/data/hooks", "mailcow/data/web"),
    ),
    "another project's volumes are stored": (
        "backup-of-this-stack",
        replaced("backup-settings", '"project": "po-mail"', '"project": "po-prod"'),
    ),
    "nobody sees how the backup went": (
        "backup-of-this-stack",
        replaced("backup-settings", "/var/lib/node_exporter/textfile_collector/", "/srv/"),
    ),
    "the first drill is overdue": (
        "drill-in-time",
        declared("backup.first_drill_by", date(2026, 11, 30)),
    ),
    "the drill of a rehearsal stands for the real one": (
        "drill-in-time",
        evident("drill", {"good": True, "rehearsed": True, "held": "2026-11-30T09:00:00+00:00"}),
    ),
    "no alert rules are written": ("alerts-there", without("monitoring-rules")),
    "nothing watches the queue": (
        "alerts-there",
        replaced("monitoring-rules", "po_mail_queue_messages", "po_mail_queue_length"),
    ),
    "the alert on the backup comes late": (
        "alert-on-backup-age",
        replaced("monitoring-rules", "> 108000", "> 1080000"),
    ),
    "the alert on the backup is for another metric": (
        "alert-on-backup-age",
        replaced(
            "monitoring-rules", "po_mail_backup_last_success_timestamp", "po_mail_backup_last"
        ),
    ),
    "an alert is raised on a sound server": (
        "alerts-quiet",
        replaced("monitoring-rules", "> 85", "> 8.5"),
    ),
    "an alert has a bracket too few": (
        "alerts-parse",
        replaced("monitoring-rules", "time()) / 86400 < 21", "time() / 86400 < 21"),
    ),
    "an alert lasts for no duration": (
        "alerts-parse",
        replaced("monitoring-rules", "for: 6h", "for: soon"),
    ),
    "an alert has no runbook": (
        "alerts-have-runbook",
        replaced("monitoring-rules", "      runbook_url: docs/runbook.md#maildiskfull\n", ""),
    ),
    "Prometheus asks another port": (
        "exporter-scraped",
        replaced("monitoring-scrape", ":9099", ":9100"),
    ),
    "the exporter listens elsewhere": (
        "exporter-scraped",
        changed("exporter", 9098.0, "ports", "0", "external"),
    ),
}

SAFE: dict[str, tuple[str, Mistake]] = {
    "the smarthost's region is declared outside the EU": (
        "smarthost-in-eu",
        declared("smarthost.region", "us-east-1"),
    ),
    "bounces go to a region outside the EU": (
        "smarthost-in-eu",
        replaced("send-mx", "eu-west-1", "us-east-1"),
    ),
    "the bucket is declared in London": ("storage-in-eu", declared("backup.region", "eu-west-2")),
    "the storage is spoken to in another region": (
        "storage-in-eu",
        changed("minio", "us-east-1", "minioRegion"),
    ),
    "the host stands in Switzerland": ("host-in-eu", declared("host.country", "CH")),
    "a file holds an API key in clear": (
        "inputs-without-credentials",
        added(FILE, "notes", path="/opt/x", content="key: re_abcdefghijklmnop1234", mode="0600"),
    ),
    "a comment of a record holds a token": (
        "inputs-without-credentials",
        changed("mx-a", "ghp_abcdefghijklmnopqrstuvwxyz0123", "comment"),
    ),
    "a secret is woven into a file": (
        "secrets-not-repeated",
        added(FILE, "notes", path="/opt/x", content="use placeholder-of-storageSecretKey"),
    ),
    "a mailbox has its password in clear": (
        "secrets-sealed",
        unsealed("mailbox-info", "password"),
    ),
    "the token of Cloudflare is in clear": ("secrets-sealed", unsealed("cloudflare", "apiToken")),
    "a command has the private key in clear": (
        "secrets-sealed",
        unsealed("firewall", "connection"),
    ),
    "the guard logs what it says": (
        "commands-quiet",
        changed("mailcow-settings-guard", "stdoutAndStderr", "logging"),
    ),
    "a command hands its output to the environment": (
        "commands-quiet",
        switched("mailcow-settings-guard", "addPreviousOutputInEnv", on=True),
    ),
    "the passphrase is readable on the host": (
        "secret-files-closed",
        changed("backup-passphrase", "0644", "mode"),
    ),
    "the configuration of Mailcow is readable on the host": (
        "secret-files-closed",
        changed(CONF, "0644", "mode"),
    ),
    "everybody on the host may read the exporter's token": (
        "secret-files-closed",
        changed("monitoring-scrape", "0644", "mode"),
    ),
    "the API is reached without TLS": (
        "accounts-over-tls",
        changed("mailcow", "http://mail-admin.portugalodyssey.pt", "endpoint", kind="providers"),
    ),
    "the storage is reached without TLS": (
        "accounts-over-tls",
        changed("minio", "false", "minioSsl"),
    ),
    "an exception has ended": (
        "exception-in-time",
        _exception("mx-present", "apex-mx", date(2026, 11, 30)),
    ),
    "an exception names no rule": (
        "exception-names-something",
        _exception("no-such-rule", "apex-mx", date(2027, 11, 30)),
    ),
    "an exception names no resource": (
        "exception-names-something",
        _exception("mx-present", "no-such-resource", date(2027, 11, 30)),
    ),
}

WHOLE: dict[str, tuple[str, Mistake]] = {
    "an administrator that nobody declared": (
        "resources-declared",
        added("mailcow:index:DomainAdmin", "spy", username="spy"),
    ),
    "a program of the host is not written": ("resources-declared", without("program-archives")),
    "the postmaster's mailbox is switched off": (
        "resources-as-declared",
        changed("mailbox-postmaster", 0.0, "active"),
    ),
    "Mailcow's own ACME writes over the certificate": (
        "mailcow-conf-as-declared",
        replaced(CONF, "SKIP_LETS_ENCRYPT=y", "SKIP_LETS_ENCRYPT=n"),
    ),
    "nothing of the backup is read again": (
        "backup-as-declared",
        replaced("backup-settings", '"checkPercent": 5', '"checkPercent": 0'),
    ),
    "the certificate is looked for elsewhere": (
        "commands-as-declared",
        replaced("certificate-delivery", "--acme /opt", "--acme /srv", "create"),
    ),
}

MUTATIONS: dict[str, tuple[str, Mistake]] = {
    **AUTHENTICATION, **NAMES, **HOST, **SMARTHOST, **PEOPLE, **KEPT, **SAFE, **WHOLE,
}  # fmt: skip
"""Every mistake by what it is, with the rule that catches it and the mistake itself."""
