"""The words of the advice, for a terminal, a page and a machine."""

from typing import Any

from dmarc.advice import Advice, Tally, Verdict
from dmarc.evidence import Override
from dmarc.sources import Kind

KINDS = {
    Kind.DECLARED: "declared",
    Kind.ALIGNED: "aligned, not declared",
    Kind.FORWARDED: "forwarded or list",
    Kind.SERVICE: "unknown, authenticates as itself",
    Kind.STRANGER: "unknown, authenticates as nobody",
}
"""How a source stands to the domain."""


_OVERRIDES = {
    Override.FORWARDER: "forwarded",
    Override.LIST: "mailing list",
    Override.ARC: "vouched for by ARC",
}


def kind_of(tally: Tally) -> str:
    """Return how a source stands to the domain, and why receivers took in what it passed on."""
    kind = KINDS[tally.source.kind]
    if tally.source.kind is not Kind.FORWARDED or not tally.overrides:
        return kind
    return f"{kind}: {', '.join(_OVERRIDES[why] for why in sorted(tally.overrides))}"


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


def percent(tally: Tally) -> str:
    """Return the aligned share of a source."""
    return f"{tally.percent:.1f} %".replace(".0 %", " %")


def as_dict(advice: Advice) -> dict[str, Any]:
    """Return the advice for JSON."""
    figures = advice.figures
    return {
        "stage": advice.stage,
        "verdict": advice.verdict.value,
        "target": advice.target,
        "reasons": list(advice.reasons),
        "conditions": [
            {"name": condition.name, "met": condition.met, "text": condition.text}
            for condition in advice.conditions
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
        "sources": [_tally(tally) for tally in figures.tallies] if figures else [],
        "unknown": [tally.source.name for tally in advice.strangers],
        "hurt": [tally.source.name for tally in advice.hurt],
    }


def _tally(tally: Tally) -> dict[str, Any]:
    return {
        "name": tally.source.name,
        "kind": tally.source.kind.value,
        "messages": tally.messages,
        "aligned": tally.aligned,
        "days": len(tally.days),
        "overrides": sorted(why.value for why in tally.overrides),
    }
