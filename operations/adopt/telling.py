"""What an adoption says: to a person line by line, to a machine as one document."""

from collections.abc import Mapping
from typing import Any

from operations.adopt.adoption import Adoption
from operations.adopt.model import Area, Difference, Match, Question
from rehearsal.report import Report

_LINES = 6
"""Lines of a differing file that are shown."""
_NAME = 26
"""Width of the column of names."""
_NAMES = 3
"""Names that are listed before the rest is counted."""


def tell(adoption: Adoption, report: Report) -> None:
    """Show an adoption."""
    for area in adoption.areas:
        _tell_area(area, report)
    if adoption.commands:
        report.line("commands", f"{len(adoption.commands)} run at the next deployment")
        report.detail("a command cannot be imported; each brings about only what is not so already")
    _tell_outlook(adoption, report)
    report.put("adoption", as_dict(adoption))


def _tell_area(area: Area, report: Report) -> None:
    status = "wait" if area.questions or area.unread or area.warnings else "ok"
    report.line(area.name, _counted(area), status)
    for reason in area.unread:
        report.detail(f"! {reason}", "red")
    for match in area.matches:
        _tell_differences(match, report)
    for wanted in area.missing:
        report.detail(f"+ {wanted.name:<{_NAME}} not there; the next deployment makes it", "green")
    for question in area.questions:
        _tell_question(question, report)
    for stranger in area.strangers:
        note = f": {stranger.note}" if stranger.note else ""
        report.detail(f". {stranger.kind} {stranger.what} is not declared and stays{note}", "dim")
    for reason, names in _notes(area).items():
        report.detail(f"i {_listed(names)}: {reason}", "cyan")
    for warning in area.warnings:
        report.detail(f"! {warning}", "red")


def _counted(area: Area) -> str:
    differ = sum(1 for match in area.matches if match.differences)
    counts = {
        "as declared": len(area.matches) - differ,
        "otherwise than declared": differ,
        "not there": len(area.missing),
        "in question": len(area.questions),
        "not declared": len(area.strangers),
    }
    said = [f"{count} {words}" for words, count in counts.items() if count]
    return ", ".join(said) or "nothing to import"


def _tell_differences(match: Match, report: Report) -> None:
    for difference in match.differences:
        report.detail(f"~ {match.wanted.name:<{_NAME}} {said(difference)}", "yellow")
        for line in difference.lines[:_LINES]:
            report.detail(f"    {line}", "dim")
        if len(difference.lines) > _LINES:
            report.detail(f"    and {len(difference.lines) - _LINES} more lines", "dim")


def _tell_question(question: Question, report: Report) -> None:
    name = question.wanted.name
    report.detail(f"? {name:<{_NAME}} {question.text}", "red")
    for identity, what in question.candidates.items():
        report.detail(f"    --take {name}={identity}   {what}")
    report.detail(f"    --take {name}=none   it is none of them")


def _notes(area: Area) -> Mapping[str, list[str]]:
    """Return what could not be read or compared, by the reason."""
    notes: dict[str, list[str]] = {}
    for match in area.matches:
        reasons = set(match.unseen.values())
        if match.supplied is not None:
            reasons.add(match.supplied.reason)
        for reason in sorted(reasons):
            notes.setdefault(reason, []).append(match.wanted.name)
    return notes


def _listed(names: list[str]) -> str:
    return (
        ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"
    )


def said(difference: Difference) -> str:
    """Return a difference in words."""
    if difference.secret:
        return f"{difference.path} is not as declared (not shown)"
    place = " (another takes its place)" if difference.replaces else ""
    return f"{difference.path} {_value(difference.live)} -> {_value(difference.declared)}{place}"


def _value(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 70 else f"{text[:70]}..."


def _tell_outlook(adoption: Adoption, report: Report) -> None:
    made = len(adoption.missing) + len(adoption.commands)
    parts = [
        f"{len(adoption.differing) - len(adoption.replaced)} to update",
        f"{made} to create, {len(adoption.commands)} of them commands",
    ]
    if adoption.replaced:
        names = ", ".join(item.wanted.name for item in adoption.replaced)
        parts.append(f"{len(adoption.replaced)} to replace: {names}")
    else:
        parts.append("nothing to replace or delete")
    report.line("afterwards", ", ".join(parts), "wait" if adoption.replaced else "ok")
    if adoption.held:
        report.detail(f"the state holds {adoption.held} resources already; they are not looked at")


def as_dict(adoption: Adoption) -> dict[str, Any]:
    """Return an adoption for a machine; what is secret is named and not told."""
    return {
        "areas": {area.name: _area(area) for area in adoption.areas},
        "commands": list(adoption.commands),
        "held": adoption.held,
        "imports": adoption.imported,
        "update": [pair.wanted.name for pair in adoption.differing if not pair.replaces],
        "replace": [item.wanted.name for item in adoption.replaced],
        "create": [wanted.name for wanted in adoption.missing],
        "judged": adoption.judged,
    }


def _area(area: Area) -> dict[str, Any]:
    return {
        "matches": [_match(match) for match in area.matches],
        "missing": [wanted.name for wanted in area.missing],
        "strangers": [
            {"kind": stranger.kind, "what": stranger.what, "note": stranger.note}
            for stranger in area.strangers
        ],
        "questions": [
            {
                "name": question.wanted.name,
                "text": question.text,
                "candidates": dict(question.candidates),
            }
            for question in area.questions
        ],
        "warnings": list(area.warnings),
        "unread": list(area.unread),
    }


def _match(match: Match) -> dict[str, Any]:
    return {
        "name": match.wanted.name,
        "type": match.wanted.type,
        "id": match.id,
        "differences": [
            {
                "property": difference.path,
                "secret": difference.secret,
                "live": difference.live,
                "declared": difference.declared,
                "replaces": difference.replaces,
            }
            for difference in match.differences
        ],
        "notCompared": dict(match.unseen),
        "supplied": match.supplied.reason if match.supplied else None,
    }
