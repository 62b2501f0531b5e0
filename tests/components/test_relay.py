"""The relay: Postfix's files for the smarthost."""

from typing import Any

import pytest

from components.relay import (
    RelayComponent,
    render_extra_cf,
    render_login_map,
    render_tls_policy,
)
from declaration.mailcow import senders
from declaration.model import Declaration
from declaration.reading import read
from declaration.smarthost_providers import Nexthop
from tests.components import arguments
from tests.components.registrations import registered

RESEND = Nexthop("smtp.resend.com", 587, "resend")
SENDERS = ("!172.22.1.1", "172.22.1.0/24")


def parameters(text: str) -> dict[str, str]:
    """Return the parameters of a Postfix file."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split(" = ", 1) for line in lines)


def test_the_smarthost_comes_from_the_provider_table(qual: Declaration) -> None:
    assert qual.names.nexthop == RESEND
    assert str(RESEND) == "[smtp.resend.com]:587"


def test_all_mail_goes_to_the_smarthost() -> None:
    assert parameters(render_extra_cf("mx.example.com", RESEND, SENDERS, ipv6=False))[
        "relayhost"
    ] == ("[smtp.resend.com]:587")


def test_bounces_come_from_the_domain_that_the_smarthost_signs_for() -> None:
    assert parameters(render_extra_cf("mx.example.com", RESEND, SENDERS, ipv6=False))[
        "myorigin"
    ] == ("example.com")


@pytest.mark.parametrize(
    ("ipv6", "trusted"),
    [
        (False, "!10.7.0.1, 10.7.0.0/24"),
        (
            True,
            "!10.7.0.1, 10.7.0.0/24, ![fd4d:6169:6c63:6f77::1], [fd4d:6169:6c63:6f77::]/64",
        ),
    ],
)
def test_the_containers_send_without_a_login_but_not_their_gateway(
    trusted: str, *, ipv6: bool
) -> None:
    text = render_extra_cf("mx.example.com", RESEND, senders("10.7.0", ipv6=ipv6), ipv6=ipv6)
    assert parameters(text)["mynetworks"] == trusted


def test_a_refused_login_makes_mail_wait_instead_of_bouncing() -> None:
    written = parameters(render_extra_cf("mx.example.com", RESEND, SENDERS, ipv6=False))
    assert written["smtp_sasl_auth_soft_bounce"] == "yes"


def test_the_postmaster_is_told_of_notifications_that_the_smarthost_refuses() -> None:
    written = parameters(render_extra_cf("mx.example.com", RESEND, SENDERS, ipv6=False))
    assert written["notify_classes"] == "resource, software, 2bounce"


def test_extra_cf_survives_the_start_of_postfix() -> None:
    # What the start script does: drop lines with the word, put its own first, strip the end.
    text = render_extra_cf("mx.example.com", RESEND, SENDERS, ipv6=False)
    kept = [line for line in text.splitlines() if "myhostname" not in line]
    assert text == "\n".join(["myhostname = mx.example.com", *kept]) + "\n"
    assert "\\" not in text


def test_mailcows_own_logins_still_count_after_ours() -> None:
    maps = parameters(render_extra_cf("mx.example.com", RESEND, SENDERS, ipv6=False))[
        "smtp_sasl_password_maps"
    ]
    assert maps.split(", ") == [
        "texthash:/opt/postfix/conf/smarthost_passwd",
        "proxy:mysql:/opt/postfix/conf/sql/mysql_sasl_passwd_maps_sender_dependent.cf",
    ]


def test_our_tls_policy_comes_before_every_other_and_loses_none() -> None:
    maps = parameters(render_extra_cf("mx.example.com", RESEND, SENDERS, ipv6=False))[
        "smtp_tls_policy_maps"
    ]
    assert maps.split(", ") == [
        "texthash:/opt/postfix/conf/smarthost_tls_policy",
        "proxy:mysql:/opt/postfix/conf/sql/mysql_tls_policy_override_maps.cf",
        "socketmap:inet:postfix-tlspol:8642:QUERY",
    ]


def test_tls_from_the_first_byte_is_said_with_the_level_that_postfix_asks_for() -> None:
    wrapped = Nexthop("smtp.resend.com", 2465, "resend", implicit_tls=True)
    usual = parameters(render_extra_cf("mx.example.com", RESEND, SENDERS, ipv6=False))
    written = parameters(render_extra_cf("mx.example.com", wrapped, SENDERS, ipv6=False))

    assert dict(written.items() - usual.items()) == {
        "relayhost": "[smtp.resend.com]:2465",
        "smtp_tls_wrappermode": "yes",
        "smtp_tls_security_level": "encrypt",
    }
    assert "[smtp.resend.com]:2465 secure\n" in render_tls_policy(wrapped)


def test_tls_towards_the_smarthost_is_mandatory_and_names_it() -> None:
    assert "[smtp.resend.com]:587 secure\n" in render_tls_policy(RESEND)


@pytest.mark.parametrize(("ipv6", "protocols"), [(False, "ipv4"), (True, "all")])
def test_ipv6_is_held_off_in_postfix_itself(protocols: str, *, ipv6: bool) -> None:
    text = render_extra_cf("mx.example.com", RESEND, SENDERS, ipv6=ipv6)
    assert parameters(text)["inet_protocols"] == protocols


def test_the_login_stands_under_the_literal_nexthop() -> None:
    assert "[smtp.resend.com]:587 resend:re_123\n" in render_login_map(RESEND, "re_123")


@pytest.mark.parametrize("password", ["", " planted", "planted ", "plan\nted", "plan\tted"])
def test_a_password_that_the_map_cannot_hold_is_refused_without_being_repeated(
    password: str,
) -> None:
    with pytest.raises(ValueError, match="mail:smarthostPassword") as caught:
        render_login_map(RESEND, password)
    assert "plan" not in str(caught.value)


def test_the_password_is_sealed_and_its_file_not_for_everyone(qual: Declaration) -> None:
    found = registered(lambda: RelayComponent("relay", arguments.relay(qual, "re_planted")))
    login = found["smarthost-login"]
    assert login.inputs["mode"] == "0640"
    assert login.inputs["content"].endswith("resend:re_planted\n")
    assert isinstance(login.raw["content"], dict)
    elsewhere = [one for name, one in found.items() if name != "smarthost-login"]
    assert "re_planted" not in repr(elsewhere)


def test_another_region_changes_nothing_but_what_the_table_says(
    qual_values: dict[str, Any],
) -> None:
    qual_values["smarthost"] = {**qual_values["smarthost"], "envelopeLabel": "bounces"}
    assert read(qual_values, source="test").names.nexthop == RESEND


def test_the_files_are_named_for_whoever_restarts_postfix(qual: Declaration) -> None:
    names: list[str] = []
    registered(
        lambda: names.extend(RelayComponent("relay", arguments.relay(qual, "re_planted")).files)
    )
    assert sorted(names) == [
        "data/conf/postfix/extra.cf",
        "data/conf/postfix/smarthost_passwd",
        "data/conf/postfix/smarthost_tls_policy",
    ]
