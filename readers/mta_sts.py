"""MTA-STS (RFC 8461) and TLS reporting (RFC 8460): records and the policy that is served."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from readers.mistake import Mistake
from readers.tags import parse_tags

LONGEST = 31557600
"""The longest max_age, in seconds (RFC 8461 section 3.2)."""
_ID = re.compile("[A-Za-z0-9]{1,32}")
_PATTERN = re.compile(
    r"(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]*[a-z0-9]", re.IGNORECASE
)
_MAILTO = re.compile(r"mailto:([^@,!?\s]+@[^@,!?\s]+\.[^@,!?\s]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Announcement:
    """The TXT records at `_mta-sts`.

    Attributes:
        id: Id of the policy; empty where senders find none.
        mistakes: Why they find none.
    """

    id: str
    mistakes: tuple[Mistake, ...]


def is_sts(text: str) -> bool:
    """Tell whether a TXT record is one of MTA-STS."""
    return re.match(r"v=STSv1[ \t]*(?:;|$)", text) is not None


def announcement(texts: Sequence[str]) -> Announcement | None:
    """Read the TXT records at `_mta-sts`; None where none of them is one of MTA-STS."""
    records = [text for text in texts if is_sts(text)]
    if not records:
        return None
    if len(records) > 1:
        return Announcement("", (Mistake("v", "stands in several records: senders take none"),))
    tags = parse_tags(records[0])
    mistakes = [*tags.mistakes()]
    identity = tags.get("id") or ""
    if not _ID.fullmatch(identity):
        mistakes.append(Mistake("id", "is not 1 to 32 letters and digits"))
    return Announcement("" if mistakes else identity, tuple(mistakes))


@dataclass(frozen=True)
class Policy:
    """The policy at `https://mta-sts.<domain>/.well-known/mta-sts.txt`.

    Attributes:
        mode: `enforce`, `testing`, `none`, or what it says.
        max_age: Seconds that senders keep it; None where it says nothing that counts.
        mx: Patterns of mail hosts, in lower case.
        mistakes: Why senders take it for none.
    """

    mode: str
    max_age: int | None
    mx: tuple[str, ...]
    mistakes: tuple[Mistake, ...]

    def allows(self, host: str) -> bool:
        """Tell whether a mail host may be delivered to; `*` stands for one label (section 4.1)."""
        host = host.lower().rstrip(".")
        return host in self.mx or f"*.{host.partition('.')[2]}" in self.mx


def policy(text: str) -> Policy:
    """Read a policy, lines ending in LF or CRLF; of a field that stands twice the first counts."""
    fields: dict[str, str] = {}
    mx: list[str] = []
    mistakes: list[Mistake] = []
    for number, line in enumerate(text.splitlines(), 1):
        name, colon, value = line.partition(":")
        name, value = name.strip(), value.strip()
        if not line.strip():
            continue
        if not colon or not name or line[0] in " \t":
            mistakes.append(Mistake(f"line {number}", "is no `name: value`"))
        elif name == "mx":
            mx.append(value.lower())
            if not _PATTERN.fullmatch(value):
                mistakes.append(Mistake(f"line {number}", f"{value or 'nothing'} is no mail host"))
        else:
            fields.setdefault(name, value)
    mode, age = fields.get("mode", ""), fields.get("max_age", "")
    if fields.get("version") != "STSv1":
        mistakes.append(Mistake("version", "is not STSv1"))
    if mode not in ("enforce", "testing", "none"):
        mistakes.append(
            Mistake("mode", f"{mode or 'nothing'} is neither enforce, testing nor none")
        )
    seconds = int(age) if re.fullmatch("[0-9]{1,10}", age) else None
    if seconds is None or seconds > LONGEST:
        mistakes.append(Mistake("max_age", f"is not 0 to {LONGEST} seconds"))
    if not mx and mode != "none":
        mistakes.append(Mistake("mx", "is missing"))
    return Policy(mode, seconds, tuple(mx), tuple(mistakes))


@dataclass(frozen=True)
class Reporting:
    """The TXT record at `_smtp._tls`.

    Attributes:
        addresses: Where reports go by mail, in lower case.
        uris: All that it names, `https:` too.
        mistakes: Why no report is sent.
    """

    addresses: tuple[str, ...]
    uris: tuple[str, ...]
    mistakes: tuple[Mistake, ...]


def reporting(texts: Sequence[str]) -> Reporting | None:
    """Read the TXT records at `_smtp._tls`; None where none of them asks for TLS reports."""
    records = [text for text in texts if re.match(r"v=TLSRPTv1[ \t]*(?:;|$)", text)]
    if not records:
        return None
    tags = parse_tags(records[0])
    mistakes = [*tags.mistakes()]
    if len(records) > 1:
        mistakes.append(Mistake("v", "stands in several records: nobody reports"))
    uris = [uri.strip() for uri in (tags.get("rua") or "").split(",")]
    mistakes += [
        Mistake("rua", f"{uri or 'nothing'} is neither mailto: nor https:")
        for uri in uris
        if not _MAILTO.fullmatch(uri) and not uri.lower().startswith("https://")
    ]
    matches = (_MAILTO.fullmatch(uri) for uri in uris)
    addresses = tuple(match[1].lower() for match in matches if match)
    return Reporting(addresses, tuple(uris), tuple(mistakes))
