"""The policy pack: every rule, mandatory, through pulumi_policy's own server."""

import json
from typing import Any

import grpc
import pytest
from google.protobuf import struct_pb2
from pulumi.runtime import proto
from pulumi_policy import EnforcementLevel
from pulumi_policy.policy import _PolicyAnalyzerServicer

from components.mistakes import DeclarationError
from policies import pack
from policies.model import UNKNOWN, Secret
from policies.program import Prepared
from policies.registry import rules
from policies.stack import Stack
from policies.views import SENTINELS
from tests.policies.planting import changed, unsealed, without

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"
_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


@pytest.fixture
def surroundings(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the environment that the engine gives an analyzer, with a marker in every secret."""
    configuration = prepared.configuration
    given = dict(configuration.values) | {key: f"planted-{key}" for key in configuration.secrets}
    found = {
        "PULUMI_CONFIG": json.dumps(given),
        "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(configuration.secrets)),
        "PULUMI_STACK": "qual",
    }
    for key, value in found.items():
        monkeypatch.setenv(key, value)
    return found


@pytest.fixture
def analyzer(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return pulumi_policy's server with our pack, no port opened."""
    module: Any = __import__("pulumi_policy.policy", fromlist=["policy"])
    monkeypatch.setattr(module, "deserialize_properties", module.deserialize_properties)
    assert pack.keep_secrets()
    return _PolicyAnalyzerServicer(
        "mail", "1.0.0", pack.policies(sees_secrets=True), EnforcementLevel.MANDATORY, None
    )


def _wire(value: Any) -> Any:
    if isinstance(value, Secret):
        return {_SIGNATURE: _SECRET, "value": _wire(value.value)}
    if value is UNKNOWN:
        return _UNKNOWN
    if isinstance(value, dict):
        return {key: _wire(one) for key, one in value.items()}
    return [_wire(one) for one in value] if isinstance(value, list) else value


def _request(stack: Stack) -> Any:
    found = []
    for one in stack.resources:
        properties = struct_pb2.Struct()
        properties.update(_wire(dict(one.properties)))
        options = proto.AnalyzerResourceOptions(protect=one.protect)
        found.append(
            proto.AnalyzerResource(
                type=one.type, properties=properties, urn=one.urn, name=one.name, options=options,
                dependencies=list(one.dependencies),
            )
        )  # fmt: skip
    return proto.AnalyzeStackRequest(resources=found)


def _said(analyzer: Any, stack: Stack) -> list[Any]:
    context: grpc.ServicerContext | None = None
    return list(analyzer.AnalyzeStack(_request(stack), context).diagnostics)


def test_every_rule_is_a_mandatory_policy(analyzer: Any) -> None:
    info = analyzer.GetAnalyzerInfo(None, None)

    assert [one.name for one in info.policies] == [one.id for one in rules()]
    assert {one.enforcementLevel for one in info.policies} == {proto.MANDATORY}


@pytest.mark.usefixtures("surroundings")
def test_the_good_stack_passes(analyzer: Any, good: Stack) -> None:
    assert _said(analyzer, good) == []


@pytest.mark.usefixtures("surroundings")
def test_a_violation_names_the_key_and_the_way_out(analyzer: Any, good: Stack) -> None:
    (one,) = _said(analyzer, without("dmarc")(good))

    assert one.policyName == "dmarc-single"
    assert one.enforcementLevel == proto.MANDATORY
    assert "mail:dmarc.stage: _dmarc.portugalodyssey.pt has no DMARC record" in one.message


@pytest.mark.usefixtures("surroundings")
def test_secrets_keep_their_mark_on_the_way_to_a_rule(analyzer: Any, good: Stack) -> None:
    (one,) = _said(analyzer, unsealed("mailbox-info", "password")(good))

    assert one.policyName == "secrets-sealed"
    assert one.urn.endswith("::mailbox-info")


@pytest.mark.usefixtures("surroundings")
def test_an_unknown_value_is_an_advice_that_up_will_judge(analyzer: Any, good: Stack) -> None:
    found = _said(analyzer, changed("mailcow-conf", Secret(UNKNOWN), "content")(good))

    assert {one.enforcementLevel for one in found} == {proto.ADVISORY}
    assert all("not known yet; judged on up" in one.message for one in found)
    assert "api-narrow" in {one.policyName for one in found}


def test_no_secret_of_the_configuration_is_read(surroundings: dict[str, str]) -> None:
    declaration = pack.declaration_of(surroundings)

    assert "planted" not in repr(declaration)


def test_a_mistake_in_the_declaration_shows_no_secret(surroundings: dict[str, str]) -> None:
    given = json.loads(surroundings["PULUMI_CONFIG"]) | {"mail:domain": "Example"}

    with pytest.raises(DeclarationError) as raised:
        pack.declaration_of(surroundings | {"PULUMI_CONFIG": json.dumps(given)})

    assert "mail:domain" in str(raised.value)
    assert "planted" not in str(raised.value)


def test_every_sentinel_of_pulumi_policy_is_known() -> None:
    module = __import__("pulumi_policy.proxy", fromlist=["proxy"])

    theirs = {getattr(module, name) for name in dir(module) if name.startswith("UNKNOWN_")}

    assert theirs == SENTINELS
