"""The rule `mta-sts-lists-mx`.

The MTA-STS policy lists exactly the MX, and the zone announces it.
"""

from policies.stack import Stack
from tests.policies.planting import added, both, messages, record

RULE = "mta-sts-lists-mx"
PATH = "/opt/po-mail/mailcow/data/conf/nginx/mta-sts.txt"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_an_announced_policy_that_nobody_serves_is_refused(good: Stack) -> None:
    stack = record("_mta-sts", "TXT", '"v=STSv1; id=1"')(good)

    assert "nobody serves" in " ".join(messages(RULE, stack))


def test_a_policy_with_exactly_the_mx_passes(good: Stack) -> None:
    stack = both(
        record("_mta-sts", "TXT", '"v=STSv1; id=1"'),
        added(
            "host:index:File",
            "policy",
            path=PATH,
            content="version: STSv1\nmode: enforce\nmx: mx.portugalodyssey.pt\nmax_age: 86400\n",
        ),
    )(good)

    assert messages(RULE, stack) == []


def test_a_wildcard_is_not_exactly_the_mx(good: Stack) -> None:
    stack = both(
        record("_mta-sts", "TXT", '"v=STSv1; id=1"'),
        added(
            "host:index:File",
            "policy",
            path=PATH,
            content="version: STSv1\nmode: enforce\nmx: *.portugalodyssey.pt\n",
        ),
    )(good)

    assert "the MX is" in " ".join(messages(RULE, stack))
