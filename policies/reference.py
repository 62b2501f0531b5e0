"""docs/policies.md, written from the registry.

    python -m policies.reference [--check]

writes the page, or tells whether it is current.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from policies.model import Area, Rule
from policies.registry import rules

PAGE = Path(__file__).parent.parent / "docs" / "policies.md"

_HEAD = """\
# Policies

What must hold across the artifacts of a stack: what a name in the zone, a route, a certificate and
a mail server must agree on, and what no linter of one file can see. There are {count} rules; all
are mandatory.

| where | how |
|---|---|
| in CI, without engine or network | `make policy STACK=qual` (`python -m policies.check --help`) |
| before a deployment | `make preview`, `make up`: `--policy-pack policies` on the genuine CLI |
| in the rehearsal | `make rehearse` |
| in tests | `tests/policies`, one file for each rule, and a list of planted mistakes |

A value that a preview cannot know yet is never waved through: the rule says that it will judge on
`up`, and does.

**Exceptions** are declared, with an end; past its date an exception is itself a violation, and so
is one that names no rule or no resource (`stack` stands for a finding about something that is not
there):

```yaml
mail:exceptions:
  - rule: records-unique
    resource: webmail-a
    reason: the provider moves the record on the first
    until: "2027-01-31"
```

**Look-ups of SPF** are counted from `policies/snapshots/spf.json`, so that no check needs the
network. `python -m policies.snapshot refresh [NAME...] [--resolver ADDRESS]` takes a new one.

**Settings that are unsafe to change** are compared with a state when there is one:
`pulumi stack export --file state.json && python -m policies.check --state state.json`.

<!-- Written by `python -m policies.reference` from the registry; edits are lost. -->
"""


def page() -> str:
    """Return the page."""
    everything = rules()
    parts = [_HEAD.format(count=len(everything))]
    for area in Area:
        chosen = [rule for rule in everything if rule.area is area]
        parts.append(f"## {area.value.capitalize()}\n")
        parts += [f"- [`{item.id}`](#{item.id}) {item.protects}" for item in chosen]
        parts.append("")
        parts += [_entry(item) for item in chosen]
    return "\n".join(parts).rstrip("\n") + "\n"


def _entry(rule: Rule) -> str:
    return (
        f"### {rule.id}\n\n"
        f"{rule.protects} {rule.reason}\n\n"
        f"- severity: {rule.severity.value}\n"
        f"- to mend it: {rule.remedy}\n"
        f"- source: {rule.source}\n"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or check it; return the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    if "--check" in words:
        current = PAGE.exists() and PAGE.read_text("utf-8") == page()
        sys.stdout.write("current\n" if current else "run python -m policies.reference\n")
        return 0 if current else 1
    PAGE.write_text(page(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
