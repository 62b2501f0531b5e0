"""The rule `alerts-parse`.

Prometheus can read every alert rule.
"""

from policies.stack import Stack
from tests.policies.planting import changed, messages, replaced

RULE = "alerts-parse"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_bracket_without_an_end_is_refused(good: Stack) -> None:
    stack = replaced("monitoring-rules", "time()) / 86400 < 21", "time() / 86400 < 21")(good)

    assert "should" in " ".join(messages(RULE, stack))


def test_a_bracket_within_a_text_is_no_bracket(good: Stack) -> None:
    stack = replaced("monitoring-rules", "squashfs|nsfs", "squashfs|ns[(]fs")(good)

    assert messages(RULE, stack) == []


def test_an_expression_that_ends_in_an_operator_is_refused(good: Stack) -> None:
    stack = replaced("monitoring-rules", "po_mail_dnsbl_listed == 1", "po_mail_dnsbl_listed ==")(
        good
    )

    assert "should" in " ".join(messages(RULE, stack))


def test_a_file_that_is_no_yaml_is_refused(good: Stack) -> None:
    stack = changed("monitoring-rules", "groups: [", "content")(good)

    assert "yaml" in " ".join(messages(RULE, stack))
