"""Single mistakes, planted into a good stack: each function returns a stack with one change."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from pydantic import BaseModel

from policies import Judgement, Resource, Secret, judge_stack, stack_of
from policies.program import prepare
from policies.recording import record as recording
from policies.registry import rule
from policies.snapshot import Snapshot
from policies.stack import Stack
from tests.conftest import FACTS, PROJECT

TODAY = date(2026, 12, 1)
"""The day by which the tests judge."""

Mistake = Callable[[Stack], Stack]


def deployed(**declared: object) -> Stack:
    """Return the stack that the program makes of `qual` with other values at these keys."""
    given = prepare(PROJECT / "Pulumi.qual.yaml", {**FACTS, **declared}, TODAY)
    resources = recording(PROJECT, given.configuration)
    return stack_of(given.declaration, resources, today=TODAY, evidence={})


def rebuilt(stack: Stack, resources: Sequence[Resource] | None = None, **changes: Any) -> Stack:
    """Return a stack with other resources or other facts, and nothing worked out yet."""
    return stack_of(
        changes.get("declaration", stack.declaration),
        stack.resources if resources is None else resources,
        today=changes.get("today", stack.today),
        snapshot=changes.get("snapshot", stack.snapshot),
        previous=changes.get("previous", stack.previous),
        evidence=changes.get("evidence", stack.evidence),
    )


def refused(stack: Stack) -> set[str]:
    """Return the ids of all rules that refuse a stack."""
    return {violation.rule for violation in judge_stack(stack).violations}


def judged(rule_id: str, stack: Stack) -> Judgement:
    """Return what one rule says."""
    return judge_stack(stack, [rule(rule_id)])


def messages(rule_id: str, stack: Stack) -> list[str]:
    """Return the messages of one rule's violations."""
    return [violation.message for violation in judged(rule_id, stack).violations]


# Resources


def _one(stack: Stack, name: str, kind: str = "") -> Resource:
    found = [
        resource for resource in stack.resources if resource.name == name and kind in resource.type
    ]
    found = [
        violation for violation in found if not violation.type.startswith("mail:components:")
    ] or found
    assert found, f"no resource {name}"
    return found[0]


def _with(stack: Stack, old: Resource, new: Resource) -> Stack:
    return rebuilt(stack, [new if resource is old else resource for resource in stack.resources])


def without(*names: str, kind: str = "") -> Mistake:
    """Take resources out."""

    def plant(stack: Stack) -> Stack:
        gone = [_one(stack, name, kind) for name in names]
        return rebuilt(stack, [resource for resource in stack.resources if resource not in gone])

    return plant


def added(kind: str, name: str, /, **properties: Any) -> Mistake:
    """Add a resource."""

    def plant(stack: Stack) -> Stack:
        urn = f"urn:pulumi:qual::mail::{kind}::{name}"
        return rebuilt(stack, [*stack.resources, Resource(urn, kind, name, properties)])

    return plant


def record(name: str, kind: str, content: str, **properties: Any) -> Mistake:
    """Publish another record; its name is relative to the domain, empty for the domain itself."""

    def plant(stack: Stack) -> Stack:
        owner = f"{name}.{stack.declaration.domain}" if name else stack.declaration.domain
        given = {"name": owner, "type": kind, "content": content, "proxied": False, **properties}
        title = f"planted-{name}-{kind}-{len(stack.resources)}".lower()
        return added("cloudflare:index/dnsRecord:DnsRecord", title, **given)(stack)

    return plant


def changed(name: str, value: Any, *path: str, kind: str = "") -> Mistake:
    """Set a property, at any depth; None takes it out."""

    def plant(stack: Stack) -> Stack:
        old = _one(stack, name, kind)
        properties = _set(old.properties, path, value)
        return _with(stack, old, replace(old, properties=properties))

    return plant


def _set(value: Any, path: Sequence[str], new: Any) -> Any:
    if not path:
        return new
    if isinstance(value, Secret):
        return Secret(_set(value.value, path, new))
    step = path[0]
    if isinstance(value, list):
        index = int(step)
        return [_set(one, path[1:], new) if i == index else one for i, one in enumerate(value)]
    copy = dict(value or {})
    inner = _set(copy.get(step), path[1:], new)
    if inner is None:
        copy.pop(step, None)
    else:
        copy[step] = inner
    return copy


def switched(name: str, *path: str, on: bool) -> Mistake:
    """Switch a property on or off."""
    return changed(name, on, *path)


def replaced(name: str, old: str, new: str, *path: str, kind: str = "") -> Mistake:
    """Write other words into a text, `content` unless said otherwise; secrets stay secret."""

    def plant(stack: Stack) -> Stack:
        resource = _one(stack, name, kind)
        steps = path or ("content",)
        value: Any = resource.properties
        for step in steps:
            value = value.value if isinstance(value, Secret) else value
            value = value[int(step)] if isinstance(value, list) else value[step]
        sealed = isinstance(value, Secret)
        text = value.value if sealed else value
        assert old in text, f"{name} holds no {old!r}"
        other = text.replace(old, new)
        return changed(name, Secret(other) if sealed else other, *steps, kind=kind)(stack)

    return plant


def both(*mistakes: Mistake) -> Mistake:
    """Plant one mistake that shows in several places."""

    def plant(stack: Stack) -> Stack:
        for mistake in mistakes:
            stack = mistake(stack)
        return stack

    return plant


def unsealed(name: str, *path: str) -> Mistake:
    """Take the seal off a secret."""

    def plant(stack: Stack) -> Stack:
        value: Any = _one(stack, name).properties
        for step in path:
            value = value.value if isinstance(value, Secret) else value
            value = value[step]
        assert isinstance(value, Secret), f"{name} is not secret there"
        return changed(name, value.value, *path)(stack)

    return plant


def unprotected(name: str) -> Mistake:
    """Take the protection away."""

    def plant(stack: Stack) -> Stack:
        old = _one(stack, name)
        return _with(stack, old, replace(old, protect=False))

    return plant


def not_waiting(name: str, *gone: str, kind: str = "") -> Mistake:
    """Take dependencies away."""

    def plant(stack: Stack) -> Stack:
        old = _one(stack, name, kind)
        kept = tuple(
            dependency
            for dependency in old.dependencies
            if dependency.rpartition("::")[2] not in gone
        )
        assert kept != old.dependencies, f"{name} does not wait for {gone}"
        return _with(stack, old, replace(old, dependencies=kept))

    return plant


# The declaration and the other facts


def declared(path: str, value: Any) -> Mistake:
    """Declare something else, past all validators; the resources stay as they are.

    Args:
        path: Field names, such as `dmarc.stage`; an index for an entry of a list.
        value: The value.
    """

    def plant(stack: Stack) -> Stack:
        return rebuilt(stack, declaration=_copied(stack.declaration, path.split("."), value))

    return plant


def switched_off(path: str) -> Mistake:
    """Declare a switch to be off."""
    off = False
    return declared(path, off)


def switched_on(path: str) -> Mistake:
    """Declare a switch to be on."""
    on = True
    return declared(path, on)


def _copied(value: Any, path: Sequence[str], new: Any) -> Any:
    if not path:
        return new
    step = path[0]
    if isinstance(value, BaseModel):
        inner = _copied(getattr(value, step), path[1:], new)
        return value.model_copy(update={step: inner})
    if isinstance(value, Mapping):
        return {**value, step: _copied(value.get(step), path[1:], new)}
    index = int(step)
    return tuple(_copied(one, path[1:], new) if i == index else one for i, one in enumerate(value))


def on(day: date) -> Mistake:
    """Judge by another day."""
    return lambda stack: rebuilt(stack, today=day)


def evident(subject: str, document: Mapping[str, Any]) -> Mistake:
    """Have found something out about a subject."""
    return lambda stack: rebuilt(stack, evidence={**stack.evidence, subject: document})


def knowing(**records: str) -> Mistake:
    """Know other SPF records; underscores stand for dots."""
    found = {name.replace("_", "."): text for name, text in records.items()}
    return lambda stack: rebuilt(
        stack, snapshot=Snapshot(TODAY, records={**stack.snapshot.records, **found})
    )


def after(*mistakes: Mistake) -> Mistake:
    """Remember the stack as it is as the state before, then plant the mistakes."""
    return lambda stack: both(*mistakes)(rebuilt(stack, previous=stack.resources))
