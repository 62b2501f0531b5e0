"""The zone: which of its records are declared, and by which purpose they are known again."""

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from operations.adopt.comparing import compared
from operations.adopt.model import Area, Match, Plain, Question, Stranger, Wanted
from operations.site import Site

TYPE = "cloudflare:index/dnsRecord:DnsRecord"
_MANY = frozenset({"A", "AAAA", "MX", "SRV", "CAA", "TLSA", "NS", "TXT"})
"""Types of which a name may have several."""
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_SHOWN = 60


def plain_text(content: str) -> str:
    """Return a TXT record's text in one piece, whether its strings are quoted or not."""
    strings = _STRING.findall(content)
    return "".join(strings) if strings else content.strip()


def canonical(key: str, value: Any) -> Any:
    """Return a property in the form in which the provider compares it."""
    if key == "name" and isinstance(value, str):
        return value.rstrip(".").lower()
    if key == "data" and isinstance(value, dict):
        return {name: _number(item) for name, item in value.items() if item is not None}
    return _number(value)


def _number(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value.lower() if isinstance(value, str) and value.count('"') == 0 else value


def purpose(kind: str, content: str) -> str:
    """Return what a record is for, as far as its text tells: two SPF records are rivals."""
    if kind != "TXT":
        return kind
    text = plain_text(content)
    found = re.match(r"\s*(v=\w+|p=|path=)", text, re.IGNORECASE)
    if found is None:
        return f"TXT {text}"
    # A key without its version (RFC 6376 section 3.6.1) is a key all the same.
    tag = found[1].lower()
    return f"TXT {'v=dkim1' if tag == 'p=' else tag}"


def _content(record: Plain) -> str:
    data = record.get("data")
    if isinstance(data, dict):
        return " ".join(str(canonical("", data[key])) for key in sorted(data))
    return str(record.get("content") or "")


def _key(record: Plain) -> tuple[str, str]:
    return str(canonical("name", record["name"])), str(record["type"])


def match_records(wanted: Sequence[Wanted], live: Sequence[Plain], zone: str) -> Area:
    """Match declared records with those of the zone.

    A record is known again by its name, its type and its content; where the content differs, by
    its purpose, if only one is left on either side. Where several are left it is a question.

    Args:
        wanted: Declared records.
        live: Records of the zone, keys as at the API.
        zone: Id of the zone.
    """
    area = Area("zone")
    left: defaultdict[tuple[str, str], list[Plain]] = defaultdict(list)
    for record in live:
        left[_key(record)].append(record)
    inexact = []
    for resource in wanted:
        rivals = left[_key(resource.inputs)]
        same = [record for record in rivals if _same(resource.inputs, record)]
        if same:
            rivals.remove(same[0])
            area.matches.append(_matched(resource, same[0], zone))
        else:
            inexact.append(resource)
    _match_by_purpose(area, inexact, left, zone)
    asked = {identity for question in area.questions for identity in question.candidates}
    area.strangers += [
        Stranger(
            "record", f"{record['type']} {record['name']} {shown(record)}", _note(record, wanted)
        )
        for rivals in left.values()
        for record in rivals
        if f"{zone}/{record['id']}" not in asked
    ]
    return area


def _same(one: Plain, other: Plain) -> bool:
    if one["type"] == "TXT":
        return plain_text(_content(one)) == plain_text(_content(other))
    return _content(one).lower().rstrip(".") == _content(other).lower().rstrip(".")


def _match_by_purpose(
    area: Area,
    wanted: Sequence[Wanted],
    left: dict[tuple[str, str], list[Plain]],
    zone: str,
) -> None:
    groups: defaultdict[tuple[str, str, str], list[Wanted]] = defaultdict(list)
    for resource in wanted:
        groups[
            *_key(resource.inputs), purpose(resource.text("type"), _content(resource.inputs))
        ].append(resource)
    for (name, kind, use), declared in groups.items():
        rivals = [record for record in left[name, kind] if purpose(kind, _content(record)) == use]
        if len(rivals) == 1 and len(declared) == 1:
            left[name, kind].remove(rivals[0])
            area.matches.append(_matched(declared[0], rivals[0], zone))
        elif rivals:
            candidates = {f"{zone}/{record['id']}": shown(record) for record in rivals}
            text = f"{len(rivals)} records {kind} {name} might be it, none as declared"
            area.questions += [Question(record, text, candidates) for record in declared]
        else:
            area.missing += declared
            area.warnings += [
                f"{record.name}: {name} is a CNAME in the zone, beside which no other record may "
                f"stand; remove it first"
                for record in declared
                if left.get((name, "CNAME"))
            ]


def _matched(one: Wanted, record: Plain, zone: str) -> Match:
    return compared(
        one,
        f"{zone}/{record['id']}",
        record,
        canonical=canonical,
        replacing=("type", "zoneId"),
        ignored=("zoneId",),
    )


def _title(record: Plain) -> str:
    return f"{record['type']} {record['name']} {shown(record)}"


def shown(record: Plain) -> str:
    """Return a record's content for a person, long keys shortened."""
    content = str(record.get("content") or _content(record))
    if record["type"] == "TXT":
        content = plain_text(content)
    if record["type"] == "MX":
        content = f"{canonical('', record.get('priority'))} {content}"
    return content if len(content) <= _SHOWN else f"{content[:_SHOWN]}..."


def _note(record: Plain, wanted: Sequence[Wanted]) -> str:
    """Say what an undeclared record does to the declared mail."""
    key, use = _key(record), purpose(str(record["type"]), _content(record))
    declared = [resource for resource in wanted if _key(resource.inputs) == key]
    if record["type"] == "MX" and declared:
        return "mail would also be delivered there"
    rivals = [
        item for item in declared if purpose(str(record["type"]), _content(item.inputs)) == use
    ]
    if rivals and use in {"TXT v=spf1", "TXT v=dmarc1"}:
        return f"a second one makes both void, beside {rivals[0].name}"
    if rivals and record["type"] in {"A", "AAAA"}:
        return f"answers beside {rivals[0].name}"
    return ""


async def look(site: Site, wanted: Sequence[Wanted]) -> Area:
    """Read the zone and match it."""
    records = [resource for resource in wanted if resource.type == TYPE]
    zone = next((record.text("zoneId") for record in records if record.text("zoneId")), "")
    if not zone:
        area = Area("zone", missing=records)
        area.unread.append("the zone's id is not known: the program could not look it up")
        return area
    live = [item.to_dict() async for item in site.cloudflare.dns.records.list(zone_id=zone)]
    return match_records(records, live, zone)
