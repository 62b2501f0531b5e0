"""Where reports lie: the mailbox of the declared report address, or a folder of files."""

import imaplib
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from components.declaration import Declaration
from components.dmarc import report_address
from components.dmarc_evidence import WINDOW_DAYS
from operations.dmarc.unpacking import MOST_BYTES
from operations.site import Site, SiteError

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_BATCH = 50
_MOST_MESSAGES = 20_000
_SIZE = re.compile(rb"UID (\d+)\b.*?RFC822\.SIZE (\d+)|RFC822\.SIZE (\d+).*?UID (\d+)\b")
_TITLE = b"report domain"
"""How the subject of every report begins (RFC 9990 section 3.1), in small letters."""


def mailbox_of(declaration: Declaration) -> str:
    """Return the local part of the mailbox in which reports arrive.

    Raises:
        SiteError: they go elsewhere.
    """
    local, _, domain = report_address(declaration.dmarc, declaration.domain).partition("@")
    boxes = {one.name for one in declaration.mailboxes}
    aliases = {one.name: one.to for one in declaration.aliases}
    waiting, seen = [local], set[str]()
    while waiting and domain == declaration.domain:
        name = waiting.pop(0)
        if name in boxes:
            return name
        if name not in seen:
            seen.add(name)
            waiting += [one.partition("@")[0] for one in aliases.get(name, ())]
    raise SiteError(
        f"reports go to {local}@{domain}, which is no mailbox here (mail:dmarc.rua);"
        " save them into a folder and give it by --reports"
    )


async def fetch(site: Site, today: date) -> list[bytes]:
    """Return the reports in the mailbox; nothing in it is changed, nothing else is read.

    Args:
        site: Where the mailbox is.
        today: Reports older than the window are left where they are.

    Raises:
        SiteError: the mailbox is elsewhere, or its password is not known.
    """
    declaration = site.declaration
    name = mailbox_of(declaration)
    address, password = f"{name}@{declaration.domain}", site.secret(f"password.{name}")
    since = today - timedelta(days=WINDOW_DAYS)

    def act(client: imaplib.IMAP4_SSL) -> list[bytes]:
        client.login(address, password)
        return [
            one for folder in ("INBOX", *_junk(client)) for one in _messages(client, folder, since)
        ]

    try:
        return await site.net.imap(declaration.host.address, declaration.mail_host, act)
    except imaplib.IMAP4.error as error:
        raise SiteError(f"{address} cannot be read: {error}") from None


def _junk(client: imaplib.IMAP4_SSL) -> tuple[str, ...]:
    """Return the folder of unwanted mail, if there is one: filters dislike machines' mail."""
    listed = [one for one in client.list()[1] if isinstance(one, bytes)]
    found = any(one.rstrip().endswith((b"Junk", b'"Junk"')) for one in listed)
    return ("Junk",) if found else ()


def _messages(client: imaplib.IMAP4_SSL, folder: str, since: date) -> Iterator[bytes]:
    status, _ = client.select(folder, readonly=True)
    if status != "OK":
        return
    day = f"{since.day:02}-{_MONTHS[since.month - 1]}-{since.year}"
    _, answer = client.uid("SEARCH", "SINCE", day)
    uids = (answer[0] or b"").split()[-_MOST_MESSAGES:]
    for start in range(0, len(uids), _BATCH):
        batch = b",".join(uids[start : start + _BATCH]).decode()
        for uid in _reports_among(client, batch):
            _, parts = client.uid("FETCH", uid, "(BODY.PEEK[])")
            yield from (bytes(one[1]) for one in parts if isinstance(one, tuple))


def _reports_among(client: imaplib.IMAP4_SSL, uids: str) -> Iterator[str]:
    """Yield the messages that say they are reports and are not too large."""
    asked = "(UID RFC822.SIZE BODY.PEEK[HEADER.FIELDS (SUBJECT)])"
    _, parts = client.uid("FETCH", uids, asked)
    for one in parts:
        if not isinstance(one, tuple):
            continue
        found = _SIZE.search(one[0])
        subject = b" ".join(one[1].lower().split())
        if found is None or _TITLE not in subject:
            continue
        uid, size = (found[1], found[2]) if found[1] else (found[4], found[3])
        if int(size) <= MOST_BYTES:
            yield uid.decode()


def files(folder: Path) -> list[bytes]:
    """Return the content of the files in a folder, by name; a file too large only in part.

    Raises:
        SiteError: it is no folder.
    """
    if not folder.is_dir():
        raise SiteError(f"{folder} is no folder with reports")
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            with path.open("rb") as file:
                found.append(file.read(MOST_BYTES + 1))
    return found
