"""Traefik's stand-in: rules, certificates, and the way to the backend."""

import asyncio
import base64
import json
import socket
import ssl
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from cryptography import x509

from components.traefik import Routes, rule_for
from components.traefik import dynamic_file as deployed_file
from readers.traefik.rules import Asked, RuleError, read_rule
from rehearsal.world.authority import self_signed
from rehearsal.world.traefik import Traefik
from rehearsal.world.world import World
from tests.world.declared import declared
from tests.world.test_mailcow_api import KEY, configure

ADMIN = "mail-admin.example.com"
CONFIG = declared(
    traefik={
        "dynamicDirectory": "/opt/po-shared/traefik/dynamic",
        "acmeStorage": "/opt/po-shared/traefik/acme.json",
    }
)


def dynamic(**changes: Any) -> dict[str, Any]:
    """Return a dynamic file as the deployment writes one, with some of its parts replaced."""
    router = {
        "entryPoints": ["websecure"],
        "rule": f"Host(`{ADMIN}`)",
        "service": "po-mail",
        "tls": {"certResolver": "cloudflare"},
        **changes.get("router", {}),
    }
    balancer = {
        "servers": [{"url": changes.get("url", "https://172.20.0.1:9443")}],
        "serversTransport": "po-mail",
    }
    transport = changes.get("transport", {"insecureSkipVerify": True})
    return {
        "http": {
            "routers": {"po-mail": router},
            "services": {"po-mail": {"loadBalancer": balancer}},
            "serversTransports": {"po-mail": transport},
        }
    }


class Visitor:
    """Speaks to the host's port 443 as the public would."""

    def __init__(self, world: World) -> None:
        self.world = world
        service = world.services["traefik"]
        assert isinstance(service, Traefik)
        self.service = service
        self.root = world.surroundings.root

    def write(self, content: dict[str, Any] | str, name: str = "po-mail.yml") -> None:
        file = self.root / "opt/po-shared/traefik/dynamic" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        self.service.reload()

    @property
    def storage(self) -> Path:
        return self.root / "opt/po-shared/traefik/acme.json"

    async def visit(
        self, host: str = ADMIN, path: str = "/", **headers: str
    ) -> tuple[int, str, dict[str, str]]:
        loopback, port = self.world.surroundings.addresses.reach("192.0.2.7", 443)

        class Resolver(aiohttp.abc.AbstractResolver):
            async def resolve(
                self, _host: str, _port: int = 0, family: socket.AddressFamily = socket.AF_INET
            ) -> list[aiohttp.abc.ResolveResult]:
                return [
                    {"hostname": host, "host": loopback, "port": port, "family": family,
                     "proto": 0, "flags": 0}
                ]  # fmt: skip

            async def close(self) -> None:
                pass

        trust = self.world.surroundings.authority.client_context()
        connector = aiohttp.TCPConnector(resolver=Resolver(), ssl=trust)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(f"https://{host}:{port}{path}", headers=headers) as answer,
        ):
            return answer.status, await answer.text(), dict(answer.headers)


def with_visitor(folder: Path, scenario: Callable[[Visitor], Awaitable[None]]) -> None:
    async def whole() -> None:
        world = World(folder, CONFIG, stack="test", services=("dns", "mailcow", "traefik"))
        await world.start()
        try:
            await scenario(Visitor(world))
        finally:
            await world.stop()

    configure(folder)
    asyncio.run(whole())


@pytest.mark.parametrize(
    ("rule", "taken", "left"),
    [
        ("Host(`a.com`)", ["a.com/", "A.com/x"], ["b.com/", "x.a.com/"]),
        ("Host(`a.com`) || Host(`b.com`)", ["a.com/", "b.com/"], ["c.com/"]),
        ("Host(`a.com`) || Host(`b.com`) && PathPrefix(`/x`)", ["a.com/", "b.com/x"], ["b.com/"]),
        ("(Host(`a.com`) || Host(`b.com`)) && PathPrefix(`/x`)", ["b.com/x"], ["a.com/"]),
        ("Host(`a.com`) && !PathPrefix(`/api`)", ["a.com/"], ["a.com/api/v1"]),
        ("Host(`a.com`) && Path(`/x`)", ["a.com/x"], ["a.com/x/y"]),
        ("Host(`a.com`) && PathRegexp(`(?i)^/mail/`)", ["a.com/MAIL/x"], ["a.com/x/mail/"]),
        ("HostRegexp(`^.+\\.a\\.com$`)", ["x.a.com/"], ["a.com/"]),
    ],
)
def test_a_rule_takes_what_it_says_and_no_more(
    rule: str, taken: list[str], left: list[str]
) -> None:
    matches = read_rule(rule).matches

    def asked(place: str) -> Asked:
        host, _, path = place.partition("/")
        return Asked("GET", host.lower(), f"/{path}")

    assert [text for text in taken if not matches(asked(text))] == []
    assert [text for text in left if matches(asked(text))] == []


@pytest.mark.parametrize(
    "rule",
    [
        "", "Host(a.com)", "Host(`a.com`", "Host(`a.com`) &", "Hosts(`a.com`)", "Host()",
        "Host(`a.com`, `b.com`)", "Host(`a.com`) Host(`b.com`)", "PathPrefix(`x`)", "&& Host(`a`)",
        "PathRegexp(`(`)",
    ],
)  # fmt: skip
def test_a_rule_that_traefik_cannot_read_is_refused(rule: str) -> None:
    with pytest.raises(RuleError):
        read_rule(rule)


def test_a_declared_host_reaches_mailcow_with_a_trusted_certificate(tmp_path: Path) -> None:
    async def scenario(visitor: Visitor) -> None:
        visitor.write(dynamic())
        status, body, _ = await visitor.visit(path="/api/v1/get/domain/all", **{"X-API-Key": KEY})
        assert (status, body) == (200, "{}")

    with_visitor(tmp_path, scenario)


def test_mailcow_sees_the_client_and_not_the_proxy(tmp_path: Path) -> None:
    async def scenario(visitor: Visitor) -> None:
        visitor.write(dynamic())
        path = "/api/v1/get/domain/all"
        status, body, _ = await visitor.visit(path=path, **{"X-API-Key": "wrong"})
        assert status == 401
        configure(tmp_path, API_ALLOW_FROM="172.20.0.0/16")
        visitor.world.services["mailcow"]._applied = None  # type: ignore[attr-defined]  # MailcowApi
        forged = {"X-API-Key": KEY, "X-Forwarded-For": "172.20.0.9"}
        status, body, _ = await visitor.visit(path=path, **forged)
        assert (status, "denied for ip 127.0.0.1" in body) == (401, True)

    with_visitor(tmp_path, scenario)


def test_a_host_that_is_not_declared_gets_neither_certificate_nor_page(tmp_path: Path) -> None:
    async def scenario(visitor: Visitor) -> None:
        visitor.write(dynamic())
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await visitor.visit(host="other.example.com")
        status, body, _ = await visitor.visit(Host="other.example.com")
        assert (status, body) == (404, "404 page not found\n")

    with_visitor(tmp_path, scenario)


def test_the_file_that_the_components_write_is_taken_over(tmp_path: Path) -> None:
    async def scenario(visitor: Visitor) -> None:
        hosts = {label: f"{label}.example.com" for label in ("mail-admin", "webmail", "mta-sts")}
        routes = Routes(
            rules={
                label: rule_for(label, host, administers=label == "mail-admin")
                for label, host in hosts.items()
            },
            certificate_names=("mx.example.com", *hosts.values()),
            entry_point="websecure",
            certificate_resolver="cloudflare",
            backend="https://172.20.0.1:9443",
        )
        visitor.write(yaml.safe_dump(dict(deployed_file(routes))))
        assert list(visitor.service.log) == []
        assert (await visitor.visit("mail-admin.example.com", "/admin"))[0] == 200
        assert (await visitor.visit("webmail.example.com", "/SOGo/"))[0] == 200
        assert (await visitor.visit("webmail.example.com", "/api/v1/get/domain/all"))[0] == 404
        (entry,) = json.loads(visitor.storage.read_text())["cloudflare"]["Certificates"]
        assert entry["domain"]["main"] == "mx.example.com"

    with_visitor(tmp_path, scenario)


def test_a_certificate_that_exists_is_there_before_any_router(tmp_path: Path) -> None:
    async def scenario(visitor: Visitor) -> None:
        visitor.service._existing = ("*.example.com",)
        visitor.write(dynamic(router={"tls": {}}))
        (entry,) = json.loads(visitor.storage.read_text())["cloudflare"]["Certificates"]
        assert entry["domain"] == {"main": "*.example.com"}

    with_visitor(tmp_path, scenario)


def test_the_certificate_is_kept_in_traefiks_own_form(tmp_path: Path) -> None:
    async def scenario(visitor: Visitor) -> None:
        tls = {
            "certResolver": "cloudflare",
            "domains": [{"main": "mx.example.com", "sans": [ADMIN]}],
        }
        visitor.write(dynamic(router={"tls": tls}))
        assert stat.S_IMODE(visitor.storage.stat().st_mode) == 0o600
        (entry,) = json.loads(visitor.storage.read_text())["cloudflare"]["Certificates"]
        assert entry["domain"] == {"main": "mx.example.com", "sans": [ADMIN]}
        assert entry["Store"] == "default"
        chain = x509.load_pem_x509_certificates(base64.b64decode(entry["certificate"]))
        names = chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == ["mx.example.com", ADMIN]
        assert len(chain) == 2
        assert b"PRIVATE KEY" in base64.b64decode(entry["key"])
        assert not visitor.service._certificates._names.store.zone_of("example.com").records  # type: ignore[union-attr]  # the challenge is gone again

    with_visitor(tmp_path, scenario)


def test_a_certificate_is_kept_until_it_is_due(tmp_path: Path) -> None:
    async def scenario(visitor: Visitor) -> None:
        visitor.write(dynamic())
        first = visitor.storage.read_text()
        visitor.service.reload()
        assert visitor.storage.read_text() == first
        visitor.service._certificates.obtain((ADMIN,), days=29)
        visitor.service._retry_at.clear()
        visitor.service.reload()
        expiry = visitor.service._certificates.expiry((ADMIN,))
        assert expiry is not None
        assert not visitor.service._certificates.due((ADMIN,))
        assert len(json.loads(visitor.storage.read_text())["cloudflare"]["Certificates"]) == 1

    with_visitor(tmp_path, scenario)


def test_certificates_of_others_are_left_alone(tmp_path: Path) -> None:
    async def scenario(visitor: Visitor) -> None:
        visitor.storage.parent.mkdir(parents=True)
        visitor.storage.write_text(json.dumps({"other": {"Account": {}, "Certificates": None}}))
        visitor.write(dynamic())
        assert set(json.loads(visitor.storage.read_text())) == {"other", "cloudflare"}

    with_visitor(tmp_path, scenario)


@pytest.mark.parametrize(
    ("router", "complaint"),
    [
        ({"rule": "Host(`a.elsewhere.org`)"}, "failed to find zone"),
        ({"tls": {"certResolver": "letsencrypt"}}, "nonexistent certificate resolver"),
        ({"tls": {}}, ""),
    ],
)
def test_no_certificate_without_a_zone_and_a_resolver(
    tmp_path: Path, router: dict[str, Any], complaint: str
) -> None:
    async def scenario(visitor: Visitor) -> None:
        visitor.write(dynamic(router=router))
        assert not visitor.storage.exists()
        assert complaint in " ".join(visitor.service.log)
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await visitor.visit()

    with_visitor(tmp_path, scenario)


def test_a_caa_record_for_another_authority_prevents_the_certificate(tmp_path: Path) -> None:
    async def scenario(visitor: Visitor) -> None:
        store = visitor.service._certificates._names.store
        zone = store.open_zone("example.com")
        data = {"flags": 0, "tag": "issue", "value": "other-authority.example"}
        record = store.add(zone.id, {"type": "CAA", "name": "@", "data": data})
        visitor.write(dynamic())
        assert not visitor.storage.exists()
        assert "prevents issuance" in visitor.service.log[-1]
        store.remove(zone.id, record.id)
        visitor.service._retry_at.clear()
        visitor.service.reload()
        assert visitor.storage.exists()

    with_visitor(tmp_path, scenario)


@pytest.mark.parametrize(
    ("router", "complaint"),
    [
        ({"rule": f"Host({ADMIN})"}, "unexpected text at"),
        ({"service": "nowhere"}, 'the service "nowhere@file" does not exist'),
        ({"entryPoints": ["web"]}, "EntryPoint doesn't exist"),
        ({"middlewares": ["auth"]}, 'middleware "auth@file" does not exist'),
    ],
)
def test_a_broken_router_is_left_out_and_logged(
    tmp_path: Path, router: dict[str, Any], complaint: str
) -> None:
    async def scenario(visitor: Visitor) -> None:
        content = dynamic()
        content["http"]["routers"]["broken"] = {**content["http"]["routers"]["po-mail"], **router}
        visitor.write(content)
        assert [router.name for router in visitor.service._routers] == ["po-mail"]
        assert complaint in " ".join(visitor.service.log)

    with_visitor(tmp_path, scenario)


@pytest.mark.parametrize("content", ["http: [", "http: {routerz: {}}", "- a list"])
def test_a_broken_file_changes_nothing(tmp_path: Path, content: str) -> None:
    async def scenario(visitor: Visitor) -> None:
        visitor.write(dynamic())
        visitor.write(content)
        assert "not taken over" in visitor.service.log[-1]
        assert (await visitor.visit())[0] == 200

    with_visitor(tmp_path, scenario)


def test_a_file_that_is_removed_takes_its_routers_along(tmp_path: Path) -> None:
    async def scenario(visitor: Visitor) -> None:
        visitor.write(dynamic())
        (visitor.root / "opt/po-shared/traefik/dynamic/po-mail.yml").unlink()
        assert (await visitor.visit())[0] == 404

    with_visitor(tmp_path, scenario)


def test_the_snake_oil_backend_is_refused_unless_told_otherwise(tmp_path: Path) -> None:
    async def scenario(visitor: Visitor) -> None:
        visitor.write(dynamic(transport={"insecureSkipVerify": False}))
        assert (await visitor.visit())[0] == 500
        visitor.write(dynamic(transport={"insecureSkipVerify": True}))
        assert (await visitor.visit())[0] == 200

    with_visitor(tmp_path, scenario)


def test_the_deployed_certificate_is_the_one_that_nginx_shows(tmp_path: Path) -> None:
    async def scenario(visitor: Visitor) -> None:
        folder = visitor.root / "opt/po-mail/mailcow/data/assets/ssl"
        folder.mkdir(parents=True)
        made = self_signed("deployed.example.com")
        (folder / "cert.pem").write_bytes(made.chain)
        (folder / "key.pem").write_bytes(made.key)
        host, port = visitor.world.surroundings.addresses.reach("172.20.0.1", 9443)
        shown = await asyncio.to_thread(ssl.get_server_certificate, (host, port))
        assert x509.load_pem_x509_certificate(shown.encode()) == x509.load_pem_x509_certificate(
            made.chain
        )

    with_visitor(tmp_path, scenario)


def test_a_backend_that_is_not_there_is_a_bad_gateway(tmp_path: Path) -> None:
    async def scenario(visitor: Visitor) -> None:
        visitor.write(dynamic(url="https://172.20.0.1:9999"))
        assert (await visitor.visit())[0] == 502
        visitor.write(dynamic())
        visitor.world.services["mailcow"].faults["drop"] = 1
        assert (await visitor.visit(path="/api/v1/get/domain/all", **{"X-API-Key": KEY}))[0] == 502

    with_visitor(tmp_path, scenario)
