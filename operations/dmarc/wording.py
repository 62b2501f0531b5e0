"""The words of the advice, for a terminal, a page and a machine."""

from typing import Any

from components.dmarc_advice import Advice, Tally, Verdict
from components.dmarc_sources import Kind

KINDS = {
    Kind.DECLARED: "declared",
    Kind.ALIGNED: "aligned, not declared",
    Kind.FORWARDED: "forwarded or list",
    Kind.SERVICE: "unknown, authenticates as itself",
    Kind.STRANGER: "unknown, authenticates as nobody",
}
"""How a source stands to the domain."""


def headline(advice: Advice) -> str:
    """Return the advice in a sentence."""
    if advice.verdict is Verdict.ADVANCE:
        return f"Go from {advice.stage} to {advice.target}"
    if advice.verdict is Verdict.STEP_BACK:
        return f"Step back from {advice.stage} to {advice.target}"
    if advice.verdict is Verdict.UNJUDGED:
        return f"Stay at {advice.stage}: there is not enough to judge by"
    if advice.target is None:
        return f"Stay at {advice.stage}: the goal is reached"
    return f"Stay at {advice.stage}: something is missing for {advice.target}"


def percent(one: Tally) -> str:
    """Return the aligned share of a source."""
    return f"{one.percent:.1f} %".replace(".0 %", " %")


def as_dict(advice: Advice) -> dict[str, Any]:
    """Return the advice for JSON."""
    figures = advice.figures
    return {
        "stage": advice.stage.value,
        "verdict": advice.verdict.value,
        "target": advice.target and advice.target.value,
        "reasons": list(advice.reasons),
        "conditions": [
            {"name": one.name, "met": one.met, "text": one.text} for one in advice.conditions
        ],
        "period": figures
        and {
            "start": figures.start.isoformat(),
            "end": figures.end.isoformat(),
            "days": figures.days,
            "gap": figures.gap,
            "reporters": figures.reporters,
            "messages": figures.messages,
            "aligned": figures.aligned,
        },
        "sources": [_tally(one) for one in figures.tallies] if figures else [],
        "unknown": [one.source.name for one in advice.strangers],
        "hurt": [one.source.name for one in advice.hurt],
    }


def _tally(one: Tally) -> dict[str, Any]:
    return {
        "name": one.source.name,
        "kind": one.source.kind.value,
        "messages": one.messages,
        "aligned": one.aligned,
        "days": len(one.days),
    }
