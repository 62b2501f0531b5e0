"""The preflight: are the real accounts and the host ready for the first `up`? Nothing is changed.

Each look is one of the proof's checks, bounded in time as they are, on what a site reaches. Where
loopback stands for the accounts, what only a real one can show is told as not seen.
"""

from collections.abc import Mapping
from functools import partial

from declaration.mistakes import PREFIX
from operations.doctor import cloudflare, delivery, host, smarthost, storage
from operations.doctor.looking import Look
from operations.prove.findings import failed
from operations.prove.model import (
    EXIT_FAILURE,
    EXIT_UNJUDGED,
    Check,
    Finding,
    Proof,
    Result,
    Severity,
    Station,
    Status,
)
from operations.prove.net import UnseenError
from operations.prove.run import prove
from operations.prove.subject import Subject
from operations.site import CommandFailedError, Site, SiteError
from pulumi_host.errors import HostError
from rehearsal.report import Report

LOOKS: tuple[Look, ...] = (
    *cloudflare.LOOKS, *smarthost.LOOKS, *delivery.LOOKS, *storage.LOOKS,
)  # fmt: skip
"""What is looked at; what the host must be like comes on top, a look for each condition."""


async def preflight(site: Site) -> Proof:
    """Look at everything and return what was found.

    Args:
        site: The real stack, opened; nothing of it need be deployed.
    """
    subject = Subject(site.declaration, site.net)
    looks = [*LOOKS, *host.looks(site)]
    return await prove(subject, stack=site.stack, only=[_check(look, site) for look in looks])


def _check(look: Look, site: Site) -> Check:
    return Check(
        id=look.name, title=look.question, severity=Severity.CRITICAL, station=Station.NAMES,
        why="", source="", mend=look.way_out, function=partial(_found, look, site),
    )  # fmt: skip


async def _found(look: Look, site: Site, subject: Subject) -> Finding:
    for key in look.needs:
        try:
            site.secret(key)
        except SiteError as error:
            way_out = str(error).partition(": ")[2]
            return failed("is not set", key=f"{PREFIX}{key}", expected="a value", mend=way_out)
    try:
        return await look.see(site, subject)
    except (SiteError, HostError, CommandFailedError) as error:
        # The account was not reached, or did not answer the question: that is no answer.
        raise UnseenError(str(error)) from None


_STATUSES = {
    Status.PASS: "ok", Status.WARN: "warn", Status.FAIL: "failed", Status.UNKNOWN: "unseen",
    Status.SKIP: "unseen",
}  # fmt: skip


def tell(proof: Proof, report: Report) -> int:
    """Tell each look in one line, and return the exit code.

    Args:
        proof: What was found.
        report: Where it is told.
    """
    places = {look.name: look.place for look in LOOKS}
    for result in proof.results:
        finding, name = result.finding, result.check.id
        place = finding.declared_at or places.get(name, host.KEY)
        bad = finding.status in {Status.FAIL, Status.WARN}
        # What is to be done about a fault is no advice where nothing was seen.
        mend = result.mend if bad else finding.mend if finding.status is Status.UNKNOWN else ""
        text = f"{place}: {finding.seen}" + (f"; {mend}" if mend else "")
        report.line(f"{name:<19} ", text, _STATUSES[finding.status])
    report.put("checks", [_as_dict(result, places) for result in proof.results])
    return exit_code(proof)


def _as_dict(result: Result, places: Mapping[str, str]) -> dict[str, str]:
    finding, name = result.finding, result.check.id
    return {
        "name": name,
        "question": result.check.title,
        "place": finding.declared_at or places.get(name, host.KEY),
        "status": _STATUSES[finding.status],
        "seen": finding.seen,
        "way_out": finding.mend if finding.status is Status.UNKNOWN else result.mend,
    }


def exit_code(proof: Proof) -> int:
    """Return 0 when all was seen and is well, 1 when something is wrong, 4 otherwise."""
    if proof.count(Status.FAIL):
        return EXIT_FAILURE
    return EXIT_UNJUDGED if proof.count(Status.UNKNOWN) + proof.count(Status.SKIP) else 0
