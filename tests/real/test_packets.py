"""The reader of nft's rules against the kernel: packets are really sent, and arrive or do not.

Two network namespaces are joined by one cable. The rules are loaded into the one; from the other
connections are opened from several addresses. A port where nobody listens answers "refused" to
whatever the rules let pass.
"""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import ip_address
from itertools import product

import pytest

from components.host import firewall_of, render_rules
from declaration.model import Declaration
from readers.nft import Packet, parse
from rehearsal.parts import need

pytestmark = pytest.mark.real

SERVER = {4: "203.0.113.1", 6: "2001:db8::1"}
CLIENTS = ("198.51.100.7", "172.20.0.2", "2001:db8::7")
PORTS = (22, 25, 465, 587, 4190, 9080, 9443)
PROBES = [(client, port) for client, port in product(CLIENTS, PORTS)]

_ASK = """
import asyncio, json, sys
async def ask(client, server, port):
    try:
        await asyncio.wait_for(asyncio.open_connection(server, port, local_addr=(client, 0)), 0.4)
    except ConnectionRefusedError:
        return True
    except (TimeoutError, OSError):
        return False
    return True
async def main(probes):
    return await asyncio.gather(*(ask(*probe) for probe in probes))
print(json.dumps(asyncio.run(main(json.loads(sys.argv[1])))))
"""


def _run(*words: str, text: str | None = None) -> str:
    done = subprocess.run(
        words, input=text, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class Cable:
    """Two namespaces and what joins them."""

    def __init__(self, name: str) -> None:
        self.server, self.client = f"{name}s", f"{name}c"
        self.nft = str(need("nft"))
        for namespace in (self.server, self.client):
            _run("ip", "netns", "add", namespace)
        _run("ip", "-n", self.server, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0",
             "netns", self.client)  # fmt: skip
        for namespace, addresses in ((self.server, SERVER.values()), (self.client, CLIENTS)):
            for address in addresses:
                length = "/64" if ":" in address else "/32"
                flags = ["nodad"] if ":" in address else []
                _run("ip", "-n", namespace, "address", "add", address + length, "dev", "eth0",
                     *flags)  # fmt: skip
            _run("ip", "-n", namespace, "link", "set", "eth0", "up")
            _run("ip", "-n", namespace, "route", "add", "default", "dev", "eth0")

    def passing(self, rules: str) -> list[bool]:
        """Load rules and return which probes arrive."""
        inside = ("ip", "netns", "exec")
        _run(*inside, self.server, self.nft, "flush", "ruleset")
        _run(*inside, self.server, self.nft, "-f", "-", text=rules)
        probes = [(client, SERVER[6 if ":" in client else 4], port) for client, port in PROBES]
        answer = _run(*inside, self.client, sys.executable, "-c", _ASK, json.dumps(probes))
        arrived: list[bool] = json.loads(answer)
        return arrived

    def pull(self) -> None:
        """Take the namespaces away."""
        for namespace in (self.server, self.client):
            _run("ip", "netns", "del", namespace)


@pytest.fixture(scope="module")
def cable() -> Iterator[Cable]:
    joined = Cable("po-mail-test-")
    yield joined
    joined.pull()


def read(rules: str) -> list[bool]:
    ruleset = parse(rules)
    assert ruleset.mistakes == []
    return [
        ruleset.passes(
            Packet(ip_address(client), ip_address(SERVER[6 if ":" in client else 4]), port)
        )
        for client, port in PROBES
    ]


def test_the_rendered_rules_let_the_same_packets_pass(cable: Cable, qual: Declaration) -> None:
    rules = render_rules(firewall_of(qual.mailcow, qual.names))

    assert read(rules) == cable.passing(rules)


MATCHES = (
    "", "meta nfproto ipv4", "meta nfproto ipv6", "meta nfproto != ipv6", "ip saddr 172.20.0.0/16",
    "ip saddr != 172.20.0.0/16", "ip6 saddr 2001:db8::/32", "iif eth0", 'iifname != "eth0"',
    "fib daddr type local", "fib daddr type != local", "ct state new", "ct state { established }",
    "ip daddr 203.0.113.1", "ip saddr { 198.51.100.0-198.51.100.9, 172.20.0.2 }",
)  # fmt: skip
PORT_MATCHES = (
    "", "tcp dport 25", "tcp dport { 25, 465, 587 }", "tcp dport 9000-9999", "tcp dport != 22",
    "udp dport 25", "meta l4proto tcp", "tcp dport @web", "tcp dport smtp",
)  # fmt: skip
VERDICTS = ("accept", "drop", "counter drop", "jump more", "goto more", "return", "counter")
HOOKS = ("prerouting", "input", "forward")


def generated(seed: int) -> str:
    """Return a file of rules, the same for the same seed."""
    chance = random.Random(seed)
    family = chance.choice(("inet", "inet", "inet", "ip"))
    # A table of one family takes no comparison with the other.
    other = ("meta nfproto", "ip6")
    matches = [match for match in MATCHES if family == "inet" or not match.startswith(other)]

    def rule(verdicts: tuple[str, ...]) -> str:
        parts = [chance.choice(matches), chance.choice(PORT_MATCHES), chance.choice(verdicts)]
        return " ".join(parts)

    def chain(name: str) -> str:
        hook, policy = chance.choice(HOOKS), chance.choice(("accept", "accept", "drop"))
        priority = chance.choice(("-150", "0", "filter + 10", "mangle"))
        rules = "\n".join(rule(VERDICTS) for _ in range(chance.randint(1, 5)))
        head = f"type filter hook {hook} priority {priority}; policy {policy};"
        return f"chain {name} {{ {head}\n{rules}\n}}"

    more = "\n".join(rule(("accept", "drop", "return")) for _ in range(2))
    body = (
        f"set web {{ type inet_service; elements = {{ 9080, 9443 }}\n}}\nchain more {{\n{more}\n}}"
    )
    body += "\n" + "\n".join(chain(f"c{number}") for number in range(chance.randint(1, 2)))
    text = f"table {family} t {{\n{body}\n}}\n"
    # Neighbours must be found whatever the rules say: they are asked for by ICMPv6.
    neighbours = "meta l4proto ipv6-icmp accept\n"
    return text.replace("policy accept;", f"policy accept; {neighbours}").replace(
        "policy drop;", f"policy drop; {neighbours}"
    )


@pytest.mark.parametrize("seed", range(120))
def test_generated_rules_let_the_same_packets_pass(cable: Cable, seed: int) -> None:
    rules = generated(seed)

    assert read(rules) == cable.passing(rules), rules
