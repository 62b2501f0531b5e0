"""Traefik's dynamic file: exactly the declared hosts, one backend, the public certificate.

Every router asks for the same certificate: the mail host first, then the web hosts. Postfix and
Dovecot answer under the mail host's name, and Mailcow hands out addresses on it. Where one exists
that covers all of them, such as a wildcard, no router asks: Traefik picks what it keeps by name.

Traefik itself puts the client's address, scheme and host into X-Forwarded-For, -Proto and -Host
and drops what a client sent under those names; nginx believes them from `TRUSTED_PROXIES`. The
Host header is passed on as it came. Mailcow needs no further header.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import pulumi
import yaml

import pulumi_host
from declaration.names import AUTOCONFIG, AUTODISCOVER, MTA_STS, PROJECT, Names
from declaration.traefik import TraefikSettings

# To Traefik an encoded slash is a character like any other; nginx decodes it, and then resolves
# `..`. So /x/..%2fadmin is no administration to the one, and /admin to the other.
ADMINISTRATION = (
    r"(?i)^(/|%2f|\.)+(admin|domainadmin|api|json_api\.php|rspamd)|(^|/|%2f)\.\.(/|%2f|$)"
)
"""Paths that answer on the administration's host alone, in whatever way they are written."""

WELL_KNOWN = {
    AUTOCONFIG: r"PathRegexp(`(?i)^(/\.well-known/autoconfig)?/mail/config-v1\.1\.xml$`)",
    AUTODISCOVER: r"PathRegexp(`(?i)^/autodiscover/autodiscover\.(xml|json)(/([^%]|%40)*)?$`)",
    MTA_STS: "Path(`/.well-known/mta-sts.txt`)",
}
"""What hosts that serve one purpose answer, by label; nothing may climb out of it."""


HANDED_OUT = (
    r"^/(index\.php|mobileconfig\.php|inc/ajax/qitem_details\.php"
    r"|qhandler/(release|delete)/[0-9a-f]{64}"
    r"|(Microsoft-Server-ActiveSync|SOGo|SOGo\.woa|principals|\.well-known/(caldav|carddav)"
    r"|cache|css|fonts|img|js)(/.*)?)?$"
)
"""What the mail host answers: Mailcow builds every address that it gives to people from
MAILCOW_HOSTNAME (data/web/inc/vars.inc.php, autoconfig.php, templates/quarantine.tpl of 2026-07a).
ActiveSync, calendars and address books, webmail, the links in quarantine mails, the profile for
Apple's devices; then the door at which people sign in for them, and what these pages look like."""


class Domain(TypedDict):
    """Names of one certificate."""

    main: str
    sans: list[str]


class RouterTls(TypedDict, total=False):
    """TLS of a router; without a word it takes what Traefik keeps for the name already."""

    certResolver: str
    domains: list[Domain]


class Router(TypedDict):
    """One router."""

    entryPoints: list[str]
    rule: str
    service: str
    tls: RouterTls


class Server(TypedDict):
    """One backend server."""

    url: str


class LoadBalancer(TypedDict):
    """Where a service's requests go."""

    servers: list[Server]
    serversTransport: str
    passHostHeader: bool


class Service(TypedDict):
    """One service."""

    loadBalancer: LoadBalancer


class Transport(TypedDict):
    """How backends are spoken to."""

    insecureSkipVerify: bool


class Http(TypedDict):
    """The HTTP part of a dynamic file."""

    routers: dict[str, Router]
    services: dict[str, Service]
    serversTransports: dict[str, Transport]


class DynamicFile(TypedDict):
    """A dynamic file of Traefik's."""

    http: Http


@dataclass(frozen=True)
class Routes:
    """What is routed.

    Attributes:
        rules: Rule of each router, by the label of its host.
        certificate_names: Names of the certificate to ask for, the mail host first; empty where
            one that covers them exists.
        entry_point: Entry point for HTTPS.
        certificate_resolver: Certificate resolver.
        backend: URL of nginx.
    """

    rules: dict[str, str]
    certificate_names: Sequence[str]
    entry_point: str
    certificate_resolver: str
    backend: str


def mail_host_rule(host: str) -> str:
    """Return the rule of the mail host: what Mailcow hands out leads somewhere, nothing else does.

    Args:
        host: Fully qualified name of the mail host.
    """
    return f"Host(`{host}`) && PathRegexp(`{HANDED_OUT}`) && !PathRegexp(`{ADMINISTRATION}`)"


def rule_for(label: str, host: str, *, administers: bool) -> str:
    """Return the rule of a web host: the administration and the API answer on one host alone.

    Args:
        label: Label of the host.
        host: Fully qualified name.
        administers: Whether it is the administration's host.
    """
    if administers:
        return f"Host(`{host}`)"
    paths = WELL_KNOWN.get(label, f"!PathRegexp(`{ADMINISTRATION}`)")
    return f"Host(`{host}`) && {paths}"


def routes_of(traefik: TraefikSettings, names: Names) -> Routes:
    """Return the routes that a declaration asks for."""
    rules = {
        names.label(host): rule_for(
            names.label(host), host, administers=host == names.administration
        )
        for host in names.web_hosts
    }
    rules[names.label(names.mail_host)] = mail_host_rule(names.mail_host)
    return Routes(
        rules=rules,
        certificate_names=() if names.existing_certificate else names.certificate_names,
        entry_point=traefik.entry_point,
        certificate_resolver=traefik.certificate_resolver,
        backend=names.backend,
    )


def dynamic_file(routes: Routes) -> DynamicFile:
    """Return the dynamic file as a value."""
    routers: dict[str, Router] = {
        f"{PROJECT}-{re.sub('[^a-z0-9-]', '-', label)}": {
            "entryPoints": [routes.entry_point],
            "rule": rule,
            "service": PROJECT,
            "tls": _tls(routes),
        }
        for label, rule in routes.rules.items()
    }
    return {
        "http": {
            "routers": routers,
            "services": {
                PROJECT: {
                    "loadBalancer": {
                        "servers": [{"url": routes.backend}],
                        "serversTransport": PROJECT,
                        "passHostHeader": True,
                    }
                }
            },
            "serversTransports": {PROJECT: {"insecureSkipVerify": True}},
        }
    }


def _tls(routes: Routes) -> RouterTls:
    if not routes.certificate_names:
        return {}
    main, *others = routes.certificate_names
    return {
        "certResolver": routes.certificate_resolver,
        "domains": [{"main": main, "sans": others}],
    }


class _Plain(yaml.SafeDumper):
    """Writes repeated values out; Traefik reads anchors, people do not like to."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def render_dynamic_file(routes: Routes) -> str:
    """Return the dynamic file as YAML."""
    text: str = yaml.dump(dict(dynamic_file(routes)), Dumper=_Plain, sort_keys=False, width=10_000)
    return (
        "# Mail's web hosts. Written by Pulumi; the next `pulumi up` undoes edits.\n"
        "# insecureSkipVerify: nginx's certificate names the hosts, not the address under which\n"
        "# Traefik reaches it; that connection does not leave the host.\n" + text
    )


@dataclass(frozen=True)
class TraefikArgs:
    """What the routes need to know.

    Attributes:
        traefik: The Traefik that runs.
        names: Hosts, and where they lead.
        after: What must be there first.
    """

    traefik: TraefikSettings
    names: Names
    after: Sequence[pulumi.Resource] = ()


class TraefikComponent(pulumi.ComponentResource):
    """The dynamic file; Traefik watches its directory and obtains the certificate by itself."""

    file: pulumi_host.File
    """The dynamic file."""

    def __init__(
        self, name: str, args: TraefikArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Declare the routes.

        Args:
            name: Name of the component.
            args: What they need to know.
            opts: Resource options; they carry the `host` provider.
        """
        super().__init__("mail:components:Traefik", name, None, opts)
        self.file = pulumi_host.File(
            "traefik-routes",
            path=f"{args.traefik.dynamic_directory}/{PROJECT}.yml",
            content=render_dynamic_file(routes_of(args.traefik, args.names)),
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.after)),
        )
        self.register_outputs({})
