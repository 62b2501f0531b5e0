"""The proof as JUnit XML, for whatever runs it by the clock."""

from xml.etree import ElementTree as ET

from operations.prove.model import Proof, Result, Status
from operations.prove.report import words


def render(proof: Proof) -> str:
    """Return the proof: one suite for each station, one case for each check.

    What could not be seen is an error there, what was left out is skipped, and a warning passes
    with a word in its output.
    """
    root = ET.Element("testsuites", name=f"mail of {proof.domain}", tests=str(len(proof.results)))
    for station, title in words.STATIONS.items():
        results = proof.at_station(station)
        if not results:
            continue
        suite = ET.SubElement(
            root,
            "testsuite",
            name=title,
            tests=str(len(results)),
            failures=_count(results, Status.FAIL),
            errors=_count(results, Status.UNKNOWN),
            skipped=_count(results, Status.SKIP),
            time=f"{sum(result.seconds for result in results):.3f}",
            timestamp=proof.at.replace(tzinfo=None).isoformat(timespec="seconds"),
        )
        for result in results:
            _case(suite, result, proof)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _count(results: tuple[Result, ...], status: Status) -> str:
    return str(sum(result.finding.status is status for result in results))


def _case(suite: ET.Element, result: Result, proof: Proof) -> None:
    finding = result.finding
    case = ET.SubElement(
        suite,
        "testcase",
        classname=f"prove.{result.check.station.value}",
        name=f"{result.check.id}: {result.check.title}",
        time=f"{result.seconds:.3f}",
    )
    tag = {Status.FAIL: "failure", Status.UNKNOWN: "error", Status.SKIP: "skipped"}.get(
        finding.status
    )
    if tag:
        ET.SubElement(case, tag, message=_clean(finding.seen)).text = _text(result, proof)
    elif finding.status is Status.WARN:
        ET.SubElement(case, "system-out").text = _text(result, proof)


def _text(result: Result, proof: Proof) -> str:
    causes = [cause for cause in proof.causes if result.check.id in cause.explains]
    parts = {
        "seen": result.finding.seen,
        "expected": result.finding.expected,
        "declared": result.finding.declared_at,
        "cause": "; ".join(cause.title for cause in causes),
        "mend": causes[0].mend if causes else result.mend,
    }
    return _clean("\n".join(f"{name}: {text}" for name, text in parts.items() if text))


def _clean(text: str) -> str:
    """Return a text without the characters that XML 1.0 does not allow."""
    return "".join(item for item in text if item in "\t\n" or ord(item) >= 32)
