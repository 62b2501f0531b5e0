"""The words of the report, the same in the terminal and on the page."""

from operations.prove.model import Proof, Severity, Station, Status

STATIONS = {
    Station.SUBMISSION: "Your people hand in mail",
    Station.RELAY: "The mail host passes it to the smarthost",
    Station.VERDICT: "The receiver believes it",
    Station.NAMES: "Others find your mail host",
    Station.DELIVERY: "Others hand in mail for you",
    Station.FILING: "It is filed in the right mailbox",
    Station.READING: "Your people read it",
    Station.PROTECTION: "Forgeries in your name are caught",
    Station.WEB: "Webmail and set-up answer",
}
"""What each station is for, in the order in which they are shown."""

STATUSES = {
    Status.PASS: "passed",
    Status.WARN: "could be better",
    Status.FAIL: "failed",
    Status.UNKNOWN: "not seen",
    Status.SKIP: "left out",
}

SIGNS = {
    Status.PASS: "✓",
    Status.WARN: "!",
    Status.FAIL: "✕",
    Status.UNKNOWN: "?",
    Status.SKIP: "·",
}
"""A sign for each status, so that none is told by its colour alone."""


def counted(number: int, one: str, many: str) -> str:
    """Return a number with its noun."""
    return f"{number} {one if number == 1 else many}"


def verdict(proof: Proof) -> str:
    """Return the whole in one sentence that anybody understands."""
    failed = [result for result in proof.results if result.finding.status is Status.FAIL]
    if any(result.check.severity is Severity.CRITICAL for result in failed):
        return "Mail does not work as it should."
    if any(result.check.severity is Severity.HIGH for result in failed):
        return "Mail works, but part of it is refused, junked or in danger."
    if failed:
        return f"Mail works, with {counted(len(failed), 'fault', 'faults')}."
    if proof.count(Status.UNKNOWN):
        number = counted(proof.count(Status.UNKNOWN), "thing", "things")
        return f"Nothing failed, but {number} could not be seen."
    if proof.score is None:
        return "Nothing could be judged."
    return "Mail works: it arrives, it is believed, and people can log in."


def score(proof: Proof) -> str:
    """Return the marks, without decimals where there are none."""
    return "?" if proof.score is None else f"{proof.score:.1f}".removesuffix(".0")
