"""DKIM, DMARC, MTA-STS, TLS reporting, CAA, TLSA and SRV: what a record means to who reads it."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from readers import caa, dkim, dmarc, mta_sts, srv, tlsa
from readers.dmarc import Policy
from readers.mistake import MistakeError
from tests.readers.names import answering


def rsa_key(bits: int) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits).public_key()
    encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(encoded).decode()


GOOD = rsa_key(1024)


@pytest.mark.parametrize(
    "record",
    [
        f"p={GOOD}",
        f"v=DKIM1; k=rsa; t=s; s=email; h=sha1:sha256; n=a note; p={GOOD[:60]} {GOOD[60:]};",
        f"s=*; x=unknown; p={GOOD}",
    ],
)
def test_a_key_for_mail_is_usable_however_it_is_written(record: str) -> None:
    assert dkim.parse(record).usable
    assert dkim.parse(record).is_same(dkim.parse(f"p={GOOD}"))


@pytest.mark.parametrize(
    ("record", "place"),
    [
        ("v=DKIM1; k=rsa; p=", "p"),
        ("v=DKIM1; k=rsa", "p"),
        (f"k=rsa; v=DKIM1; p={GOOD}", "v"),
        (f"v=DKIM2; p={GOOD}", "v"),
        (f"k=dsa; p={GOOD}", "k"),
        (f"k=ed25519; p={GOOD}", "p"),
        (f"h=sha1; p={GOOD}", "h"),
        (f"s=tlsrpt; p={GOOD}", "s"),
        (f"t=y:s; p={GOOD}", "t"),
        (f"p={GOOD}; p={GOOD}", "p"),
        (f"{GOOD}", "part 1"),
        (f"p={GOOD[:-8]}", "p"),
    ],
)
def test_what_is_no_key_for_mail_says_why(record: str, place: str) -> None:
    assert place in [mistake.place for mistake in dkim.parse(record).mistakes]


def test_an_ed25519_key_is_raw() -> None:
    raw = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()

    assert dkim.parse(f"k=ed25519; p={base64.b64encode(raw).decode()}").usable


@pytest.mark.parametrize(
    ("record", "own", "below", "nowhere"),
    [
        ("v=DMARC1; p=reject", "reject", "reject", "reject"),
        ("v=DMARC1; p=reject; sp=quarantine", "reject", "quarantine", "quarantine"),
        ("v=DMARC1; p=none; np=reject", "none", "none", "reject"),
        ("v=DMARC1; p=reject; sp=none; np=quarantine", "reject", "none", "quarantine"),
        ("v=DMARC1; p=reject; t=y", "quarantine", "quarantine", "quarantine"),
        ("v=DMARC1; p=quarantine; t=y", "none", "none", "none"),
        ("v=DMARC1; rua=mailto:a@b.example", "none", "none", "none"),
        ("v=DMARC1; P=Reject", "reject", "reject", "reject"),
    ],
)
def test_the_policy_depends_on_the_name(record: str, own: str, below: str, nowhere: str) -> None:
    read = dmarc.parse(record)

    policies = (read.policy(), read.policy(below=True), read.policy(below=True, exists=False))
    assert tuple(map(str, policies)) == (own, below, nowhere)


@pytest.mark.parametrize(
    ("record", "place"),
    [
        ("v=dmarc1; p=none", "v"),
        ("p=none; v=DMARC1", "v"),
        ("v=DMARC1 p=none", "v"),
        ("v=DMARC1; p=nothing", "p"),
        ("v=DMARC1; p=none; pct=50", "pct"),
        ("v=DMARC1; p=none; foo=bar", "foo"),
        ("v=DMARC1; p=none; p=reject", "p"),
        ("v=DMARC1; p=none; rua=a@b.example", "rua"),
        ("v=DMARC1; p=none; rua=mailto:a@b.example!10m", "rua"),
        ("v=DMARC1; p=none; ruf=mailto:", "ruf"),
        ("v=DMARC1; p=none; fo=2", "fo"),
        ("v=DMARC1; p=none; whatever", "part 3"),
    ],
)
def test_a_dmarc_record_names_what_is_wrong(record: str, place: str) -> None:
    assert place in [mistake.place for mistake in dmarc.parse(record).mistakes]


ZONE = {
    "_dmarc.example.com TXT": ["v=DMARC1; p=quarantine; sp=reject; np=none"],
    "_dmarc.strict.example.com TXT": ["v=DMARC1; p=reject; psd=n"],
    "_dmarc.suffix TXT": ["v=DMARC1; p=none; psd=y"],
    "_dmarc.two.example TXT": ["v=DMARC1; p=none", "v=DMARC1; p=reject"],
    "example.com._report._dmarc.reports.example TXT": ["v=DMARC1"],
}


@pytest.mark.parametrize(
    ("name", "organization"),
    [
        ("example.com", "example.com"),
        ("a.b.example.com", "example.com"),
        ("strict.example.com", "strict.example.com"),
        ("x.strict.example.com", "strict.example.com"),
        ("a.shop.suffix", "shop.suffix"),
        ("nobody.example", "nobody.example"),
        ("two.example", "two.example"),
        ("a.b.c.d.e.f.g.h.i.example.com", "example.com"),
    ],
)
def test_the_organization_is_found_by_walking_up(name: str, organization: str) -> None:
    assert dmarc.organization(name, answering(ZONE)) == organization


def test_a_walk_asks_eight_times_at_most() -> None:
    asked = []

    def ask(name: str, kind: str, /) -> list[str]:
        asked.append(name)
        return []

    assert dmarc.walk("a.b.c.d.e.f.g.h.i.j.k.example.com", ask) == []
    assert len(asked) == 8
    assert asked[1] == "_dmarc.g.h.i.j.k.example.com"
    assert asked[-1] == "_dmarc.com"


@pytest.mark.parametrize(
    ("name", "exists", "policy"),
    [
        ("example.com", True, Policy.QUARANTINE),
        ("sub.example.com", True, Policy.REJECT),
        ("gone.example.com", False, Policy.NONE),
        ("strict.example.com", True, Policy.REJECT),
        ("shop.suffix", True, Policy.NONE),
    ],
)
def test_the_policy_of_a_name_is_discovered(name: str, exists: bool, policy: Policy) -> None:  # noqa: FBT001 - a parameter of the table
    found = dmarc.discover(name, answering(ZONE), exists=exists)

    assert found is not None
    assert found.policy is policy


def test_a_name_of_which_nobody_says_anything_has_no_policy() -> None:
    assert dmarc.discover("nobody.example", answering(ZONE)) is None
    assert dmarc.discover("two.example", answering(ZONE)) is None


@pytest.mark.parametrize(
    ("authenticated", "alignment"),
    [
        ("example.com", "strict"),
        ("send.example.com", "relaxed"),
        ("strict.example.com", "none"),
        ("elsewhere.example", "none"),
    ],
)
def test_alignment_goes_by_the_organization(authenticated: str, alignment: str) -> None:
    ask = answering(ZONE)

    strict = dmarc.aligned("example.com", authenticated, ask, strict=True)
    relaxed = dmarc.aligned("example.com", authenticated, ask, strict=False)

    assert (strict, relaxed) == (alignment == "strict", alignment != "none")


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("r@example.com", True),
        ("r@in.example.com", True),
        ("r@reports.example", True),
        ("r@stranger.example", False),
    ],
)
def test_reports_go_outside_only_with_consent(address: str, may: bool) -> None:  # noqa: FBT001 - a parameter of the table
    assert dmarc.authorised("example.com", address, answering(ZONE)) is may


POLICY = (
    "version: STSv1\r\nmode: enforce\r\nmx: mx.example.com\r\nmx: *.example.net\r\n"
    "max_age: 86400\r\n"
)


def test_an_mta_sts_policy_allows_what_it_lists() -> None:
    read = mta_sts.policy(POLICY)

    assert read.mistakes == ()
    assert (read.mode, read.max_age) == ("enforce", 86400)
    assert read.allows("MX.example.com.")
    assert read.allows("a.example.net")
    assert not read.allows("a.b.example.net")
    assert not read.allows("example.net")


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("version: STSv1\r\n", "", "version"),
        ("STSv1", "STSv2", "version"),
        ("mode: enforce\r\n", "", "mode"),
        ("enforce", "enforced", "mode"),
        ("max_age: 86400\r\n", "", "max_age"),
        ("86400", "-1", "max_age"),
        ("86400", "31557601", "max_age"),
        ("mx: mx.example.com\r\nmx: *.example.net\r\n", "", "mx"),
        ("mx.example.com", "10 mx.example.com", "line 3"),
        ("mode: enforce", "mode enforce", "line 2"),
    ],
)
def test_a_policy_that_senders_take_for_none_says_why(old: str, new: str, place: str) -> None:
    mistakes = mta_sts.policy(POLICY.replace(old, new)).mistakes

    assert place in [mistake.place for mistake in mistakes]


@pytest.mark.parametrize(
    ("texts", "identity"),
    [
        (["v=STSv1; id=20261101"], "20261101"),
        (["hello", "v=STSv1; id=a1;"], "a1"),
        (["v=STSv1; id=2026-11"], ""),
        (["v=STSv1;"], ""),
        (["v=STSv1; id=a", "v=STSv1; id=b"], ""),
    ],
)
def test_an_announcement_is_one_record_with_an_id(texts: list[str], identity: str) -> None:
    read = mta_sts.announcement(texts)

    assert read is not None
    assert read.id == identity
    assert mta_sts.announcement(["v=STSv10; id=a"]) is None


def test_tls_reports_may_go_to_a_web_address() -> None:
    read = mta_sts.reporting(["v=TLSRPTv1; rua=mailto:a@b.example,https://b.example/tls"])

    assert read is not None
    assert (read.addresses, read.mistakes) == (("a@b.example",), ())
    for text in ("v=TLSRPTv1", "v=TLSRPTv1; rua=a@b.example", "v=TLSRPTv1; rua=http://b.example"):
        broken = mta_sts.reporting([text])
        assert broken is not None
        assert broken.mistakes
    assert mta_sts.reporting(["v=TLSRPTv2; rua=mailto:a@b.example"]) is None


@pytest.mark.parametrize(
    ("records", "may"),
    [
        ([], True),
        (['0 issue "letsencrypt.org"'], True),
        (['0 ISSUE "LetsEncrypt.org"'], True),
        (['0 issue "digicert.com"', '128 issue "letsencrypt.org"'], True),
        (['0 iodef "mailto:a@b.example"'], True),
        (['0 issuewild ";"'], True),
        (['0 issue "letsencrypt.org; validationmethods=dns-01,http-01"'], True),
        (['0 issue "letsencrypt.org; accounturi=https://x.example/1"'], True),
        (['0 issue ";"'], False),
        (['0 issue "letsencrypt.org.evil.example"'], False),
        (['0 issue "notletsencrypt.org"'], False),
        (['0 issue "letsencrypt.org; validationmethods=http-01"'], False),
        (['128 tbs "x"', '0 issue "letsencrypt.org"'], False),
        (['0 issue "lets encrypt.org"', '0 issue "letsencrypt.org"'], False),
    ],
)
def test_an_authority_may_issue_where_caa_lets_it(records: list[str], may: bool) -> None:  # noqa: FBT001 - a parameter of the table
    assert (caa.refusal(records, "letsencrypt.org", ("dns-01",)) is None) is may


def test_caa_holds_for_the_nearest_name() -> None:
    zone = {"example.com": ['0 issue "a.example"'], "b.example.com": ['0 issue "b.example"']}

    assert caa.climb("x.b.example.com", lambda name: zone.get(name, ())) == zone["b.example.com"]
    assert caa.climb("*.example.com", lambda name: zone.get(name, ())) == zone["example.com"]
    assert caa.refusal(['0 issue "a"', '0 issuewild "b"'], "a", wildcard=True) is not None


def test_tlsa_data_has_the_length_of_its_digest() -> None:
    assert tlsa.parse(f"3 1 1 {'AB' * 32}") == tlsa.Tlsa(3, 1, 1, "ab" * 32)
    for data in (
        f"3 1 1 {'ab' * 31}",
        f"4 1 1 {'ab' * 32}",
        f"3 1 2 {'ab' * 32}",
        "3 1 1",
        "x y z w",
    ):
        with pytest.raises(MistakeError):
            tlsa.parse(data)


def test_a_service_record_names_a_host_or_says_that_there_is_none() -> None:
    assert srv.parse("0 1 993 MX.example.com.") == srv.Srv(0, 1, 993, "mx.example.com")
    assert not srv.parse("0 0 0 .").offered
    for data in ("0 1 993", "0 1 99999 mx.example.com", "0 1 993 192.0.2.1"):
        with pytest.raises(MistakeError):
            srv.parse(data)
