"""The check of a stack that needs neither engine nor network.

    python -m policies.check --stack qual [--json | --sarif FILE] [--state FILE]

Reads the declaration, runs the program against a monitor that deploys nothing, and judges what it
registered. Secrets are placeholders; account facts that are not set are placeholders too, and the
output names them.

Exit status: 0 nothing is refused; 1 at least one violation; 2 the declaration or the program cannot
be read.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from declaration.lines import Lines
from declaration.mistakes import DeclarationError
from policies.judging import judge
from policies.model import Judgement, Resource
from policies.program import Prepared, prepare
from policies.recording import ProgramError, record
from policies.registry import rules
from policies.sarif import sarif
from policies.views import name_of, plain

EXIT_REFUSED = 1
EXIT_UNREADABLE = 2


@dataclass(frozen=True)
class Checked:
    """What a check found.

    Attributes:
        source: Name of the stack's file.
        judgement: What the rules say.
        assumed: Keys for which a placeholder stood.
        resources: How many resources were judged.
    """

    source: str
    judgement: Judgement
    assumed: tuple[str, ...]
    resources: int


def check(path: Path, program: Path | None = None, state: Path | None = None) -> Checked:
    """Judge a stack by its file and its program.

    Args:
        path: `Pulumi.<stack>.yaml`, beside the program.
        program: File of the program; `__main__.py` beside the stack's file when absent.
        state: Exported state (`pulumi stack export`), to compare unsafe settings with.

    Raises:
        DeclarationError: the declaration has mistakes.
        ProgramError: the program did not run to its end.
    """
    prepared: Prepared = prepare(path)
    resources = record(path.parent.resolve(), prepared.configuration, program)
    previous = None if state is None else read_state(state)
    judgement = judge(prepared.declaration, resources, previous=previous)
    return Checked(path.name, judgement, prepared.assumed, len(resources))


def read_state(path: Path) -> list[Resource]:
    """Return the resources of an exported state; secrets in it stay sealed.

    Raises:
        ProgramError: it is no exported state.
    """
    try:
        document = json.loads(path.read_text("utf-8"))
        found = document.get("deployment", document.get("checkpoint", {}).get("latest", {}))
        return [
            Resource(
                urn=resource["urn"],
                type=resource["type"],
                name=name_of(resource["urn"]),
                properties=plain({**resource.get("outputs", {}), **resource.get("inputs", {})}),
            )
            for resource in found["resources"]
        ]
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        raise ProgramError(f"{path} is no state as `pulumi stack export` writes it") from None


def said(checked: Checked) -> str:
    """Return what a person reads."""
    judgement, lines = checked.judgement, []
    count = len(judgement.violations)
    if count:
        lines.append(f"{checked.source}: {count} violation{'s' if count > 1 else ''}")
        lines += _aligned(
            (violation.key, f"{violation.message}  [{violation.rule}]")
            for violation in judgement.violations
        )
        lines.append("What to do:")
        remedies = dict.fromkeys(
            (violation.rule, violation.remedy) for violation in judgement.violations
        )
        lines += _aligned(remedies)
    else:
        number = len(rules())
        lines.append(f"{checked.source}: {checked.resources} resources, {number} rules, ok")
    lines += [f"  exception  {used.rule} for {used.resource} until {used.until}: {used.reason}"
              for used in judgement.exceptions_used]  # fmt: skip
    lines += [f"  later  {deferred}" for deferred in judgement.deferred]
    lines += [f"  note  {note.message}" for note in judgement.notes]
    lines += [
        f"  assumed  {key} is not set; a placeholder stood in for it" for key in checked.assumed
    ]
    return "\n".join(lines)


def _aligned(pairs: Iterable[tuple[str, str]]) -> list[str]:
    rows = list(pairs)
    width = max((len(left) for left, _ in rows), default=0)
    return [f"  {left:<{width}}   {right}" for left, right in rows]


def as_json(checked: Checked) -> dict[str, Any]:
    """Return what a machine reads."""
    judgement = checked.judgement
    return {
        "ok": judgement.ok,
        "source": checked.source,
        "resources": checked.resources,
        "rules": len(rules()),
        "violations": [asdict(violation) for violation in judgement.violations],
        "deferred": [asdict(deferred) for deferred in judgement.deferred],
        "notes": [asdict(note) for note in judgement.notes],
        "exceptions": [asdict(used) for used in judgement.exceptions_used],
        "assumed": list(checked.assumed),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a stack and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m policies.check",
        description="Judge a stack by every policy, without engine or network.",
        epilog="exit status: 0 ok, 1 violations, 2 the declaration or the program cannot be read",
    )
    parser.add_argument("--stack", default="qual", help="stack, as in Pulumi.<stack>.yaml")
    parser.add_argument("--json", action="store_true", help="write JSON")
    parser.add_argument("--sarif", type=Path, metavar="FILE", help="write SARIF 2.1.0 to a file")
    parser.add_argument("--state", type=Path, metavar="FILE", help="exported state to compare with")
    parser.add_argument("--project", type=Path, default=Path(), help="folder of the program")
    parser.add_argument("--program", type=Path, help="file of the program, if not __main__.py")
    options = parser.parse_args(arguments)
    path = options.project / f"Pulumi.{options.stack}.yaml"
    try:
        checked = check(path, options.program, options.state)
    except DeclarationError as error:
        if options.sarif:
            _write(options.sarif, sarif(rules(), Lines(path), Judgement(), error.mistakes))
        if options.json:
            found = [asdict(mistake) for mistake in error.mistakes]
            _say(json.dumps({"ok": False, "mistakes": found}, indent=2))
        else:
            sys.stderr.write(f"{error}\n")
        return EXIT_UNREADABLE
    except ProgramError as error:
        sys.stderr.write(f"{path.name}: {error}\n")
        return EXIT_UNREADABLE
    if options.sarif:
        _write(options.sarif, sarif(rules(), Lines(path), checked.judgement))
    _say(json.dumps(as_json(checked), indent=2) if options.json else said(checked))
    return 0 if checked.judgement.ok else EXIT_REFUSED


def _write(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2) + "\n", "utf-8")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
