"""Units as systemd reads them; `tests/real/test_units_as_read.py` judges it."""

from datetime import UTC, datetime

import pytest

from readers.mistake import MistakeError
from readers.systemd.calendar import calendar, span
from readers.systemd.switching import switched
from readers.systemd.unit import drop_ins_of, parse, units

SERVICE = "[Service]\nType=oneshot\nExecStart=/bin/true\n"
TIMER = "[Timer]\nOnCalendar=*-*-* 03:00 UTC\nPersistent=yes\n"


@pytest.mark.parametrize(
    ("expression", "moment"),
    [
        ("daily", "2026-11-29 00:00:00"), ("03:00 UTC", "2026-11-29 03:00:00"),
        ("Mon..Fri 12:00", "2026-11-30 12:00:00"), ("*:0/15", "2026-11-28 16:15:00"),
        ("*-*~03", "2026-12-29 00:00:00"), ("*-02-29", "2028-02-29 00:00:00"),
        ("Sun *-*-1..7 03:30:00 Europe/Lisbon", "2026-12-06 03:30:00"),
    ],
)  # fmt: skip
def test_the_next_moment_is_found(expression: str, moment: str) -> None:
    after = calendar(expression).next_after(datetime(2026, 11, 28, 16, tzinfo=UTC))
    assert f"{after:%F %T}" == moment


def test_some_moments_never_come() -> None:
    assert calendar("2026-02-30 12:00").next_after(datetime(2026, 1, 1, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    "expression",
    ["", "sometimes", "*-*-* 24:00", "*-*-* 03:60", "3am", "*-13-01", "*-01-32", "Man 12:00",
     "12:00 Europe/Nowhere", "*-*-* 03:00:00 UTC daily", "12:00:61", "*:*/5", "12:00  UTC"],
)  # fmt: skip
def test_nonsense_is_no_calendar_expression(expression: str) -> None:
    with pytest.raises(MistakeError, match="Failed to parse calendar"):
        calendar(expression)


def test_a_span_is_as_long_as_its_parts() -> None:
    assert [span(text) for text in ("1h 30min", "90", "2.5 s", "infinity", "12 fortnights")] == [
        5400, 90, 2.5, float("inf"), None,
    ]  # fmt: skip


def test_what_is_ignored_does_not_count() -> None:
    unit = parse("x.timer", TIMER.replace("yes", "maybe") + "Persistant=yes\nword\n")
    assert [str(mistake).partition(":")[2][:2] for mistake in unit.mistakes] == ["3:", "4:", "5:"]
    assert not unit.makes_up


def test_an_empty_moment_takes_all_of_them_back() -> None:
    unit = parse("x.timer", TIMER, [("50.conf", "[Timer]\nOnBootSec=\nOnUnitActiveSec=1h\n")])
    assert unit.calendars == []
    assert not unit.makes_up
    assert unit.repeats == float("inf")


def test_the_first_unit_of_a_timer_is_triggered() -> None:
    unit = parse("x.timer", TIMER + "Unit=a.service\nUnit=b.service\n")
    assert unit.triggers == "a.service"
    assert "Multiple units" in unit.mistakes[0].reason
    assert parse("x.timer", TIMER).triggers == "x.service"


def test_drop_ins_count_by_name_of_file_and_the_nearest_wins() -> None:
    near, far = (
        "/etc/systemd/system/a-b.service.d/20.conf",
        "/run/systemd/system/a-.service.d/20.conf",
    )
    first, whole = "/etc/systemd/system/service.d/10.conf", "/etc/systemd/system/a-b.service"
    assert drop_ins_of("a-b.service", [whole, far, near, first, "/etc/x.conf"]) == [first, near]
    texts = {whole: SERVICE, first: "[Service]\nNice=1\nUser=a\n", near: "[Service]\nNice=2\n"}
    unit = units(texts)["a-b.service"]
    assert (unit.value("Service", "Nice"), unit.user) == ("2", "a")


def test_a_service_is_held_as_its_last_words_say() -> None:
    held = SERVICE + "CapabilityBoundingSet=CAP_CHOWN CAP_SYS_TIME\nProtectClock=yes\n"
    unit = parse("x.service", held + "ReadWritePaths=-/a /b\nSystemCallFilter=@system-service\n")
    assert unit.capabilities == {"CAP_CHOWN"}
    assert (unit.writes, unit.speaks_to, unit.system) == (["/a", "/b"], None, "no")
    assert unit.system_calls == (frozenset({"@system-service"}), frozenset())
    loose = parse("x.service", held, [("a", "[Service]\nProtectClock=no\nIPAddressDeny=any\n")])
    assert loose.capabilities == {"CAP_CHOWN", "CAP_SYS_TIME"}
    assert (loose.protections, loose.speaks_to, loose.system_calls) == (frozenset(), [], None)


def test_commands_are_told_with_their_prefix() -> None:
    unit = parse("x.service", SERVICE + "ExecStopPost=-/bin/a 'b c' %N\nExecStartPre=+/bin/d\n")
    assert [
        (command.key, command.words, command.forgiven, command.unconfined)
        for command in unit.commands
    ] == [
        ("ExecStartPre", ("/bin/d",), False, True), ("ExecStart", ("/bin/true",), False, False),
        ("ExecStopPost", ("/bin/a", "b c", "x"), True, False),
    ]  # fmt: skip


def test_a_line_goes_on_and_comments_are_left_out() -> None:
    unit = parse("x.service", SERVICE + "ReadWritePaths=/a \\\n# not this\n  /b\n; nor this\n")
    assert unit.writes == ["/a", "/b"]


@pytest.mark.parametrize(
    ("text", "enabled", "started"),
    [
        ("systemctl daemon-reload && systemctl enable --now a.timer b", "a.timer b", "a.timer b"),
        ("systemctl enable a.timer\nsystemctl start a.timer", "a.timer", "a.timer"),
        ("systemctl enable --now a.timer; systemctl disable a.timer", "", "a.timer"),
        ("systemctl enable --now a.timer; systemctl stop a.timer", "a.timer", ""),
        ("systemctl enable --now a.timer; systemctl mask a.timer", "", ""),
        ("# systemctl enable a.timer", "", ""), ("echo systemctl enable a.timer", "", ""),
    ],
)  # fmt: skip
def test_what_commands_switch_on_is_known(text: str, enabled: str, started: str) -> None:
    state = switched([("x", text)])
    names = [{part if "." in part else f"{part}.service" for part in words.split()}
             for words in (enabled, started)]  # fmt: skip
    assert [state.enabled, state.started] == names
    assert state.mistakes == []


@pytest.mark.parametrize(
    "text",
    ["systemctl --user enable a.timer", "true || systemctl enable a.timer",
     "systemctl enable --runtime a.timer", "systemctl link /tmp/a.timer",
     "if systemctl enable a.timer; then :; fi", "sudo systemctl enable a.timer"],
)  # fmt: skip
def test_what_switches_nothing_on_for_good_is_a_mistake(text: str) -> None:
    state = switched([("x", text)])
    assert state.enabled == set()
    assert state.mistakes
