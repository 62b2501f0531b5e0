"""Refuses every network address that is not loopback.

The guard is an audit hook of the interpreter: it cannot be taken out again, and it sees every
socket that Python code opens, whichever library opens it.
"""

import ipaddress
import sys
from typing import Any

_LOCAL_NAMES = frozenset({"localhost", "localhost.", "ip6-localhost"})
_installed: list[bool] = []


class NotLoopbackError(PermissionError):
    """An address outside this machine was asked for."""


def install() -> None:
    """Guard this process from now on; a second call does nothing."""
    if not _installed:
        _installed.append(True)
        sys.addaudithook(_watch)


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if not event.startswith("socket."):
        return
    if event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
        _check_address(arguments[-1])
    elif event in {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}:
        _check_host(arguments[0])


def _check_address(address: Any) -> None:
    # Unix sockets have a path, connected ones no address at all: neither leaves the machine.
    if isinstance(address, tuple) and address:
        _check_host(address[0])


def _check_host(host: Any) -> None:
    if not host:
        return
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    if name in _LOCAL_NAMES:
        return
    try:
        local = ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        local = False
    if not local:
        message = f"a rehearsal stays on this machine: {name} is not a loopback address"
        raise NotLoopbackError(message)
