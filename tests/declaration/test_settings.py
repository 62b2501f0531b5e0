"""Settings: the forms of names and addresses that everything else relies on."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from declaration.endpoints import Endpoints
from declaration.settings import Day, DomainName, HostLabel, IPv4, IPv6, LocalPart, Network
from declaration.zone import ZoneSettings


@pytest.mark.parametrize(
    ("kind", "value", "kept"),
    [
        (HostLabel, "mail-admin", "mail-admin"),
        (HostLabel, "a" * 63, "a" * 63),
        (DomainName, "portugalodyssey.pt", "portugalodyssey.pt"),
        (LocalPart, "first.last", "first.last"),
        (IPv4, "31.97.159.7", "31.97.159.7"),
        (IPv6, "2A02:0:0::1", "2a02::1"),
        (Network, "203.0.113.7", "203.0.113.7/32"),
        (Network, "2001:db8::/48", "2001:db8::/48"),
    ],
)
def test_a_good_name_is_kept_in_its_one_form(kind: Any, value: str, kept: str) -> None:
    assert TypeAdapter[str](kind).validate_python(value) == kept


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (HostLabel, "-mx"),
        (HostLabel, "a" * 64),
        (HostLabel, "MX"),
        (HostLabel, "mx.example"),
        (DomainName, "localhost"),
        (DomainName, "example.com."),
        (DomainName, "exa mple.com"),
        (LocalPart, ".info"),
        (LocalPart, "in..fo"),
        (LocalPart, "Info"),
        (LocalPart, "info@example.com"),
        (IPv4, "1.2.3"),
        (IPv4, "::1"),
        (IPv6, "1.2.3.4"),
        (Network, "10.0.0.1/8"),
        (Day, "2026-13-01"),
    ],
)
def test_a_bad_name_is_refused(kind: Any, value: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter[str](kind).validate_python(value)


def test_settings_are_written_in_camel_case_and_cannot_be_changed() -> None:
    settings = ZoneSettings.model_validate({"mxLabel": "mail"})

    assert settings.mx_label == "mail"
    with pytest.raises(ValidationError):
        settings.__setattr__("mx_label", "mx")


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(ValidationError):
        Endpoints.model_validate({"clouflare": "x"})
