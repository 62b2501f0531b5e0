"""The host and the stack on it: shares, pins, ports, the way in."""

import ipaddress
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from declaration.names import FIREWALL_RULES
from policies.model import Area, Finding, Resource, Severity
from policies.registry import in_area
from policies.rules.names import routes_resource
from policies.stack import COMMAND, Stack
from readers import nft
from readers.addresses import Address
from readers.mistake import Mistake, MistakeError

rule = in_area(Area.HOST)

_FIXED = (
    "DBNAME", "DBUSER", "COMPOSE_PROJECT_NAME", "MAILDIR_SUB", "IPV4_NETWORK", "IPV6_NETWORK",
    "MAILCOW_HOSTNAME",
)  # fmt: skip
_OUTSIDE_V4, _OUTSIDE_V6 = (
    ipaddress.ip_address(address) for address in ("198.51.100.77", "2001:db8:77::1")
)
_HERE_V6 = ipaddress.ip_address("2001:db8:1::1")
_MAIL_CONTAINER, _NEIGHBOUR = (
    ipaddress.ip_address(address) for address in ("172.22.1.10", "172.29.9.9")
)
_OTHERS = (22, 80, 443)
"""What others run on the host: SSH, Traefik."""
_LEAST_PREFIX = {4: 24, 6: 48}


@rule(
    "files-deployed",
    Severity.CRITICAL,
    protects="Every file that decides where mail goes, and to whom a port is open, is deployed.",
    reason="What is not written stays as the release has it: direct delivery, open ports.",
    source="https://docs.mailcow.email/manual-guides/Postfix/u_e-postfix-extra_cf/",
    remedy="let the component write the file again",
)
def _files(stack: Stack) -> Iterator[Finding]:
    directory = stack.declaration.mailcow.directory
    wanted = {
        f"{directory}/mailcow.conf": "mail:mailcow",
        f"{directory}/docker-compose.override.yml": "mail:mailcow.services",
        f"{directory}/data/conf/postfix/extra.cf": "mail:smarthost",
        f"{directory}/data/conf/postfix/smarthost_passwd": "mail:smarthost",
        f"{directory}/data/conf/postfix/smarthost_tls_policy": "mail:smarthost",
        FIREWALL_RULES: "mail:mailcow.rawPorts",
    }
    for path, key in wanted.items():
        if path not in stack.files:
            yield Finding(f"{path} is not written", key, seen=path, absent=True)
    if not stack.traefik_files():
        folder = stack.declaration.traefik.dynamic_directory
        yield Finding(f"no file of routes is written to {folder}", "mail:traefik", absent=True)


# Pins


@rule(
    "release-pinned",
    Severity.CRITICAL,
    protects="The Mailcow release is the declared one, by tag and by commit.",
    reason="A tag can be moved and a branch moves by itself; a commit cannot.",
    source="https://docs.mailcow.email/maintenance/update/",
    remedy="declare tag and commit in mailcow.release",
)
def _release(stack: Stack) -> Iterator[Finding]:
    release = stack.declaration.mailcow.release
    elsewhere = stack.declaration.endpoints.repository
    wanted = {
        "--tag": release.tag,
        "--commit": elsewhere.commit_of(release.tag, release.commit)
        if elsewhere
        else release.commit,
        "--repository": elsewhere.url if elsewhere else release.repository,
    }
    found = list(stack.releases())
    if not found:
        yield Finding("nothing brings the release", "mail:mailcow.release", absent=True)
    for one, options in found:
        for option, value in wanted.items():
            given = (options.get(option) or [""])[0]
            if given != value:
                key = f"mail:mailcow.release.{option.removeprefix('--')}"
                message = f"the release is brought with {option} {given or 'nothing'}"
                yield Finding(message, key, one, given)


# Ports


@rule(
    "ports-firewalled",
    Severity.CRITICAL,
    protects="The firewall opens the declared mail ports and keeps the web ports for Traefik.",
    reason="Whoever reaches nginx past Traefik may say who he is; a mail port left out is no mail.",
    source="https://docs.docker.com/engine/network/packet-filtering-firewalls/; nft(8)",
    remedy="render the rules from mailcow.rawPorts, httpPort, httpsPort and traefik.network",
)
def _firewall(stack: Stack) -> Iterator[Finding]:
    file = stack.file(FIREWALL_RULES)
    if file is None or file.text is None:
        return
    key = "mail:mailcow.rawPorts"
    try:
        ruleset = nft.parse(file.text)
        mistakes = [*ruleset.mistakes]
        if ruleset.flushes:
            place = f"line {ruleset.flushes}"
            mistakes.append(Mistake(place, "throws Docker's own rules away (flush ruleset)"))
        if not mistakes:
            for probe, passes, why in _probes(stack):
                if ruleset.passes(probe) is not passes:
                    verb = "passes" if ruleset.passes(probe) else "is dropped"
                    message = f"{why}: a packet from {probe.source} to port {probe.port} {verb}"
                    yield Finding(message, key, file.resource, str(probe.port))
                    return
    except MistakeError as error:
        mistakes = [error.mistake]
    for mistake in mistakes:
        yield Finding(f"the firewall's rules: {mistake}", key, file.resource)
    if not mistakes:
        mailcow = stack.declaration.mailcow
        strange = ruleset.ports() - {*mailcow.raw_ports, mailcow.http_port, mailcow.https_port}
        for port in sorted(strange):
            message = f"the firewall has a rule for port {port}, which nobody declared"
            yield Finding(message, key, file.resource, str(port))


def _probes(stack: Stack) -> Iterator[tuple[nft.Packet, bool, str]]:
    """Yield packets that come to the host, and whether each must arrive."""
    declaration = stack.declaration
    mailcow, network = declaration.mailcow, ipaddress.ip_network(declaration.traefik.network)
    here = {4: ipaddress.ip_address(declaration.host.address), 6: _HERE_V6}
    outside = [_OUTSIDE_V4, _OUTSIDE_V6]
    behind = (mailcow.http_port, mailcow.https_port)

    def arriving(source: Address, port: int, **more: Any) -> nft.Packet:
        return nft.Packet(source, here[source.version], port, **more)

    for source in outside:
        for port in behind:
            # Docker publishes it: what arrives is sent on to the container under the same port.
            probe = arriving(source, port, container=(_MAIL_CONTAINER, port))
            yield probe, False, "the web ports are for Traefik alone"
        for port in mailcow.raw_ports:
            probe = arriving(source, port, container=(_MAIL_CONTAINER, port))
            opened = source.version == 4 or declaration.ipv6 is not None
            why = f"mailcow.rawPorts names {port}" if opened else "IPv6 is off"
            yield probe, opened, why
        for port in _OTHERS:
            yield arriving(source, port), True, "the filter is for the ports of mail alone"
    for port in behind:
        proxy = network[2]
        reached = arriving(proxy, port, container=(_MAIL_CONTAINER, port))
        yield reached, True, f"Traefik in {network} must reach the web ports"
        neighbour = arriving(_NEIGHBOUR, port, container=(_MAIL_CONTAINER, port))
        yield neighbour, False, "other containers have no business at the web ports"
        yield arriving(here[4], port, interface="lo"), True, "the host speaks to itself"
        elsewhere = arriving(_MAIL_CONTAINER, port, interface="br-mailcow", local=False)
        yield elsewhere, True, "what containers ask of other hosts is free"


# The way in


@rule(
    "admin-through-traefik",
    Severity.CRITICAL,
    protects="The web interface listens where Traefik alone can reach it.",
    reason="A second way in has no public certificate, and none of Traefik's limits.",
    source="https://docs.mailcow.email/post_installation/reverse-proxy/r_p/",
    remedy="bind nginx to traefik.backendAddress",
)
def _admin(stack: Stack) -> Iterator[Finding]:
    declaration, conf = stack.declaration, stack.mailcow_conf
    resource = stack.mailcow_resource("mailcow.conf")
    wanted = {
        "HTTP_BIND": (declaration.traefik.backend_address, "mail:traefik.backendAddress"),
        "HTTPS_BIND": (declaration.traefik.backend_address, "mail:traefik.backendAddress"),
        "HTTP_PORT": (str(declaration.mailcow.http_port), "mail:mailcow.httpPort"),
        "HTTPS_PORT": (str(declaration.mailcow.https_port), "mail:mailcow.httpsPort"),
        "TRUSTED_PROXIES": (declaration.traefik.network, "mail:traefik.network"),
    }
    for variable, (value, key) in wanted.items() if conf else ():
        if conf.get(variable) != value:
            message = f"{variable} is {conf.get(variable) or 'not set'}, not {value}"
            yield Finding(message, key, resource, conf.get(variable, ""))


@rule(
    "backend-skips-verification-once",
    Severity.HIGH,
    protects="insecureSkipVerify holds for the one backend on the host, and for nothing else.",
    reason="That connection does not leave the host; any other would be open to a forger.",
    source="https://doc.traefik.io/traefik/routing/services/#serverstransport_1",
    remedy="keep the one transport for the one service",
)
def _skip_verify(stack: Stack) -> Iterator[Finding]:
    http = stack.traefik_http()
    resource, key = routes_resource(stack), "mail:traefik.backendAddress"
    careless = {
        name
        for name, one in http.get("serversTransports", {}).items()
        if isinstance(one, Mapping) and one.get("insecureSkipVerify")
    }
    # Where a service leads is for `routes-lead-to-nginx` to judge.
    for router in stack.routes.routers:
        if router.backend.verified:
            name = router.backend.service
            message = f"the service {name} verifies the name of an address, so no request succeeds"
            yield Finding(message, key, resource, name)
            break
    for name in sorted(careless)[1:]:
        message = f"a second transport, {name}, verifies nothing"
        yield Finding(message, key, resource, name)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


@rule(
    "host-key-verified",
    Severity.CRITICAL,
    protects="Every connection to the host compares its key with the declared one.",
    reason="Without it, whoever answers at the address is given every secret of the stack.",
    source="RFC 4253 section 8; https://www.pulumi.com/registry/packages/command/api-docs/remote/"
    "command/",
    remedy="set host_key of the connection to mail:hostKey",
)
def _host_key(stack: Stack) -> Iterator[Finding]:
    declared, key = stack.declaration.host_key, "mail:hostKey"
    for resource in stack.of_type(
        COMMAND, "command:remote:CopyToRemote", "command:remote:CopyFile"
    ):
        given = stack.text(resource, "connection", "hostKey")
        if given != declared:
            message = (
                f"{resource.name} connects {'with another' if given else 'without a'} host key"
            )
            yield Finding(message, key, resource)
    for provider in stack.providers("host"):
        if stack.text(provider, "hostKey") != declared:
            yield Finding("the provider of files connects without the host key", key, provider)
    for provider in stack.providers("docker"):
        options, address = stack.text(provider, "sshOpts"), stack.text(provider, "host")
        if not address.startswith("ssh://"):
            continue
        checked = "StrictHostKeyChecking=yes" in options and declared.split()[1] in options
        if not checked:
            yield Finding("Docker is reached without the host key", key, provider)


@rule(
    "ipv6-all-or-none",
    Severity.HIGH,
    protects="IPv6 is on everywhere or nowhere: AAAA, PTR, Postfix, firewall.",
    reason="Mail over IPv6 without a PTR record is refused, and others find half an IPv6 first.",
    source="https://support.google.com/a/answer/81126 (IPv6: PTR); RFC 5321 section 5.1",
    remedy="declare ipv6 with its PTR set, or leave it out and publish no AAAA",
)
def _ipv6(stack: Stack) -> Iterator[Finding]:
    ipv6, key = stack.declaration.ipv6, "mail:ipv6"
    host = stack.names.mail_host
    records = [record for record in stack.zone.records if record.type == "AAAA"]
    if ipv6 is None:
        for record in records:
            yield Finding(
                f"{record.name} has an AAAA record, and IPv6 is off",
                key,
                record.resource,
                record.value,
            )
    elif not any(record.name == host for record in records):
        yield Finding(f"{host} has no AAAA record, and IPv6 is on", key, seen=host, absent=True)
    if ipv6 is not None and not ipv6.reverse_is_set:
        yield Finding("IPv6 is on without a PTR record", "mail:ipv6.reverseIsSet")
    extra = stack.mailcow_resource("data/conf/postfix/extra.cf")
    protocols = stack.postfix.get("inet_protocols")
    if stack.postfix and protocols != ("all" if ipv6 else "ipv4"):
        message = f"Postfix speaks {protocols or 'whatever the release says'}"
        yield Finding(message, key, extra, protocols or "")
    conf = stack.mailcow_conf
    if conf and conf.get("ENABLE_IPV6") != ("true" if ipv6 else "false"):
        given = conf.get("ENABLE_IPV6", "")
        resource = stack.mailcow_resource("mailcow.conf")
        yield Finding(f"ENABLE_IPV6 is {given or 'not set'}", key, resource, given)


@rule(
    "api-narrow",
    Severity.CRITICAL,
    protects="Mailcow's API may be used by the declared operators and the host itself alone.",
    reason="Its key may do everything; the list of addresses is the second lock.",
    source="https://docs.mailcow.email/manual-guides/mailcow-UI/u_e-mailcow_ui-api/",
    remedy="name the addresses in operatorAddresses, as narrow as they are",
)
def _api(stack: Stack) -> Iterator[Finding]:
    conf = stack.mailcow_conf
    if not conf:
        return
    resource, key = stack.mailcow_resource("mailcow.conf"), "mail:operatorAddresses"
    allowed = [_network(client) for client in stack.names.api_clients]
    given = [part.strip() for part in conf.get("API_ALLOW_FROM", "").split(",") if part.strip()]
    if not given:
        yield Finding("API_ALLOW_FROM is empty, so the API key is not applied", key, resource)
    for text in given:
        network = _network(text)
        if network is None or network.prefixlen < _LEAST_PREFIX[network.version]:
            yield Finding(f"API_ALLOW_FROM lets {text} in, too many", key, resource, text)
        elif network not in allowed:
            yield Finding(
                f"API_ALLOW_FROM lets {text} in, whom nobody declared", key, resource, text
            )


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None


# Settings that must not change


def _fixed_of(resource: Resource, stack: Stack) -> Mapping[str, Any]:
    """Return the unsafe settings that a command compares: JSON in the comments below it."""
    for line in stack.text(resource, "create").splitlines():
        found = re.fullmatch(r"#[^\[{]*([\[{].*)", line)
        try:
            value = json.loads(found[1]) if found else None
        except ValueError:
            continue
        value = value[0] if isinstance(value, list) and value else value
        if isinstance(value, Mapping) and set(value) & set(_FIXED):
            return value
    return {}


def _guard(stack: Stack) -> Resource | None:
    found = [
        one
        for one, text in stack.commands()
        if "settings_guard.py" in text and "--note" not in text
    ]
    return found[0] if found else None


@rule(
    "settings-guarded",
    Severity.CRITICAL,
    protects="Settings that are unsafe to change are compared on the host before any writing.",
    reason="Another project name starts on empty volumes, another MAILDIR_SUB hides all mail.",
    source="https://docs.mailcow.email/getstarted/install/; mailcow.conf of the release",
    remedy="let the guard know every such setting, and let mailcow.conf wait for it",
)
def _guarded(stack: Stack) -> Iterator[Finding]:
    guard = _guard(stack)
    if guard is None:
        yield Finding("nothing guards the unsafe settings", "mail:mailcow.project", absent=True)
        return
    known = _fixed_of(guard, stack)
    lacking = [item for item in _FIXED if item not in known]
    if lacking:
        message = f"the guard does not know {', '.join(lacking)}"
        yield Finding(message, "mail:mailcow.project", guard, ", ".join(lacking))
    conf = stack.mailcow_file("mailcow.conf")
    if conf is not None and not stack.waits_for(conf.resource, guard):
        message = "mailcow.conf is written before the guard has looked"
        yield Finding(message, "mail:mailcow.project", conf.resource)
    if conf is not None and conf.text is not None:
        for setting, value in known.items():
            if stack.mailcow_conf.get(setting) != str(value):
                message = f"the guard looks at another {setting} than mailcow.conf has"
                yield Finding(message, "mail:mailcow.project", guard, str(value))


@rule(
    "settings-unchanged",
    Severity.CRITICAL,
    protects="A running stack keeps the settings that are unsafe to change.",
    reason="Another project name starts on empty volumes, another MAILDIR_SUB hides all mail.",
    source="https://docs.mailcow.email/getstarted/install/; mailcow.conf of the release",
    remedy="put the old value back; a move is a restore into a new stack",
)
def _unchanged(stack: Stack) -> Iterator[Finding]:
    if stack.previous is None:
        return  # no state is at hand; the guard on the host compares all the same
    guard = _guard(stack)
    before = [
        earlier for earlier in stack.previous if guard is not None and earlier.urn == guard.urn
    ]
    for item in before:
        old, new = _fixed_of(item, stack), _fixed_of(guard, stack) if guard else {}
        keys = {
            "MAILCOW_HOSTNAME": "mail:zone.mxLabel",
            "COMPOSE_PROJECT_NAME": "mail:mailcow.project",
            "IPV4_NETWORK": "mail:mailcow.ipv4Network",
        }
        for setting in old:
            if setting in new and old[setting] != new[setting]:
                message = (
                    f"{setting} was {old[setting]} in the state and would become {new[setting]}"
                )
                key = keys.get(setting, "mail:mailcow")
                yield Finding(message, key, guard, str(new[setting]))


@rule(
    "project-own",
    Severity.CRITICAL,
    protects="Commands act on the project of mail and on no neighbour's.",
    reason="A compose command with another project's name stops somebody else's containers.",
    source="https://docs.docker.com/compose/how-tos/project-name/",
    remedy="keep mailcow.project apart from host.neighbours",
)
def _project(stack: Stack) -> Iterator[Finding]:
    project, neighbours = stack.declaration.mailcow.project, stack.declaration.host.neighbours
    key = "mail:mailcow.project"
    if project in neighbours:
        yield Finding(f"{project} is a neighbour's", key, seen=project)
    for one, text in stack.commands():
        words = text + " " + stack.text(one, "delete")
        for given in re.findall(r"(?:--project|\s-p)[ =]([a-z0-9][a-z0-9_-]*)", words):
            if given != project:
                yield Finding(f"{one.name} acts on the project {given}", key, one, given)
                break
    conf = stack.mailcow_conf
    if conf and conf.get("COMPOSE_PROJECT_NAME") != project:
        given = conf.get("COMPOSE_PROJECT_NAME", "")
        resource = stack.mailcow_resource("mailcow.conf")
        yield Finding(f"COMPOSE_PROJECT_NAME is {given or 'not set'}", key, resource, given)
