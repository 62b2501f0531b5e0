"""The reverse proxy: Traefik and its stand-in obey the deployed file alike."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography import x509

from declaration.model import Declaration
from declaration.reading import load_values, read
from rehearsal.world.service import LOOPBACK
from tests.conftest import FACTS, PROJECT
from tests.real.both import BOTH
from tests.real.proxies import ODD, Proxy, genuine, stand_in
from tests.real.server_process import eventually, free_port
from tests.real.web_backend import backend


@pytest.fixture(scope="module")
def declaration() -> tuple[Declaration, dict[str, Any]]:
    values: dict[str, Any] = load_values(PROJECT / "Pulumi.qual.yaml") | FACTS
    values["zone"] = {**dict(values["zone"]), "mtaSts": {"mode": "testing"}}
    return read(values, source="Pulumi.qual.yaml"), values


@pytest.fixture(scope="module", params=BOTH)
def house(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    declaration: tuple[Declaration, dict[str, Any]],
) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("proxy")
    with backend(folder) as behind:
        if request.param == "genuine":
            with genuine(folder, *declaration, behind) as proxy:
                yield proxy
        else:
            with stand_in(folder, *declaration, behind) as (proxy, _):
                yield proxy


@pytest.fixture
def proxy(house: Proxy) -> Iterator[Proxy]:
    """The running proxy, with the deployed file and no other."""
    yield house
    house.tidy()


def odd(house: Proxy, **changes: Any) -> dict[str, Any]:
    """Return somebody else's file: a router with everything as ours has it, but for `changes`."""
    router = {
        "entryPoints": [house.routes.entry_point], "rule": f"Host(`{ODD}`)", "service": "odd",
        "tls": {}, **changes.get("router", {}),
    }  # fmt: skip
    balancer = {"servers": [{"url": house.routes.backend}], **changes.get("balancer", {})}
    return {
        "http": {
            "routers": {changes.get("name", "odd"): router},
            "services": {"odd": {"loadBalancer": balancer}},
            **changes.get("http", {}),
        }
    }


@pytest.mark.parametrize(
    ("label", "path"),
    [
        ("mail-admin", "/"),
        ("mail-admin", "/admin"),
        ("mail-admin", "/api/v1/get/domain/all"),
        ("webmail", "/"),
        ("webmail", "/SOGo/so/"),
        ("webmail", "/Microsoft-Server-ActiveSync?Cmd=Ping"),
        ("webmail", "/SOGo/dav/anna/a%2Fb.ics"),
        ("autoconfig", "/mail/config-v1.1.xml?emailaddress=info%40example.org"),
        ("autoconfig", "/.well-known/autoconfig/mail/config-v1.1.xml"),
        ("autodiscover", "/Autodiscover/Autodiscover.xml"),
        ("autodiscover", "/autodiscover/autodiscover.json/v1.0/info@example.org"),
        ("mta-sts", "/.well-known/mta-sts.txt"),
        ("mx", "/Microsoft-Server-ActiveSync?Cmd=Ping"),
        ("mx", "/SOGo/dav/anna/a%2Fb.ics"),
        ("mx", f"/qhandler/release/{'0f' * 32}"),
    ],
)
def test_a_web_host_reaches_nginx_with_what_it_is_for(proxy: Proxy, label: str, path: str) -> None:
    answer = proxy.ask(proxy.hosts[label], path)
    assert answer.status == 200
    assert answer.seen["path"] == path
    assert answer.seen["headers"]["host"] == proxy.hosts[label]


@pytest.mark.parametrize(
    ("label", "path"),
    [
        ("webmail", "/admin"),
        ("webmail", "/ADMIN/"),
        ("webmail", "//admin"),
        ("webmail", "/%61dmin"),
        ("webmail", "/./admin"),
        ("webmail", "/x/../admin"),
        ("webmail", "/x/%2e%2e/admin"),
        ("webmail", "/x/..%2fadmin"),
        ("webmail", "/%2Fadmin"),
        ("webmail", "/api/v1/get/domain/all"),
        ("webmail", "/json_api.php?x=1"),
        ("webmail", "/rspamd/"),
        ("mx", "/admin"),
        ("mx", "/user"),
        ("mx", "/SOGo/..%2fadmin"),
        ("mx", "/SOGo%2F..%2Fadmin"),
        ("mx", "/cache/x/..%2f..%2fapi/v1/get/domain/all"),
        ("autoconfig", "/"),
        ("autoconfig", "/mail/config-v1.1.xml/..%2f..%2fadmin"),
        ("autodiscover", "/admin"),
        ("autodiscover", "/autodiscover/autodiscover.xml/..%2f..%2f..%2fadmin"),
        ("mta-sts", "/"),
    ],
)
def test_other_paths_of_a_host_are_not_found(proxy: Proxy, label: str, path: str) -> None:
    seen = len(proxy.backend.seen)
    answer = proxy.ask(proxy.hosts[label], path)
    assert (answer.status, answer.body) == (404, "404 page not found\n")
    assert len(proxy.backend.seen) == seen


@pytest.mark.parametrize(
    "host",
    ["smtp.portugalodyssey.pt", "portugalodyssey.pt", "www.portugalodyssey.pt", "31.97.159.7",
     "mail-admin.portugalodyssey.pt.evil.example", "x.mail-admin.portugalodyssey.pt"],
)  # fmt: skip
def test_other_hosts_do_not_reach_nginx(proxy: Proxy, host: str) -> None:
    seen = len(proxy.backend.seen)
    answer = proxy.ask(host, sni=proxy.admin)
    assert (answer.status, answer.body) == (404, "404 page not found\n")
    assert answer.headers["x-content-type-options"] == ["nosniff"]
    assert len(proxy.backend.seen) == seen


@pytest.mark.parametrize("suffix", [":443", "."])
def test_a_host_is_known_in_capitals_with_a_port_and_with_its_last_dot(
    proxy: Proxy, suffix: str
) -> None:
    assert proxy.ask(f"{proxy.admin.upper()}{suffix}", sni=proxy.admin).status == 200


@pytest.mark.parametrize(
    ("written", "arrives"),
    [
        ("/a//b", "/a/b"),
        ("/a/./b/", "/a/b/"),
        ("/a/b/..", "/a"),
        ("/..", "/"),
        ("/%7Eanna/%2e", "/~anna"),
        ("/a%3bb%5c", "/a%3Bb%5C"),
        ("/a%2fb", "/a%2Fb"),
        ("/a%20b", "/a%20b"),
        ("/a%252Fb", "/a%252Fb"),
        ("/a\\b", "/a%5Cb"),
        ("/a?q=%2f//../b&c=%41", "/a?q=%2f//../b&c=%41"),
    ],
)
def test_a_path_is_tidied_up_and_a_query_is_not(proxy: Proxy, written: str, arrives: str) -> None:
    assert proxy.ask(proxy.admin, written).seen["path"] == arrives


def test_a_fragment_is_refused(proxy: Proxy) -> None:
    assert proxy.ask(proxy.admin, "/a#b").status == 400


def test_nginx_sees_the_client_and_believes_nothing_that_the_client_says_of_itself(
    proxy: Proxy,
) -> None:
    forged = dict.fromkeys(
        ("X-Forwarded-For", "X-Real-Ip", "X-Forwarded-Host", "X-Forwarded-Proto",
         "X-Forwarded-Port", "X-Forwarded-Server", "X-Forwarded-Uri", "X-Forwarded-Prefix",
         "X-Forwarded-Method", "X-Forwarded-Tls-Client-Cert"),
        "198.51.100.66",
    )  # fmt: skip
    seen = proxy.ask(proxy.admin, headers=forged).seen["headers"]
    assert seen.pop("x-forwarded-server") not in {"", "198.51.100.66"}
    assert {name: value for name, value in seen.items() if name.startswith("x-")} == {
        "x-forwarded-for": LOOPBACK, "x-real-ip": LOOPBACK, "x-forwarded-proto": "https",
        "x-forwarded-host": proxy.admin, "x-forwarded-port": "443",
    }  # fmt: skip


def test_the_rest_of_a_request_arrives_as_it_was_sent(proxy: Proxy) -> None:
    sent = {"X-API-Key": "key", "Cookie": "a=b", "Accept-Encoding": "gzip", "TE": "trailers"}
    seen = proxy.ask(
        proxy.admin, "/api/v1/add/alias", method="POST", body='{"a": "ü"}', headers=sent
    ).seen
    assert (seen["method"], seen["body"]) == ("POST", '{"a": "ü"}')
    ours = {name for name in seen["headers"] if name.startswith("x-forwarded-")}
    assert seen["headers"].keys() - ours == {
        "host", "x-api-key", "cookie", "accept-encoding", "te", "content-length", "x-real-ip",
    }  # fmt: skip
    assert seen["headers"]["x-api-key"] == "key"


def test_other_methods_pass(proxy: Proxy) -> None:
    assert proxy.ask(proxy.hosts["webmail"], "/SOGo/dav/", method="PROPFIND").seen["method"] == (
        "PROPFIND"
    )


def test_the_answer_comes_back_as_it_was_given(proxy: Proxy) -> None:
    answer = proxy.ask(proxy.admin, "/moved")
    assert answer.status == 302
    assert answer.headers["location"] == ["/SOGo/"]
    assert answer.headers["set-cookie"] == ["first=1; Secure", "second=2; Secure"]
    assert answer.headers["server"] == ["nginx"]


def test_every_declared_name_is_shown_the_one_certificate(
    proxy: Proxy, declaration: tuple[Declaration, dict[str, Any]]
) -> None:
    names = declaration[0].names.certificate_names
    for host in names:
        assert proxy.ask(host).names == tuple(names)
    (kept,) = proxy.certificates()
    chain = x509.load_pem_x509_certificates(base64.b64decode(kept["certificate"]))
    assert len(chain) == 2


def test_another_name_is_shown_traefiks_own_certificate(proxy: Proxy) -> None:
    names = proxy.ask(proxy.admin, sni=ODD).names
    assert len(names) == 1
    assert names[0].endswith("traefik.default")


def test_the_deployed_file_gives_no_cause_for_complaint(proxy: Proxy) -> None:
    assert [line for line in proxy.complaints().splitlines() if "encoded characters" not in line
            ] == []  # fmt: skip


# Files of others, in the same directory


def test_a_second_file_stands_beside_the_deployed_one(proxy: Proxy) -> None:
    proxy.write(odd(proxy, balancer={"serversTransport": "po-mail"}))
    assert eventually(lambda: proxy.status(ODD) == 200)
    assert proxy.status(proxy.hosts["webmail"]) == 200
    proxy.remove()
    assert eventually(lambda: proxy.status(ODD) == 404)


def test_the_snake_oil_certificate_is_taken_for_the_declared_backend_alone(proxy: Proxy) -> None:
    proxy.write(odd(proxy))
    assert eventually(lambda: proxy.status(ODD) == 500)
    assert proxy.status(proxy.hosts["webmail"]) == 200
    proxy.write(odd(proxy, balancer={"serversTransport": "po-mail"}))
    assert eventually(lambda: proxy.status(ODD) == 200)


def test_a_backend_that_is_not_there_is_a_bad_gateway(proxy: Proxy) -> None:
    proxy.write(odd(proxy, balancer={"servers": [{"url": f"http://{LOOPBACK}:{free_port()}"}]}))
    assert eventually(lambda: proxy.status(ODD) == 502)


def test_the_host_of_the_backend_is_sent_where_the_visitors_is_not_passed_on(
    proxy: Proxy,
) -> None:
    proxy.write(odd(proxy, balancer={"passHostHeader": False, "serversTransport": "po-mail"}))
    assert eventually(lambda: proxy.status(ODD) == 200)
    seen = proxy.ask(ODD).seen["headers"]
    assert seen["host"] == f"{LOOPBACK}:{proxy.backend.port}"
    assert seen["x-forwarded-host"] == ODD


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("http: [", "yaml"),
        ("- a list", ""),
        ("http: {routerz: {}}", "field not found, node: routerz"),
        ("http: {routers: {}}", "routers cannot be a standalone element"),
        ("http: {routers: {odd: {rulez: x}}}", "field not found, node: rulez"),
        ("http: {routers: {odd: {rule: 'Host(`a.example`)', priority: high}}}", "high"),
    ],
)
def test_a_file_that_cannot_be_read_is_logged_and_keeps_every_change_out(
    proxy: Proxy, content: str, complaint: str
) -> None:
    before = len(proxy.complaints())
    proxy.write(content)
    assert eventually(lambda: complaint in proxy.complaints()[before:] and
                      len(proxy.complaints()) > before)  # fmt: skip
    assert proxy.status(proxy.admin) == 200
    good = odd(proxy, name="good", balancer={"serversTransport": "po-mail"})
    proxy.write(good, "good.yml")
    assert eventually(lambda: proxy.status(ODD) == 200, within=1.0) is False
    proxy.remove()
    assert eventually(lambda: proxy.status(ODD) == 200)
    proxy.remove("good.yml")
    assert eventually(lambda: proxy.status(ODD) == 404)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"router": {"rule": f"Host({ODD})"}}, "odd"),
        ({"router": {"rule": f"Hosts(`{ODD}`)"}}, "unsupported function: Hosts"),
        ({"router": {"rule": f"Host(`{ODD}`, `b.example`)"}}, "unexpected number of parameters"),
        ({"router": {"rule": f"Host(`{ODD}`) && PathRegexp(`(`)"}}, "odd"),
        ({"router": {"rule": ""}}, "odd"),
        ({"router": {"service": "nowhere"}}, 'the service "nowhere@file" does not exist'),
        ({"balancer": {"serversTransport": "nowhere"}}, "servers transport not found nowhere@file"),
        ({"router": {"entryPoints": ["web"]}}, "EntryPoint doesn't exist"),
        ({"router": {"middlewares": ["auth"]}}, 'middleware "auth@file" does not exist'),
    ],
)
def test_a_router_that_cannot_stand_is_logged_and_left_out_alone(
    proxy: Proxy, changes: dict[str, Any], complaint: str
) -> None:
    before = len(proxy.complaints())
    proxy.write(odd(proxy, **changes))
    assert eventually(lambda: complaint in proxy.complaints()[before:] and
                      len(proxy.complaints()) > before)  # fmt: skip
    assert proxy.status(ODD) == 404
    assert proxy.status(proxy.admin) == 200


def test_a_router_of_the_same_name_is_logged_and_the_first_file_holds(proxy: Proxy) -> None:
    before = len(proxy.complaints())
    proxy.write(
        odd(proxy, name="po-mail-webmail", balancer={"serversTransport": "po-mail"}), "zzz.yml"
    )
    assert eventually(lambda: "po-mail-webmail" in proxy.complaints()[before:])
    assert proxy.status(ODD) == 404
    assert proxy.status(proxy.hosts["webmail"]) == 200
    proxy.remove("zzz.yml")


def test_a_router_with_a_resolver_that_is_nowhere_is_logged(proxy: Proxy) -> None:
    before = len(proxy.complaints())
    proxy.write(
        odd(proxy, router={"tls": {"certResolver": "nowhere"}},
            balancer={"serversTransport": "po-mail"})
    )  # fmt: skip
    assert eventually(lambda: "resolver" in proxy.complaints()[before:])
    status = proxy.status(ODD)
    assert status == 200
    assert proxy.ask(ODD).names[0].endswith("traefik.default")


def test_the_longer_rule_is_asked_first(proxy: Proxy) -> None:
    content = odd(proxy, router={"rule": f"Host(`{proxy.admin}`) && Path(`/only/this`)"})
    proxy.write(content)  # verifies the backend, so that whoever it takes gets a 500
    assert eventually(lambda: proxy.status(proxy.admin, "/only/this") == 500)
    assert proxy.status(proxy.admin, "/only/that") == 200


def test_a_removed_file_takes_its_routes_along(proxy: Proxy) -> None:
    proxy.remove("po-mail.yml")
    assert eventually(lambda: proxy.status(proxy.admin) == 404)
    proxy.deploy()
