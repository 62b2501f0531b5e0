"""Who may do what to which object, by a policy's statements."""

from typing import Any

import pytest

from readers.mistake import MistakeError
from readers.storage_policy import decide, lets_strangers, may_ever, parse

OBJECT = "mail/data/1"


def policy(**statement: Any) -> dict[str, Any]:
    return parse(
        {"Statement": [{"Effect": "Allow", "Resource": "arn:aws:s3:::mail/*", **statement}]}
    )


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ({"Action": "s3:DeleteObjectVersion"}, "yes"),
        ({"Action": ["s3:Delete*"]}, "yes"),
        ({"NotAction": "s3:GetObject"}, "yes"),
        ({"Action": "s3:DeleteObject"}, "no"),
        ({"NotAction": "s3:Delete*"}, "no"),
        ({"Action": "s3:*", "Resource": "arn:aws:s3:::mailbox/*"}, "no"),
        ({"Action": "s3:*", "Resource": None, "NotResource": "arn:aws:s3:::other/*"}, "yes"),
    ],
)
def test_an_action_is_allowed_by_what_a_statement_means(
    statement: dict[str, Any], allowed: str
) -> None:
    read = policy(**statement)

    assert decide([read], "s3:DeleteObjectVersion", OBJECT, {}) is (allowed == "yes")


def test_a_denial_outweighs_every_permission() -> None:
    denial = policy(Effect="Deny", Action="s3:DeleteObject*")

    assert not decide([policy(Action="s3:*"), denial], "s3:DeleteObjectVersion", OBJECT, {})
    assert decide([policy(Action="s3:*"), denial], "s3:GetObject", OBJECT, {})


def test_a_condition_may_be_met_and_a_denial_may_be_avoided() -> None:
    condition = {"StringEquals": {"aws:UserAgent": "x"}}
    permission = policy(Action="s3:*", Condition=condition)
    denial = policy(Effect="Deny", Action="s3:*", Condition=condition)

    assert may_ever([permission], "s3:GetObject", OBJECT)
    assert may_ever([policy(Action="s3:*"), denial], "s3:GetObject", OBJECT)
    assert not decide([permission], "s3:GetObject", OBJECT, {"useragent": "y"})


@pytest.mark.parametrize(
    ("statement", "strangers"),
    [
        ({"Principal": "*"}, "yes"),
        ({"Principal": {"AWS": ["*"]}}, "yes"),
        ({"NotPrincipal": {"AWS": "arn:aws:iam:::user/x"}}, "yes"),
        ({"Principal": {"AWS": "arn:aws:iam:::user/x"}}, "no"),
        ({"Principal": "*", "Effect": "Deny"}, "no"),
    ],
)
def test_strangers_are_let_in_by_a_permission_alone(
    statement: dict[str, Any], strangers: str
) -> None:
    assert lets_strangers(policy(Action="s3:GetObject", **statement)) is (strangers == "yes")


@pytest.mark.parametrize("text", ["{", "[]", '{"Statement": [{"Effect": "Maybe"}]}'])
def test_what_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(MistakeError):
        parse(text)
