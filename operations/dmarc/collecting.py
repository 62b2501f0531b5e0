"""From reports to evidence: what is counted, and what is left out and why."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from components import evidence as kept
from components.dmarc_evidence import SUBJECT, Evidence, parse, render
from operations.dmarc.reading import read_report
from operations.dmarc.unpacking import LeftOutError, reports_in


@dataclass
class Collected:
    """What became of what was found.

    Attributes:
        counted: Reports that were new.
        messages: Messages of which they tell.
        left_out: How many were left out, by reason.
    """

    counted: int = 0
    messages: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


def collect(evidence: Evidence, contents: Iterable[bytes], today: date) -> Collected:
    """Count every new report in some messages or files.

    Args:
        evidence: What is known; it grows.
        contents: The messages or files.
        today: The day on which they are read.
    """
    collected = Collected()
    for content in contents:
        try:
            for xml in reports_in(content):
                _count(evidence, xml, today, collected)
        except LeftOutError as reason:
            collected.left_out[str(reason)] += 1
    evidence.trim(today)
    return collected


def _count(evidence: Evidence, xml: bytes, today: date, collected: Collected) -> None:
    report = read_report(xml, evidence.domain)
    reason = evidence.add(report, today)
    if reason:
        collected.left_out[reason] += 1
    else:
        collected.counted += 1
        collected.messages += sum(report.rows.values())


def load(folder: Path, domain: str) -> Evidence:
    """Return the evidence of a stack.

    Args:
        folder: The stack's folder of evidence.
        domain: The mail domain.
    """
    return parse(kept.read(folder.name, SUBJECT, folder.parent), domain)


def save(folder: Path, evidence: Evidence) -> Path:
    """Write the evidence of a stack in one step, and return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{SUBJECT}.json"
    draft = file.with_suffix(".new")
    draft.write_text(render(evidence), "utf-8")
    draft.replace(file)
    return file
