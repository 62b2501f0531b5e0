"""What is right however it is written: variations that no rule may refuse."""

import pytest

from policies.stack import Stack
from tests.policies.planting import Mistake, both, changed, declared, record, refused, replaced

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
