"""The zones of the rehearsed Cloudflare account: what its API writes and its DNS serves."""

import ipaddress
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RECORD_QUOTA = 200
"""Records that a zone on the free plan may hold."""

_PROXIABLE = frozenset({"A", "AAAA", "CNAME"})
_SINGLE_HOST = {"A": 9005, "AAAA": 9006, "CNAME": 9007, "NS": 9008, "MX": 9009}
_DATA_FIELDS = {
    "SRV": ("priority", "weight", "port", "target"),
    "CAA": ("flags", "tag", "value"),
    "TLSA": ("usage", "selector", "matching_type", "certificate"),
}
_HOST = re.compile(r"^(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_-]{1,63}\.?$")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_STRING_LIMIT = 255


class RecordError(Exception):
    """A refusal in Cloudflare's words.

    Attributes:
        status: HTTP status.
        code: Cloudflare's error code.
        chain: The reasons below it, as (code, message).
    """

    def __init__(
        self, code: int, message: str, *, status: int = 400, chain: tuple[tuple[int, str], ...] = ()
    ) -> None:
        """Keep the words and the codes."""
        super().__init__(message)
        self.code = code
        self.status = status
        self.chain = chain


def _invalid(code: int, message: str) -> RecordError:
    return RecordError(1004, "DNS Validation Error", chain=((code, message),))


def now() -> str:
    """Return the time as Cloudflare writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def split_strings(content: str) -> list[bytes]:
    r"""Return the character strings of a TXT record's content.

    Args:
        content: `"one" "two"` with `\"`, `\\` and `\ddd` escapes, or plain text, which is one
            string; whatever is longer than 255 bytes is cut.
    """
    stripped = content.strip()
    quoted = _QUOTED.findall(stripped) if stripped.startswith('"') else []
    if quoted and _QUOTED.sub("", stripped).strip() == "":
        texts = [_unescape(match) for match in quoted]
    else:
        texts = [content.encode()]
    strings: list[bytes] = []
    for text in texts:
        starts = range(0, max(len(text), 1), _STRING_LIMIT)
        strings.extend(text[start : start + _STRING_LIMIT] for start in starts)
    return strings


def _unescape(text: str) -> bytes:
    def one(match: re.Match[str]) -> str:
        escape = match.group(1)
        return chr(int(escape)) if escape.isdigit() else escape

    return re.sub(r"\\(\d{3}|.)", one, text).encode("utf-8")


def _quote(text: bytes) -> str:
    escaped = text.decode("utf-8", "surrogateescape").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _txt(content: str) -> str:
    strings = split_strings(content)
    if not content.strip().startswith('"') and len(strings) == 1:
        return content  # plain text of one string is kept as it was sent
    return " ".join(_quote(string) for string in strings)


def _host(kind: str, value: object) -> str:
    text = str(value or "").lower()
    text = text.rstrip(".") if text != "." else text
    is_address = re.fullmatch(r"[\d.]+", text) is not None and text != "."
    if text == "." or (_HOST.fullmatch(text) and not is_address):
        return text
    code = _SINGLE_HOST.get(kind, 9101)
    raise _invalid(code, f"Content for {kind} record is invalid.")


def _number(value: object, name: str, limit: int) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _invalid(9101, f"{name} is a required data field.")
    if not 0 <= value <= limit:
        raise _invalid(9101, f"{name} must be between 0 and {limit}.")
    return value


def _address(kind: str, content: object) -> str:
    version = ipaddress.IPv4Address if kind == "A" else ipaddress.IPv6Address
    number = "4" if kind == "A" else "6"
    try:
        return str(version(str(content)))
    except ValueError:
        words = f"Content for {kind} record must be a valid IPv{number} address."
        raise _invalid(_SINGLE_HOST[kind], words) from None


@dataclass
class Record:
    """One record of a zone, as the API shows it.

    Attributes:
        id: 32 hexadecimal digits.
        name: Fully qualified, lower case, no trailing dot.
        ttl: Seconds; 1 means automatic.
    """

    id: str
    name: str
    type: str
    content: str
    ttl: int
    proxied: bool
    priority: int | None = None
    data: dict[str, Any] | None = None
    comment: str | None = None
    tags: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    created_on: str = ""
    modified_on: str = ""

    @property
    def served_ttl(self) -> int:
        """Time to live that DNS answers carry, in seconds."""
        return 300 if self.ttl == 1 else self.ttl

    def answer(self) -> dict[str, Any]:
        """Return the record as the API answers it."""
        shown = {key: value for key, value in asdict(self).items() if value is not None}
        shown["comment"] = self.comment
        shown["proxiable"] = self.type in _PROXIABLE
        shown["meta"] = {}
        if self.comment is not None:
            shown["comment_modified_on"] = self.modified_on
        if self.tags:
            shown["tags_modified_on"] = self.modified_on
        return shown

    def same_as(self, other: "Record") -> bool:
        """Return whether both say the same thing at the same name."""
        return (self.type, self.name, self.content, self.priority, self.data) == (
            other.type, other.name, other.content, other.priority, other.data,
        )  # fmt: skip


@dataclass
class Zone:
    """One zone of the account."""

    id: str
    name: str
    created_on: str
    records: dict[str, Record] = field(default_factory=dict)

    def qualify(self, name: object) -> str:
        """Return a record's full name: `@` and short names are completed with the zone's."""
        text = str(name or "").strip().lower().rstrip(".")
        if text in {"", "@", self.name}:
            text = self.name
        elif not text.endswith("." + self.name):
            text = f"{text}.{self.name}"
        bare = text.removeprefix("*.")
        if not _HOST.fullmatch(bare) or len(text) > 253:
            raise _invalid(9000, "DNS name is invalid.")
        return text

    def at(self, name: str) -> list[Record]:
        """Return the records at `name`."""
        return [record for record in self.records.values() if record.name == name]


def _data_content(kind: str, given: Mapping[str, Any]) -> tuple[str, dict[str, Any], int | None]:
    data = given.get("data")
    if not isinstance(data, Mapping):
        raise _invalid(9101, f"data is required for {kind} records.")
    for name in _DATA_FIELDS[kind]:
        if data.get(name) is None:
            raise _invalid(9101, f"{name} is a required data field.")
    if kind == "SRV":
        srv = {name: _number(data[name], name, 65535) for name in ("priority", "weight", "port")}
        target = _host(kind, data["target"])
        content = f"{srv['weight']} {srv['port']} {target}"
        return content, {**srv, "target": target}, srv["priority"]
    if kind == "CAA":
        flags = _number(data["flags"], "flags", 255)
        tag = str(data["tag"])
        if tag not in {"issue", "issuewild", "iodef", "contactemail", "contactphone", "issuemail"}:
            raise _invalid(9101, "tag is invalid.")
        value = str(data["value"])
        return f'{flags} {tag} "{value}"', {"flags": flags, "tag": tag, "value": value}, None
    numbers = {
        name: _number(data[name], name, 255) for name in ("usage", "selector", "matching_type")
    }
    certificate = str(data["certificate"]).lower()
    if not re.fullmatch(r"(?:[0-9a-f]{2})+", certificate):
        raise _invalid(9101, "certificate is not valid hexadecimal.")
    content = " ".join([*(str(number) for number in numbers.values()), certificate])
    return content, {**numbers, "certificate": certificate}, None


def _mx(given: Mapping[str, Any]) -> tuple[str, int]:
    data = given.get("data")
    data = data if isinstance(data, Mapping) else {}
    priority = given.get("priority", data.get("priority"))
    target = given.get("content", data.get("target"))
    return _host("MX", target), _number(priority, "priority", 65535)


def _ttl(given: Mapping[str, Any], *, proxied: bool) -> int:
    ttl = given.get("ttl", 1)
    if isinstance(ttl, float) and ttl.is_integer():
        ttl = int(ttl)
    if not isinstance(ttl, int) or isinstance(ttl, bool) or (ttl != 1 and not 60 <= ttl <= 86400):
        words = "Invalid TTL. Must be between 60 and 86,400 seconds, or 1 for Automatic."
        raise _invalid(9021, words)
    return 1 if proxied else ttl


def _read(zone: Zone, given: Mapping[str, Any], record_id: str) -> Record:
    """Turn what was sent into a record, or refuse it as Cloudflare does."""
    kind = str(given.get("type") or "").upper()
    name = zone.qualify(given.get("name"))
    data: dict[str, Any] | None = None
    priority: int | None = None
    if kind in {"A", "AAAA"}:
        content = _address(kind, given.get("content"))
    elif kind in {"CNAME", "NS", "PTR"}:
        content = _host(kind, given.get("content"))
    elif kind == "MX":
        content, priority = _mx(given)
    elif kind == "TXT":
        content = str(given.get("content") or "")
        if not content.strip():
            raise _invalid(9027, "Content for TXT record must not be empty.")
        content = _txt(content)
    elif kind in _DATA_FIELDS:
        content, data, priority = _data_content(kind, given)
    else:
        raise _invalid(9002, "Invalid DNS record type.")
    proxied = bool(given.get("proxied") or False)
    if proxied and kind not in _PROXIABLE:
        raise RecordError(9004, "This record type cannot be proxied.")
    comment = given.get("comment")
    return Record(
        id=record_id, name=name, type=kind, content=content, proxied=proxied, priority=priority,
        ttl=_ttl(given, proxied=proxied), data=data, comment=str(comment) if comment else None,
        tags=[str(tag).lower() for tag in given.get("tags") or []],
        settings=dict(given.get("settings") or {}),
    )  # fmt: skip


def _refuse_collision(zone: Zone, record: Record) -> None:
    others = [zone_record for zone_record in zone.at(record.name) if zone_record.id != record.id]
    if any(record.same_as(other) for other in others):
        raise RecordError(81058, "An identical record already exists.")
    kinds = {other.type for other in others}
    if record.type == "CNAME" and kinds & _PROXIABLE:
        words = "An A, AAAA, or CNAME record with that host already exists."
        raise RecordError(81053, words)
    if record.type in {"A", "AAAA"} and "CNAME" in kinds:
        raise RecordError(81054, "A CNAME record with that host already exists.")


class ZoneStore:
    """The zones of one account, kept in a file."""

    def __init__(self, file: Path, *, quota: int = RECORD_QUOTA) -> None:
        """Read the zones kept in `file`, if there are any.

        Args:
            file: JSON file; its folder is made when the first zone is.
            quota: Records that a zone may hold.
        """
        self._file = file
        self._quota = quota
        self.zones: dict[str, Zone] = {}
        if file.exists():
            for kept in json.loads(file.read_text()):
                records = {item["id"]: Record(**item) for item in kept.pop("records")}
                self.zones[kept["id"]] = Zone(**kept, records=records)

    def _keep(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        kept = [
            {**asdict(zone), "records": [asdict(record) for record in zone.records.values()]}
            for zone in self.zones.values()
        ]
        draft = self._file.with_suffix(".new")
        draft.write_text(json.dumps(kept))
        draft.replace(self._file)

    def open_zone(self, name: str) -> Zone:
        """Return the zone called `name`, added as the account's owner would if it is missing."""
        name = name.lower().rstrip(".")
        for zone in self.zones.values():
            if zone.name == name:
                return zone
        zone = Zone(id=secrets.token_hex(16), name=name, created_on=now())
        self.zones[zone.id] = zone
        self._keep()
        return zone

    def zone(self, zone_id: str) -> Zone:
        """Return the zone with this id.

        Raises:
            RecordError: there is none.
        """
        if zone_id not in self.zones:
            words = f"Could not route to /client/v4/zones/{zone_id}, perhaps your object "
            raise RecordError(7003, words + "identifier is invalid?", status=404)
        return self.zones[zone_id]

    def zone_of(self, name: str) -> Zone | None:
        """Return the zone that is authoritative for `name`, the most specific one."""
        name = name.lower().rstrip(".")
        holding = [
            zone
            for zone in self.zones.values()
            if name == zone.name or name.endswith("." + zone.name)
        ]
        return max(holding, key=lambda zone: len(zone.name), default=None)

    def record(self, zone_id: str, record_id: str) -> Record:
        """Return one record.

        Raises:
            RecordError: there is none.
        """
        record = self.zone(zone_id).records.get(record_id)
        if record is None:
            raise RecordError(81044, "Record does not exist.", status=404)
        return record

    def add(self, zone_id: str, given: Mapping[str, Any]) -> Record:
        """Add a record.

        Raises:
            RecordError: it is invalid, collides, or exceeds the quota.
        """
        zone = self.zone(zone_id)
        record = _read(zone, given, secrets.token_hex(16))
        _refuse_collision(zone, record)
        if len(zone.records) >= self._quota:
            raise RecordError(81045, "Record quota exceeded.")
        record.created_on = record.modified_on = now()
        zone.records[record.id] = record
        self._keep()
        return record

    def replace(self, zone_id: str, record_id: str, given: Mapping[str, Any]) -> Record:
        """Write a record anew (PUT): what is not given falls back to its default.

        Raises:
            RecordError: there is none, it is invalid, or it collides.
        """
        was = self.record(zone_id, record_id)
        zone = self.zone(zone_id)
        record = _read(zone, given, record_id)
        _refuse_collision(zone, record)
        record.created_on, record.modified_on = was.created_on, now()
        zone.records[record_id] = record
        self._keep()
        return record

    def change(self, zone_id: str, record_id: str, given: Mapping[str, Any]) -> Record:
        """Change what is given of a record (PATCH) and leave the rest.

        Raises:
            RecordError: there is none, it is invalid, or it collides.
        """
        was = self.record(zone_id, record_id)
        kept = {
            "type": was.type, "name": was.name, "content": was.content, "ttl": was.ttl,
            "proxied": was.proxied, "priority": was.priority, "data": was.data,
            "comment": was.comment, "tags": was.tags, "settings": was.settings,
        }  # fmt: skip
        return self.replace(zone_id, record_id, {**kept, **given})

    def remove(self, zone_id: str, record_id: str) -> None:
        """Remove a record.

        Raises:
            RecordError: there is none.
        """
        self.record(zone_id, record_id)
        del self.zone(zone_id).records[record_id]
        self._keep()
