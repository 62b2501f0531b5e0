"""The proof of a deployed world: all is well, or the cause is named, whatever is planted."""

import json
from xml.etree import ElementTree as ET

from operations.prove.model import Cause, Proof, Station, Status
from operations.prove.report import junit, page
from rehearsal.world.authority import self_signed
from tests.operations.prove.rehearsed import Rehearsed

OUT = (Station.RELAY, Station.VERDICT)
IN = (Station.NAMES, Station.DELIVERY, Station.FILING)


def statuses(proof: Proof) -> dict[str, Status]:
    return {result.check.id: result.finding.status for result in proof.results}


def broken(proof: Proof) -> dict[str, str]:
    return {
        result.check.id: result.finding.seen
        for result in proof.results
        if result.finding.status in (Status.FAIL, Status.UNKNOWN)
    }


def only_cause(proof: Proof) -> Cause:
    assert [cause.id for cause in proof.causes] != []
    assert len(proof.causes) == 1, proof.causes
    assert set(proof.causes[0].explains) >= set(broken(proof)), broken(proof)
    return proof.causes[0]


def test_a_deployed_stack_passes_every_check(rehearsed: Rehearsed) -> None:
    proof = rehearsed.prove()

    assert broken(proof) == {}
    assert proof.causes == ()
    assert proof.exit_code == 0
    assert proof.score is not None
    assert proof.score >= 9.5
    looked_at = {one for one, status in statuses(proof).items() if status is Status.PASS}
    assert looked_at >= {
        "submission-sender", "outbound-delivery", "outbound-dmarc", "inbound-inbox", "inbound-junk",
        "inbound-plus", "inbound-alias", "forgery", "relay-refused", "sieve", "autoconfig",
        "autodiscover", "handed-out", "administration-alone", "webmail", "ports-behind-traefik",
        "reverse-name", "certificate-mail",
    }  # fmt: skip


def test_an_address_that_mailcow_hands_out_and_nobody_routes_is_found(
    rehearsed: Rehearsed,
) -> None:
    routes = rehearsed.on_host("/opt/po-shared/traefik/dynamic/po-mail.yml")
    before = routes.read_text()
    routes.write_text(before.replace(f"Host(`{rehearsed.host}`)", "Host(`elsewhere.example`)"))
    try:
        proof = rehearsed.prove(Station.WEB)
    finally:
        routes.write_text(before)

    assert set(broken(proof)) == {"handed-out"}
    seen = broken(proof)["handed-out"]
    for path in (
        "Microsoft-Server-ActiveSync",
        "SOGo/dav/",
        "SOGo/",
        "mobileconfig.php",
        "qhandler",
    ):
        assert f"https://{rehearsed.host}/{path}" in seen


def test_an_administration_that_the_mail_host_answers_is_found(rehearsed: Rehearsed) -> None:
    routes = rehearsed.on_host("/opt/po-shared/traefik/dynamic/po-mail.yml")
    before = routes.read_text()
    routes.write_text(
        before.replace(f"Host(`{rehearsed.host}`) &&", f"Host(`{rehearsed.host}`) ||")
    )
    try:
        proof = rehearsed.prove(Station.WEB)
    finally:
        routes.write_text(before)

    assert f"{rehearsed.host}/SOGo/..%2fadmin" in broken(proof)["administration-alone"]


def test_no_secret_stands_in_any_report(rehearsed: Rehearsed) -> None:
    with rehearsed.faults("smarthost", login="535 5.7.8 Authentication credentials invalid"):
        proof = rehearsed.prove()
    declaration = rehearsed.stage.declaration(rehearsed.world)
    reports = [
        json.dumps(proof.as_dict()), junit.render(proof), page.render(proof, declaration),
        repr(proof),
    ]  # fmt: skip

    assert [rehearsed.leaks(report) for report in reports] == [[], [], [], []]


def test_a_smarthost_that_refuses_the_login_is_the_cause(rehearsed: Rehearsed) -> None:
    with rehearsed.faults("smarthost", login="535 5.7.8 Authentication credentials invalid"):
        proof = rehearsed.prove(*OUT)

    cause = only_cause(proof)
    assert cause.id == "smarthost-login"
    assert cause.declared_at == "mail:smarthostPassword"
    assert "535" in cause.evidence
    assert proof.exit_code == 1
    assert proof.score is not None
    assert proof.score <= 4


def test_a_smarthost_that_puts_mail_off_is_the_cause(rehearsed: Rehearsed) -> None:
    with rehearsed.faults("smarthost", data="451 4.3.0 Try again later"):
        proof = rehearsed.prove(*OUT)

    assert only_cause(proof).id == "smarthost-defers"
    assert "Nothing is lost" in proof.causes[0].mend


def test_a_smarthost_that_drops_the_connection_is_the_cause(rehearsed: Rehearsed) -> None:
    with rehearsed.faults("smarthost", drop=True):
        proof = rehearsed.prove(*OUT)

    assert only_cause(proof).id == "smarthost-drops"


def test_a_message_lost_behind_the_smarthost_is_named_so(rehearsed: Rehearsed) -> None:
    with rehearsed.faults("smarthost", lose=True):
        proof = rehearsed.prove(*OUT)

    assert only_cause(proof).id == "message-lost"
    assert "queued as" in proof.causes[0].evidence


def test_a_missing_signature_is_the_smarthosts_when_the_zone_holds_its_key(
    rehearsed: Rehearsed,
) -> None:
    with rehearsed.faults("smarthost", unsigned=True):
        proof = rehearsed.prove(*OUT)

    assert only_cause(proof).id == "signature-absent"
    assert statuses(proof)["dkim-record"] is Status.PASS


def test_a_wrong_key_in_the_zone_is_the_cause_of_broken_signatures(rehearsed: Rehearsed) -> None:
    name = f"resend._domainkey.{rehearsed.domain} TXT"
    with rehearsed.faults("dns", wrong={name: ['"p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQ=="']}):
        proof = rehearsed.prove(*OUT)

    cause = only_cause(proof)
    assert cause.id == "dkim-key"
    assert cause.declared_at == "mail:dkimPublicKey"
    assert {"dkim-record", "outbound-dkim"} <= set(cause.explains)


def test_a_wrong_envelope_is_the_cause_of_spf_that_does_not_align(rehearsed: Rehearsed) -> None:
    with rehearsed.faults("smarthost", envelope="bounces.outside.example"):
        proof = rehearsed.prove(*OUT)

    cause = only_cause(proof)
    assert cause.id == "envelope-wrong"
    assert cause.declared_at == "mail:smarthost.envelopeLabel"
    assert statuses(proof)["outbound-dmarc"] is Status.PASS  # the signature still aligns


def test_a_missing_relayhost_is_the_cause_of_mail_that_waits(rehearsed: Rehearsed) -> None:
    with rehearsed.without("/opt/po-mail/mailcow/data/conf/postfix/extra.cf"):
        proof = rehearsed.prove(*OUT)

    assert only_cause(proof).id == "relayhost-missing"


def test_an_expired_certificate_is_the_cause_of_everything_that_breaks(
    rehearsed: Rehearsed,
) -> None:
    with rehearsed.certificate(rehearsed.authority.issue([rehearsed.host], days=-3)):
        proof = rehearsed.prove()

    cause = only_cause(proof)
    assert cause.id == "certificate-expired"
    assert {"certificate-mail", "imap-login", "submission-accepted"} <= set(cause.explains)


def test_a_certificate_that_nobody_trusts_is_the_cause(rehearsed: Rehearsed) -> None:
    with rehearsed.certificate(self_signed("mail.example.org")):
        proof = rehearsed.prove(Station.READING)

    assert only_cause(proof).id == "certificate-untrusted"


def test_a_proxied_mx_is_the_cause_of_mail_that_does_not_arrive(rehearsed: Rehearsed) -> None:
    with rehearsed.proxied(rehearsed.host):
        proof = rehearsed.prove(*IN)

    cause = only_cause(proof)
    assert cause.id == "mx-proxied"
    assert {"mx-address", "inbound-taken"} <= set(cause.explains)
    assert rehearsed.host in cause.title


def test_a_mail_host_that_puts_mail_off_is_told_from_the_way_to_it(rehearsed: Rehearsed) -> None:
    with rehearsed.faults("mail", inbound="451 4.3.0 Temporary lookup failure"):
        proof = rehearsed.prove(*IN, Station.PROTECTION)

    assert only_cause(proof).id == "inbound-deferred"


def test_a_host_without_routes_is_told_from_one_that_does_not_answer(
    rehearsed: Rehearsed,
) -> None:
    with rehearsed.faults("traefik", bad_gateway=True):
        proof = rehearsed.prove(Station.WEB)

    assert proof.causes[0].id == "nginx-silent"


def test_an_error_of_a_block_list_is_no_listing_and_no_clean_bill(rehearsed: Rehearsed) -> None:
    with rehearsed.faults("dns", spamhaus="127.255.255.254"):
        proof = rehearsed.prove(Station.DELIVERY)

    assert statuses(proof)["block-lists"] is Status.UNKNOWN
    assert proof.exit_code == 4


def test_a_silent_dns_is_not_seen_and_never_passes(rehearsed: Rehearsed) -> None:
    with rehearsed.faults("dns", servfail=True):
        proof = rehearsed.prove(Station.NAMES)

    found = set(statuses(proof).values())
    assert Status.PASS not in found
    assert found <= {Status.UNKNOWN, Status.SKIP}
    assert proof.exit_code == 4
    assert proof.score is None


def test_a_forgery_is_refused_under_reject(rehearsed: Rehearsed) -> None:
    policy = f'"v=DMARC1; p=reject; rua=mailto:postmaster@{rehearsed.domain}"'
    with rehearsed.faults("dns", wrong={f"_dmarc.{rehearsed.domain} TXT": [policy]}):
        proof = rehearsed.prove(Station.PROTECTION)

    # The declaration says none: the zone says more than was declared, and that is the cause.
    assert only_cause(proof).id == "dmarc-record"
    assert "550" in broken(proof)["forgery"]


def test_junit_has_a_case_for_every_check(rehearsed: Rehearsed) -> None:
    with rehearsed.faults("smarthost", unsigned=True):
        proof = rehearsed.prove(*OUT)
    root = ET.fromstring(junit.render(proof))

    cases = root.findall(".//testcase")
    assert len(cases) == len(proof.results)
    failures = root.findall(".//testcase/failure")
    assert len(failures) == proof.count(Status.FAIL) > 0
    assert any("does not sign" in (failure.text or "") for failure in failures)
