"""The rule `relay-tls-mandatory`.

The login and the mail reach the smarthost over TLS, with its name verified.
"""

from policies.stack import Stack
from tests.policies.planting import deployed, messages, refused, replaced

RULE = "relay-tls-mandatory"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_opportunistic_tls_is_refused(good: Stack) -> None:
    stack = replaced("smarthost-tls-policy", "secure", "may")(good)

    assert "is may" in " ".join(messages(RULE, stack))


def test_dane_alone_verifies_too(good: Stack) -> None:
    stack = replaced("smarthost-tls-policy", "secure", "dane-only")(good)

    assert messages(RULE, stack) == []


def test_a_policy_with_options_passes(good: Stack) -> None:
    stack = replaced("smarthost-tls-policy", "secure", "secure match=nexthop")(good)

    assert messages(RULE, stack) == []


def test_tls_from_the_first_byte_is_taken_where_it_is_declared() -> None:
    assert refused(deployed(smarthost={"port": 465})) == set()


def test_tls_that_begins_otherwise_than_declared_is_refused() -> None:
    wrapped = deployed(smarthost={"port": 2465})
    plain = replaced("smarthost-extra-cf", "smtp_tls_wrappermode = yes\n", "")(wrapped)

    assert "begins it the other way" in " ".join(messages(RULE, plain))


def test_tls_from_the_first_byte_where_starttls_is_spoken_is_refused(good: Stack) -> None:
    lines = "smtp_tls_wrappermode = yes\nsmtp_tls_security_level = encrypt\nmyorigin ="
    stack = replaced("smarthost-extra-cf", "myorigin =", lines)(good)

    assert "begins it the other way" in " ".join(messages(RULE, stack))


def test_tls_from_the_first_byte_at_a_milder_level_is_refused() -> None:
    stack = replaced("smarthost-tls-policy", "secure", "may")(deployed(smarthost={"port": 2465}))

    assert "encrypt or more" in " ".join(messages(RULE, stack))
