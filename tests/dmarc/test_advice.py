"""The evidence decides the stage, and names who would be hurt."""

from collections import Counter
from datetime import date, timedelta
from typing import Any

from dmarc.advice import Advice, Verdict, advise
from dmarc.evidence import Evidence
from rehearsal.world.aggregate_report import Seen
from tests.dmarc.simulated import (
    BROKEN,
    DOMAIN,
    FIRST,
    FORGED,
    GOOD,
    LISTED,
    NEWSLETTER,
    SERVICE,
    Traffic,
    after,
    collect,
    domain_of,
    reports,
    steady,
)


def advised(count: int, traffic: Traffic = steady, **dmarc: Any) -> Advice:
    evidence, today = after(count, traffic)
    return advise(domain_of(**dmarc), evidence, today)


def unmet(advice: Advice) -> set[str]:
    return {condition.name for condition in advice.conditions if not condition.met}


def also(more: Seen) -> Traffic:
    return lambda day: steady(day) + Counter({more: 2})


def test_a_clean_month_carries_quarantine() -> None:
    advice = advised(30)
    assert (advice.verdict, advice.target) == (Verdict.ADVANCE, "quarantine")


def test_a_day_before_the_minimum_it_does_not() -> None:
    advice = advised(29)
    assert advice.verdict is Verdict.KEEP
    assert unmet(advice) == {"calendar"}


def test_the_calendar_alone_carries_nothing() -> None:
    today = FIRST + timedelta(days=200)
    advice = advise(domain_of(), Evidence(DOMAIN), today)
    assert advice.verdict is Verdict.UNJUDGED

    evidence, _ = after(10)
    assert advise(domain_of(), evidence, today).verdict is Verdict.UNJUDGED


def test_too_few_days_messages_or_receivers_keep_the_stage() -> None:
    few = advised(30, lambda day: Counter({GOOD: 2}) if day.day % 2 else Counter())
    assert unmet(few) == {"days", "volume"}

    evidence, today = Evidence(DOMAIN), FIRST + timedelta(days=30)
    for day in range(30):
        one = reports([FIRST + timedelta(days=day)])[:1]
        collect(evidence, one, today)
    assert unmet(advise(domain_of(), evidence, today)) == {"reporters"}


def test_a_long_gap_keeps_the_stage() -> None:
    evidence, today = after(30)
    for day in range(10, 16):
        del evidence.days[FIRST + timedelta(days=day)]
    assert unmet(advise(domain_of(), evidence, today)) == {"gap"}


def test_the_sender_that_would_be_hurt_is_named() -> None:
    advice = advised(30, also(BROKEN))
    assert unmet(advice) == {"alignment of Resend"}
    assert [tally.source.name for tally in advice.hurt] == ["Resend"]
    assert "quarantine would hurt 60" in " ".join(advice.reasons)


def test_a_regular_unknown_service_is_asked_about() -> None:
    advice = advised(30, also(NEWSLETTER))
    assert unmet(advice) == {"unknown mcsv.net"}
    assert "60 messages on 30 days" in " ".join(advice.reasons)


def test_an_acknowledged_source_asks_nothing_more() -> None:
    agreed = [{"name": "mcsv.net", "reason": "a newsletter that was given up"}]
    advice = advised(30, also(NEWSLETTER), acknowledgedSources=agreed)
    assert advice.verdict is Verdict.ADVANCE


def test_a_declared_service_that_signs_is_no_stranger() -> None:
    signing = Seen(
        SERVICE, DOMAIN, "bounce.mcsv.net", "pass",
        ((DOMAIN, "k2", "pass"), ("mcsv.net", "k1", "pass")),
    )  # fmt: skip
    senders = [{"name": "newsletter", "domain": DOMAIN, "selector": "k2"}]
    advice = advised(30, also(signing), senders=senders)
    assert advice.verdict is Verdict.ADVANCE
    assert advice.figures is not None
    assert {tally.source.name for tally in advice.figures.tallies} == {"Resend", "newsletter"}


def test_a_burst_of_forgeries_holds_nothing_up() -> None:
    advice = advised(30, lambda day: steady(day) + Counter({FORGED: 500 * (day.day == 9)}))
    assert advice.verdict is Verdict.ADVANCE


def test_mailing_lists_are_told_of_and_do_not_count_as_ours() -> None:
    advice = advised(30, also(LISTED))
    assert advice.verdict is Verdict.ADVANCE
    assert [tally.source.name for tally in advice.hurt] == ["example.org"]


def test_a_forger_cannot_pass_for_the_smarthost() -> None:
    claims = Seen("8.8.8.8", DOMAIN, f"send.{DOMAIN}", "fail", ((DOMAIN, "resend", "fail"),))
    advice = advised(60, also(claims), stage="quarantine", since=date(2026, 8, 31))
    assert advice.verdict is Verdict.KEEP


def test_quarantine_is_the_goal_until_reject_is_acknowledged() -> None:
    given: dict[str, Any] = {"stage": "quarantine", "since": date(2026, 8, 31)}
    advice = advised(90, **given)
    assert (advice.verdict, advice.target) == (Verdict.KEEP, None)

    advice = advised(90, **given, rejectAcknowledged=True)
    assert (advice.verdict, advice.target) == (Verdict.ADVANCE, "reject")


def test_reject_asks_for_a_month_of_quarantine_and_for_signatures() -> None:
    given: dict[str, Any] = {
        "stage": "quarantine",
        "since": date(2026, 9, 15),
        "rejectAcknowledged": True,
    }
    assert unmet(advised(70, **given)) == {"calendar"}

    unsigned = Seen(GOOD.address, DOMAIN, GOOD.envelope, "pass", (("amazonses.com", "x", "pass"),))
    advice = advised(90, lambda _: Counter({unsigned: 10}), **given)
    assert unmet(advice) == {"signatures"}


def test_a_rise_of_failures_proposes_to_step_back() -> None:
    def traffic(day: date) -> Counter[Seen]:
        return steady(day) + Counter({BROKEN: 3 * (day >= FIRST + timedelta(days=55))})

    advice = advised(60, traffic, stage="quarantine", since=date(2026, 8, 31))
    assert (advice.verdict, advice.target) == (Verdict.STEP_BACK, "none")
    assert "Resend fails: 15 of" in " ".join(advice.reasons)

    single = advised(
        60, lambda day: steady(day) + Counter({BROKEN: day.day == 28}),
        stage="quarantine", since=date(2026, 8, 31),
    )  # fmt: skip
    assert single.verdict is Verdict.KEEP


def test_after_a_step_back_the_evidence_begins_anew() -> None:
    advice = advised(90, since=date(2026, 10, 20))
    assert unmet(advice) >= {"days"}
