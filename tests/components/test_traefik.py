"""Traefik's dynamic file."""

import re
from typing import Any

import pytest
import yaml

from components.traefik import (
    TraefikComponent,
    dynamic_file,
    render_dynamic_file,
    routes_of,
)
from declaration.model import Declaration
from declaration.reading import read
from readers.traefik.paths import target_of
from readers.traefik.rules import Asked, read_rule
from tests.components import arguments
from tests.components.registrations import registered


@pytest.fixture
def document(qual: Declaration) -> Any:
    """Return the file as Traefik reads it."""
    return yaml.safe_load(render_dynamic_file(routes_of(qual.traefik, qual.names)))


def hosts(document: Any) -> list[str]:
    """Return the hosts of all routers."""
    rules = [router["rule"] for router in document["http"]["routers"].values()]
    return [host for rule in rules for host in re.findall(r"Host\(`([^`]+)`\)", rule)]


def test_exactly_the_declared_web_hosts_and_the_mail_host_are_routed(
    qual: Declaration, document: Any
) -> None:
    assert hosts(document) == [*qual.names.web_hosts, "mx.portugalodyssey.pt"]


def test_every_routed_host_is_covered(qual: Declaration, document: Any) -> None:
    for router in document["http"]["routers"].values():
        assert router["tls"] == {
            "certResolver": "cloudflare",
            "domains": [{"main": "mx.portugalodyssey.pt", "sans": list(qual.names.web_hosts)}],
        }


def test_no_router_asks_for_a_certificate_where_one_exists(qual_values: dict[str, Any]) -> None:
    qual_values["certificate"]["existing"] = ["*.portugalodyssey.pt"]
    declared = read(qual_values, source="x")
    routers = dynamic_file(routes_of(declared.traefik, declared.names))["http"]["routers"]
    assert [router["tls"] for router in routers.values()] == [{}] * len(routers)


def test_there_is_one_backend_and_one_transport(document: Any) -> None:
    assert document["http"]["services"] == {
        "po-mail": {
            "loadBalancer": {
                "servers": [{"url": "https://172.20.0.1:9443"}],
                "serversTransport": "po-mail",
                "passHostHeader": True,
            }
        }
    }
    assert document["http"]["serversTransports"] == {"po-mail": {"insecureSkipVerify": True}}


def test_the_backend_goes_unverified_in_one_place_alone(qual: Declaration) -> None:
    text = render_dynamic_file(routes_of(qual.traefik, qual.names))
    settings = [line for line in text.splitlines() if not line.startswith("#")]
    assert sum("insecureSkipVerify" in line for line in settings) == 1


def test_administration_and_api_answer_on_one_host_alone(qual: Declaration) -> None:
    rules = routes_of(qual.traefik, qual.names).rules
    assert rules["mail-admin"] == "Host(`mail-admin.portugalodyssey.pt`)"
    denied = re.search(r"!PathRegexp\(`(.+)`\)", rules["webmail"])
    assert denied is not None
    for path in ("/api/v1/get/domain/all", "/ADMIN", "//admin", "/json_api.php", "/rspamd/"):
        assert re.search(denied[1], path), path
    for path in ("/", "/SOGo/so", "/user", "/Microsoft-Server-ActiveSync", "/img/admin.png"):
        assert not re.search(denied[1], path), path


@pytest.mark.parametrize(
    "path",
    ["/x/..%2fadmin", "/x%2F..%2Fadmin", "/%2fadmin", "/.%2Fadmin", "/..%2fAPI/v1", "/x/../admin",
     "/SOGo%2f..", "/SOGo/a%2F..%2f../admin"],
)  # fmt: skip
def test_no_way_of_writing_a_path_leads_to_the_administration(qual: Declaration, path: str) -> None:
    denied = re.search(
        r"!PathRegexp\(`(.+)`\)", routes_of(qual.traefik, qual.names).rules["webmail"]
    )
    assert denied is not None
    assert re.search(denied[1], path)


def answered_by_the_mail_host(declaration: Declaration, path: str) -> bool:
    rule = read_rule(routes_of(declaration.traefik, declaration.names).rules["mx"])
    return rule.matches(Asked("GET", "mx.portugalodyssey.pt", target_of(path).seen))


@pytest.mark.parametrize(
    "path",
    ["/Microsoft-Server-ActiveSync?Cmd=Options", "/SOGo/", "/SOGo/so/", "/principals/",
     "/SOGo/dav/info@portugalodyssey.pt/Calendar/personal/a%2Fb.ics", "/.well-known/caldav",
     "/.well-known/carddav", "/mobileconfig.php?only_email", "/index.php?mobileconfig", "/",
     f"/qhandler/release/{'0f' * 32}", f"/qhandler/delete/{'0f' * 32}",
     "/inc/ajax/qitem_details.php?hash=1", "/cache/0f0f.js", "/img/cow_mailcow.svg"],
)  # fmt: skip
def test_the_mail_host_answers_what_mailcow_hands_out(qual: Declaration, path: str) -> None:
    assert answered_by_the_mail_host(qual, path)


@pytest.mark.parametrize(
    "path",
    ["/admin", "/Admin/dashboard", "/domainadmin", "/api/v1/get/domain/all", "/json_api.php",
     "/rspamd/", "/SOGo/..%2fadmin", "/SOGo/../admin", "/SOGo%2f..%2fadmin", "/SOGo/%2e%2e/admin",
     "/SOGo/x/..%2F..%2Fadmin", "/cache/..%2fadmin", "/.well-known/caldav/..%2f..%2fapi",
     "/index.php/admin", "/index.php%2f..%2fadmin", "/user", "/inc/ajax/dns_diagnostics.php",
     "/inc/ajax/qitem_details.php/../../admin", "/qhandler/release/..%2f..%2fadmin",
     "/autodiscover/autodiscover.xml", "/SOGoadmin", "/%61dmin", "//admin", "/.%2fadmin"],
)  # fmt: skip
def test_the_mail_host_answers_nothing_else(qual: Declaration, path: str) -> None:
    assert not answered_by_the_mail_host(qual, path)


@pytest.mark.parametrize(
    "path", ["/SOGo/a..b", "/SOGo/...", "/SOGo/dav/x/a%2Fb.ics", "/SOGo/so/..a/b"]
)
def test_two_dots_and_encoded_slashes_inside_a_name_are_let_through(
    qual: Declaration, path: str
) -> None:
    denied = re.search(
        r"!PathRegexp\(`(.+)`\)", routes_of(qual.traefik, qual.names).rules["webmail"]
    )
    assert denied is not None
    assert not re.search(denied[1], path)


@pytest.mark.parametrize(
    ("label", "path"),
    [
        ("autoconfig", "/mail/config-v1.1.xml"),
        ("autoconfig", "/.well-known/autoconfig/mail/config-v1.1.xml"),
        ("autodiscover", "/Autodiscover/Autodiscover.xml"),
        ("autodiscover", "/autodiscover/autodiscover.json/v1.0/x"),
        ("autodiscover", "/autodiscover/autodiscover.json/v1.0/info%40example.org"),
    ],
)
def test_mail_programs_find_their_settings(qual: Declaration, label: str, path: str) -> None:
    allowed = re.search(
        r"&& PathRegexp\(`(.+)`\)", routes_of(qual.traefik, qual.names).rules[label]
    )
    assert allowed is not None
    assert re.search(allowed[1], path)
    assert not re.search(allowed[1], f"{path}/..%2f..%2f..%2f..%2fadmin")


def test_the_policy_host_is_routed_when_a_policy_is_declared(
    qual_values: dict[str, Any],
) -> None:
    qual_values["zone"] = {**qual_values["zone"], "mtaSts": {"mode": "testing"}}
    declaration = read(qual_values, source="test")
    rules = routes_of(declaration.traefik, declaration.names).rules
    assert rules["mta-sts"] == (
        "Host(`mta-sts.portugalodyssey.pt`) && Path(`/.well-known/mta-sts.txt`)"
    )


def test_the_file_reads_back_as_it_was_meant(qual: Declaration) -> None:
    routes = routes_of(qual.traefik, qual.names)
    text = render_dynamic_file(routes)
    assert yaml.safe_load(text) == dynamic_file(routes)
    assert "&id" not in text


def test_the_file_lies_where_traefik_watches(qual: Declaration) -> None:
    found = registered(lambda: TraefikComponent("traefik", arguments.traefik(qual)))
    assert found["traefik-routes"].inputs["path"] == "/opt/po-shared/traefik/dynamic/po-mail.yml"
