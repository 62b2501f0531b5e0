"""Outbound: what one of our people writes arrives, and is believed."""

from operations.prove.findings import failed, passed, skipped, unseen
from operations.prove.model import Finding, Severity, Station
from operations.prove.passage import Sent, no_password, sent
from operations.prove.registry import at
from operations.prove.subject import Subject

relay = at(Station.RELAY)
verdict = at(Station.VERDICT)

_KEY = "mail:smarthost"


def _not_sent(subject: Subject) -> Finding | None:
    """Return why nothing is sent, or None where something may be."""
    if subject.writer is None:
        return no_password()
    if not subject.rehearsed and not subject.send_to:
        return skipped("no message may be sent; allow one with --send-to ADDRESS")
    return None


async def _arrives(subject: Subject, port: int) -> Finding:
    reason = _not_sent(subject)
    if reason is not None:
        return reason
    if port not in subject.declaration.mailcow.raw_ports:
        return skipped(f"{port} is not declared", key="mail:mailcow.rawPorts")
    message = await sent(subject, port)
    writer = f"{subject.writer}@"
    expected = f"{writer} to {message.recipient}, through the smarthost"
    if message.refused:
        return failed(
            message.refused, expected, key="mail:mailboxes", facts={"refused": message.refused}
        )
    if not subject.rehearsed:
        return unseen(
            f"the mail host took it; whether it reached {message.recipient} is seen there alone",
            expected,
            key=_KEY,
            mend=f"Look into {message.recipient}: SPF, DKIM and DMARC must say pass.",
        )
    if message.received.get("folder") == "refused" or not message.received:
        return failed(_trouble(message), expected, key=_KEY, facts=_facts(message))
    return passed(f"{writer} > smarthost > {message.recipient}", expected, key=_KEY)


def _trouble(message: Sent) -> str:
    queued = message.queued
    if not queued:
        return "the mail host took it, but its queue does not know it"
    if queued["state"] == "delivered":
        return f"{queued['relay']} took it ({queued['reason']}), but it never arrived"
    return f"{queued['state']}: {queued['reason']}"


def _facts(message: Sent) -> dict[str, str]:
    if not message.queued:
        return {"queue": "absent"}
    names = {"queue": "state", "reason": "reason", "relay": "relay"}
    return {fact: str(message.queued[name]) for fact, name in names.items()}


@relay(
    "outbound-delivery", Severity.CRITICAL, "A message to somebody outside arrives",
    why="This is what a mail system is for.",
    source="RFC 5321 section 4.5.4",
    mend="Look at the queue: `docker compose exec postfix-mailcow postqueue -p`.",
)  # fmt: skip
async def _outbound_delivery(subject: Subject) -> Finding:
    return await _arrives(subject, 465)


@relay(
    "outbound-starttls", Severity.HIGH, "A message handed in on port 587 arrives as well",
    why="Many mail programs still use it.",
    source="RFC 6409 section 3.1",
    mend="Look at the queue: `docker compose exec postfix-mailcow postqueue -p`.",
)  # fmt: skip
async def _outbound_starttls(subject: Subject) -> Finding:
    if subject.send_to:
        return skipped("one message is allowed, and it was sent through 465")
    return await _arrives(subject, 587)


@relay(
    "outbound-route", Severity.HIGH, "Mail leaves through the smarthost, encrypted",
    why="Mail that leaves straight from the host is not signed, and port 25 is shut outwards.",
    source="RFC 8314; docs/decisions/0005-the-smarthost-alone-signs.md",
    mend="`pulumi up` writes extra.cf, smarthost_passwd and the TLS policy, and restarts Postfix.",
)  # fmt: skip
async def _outbound_route(subject: Subject) -> Finding:
    reason = _not_sent(subject)
    if reason is not None:
        return reason
    if not subject.rehearsed:
        return unseen(
            "how the mail host hands on is seen on the host alone",
            key=_KEY,
            mend="On the host: `docker compose logs postfix-mailcow | grep relay=`.",
        )
    return _route(subject, await sent(subject))


def _route(subject: Subject, message: Sent) -> Finding:
    """Return whether a message took the way through the smarthost, over TLS."""
    nexthop = subject.declaration.names.nexthop
    server, way = nexthop.host, f"{nexthop.host}:{nexthop.port}"
    expected = f"{way} over TLS"
    if not message.queued:
        return unseen("no message got that far", expected, key=_KEY)
    seen, tls = str(message.queued["relay"]), str(message.queued["tls"])
    if not seen and server in str(message.queued["reason"]):
        return failed(f"{server} was not reached", expected, key=_KEY, facts=_facts(message))
    if seen != way:
        return failed(
            seen or "straight to the recipient's host", expected, key=_KEY, facts=_facts(message)
        )
    if message.queued["state"] == "delivered" and not tls:
        return failed(f"{seen} in clear", expected, key=_KEY, facts=_facts(message))
    if not tls:
        return unseen(f"{seen}; the conversation did not end well", expected, key=_KEY)
    return passed(f"{seen} over {tls}", expected, key=_KEY)


async def _judged(subject: Subject) -> "Sent | Finding":
    """Return a message that was judged, or why there is none."""
    reason = _not_sent(subject)
    if reason is not None:
        return reason
    if not subject.rehearsed:
        return unseen(
            f"the verdict is seen at {subject.send_to} alone",
            mend="Open the message there and show its source.",
        )
    message = await sent(subject)
    return message if message.verdict else unseen("no message arrived that could be judged")


@verdict(
    "outbound-envelope", Severity.HIGH, "The smarthost writes its own envelope sender",
    why="SPF counts for DMARC only when the envelope's domain lies below ours.",
    source="RFC 9989 section 4.4.2; RFC 7208 section 2.4",
    mend="Set the custom return path of the domain in the smarthost's account.",
)  # fmt: skip
async def _outbound_envelope(subject: Subject) -> Finding:
    message = await _judged(subject)
    if isinstance(message, Finding):
        return message
    expected = subject.declaration.names.envelope
    if not expected:
        return skipped("the smarthost writes an envelope sender of its own", key=_KEY)
    seen = str(message.verdict["spf_domain"])
    if seen != expected:
        return failed(seen, expected, key="mail:smarthost.envelopeLabel", facts={"envelope": seen})
    return passed(seen, expected, key="mail:smarthost.envelopeLabel")


@verdict(
    "outbound-spf", Severity.HIGH, "The receiver finds that the smarthost may send (SPF)",
    why="Large receivers refuse or file as junk what fails.",
    source="RFC 7208; Google: email sender guidelines",
    mend="Compare the SPF record of the envelope domain with the smarthost's account page.",
)  # fmt: skip
async def _outbound_spf(subject: Subject) -> Finding:
    message = await _judged(subject)
    if isinstance(message, Finding):
        return message
    seen = message.verdict
    words = f"{seen['spf']} for {seen['spf_domain']}"
    if seen["spf"] != "pass":
        return failed(
            f"{words}: {seen['spf_reason']}", "pass", key=_KEY, facts={"spf": str(seen["spf"])}
        )
    return passed(words, "pass", key=_KEY)


@verdict(
    "outbound-dkim", Severity.HIGH, "The receiver finds our signature intact (DKIM)",
    why="The signature is what DMARC stands on when mail is forwarded.",
    source="RFC 6376; Google: email sender guidelines",
    mend="Compare the DKIM record with the smarthost's account page.",
)  # fmt: skip
async def _outbound_dkim(subject: Subject) -> Finding:
    message = await _judged(subject)
    if isinstance(message, Finding):
        return message
    settings, domain = subject.declaration.smarthost, subject.declaration.domain
    signatures = message.verdict["signatures"]
    shown = tuple(
        f"{signature['selector']}._domainkey.{signature['domain']}: {signature['result']}"
        for signature in signatures
    )
    expected = f"pass, selector {settings.selector}, domain {domain}"
    ours = [
        signature
        for signature in signatures
        if signature["domain"] == domain and signature["result"] == "pass"
    ]
    if not signatures:
        return failed("not signed", expected, key=_KEY, facts={"signature": "absent"})
    if not ours:
        return failed(", ".join(shown), expected, key=_KEY, facts={"signature": "broken"})
    if all(mine["selector"] != settings.selector for mine in ours):
        return failed(
            ", ".join(shown), expected, key="mail:smarthost.selector", facts={"signature": "other"}
        )
    return passed(", ".join(shown), expected, key=_KEY)


@verdict(
    "outbound-dmarc", Severity.CRITICAL, "The receiver believes that the message is ours (DMARC)",
    why="Under quarantine or reject, mail that fails is junk, or gone.",
    source="RFC 9989 section 5.3",
    mend="One of SPF and DKIM must pass and align; see those two.",
)  # fmt: skip
async def _outbound_dmarc(subject: Subject) -> Finding:
    message = await _judged(subject)
    if isinstance(message, Finding):
        return message
    seen = str(message.verdict["dmarc"])
    if seen != "pass":
        return failed(seen, "pass", key="mail:dmarc", facts={"dmarc": seen})
    return passed(seen, "pass", key="mail:dmarc")


@verdict(
    "outbound-folder", Severity.HIGH, "The message lands in the recipient's INBOX",
    why="What lands in Junk is not read.",
    source="Google: email sender guidelines",
    mend="See the verdicts; content is not judged here.",
)  # fmt: skip
async def _outbound_folder(subject: Subject) -> Finding:
    message = await _judged(subject)
    if isinstance(message, Finding):
        return message
    seen = str(message.received["folder"])
    return passed(seen, "INBOX") if seen == "INBOX" else failed(seen, "INBOX", key="mail:dmarc")
