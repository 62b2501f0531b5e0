"""Delivery: does the world reach port 25, does the host reach it elsewhere, has it its name?"""

from dataclasses import replace

from operations.doctor.host import knock
from operations.doctor.looking import Look, only_real
from operations.prove.checks.ports import port_25_is_shut_here
from operations.prove.findings import failed, passed, unseen, warned
from operations.prove.model import Finding, Status
from operations.prove.net import Port
from operations.prove.registry import checks
from operations.prove.subject import Subject
from operations.site import Site

_KEY = "mail:host.address"
_OPEN = "ask the host's provider to open port 25, and look at its firewall"


async def _inwards(_site: Site, subject: Subject) -> Finding:
    """Knock from here. Before the first `up` nothing listens: a refusal comes from the host."""
    state = await subject.net.port(subject.host, 25)
    if state is Port.OPEN:
        return passed("open", "an answer", key=_KEY)
    if state is Port.CLOSED:
        hidden = only_real(subject)
        if hidden is not None:
            return hidden
        return passed("the host answers, and nothing listens yet", "an answer", key=_KEY)
    if await port_25_is_shut_here(subject):
        return unseen(
            "not seen from here: port 25 answers to nobody from this network", "an answer",
            key=_KEY, mend="look from a machine whose network lets port 25 out",
        )  # fmt: skip
    return failed("nothing answers: it is filtered on the way or by the host", "an answer",
                  key=_KEY)  # fmt: skip


async def _outwards(site: Site, subject: Subject) -> Finding:
    hidden = only_real(subject)
    if hidden is not None:
        return hidden
    server = site.declaration.names.nexthop.host
    state = await knock(site, server, 25)
    seen = f"port 25 of {server} is {state} from the host"
    if state == "open":
        return passed(seen, "open", key=_KEY)
    # All mail leaves through the smarthost, on a port of its own.
    mend = "mail leaves without it; ask the host's provider where you want it for another smarthost"
    return warned(seen, "open", key=_KEY, mend=mend)


async def _reverse(_site: Site, subject: Subject) -> Finding:
    look = next(check for check in checks() if check.id == "reverse-name")
    found = await look.function(subject)
    if found.status is Status.FAIL and "ptr" not in found.facts:
        mend = "the name leads back once the first `up` has published it"
        return replace(found, status=Status.WARN, mend=mend)
    return replace(found, mend=found.mend or look.mend)


LOOKS = (
    Look("port-25-in", "Is port 25 of the host reached?", _KEY, _OPEN, _inwards),
    Look("port-25-out", "Does the host reach port 25?", _KEY, _OPEN, _outwards, ("sshPrivateKey",)),
    Look("reverse-name", "Does the PTR name the mail host?", _KEY, "", _reverse),
)
