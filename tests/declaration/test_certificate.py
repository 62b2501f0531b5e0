"""The certificate: one that exists is declared, or Traefik obtains one."""

from typing import Any

import pytest

from declaration.certificate import covers
from declaration.mistakes import DeclarationError
from declaration.reading import read


def mistake(values: dict[str, Any], *existing: str) -> str:
    """Return what is wrong with a certificate that is said to exist."""
    values["certificate"]["existing"] = [*existing]
    with pytest.raises(DeclarationError) as caught:
        read(values, source="x")
    (found,) = caught.value.mistakes
    assert found.path.startswith("mail:certificate.existing")
    return found.message


def test_a_wildcard_stands_for_one_label() -> None:
    assert covers("*.example.com", "mx.example.com")
    assert not covers("*.example.com", "example.com")
    assert not covers("*.example.com", "a.mx.example.com")
    assert covers("mx.example.com", "mx.example.com")


def test_a_wildcard_that_covers_every_host_is_taken(qual_values: dict[str, Any]) -> None:
    existing = ("portugalodyssey.pt", "*.portugalodyssey.pt")
    qual_values["certificate"]["existing"] = [*existing]
    assert read(qual_values, source="x").names.existing_certificate == existing


def test_hosts_that_it_does_not_cover_are_named(qual_values: dict[str, Any]) -> None:
    assert mistake(qual_values, "webmail.portugalodyssey.pt", "mx.portugalodyssey.pt") == (
        "does not cover mail-admin.portugalodyssey.pt, autoconfig.portugalodyssey.pt, "
        "autodiscover.portugalodyssey.pt; leave it out, and Traefik obtains one"
    )


@pytest.mark.parametrize("name", ["*", "*.*.example.com", "mx.*.com", "Example.com", "a b.com"])
def test_what_is_no_name_of_a_certificate_is_refused(
    qual_values: dict[str, Any], name: str
) -> None:
    assert "is no name of a certificate" in mistake(qual_values, name)
