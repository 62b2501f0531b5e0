"""What was not seen never passes: the proof from a machine without a network."""

import asyncio
import errno

import dns.asyncresolver
import pytest

from declaration.model import Declaration
from operations.prove.model import Proof, Status
from operations.prove.net import Answer, LiveNet, Port, UnseenError
from operations.prove.run import prove
from operations.prove.subject import Subject
from tests.operations.prove.fake_net import FakeNet


class WithoutNetwork(LiveNet):
    """No packet leaves this machine."""

    def __init__(self, error: OSError) -> None:
        """Let every connection end in `error`."""
        self.resolver = dns.asyncresolver.Resolver(configure=False)
        self._error = error

    async def resolve(self, name: str, rdtype: str) -> Answer:
        raise UnseenError(f"{name} {rdtype}: the DNS does not answer")

    def locate(self, address: str, port: int) -> tuple[str, int]:  # noqa: ARG002 - nowhere
        raise self._error


def proved(declaration: Declaration, net: LiveNet | FakeNet) -> Proof:
    passwords = {mailbox.name: "invented" for mailbox in declaration.mailboxes}
    subject = Subject(declaration, net, passwords, send_to="somebody@outside.example")
    return asyncio.run(prove(subject, stack="qual"))


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENETUNREACH, "Network is unreachable"),
        OSError(errno.EMFILE, "Too many open files"),
        TimeoutError(),
    ],
    ids=str,
)
def test_no_check_passes_without_a_network(qual: Declaration, error: OSError) -> None:
    proof = proved(qual, WithoutNetwork(error))

    passed = [
        (result.check.id, result.finding.seen)
        for result in proof.results
        if result.finding.status is Status.PASS
    ]
    assert passed == []
    assert proof.exit_code != 0


@pytest.mark.parametrize("check", ["ports-shut", "ports-behind-traefik"])
@pytest.mark.parametrize(
    ("ports", "status"),
    [
        ({}, Status.UNKNOWN),
        (dict.fromkeys(range(1, 65_536), Port.SILENT), Status.UNKNOWN),
        ({993: Port.OPEN}, Status.PASS),
    ],
    ids=["everything refused", "everything silent", "mail answers"],
)
def test_a_port_counts_as_shut_only_where_the_host_answers_at_another(
    qual: Declaration, check: str, ports: dict[int, Port], status: Status
) -> None:
    proof = proved(qual, FakeNet({}, ports=ports))

    finding = next(result.finding for result in proof.results if result.check.id == check)
    assert finding.status is status
