"""Ports: open where mail needs them, shut everywhere else."""

import asyncio

from operations.prove.findings import failed, passed, unseen
from operations.prove.model import Finding, Severity, Station
from operations.prove.net import Port
from operations.prove.registry import at
from operations.prove.subject import Subject

check = at(Station.DELIVERY)
web = at(Station.WEB)

_CLEAR = (110, 143, 995, 8080, 3306, 6379, 11334)
"""Ports of Mailcow's services that nobody outside should meet unless they are declared."""


async def _states(subject: Subject, ports: "tuple[int, ...]") -> dict[int, Port]:
    found = await asyncio.gather(*(subject.net.port(subject.host, port) for port in ports))
    return dict(zip(ports, found, strict=True))


@check(
    "ports-open", Severity.CRITICAL, "Every port that mail needs answers",
    why="A port that is shut is a service that nobody reaches.",
    source="docs/declaration.md, mail:mailcow.rawPorts",
    mend="Look whether the containers run (`docker compose ps`) and whether the firewall lets in.",
)  # fmt: skip
async def _ports_open(subject: Subject) -> Finding:
    ports, key = (*subject.declaration.mailcow.raw_ports, 443), "mail:mailcow.rawPorts"
    states = await _states(subject, ports)
    details = tuple(f"{port}: {state.value}" for port, state in states.items())
    shut = [port for port, state in states.items() if state is not Port.OPEN]
    if shut == [25] and states[25] is Port.SILENT and await port_25_is_shut_here(subject):
        return unseen(
            "port 25 answers to nobody from this network, ours or another's",
            "open",
            key=key,
            mend="Providers shut port 25 outwards. Prove from a machine that may use it.",
        )
    if shut:
        closed = ", ".join(f"{port} is {states[port].value}" for port in shut)
        return failed(
            closed, "open", key=key, details=details, facts={"shut": " ".join(map(str, shut))}
        )
    return passed(", ".join(map(str, ports)), "open", key=key, details=details)


async def port_25_is_shut_here(subject: Subject) -> bool:
    """Return whether the smarthost's port 25 is silent too: then it is our network's doing."""
    found = await subject.net.addresses(subject.declaration.names.nexthop.host)
    return bool(found) and await subject.net.port(found[0], 25) is Port.SILENT


@web(
    "ports-behind-traefik", Severity.HIGH, "The web server behind Traefik is not reached past it",
    why="Whoever reaches nginx itself passes by Traefik's rules, and by the certificate.",
    source="docs/declaration.md, mail:mailcow.httpsPort",
    mend="The firewall unit po-mail-firewall shuts them: `systemctl status po-mail-firewall`.",
)  # fmt: skip
async def _ports_behind_traefik(subject: Subject) -> Finding:
    mailcow = subject.declaration.mailcow
    return await _shut(subject, (mailcow.http_port, mailcow.https_port), "mail:mailcow.httpsPort")


@check(
    "ports-shut", Severity.HIGH, "Nothing else of the mail stack is open to the world",
    why="Databases and services in clear text are for the host alone.",
    source="RFC 8314 section 3 (clear text is obsolete)",
    mend="Take the port out of mail:mailcow.rawPorts, or let the firewall unit start.",
)  # fmt: skip
async def _ports_shut(subject: Subject) -> Finding:
    declaration = subject.declaration
    others = (*_CLEAR, declaration.monitoring.exporter_port)
    ports = tuple(other for other in others if other not in declaration.mailcow.raw_ports)
    return await _shut(subject, ports, "mail:mailcow.rawPorts")


async def _shut(subject: Subject, ports: tuple[int, ...], key: str) -> Finding:
    states = await _states(subject, ports)
    declared = await _states(subject, (*subject.declaration.mailcow.raw_ports, 443))
    if Port.OPEN not in {*states.values(), *declared.values()}:
        # Without a network every port is as silent as one that is shut.
        return unseen(
            f"{subject.host} answers at no port from here, not even at those for mail",
            "shut",
            key=key,
            mend="Prove from a machine that reaches the host.",
        )
    details = tuple(f"{port}: {state.value}" for port, state in states.items())
    found = [str(port) for port, state in states.items() if state is Port.OPEN]
    if found:
        seen = f"{', '.join(found)} answers"
        return failed(seen, "shut", key=key, details=details, facts={"open": " ".join(found)})
    return passed(f"{', '.join(map(str, ports))} do not answer", "shut", key=key, details=details)
