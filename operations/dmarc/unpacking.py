"""The XML of aggregate reports, out of messages and archives that anybody may have sent.

Everything is bounded: an archive of a few kilobytes can hold gigabytes.
"""

import email
import email.policy
import zipfile
import zlib
from collections.abc import Iterator
from email.message import EmailMessage
from io import BytesIO
from typing import Final

MOST_BYTES: Final = 10 * 1024 * 1024
"""Size of a message or an archive that is looked into at all; reports have kilobytes."""
MOST_UNPACKED: Final = 8 * 1024 * 1024
"""Size of an unpacked report; a thousand times that of a usual one."""
_MOST_PARTS: Final = 20
_ZIP, _GZIP = b"PK\x03\x04", b"\x1f\x8b"


class LeftOutError(Exception):
    """A report is not counted; the text is the reason, in a word or two."""


def reports_in(content: bytes) -> Iterator[bytes]:
    """Yield the XML of every report in a message, an archive or a bare XML file.

    Raises:
        LeftOutError: it is too large, unauthenticated, or none.
    """
    if len(content) > MOST_BYTES:
        raise LeftOutError("too large")
    start = content.lstrip()[:5]
    if content.startswith((_ZIP, _GZIP)) or start.startswith(b"<"):
        yield unpack(content)
        return
    message = email.message_from_bytes(content, policy=email.policy.default)
    if not isinstance(message, EmailMessage) or not message.keys():
        raise LeftOutError("no report")
    if not authenticated(message):
        raise LeftOutError("sender not authenticated")
    found = [part for part in _attached(message) if _promising(part)]
    if not found:
        raise LeftOutError("no report")
    for part in found:
        yield unpack(part)


def unpack(content: bytes) -> bytes:
    """Return the XML in an archive, or as it is.

    Raises:
        LeftOutError: it is too large, or no archive that can be opened.
    """
    if content.startswith(_GZIP):
        return _gunzip(content)
    if content.startswith(_ZIP):
        return _unzip(content)
    if len(content) > MOST_UNPACKED:
        raise LeftOutError("too large")
    return content


def authenticated(message: EmailMessage) -> bool:
    """Return whether our own mail host vouches for a message's sender (RFC 8601).

    The topmost field is its own: Mailcow takes away those that came with the message. A message
    without one was never judged, such as a file that somebody saved.
    """
    try:
        found = str(message.get("Authentication-Results", "")).lower()
    except (ValueError, IndexError, KeyError, AttributeError):
        return False  # a field that cannot even be read
    if not found:
        return True
    return "dmarc=fail" not in found and ("spf=pass" in found or "dkim=pass" in found)


def _attached(message: EmailMessage) -> Iterator[bytes]:
    for count, part in enumerate(message.walk()):
        if count >= _MOST_PARTS:
            return
        if not part.is_multipart():
            payload = part.get_payload(decode=True)
            if isinstance(payload, bytes):
                yield payload


def _promising(content: bytes) -> bool:
    if content.startswith((_ZIP, _GZIP)):
        return True
    return content.lstrip()[:5] == b"<?xml" or content.lstrip()[:9] == b"<feedback"


def _gunzip(content: bytes) -> bytes:
    unpacking = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        found = unpacking.decompress(content, MOST_UNPACKED + 1)
    except zlib.error:
        raise LeftOutError("malformed") from None
    if len(found) > MOST_UNPACKED:
        raise LeftOutError("too large")
    if not unpacking.eof:
        raise LeftOutError("malformed")
    return found


def _unzip(content: bytes) -> bytes:
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            names = archive.namelist()
            if len(names) != 1:
                raise LeftOutError("malformed")
            with archive.open(names[0]) as member:
                found = member.read(MOST_UNPACKED + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError,
            NotImplementedError):  # fmt: skip
        raise LeftOutError("malformed") from None
    if len(found) > MOST_UNPACKED:
        raise LeftOutError("too large")
    return found
