"""Records of a live zone are known again by name, type, content and purpose; never by a guess."""

from operations.adopt.zone import match_records, plain_text, purpose
from tests.operations.adopt.wanted import ZONE, record, there

DOMAIN = "example.com"
SPF = record("apex-spf", DOMAIN, "TXT", '"v=spf1 mx -all"')
MX = record("apex-mx", DOMAIN, "MX", "mx.example.com", priority=10)


def test_a_record_as_declared_is_imported_by_zone_and_record() -> None:
    area = match_records([SPF], [there(1, DOMAIN, "TXT", '"v=spf1 mx -all"')], ZONE)
    (match,) = area.matches
    assert (match.id, match.differences) == (f"{ZONE}/r1", ())
    assert not area.missing
    assert not area.strangers


def test_another_time_to_live_is_a_difference_and_no_other_record() -> None:
    area = match_records([SPF], [there(1, DOMAIN, "TXT", '"v=spf1 mx -all"', ttl=3600.0)], ZONE)
    (difference,) = area.matches[0].differences
    assert (difference.path, difference.live, difference.declared) == ("ttl", 3600.0, 300)
    assert not difference.replaces


def test_another_text_of_the_same_purpose_is_the_same_record() -> None:
    live = [
        there(1, DOMAIN, "TXT", "google-site-verification=abc"),
        there(2, DOMAIN, "TXT", "v=spf1 include:old.example -all"),
    ]
    area = match_records([SPF], live, ZONE)
    assert [match.id for match in area.matches] == [f"{ZONE}/r2"]
    assert [difference.path for difference in area.matches[0].differences] == ["content"]
    (stranger,) = area.strangers
    assert stranger.what == "TXT example.com google-site-verification=abc"


def test_two_records_that_might_be_it_are_a_question() -> None:
    live = [there(1, DOMAIN, "TXT", "v=spf1 a -all"), there(2, DOMAIN, "TXT", "v=spf1 ?all")]
    area = match_records([SPF], live, ZONE)
    (question,) = area.questions
    assert question.candidates == {f"{ZONE}/r1": "v=spf1 a -all", f"{ZONE}/r2": "v=spf1 ?all"}
    assert [*area.matches, *area.missing, *area.strangers] == []


def test_a_second_spf_record_beside_the_declared_one_is_named_with_its_effect() -> None:
    live = [there(1, DOMAIN, "TXT", '"v=spf1 mx -all"'), there(2, DOMAIN, "TXT", "v=spf1 a ~all")]
    area = match_records([SPF], live, ZONE)
    assert [match.id for match in area.matches] == [f"{ZONE}/r1"]
    assert area.strangers[0].note == "a second one makes both void, beside apex-spf"


def test_a_second_exchange_is_named_with_its_effect() -> None:
    live = [
        there(1, DOMAIN, "MX", "mx.example.com", priority=10.0),
        there(2, DOMAIN, "MX", "aspmx.example.net", priority=20.0),
    ]
    (stranger,) = match_records([MX], live, ZONE).strangers
    assert stranger.what == "MX example.com 20 aspmx.example.net"
    assert stranger.note == "mail would also be delivered there"


def test_a_record_that_is_not_there_is_made_later() -> None:
    area = match_records([SPF, MX], [there(1, DOMAIN, "TXT", '"v=spf1 mx -all"')], ZONE)
    assert [wanted.name for wanted in area.missing] == ["apex-mx"]


def test_a_cname_in_the_way_is_a_warning() -> None:
    webmail = record("webmail-a", "webmail.example.com", "A", "192.0.2.1")
    area = match_records([webmail], [there(1, "webmail.example.com", "CNAME", "x.y")], ZONE)
    assert "is a CNAME in the zone" in area.warnings[0]
    assert [wanted.name for wanted in area.missing] == ["webmail-a"]


def test_service_records_are_compared_by_their_parts() -> None:
    data = {"priority": 0, "weight": 1, "port": 993, "target": "mx.example.com"}
    name = "_imaps._tcp.example.com"
    declared = record("srv-imaps", name, "SRV", None, data=data)
    told = {key: float(item) if isinstance(item, int) else item for key, item in data.items()}
    area = match_records([declared], [there(1, name, "SRV", "1 993 x", data=told)], ZONE)
    assert area.matches[0].differences == ()
    moved = there(1, name, "SRV", "x", data=told | {"port": 994.0})
    area = match_records([declared], [moved], ZONE)
    assert [difference.path for difference in area.matches[0].differences] == ["data"]


def test_texts_in_several_strings_are_one_text() -> None:
    assert plain_text('"v=DKIM1; p=AB" "CD"') == "v=DKIM1; p=ABCD"
    assert plain_text("v=spf1 -all") == "v=spf1 -all"


def test_a_key_without_its_version_has_the_purpose_of_one_with_it() -> None:
    assert purpose("TXT", "p=ABC") == purpose("TXT", '"v=DKIM1; p=XYZ"')
    assert purpose("TXT", "hello") != purpose("TXT", "goodbye")
