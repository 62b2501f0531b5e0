"""Delivery status notifications, as Postfix writes them (RFC 3464, RFC 6522)."""

import secrets
import textwrap
import time
from email.utils import formatdate

from rehearsal.world.handover import Envelope
from rehearsal.world.mail.journal import status_code

_WIDTH = 79


def notification(
    envelope: Envelope, reason: str, *, identifier: str, hostname: str, origin: str, remote: str
) -> bytes:
    """Return the notification that a message was not delivered.

    Args:
        envelope: The message.
        reason: The verdict, in Postfix's words.
        identifier: Queue id of the message.
        hostname: `myhostname`.
        origin: `myorigin`.
        remote: Host that refused it; empty for none.
    """
    boundary = f"{identifier}.{int(time.time())}/{hostname}"
    told = "\n".join(
        textwrap.fill(
            f"<{recipient}>: {reason}", _WIDTH, subsequent_indent="    ", break_on_hyphens=False
        )
        for recipient in envelope.recipients
    )
    parts = [
        ("Content-Description: Notification\nContent-Type: text/plain; charset=utf-8", _words(
            hostname, told)),
        ("Content-Description: Delivery report\nContent-Type: message/delivery-status",
         _report(envelope, reason, identifier, hostname, remote)),
    ]  # fmt: skip
    head = (
        f"Date: {formatdate()}\n"
        f"From: Mail Delivery System <MAILER-DAEMON@{origin}>\n"
        "Subject: Undelivered Mail Returned to Sender\n"
        f"To: {envelope.sender}\n"
        "Auto-Submitted: auto-replied\n"
        "MIME-Version: 1.0\n"
        "Content-Type: multipart/report; report-type=delivery-status;\n"
        f'\tboundary="{boundary}"\n'
        f"Message-Id: <{secrets.token_hex(8)}@{hostname}>\n"
        "\nThis is a MIME-encapsulated message.\n"
    )
    text = head + "".join(f"\n--{boundary}\n{kind}\n\n{body}" for kind, body in parts)
    text += f"\n--{boundary}\nContent-Description: Undelivered Message\n"
    text += "Content-Type: message/rfc822\n\n"
    returned = f"Return-Path: <{envelope.sender}>\r\n".encode() + envelope.message
    end = f"\r\n--{boundary}--\r\n".encode()
    return text.replace("\n", "\r\n").encode() + returned + end


def _words(hostname: str, told: str) -> str:
    return (
        f"This is the mail system at host {hostname}.\n\n"
        "I'm sorry to have to inform you that your message could not\n"
        "be delivered to one or more recipients. It's attached below.\n\n"
        f"{told}\n"
    )


def _report(envelope: Envelope, reason: str, identifier: str, hostname: str, remote: str) -> str:
    lines = [
        f"Reporting-MTA: dns; {hostname}",
        f"X-Postcow-Queue-ID: {identifier}",
        f"X-Postcow-Sender: rfc822; {envelope.sender}",
        f"Arrival-Date: {formatdate()}",
    ]
    for recipient in envelope.recipients:
        lines += ["", f"Final-Recipient: rfc822; {recipient}", "Action: failed",
                  f"Status: {status_code('bounced', reason)}"]  # fmt: skip
        if remote:
            said = reason.partition(" said: ")[2].partition(" (in reply to")[0] or reason
            lines += [f"Remote-MTA: dns; {remote}", f"Diagnostic-Code: smtp; {said}"]
    return "\n".join(lines) + "\n"
