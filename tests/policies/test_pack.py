"""The policy pack: every rule, mandatory, through pulumi_policy's own server."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from google.protobuf import struct_pb2
from pulumi.runtime import proto
from pulumi_policy import EnforcementLevel
from pulumi_policy.deserialize import SPECIAL_SECRET_SIG, SPECIAL_SIG_KEY

from declaration.mistakes import DeclarationError
from policies import pack
from policies.model import UNKNOWN, Resource, Secret
from policies.program import Prepared
from policies.registry import rules
from policies.stack import Stack
from policies.views import SENTINELS
from tests.policies.planting import changed, unsealed, without

_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


@pytest.fixture
def surroundings(prepared: Prepared) -> pack.Surroundings:
    """Return what the engine tells a pack, with a marker in every secret."""
    configuration = prepared.configuration
    planted = {key: f"planted-{key}" for key in configuration.secrets}
    return pack.Surroundings(
        "qual", {**configuration.values, **planted}, frozenset(configuration.secrets)
    )


@pytest.fixture
def analyzer(surroundings: pack.Surroundings) -> pack.Analyzer:
    """Return the pack's server as it judges an `up`, no port opened."""
    return _analyzer(surroundings)


@pytest.fixture
def previewing(surroundings: pack.Surroundings) -> pack.Analyzer:
    """Return the pack's server as it judges a preview."""
    return _analyzer(replace(surroundings, preview=True))


def _analyzer(surroundings: pack.Surroundings) -> pack.Analyzer:
    analysis = pack.Analysis(surroundings)
    server = pack.Analyzer.serving(analysis)
    return server("mail", "1.0.0", pack.policies(analysis), EnforcementLevel.MANDATORY, None)


def _wire(value: Any) -> Any:
    if isinstance(value, Secret):
        return {SPECIAL_SIG_KEY: SPECIAL_SECRET_SIG, "value": _wire(value.value)}
    if value is UNKNOWN:
        return _UNKNOWN
    if isinstance(value, Mapping):
        return {key: _wire(inner) for key, inner in value.items()}
    return [_wire(inner) for inner in value] if isinstance(value, list) else value


def _struct(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    struct.update(_wire(properties))
    return struct


def _asked(analyzer: pack.Analyzer, stack: Stack) -> None:
    """Show the pack what the program asks for, as the engine does before each step."""
    for resource in stack.resources:
        analyzer.Analyze(
            proto.AnalyzeRequest(
                type=resource.type, urn=resource.urn, name=resource.name,
                properties=_struct(resource.properties),
            ),
            None,
        )  # fmt: skip


def _said(
    analyzer: pack.Analyzer,
    stack: Stack,
    hidden: Callable[[Resource, str], bool] = lambda _resource, _key: False,
) -> list[Any]:
    """Show the pack the stack at the end of a deployment, without the properties that are hidden.

    Where a resource shows something, the engine says of the rest that it follows from others.
    """
    request = proto.AnalyzeStackRequest()
    for resource in stack.resources:
        shown = {
            key: value for key, value in resource.properties.items() if not hidden(resource, key)
        }
        dropped = set(resource.properties) - set(shown) if shown else set()
        request.resources.add(
            type=resource.type,
            urn=resource.urn,
            name=resource.name,
            properties=_struct(shown),
            options=proto.AnalyzerResourceOptions(protect=resource.protect),
            dependencies=list(resource.dependencies),
            propertyDependencies={
                key: proto.AnalyzerPropertyDependencies(urns=["urn:of:another"]) for key in dropped
            },
        )
    return list(analyzer.AnalyzeStack(request, None).diagnostics)


def _refusing(diagnostics: list[Any]) -> set[str]:
    return {
        diagnostic.policyName
        for diagnostic in diagnostics
        if diagnostic.enforcementLevel == proto.MANDATORY
    }


def test_every_rule_is_a_mandatory_policy(analyzer: pack.Analyzer) -> None:
    server: Any = analyzer  # without types
    info = server.GetAnalyzerInfo(None, None)

    assert [policy.name for policy in info.policies] == [rule.id for rule in rules()]
    assert {policy.enforcementLevel for policy in info.policies} == {proto.MANDATORY}


def test_the_good_stack_passes(analyzer: pack.Analyzer, good: Stack) -> None:
    assert _said(analyzer, good) == []


def test_a_violation_names_the_key_and_the_way_out(analyzer: pack.Analyzer, good: Stack) -> None:
    said = {item.policyName: item for item in _said(analyzer, without("dmarc")(good))}

    # The pack judges rule by rule, so that one which yields to others speaks too.
    assert said.keys() == {"dmarc-single", "records-declared"}
    one = said["dmarc-single"]
    assert one.enforcementLevel == proto.MANDATORY
    assert "mail:dmarc.stage: _dmarc.portugalodyssey.pt has no DMARC record" in one.message


def test_secrets_keep_their_mark_on_the_way_to_a_rule(analyzer: pack.Analyzer, good: Stack) -> None:
    (one,) = _said(analyzer, unsealed("mailbox-info", "password")(good))

    assert one.policyName == "secrets-sealed"
    assert one.urn.endswith("::mailbox-info")


def test_an_unknown_value_is_an_advice_that_up_will_judge(
    analyzer: pack.Analyzer, good: Stack
) -> None:
    found = _said(analyzer, changed("mailcow-conf", Secret(UNKNOWN), "content")(good))

    assert {violation.enforcementLevel for violation in found} == {proto.ADVISORY}
    assert all("not known yet; judged on up" in violation.message for violation in found)
    assert "api-narrow" in {violation.policyName for violation in found}


def _unconfigured(resource: Resource, _key: str) -> bool:
    """Tell whether the provider of a resource waits for something that is made on the host."""
    return resource.type.startswith(("mailcow:", "minio:", "docker:", "host:"))


def test_a_first_preview_of_unconfigured_providers_refuses_nothing(
    previewing: pack.Analyzer, good: Stack
) -> None:
    diagnostics = _said(previewing, good, _unconfigured)

    assert _refusing(diagnostics) == set()
    assert all("not known yet; judged on up" in diagnostic.message for diagnostic in diagnostics)
    assert {"secrets-sealed", "quotas-fit", "mailboxes-serve"} & {
        diagnostic.policyName for diagnostic in diagnostics
    }


def test_what_one_kind_of_resource_does_not_tell_yet_never_refuses_a_preview(
    previewing: pack.Analyzer, good: Stack
) -> None:
    refusing = {}
    for kind in {resource.type for resource in good.resources}:

        def hidden(resource: Resource, _key: str, kind: str = kind) -> bool:
            return resource.type == kind

        if refused := _refusing(_said(previewing, good, hidden)):
            refusing[kind] = refused

    assert refusing == {}


def test_a_rule_that_looks_at_everything_does_not_pass_what_is_not_known(
    previewing: pack.Analyzer, good: Stack
) -> None:
    diagnostics = _said(previewing, good, lambda resource, _: resource.name == "mailbox-info")

    assert {"inputs-without-credentials", "secrets-not-repeated", "secrets-sealed"} <= {
        diagnostic.policyName for diagnostic in diagnostics
    }


def test_a_preview_is_judged_by_what_the_program_asks_for(
    previewing: pack.Analyzer, good: Stack
) -> None:
    stack = unsealed("mailbox-info", "password")(good)
    _asked(previewing, stack)

    diagnostics = _said(previewing, stack, _unconfigured)

    assert [diagnostic.policyName for diagnostic in diagnostics] == ["secrets-sealed"]
    assert _refusing(diagnostics) == {"secrets-sealed"}


def test_a_value_that_is_missing_whole_is_not_known_yet(
    previewing: pack.Analyzer, good: Stack
) -> None:
    diagnostics = _said(
        previewing, good, lambda resource, key: (resource.name, key) == ("mailcow-conf", "content")
    )

    assert _refusing(diagnostics) == set()
    assert "api-narrow" in {diagnostic.policyName for diagnostic in diagnostics}


def test_without_properties_an_up_is_refused(analyzer: pack.Analyzer, good: Stack) -> None:
    _asked(analyzer, good)

    assert _refusing(_said(analyzer, good, _unconfigured))


def test_the_engine_may_tell_the_configuration_after_the_pack_has_started(
    surroundings: pack.Surroundings, good: Stack
) -> None:
    late = _analyzer(pack.Surroundings("<stack>", {}))

    late.ConfigureStack(
        proto.AnalyzerStackConfigureRequest(
            stack="qual", project="mail", dry_run=True, config=dict(surroundings.config),
            config_secret_keys=list(surroundings.secret_keys),
        ),
        None,
    )  # fmt: skip

    assert _refusing(_said(late, good, _unconfigured)) == set()


def test_a_language_host_tells_the_configuration_in_the_environment(
    surroundings: pack.Surroundings,
) -> None:
    assert surroundings == pack.Surroundings.of_environment(
        {
            "PULUMI_CONFIG": json.dumps(dict(surroundings.config)),
            "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(surroundings.secret_keys)),
            "PULUMI_STACK": "qual",
            "PULUMI_DRY_RUN": "false",
        }
    )


def test_no_secret_of_the_configuration_is_read(surroundings: pack.Surroundings) -> None:
    unnamed = replace(surroundings, secret_keys=frozenset())  # Pulumi's own host names none

    assert "planted" not in repr(surroundings.declaration) + repr(unnamed.declaration)


def test_a_mistake_in_the_declaration_shows_no_secret(surroundings: pack.Surroundings) -> None:
    mistaken = replace(surroundings, config={**surroundings.config, "mail:domain": "Example"})

    with pytest.raises(DeclarationError) as raised:
        _ = mistaken.declaration

    assert "mail:domain" in str(raised.value)
    assert "planted" not in str(raised.value)


def test_every_sentinel_of_pulumi_policy_is_known() -> None:
    module = __import__("pulumi_policy.proxy", fromlist=["proxy"])

    theirs = {getattr(module, name) for name in dir(module) if name.startswith("UNKNOWN_")}

    assert theirs == SENTINELS
