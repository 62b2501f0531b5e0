"""Standing: what other mail hosts think of our address before we say a word."""

from ipaddress import ip_address, ip_network

import dns.reversename

from operations.prove.findings import failed, passed, skipped, unseen, warned
from operations.prove.model import Finding, Severity, Station, Status, worst
from operations.prove.net import UnseenError
from operations.prove.registry import at
from operations.prove.subject import Subject

check = at(Station.DELIVERY)

BLOCK_LISTS = ("zen.spamhaus.org", "bl.spamcop.net", "psbl.surriel.com")
"""Lists that many receivers ask."""

REFUSALS = {
    "127.255.255.252": "the list was asked wrongly",
    "127.255.255.254": "the list does not answer public resolvers; name your own with --resolver",
    "127.255.255.255": "the list was asked too often",
}
"""Answers that are errors, never a listing (Spamhaus: return codes)."""

_LISTED = ip_network("127.0.0.0/16")
_REFUSED = ip_network("127.255.255.0/24")


@check(
    "reverse-name", Severity.HIGH, "The address has a name, and the name has the address",
    why="Receivers distrust a host whose reverse name is missing or does not lead back.",
    source="RFC 1912 section 2.1; Google: email sender guidelines",
    mend="Set the reverse name (PTR) of the address at the VPS's provider; no zone of ours can.",
)  # fmt: skip
async def _reverse_name(subject: Subject) -> Finding:
    host, key = subject.declaration.names.mail_host, "mail:host.address"
    expected = f"{host}, and back to {subject.host}"
    name = dns.reversename.from_address(subject.host).to_text(omit_final_dot=True)
    found = (await subject.net.resolve(name, "PTR")).values
    if not found:
        return failed("no reverse name", expected, key=key, facts={"ptr": "absent"})
    if host not in found:
        return failed(", ".join(found), expected, key=key, facts={"ptr": "wrong"})
    back = await subject.net.addresses(host)
    if subject.host not in back:
        return failed(f"{host}, which leads to {', '.join(back) or 'nothing'}", expected, key=key)
    return passed(expected, expected, key=key)


@check(
    "greeting", Severity.MEDIUM, "The mail host greets with its own name",
    why="Receivers compare the name in the greeting with the reverse name.",
    source="RFC 5321 section 4.1.4",
    mend="`pulumi up` writes MAILCOW_HOSTNAME; then restart Postfix.",
)  # fmt: skip
async def _greeting(subject: Subject) -> Finding:
    host = subject.declaration.names.mail_host
    said = await subject.net.smtp(
        subject.host, 25, host, lambda client: (client.ehlo_resp or b"").decode(), tls=False
    )
    name = (said.split() or [""])[0].lower()
    if name != host:
        return failed(name or "no name", host, key="mail:zone.mxLabel")
    return passed(name, host, key="mail:zone.mxLabel")


@check(
    "block-lists", Severity.HIGH, "The address is on no block list",
    why="Receivers refuse mail from listed addresses; ours matters for direct delivery and "
    "for what others think of the host.",
    source="RFC 5782; Spamhaus: DNSBL return codes",
    mend="Follow the list's own page for removal, after the reason is gone.",
)  # fmt: skip
async def _block_lists(subject: Subject) -> Finding:
    verdicts = {zone: await _ask_list(subject, zone) for zone in BLOCK_LISTS}
    details = tuple(f"{name}: {words}" for name, (_, words) in verdicts.items())
    state = worst([one for one, _ in verdicts.values()])
    counted = [name for name, (one, _) in verdicts.items() if one is state]
    seen = "; ".join(f"{name}: {verdicts[name][1]}" for name in counted)
    if state is Status.FAIL:
        return failed(
            seen, "on none", key="mail:host.address", details=details, facts={"listed": seen}
        )
    if state is Status.PASS:
        return passed(f"asked {len(counted)}, on none", "on none", details=details)
    return unseen(seen, "an answer")


async def _ask_list(subject: Subject, block_list: str) -> tuple[Status, str]:
    """Return what a list says; it is believed only if it knows its own test entry (RFC 5782)."""
    try:
        test = (await subject.net.addresses(f"2.0.0.127.{block_list}")) or ()
        refusal = next((address for address in test if ip_address(address) in _REFUSED), "")
        if refusal:
            return Status.UNKNOWN, REFUSALS.get(refusal, f"it answers {refusal}, an error")
        if not test:
            # A list of which this world or this resolver knows nothing tells nothing.
            state = Status.SKIP if subject.rehearsed else Status.UNKNOWN
            return state, "it does not know its own test entry, so it is not believed"
        reverse = ".".join(reversed(subject.host.split(".")))
        found = await subject.net.addresses(f"{reverse}.{block_list}")
    except UnseenError as error:
        return Status.UNKNOWN, str(error)
    refusal = next((address for address in found if ip_address(address) in _REFUSED), "")
    if refusal:
        return Status.UNKNOWN, REFUSALS.get(refusal, f"it answers {refusal}, an error")
    listed = [address for address in found if ip_address(address) in _LISTED]
    if listed:
        return Status.FAIL, f"listed ({', '.join(listed)})"
    return Status.PASS, "not listed"


@check(
    "rpki", Severity.LOW, "The host's network is announced by whom it belongs to (RPKI)",
    why="A network without origin authorisation can be announced by somebody else.",
    source="RFC 6811",
    mend="Ask the VPS's provider; the network is theirs.",
)  # fmt: skip
async def _rpki(subject: Subject) -> Finding:
    return skipped(
        "routing cannot be seen from a host; ask https://rpki-validator.ripe.net for "
        f"{subject.host}"
    )


@check(
    "ipv6-reach", Severity.LOW, "The mail host is reached over IPv6 as well",
    why="Some senders and reviewers ask for it; few need it.",
    source="internet.nl, mail test",
    mend="Declare mail:ipv6 once the address answers and has a reverse name.",
)  # fmt: skip
async def _ipv6_reach(subject: Subject) -> Finding:
    ipv6 = subject.declaration.ipv6
    if ipv6 is None:
        return skipped("IPv6 is not declared", key="mail:ipv6")
    state = await subject.net.port(ipv6.address, 25)
    seen = f"{ipv6.address} port 25 is {state.value}"
    return passed(seen) if state == "open" else warned(seen, "open", key="mail:ipv6")
