"""The rule `tlsa-matches`.

A TLSA record stands at port 25 of the MX and names a declared key.
"""

from policies.stack import Stack
from tests.policies.planting import both, declared, messages, record

RULE = "tlsa-matches"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_record_at_no_service_is_refused(good: Stack) -> None:
    stack = both(
        declared("zone.tlsa", ("ab" * 32,)), record("_25._tcp.www", "TLSA", f"3 1 1 {'ab' * 32}")
    )(good)

    assert "no service" in " ".join(messages(RULE, stack))


def test_records_at_further_ports_of_the_mail_host_pass(good: Stack) -> None:
    planted = [record(f"_{port}._tcp.mx", "TLSA", f"3 1 1 {'ab' * 32}") for port in (25, 465, 993)]

    assert messages(RULE, both(declared("zone.tlsa", ("ab" * 32,)), *planted)(good)) == []


def test_a_declared_digest_at_port_25_passes(good: Stack) -> None:
    stack = both(
        declared("zone.tlsa", ("ab" * 32,)),
        record(
            "_25._tcp.mx",
            "TLSA",
            "",
            data={"usage": 3.0, "selector": 1.0, "matchingType": 1.0, "certificate": "AB" * 32},
        ),
    )(good)

    assert messages(RULE, stack) == []


def test_usage_1_is_refused(good: Stack) -> None:
    stack = both(
        declared("zone.tlsa", ("ab" * 32,)), record("_25._tcp.mx", "TLSA", f"1 1 1 {'ab' * 32}")
    )(good)

    assert "not 3 1 1" in " ".join(messages(RULE, stack))
