"""Unknown values, secrets and exceptions."""

from datetime import date
from typing import Any

import pytest

from declaration.model import PolicyException
from policies import UNKNOWN, Secret, judge_stack
from policies.model import Unknown, opened
from policies.registry import rules
from policies.stack import Stack
from tests.policies.planting import (
    both,
    changed,
    declared,
    judged,
    messages,
    on,
    record,
    refused,
    unsealed,
    without,
)


def _exception(rule: str, resource: str) -> Any:
    return declared(
        "exceptions",
        (
            PolicyException(
                rule=rule,
                resource=resource,
                reason="the provider mends it in January",
                until=date(2027, 1, 31),
            ),
        ),
    )


def test_a_rule_that_meets_an_unknown_value_judges_later_and_says_so(good: Stack) -> None:
    stack = changed("mailcow-conf", Secret(UNKNOWN), "content")(good)

    judgement = judged("ports-published", stack)

    assert judgement.violations == ()
    assert [str(deferred) for deferred in judgement.deferred] == [
        "ports-published: content of mailcow-conf is not known yet; judged on up"
    ]


def test_every_rule_that_reads_an_unknown_file_says_so_and_no_other(good: Stack) -> None:
    stack = changed("mailcow-conf", Secret(UNKNOWN), "content")(good)

    deferred = {deferred.rule for deferred in judge_stack(stack).deferred}

    assert {
        "api-narrow",
        "ports-published",
        "admin-through-traefik",
        "ipv6-all-or-none",
    } <= deferred
    assert "spf-single" not in deferred
    assert "relay-is-smarthost" not in deferred


@pytest.mark.parametrize("property_name", ["content", "name", "type"])
def test_an_unknown_record_makes_nothing_look_absent(good: Stack, property_name: str) -> None:
    """A record whose text, name or type is not known may be the one that seems to be missing."""
    for name in ("apex-mx", "dmarc", "dkim", "mx-a", "send-spf"):
        judgement = judge_stack(changed(name, UNKNOWN, property_name)(good))

        assert judgement.deferred, name
        assert judgement.violations == (), name


def test_what_a_provider_makes_of_known_data_is_not_waited_for(good: Stack) -> None:
    stack = changed("srv-imaps", UNKNOWN, "content")(good)

    assert judge_stack(stack).deferred == ()


def test_a_command_that_is_given_an_unknown_secret_is_judged_all_the_same(good: Stack) -> None:
    stack = changed("mailcow-settings-guard", Secret(UNKNOWN), "stdin")(good)

    assert judged("commands-quiet", stack).deferred == ()


def test_what_is_known_and_wrong_is_refused_beside_what_is_unknown(good: Stack) -> None:
    stack = both(changed("webmail-a", UNKNOWN, "content"), changed("mx-a", None, "proxied"))(good)

    judgement = judged("records-not-proxied", stack)

    assert [violation.resource for violation in judgement.violations] == ["mx-a"]
    assert [deferred.resource for deferred in judgement.deferred] == ["webmail-a"]


def test_unknown_is_one_value_and_neither_true_nor_false() -> None:
    assert Unknown() is UNKNOWN
    assert repr(UNKNOWN) == "[unknown]"
    with pytest.raises(TypeError):
        bool(UNKNOWN)


def test_a_secret_shows_nothing_of_itself() -> None:
    secret = Secret({"password": "marker-7f3a"})

    assert "marker-7f3a" not in f"{secret!r} {secret} {[secret]}"
    assert opened([secret]) == [{"password": "marker-7f3a"}]


def test_an_unsealed_secret_is_seen_where_secrets_are(good: Stack) -> None:
    assert messages("secrets-sealed", unsealed("host", "privateKey")(good))


def test_an_exception_lets_its_rule_pass_for_its_resource(good: Stack) -> None:
    mistake = record("shop", "A", "31.97.159.7")
    name = next(
        violation.resource for violation in judged("hosts-routed", mistake(good)).violations
    )

    judgement = judge_stack(both(mistake, _exception("hosts-routed", name))(good))

    assert judgement.violations == ()
    assert [used.resource for used in judgement.exceptions_used] == [name]


def test_an_exception_does_nothing_for_another_resource(good: Stack) -> None:
    stack = both(record("shop", "A", "31.97.159.7"), _exception("hosts-routed", "mx-a"))(good)

    assert refused(stack) == {"hosts-routed"}


def test_a_past_exception_excuses_nothing_and_is_a_violation_itself(good: Stack) -> None:
    mistake = both(changed("mx-a", None, "proxied"), _exception("records-not-proxied", "mx-a"))

    assert refused(mistake(good)) == set()
    assert refused(both(mistake, on(date(2027, 2, 1)))(good)) == {
        "records-not-proxied",
        "exception-in-time",
    }


def test_an_absence_is_excepted_under_the_name_of_the_stack(good: Stack) -> None:
    stack = both(without("send-mx"), _exception("envelope-takes-bounces", "stack"))(good)

    assert refused(stack) == set()


def test_no_exception_excuses_an_exception(good: Stack) -> None:
    stack = both(_exception("exception-names-something", "nobody"))(good)

    assert refused(stack) == {"exception-names-something"}


def test_the_rules_change_nothing(good: Stack) -> None:
    before = repr(good.resources)

    assert judge_stack(good) == judge_stack(good)
    assert repr(good.resources) == before
    assert len(rules()) >= 80
