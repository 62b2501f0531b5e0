"""Routes: which pages Traefik's files lead to the mail host's nginx, and which they do not.

The files are read as Traefik reads them; then URLs are asked for, as people and attackers write
them, and what would answer is compared with what should.
"""

from collections.abc import Iterator

from declaration.names import AUTOCONFIG, AUTODISCOVER, MTA_STS
from policies.model import Area, Finding, Severity
from policies.registry import in_area
from policies.rules.names import key_of
from policies.stack import Stack
from readers.traefik.dynamic import Request, Router, answering

rule = in_area(Area.NAMES)
host_rule = in_area(Area.HOST)

_ADMINISTRATION = (
    "/admin", "/ADMIN/", "//admin", "/%61dmin", "/./admin", "/x/../admin", "/x/%2e%2e/admin",
    "/x/..%2fadmin", "/%2Fadmin", "/admin/dashboard", "/domainadmin", "/domainadmin/mailbox",
    "/api/v1/get/domain/all", "/x/..%2fapi/v1/get/domain/all", "/json_api.php?x=1", "/rspamd/",
    "/SOGo/..%2fadmin", "/SOGo%2F..%2Fadmin", "/cache/x/..%2f..%2fapi/v1/get/domain/all",
    "/mail/config-v1.1.xml/..%2f..%2fadmin",
    "/autodiscover/autodiscover.xml/..%2f..%2f..%2fadmin",
)  # fmt: skip
"""The administration and the API, in the ways in which nginx still finds them."""
_PAGES = ("/user", "/inc/lib/x", "/x", "/index.php/x")
"""Pages of Mailcow that the mail host hands out to nobody."""
_HANDED_OUT = ("/", "/Microsoft-Server-ActiveSync?Cmd=Ping", "/SOGo/dav/anna/", "/mobileconfig.php")
_PURPOSE = {
    AUTOCONFIG: ("/mail/config-v1.1.xml", "/.well-known/autoconfig/mail/config-v1.1.xml"),
    AUTODISCOVER: ("/autodiscover/autodiscover.xml", "/Autodiscover/Autodiscover.xml"),
    MTA_STS: ("/.well-known/mta-sts.txt",),
}
"""What hosts that serve one purpose must answer, by label."""


def _answering(stack: Stack, host: str, path: str) -> Router | None:
    return answering(stack.routes.routers, Request(host, path))


@rule(
    "routes-stand",
    Severity.CRITICAL,
    protects="Traefik takes the dynamic files over whole, and nothing in them is not understood.",
    reason="A file that cannot be read keeps every change out, and a router that cannot stand is"
    " left out with a line in a log.",
    source="https://doc.traefik.io/traefik/providers/file/",
    remedy="let the component write the file again, and take other files out of the folder",
)
def _stand(stack: Stack) -> Iterator[Finding]:
    for fault in stack.routes.faults:
        yield Finding(f"Traefik: {fault}", "mail:traefik", stack.routes.resource)


@rule(
    "routes-own-hosts-alone",
    Severity.HIGH,
    protects="Only the hosts of this stack lead to its nginx.",
    reason="Mailcow believes the name by which it is asked: a catch-all lets anybody's name lead to"
    " its pages, and takes those of the neighbours behind the same Traefik.",
    source="https://doc.traefik.io/traefik/routing/routers/#rule",
    remedy="name the host in every router's rule, and each of them in the declaration",
)
def _own_hosts(stack: Stack) -> Iterator[Finding]:
    declaration = stack.declaration
    ours = {stack.names.mail_host, *stack.names.web_hosts}
    strangers = {declaration.host.address, "stranger.example", f"x.{declaration.domain}"}
    strangers |= {other for host in ours for other in (f"x.{host}", f"x{host}", f"{host}.example")}
    # What is published and routed beside the declaration is for `records-declared` to name.
    strangers |= {host for router in stack.routes.routers for host in router.rule.hosts} - ours
    for host in sorted(strangers - ours):
        paths = ("/", *_HANDED_OUT, *_ADMINISTRATION, *(path for _, path in _purposes()))
        router = next((found for path in paths if (found := _answering(stack, host, path))), None)
        if router is not None and not stack.zone.exists(host):
            message = f"the router {router.name} answers {host}, which is no host of this stack"
            yield Finding(message, "mail:traefik", stack.routes.resource, host)
            return


def _purposes() -> Iterator[tuple[str, str]]:
    for label, paths in _PURPOSE.items():
        for path in paths:
            yield label, path


@rule(
    "hosts-serve-their-purpose",
    Severity.HIGH,
    protects="What people and mail programs look up on a host is answered.",
    reason="A path that is shut, or taken by another router, is a set-up that fails silently.",
    source="RFC 8461 section 3.3; https://docs.mailcow.email/manual-guides/"
    "u_e-autodiscover_config/",
    remedy="let the router of the host lead what it is for to nginx",
)
def _serve(stack: Stack) -> Iterator[Finding]:
    declaration = stack.declaration
    routed = {host for router in stack.routes.routers for host in router.rule.hosts}
    for host in (stack.names.mail_host, *stack.names.web_hosts):
        label = host.removesuffix(f".{declaration.domain}")
        paths = _HANDED_OUT if host == stack.names.mail_host else _PURPOSE.get(label, ("/",))
        shut = next((path for path in paths if _answering(stack, host, path) is None), None)
        # A host without any route is for `hosts-routed` to judge.
        if shut is not None and host in routed:
            message = f"nothing answers https://{host}{shut}"
            yield Finding(message, key_of(stack, host), stack.routes.resource, host)


@rule(
    "routes-lead-to-nginx",
    Severity.CRITICAL,
    protects="Every route leads to Mailcow's nginx on this host, as it was asked for.",
    reason="A route to another machine hands it every password that people type.",
    source="https://doc.traefik.io/traefik/routing/services/",
    remedy="let the component write the file again",
)
def _lead(stack: Stack) -> Iterator[Finding]:
    wanted = stack.names.backend
    blamed = set()
    for router in stack.routes.routers:
        backend = router.backend
        if backend.service in blamed:
            continue
        if backend.url != wanted:
            fault = f"leads to {backend.url}, not to {wanted}"
        elif not backend.pass_host:
            fault = "hides from nginx which host was asked for"
        elif backend.verified:
            continue  # for `backend-skips-verification-once` to judge
        else:
            continue
        blamed.add(backend.service)
        message = f"the route {router.name} {fault}"
        yield Finding(message, "mail:traefik.backendAddress", stack.routes.resource, backend.url)


@host_rule(
    "admin-on-one-host",
    Severity.HIGH,
    protects="The administration answers on its own host and on no other.",
    reason="Every host that answers it is one more place to try passwords.",
    source="https://docs.mailcow.email/post_installation/reverse-proxy/r_p/",
    remedy="shut the administration's paths out of every other router",
)
def _one_host(stack: Stack) -> Iterator[Finding]:
    routed = {host for router in stack.routes.routers for host in router.rule.hosts}
    hosts = {stack.names.mail_host, *stack.names.web_hosts, *routed} - {stack.names.administration}
    for host in sorted(hosts):
        pages = _PAGES if host == stack.names.mail_host else ()
        for path in (*_ADMINISTRATION, *pages):
            router = _answering(stack, host, path)
            if router is not None:
                message = f"the administration answers on {host} too: {router.name} takes {path}"
                yield Finding(message, "mail:web.admin", stack.routes.resource, path)
                break
