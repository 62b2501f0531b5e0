"""Containers: what the compose files and Docker's engine are told to run, and nothing else."""

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from declaration.mailcow import PORT_VARIABLES, memory_mib
from declaration.names import EXPORTER
from policies.model import Area, Finding, Resource, Severity
from policies.registry import in_area
from policies.stack import CONTAINER, IMAGE, OVERRIDE, RELEASE_IMAGE, Stack
from readers.compose import TAKEN, Service, memory

rule = in_area(Area.HOST)

_KEY = "mail:mailcow.services"
_MIB = 1024 * 1024
_LIMITS = ("cpus", "deploy", "mem_limit", "mem_reservation", "pids_limit")
_LEAST_PROCESSES = 64
"""Processes and threads with which every service of the release still works."""
_IDLE = ("version",)
"""Sections that Compose reads past."""
_PROJECT = "COMPOSE_PROJECT_NAME"
INNER_PORTS = ("DOVEADM_PORT", "SQL_PORT", "REDIS_PORT")
"""Variables of ports that are for the host alone."""


# Shares


@rule(
    "tiers-complete",
    Severity.HIGH,
    protects="Every service of the release has the limits of its tier, of memory and processors.",
    reason="One service without a limit can take the host down, and its neighbours with it.",
    source="https://docs.docker.com/reference/compose-file/services/#mem_limit",
    remedy="give the service a tier in mailcow.services",
)
def _tiers(stack: Stack) -> Iterator[Finding]:
    mailcow, project = stack.declaration.mailcow, stack.override.project
    if project is None:
        return
    resource = stack.mailcow_resource(OVERRIDE)
    brought = [name for _, options in stack.releases() for name in options.get("--service", ())]
    for name in sorted({*mailcow.services, *brought}):
        service = project.services.get(name)
        tier = mailcow.tiers[mailcow.services[name]] if name in mailcow.services else None
        if tier is None:
            message = f"{name} has no tier"
        elif service is None or not (service.memory and service.cpus):
            message = f"{name} has no limit of memory or of processors"
        elif service.memory != tier.memory_mib * _MIB:
            allowed = f"{service.memory / _MIB:.6g} MiB"
            message = f"{name} may take {allowed}, its tier says {tier.memory_mib}"
        elif service.cpus != tier.cpus:
            message = f"{name} may take {service.cpus:g} processors, its tier says {tier.cpus:g}"
        else:
            continue
        yield Finding(message, f"{_KEY}.{name}", resource, name)


@rule(
    "tiers-fit-host",
    Severity.HIGH,
    protects="Services and containers fit the memory of the host, beside what is reserved.",
    reason="More than there is means that the kernel chooses whom to kill; often the database.",
    source="https://docs.mailcow.email/getstarted/prerequisite-system/",
    remedy="lower a tier, or take a larger host",
)
def _fit(stack: Stack) -> Iterator[Finding]:
    host, mailcow = stack.declaration.host, stack.declaration.mailcow
    beside = sum(float(stack.get(resource, "memory") or 0) for resource in stack.of_type(CONTAINER))
    total = memory_mib(mailcow.services, mailcow.tiers) + beside
    if total + host.reserved_memory_mib > host.memory_mib:
        message = f"the services may take {total:.0f} MiB; with {host.reserved_memory_mib} MiB"
        message += f" reserved that is more than the {host.memory_mib} MiB of the host"
        resource = stack.mailcow_resource(OVERRIDE)
        yield Finding(message, "mail:mailcow.tiers", resource, f"{total:.0f} MiB")


@rule(
    "override-limits-alone",
    Severity.CRITICAL,
    protects="Compose reads the release's file and an override that sets limits, nothing else.",
    reason="A network of the host, a privilege, a socket or a mount of it gives a service the host;"
    " another image, command or environment makes it another service.",
    source="https://docs.docker.com/reference/compose-file/merge/",
    remedy="let the component write the file again",
    yields=True,
)
def _limits_alone(stack: Stack) -> Iterator[Finding]:
    override, resource = stack.override, stack.mailcow_resource(OVERRIDE)
    if override.mistake is not None:
        yield Finding(f"Compose: {override.mistake}", _KEY, resource, OVERRIDE)
    if override.project is not None:
        for section in override.project.whole.keys() - {"services", *_IDLE}:
            if not section.startswith("x-"):
                message = f"the override has the section {section}, which nobody declared"
                yield Finding(message, _KEY, resource, section)
        for name, service in override.project.services.items():
            for fault in _beyond_limits(service):
                message = f"the override sets {fault} of {name}, which nobody declared"
                yield Finding(message, f"{_KEY}.{name}", resource, fault)
    yield from _other_files(stack)


def _beyond_limits(service: Service) -> Iterator[str]:
    """Yield what the override changes of a service besides limits that make sense."""
    if service.image != RELEASE_IMAGE:
        yield f"the image {service.image}"
    for name, value in service.settings.items():
        inner = set(_paths(value)) if name == "deploy" else set()
        if inner <= {"resources.limits.memory", "resources.limits.cpus"} and name in _LIMITS:
            continue
        if name != "image" and not name.startswith("x-"):
            yield name
    reserved = service.settings.get("mem_reservation")
    if reserved is not None and memory(reserved, service.name) > service.memory > 0:
        yield "a mem_reservation above the limit"
    processes = service.text("pids_limit")
    if processes and not (processes.isdecimal() and int(processes) >= _LEAST_PROCESSES):
        yield f"a pids_limit of {processes}"


def _paths(value: Any, before: str = "") -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield before
        return
    for key, inner in value.items():
        yield from _paths(inner, f"{before}.{key}" if before else str(key))


def _other_files(stack: Stack) -> Iterator[Finding]:
    directory = PurePosixPath(stack.declaration.mailcow.directory)
    for path, file in stack.files.items():
        where = PurePosixPath(path)
        if where.parent == directory and where.name in {*TAKEN, ".env"} - {OVERRIDE}:
            message = f"Compose would take {where.name}, which nobody declared"
            yield Finding(message, "mail:mailcow.directory", file.resource, where.name)
    conf = stack.mailcow_resource("mailcow.conf")
    for name in stack.mailcow_conf:
        if name.startswith(("COMPOSE_", "DOCKER_")) and name not in (_PROJECT, _VERSION):
            message = f"mailcow.conf tells Compose {name}, which nobody declared"
            yield Finding(message, "mail:mailcow.project", conf, name)


_VERSION = "DOCKER_COMPOSE_VERSION"
"""What Mailcow's own scripts ask for; Compose does not read it."""


# Images and ports


@rule(
    "images-pinned",
    Severity.HIGH,
    protects="Every image that the program itself names is the declared one, pinned by digest.",
    reason="A tag is a promise that its owner may break; what runs here holds a key to Mailcow.",
    source="https://docs.docker.com/reference/cli/docker/image/pull/#pull-an-image-by-digest-"
    "immutable-identifier",
    remedy="name the image with @sha256: and its digest, in exporterDigest",
)
def _images(stack: Stack) -> Iterator[Finding]:
    key, declared = "mail:exporterDigest", stack.declaration.exporter_digest
    repository = stack.declaration.monitoring.exporter_image.rpartition(":")[0]
    wanted = re.compile(rf"{re.escape(repository)}(:[\w.-]+)?@{declared}")
    # Under mocks the identity of an image is its digest.
    ids = {declared, *(stack.text(resource, "imageId") for resource in stack.of_type(IMAGE))}
    for item in stack.of_type(CONTAINER, IMAGE):
        image = stack.text(item, "image" if item.type == CONTAINER else "name")
        pinned = re.fullmatch(r"sha256:[0-9a-f]{64}", image) or re.search(
            r"@sha256:[0-9a-f]{64}$", image
        )
        if not image or (item.type == CONTAINER and image in ids) or wanted.fullmatch(image):
            continue
        fault = "nobody declared" if pinned else "is not pinned by digest"
        yield Finding(f"the image {image} {fault}", key, item, image)
    resource = stack.mailcow_resource(OVERRIDE)
    for service in stack.override.services:
        if service.image != RELEASE_IMAGE and "@sha256:" not in service.image:
            message = f"the override gives {service.name} the image {service.image}, not pinned"
            yield Finding(f"{message} by digest", "mail:mailcow.release", resource, service.image)


def _binding(value: str) -> tuple[str, int | None]:
    address, _, port = value.rpartition(":")
    return address, int(port) if port.isdigit() else None


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False


@rule(
    "ports-published",
    Severity.CRITICAL,
    protects="The ports that containers publish to anyone are exactly the declared ones.",
    reason="Docker opens a published port past the host's firewall; databases listen beside mail.",
    source="https://docs.docker.com/engine/network/packet-filtering-firewalls/",
    remedy="publish it on 127.0.0.1, or declare it in mailcow.rawPorts",
)
def _ports(stack: Stack) -> Iterator[Finding]:
    declared = set(stack.declaration.mailcow.raw_ports)
    resource = stack.mailcow_resource("mailcow.conf")
    conf, key = stack.mailcow_conf, "mail:mailcow.rawPorts"
    published = set()
    for variable in (*PORT_VARIABLES, *INNER_PORTS) if conf else ():
        address, port = _binding(conf.get(variable, ""))
        if port is None:
            message = f"{variable} is not set, so the release's own default holds"
            yield Finding(message, key, resource, variable)
        elif not _is_loopback(address):
            published.add(port)
            if port not in declared:
                yield Finding(f"{variable} opens {port} to anyone", key, resource, str(port))
    for port in sorted(declared - published) if conf else ():
        yield Finding(f"{port} is declared and not published", key, resource, str(port))
    yield from _container_ports(stack)


def _container_ports(stack: Stack) -> Iterator[Finding]:
    resource = stack.mailcow_resource(OVERRIDE)
    for service in stack.override.services:
        if service.ports:
            message = f"the override publishes ports of {service.name}"
            yield Finding(message, "mail:mailcow.rawPorts", resource, service.name)
    network = ipaddress.ip_network(stack.declaration.traefik.network)
    key = "mail:monitoring.exporterPort"
    for item in stack.of_type(CONTAINER):
        for port in stack.get(item, "ports") or ():
            address = str(port.get("ip") or "0.0.0.0")
            if not _is_loopback(address) and ipaddress.ip_address(address) not in network:
                number = f"{float(port.get('external') or 0):.0f}"
                yield Finding(f"port {number} of {item.name} is open to anyone", key, item, address)
        if stack.get(item, "networkMode") == "host":
            yield Finding(f"{item.name} uses the host's network", key, item, "host")


# The exporter

_NOTHING: tuple[Any, ...] = (None, "", False, [], {}, 0.0)


def _is_one_of(*values: Any) -> Callable[[Any], bool]:
    return lambda value: value in _NOTHING or value in values


_ABSENT = (
    "privileged", "devices", "deviceRequests", "gpus", "volumes", "mounts", "uploads", "groupAdds",
    "dns", "dnsOpts", "dnsSearches", "sysctls", "publishAllPorts", "networksAdvanced", "pidMode",
    "usernsMode", "domainname", "rm", "build",
)  # fmt: skip
"""Settings of a container that it does not need, each of which gives it something."""
_HELD: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(_ABSENT, _is_one_of()),
    "networkMode": _is_one_of("bridge", "default"),
    "ipcMode": _is_one_of("private", "none"),
    "cgroupnsMode": _is_one_of("private"),
    "runtime": _is_one_of("runc", "io.containerd.runc.v2"),
    "logDriver": _is_one_of("json-file", "local", "journald"),
    "capabilities": lambda value: not (value or {}).get("adds"),
    "user": lambda value: str(value or "root").partition(":")[0] not in ("root", "0"),
    "readOnly": lambda value: value is True,
    "restart": lambda value: value in ("always", "unless-stopped"),
    "mustRun": lambda value: value is not False,
    "start": lambda value: value is not False,
    "memory": lambda value: 16 <= float(value or 0) <= 256,
    "memorySwap": lambda value: 0 <= float(value or 0) <= 512,
    "securityOpts": lambda value: (
        any(str(item).startswith("no-new-privileges") for item in value or ())
        and not any(re.search("unconfined|disable|false", str(item)) for item in value)
    ),
    "labels": lambda value: all(
        str(label.get("label")).startswith(("org.opencontainers.", "com.docker.", "maintainer"))
        for label in value or ()
    ),
}
"""What a container may be told, by setting of the provider."""


@rule(
    "exporter-confined",
    Severity.CRITICAL,
    protects="The exporter runs alone of all containers, and with nothing but what it needs.",
    reason="It holds a key to Mailcow and reads what strangers send; with a mount, a privilege or a"
    " network of the host, it is the host.",
    source="https://docs.docker.com/engine/security/; https://owasp.org/www-project-cheat-sheets/"
    " (Docker)",
    remedy="let the component run it again",
    yields=True,
)
def _exporter(stack: Stack) -> Iterator[Finding]:
    key = "mail:monitoring.exporterImage"
    for resource in stack.resources:
        name = stack.text(resource, "name") if resource.type == CONTAINER else EXPORTER
        known = resource.type in (CONTAINER, IMAGE) or not resource.type.startswith("docker:")
        if not known or name not in ("", EXPORTER):
            yield Finding(f"{resource.name} follows from no declaration", key, resource)
        elif resource.type == IMAGE and stack.get(resource, "build"):
            yield Finding(f"{resource.name} is built, not pulled", key, resource)
        elif resource.type == CONTAINER:
            yield from (
                Finding(f"{resource.name} {fault}", key, resource)
                for fault in _loose(stack, resource)
            )


def _loose(stack: Stack, container: Resource) -> Iterator[str]:
    """Yield what the exporter may do besides what it is for."""
    names, port = stack.names, stack.declaration.monitoring.exporter_port
    for setting, holds in _HELD.items():
        if not holds(stack.get(container, setting)):
            yield f"is not held as it should be: {setting}"
    for host in stack.get(container, "hosts") or ():
        if (host.get("host"), host.get("ip")) != (names.administration, names.address):
            yield f"is told another address of {host.get('host')}"
    entries = stack.get(container, "ports") or ()
    for number in {int(float(entry.get("external") or 0)) for entry in entries} - {port}:
        yield f"publishes {number}, which nobody declared"
