"""How long all rules take: on `qual`, and on the same stack with up to 1,000 mailboxes.

The program is recorded once; the further mailboxes and aliases are put into the declaration and
into the recorded resources. Figures are the best of some rounds, without the start of Python.

    python -m benchmarks.policies [ROUNDS]
"""

import sys
import time
from dataclasses import replace
from pathlib import Path

from declaration.people import AliasSettings, MailboxSettings
from policies import Resource, Secret, judge_stack, stack_of
from policies.program import prepare
from policies.recording import record
from policies.stack import Stack

PROJECT = Path(__file__).parent.parent
COUNTS = (0, 10, 100, 1000)
"""Mailboxes beside those of `qual`."""


def recorded() -> Stack:
    """Return the stack `qual`."""
    prepared = prepare(PROJECT / "Pulumi.qual.yaml")
    return stack_of(prepared.declaration, record(PROJECT, prepared.configuration))


def grown(stack: Stack, count: int) -> Stack:
    """Return a stack with further mailboxes, and an alias for each."""
    declaration, domain = stack.declaration, stack.declaration.domain
    names = [f"person-{number:04d}" for number in range(count)]
    boxes = tuple(MailboxSettings(name=name, full_name=name, quota_mib=10) for name in names)
    aliases = tuple(AliasSettings(name=f"a-{name}", to=(name,)) for name in names)
    pattern = next(resource for resource in stack.resources if resource.name == "mailbox-info")
    more = [
        replace(
            pattern,
            urn=pattern.urn.replace("mailbox-info", f"mailbox-{name}"),
            name=f"mailbox-{name}",
            properties={
                "localPart": name,
                "domain": domain,
                "quota": 10.0,
                "password": Secret(f"pw-of-{name}"),
            },
        )
        for name in names
    ]  # fmt: skip
    more += [
        Resource(
            f"{pattern.urn}-alias-{name}", "mailcow:index:Alias", f"alias-{name}",
            {"address": f"a-{name}@{domain}", "goto": [f"{name}@{domain}"]},
        )
        for name in names
    ]  # fmt: skip
    host = declaration.host.model_copy(update={"disk_gib": declaration.host.disk_gib + count})
    larger = declaration.model_copy(
        update={
            "mailboxes": (*declaration.mailboxes, *boxes),
            "aliases": (*declaration.aliases, *aliases),
            "host": host,
        }
    )
    return stack_of(larger, [*stack.resources, *more], today=stack.today)


def seconds(stack: Stack, rounds: int) -> float:
    """Return how long all rules take, at best."""
    best = float("inf")
    for _ in range(rounds):
        fresh = stack_of(stack.declaration, stack.resources, today=stack.today)
        began = time.perf_counter()
        judgement = judge_stack(fresh)
        best = min(best, time.perf_counter() - began)
        assert judgement.ok, judgement.violations[:3]
    return best


def main() -> None:
    """Measure and print a table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    stack = recorded()
    print(f"all rules, best of {rounds} rounds")
    print(f"{'mailboxes':>10}{'resources':>11}{'seconds':>10}{'ms a mailbox':>14}")
    for count in COUNTS:
        larger = grown(stack, count)
        took = seconds(larger, rounds)
        boxes = len(larger.declaration.mailboxes)
        print(f"{boxes:>10}{len(larger.resources):>11}{took:>10.3f}{1000 * took / boxes:>14.3f}")


if __name__ == "__main__":
    main()
