"""A judgement as SARIF 2.1.0, the format that code-scanning views read."""

from collections.abc import Sequence
from typing import Any

from declaration.lines import Lines
from declaration.mistakes import Mistake
from policies.model import Deferred, Judgement, Note, Rule, Severity, Violation

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_DECLARATION = "declaration"
_SCORES = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.0",
    Severity.LOW: "2.0",
}


def sarif(
    rules: Sequence[Rule], lines: Lines, judgement: Judgement, mistakes: Sequence[Mistake] = ()
) -> dict[str, Any]:
    """Return the log of one run.

    Args:
        rules: Every rule.
        lines: Lines of the stack's file.
        judgement: What the rules say.
        mistakes: Mistakes in the declaration, which come before any rule.
    """
    indices = {one.id: number for number, one in enumerate(rules)}
    results = [_mistake(mistake, lines, len(rules)) for mistake in mistakes]
    results += [_violation(violation, lines, indices) for violation in judgement.violations]
    results += [_deferred(deferred, lines, indices) for deferred in judgement.deferred]
    results += [_note(note, lines, indices) for note in judgement.notes]
    descriptors = [_descriptor(rule) for rule in rules]
    descriptors.append(
        {
            "id": _DECLARATION,
            "shortDescription": {"text": "The declaration can be read."},
            "defaultConfiguration": {"level": "error"},
        }
    )
    tool = {"driver": {"name": "mail policies", "rules": descriptors}}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": tool, "columnKind": "unicodeCodePoints", "results": results}],
    }


def _descriptor(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": "".join(word.capitalize() for word in rule.id.split("-")),
        "shortDescription": {"text": rule.protects},
        "fullDescription": {"text": f"{rule.reason} ({rule.source})"},
        "help": {"text": rule.remedy},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": [rule.area.value], "security-severity": _SCORES[rule.severity]},
    }


def _place(lines: Lines, key: str) -> list[dict[str, Any]]:
    place = {
        "artifactLocation": {"uri": lines.path.name, "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": lines.of(key)},
    }
    return [{"physicalLocation": place, "logicalLocations": [{"fullyQualifiedName": key}]}]


def _result(
    rule: str, index: int, level: str, text: str, locations: list[dict[str, Any]], trace: str
) -> dict[str, Any]:
    return {
        "ruleId": rule,
        "ruleIndex": index,
        "level": level,
        "kind": "review" if level == "none" else "fail",
        "message": {"text": text},
        "locations": locations,
        "partialFingerprints": {"finding/v1": trace},
    }


def _violation(one: Violation, lines: Lines, indices: dict[str, int]) -> dict[str, Any]:
    text = f"{one.message}; {one.remedy}"
    trace = f"{one.rule}:{one.resource}:{one.key}"
    return _result(one.rule, indices[one.rule], "error", text, _place(lines, one.key), trace)


def _deferred(one: Deferred, lines: Lines, indices: dict[str, int]) -> dict[str, Any]:
    trace = f"{one.rule}:{one.resource}:deferred"
    return _result(one.rule, indices[one.rule], "none", str(one), _place(lines, "mail"), trace)


def _note(one: Note, lines: Lines, indices: dict[str, int]) -> dict[str, Any]:
    trace = f"{one.rule}:{one.resource}:note"
    return _result(one.rule, indices[one.rule], "note", one.message, _place(lines, one.key), trace)


def _mistake(one: Mistake, lines: Lines, index: int) -> dict[str, Any]:
    trace = f"{_DECLARATION}:{one.path}"
    return _result(_DECLARATION, index, "error", one.message, _place(lines, one.path), trace)
