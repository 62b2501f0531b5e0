"""Single mistakes in a good stack: each is caught by the rule that should, and by no other."""

import pytest

from policies import judge_stack
from policies.registry import rule as named
from policies.registry import rules
from policies.stack import Stack
from tests.policies.mutations import MUTATIONS
from tests.policies.planting import refused


def test_the_good_stack_raises_nothing(good: Stack) -> None:
    assert refused(good) == set()


@pytest.mark.parametrize("what", MUTATIONS)
def test_a_mistake_is_caught_by_its_rule_and_by_no_other(good: Stack, what: str) -> None:
    rule, mistake = MUTATIONS[what]

    judgement = judge_stack(mistake(good))

    # A rule that yields names what else the mistake has left without a declaration.
    told = {violation.rule for violation in judgement.violations}
    assert rule in told
    assert all(named(other).yields for other in told - {rule}), told
    assert "placeholder-of" not in repr(judgement), "a message shows a secret"


def test_there_are_at_least_eighty_mistakes_and_every_rule_catches_one() -> None:
    assert len(MUTATIONS) >= 80
    assert {rule for rule, _ in MUTATIONS.values()} == {rule.id for rule in rules()}
