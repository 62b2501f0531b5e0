"""DMARC by evidence: a stage rests on what receivers reported."""

from collections.abc import Iterator

from declaration.dmarc import DmarcStage
from declaration.mail_domain import mail_domain
from dmarc.advice import carried
from dmarc.evidence import SUBJECT, parse
from policies.model import Area, Finding, Severity
from policies.registry import in_area
from policies.stack import Stack

rule = in_area(Area.AUTHENTICATION)


@rule(
    "dmarc-stage-evidenced",
    Severity.CRITICAL,
    protects="A DMARC stage above none rests on aggregate reports.",
    reason="The calendar knows no senders: whoever tightens the policy without looking at the"
    " reports throws away the mail of those that nobody thought of.",
    source="RFC 9989 section 7.4; docs/dmarc.md",
    remedy="run make dmarc and commit the evidence, or declare a milder stage",
)
def _stage_evidenced(stack: Stack) -> Iterator[Finding]:
    dmarc = stack.declaration.dmarc
    if dmarc.stage is DmarcStage.NONE:
        return
    evidence = parse(stack.evidence.get(SUBJECT, {}), stack.declaration.domain)
    fault = carried(mail_domain(stack.declaration), evidence, stack.today)
    if fault:
        message = f"the evidence does not carry {dmarc.stage}: {fault}"
        yield Finding(message, "mail:dmarc.stage", seen=dmarc.stage.value)
