"""The rules as a policy pack for the genuine engine.

Every rule is a mandatory policy on the whole stack. The engine tells the pack the configuration,
secrets included; only what belongs to the declaration is read from it.

What the engine shows at the end of a preview are the *outputs* of resources. While the
configuration of a provider is not known yet (the key of Mailcow's API is made on the host), those
of its resources are empty, and of others a value may be missing whole in which something is not
known (pulumi/pulumi#7854). Nothing of that is a fact. So the pack notes what the program asks for,
which the engine shows before each step, and judges a preview by that; what neither tells is
unknown, and judged on `up`.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pulumi_policy.policy
from google.protobuf import json_format
from pulumi.runtime import proto
from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyPack,
    ReportViolation,
    Severity,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.deserialize import SPECIAL_SECRET_SIG, SPECIAL_SIG_KEY
from pulumi_policy.policy import (
    _PolicyAnalyzerServicer as PolicyServicer,  # the one place where a pack meets the engine
)
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, UnknownValueError

from declaration import secrets
from declaration.mistakes import PREFIX, DeclarationError
from declaration.model import Declaration
from declaration.reading import read
from policies.judging import judge_stack, stack_of
from policies.model import UNKNOWN, Deferred, Resource, Rule, Secret
from policies.registry import rules
from policies.stack import Stack
from policies.views import name_of, plain

NAME = "mail"
_LEVELS = {
    "critical": Severity.CRITICAL,
    "high": Severity.HIGH,
    "medium": Severity.MEDIUM,
    "low": Severity.LOW,
}
_COMPONENTS = f"{PREFIX}components:"
"""Type prefix of our components: they group resources, and have no properties."""


@dataclass(frozen=True)
class Surroundings:
    """What the engine tells a pack of the deployment.

    Attributes:
        stack: Name of the stack.
        config: Configuration by full key, secrets included.
        secret_keys: Full keys that are secret, as far as the engine says.
        preview: Whether nothing is deployed.
    """

    stack: str
    config: Mapping[str, str]
    secret_keys: frozenset[str] = frozenset()
    preview: bool = False

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> "Surroundings":
        """Return what a language host says in the environment of the pack's process."""
        return cls(
            environment.get("PULUMI_STACK", "<stack>"),
            json.loads(environment.get("PULUMI_CONFIG") or "{}"),
            frozenset(json.loads(environment.get("PULUMI_CONFIG_SECRET_KEYS") or "[]")),
            environment.get("PULUMI_DRY_RUN") == "true",
        )

    @classmethod
    def of_request(cls, request: proto.AnalyzerStackConfigureRequest) -> "Surroundings":
        """Return what the engine says to a pack that runs already (from 3.276)."""
        return cls(
            request.stack, dict(request.config), frozenset(request.config_secret_keys),
            request.dry_run,
        )  # fmt: skip

    @cached_property
    def declaration(self) -> Declaration:
        """The declaration.

        Raises:
            DeclarationError: it has mistakes. No secret is read, so none can be in the message.
        """
        hidden = {key.removeprefix(PREFIX) for key in self.secret_keys}
        settings = {
            key.removeprefix(PREFIX): value
            for key, value in self.config.items()
            if key.startswith(PREFIX)
        }
        public = {
            key: value
            for key, value in settings.items()
            if not secrets.names_secret(key) and key not in hidden
        }
        return read(public, source=f"Pulumi.{self.stack}.yaml")


def properties_of(struct: Any) -> dict[str, Any]:
    """Return properties of Pulumi's protocol, with our own marks for secret and unknown values."""
    properties: dict[str, Any] = plain(_sealed(json_format.MessageToDict(struct)))
    return properties


def _sealed(value: Any) -> Any:
    """Mark secrets. Assets and archives stay what they are on the wire: no rule reads them."""
    if isinstance(value, Mapping):
        if value.get(SPECIAL_SIG_KEY) == SPECIAL_SECRET_SIG:
            return Secret(plain(_sealed(value.get("value"))))
        return {key: _sealed(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_sealed(inner) for inner in value]
    return value


@dataclass
class Analysis:
    """What the engine has shown so far of one deployment.

    Attributes:
        surroundings: What it told of the deployment.
        asked: What the program asks for, by URN; noted from `Analyze`.
        resources: The resources at the end.
    """

    surroundings: Surroundings
    asked: dict[str, dict[str, Any]] = field(default_factory=dict)
    resources: list[Resource] = field(default_factory=list)

    @cached_property
    def stack(self) -> Stack:
        """The stack to judge, once for all rules.

        Raises:
            DeclarationError: the declaration has mistakes.
        """
        return stack_of(self.surroundings.declaration, self.resources)

    def end(self, shown: Iterable[proto.AnalyzerResource]) -> None:
        """Take the resources that the engine shows at the end."""
        self.resources = [
            self._resource(resource) for resource in shown if resource.type != "pulumi:pulumi:Stack"
        ]
        self.__dict__.pop("stack", None)

    def _resource(self, shown: proto.AnalyzerResource) -> Resource:
        properties = properties_of(shown.properties)
        known = True
        if self.surroundings.preview:
            asked = self.asked.get(shown.urn)
            known = bool(properties) or asked is not None or shown.type.startswith(_COMPONENTS)
            # A value that follows from another resource, and is not there, was dropped whole.
            dropped = dict.fromkeys(shown.propertyDependencies, UNKNOWN) if known else {}
            properties = {**dropped, **properties, **(asked or {})}
        return Resource(
            urn=shown.urn,
            type=shown.type,
            name=shown.name,
            properties=properties,
            parent=name_of(shown.parent),
            provider=shown.provider.name,
            dependencies=tuple(shown.dependencies),
            protect=shown.options.protect,
            known=known,
        )


class Analyzer(PolicyServicer):
    """pulumi_policy's server, which also notes what it shows no policy.

    A policy on the whole stack is given no inputs, and its secrets have lost their seal.
    """

    analysis: Analysis

    @classmethod
    def serving(cls, analysis: Analysis) -> "type[Analyzer]":
        """Return a server that notes in `analysis`; `PolicyPack` makes the instance."""
        return type("Analyzer", (cls,), {"analysis": analysis})

    def ConfigureStack(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Take the configuration from an engine that says it after the pack has started."""
        self.analysis.surroundings = Surroundings.of_request(request)
        return super().ConfigureStack(request, context)

    def Analyze(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Note what the program asks for."""
        self.analysis.asked[request.urn] = properties_of(request.properties)
        server: Any = super()  # without types
        return server.Analyze(request, context)

    def AnalyzeStack(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Judge the whole stack by every policy."""
        self.analysis.end(request.resources)
        # The policies ask the analysis: pulumi_policy need not decode everything for each of them.
        server: Any = super()
        return server.AnalyzeStack(proto.AnalyzeStackRequest(), context)


class NotYetKnownError(UnknownValueError):
    """A rule met a value that the preview cannot know. pulumi_policy shows it as an advisory."""

    def __init__(self, deferred: Deferred) -> None:
        super().__init__(UNKNOWN_STRING_VALUE, [deferred.resource])
        self.message = f"{deferred.what} of {deferred.resource} is not known yet; judged on up"


def _validate(
    rule: Rule, analysis: Analysis
) -> Callable[[StackValidationArgs, ReportViolation], None]:
    def validate(_: StackValidationArgs, report_violation: ReportViolation) -> None:
        try:
            judgement = judge_stack(analysis.stack, [rule])
        except DeclarationError as error:
            report_violation(str(error), None)
            return
        for violation in judgement.violations:
            shown = f" ({violation.resource})" if violation.urn else ""
            text = f"{violation.key}: {violation.message}{shown}; {violation.remedy}"
            report_violation(text, violation.urn or None)
        if judgement.deferred:
            raise NotYetKnownError(judgement.deferred[0])

    return validate


def policies(analysis: Analysis) -> list[Policy]:
    """Return every rule as a mandatory policy that judges what an analysis has noted."""
    return [
        StackValidationPolicy(
            name=rule.id,
            description=rule.protects,
            validate=_validate(rule, analysis),
            enforcement_level=EnforcementLevel.MANDATORY,
            severity=_LEVELS[rule.severity.value],
            remediation_steps=rule.remedy,
            url=rule.source if rule.source.startswith("https://") else None,
            tags=[rule.area.value],
        )
        for rule in rules()
    ]


def serve() -> None:
    """Serve the pack; returns when the engine is done."""
    analysis = Analysis(Surroundings.of_environment(os.environ))
    # PolicyPack makes its server by this name; there is no other way to hear `Analyze`.
    setattr(pulumi_policy.policy, PolicyServicer.__name__, Analyzer.serving(analysis))
    PolicyPack(name=NAME, policies=policies(analysis), enforcement_level=EnforcementLevel.MANDATORY)
