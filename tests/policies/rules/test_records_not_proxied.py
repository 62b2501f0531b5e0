"""The rule `records-not-proxied`.

No name that mail uses stands behind Cloudflare's proxy.
"""

from policies.stack import Stack
from tests.policies.planting import both, changed, messages, record, switched

RULE = "records-not-proxied"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_proxied_mail_host_is_refused(good: Stack) -> None:
    stack = switched("mx-a", "proxied", on=True)(good)

    assert "is proxied" in " ".join(messages(RULE, stack))


def test_a_record_that_cannot_be_proxied_need_not_say_so(good: Stack) -> None:
    stack = changed("dmarc", None, "proxied")(good)

    assert messages(RULE, stack) == []


def test_an_alias_must_say_so(good: Stack) -> None:
    stack = both(record("old", "CNAME", "mx.portugalodyssey.pt", proxied=None))(good)

    assert "not said" in " ".join(messages(RULE, stack))
