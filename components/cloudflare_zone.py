"""The zone's records at Cloudflare."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pulumi
import pulumi_cloudflare as cloudflare

from declaration.records import Caa, Record, RecordType, Srv, Tlsa, quote_text
from declaration.zone import ZoneSettings


def cloudflare_shape(record: Record) -> dict[str, Any]:
    """Return a record as the arguments of `cloudflare.DnsRecord`, without zone and time to live.

    MX carries its preference beside the content, SRV, CAA and TLSA keep everything in `data`:
    the provider is in transition between the two, so this is the only place that knows. SRV says
    its priority in both, as the API answers it in both: undeclared in one, it drifts for ever.
    """
    shape: dict[str, Any] = {"name": record.name.lower(), "type": record.type.value}
    # Said for every record: the API answers `proxied: false` for those that cannot be proxied.
    shape["proxied"] = False
    shape["comment"] = record.purpose
    value = record.value
    if isinstance(value, Srv | Caa | Tlsa):
        shape["data"] = cloudflare.DnsRecordDataArgs(**asdict(value))
    elif record.type is RecordType.TXT:
        shape["content"] = quote_text(value)
    else:
        shape["content"] = value.lower()
    if isinstance(value, Srv):
        shape["priority"] = value.priority
    elif record.preference is not None:
        shape["priority"] = record.preference
    return shape


@dataclass(frozen=True)
class ZoneArgs:
    """What the zone is made from.

    Attributes:
        records: Every record that mail needs.
        zone: The zone at Cloudflare.
        domain: The mail domain, by whose name the zone is looked up unless it has another.
        receiving: What must be there before the MX record invites mail: a mailbox that does not
            exist yet would refuse it for good.
    """

    records: Sequence[Record]
    zone: ZoneSettings
    domain: str
    receiving: Sequence[pulumi.Resource] = ()


class ZoneComponent(pulumi.ComponentResource):
    """The records of the zone at Cloudflare. The zone itself belongs to others and is looked up.

    Attributes:
        zone_id: Cloudflare's id of the zone.
        records: The records by key, such as `mx-a`.
    """

    zone_id: pulumi.Output[str]
    records: dict[str, cloudflare.DnsRecord]

    def __init__(
        self, name: str, args: ZoneArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("mail:components:Zone", name, None, opts)
        self.zone_id = self._zone_id(args)
        self.records = {
            record.key: cloudflare.DnsRecord(
                record.key,
                zone_id=self.zone_id,
                ttl=args.zone.ttl,
                **cloudflare_shape(record),
                opts=pulumi.ResourceOptions(
                    parent=self, depends_on=args.receiving if record.key == "apex-mx" else None
                ),
            )
            for record in args.records
        }
        self.register_outputs({"zone_id": self.zone_id})

    def _zone_id(self, args: ZoneArgs) -> pulumi.Output[str]:
        if args.zone.id is not None:
            return pulumi.Output.from_input(args.zone.id)
        name = args.zone.name or args.domain
        found = cloudflare.get_zone_output(
            filter=cloudflare.GetZoneFilterArgs(name=name, match="all"),
            opts=pulumi.InvokeOptions(parent=self),
        )
        return found.zone_id
