"""Where reports lie: the mailbox of the declared report address, or a folder of files.

Anybody may write to that address. What is looked at is bounded in number, size and time, and every
sender gets a turn before any gets a second one, so that whoever sends a lot hides nobody else's.
"""

import imaplib
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from email.utils import parseaddr
from itertools import chain, zip_longest
from pathlib import Path

from declaration.dmarc import report_addresses
from declaration.model import Declaration
from declaration.people import untagged
from dmarc.collecting import Collecting
from dmarc.evidence import WINDOW_DAYS
from dmarc.left_out import LeftOutError
from dmarc.messages import MOST_BYTES, parse_message, says_report
from dmarc.sender import authenticated
from operations.site import Site, SiteError

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_BATCH = 50
_MOST_MESSAGES = 20_000
_MOST_SECONDS = 300
"""Time for one folder; what is left is read by the next run."""
_MOST_FILE = 128 * 1024 * 1024
"""Size of a file that is looked into: a folder of messages that a mail program saved as one."""
_FIELDS = "SUBJECT FROM CONTENT-TYPE AUTHENTICATION-RESULTS"
_SIZE = re.compile(rb"UID (\d+)\b.*?RFC822\.SIZE (\d+)|RFC822\.SIZE (\d+).*?UID (\d+)\b")


@dataclass(frozen=True)
class _Letter:
    """A message that announces a report, of which only the header is known yet."""

    uid: str
    sender: str


def mailbox_of(declaration: Declaration) -> str:
    """Return the local part of the mailbox in which reports arrive.

    Raises:
        SiteError: they go elsewhere.
    """
    addresses = report_addresses(declaration.dmarc, declaration.domain)
    ours = [address for address in addresses if address.endswith(f"@{declaration.domain}")]
    boxes = {mailbox.name for mailbox in declaration.mailboxes}
    aliases = {alias.name: alias.to for alias in declaration.aliases}
    # Every address gets every report.
    waiting, seen = [untagged(address.partition("@")[0]) for address in ours], set[str]()
    while waiting:
        name = waiting.pop(0)
        if name in boxes:
            return name
        if name not in seen:
            seen.add(name)
            waiting += [target.partition("@")[0] for target in aliases.get(name, ())]
    raise SiteError(
        f"reports go to {', '.join(addresses)}, which is no mailbox here (mail:dmarc.rua);"
        " save them into a folder and give it by --reports"
    )


async def fetch(site: Site, today: date, collecting: Collecting) -> None:
    """Take the reports in the mailbox; nothing in it is changed, nothing else is read.

    Args:
        site: Where the mailbox is.
        today: Reports older than the window are left where they are.
        collecting: What takes them, one after another.

    Raises:
        SiteError: the mailbox is elsewhere, or its password is not known.
    """
    declaration = site.declaration
    name = mailbox_of(declaration)
    address, password = f"{name}@{declaration.domain}", site.secret(f"password.{name}")
    since = today - timedelta(days=WINDOW_DAYS)

    def act(client: imaplib.IMAP4_SSL) -> None:
        client.login(address, password)
        for folder in ("INBOX", *_junk(client)):
            _take_folder(client, folder, since, collecting, declaration.names.mail_host)

    try:
        await site.net.imap(declaration.host.address, declaration.names.mail_host, act)
    except imaplib.IMAP4.error as error:
        raise SiteError(f"{address} cannot be read: {error}") from None


def _junk(client: imaplib.IMAP4_SSL) -> tuple[str, ...]:
    """Return the folder of unwanted mail, if there is one: filters dislike machines' mail."""
    folders = [line for line in client.list()[1] if isinstance(line, bytes)]
    there = any(line.rstrip().endswith((b"Junk", b'"Junk"')) for line in folders)
    return ("Junk",) if there else ()


def _take_folder(
    client: imaplib.IMAP4_SSL, folder: str, since: date, collecting: Collecting, host: str
) -> None:
    status, _ = client.select(folder, readonly=True)
    if status != "OK":
        return
    end = time.monotonic() + _MOST_SECONDS
    day = f"{since.day:02}-{_MONTHS[since.month - 1]}-{since.year}"
    _, answer = client.uid("SEARCH", "SINCE", day)
    uids = (answer[0] or b"").split()
    collecting.leave_out("beyond the newest 20,000 messages", len(uids) - _MOST_MESSAGES, folder)
    letters: list[_Letter] = []
    uids = uids[-_MOST_MESSAGES:]
    for start in range(0, len(uids), _BATCH):
        batch = b",".join(uids[start : start + _BATCH]).decode()
        letters += _announced(client, batch, collecting, host, folder)
    for number, letter in enumerate(in_turn(letters)):
        if time.monotonic() > end:
            collecting.leave_out("not read yet: no time", len(letters) - number, folder)
            return
        _, parts = client.uid("FETCH", letter.uid, "(BODY.PEEK[])")
        for part in parts:
            if isinstance(part, tuple):
                collecting.take(bytes(part[1]), f"{folder} {letter.uid}")


def _announced(
    client: imaplib.IMAP4_SSL, uids: str, collecting: Collecting, host: str, folder: str
) -> Iterator[_Letter]:
    """Yield the messages that say they are reports, are not too large, and not forged."""
    asked = f"(UID RFC822.SIZE BODY.PEEK[HEADER.FIELDS ({_FIELDS})])"
    _, parts = client.uid("FETCH", uids, asked)
    for part in parts:
        numbers = _SIZE.search(part[0]) if isinstance(part, tuple) else None
        if numbers is None or not says_report(part[1]):
            continue
        uid, size = (numbers[1], numbers[2]) if numbers[1] else (numbers[4], numbers[3])
        place = f"{folder} {uid.decode()}"
        if int(size) > MOST_BYTES:
            collecting.leave_out("too large", 1, place)
            continue
        try:
            header = parse_message(part[1], header_only=True)
            author = parseaddr(str(header.get("From", "")))[1].rpartition("@")[2].lower()
            yield _Letter(uid.decode(), authenticated(header, host) or author)
        except LeftOutError as reason:
            collecting.leave_out(str(reason), 1, place)


def in_turn(letters: list[_Letter]) -> Iterator[_Letter]:
    """Yield one message of each sender after another, the newest of each first."""
    by_sender: dict[str, list[_Letter]] = defaultdict(list)
    for letter in reversed(letters):
        by_sender[letter.sender].append(letter)
    rounds = chain.from_iterable(zip_longest(*by_sender.values()))
    return (letter for letter in rounds if letter is not None)


def take_files(folder: Path, collecting: Collecting) -> None:
    """Take the files in a folder and those below it, by name.

    Raises:
        SiteError: it is no folder, or a file in it cannot be read.
    """
    if not folder.is_dir():
        raise SiteError(f"{folder} is no folder with reports")
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name.startswith("."):
            continue
        if path.stat().st_size > _MOST_FILE:
            collecting.leave_out("too large", 1, path.name)
            continue
        try:
            content = path.read_bytes()
        except OSError as error:
            raise SiteError(f"{path} cannot be read: {error.strerror}") from None
        collecting.take(content, path.name)
