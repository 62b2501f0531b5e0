"""The good stack: `qual` with invented facts, its program run once without an engine."""

import pytest

from policies import Resource, stack_of
from policies.program import Prepared, prepare
from policies.recording import record
from policies.stack import Stack
from tests.conftest import FACTS, PROJECT
from tests.policies.planting import TODAY


@pytest.fixture(scope="session")
def prepared() -> Prepared:
    """Return the declaration and what the program is run with."""
    return prepare(PROJECT / "Pulumi.qual.yaml", FACTS, TODAY)


@pytest.fixture(scope="session")
def recorded(prepared: Prepared) -> list[Resource]:
    """Return what the program registers."""
    return record(PROJECT, prepared.configuration)


@pytest.fixture
def good(prepared: Prepared, recorded: list[Resource]) -> Stack:
    """Return a stack that no rule refuses."""
    return stack_of(prepared.declaration, recorded, today=TODAY, evidence={})
