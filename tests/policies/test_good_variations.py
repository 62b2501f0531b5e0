"""What is right however it is written: variations that no rule may refuse."""

import pytest

from policies.stack import Stack
from tests.policies.planting import (
    Mistake,
    both,
    changed,
    declared,
    deployed,
    record,
    refused,
    replaced,
)

DOMAIN = "portugalodyssey.pt"
_DIGEST = "ab" * 32


def _weighted(weight: float) -> dict[str, object]:
    target = f"mx.{DOMAIN}"
    return {"priority": 0.0, "weight": weight, "port": 993.0, "target": target}


VARIATIONS: dict[str, Mistake] = {
    "TLS reports go to a web address": record(
        "_smtp._tls", "TXT", '"v=TLSRPTv1; rua=https://reports.example/tls"'
    ),
    "a service has proved that the domain is ours": record(
        "", "TXT", '"google-site-verification=abc"'
    ),
    "keys are named for more ports": both(
        declared("zone.tlsa", (_DIGEST,)),
        *(record(f"_{port}._tcp.mx", "TLSA", f"3 1 1 {_DIGEST}") for port in (25, 465, 993)),
    ),
    "a service has several weights": record("_imaps._tcp", "SRV", "", data=_weighted(5.0)),
    "CAA names the issuer and a report address": both(
        record("", "CAA", '0 issue "letsencrypt.org"'),
        record("", "CAA", f'0 iodef "mailto:postmaster@{DOMAIN}"'),
    ),
    "CAA names the way in which the certificate is asked for": record(
        "", "CAA", '0 issue "LetsEncrypt.org; validationmethods=dns-01"'
    ),
    "SPF in capitals": replaced("apex-spf", "v=spf1 mx -all", "V=SPF1 MX -ALL"),
    "SPF explains itself": replaced("apex-spf", "-all", f"-all exp=why.{DOMAIN}"),
    "the DKIM record says its version and type": replaced("dkim", '"p=', '"v=DKIM1; k=rsa; " "p='),
    "the DKIM record is for mail and this domain": replaced("dkim", '"p=', '"s=email; t=s; " "p='),
    "the DMARC record in another order": changed(
        "dmarc",
        f'"v=DMARC1;p=None; aspf=r; adkim=r; sp=none; rua=mailto:postmaster@{DOMAIN};"',
        "content",
    ),
}


@pytest.mark.parametrize("what", VARIATIONS)
def test_a_good_variation_is_not_refused(good: Stack, what: str) -> None:
    assert refused(VARIATIONS[what](good)) == set()


def test_old_mail_that_is_moved_in_is_not_refused() -> None:
    source = {"name": "gmail", "mailbox": "cristina", "server": "imap.gmail.com",
              "user": "c@gmail.com", "until": "2026-12-31"}  # fmt: skip
    stack = deployed(imports=[source])

    assert stack.of_type("mailcow:index:SyncJob")
    assert refused(stack) == set()


_ACCOUNTS: dict[str, dict[str, object]] = {
    "scaleway": {"provider": "scaleway", "user": "project-id"},
    "mailgun": {"provider": "mailgun", "user": "postmaster@send.portugalodyssey.pt", "port": 465},
    "brevo": {
        "provider": "brevo", "user": "x@smtp-brevo.com", "region": "FR", "selector": "brevo1",
        "dkimNames": {f"brevo{number}": f"b{number}.example.dkim.brevo.com" for number in (1, 2)},
        "verification": "brevo-code:0123456789abcdef",
    },
    "other": {
        "provider": "other", "host": "relay.example.net", "user": "company", "region": "DE",
        "spfInclude": "spf.example.net", "port": 2525,
    },
}  # fmt: skip
_INCLUDED = {"scaleway": "_spf.tem.scaleway.com", "other": "spf.example.net"}


@pytest.mark.parametrize("name", _ACCOUNTS)
def test_another_smarthost_is_refused_for_nothing_but_an_spf_record_never_looked_up(
    name: str,
) -> None:
    account = dict(_ACCOUNTS[name])
    more: dict[str, object] = {"dkimPublicKey": ""} if "dkimNames" in account else {}
    if name in _INCLUDED:
        more["zone"] = {"apexSpf": f"v=spf1 mx include:{_INCLUDED[name]} -all"}

    unseen = set() if name == "brevo" else {"spf-includes-known"}
    assert refused(deployed(smarthost=account, **more)) == unseen
