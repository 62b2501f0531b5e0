"""Inbound: mail from outside reaches whom it is for, and only what is for us is taken."""

import smtplib

from declaration.dmarc import DmarcStage
from operations.prove.findings import failed, passed, skipped, unseen
from operations.prove.model import Finding, Severity, Station
from operations.prove.passage import OUTSIDE, Taken, taken
from operations.prove.registry import at
from operations.prove.subject import Subject

delivery = at(Station.DELIVERY)
filing = at(Station.FILING)
forgery = at(Station.PROTECTION)

_GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
_BOTH = ("INBOX", "Junk")
_POSTFIX = "Look at Postfix's log: `docker compose logs postfix-mailcow`."
_RSPAMD = "Look at Rspamd's history, and at `docker compose logs rspamd-mailcow`."


def _from_outside() -> Finding:
    return skipped(
        "nobody outside writes on the live internet; the ports and the replies are checked"
    )


def _facts(message: Taken) -> dict[str, str]:
    return {"code": str(message.code), "reply": message.text}


def _lost(message: Taken, expected: str, key: str) -> Finding:
    if message.code != 250:
        said = f"{message.code} {message.text}" if message.code else message.text
        return failed(said, expected, key=key, facts=_facts(message))
    if message.problem:
        return failed(f"taken, but nobody can read it: {message.problem}", expected, key=key)
    return failed("taken, but it is in no folder", expected, key=key, facts={"lost": "filing"})


async def _filed(subject: Subject, purpose: str, to: str, folder: str, key: str) -> Finding:
    """Return whether a message to `to` is found in `folder` of the addressee."""
    if not subject.rehearsed:
        return _from_outside()
    text = {"text": _GTUBE} if purpose == "junk" else {}
    message = await taken(subject, purpose, to, folders=_BOTH, **text)
    expected = f"{folder} of {subject.addressee}@"
    if not message.folder:
        return _lost(message, expected, key)
    if message.folder != folder:
        return failed(f"{message.folder} of {subject.addressee}@", expected, key=key)
    return passed(f"{to} > {message.folder} of {subject.addressee}@", expected, key=key)


@delivery(
    "inbound-taken", Severity.CRITICAL, "A message from outside is taken",
    why="This is what a mail system is for.",
    source="RFC 5321 section 4.5.1",
    mend=_POSTFIX,
)  # fmt: skip
async def _inbound_taken(subject: Subject) -> Finding:
    if not subject.rehearsed:
        return _from_outside()
    to = subject.address(subject.addressee)
    message = await taken(subject, "inbox", to, folders=_BOTH)
    if message.code != 250:
        return _lost(message, "taken", "mail:mailboxes")
    return passed(f"{message.code} {message.text}", "taken", key="mail:mailboxes")


@delivery(
    "inbound-encrypted", Severity.HIGH, "It crosses the internet encrypted",
    why="What is sent in clear can be read on the way.",
    source="RFC 3207",
    mend="Postfix offers STARTTLS when its certificate can be read: look at its log.",
)  # fmt: skip
async def _inbound_encrypted(subject: Subject) -> Finding:
    if not subject.rehearsed:
        return _from_outside()
    message = await taken(subject, "inbox", subject.address(subject.addressee), folders=_BOTH)
    if message.code != 250:
        return unseen("no message was taken", "TLS")
    return passed(message.tls, "TLS") if message.tls else failed("in clear", "TLS")


@filing(
    "inbound-inbox", Severity.CRITICAL, "It is found in the INBOX",
    why="A message that is taken and not filed is lost without anybody knowing.",
    source="RFC 5321 section 6.1",
    mend="Look at Dovecot's log: `docker compose logs dovecot-mailcow`.",
)  # fmt: skip
async def _inbound_inbox(subject: Subject) -> Finding:
    to = subject.address(subject.addressee)
    return await _filed(subject, "inbox", to, "INBOX", "mail:mailboxes")


@filing(
    "inbound-alias", Severity.HIGH, "Mail to an alias reaches the mailbox behind it",
    why="People print aliases on cards.",
    source="RFC 5321 section 3.9",
    mend="`pulumi up` writes the aliases.",
)  # fmt: skip
async def _inbound_alias(subject: Subject) -> Finding:
    aliases = subject.declaration.aliases
    ours = [alias.name for alias in aliases if subject.addressee in alias.to]
    if not ours:
        return skipped(f"no alias leads to {subject.addressee}@", key="mail:aliases")
    return await _filed(subject, "alias", subject.address(ours[0]), "INBOX", "mail:aliases")


@filing(
    "inbound-plus", Severity.MEDIUM, "Mail to name+tag reaches the mailbox",
    why="People give out such addresses to tell senders apart.",
    source="RFC 5233",
    mend="recipient_delimiter is Mailcow's own setting: take changes out of extra.cf.",
)  # fmt: skip
async def _inbound_plus(subject: Subject) -> Finding:
    to = subject.address(f"{subject.addressee}+proof")
    return await _filed(subject, "plus", to, "INBOX", "mail:mailboxes")


@filing(
    "inbound-junk", Severity.HIGH, "Spam is filed as junk",
    why="The filter sees every message, or people see every spam.",
    source="GTUBE: the generic test for unsolicited bulk mail",
    mend=_RSPAMD,
)  # fmt: skip
async def _inbound_junk(subject: Subject) -> Finding:
    to = subject.address(subject.addressee)
    return await _filed(subject, "junk", to, "Junk", "mail:mailcow.services")


async def _asked(subject: Subject, recipient: str) -> tuple[int, str]:
    """Ask port 25 whether it would take mail for `recipient`; none is sent."""

    def act(client: smtplib.SMTP) -> tuple[int, bytes]:
        answer = client.mail(f"guest@{OUTSIDE}" if subject.rehearsed else "")
        if answer[0] < 400:
            answer = client.rcpt(recipient)
        client.rset()
        return answer

    code, text = await subject.net.smtp(
        subject.host, 25, subject.declaration.names.mail_host, act, tls=False
    )
    return code, text.decode("utf-8", "replace")


@delivery(
    "relay-refused", Severity.CRITICAL, "Mail for others is refused",
    why="An open relay is used by spammers within hours, and blocked within days.",
    source="RFC 5321 section 7.9",
    mend="Take changes to mynetworks and smtpd_relay_restrictions out of extra.cf.",
)  # fmt: skip
async def _relay_refused(subject: Subject) -> Finding:
    code, text = await _asked(subject, f"nobody@{OUTSIDE}")
    if code < 400:
        return failed(f"{code} {text}", "refused", facts={"relay": "open"})
    return passed(f"{code} {text}", "refused")


@delivery(
    "unknown-refused", Severity.MEDIUM, "Mail for nobody is refused at once",
    why="Taken first and bounced later, it reaches people who never wrote (backscatter).",
    source="RFC 5321 section 6.2",
    mend="Take the catch-all alias out, if there is one.",
)  # fmt: skip
async def _unknown_refused(subject: Subject) -> Finding:
    code, text = await _asked(subject, subject.address("nobody-of-this-name"))
    if code < 400:
        return failed(f"{code} {text}", "refused", key="mail:aliases")
    return passed(f"{code} {text}", "refused", key="mail:aliases")


@delivery(
    "people-known", Severity.CRITICAL, "Every mailbox and alias is known to the mail host",
    why="Mail to an address that is not known is refused.",
    source="RFC 5321 section 3.3; RFC 2142 for postmaster, abuse and others",
    mend="`pulumi up` writes mailboxes and aliases.",
)  # fmt: skip
async def _people_known(subject: Subject) -> Finding:
    declaration, key = subject.declaration, "mail:mailboxes"
    names = [mailbox.name for mailbox in declaration.mailboxes]
    names += [alias.name for alias in declaration.aliases]

    def act(client: smtplib.SMTP) -> dict[str, tuple[int, bytes]]:
        client.mail(f"guest@{OUTSIDE}" if subject.rehearsed else "")
        answers = {name: client.rcpt(subject.address(name)) for name in names}
        client.rset()
        return answers

    answers = await subject.net.smtp(subject.host, 25, declaration.names.mail_host, act, tls=False)
    details = tuple(
        f"{name}@: {code} {text.decode('utf-8', 'replace')}"
        for name, (code, text) in answers.items()
    )
    refused = [detail for detail in details if " 250 " not in detail]
    if any("block" in item.lower() or "5.7.1" in item for item in refused):
        return unseen(f"the mail host refuses to talk to this address: {refused[0]}", key=key)
    if refused:
        return failed("; ".join(refused), f"{len(names)} known", key=key, details=details)
    return passed(f"{len(names)} known", f"{len(names)} known", key=key, details=details)


@forgery(
    "forgery", Severity.HIGH, "A forged message is treated as the DMARC stage says",
    why="The stage is a promise to everybody who gets mail in the company's name.",
    source="RFC 9989 section 5.4",
    mend="Compare _dmarc in the zone with mail:dmarc.stage; see that Rspamd runs.",
)  # fmt: skip
async def _forged(subject: Subject) -> Finding:
    if not subject.rehearsed:
        return _from_outside()
    stage, key = subject.declaration.dmarc.stage, "mail:dmarc.stage"
    to = subject.address(subject.addressee)
    author = subject.address(subject.writer or subject.declaration.mailboxes[0].name)
    message = await taken(subject, "forgery", to, folders=_BOTH, author=author)
    expected = {
        DmarcStage.NONE: "delivered, and found to fail",
        DmarcStage.QUARANTINE: "filed as junk",
        DmarcStage.REJECT: "refused",
    }[stage]
    fate = message.folder or f"{message.code} {message.text}"
    right = {
        DmarcStage.NONE: bool(message.folder) and "dmarc=fail" in message.message,
        DmarcStage.QUARANTINE: message.folder == "Junk",
        DmarcStage.REJECT: message.code == 550,
    }[stage]
    if not right:
        if message.problem:
            return unseen(f"taken, but nobody can read it: {message.problem}", expected, key=key)
        if message.code not in {250, 550}:
            return unseen(f"the mail host took no message: {fate}", expected, key=key)
        return failed(fate, f"{expected} ({stage.value})", key=key, facts={"forgery": fate})
    return passed(f"{expected} ({fate})", f"{expected} ({stage.value})", key=key)
