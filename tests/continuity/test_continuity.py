"""Rooms move, deployments stay: what the first house deployed is neither replaced nor deleted."""

from unittest import mock

import pytest

from rehearsal.engine import Op, Outcome
from rehearsal.engine import engine as engine_module
from tests.conftest import PROJECT
from tests.continuity.first_house import URNS, first_house
from tests.engine.stage import ProgramInThread
from tests.rehearsal.rehearsed import errors

_LOSES = {Op.REPLACE, Op.DELETE, Op.DELETE_REPLACED}


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Preview the program as it is upon that state."""
    runs = tmp_path_factory.mktemp("continuity")
    with (
        first_house(PROJECT, runs) as (stage, world),
        mock.patch.object(engine_module, "Program", ProgramInThread),
    ):
        outcome = stage.engine(world).preview()
    assert outcome.ok, errors(outcome)
    return outcome


def test_nothing_that_the_first_house_deployed_is_replaced_or_deleted(plan: Outcome) -> None:
    lost = [
        f"{step.op.value} {step.urn}: {', '.join(change.path for change in step.diff)}"
        for step in plan.steps
        if step.op in _LOSES
    ]

    assert lost == []


def test_every_resource_of_the_first_house_goes_on(plan: Outcome) -> None:
    going_on = [step.urn for step in plan.steps if step.op in {Op.SAME, Op.UPDATE}]

    assert len(going_on) == len(URNS), sorted(set(URNS) - set(going_on))
