"""Mail that really flows: one message out through the smarthost, one message in."""

import imaplib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any, TypeVar

from declaration.model import Declaration
from rehearsal.mail_program import MailProgram
from rehearsal.world.client import WorldClient

_PATIENCE = 20.0
"""Seconds to wait for a message; on loopback it takes a fraction of one."""

_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Passage:
    """What became of one message.

    Attributes:
        direction: `out` or `in`.
        sender: Who wrote it.
        recipient: To whom.
        ok: Whether it arrived as it should.
        path: Where it went, in words.
        verdicts: What the receiving side said of it: `SPF`, `DKIM`, `DMARC`.
        problem: What went wrong, if anything: the cause, in the words of the host that saw it.
    """

    direction: str
    sender: str
    recipient: str
    ok: bool
    path: tuple[str, ...]
    verdicts: dict[str, str] = field(default_factory=dict)
    problem: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "direction": self.direction,
            "sender": self.sender,
            "recipient": self.recipient,
            "ok": self.ok,
            "path": list(self.path),
            "verdicts": self.verdicts,
            "problem": self.problem,
        }


class Flow:
    """Sends and receives as the people of one declaration would."""

    def __init__(self, declaration: Declaration, world: WorldClient) -> None:
        """Work in `world`, with the people and names that `declaration` says."""
        self._declaration = declaration
        self._world = world

    def _program(self, local_part: str) -> MailProgram:
        declaration = self._declaration
        return MailProgram(
            f"{local_part}@{declaration.domain}",
            self._world.secrets[f"password.{local_part}"],
            server=(declaration.names.mail_host, declaration.host.address),
            reach=self._world.reach,
            authority=self._world.folder / "authority" / "authority.pem",
        )

    def _writer(self) -> str:
        """Return who writes: a person rather than a role, if there is one."""
        roles = {"postmaster", "abuse"}
        persons = [
            mailbox.name
            for mailbox in self._declaration.mailboxes
            if not mailbox.published and mailbox.name not in roles
        ]
        return (persons or [self._declaration.mailboxes[0].name])[-1]

    def _addressee(self) -> str:
        """Return who is written to: an address that stands on the website, if there is one."""
        published = [mailbox.name for mailbox in self._declaration.mailboxes if mailbox.published]
        return (published or [self._declaration.mailboxes[0].name])[0]

    def out(self) -> Passage:
        """Send one message from a mailbox to somebody outside, and read how it was judged."""
        program = self._program(self._writer())
        recipient = "guest@outside.example"
        subject = f"Rehearsal {secrets.token_hex(6)}"
        message = EmailMessage()
        message["From"] = program.address
        message["To"] = recipient
        message["Subject"] = subject
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain=self._declaration.domain)
        message.set_content("This message was written by a rehearsal.\n")
        path: tuple[str, ...] = (f"{program.address.partition('@')[0]}@", "smarthost", "receiver")
        try:
            program.send(message)
        except OSError as error:
            return Passage(
                "out", program.address, recipient, ok=False, path=path[:1], problem=str(error)
            )
        seen = _await(lambda: self._seen_outside(subject) or self._refused(recipient))
        if seen is None or "verdict" not in seen:
            problem = str((seen or {}).get("reason", "")) or "the message did not arrive in time"
            return Passage(
                "out", program.address, recipient, ok=False, path=path[:2], problem=problem
            )
        verdict = seen["verdict"]
        selectors = [
            signature["selector"]
            for signature in verdict["signatures"]
            if signature["result"] == "pass"
        ]
        envelope = verdict["spf_domain"].removesuffix(self._declaration.domain)
        verdicts = {
            "SPF": f"{verdict['spf']} ({envelope})",
            "DKIM": f"{verdict['dkim']} ({', '.join(selectors) or 'unsigned'})",
            "DMARC": verdict["dmarc"],
        }
        passed = all(verdict[name] == "pass" for name in ("spf", "dkim", "dmarc"))
        problem = "" if passed else _complaint(verdict)
        return Passage("out", program.address, recipient, passed, path, verdicts, problem)

    def _seen_outside(self, subject: str) -> dict[str, Any] | None:
        for text in self._world.ask("GET", "/receiver/messages"):
            if f"Subject: {subject}" in text["message"]:
                return dict(text)
        return None

    def _refused(self, recipient: str) -> dict[str, Any] | None:
        """Return the last message to `recipient` if it is stuck in the host's queue."""
        queue = [text for text in self._world.ask("GET", "/mail/queue")
                 if recipient in text["recipients"]]  # fmt: skip
        if queue and queue[-1]["state"] in {"deferred", "bounced"}:
            return dict(queue[-1])
        return None

    def into(self) -> Passage:
        """Let somebody outside write to a mailbox, and read the message there over IMAP."""
        program = self._program(self._addressee())
        subject = f"Reservation {secrets.token_hex(6)}"
        sender = "guest@outside.example"
        answer = self._world.ask(
            "POST",
            "/receiver/send",
            {"to": program.address, "subject": subject, "text": "Two nights in May, please.\n"},
        )
        local = f"{program.address.partition('@')[0]}@"
        path = ("receiver", f"{self._declaration.zone.mx_label}:25", f"INBOX of {local}")
        if answer["code"] != 250:
            problem = f"{answer['code'] or 'no answer'}: {answer['text']}"
            return Passage("in", sender, program.address, ok=False, path=path[:1], problem=problem)
        try:
            found = _await(lambda: program.read(subject=subject) or None)
        except (OSError, imaplib.IMAP4.error) as error:
            return Passage(
                "in", sender, program.address, ok=False, path=path[:2], problem=str(error)
            )
        if found is None:
            problem = "the message was taken, but did not reach the mailbox"
            return Passage("in", sender, program.address, ok=False, path=path[:2], problem=problem)
        return Passage("in", sender, program.address, ok=True, path=path)


def _complaint(verdict: dict[str, Any]) -> str:
    """Return why a receiver would not trust a message."""
    causes = []
    if verdict["spf"] != "pass":
        causes.append(f"SPF {verdict['spf']} for {verdict['spf_domain']}: {verdict['spf_reason']}")
    if not verdict["signatures"]:
        causes.append("the message arrived unsigned: the smarthost did not sign it")
    elif verdict["dkim"] != "pass":
        keys = ", ".join(
            f"{signature['selector']}._domainkey.{signature['domain']}"
            for signature in verdict["signatures"]
        )
        causes.append(f"DKIM {verdict['dkim']}: the signature does not fit {keys}")
    if verdict["dmarc"] != "pass":
        causes.append(f"DMARC {verdict['dmarc']} for {verdict['from_domain']}")
    return "judged at the receiver: " + "; ".join(causes)


def _await(look: Callable[[], _Found | None]) -> _Found | None:
    """Look again and again until there is something, or patience ends."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
        time.sleep(0.05)
    return None
