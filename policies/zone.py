"""The zone as the program publishes it: records read back from Cloudflare's way of writing them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policies.model import Resource
from readers.dns import Resolver
from readers.spf.reach import UnseenError

DNS_RECORD = "cloudflare:index/dnsRecord:DnsRecord"
"""Type of a record at Cloudflare."""

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_TARGET_TYPES = ("MX", "CNAME", "SRV")


@dataclass(frozen=True, eq=False)
class ZoneRecord:
    """One record.

    Attributes:
        resource: Resource that publishes it.
        name: Owner name in lower case, without the trailing dot.
        type: Record type in upper case.
        value: Address, target, text in one piece, or the data in presentation form.
        strings: Strings of a TXT record; empty when the content is not quoted.
        proxied: Whether Cloudflare stands before it; None where nothing is said.
        port: Port of a service record.
        preference: Preference of an MX record, priority of a service record.
        weight: Weight of a service record among those of its priority.
    """

    resource: Resource
    name: str
    type: str
    value: str
    strings: tuple[str, ...]
    proxied: bool | None
    port: int | None
    preference: int | None
    weight: int | None = None

    @property
    def target(self) -> str:
        """Host name that it points at, empty for record types that point nowhere."""
        return self.value.rstrip(".").lower() if self.type in _TARGET_TYPES else ""

    @property
    def answer(self) -> str:
        """Its data as a resolver answers (`readers.dns`)."""
        if self.type == "TXT":
            return self.value.encode().decode("latin-1")
        return f"{self.preference or 0} {self.target}" if self.type == "MX" else self.value

    @property
    def offered(self) -> bool:
        """Whether a service record offers its service (RFC 2782: a target of `.` does not)."""
        return self.target != ""


def record_of(resource: Resource, properties: Mapping[str, Any]) -> ZoneRecord:
    """Return the record that a resource publishes.

    Args:
        resource: The resource.
        properties: Its properties, opened; what is unknown is left out.
    """
    kind = str(properties.get("type", "")).upper()
    data = properties.get("data")
    data = data if isinstance(data, Mapping) else {}
    content = str(properties.get("content") or "")
    strings: tuple[str, ...] = ()
    port = weight = None
    preference = _number(properties.get("priority"))
    if kind == "TXT":
        quoted = _QUOTED.findall(content) if not _QUOTED.sub("", content).strip() else ()
        strings = tuple(re.sub(r"\\(.)", r"\1", match) for match in quoted)
        value = "".join(strings) if strings else content
    elif kind == "SRV":
        words = content.split()
        value = str(data.get("target", words[-1] if words else ""))
        port = _number(data.get("port", words[-2] if len(words) > 1 else None))
        preference = _number(data.get("priority", words[0] if len(words) > 3 else preference))
        weight = _number(data.get("weight", words[-3] if len(words) > 2 else None))
    elif kind == "TLSA" and data:
        fields = ("usage", "selector", "matchingType", "certificate")
        value = " ".join(_text(data.get(field, "")) for field in fields)
    elif kind == "CAA" and data:
        value = f'{_text(data.get("flags", 0))} {data.get("tag", "")} "{data.get("value", "")}"'
    else:
        value = content or str(data.get("target", ""))
    proxied = properties.get("proxied")
    name = str(properties.get("name", "")).rstrip(".").lower()
    return ZoneRecord(
        resource, name, kind, value, strings,
        proxied if isinstance(proxied, bool) else None, port, preference, weight,
    )  # fmt: skip


def _number(value: object) -> int | None:
    try:
        return int(float(str(value)))
    except ValueError:
        return None


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, float) else str(value)


class Zone:
    """The records of a stack, by name and type."""

    def __init__(self, records: Iterable[ZoneRecord]) -> None:
        self.records = tuple(records)
        self._by_place: dict[tuple[str, str], list[ZoneRecord]] = {}
        self._names: set[str] = set()
        for record in self.records:
            self._by_place.setdefault((record.name, record.type), []).append(record)
            self._names.add(record.name)

    def at(self, name: str, kind: str) -> list[ZoneRecord]:
        """Return the records of a type at a name."""
        return self._by_place.get((name.lower(), kind), [])

    def texts(self, name: str, beginning: str) -> list[ZoneRecord]:
        """Return the TXT records at a name whose text begins in this way, case aside."""
        return [
            record
            for record in self.at(name, "TXT")
            if record.value.lower().startswith(beginning.lower())
            and record.value[len(beginning) : len(beginning) + 1] in ("", " ", ";", "\t")
        ]

    def exists(self, name: str) -> bool:
        """Tell whether any record stands at a name."""
        return name.lower() in self._names

    def addresses(self, name: str) -> list[ZoneRecord]:
        """Return the address records at a name."""
        return [*self.at(name, "A"), *self.at(name, "AAAA")]

    def has_address(self, name: str) -> bool:
        """Tell whether a name leads to an address, over aliases too."""
        for _ in range(8):
            if self.addresses(name):
                return True
            aliases = self.at(name, "CNAME")
            if not aliases:
                return False
            name = aliases[0].target
        return False

    def resolver(self, apex: str, elsewhere: Mapping[str, str]) -> Resolver:
        """Return who answers from these records.

        Args:
            apex: Name of the zone: what is not published there is not there.
            elsewhere: SPF text of names in other zones; whatever else they hold is not seen.
        """

        def ask(name: str, kind: str, /) -> Sequence[str]:
            name = name.lower()
            if not name:
                return ()  # a record whose name is not known yet
            if not f".{name}".endswith(f".{apex}"):
                if kind != "TXT" or name not in elsewhere:
                    raise UnseenError(f"{name} {kind}")
                return [elsewhere[name]] if elsewhere[name] else []
            owner = self._owner(name)
            alias = self.at(owner, "CNAME")
            if alias and alias[0].target != name:
                return ask(alias[0].target, kind)
            # A preview may not know a record's data yet; it answers nothing until then.
            return [record.answer for record in self.at(owner, kind) if record.value]

        return ask

    def _owner(self, name: str) -> str:
        """Return whose records answer for a name: its own, or a wildcard's (RFC 4592)."""
        encloser = name
        while encloser and not self.exists(name):
            encloser = encloser.partition(".")[2]
            if self.exists(f"*.{encloser}"):
                return f"*.{encloser}"
            if self.exists(encloser):
                break
        return name


def answering_otherwise(name: str, text: str, ask: Resolver) -> Resolver:
    """Return a resolver by which one name has this one TXT record, and all else is as before."""
    return lambda asked, kind: (
        [text] if (asked.lower(), kind) == (name.lower(), "TXT") else ask(asked, kind)
    )
