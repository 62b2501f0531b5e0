"""The rules as a policy pack for the genuine engine.

Every rule is a mandatory policy on the whole stack. The engine tells the pack the configuration in
`PULUMI_CONFIG`, secrets included; only what belongs to the declaration is read from it.
"""

import importlib
import json
import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyPack,
    ReportViolation,
    Severity,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, UnknownValueError
from pulumi_policy.secret import Secret as PackSecret

from components import secrets
from components.declaration import Declaration, read
from components.mistakes import PREFIX, DeclarationError
from policies.judging import judge_stack, stack_of
from policies.model import UNKNOWN, Deferred, Resource, Rule, Secret
from policies.registry import rules
from policies.views import SENTINELS, name_of

NAME = "mail"
_LEVELS = {
    "critical": Severity.CRITICAL,
    "high": Severity.HIGH,
    "medium": Severity.MEDIUM,
    "low": Severity.LOW,
}
_HIDDEN = "__target"
"""Under this key the proxies of pulumi_policy hand out what they stand for."""


def declaration_of(environment: Mapping[str, str]) -> Declaration:
    """Return the declaration that the engine tells an analyzer.

    Raises:
        DeclarationError: it has mistakes. No secret is read, so none can be in the message.
    """
    return _read(
        environment.get("PULUMI_CONFIG") or "{}",
        environment.get("PULUMI_CONFIG_SECRET_KEYS") or "[]",
        environment.get("PULUMI_STACK", "<stack>"),
    )


@lru_cache(maxsize=1)
def _read(config: str, secret_keys: str, stack: str) -> Declaration:
    """Read the declaration once for all rules."""
    given = json.loads(config)
    hidden = {str(one).removeprefix(PREFIX) for one in json.loads(secret_keys)}
    plain = {
        key.removeprefix(PREFIX): value
        for key, value in given.items()
        if key.startswith(PREFIX)
        and not secrets.names_secret(key.removeprefix(PREFIX))
        and key.removeprefix(PREFIX) not in hidden
    }
    return read(plain, source=f"Pulumi.{stack}.yaml")


def keep_secrets() -> bool:
    """Let secrets keep their mark on the way to a policy; return whether that succeeded.

    pulumi_policy unwraps them before a stack policy sees them, although the engine says which they
    are. It can keep them, and does so for remediations; here it is told to do so always. The place
    is not part of its interface, so a version without it is worked with as it is: rules about
    secrecy are then said to be judged elsewhere.
    """
    try:
        module = importlib.import_module("pulumi_policy.policy")
        deserialize = importlib.import_module("pulumi_policy.deserialize")
        unwrapped: Callable[[Any, bool], Any] = deserialize._deserialize_property  # noqa: SLF001 - see above
        if not callable(module.deserialize_properties):
            return False
    except (ImportError, AttributeError):
        return False

    original = module.deserialize_properties

    def marked(properties: Mapping[str, Any], proxy_secrets: bool = False) -> Any:  # noqa: FBT001, FBT002 - its signature
        if proxy_secrets:  # a remediation; the pack has none
            return original(properties, proxy_secrets)
        return {key: _plain(unwrapped(value, True)) for key, value in properties.items()}  # noqa: FBT003 - its signature

    setattr(module, "deserialize_properties", marked)  # noqa: B010 - mypy knows it is not exported
    return True


def _plain(value: Any) -> Any:
    """Return a value without pulumi_policy's proxies, with our own marks."""
    if isinstance(value, PackSecret):
        return Secret(_plain(value.value))
    if isinstance(value, Secret) or value is UNKNOWN:
        return value
    if isinstance(value, str):
        return UNKNOWN if value in SENTINELS else value
    if type(value).__name__ in (
        "_DictProxy",
        "_ListProxy",
        "_DictSecretsProxy",
        "_ListSecretsProxy",
    ):
        value = value[_HIDDEN]
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


def resources_of(args: StackValidationArgs) -> list[Resource]:
    """Return the resources that the engine shows a stack policy."""
    return [
        Resource(
            urn=one.urn,
            type=one.resource_type,
            name=one.name,
            properties=_plain(one.props),
            parent=name_of(one.parent.urn) if one.parent else "",
            provider=one.provider.name if one.provider else "",
            dependencies=tuple(other.urn for other in one.dependencies),
            protect=bool(one.opts.protect),
        )
        for one in args.resources
        if one.resource_type != "pulumi:pulumi:Stack"
    ]


class NotYetKnownError(UnknownValueError):
    """A rule met a value that the preview cannot know. pulumi_policy shows it as an advisory."""

    def __init__(self, deferred: Deferred) -> None:
        super().__init__(UNKNOWN_STRING_VALUE, [deferred.resource])
        self.message = f"{deferred.what} of {deferred.resource} is not known yet; judged on up"


def _validate(
    rule: Rule, *, sees_secrets: bool
) -> Callable[[StackValidationArgs, ReportViolation], None]:
    def validate(args: StackValidationArgs, report_violation: ReportViolation) -> None:
        try:
            declaration = declaration_of(os.environ)
        except DeclarationError as error:
            report_violation(str(error), None)
            return
        stack = stack_of(declaration, resources_of(args), sees_secrets=sees_secrets)
        judgement = judge_stack(stack, [rule])
        for one in judgement.violations:
            shown = f" ({one.resource})" if one.urn else ""
            report_violation(f"{one.key}: {one.message}{shown}; {one.remedy}", one.urn or None)
        if judgement.deferred:
            raise NotYetKnownError(judgement.deferred[0])

    return validate


def policies(*, sees_secrets: bool) -> list[Policy]:
    """Return every rule as a mandatory policy.

    Args:
        sees_secrets: Whether secrets keep their mark.
    """
    return [
        StackValidationPolicy(
            name=one.id,
            description=one.protects,
            validate=_validate(one, sees_secrets=sees_secrets),
            enforcement_level=EnforcementLevel.MANDATORY,
            severity=_LEVELS[one.severity.value],
            remediation_steps=one.remedy,
            url=one.source if one.source.startswith("https://") else None,
            tags=[one.area.value],
        )
        for one in rules()
    ]


def serve() -> None:
    """Serve the pack; returns when the engine is done."""
    PolicyPack(
        name=NAME,
        policies=policies(sees_secrets=keep_secrets()),
        enforcement_level=EnforcementLevel.MANDATORY,
    )
