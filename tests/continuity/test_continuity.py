"""Rooms move, deployments stay: what the first house deployed is neither replaced nor deleted."""

from dataclasses import dataclass

import pytest

from rehearsal.genuine.engine import GenuineEngine, programs_of
from rehearsal.report import Report
from rehearsal.stage import Stage
from rehearsal.world.client import WorldClient
from tests.conftest import PROJECT
from tests.continuity.first_house import URNS, first_house
from tests.rehearsal.rehearsed import errors

_LOSES = {"replace", "create-replacement", "delete-replaced", "delete"}


@dataclass(frozen=True)
class Step:
    """What an engine would do with a resource."""

    op: str
    urn: str
    properties: tuple[str, ...]


def _on_our_own(stage: Stage, world: WorldClient) -> list[Step]:
    outcome = stage.engine(world).preview()
    assert outcome.ok, errors(outcome)
    return [
        Step(step.op.value, step.urn, tuple(change.path for change in step.diff))
        for step in outcome.steps
    ]


def _on_the_genuine_one(stage: Stage, world: WorldClient) -> list[Step]:
    outcome = GenuineEngine(stage, world, programs_of(stage, Report())).preview()
    assert outcome.errors == ()
    return [Step(step.op, step.urn, step.properties) for step in outcome.steps]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(_on_our_own, id="own"),
        pytest.param(_on_the_genuine_one, id="genuine", marks=pytest.mark.real),
    ],
)
def plan(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Step]:
    """Preview the program as it is upon that state, on either engine."""
    with first_house(PROJECT, tmp_path_factory.mktemp("continuity")) as (stage, world):
        steps: list[Step] = request.param(stage, world)
    return steps


def test_nothing_that_the_first_house_deployed_is_replaced_or_deleted(plan: list[Step]) -> None:
    lost = [
        f"{step.op} {step.urn}: {', '.join(step.properties)}" for step in plan if step.op in _LOSES
    ]

    assert lost == []


def test_every_resource_of_the_first_house_goes_on(plan: list[Step]) -> None:
    going_on = {step.urn for step in plan if step.op in {"same", "update"}}

    assert sorted(set(URNS) - going_on) == []
