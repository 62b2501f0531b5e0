"""Mail that flows, or does not: the cause is named by the host that saw it."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from rehearsal.flow import Flow
from rehearsal.world.client import WorldClient
from tests.rehearsal.rehearsed import Rehearsed, errors, nothing_stays


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsed]:
    """Deploy the stack `qual` once."""
    folder = tmp_path_factory.mktemp("flow")
    with nothing_stays(folder), closing(Rehearsed(folder)) as rehearsed:
        outcome = rehearsed.up()
        assert outcome.ok, errors(outcome)
        yield rehearsed


@pytest.fixture
def world(deployed: Rehearsed) -> Iterator[WorldClient]:
    """Return the world, and let it work again afterwards."""
    yield deployed.world
    for service in ("smarthost", "receiver", "mail", "dns"):
        deployed.world.clear_faults(service)


@pytest.fixture
def flow(deployed: Rehearsed, world: WorldClient) -> Flow:
    """Return the mail programs of the people declared."""
    return Flow(deployed.stage.declaration(world), world)


def test_a_message_leaves_signed_and_aligned(flow: Flow) -> None:
    passage = flow.out()

    assert passage.ok, passage
    assert passage.path == ("cristina@", "smarthost", "receiver")
    assert passage.verdicts == {"SPF": "pass (send.)", "DKIM": "pass (resend)", "DMARC": "pass"}


def test_a_message_arrives_in_the_published_mailbox(flow: Flow) -> None:
    passage = flow.into()

    assert passage.ok, passage
    assert passage.path == ("receiver", "mx:25", "INBOX of info@")


@pytest.mark.parametrize(
    ("fault", "cause", "reached"),
    [
        ({"login": "535 5.7.8 API key is invalid"}, "535 5.7.8 API key is invalid", "smarthost"),
        ({"drop": True}, "lost connection with smtp.resend.com", "smarthost"),
        ({"data": "451 4.3.0 try again later"}, "451 4.3.0 try again later", "smarthost"),
        ({"data": "550 5.7.1 domain is not verified"}, "domain is not verified", "smarthost"),
        ({"unsigned": True}, "unsigned: the smarthost did not sign it", "receiver"),
        ({"envelope": "outside.example"}, "SPF ", "receiver"),
    ],
)
def test_what_the_smarthost_does_wrong_is_named(
    flow: Flow, world: WorldClient, fault: dict[str, Any], cause: str, reached: str
) -> None:
    world.set_faults("smarthost", **fault)

    passage = flow.out()

    assert not passage.ok
    assert cause in passage.problem
    assert passage.path[-1] == reached
    assert world.secrets["smarthostPassword"] not in str(passage.as_dict())


def test_after_the_fault_mail_leaves_again(flow: Flow) -> None:
    assert flow.out().ok


def test_what_the_receiver_refuses_is_named(flow: Flow, world: WorldClient) -> None:
    world.set_faults("receiver", data="554 5.7.1 no thanks")

    passage = flow.out()

    assert not passage.ok
    assert passage.problem


def test_what_the_mail_host_refuses_is_named(flow: Flow, world: WorldClient) -> None:
    world.set_faults("mail", inbound="452 4.3.1 no space")

    passage = flow.into()

    assert not passage.ok
    assert "452" in passage.problem
    assert "no space" in passage.problem
    assert passage.path == ("receiver",)
