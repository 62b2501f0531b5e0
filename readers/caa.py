"""CAA (RFC 8659, RFC 8657): who may issue a certificate for a name, and by which method."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from readers.mistake import Mistake, MistakeError

_T = TypeVar("_T")

CRITICAL = 128
_KNOWN = ("issue", "issuewild", "iodef", "contactemail", "contactphone", "issuemail", "issuevmc")
_DATA = re.compile(r'(?P<flags>\d+)\s+(?P<tag>\S+)\s+(?:"(?P<quoted>[^"]*)"|(?P<bare>\S+))')
_ISSUER = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*)?", re.IGNORECASE
)


@dataclass(frozen=True)
class Property:
    """One record.

    Attributes:
        critical: Whether an authority that does not know the tag must not issue.
        tag: In lower case.
        issuer: Authority that `issue` and `issuewild` name, in lower case; empty for nobody.
        parameters: Parameters behind it, such as `validationmethods`.
        value: The whole value.
    """

    critical: bool
    tag: str
    issuer: str
    parameters: tuple[tuple[str, str], ...]
    value: str

    def allows(self, issuer: str, methods: Iterable[str] = ()) -> bool:
        """Tell whether an authority may issue by it, proving control by one of some methods."""
        allowed = dict(self.parameters).get("validationmethods")
        named = {method.strip().lower() for method in (allowed or "").split(",")}
        by_method = allowed is None or not [*methods] or bool(named & {*methods})
        return self.issuer == issuer.lower() and by_method


def parse(data: str) -> Property:
    """Read a record's data, such as `0 issue "letsencrypt.org"`.

    Raises:
        MistakeError: it is none.
    """
    match = _DATA.fullmatch(data.strip())
    if match is None or int(match["flags"]) > 255:
        raise MistakeError(data, "is not flags, tag and value of a CAA record")
    tag = match["tag"].lower()
    value = match["quoted"] if match["quoted"] is not None else match["bare"]
    issuer, parameters = "", []
    if tag in ("issue", "issuewild"):
        named, *rest = (part.strip() for part in value.split(";"))
        if not _ISSUER.fullmatch(named):
            raise MistakeError(data, f"{named} is no domain of an authority")
        issuer = named.lower()
        for part in filter(None, rest):
            name, equals, setting = part.partition("=")
            if not equals:
                raise MistakeError(data, f"{part} is no parameter")
            parameters.append((name.strip().lower(), setting.strip()))
    critical = bool(int(match["flags"]) & CRITICAL)
    return Property(critical, tag, issuer, tuple(parameters), value)


def climb(name: str, at: Callable[[str], Sequence[_T]]) -> Sequence[_T]:
    """Return the records that hold for a name: its own, or those of the nearest name above."""
    labels = name.lower().strip(".").removeprefix("*.").split(".")
    while labels:
        records = at(".".join(labels))
        if records:
            return records
        labels = labels[1:]
    return ()


def refusal(
    records: Sequence[str], issuer: str, methods: Iterable[str] = (), *, wildcard: bool = False
) -> Mistake | None:
    """Return why an authority may not issue for a name, or None where it may.

    Args:
        records: Data of the records that hold for the name (`climb`).
        issuer: The authority, by the domain it names itself, such as `letsencrypt.org`.
        methods: Ways in which control may be proved, such as `dns-01`; any if none is given.
        wildcard: Whether the certificate is for a wildcard.
    """
    properties = []
    for data in records:
        try:
            properties.append(parse(data))
        except MistakeError as error:
            return error.mistake
    for item in properties:
        if item.critical and item.tag not in _KNOWN:
            return Mistake(item.tag, "is critical and unknown, so nobody may issue")
    tag = "issue"
    if wildcard and any(item.tag == "issuewild" for item in properties):
        tag = "issuewild"
    chosen = [item for item in properties if item.tag == tag]
    if not chosen or any(item.allows(issuer, methods) for item in chosen):
        return None
    named = ", ".join(item.value or "nobody" for item in chosen)
    return Mistake(tag, f"lets {named} issue, and not {issuer}")
