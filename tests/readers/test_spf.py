"""What an SPF record says, costs and allows, beyond what the RFC's suite asks."""

from ipaddress import ip_address

import pytest
import spf
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from readers.dns import Resolver
from readers.spf.check import Result, check
from readers.spf.reach import Reach, UnseenError, reach
from readers.spf.record import parse
from tests.readers.names import answering

ZONE = {
    "example.com MX": ["10 mx.example.com"],
    "mx.example.com A": ["192.0.2.1"],
    "both.example.com A": ["192.0.2.2"],
    "both.example.com AAAA": ["2001:db8::2"],
    "new.example.com AAAA": ["2001:db8::3"],
    "partner.example TXT": ["v=spf1 ip4:198.51.100.0/24 ip6:2001:db8:1::/48 ~all"],
    "nobody.example TXT": ["v=spf1 -all"],
    "broken.example TXT": ["v=spf1 ipv4:192.0.2.1 -all"],
    "silent.example TXT": ["hello"],
}


def reached(text: str, **more: list[str]) -> Reach:
    found = reach("example.com", answering({**ZONE, **more, "example.com TXT": [text]}))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("v=spf1 mx ip4:203.0.113.300 -all", "term 2, ip4:203.0.113.300"),
        ("v=spf1 mx ip4:203.0.113.0/33 -all", "term 2, ip4:203.0.113.0/33"),
        ("v=spf1 mx ip4:2001:db8::1 -all", "term 2, ip4:2001:db8::1"),
        ("v=spf1 mx a:mailer.example.com:587 -all", "term 2, a:mailer.example.com:587"),
        ("v=spf1 mx -all foo", "term 3, foo"),
        ("v=spf1 redirect=a.example redirect=b.example", "term 2, redirect=b.example"),
        ("v=spf1 mx, -all", "term 1, mx,"),
        (" v=spf1 mx -all", "beginning"),
    ],
)
def test_a_mistake_is_named_by_its_term(text: str, place: str) -> None:
    assert [mistake.place for mistake in parse(text).mistakes] == [place]


@pytest.mark.parametrize(
    "text", ["v=spf1 mx -ALL", "v=spf1 mx -all exp=why.example.com", "V=SPF1 MX ~all "]
)
def test_everybody_else_is_refused_however_it_is_written(text: str) -> None:
    found = reached(text)

    assert found.mistakes == []
    assert Result.NEUTRAL not in found.results
    assert str(found.senders) == "192.0.2.1-192.0.2.1"


@pytest.mark.parametrize("target", ["gone.example", "silent.example", "broken.example"])
def test_an_include_that_cannot_be_evaluated_is_a_mistake_of_the_whole(target: str) -> None:
    found = reached(f"v=spf1 mx include:{target} -all")

    assert len(found.mistakes) == 1
    assert check("192.0.2.9", "a@example.com", "h.example",
                 answering({**ZONE, "example.com TXT": [f"v=spf1 mx include:{target} -all"]})
    ).result is Result.PERMERROR  # fmt: skip


def test_an_include_of_two_records_is_a_mistake() -> None:
    zone = {"two.example TXT": ["v=spf1 -all", "v=spf1 mx -all"]}

    assert [
        mistake.place for mistake in reached("v=spf1 include:two.example -all", **zone).mistakes
    ] == ["two.example"]


def test_a_circle_is_a_mistake() -> None:
    assert [mistake.reason for mistake in reached("v=spf1 include:example.com -all").mistakes] == [
        "leads in a circle"
    ]


def test_terms_behind_all_cost_nothing() -> None:
    found = reached("v=spf1 mx -all a:gone.example include:gone.example redirect=gone.example")

    assert (found.lookups, found.mistakes) == (1, [])


def test_void_look_ups_are_counted_for_the_client_that_makes_them() -> None:
    found = reached("v=spf1 a:mx.example.com a:new.example.com a:gone.example -all")

    assert found.voids == {
        4: ["new.example.com A", "gone.example A"],
        6: ["mx.example.com AAAA", "gone.example AAAA"],
    }


@pytest.mark.parametrize(
    ("text", "senders"),
    [
        ("v=spf1 include:partner.example -all",
         "198.51.100.0-198.51.100.255, 2001:db8:1::-2001:db8:1:ffff:ffff:ffff:ffff:ffff"),
        ("v=spf1 -all include:partner.example", "nobody"),
        ("v=spf1 ?include:partner.example -all", "nobody"),
        ("v=spf1 -include:partner.example a:both.example.com -all",
         "192.0.2.2-192.0.2.2, 2001:db8::2-2001:db8::2"),
        ("v=spf1 -ip4:192.0.2.0/25 ip4:192.0.2.0/24 -all", "192.0.2.128-192.0.2.255"),
        ("v=spf1 redirect=nobody.example", "nobody"),
        ("v=spf1 ip4:0.0.0.0/1 ip4:128.0.0.0/1 -all", "0.0.0.0-255.255.255.255"),
    ],
)  # fmt: skip
def test_who_may_send_is_told_by_address(text: str, senders: str) -> None:
    assert str(reached(text).senders) == senders


def test_what_the_client_decides_is_named_and_counted_as_no_match() -> None:
    found = reached("v=spf1 exists:%{i}.list.example ptr include:%{d}.example -all")

    assert [place.partition(", ")[2] for place in found.open_terms] == [
        "term 1, exists:%{i}.list.example", "term 2, ptr", "term 3, include:%{d}.example",
    ]  # fmt: skip
    assert not found.senders
    assert found.lookups == 3


def test_a_name_that_nobody_can_see_is_noted_and_no_pass() -> None:
    known = answering({**ZONE, "example.com TXT": ["v=spf1 include:far.example mx -all"]})

    def ask(name: str, kind: str, /) -> list[str]:
        if name == "far.example":
            raise UnseenError
        return [*known(name, kind)]

    found = reach("example.com", ask)

    assert found is not None
    assert (found.unseen, found.lookups) == (["far.example"], 2)


def test_a_domain_without_a_record_reaches_nowhere() -> None:
    assert reach("silent.example", answering(ZONE)) is None


TERMS = st.sampled_from([
    "mx", "a", "a:both.example.com", "a:new.example.com/24//64", "ip4:192.0.2.0/25",
    "ip4:192.0.2.0/33", "ip6:2001:db8::/32", "ip6:2001:db8::2", "include:partner.example",
    "include:nobody.example", "include:broken.example", "include:gone.example",
    "exists:both.example.com", "exists:%{i}.gone.example", "exists:%{ir}.%{v}.example.com",
    "all", "ALL", "a:gone.example", "mx:gone.example", "redirect=partner.example",
    "exp=why.example", "foo=bar", "foo", "a:192.0.2.1", "ip4:192.0.2", "ptr",
])  # fmt: skip
CLIENTS = st.sampled_from(["192.0.2.1", "192.0.2.2", "198.51.100.7", "203.0.113.9", "2001:db8::2",
                           "2001:db8:1::1", "2001:db9::1", "::ffff:192.0.2.1"])  # fmt: skip


@st.composite
def records(draw: st.DrawFn) -> str:
    terms = draw(st.lists(st.tuples(st.sampled_from(["", "+", "-", "~", "?"]), TERMS), max_size=6))
    return " ".join(["v=spf1", *(term if "=" in term else mark + term for mark, term in terms)])


@settings(max_examples=200, deadline=None)
@given(text=records(), client=CLIENTS)
def test_pyspf_comes_to_the_same_result(text: str, client: str) -> None:
    # pyspf refuses any modifier that stands twice; section 6 only refuses redirect and exp.
    assume(text.count("foo=bar") < 2)
    ask = answering({**ZONE, "example.com TXT": [text]})

    assert check(client, "a@example.com", "h.example", ask).result == by_pyspf(text, client, ask)


def by_pyspf(text: str, client: str, ask: Resolver) -> str:
    def lookup(name: str, kind: str, *_: object) -> list[object]:
        return [((name, kind), _shaped(kind, answer)) for answer in ask(name, kind)]

    before, spf.DNSLookup = spf.DNSLookup, lookup
    try:
        return str(spf.query(i=client, s="a@example.com", h="h.example").check()[0])
    finally:
        spf.DNSLookup = before


def _shaped(kind: str, answer: str) -> object:
    """Return an answer as pyspf expects it."""
    if kind == "MX":
        preference, _, host = answer.partition(" ")
        return int(preference), host
    return (answer.encode("latin-1"),) if kind == "TXT" else answer


@settings(max_examples=200, deadline=None)
@given(text=records(), client=CLIENTS)
def test_who_may_send_agrees_with_what_becomes_of_each_client(text: str, client: str) -> None:
    ask = answering({**ZONE, "example.com TXT": [text]})
    outcome = check(client, "a@example.com", "h.example", ask)
    found = reach("example.com", ask)
    assert found is not None

    if outcome.result not in (Result.PERMERROR, Result.NONE):
        address = ip_address(client.removeprefix("::ffff:"))
        assert address in found.results.get(outcome.result, ()), outcome.reason
    else:
        voids = found.voids[4 if "." in client else 6]
        assert (
            found.mistakes or len(voids) > 2 or found.lookups > 10 or "%" in text or "ptr" in text
        )
