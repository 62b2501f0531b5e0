"""The zone: every record that mail needs, shaped so that Cloudflare keeps it as it is."""

from typing import Any

import pulumi
from dns import rdata, rdataclass, rdatatype
from hypothesis import given
from hypothesis import strategies as st

from components.cloudflare_zone import ZoneComponent, cloudflare_shape
from declaration.model import Declaration
from declaration.reading import read
from declaration.records import Record, RecordType, Srv, quote_text, text_strings
from declaration.zone_records import mta_sts_id, records
from tests.components import arguments
from tests.recording import ZONE_ID, Recording, record

DNS_RECORD = "cloudflare:index/dnsRecord:DnsRecord"
DIGEST = "ab" * 32


def shown(declaration: Declaration) -> dict[str, str]:
    return {entry.key: str(entry) for entry in records(declaration)}


def test_the_records_of_qual_are_these(qual: Declaration) -> None:
    domain = "portugalodyssey.pt"
    zone = shown(qual)
    key = zone.pop("dkim")

    assert key.startswith(f'resend._domainkey.{domain} TXT "p=MIIB')
    assert zone == {
        "mx-a": f"mx.{domain} A 31.97.159.7",
        "admin-a": f"mail-admin.{domain} A 31.97.159.7",
        "webmail-a": f"webmail.{domain} A 31.97.159.7",
        "autoconfig-a": f"autoconfig.{domain} A 31.97.159.7",
        "autodiscover-a": f"autodiscover.{domain} A 31.97.159.7",
        "apex-mx": f"{domain} MX 10 mx.{domain}",
        "apex-spf": f'{domain} TXT "v=spf1 mx -all"',
        "dmarc": f'_dmarc.{domain} TXT "v=DMARC1; p=none; rua=mailto:postmaster@{domain}; '
        'adkim=r; aspf=r"',
        "send-mx": f"send.{domain} MX 10 feedback-smtp.eu-west-1.amazonses.com",
        "send-spf": f'send.{domain} TXT "v=spf1 include:amazonses.com ~all"',
        "srv-submissions": f"_submissions._tcp.{domain} SRV 0 1 465 mx.{domain}",
        "srv-submission": f"_submission._tcp.{domain} SRV 0 1 587 mx.{domain}",
        "srv-imaps": f"_imaps._tcp.{domain} SRV 0 1 993 mx.{domain}",
        "srv-imap": f"_imap._tcp.{domain} SRV 0 0 0 .",
        "srv-pop3s": f"_pop3s._tcp.{domain} SRV 0 0 0 .",
        "srv-pop3": f"_pop3._tcp.{domain} SRV 0 0 0 .",
        "srv-sieve": f"_sieve._tcp.{domain} SRV 0 1 4190 mx.{domain}",
        "srv-autodiscover": f"_autodiscover._tcp.{domain} SRV 0 1 443 autodiscover.{domain}",
        "srv-caldavs": f"_caldavs._tcp.{domain} SRV 0 1 443 webmail.{domain}",
        "srv-carddavs": f"_carddavs._tcp.{domain} SRV 0 1 443 webmail.{domain}",
        "path-caldavs": f'_caldavs._tcp.{domain} TXT "path=/SOGo/dav/"',
        "path-carddavs": f'_carddavs._tcp.{domain} TXT "path=/SOGo/dav/"',
    }


def test_every_record_is_one_that_a_name_server_takes(qual_values: dict[str, Any]) -> None:
    for entry in records(everything(qual_values)):
        content = str(entry).split(" ", 2)[2]
        rdata.from_text(rdataclass.IN, rdatatype.from_text(entry.type), content)


def everything(qual_values: dict[str, Any]) -> Declaration:
    """Return the declaration with every option of the zone switched on."""
    qual_values["zone"] |= {
        "mtaSts": {"mode": "enforce"},
        "tlsRpt": True,
        "caa": ["letsencrypt.org"],
        "tlsa": [DIGEST],
    }
    qual_values["ipv6"] = {"address": "2a02:4780::1", "reverseIsSet": True}
    return read(qual_values, source="x")


def test_the_options_add_their_records(qual_values: dict[str, Any]) -> None:
    domain = "portugalodyssey.pt"
    before = set(shown(read(qual_values, source="x")))

    after = shown(everything(qual_values))

    assert {key: after[key] for key in set(after) - before} == {
        "mx-aaaa": f"mx.{domain} AAAA 2a02:4780::1",
        "mta-sts-a": f"mta-sts.{domain} A 31.97.159.7",
        "mta-sts": after["mta-sts"],
        "tls-rpt": f'_smtp._tls.{domain} TXT "v=TLSRPTv1; rua=mailto:postmaster@{domain}"',
        "caa-letsencrypt.org": f'{domain} CAA 0 issue "letsencrypt.org"',
        "tlsa-abababababababab": f"_25._tcp.mx.{domain} TLSA 3 1 1 {DIGEST}",
    }


def test_switched_off_options_leave_nothing_behind(qual_values: dict[str, Any]) -> None:
    qual_values["zone"] |= {"srv": False, "apexSpf": None}
    qual_values["web"] |= {"autoconfig": False, "autodiscover": False}

    keys = set(shown(read(qual_values, source="x")))

    assert keys == {
        "mx-a", "admin-a", "webmail-a", "apex-mx", "dmarc", "send-mx", "send-spf", "dkim",
    }  # fmt: skip


def test_autodiscover_is_not_advertised_when_it_is_off(qual_values: dict[str, Any]) -> None:
    qual_values["web"]["autodiscover"] = False

    assert "srv-autodiscover" not in shown(read(qual_values, source="x"))


def test_service_records_follow_the_open_ports(qual_values: dict[str, Any]) -> None:
    qual_values["mailcow"]["rawPorts"] = [25, 465, 587, 993, 995]

    zone = shown(read(qual_values, source="x"))

    assert zone["srv-pop3s"].endswith("SRV 0 1 995 mx.portugalodyssey.pt")
    assert zone["srv-sieve"].endswith("SRV 0 0 0 .")


def test_the_policy_lists_exactly_the_mx_and_its_id_follows_its_text(
    qual_values: dict[str, Any],
) -> None:
    declaration = everything(qual_values)
    policy = declaration.names.mta_sts_policy

    assert policy == ("version: STSv1\nmode: enforce\nmx: mx.portugalodyssey.pt\nmax_age: 604800\n")
    identity = mta_sts_id(policy)
    assert identity.isalnum()
    assert 1 <= len(identity) <= 32
    assert f'"v=STSv1; id={identity}"' in shown(declaration)["mta-sts"]
    assert mta_sts_id(policy.replace("enforce", "testing")) != identity


def test_there_is_no_policy_without_a_declaration_of_it(qual: Declaration) -> None:
    assert qual.names.mta_sts_policy is None


@given(st.text(max_size=600))
def test_a_text_is_split_into_strings_that_a_zone_can_hold(text: str) -> None:
    strings = text_strings(text)

    assert "".join(strings) == text
    assert all(len(string.encode()) <= 255 for string in strings)


def test_quotes_and_backslashes_are_escaped() -> None:
    assert quote_text('say "a\\b"') == '"say \\"a\\\\b\\""'


def test_a_long_key_is_two_quoted_strings(qual: Declaration) -> None:
    key = next(entry for entry in records(qual) if entry.key == "dkim")

    content = cloudflare_shape(key)["content"]

    first, second = content.split('" "')
    assert len(first.strip('"')) == 255
    assert first.strip('"') + second.strip('"') == qual.dkim_public_key


def test_names_and_targets_are_written_in_lower_case() -> None:
    shape = cloudflare_shape(Record("x", "MX.Example.PT", RecordType.MX, "A.Example", "", 10))

    assert (shape["name"], shape["content"], shape["priority"]) == (
        "mx.example.pt",
        "a.example",
        10,
    )


def test_a_service_record_says_its_priority_where_the_api_answers_it_in_its_data_and_beside() -> (
    None
):
    shape = cloudflare_shape(Record("x", "_a._tcp.b.c", RecordType.SRV, Srv(0, 1, 443, "d"), ""))

    assert "content" not in shape
    assert (shape["data"].priority, shape["priority"]) == (0, 0)


# The component


def zone(declaration: Declaration) -> Recording:
    def program() -> None:
        receiving = pulumi.ComponentResource("test:People", "people")
        pulumi.CustomResource("test:index:Mailbox", "a-mailbox", {}, pulumi.ResourceOptions(
            parent=receiving))  # fmt: skip
        ZoneComponent("zone", arguments.zone(declaration, receiving=[receiving]))

    recording = record(program)
    assert recording.error is None
    return recording


def test_every_record_is_registered_unproxied_under_the_zone(
    qual_values: dict[str, Any],
) -> None:
    declaration = everything(qual_values)

    registered = zone(declaration).of_type(DNS_RECORD)

    assert set(registered) == set(shown(declaration))
    for text in registered.values():
        assert text.parent == "zone"
        assert text.inputs["proxied"] is False
        assert text.inputs["zoneId"] == ZONE_ID
        assert text.inputs["ttl"] == 300
        assert len(text.inputs["comment"]) <= 100
        assert "settings" not in text.inputs


def test_the_mx_record_waits_for_the_mailboxes_and_nothing_else_does(qual: Declaration) -> None:
    registered = zone(qual).of_type(DNS_RECORD)

    assert [name for name, one in registered.items() if one.after("a-mailbox")] == ["apex-mx"]


def test_the_zone_is_looked_up_by_name(qual: Declaration) -> None:
    ((token, arguments),) = zone(qual).calls

    assert token == "cloudflare:index/getZone:getZone"
    assert arguments["filter"]["name"] == "portugalodyssey.pt"


def test_a_declared_zone_is_not_looked_up(qual_values: dict[str, Any]) -> None:
    qual_values["zone"]["id"] = "f" * 32

    recording = zone(read(qual_values, source="x"))

    assert recording.calls == []
    assert recording.of_type(DNS_RECORD)["mx-a"].inputs["zoneId"] == "f" * 32
