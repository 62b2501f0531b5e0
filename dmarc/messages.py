"""Reports out of messages, archives and files that anybody may have sent.

Everything is bounded before it is looked into: size, lines, parts, the length of a header field,
what an archive unfolds to. What is refused costs neither the report beside it nor the next message.
"""

import codecs
import email.policy
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesParser
from enum import Enum
from io import BytesIO
from typing import Final

from dmarc.left_out import LeftOutError
from dmarc.sender import authenticated

MOST_BYTES: Final = 8 * 1024 * 1024
"""Size of a message or a file that is looked into at all; reports have kilobytes."""
MOST_UNPACKED: Final = 8 * 1024 * 1024
"""Size of what all archives of one message unfold to; a thousand times a usual report."""
_MOST_PACKED = 2 * 1024 * 1024
_MOST_LINES = 120_000
_MOST_PARTS = 30
_MOST_MEMBERS = 30
_MOST_FIELDS = 300
_LONGEST_FIELD = 8192
_DEEPEST = 4
"""A report in a gzip in a zip in a message that is attached to a message."""

_FEEDBACK = re.compile(r"<(?:[\w.-]+:)?feedback[\s/>]")
_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:")
_MBOX = re.compile(rb"(?:^|\r?\n\r?\n)From [^\r\n]*\r?\n")
_EMLX = re.compile(rb"\s*(\d{1,9})\s*\n")
_DAMAGED_ZIP = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError,
    NotImplementedError,
)  # fmt: skip
_LANGUAGE = re.compile(r"=\?([^?*\s]{1,40})\*[^?\s]{0,40}\?")
"""An encoded word that says its language (RFC 2231 section 5)."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")
)  # fmt: skip


class Format(Enum):
    """What a piece of content is, by its first bytes: names and types are often wrong."""

    GZIP = "gzip"
    ZIP = "zip"
    AGGREGATE = "aggregate report"
    TLS = "TLS report"
    MBOX = "messages in a row"
    MESSAGE = "message"
    OTHER = "something else"


_ARCHIVES = ((b"\x1f\x8b", Format.GZIP), (b"PK\x03\x04", Format.ZIP))


@dataclass(frozen=True)
class Document:
    """One report as it was sent.

    Attributes:
        format: `AGGREGATE` or `TLS`.
        text: The report.
        sender: Domain that our own host authenticated as the sender; empty if it judged nothing.
    """

    format: Format
    text: str
    sender: str = ""


class _Part(Message):
    """A message or a part of one that refuses to grow without end while it is parsed."""

    def __init__(self, policy: "email.policy.Policy", parts: Counter[str]) -> None:
        super().__init__(policy)
        parts["parts"] += 1
        if parts["parts"] > _MOST_PARTS:
            raise LeftOutError("too many parts")

    def set_raw(self, name: str, value: str) -> None:
        if len(value) > _LONGEST_FIELD or len(self) >= _MOST_FIELDS:
            raise LeftOutError("header too large")
        super().set_raw(name, value)


def parse_message(content: bytes, *, header_only: bool = False) -> Message:
    """Return a message of which nothing but the outline was understood yet.

    Raises:
        LeftOutError: it is too large, or has too many parts.
    """
    lines = content.count(b"\n") + content.count(b"\r") - content.count(b"\r\n")
    if len(content) > MOST_BYTES or lines > _MOST_LINES:
        raise LeftOutError("too large")
    parts: Counter[str] = Counter()

    def part(policy: "email.policy.Policy" = email.policy.compat32) -> Message:
        return _Part(policy, parts)

    # The trial that the parser makes of its factory counts as a part.
    parts["parts"] = -1
    return BytesParser(part, policy=email.policy.compat32).parsebytes(content, header_only)


def says_report(header: bytes) -> bool:
    """Return whether a message's header fields announce a report.

    The title is that of RFC 9990 section 3.1 and RFC 8460 section 5.3, encoded or not; a
    message that is nothing but an archive, or says that it is a TLS report, needs none.

    Args:
        header: Fields of the message, `Subject` and `Content-Type` among them.
    """
    try:
        message = parse_message(header, header_only=True)
    except LeftOutError:
        return False
    kind = "".join(str(message.get("Content-Type", "")).lower().split())
    sent_bare = kind.startswith(("application/gzip", "application/zip", "application/x-",
                                 "application/xml", "text/xml"))  # fmt: skip
    title = "".join(_decoded(message.get("Subject", "")).lower().split())
    return sent_bare or "tlsrpt" in kind or "reportdomain" in title


def _decoded(field: object) -> str:
    """Return a header field in clear (RFC 2047), or as it is if it is not to be decoded."""
    text = _LANGUAGE.sub(r"=?\1?", str(field))
    try:
        return str(make_header(decode_header(text)))
    except (HeaderParseError, LookupError, ValueError):
        return text


def format_of(content: bytes) -> Format:
    """Return what some content is."""
    for magic, archive in _ARCHIVES:
        if content.startswith(magic):
            return archive
    start = _text(content[:65536]).lstrip()
    if start.startswith("<") and _FEEDBACK.search(start):
        return Format.AGGREGATE
    if start.startswith("{") and '"policies"' in _text(content):
        return Format.TLS
    if content.startswith(b"From "):
        return Format.MBOX
    headed = _FIELD.match(content.lstrip()) or _EMLX.match(content)
    return Format.MESSAGE if headed else Format.OTHER


def _text(content: bytes) -> str:
    """Return content as text: by its byte order mark, otherwise UTF-8, the rest replaced."""
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    return content.decode(encoding, "replace").removeprefix("\ufeff")


class Opening:
    """One message or file, opened down to its reports.

    Attributes:
        left_out: What was left out, by reason.
    """

    def __init__(self, host: str) -> None:
        """Take the name of our own mail host, whose judgement of senders counts."""
        self.left_out: Counter[str] = Counter()
        self._host = host
        self._room = MOST_UNPACKED

    def documents(self, content: bytes, sender: str = "", depth: int = 0) -> Iterator[Document]:
        """Yield every report; whatever cannot be read costs only itself.

        Args:
            content: A message, several in a row (mbox), an archive, a report.
            sender: Domain of who sent it, if that is known.
            depth: How many wrappings have been taken off.
        """
        try:
            yield from self._opened(content, sender, depth)
        except LeftOutError as reason:
            self.left_out[str(reason)] += 1

    def _opened(self, content: bytes, sender: str, depth: int) -> Iterator[Document]:
        kind = format_of(content)
        if kind is Format.MBOX and depth == 0:
            for message in _MBOX.split(content)[1:]:
                opening = Opening(self._host)
                yield from opening.documents(message)
                self.left_out += opening.left_out
            return
        if len(content) > MOST_BYTES:
            raise LeftOutError("too large")
        if depth > _DEEPEST:
            raise LeftOutError("wrapped too often")
        if kind in (Format.AGGREGATE, Format.TLS):
            yield Document(kind, _text(content), sender)
        elif kind is Format.GZIP:
            yield from self.documents(self._gunzip(content), sender, depth + 1)
        elif kind is Format.ZIP:
            yield from self._unzipped(content, sender, depth + 1)
        elif kind is Format.MESSAGE:
            yield from self._enclosed(content, sender, depth)
        else:
            raise LeftOutError("no report")

    def _enclosed(self, content: bytes, sender: str, depth: int) -> Iterator[Document]:
        """Yield the reports in the parts of a message, and in messages that it passes on."""
        measured = _EMLX.match(content)  # Apple Mail writes the length before it
        if measured:
            content = content[measured.end() : measured.end() + int(measured[1])]
        message = parse_message(content.lstrip())
        if not sender:
            sender = authenticated(message, self._host)
        promising = [part for part in _payloads(message) if part is not None]
        if not promising:
            raise LeftOutError("no report")
        for part in promising:
            yield from self.documents(part, sender, depth + 1)

    def _gunzip(self, content: bytes) -> bytes:
        unpacking = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            unpacked = unpacking.decompress(content, self._room + 1)
        except zlib.error:
            raise LeftOutError("malformed") from None
        self._take(len(unpacked))
        if not unpacking.eof:
            raise LeftOutError("malformed")
        return unpacked

    def _unzipped(self, content: bytes, sender: str, depth: int) -> Iterator[Document]:
        if len(content) > _MOST_PACKED:
            raise LeftOutError("too large")
        try:
            archive = zipfile.ZipFile(BytesIO(content))
        except _DAMAGED_ZIP:
            raise LeftOutError("malformed") from None
        # Folders hold nothing themselves, and macOS adds files of its own.
        entries = [
            entry for entry in archive.infolist()
            if not entry.is_dir() and not entry.filename.startswith("__MACOSX/")
        ]  # fmt: skip
        if not entries:
            raise LeftOutError("no report")
        for entry in entries[:_MOST_MEMBERS]:
            try:
                member = self._member(archive, entry)
            except LeftOutError as reason:
                self.left_out[str(reason)] += 1
            else:
                yield from self.documents(member, sender, depth)
        if len(entries) > _MOST_MEMBERS:
            raise LeftOutError("too many files in an archive")

    def _member(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise LeftOutError("malformed")  # others reserve as much memory as the sender wishes
        try:
            with archive.open(entry) as member:
                unpacked = member.read(self._room + 1)
        except _DAMAGED_ZIP:
            raise LeftOutError("malformed") from None
        self._take(len(unpacked))
        return unpacked

    def _take(self, size: int) -> None:
        if size > self._room:
            raise LeftOutError("too large")
        self._room -= size


_WRAPPED = frozenset({Format.GZIP, Format.ZIP, Format.AGGREGATE, Format.TLS})


def _payloads(message: Message) -> Iterator[bytes]:
    """Yield the content of those parts that may hold a report."""
    for part in message.walk():
        encoding = str(part.get("Content-Transfer-Encoding", "")).strip().lower()
        if part.get_content_maintype() == "message" and encoding == "base64":
            # Encoding a message is forbidden (RFC 2046 section 5.2.1), and done by large ones.
            for inner in part.walk():
                if inner is not part and not inner.keys():
                    inner["Content-Transfer-Encoding"] = encoding
                    yield bytes(inner.get_payload(decode=True))
            continue
        if part.is_multipart():
            continue
        payload = part.get_payload(decode=True)
        if not isinstance(payload, bytes):
            continue
        saved = (part.get_filename() or "").lower().endswith((".eml", ".mbox", ".emlx"))
        if format_of(payload) in _WRAPPED or (saved and payload):
            yield payload
