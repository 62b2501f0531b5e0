"""Exceptions: each names a rule, a resource, a reason and a day on which it ends."""

from collections.abc import Iterator

from policies.model import WHOLE, Area, Finding, Severity
from policies.registry import in_area, rules
from policies.stack import Stack

rule = in_area(Area.EXCEPTIONS)


@rule(
    "exception-in-time",
    Severity.HIGH,
    protects="An exception ends on its day.",
    reason="An exception without an end becomes the rule.",
    source="design: exceptions are written with a reason and an end date",
    remedy="mend what it excused, or decide anew and declare another day",
)
def _in_time(stack: Stack) -> Iterator[Finding]:
    for index, one in enumerate(stack.declaration.exceptions):
        if stack.today > one.until:
            message = f"the exception from {one.rule} for {one.resource} ended on {one.until}"
            resource = stack.named(one.resource)
            key = f"mail:exceptions[{index}].until"
            yield Finding(message, key, resource, one.until.isoformat())


@rule(
    "exception-names-something",
    Severity.MEDIUM,
    protects="An exception names a rule and a resource that there are.",
    reason="One that names nothing excuses nothing, and whoever wrote it believes otherwise.",
    source="design: exceptions are written with a reason and an end date",
    remedy="correct the name, or take the exception out",
)
def _names_something(stack: Stack) -> Iterator[Finding]:
    known = {entry.id for entry in rules()}
    for index, one in enumerate(stack.declaration.exceptions):
        if one.rule not in known:
            message = f"there is no rule {one.rule}; docs/policies.md lists them"
            yield Finding(message, f"mail:exceptions[{index}].rule", seen=one.rule)
        elif one.resource != WHOLE and stack.named(one.resource) is None:
            message = f"there is no resource {one.resource}"
            key = f"mail:exceptions[{index}].resource"
            yield Finding(message, key, seen=one.resource)
