"""Judging a stack by every rule, with the declared exceptions."""

import traceback
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from declaration import evidence as kept
from declaration.model import Declaration
from policies.model import (
    WHOLE,
    Deferred,
    ExceptionUsed,
    Finding,
    Judgement,
    Note,
    Resource,
    Rule,
    Violation,
)
from policies.registry import rules
from policies.snapshot import Snapshot, load
from policies.stack import Stack


def stack_of(
    declaration: Declaration,
    resources: Sequence[Resource],
    *,
    today: date | None = None,
    snapshot: Snapshot | None = None,
    previous: Sequence[Resource] | None = None,
    evidence: Mapping[str, Mapping[str, Any]] | None = None,
) -> Stack:
    """Return a stack to judge.

    Args:
        declaration: The declaration.
        resources: Every resource that the program registers.
        today: The day to judge dates by; today in UTC when absent.
        snapshot: SPF records of other domains; the stored ones when absent.
        previous: Resources of the state before this deployment, if one is at hand.
        evidence: What operations have found out, by subject; what is kept for the stack when
            absent.
    """
    if evidence is None:
        evidence = kept.read_all(_stack_name(resources))
    day = today or datetime.now(UTC).date()
    return Stack(declaration, resources, day, snapshot or load(), previous, evidence)


def _stack_name(resources: Sequence[Resource]) -> str:
    """Return the name of the stack, as every URN has it: `urn:pulumi:<stack>::...`."""
    urn = resources[0].urn if resources else ""
    return urn.removeprefix("urn:pulumi:").partition("::")[0]


def judge(
    declaration: Declaration,
    resources: Sequence[Resource],
    *,
    today: date | None = None,
    previous: Sequence[Resource] | None = None,
) -> Judgement:
    """Judge a declaration and its resources by every rule; `stack_of` says what is what."""
    return judge_stack(stack_of(declaration, resources, today=today, previous=previous))


def judge_stack(stack: Stack, chosen: Iterable[Rule] | None = None) -> Judgement:
    """Judge a stack.

    Args:
        stack: The stack.
        chosen: Rules to judge by; all of them when absent.
    """
    violations: list[Violation] = []
    told: list[Violation] = []
    deferred: list[Deferred] = []
    notes: list[Note] = []
    used: list[ExceptionUsed] = []
    judging = [*(rules() if chosen is None else chosen)]
    for rule in sorted(judging, key=lambda rule: rule.yields):
        refused, waiting, worth_knowing = _by_rule(rule, stack)
        deferred += waiting
        notes += worth_knowing
        if rule.yields:
            refused = _not_yet_told(refused, told)
        told += refused
        for finding in refused:
            exception = _exception(stack, finding)
            if exception is None:
                violations.append(finding)
            else:
                used.append(exception)
    return Judgement(tuple(violations), tuple(deferred), tuple(notes), tuple(dict.fromkeys(used)))


def _by_rule(rule: Rule, stack: Stack) -> tuple[list[Violation], list[Deferred], list[Note]]:
    watched = stack.watched()
    try:
        found = list(rule.check(watched))
    except Exception as error:  # noqa: BLE001 - whatever it is, the other rules go on
        # A message of Python could repeat a value; where it happened says enough.
        place = traceback.extract_tb(error.__traceback__)[-1]
        message = f"the rule could not judge: {type(error).__name__} in {place.name}, line"
        found = [Finding(f"{message} {place.lineno} of {Path(place.filename).name}", "mail")]
    met = dict.fromkeys(watched.met)
    waiting = [Deferred(rule.id, one.name, one.urn, what or "something") for one, what in met]
    unsure = {one.urn for one, _ in met}
    refused = [
        _violation(rule, finding)
        for finding in found
        if not finding.note and not (met and (finding.absent or _urn(finding) in unsure))
    ]
    notes = [
        Note(rule.id, _name(finding), finding.key, finding.message)
        for finding in found
        if finding.note
    ]
    return refused, waiting, notes


def _not_yet_told(refused: list[Violation], before: list[Violation]) -> list[Violation]:
    """Return the violations about a resource, or a missing thing, that no other rule has named."""
    resources = {violation.urn for violation in before if violation.urn}
    missing = {violation.seen for violation in before if violation.seen}
    return [
        violation
        for violation in refused
        if not (violation.urn in resources if violation.urn else violation.seen in missing)
    ]


def _violation(rule: Rule, one: Finding) -> Violation:
    return Violation(
        rule.id, _name(one), _urn(one), one.seen, one.key, one.message, rule.remedy, rule.severity
    )


def _name(one: Finding) -> str:
    return one.resource.name if one.resource else WHOLE


def _urn(one: Finding) -> str:
    return one.resource.urn if one.resource else ""


def _exception(stack: Stack, violation: Violation) -> ExceptionUsed | None:
    """Return the exception that lets a violation pass, unless its date is past.

    The rules on exceptions themselves know no exception.
    """
    if violation.rule.startswith("exception-"):
        return None
    for exception in stack.declaration.exceptions:
        named = (exception.rule, exception.resource) == (violation.rule, violation.resource)
        if named and stack.today <= exception.until:
            return ExceptionUsed(
                exception.rule, exception.resource, exception.reason, exception.until.isoformat()
            )
    return None
