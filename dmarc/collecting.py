"""From reports to evidence: what is counted, and what is left out and why."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date

from dmarc.aggregate import read_report
from dmarc.evidence import Evidence
from dmarc.left_out import LeftOutError
from dmarc.messages import Document, Format, Opening
from dmarc.tls import read_tls_report


@dataclass
class Collected:
    """What became of what was looked at.

    Attributes:
        found: Messages and files.
        counted: Reports that were new.
        messages: Messages of which they tell.
        tls: TLS reports that were new.
        left_out: How many were left out, by reason.
        first: Where the first of each reason lies.
    """

    found: int = 0
    counted: int = 0
    messages: int = 0
    tls: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)


class Collecting:
    """Counts what is new in one message or file after another; none is kept longer than that."""

    def __init__(self, evidence: Evidence, host: str, today: date) -> None:
        """Begin.

        Args:
            evidence: What is known; it grows.
            host: Name of our own mail host, whose judgement of senders counts.
            today: The day on which they are read.
        """
        self.collected = Collected()
        self._evidence = evidence
        self._host = host
        self._today = today

    def take(self, content: bytes, place: str = "") -> None:
        """Count every new report in a message or file.

        Args:
            content: The message or file.
            place: Where it lies, in a word or two.
        """
        self.collected.found += 1
        opening = Opening(self._host)
        for document in opening.documents(content):
            try:
                reasons = self._count(document)
            except LeftOutError as error:
                reasons = Counter([str(error)])
            opening.left_out += reasons
        for reason, count in opening.left_out.items():
            self.leave_out(reason, count, place)

    def leave_out(self, reason: str, count: int, place: str) -> None:
        """Note what is not counted, if it is anything.

        Args:
            reason: Why, in a word or two.
            count: How many.
            place: Where the first of them lies.
        """
        if count > 0:
            self.collected.left_out[reason] += count
            self.collected.first.setdefault(reason, place)

    def _count(self, document: Document) -> Counter[str]:
        """Count a report, and return what of it is left out."""
        domain, today = self._evidence.domain, self._today
        ours = document.sender == domain or document.sender.endswith(f".{domain}")
        sender = "" if ours else document.sender  # one of us has passed it on
        if document.format is Format.TLS:
            fault = self._evidence.add_tls(read_tls_report(document.text, domain, sender), today)
            self.collected.tls += not fault
            return Counter([fault] if fault else [])
        report = read_report(document.text, domain, sender)
        fault = self._evidence.add(report, today)
        if fault:
            return Counter([fault])
        self.collected.counted += 1
        self.collected.messages += sum(report.rows.values())
        return Counter(report.left_out)
