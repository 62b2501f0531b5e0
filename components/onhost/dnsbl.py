#!/usr/bin/env python3
"""Ask block lists whether the host's address is on them, and whether they answer us at all.

A list answers in 127.0.0.0/24 when the address is on it, and not at all when it is not. It answers
in 127.255.255.0/24 when it refuses the question: asked the wrong way, through a public resolver, or
too often. That is no listing, and no clean bill either. So each list is first asked about its test
entry, 127.0.0.2, which must be on it (RFC 5782 section 5); only a list that passes is believed.

The questions go to Mailcow's own resolver. The result is written for the node exporter's textfile
collector.

Exit status: 0 every list answered, whatever it said; 1 a list could not be asked, or the metrics
could not be written; 2 wrong usage.
"""

from __future__ import annotations

import argparse
import ipaddress
import secrets
import socket
import struct
import sys
from enum import Enum
from typing import TYPE_CHECKING

# On the host the programs lie side by side in one folder, and nothing else of the project is there.
if TYPE_CHECKING or __package__:
    from components.onhost import machine
else:
    import machine

ATTEMPTS = 2
TEST_ENTRY = "127.0.0.2"
_LISTED = ipaddress.ip_network("127.0.0.0/24")
_REFUSED = ipaddress.ip_network("127.255.255.0/24")
_A, _IN = 1, 1
_NAME_ERROR, _NO_ERROR = 3, 0
_RECURSION_DESIRED, _ANSWER, _TRUNCATED = 0x0100, 0x8000, 0x0200


class Verdict(Enum):
    """What a list says of an address."""

    LISTED = "listed"
    """The address is on the list."""
    CLEAN = "clean"
    """It is not."""
    REFUSED = "refused"
    """The list does not answer questions of ours."""


class LookupFailedError(Exception):
    """The resolver gave no usable answer; the text says why."""


def question(name: str, identity: int) -> bytes:
    """Return a DNS message that asks for the addresses of a name."""
    labels = b"".join(bytes([len(part)]) + part.encode("ascii") for part in name.split("."))
    header = struct.pack(">HHHHHH", identity, _RECURSION_DESIRED, 1, 0, 0, 0)
    return header + labels + b"\0" + struct.pack(">HH", _A, _IN)


def _after_name(message: bytes, place: int) -> int:
    while True:
        length = message[place]
        if length & 0xC0 == 0xC0:
            return place + 2
        if length == 0:
            return place + 1
        place += 1 + length


def addresses(message: bytes, identity: int, asked: bytes) -> list[str]:
    """Return the IPv4 addresses that an answer holds; none when the name does not exist.

    Args:
        message: The answer.
        identity: Identity of the question.
        asked: The question, of which the answer must repeat the name.

    Raises:
        LookupFailedError: it is no answer to the question, or the resolver failed.
    """
    try:
        found, flags, questions, answers = struct.unpack_from(">HHHH", message)
        body = asked[12:]
        if found != identity or not flags & _ANSWER or questions != 1:
            raise LookupFailedError("the resolver answered another question")
        if message[12 : 12 + len(body)].lower() != body.lower():
            raise LookupFailedError("the resolver answered another question")
        code = flags & 0xF
        if code == _NAME_ERROR:
            return []
        if code != _NO_ERROR or flags & _TRUNCATED:
            raise LookupFailedError(f"the resolver failed (code {code})")
        place, result = 12 + len(body), []
        for _ in range(answers):
            place = _after_name(message, place)
            kind, _class, _ttl, length = struct.unpack_from(">HHIH", message, place)
            place += 10
            if kind == _A and length == 4:
                result.append(socket.inet_ntoa(message[place : place + 4]))
            place += length
    except (struct.error, IndexError, OSError):
        raise LookupFailedError("the resolver's answer cannot be read") from None
    return result


def look_up(name: str, resolver: tuple[str, int], seconds: float) -> list[str]:
    """Return the IPv4 addresses of a name; none when it does not exist.

    Raises:
        LookupFailedError: the resolver does not answer, or fails.
    """
    problem = "no answer"
    for _ in range(ATTEMPTS):
        identity = secrets.randbelow(1 << 16)
        asked = question(name, identity)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
            channel.settimeout(seconds)
            try:
                # Connected: datagrams from anyone else are not delivered.
                channel.connect(resolver)
                channel.send(asked)
                return addresses(channel.recv(4096), identity, asked)
            except OSError as error:
                problem = f"resolver {resolver[0]}: {error.strerror or 'no answer'}"
            except LookupFailedError as error:
                problem = f"resolver {resolver[0]}: {error}"
    raise LookupFailedError(problem)


def verdict(answers: list[str]) -> Verdict:
    """Return what the addresses mean with which a list answered."""
    found = [ipaddress.ip_address(answer) for answer in answers]
    if any(answer in _REFUSED for answer in found):
        return Verdict.REFUSED
    if any(answer in _LISTED for answer in found):
        return Verdict.LISTED
    # An answer in any other range is a wildcard of somebody in between.
    return Verdict.REFUSED if found else Verdict.CLEAN


def ask(address: str, zone: str, resolver: tuple[str, int], seconds: float) -> Verdict:
    """Ask a list about an address, after its test entry.

    Raises:
        LookupFailedError: the resolver does not answer, or fails.
    """
    for item in (TEST_ENTRY, address):
        name = ".".join(reversed(item.split("."))) + f".{zone}"
        said = verdict(look_up(name, resolver, seconds))
        if item == TEST_ENTRY and said is not Verdict.LISTED:
            return Verdict.REFUSED
    return said


def render(address: str, found: dict[str, Verdict | None]) -> str:
    """Return the metrics; a list that was not believed has no word on the address."""
    believed = {zone: said for zone, said in found.items() if said not in (None, Verdict.REFUSED)}
    return machine.exposition([
        machine.Metric(
            "po_mail_dnsbl_answers", "Whether the block list answers questions of ours.",
            {f'{{zone="{zone}"}}': int(zone in believed) for zone in found},
        ),
        machine.Metric(
            "po_mail_dnsbl_listed", "Whether the address is on the block list.",
            {f'{{zone="{zone}",address="{address}"}}': int(said is Verdict.LISTED)
             for zone, said in believed.items()},
        ),
    ])  # fmt: skip


def resolver_of(text: str) -> tuple[str, int]:
    """Return address and port of `ADDRESS` or `ADDRESS:PORT`."""
    address, _, port = text.partition(":")
    return str(ipaddress.IPv4Address(address)), int(port or 53)


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    summary, _, rest = (__doc__ or "").partition("\n")
    command = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.add_argument("--address", required=True, help="IPv4 address of the host")
    command.add_argument("--zone", action="append", required=True, help="block list; repeatable")
    command.add_argument("--resolver", required=True, type=resolver_of, help="ADDRESS[:PORT]")
    command.add_argument("--metrics", required=True, help="file for the textfile collector")
    command.add_argument("--seconds", type=float, default=5.0, help="patience with one question")
    return command


def asked(options: argparse.Namespace, zone: str) -> Verdict | None:
    """Ask a list, and say the result; None when it could not be asked."""
    try:
        said = ask(options.address, zone, options.resolver, options.seconds)
    except LookupFailedError as error:
        sys.stderr.write(f"{zone}: {error}\n")
        return None
    sys.stdout.write(f"{zone}: {said.value}\n")
    return said


def main(arguments: list[str] | None = None) -> int:
    """Run the program."""
    options = parser().parse_args(arguments)
    found = {zone: asked(options, zone) for zone in options.zone}
    written = machine.publish(machine.on_disk(options.metrics), render(options.address, found))
    return int(not written or any(said is None for said in found.values()))


if __name__ == "__main__":
    sys.exit(main())
