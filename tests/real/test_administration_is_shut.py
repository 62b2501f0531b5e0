"""Traefik and nginx together: no way of writing a path leads to the administration.

The two read a path differently: to Traefik an encoded slash is a character, to nginx a slash. A
stand-in of either could not tell, so this is tried on the genuine ones alone.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from declaration.reading import load_values, read
from rehearsal.parts import need
from rehearsal.world.authority import self_signed
from rehearsal.world.service import LOOPBACK
from tests.conftest import FACTS, PROJECT
from tests.real.proxies import Proxy, genuine
from tests.real.server_process import answers, free_port, running
from tests.real.web_backend import Backend

pytestmark = pytest.mark.real

_ADMINISTRATION = re.compile(r"/(admin|domainadmin|api|json_api\.php|rspamd)", re.IGNORECASE)
_ROUNDABOUT = (
    "/x/..%2fadmin", "/%2fadmin", "/.%2fadmin", "/x%2f..%2fadmin", "/x/%2e%2e%2Fadmin",
    "/x/..%2f/admin", "/SOGo/..%2Fapi/v1/get/domain/all", "/a/b/..%2f..%2frspamd/",
    "/x/../admin", "//admin", "/%61dmin", "/./json_api.php", "/x/..%2f.%2fadmin",
)  # fmt: skip


def _settings(folder: Path, port: int) -> str:
    made = self_signed("snake-oil.invalid")
    (folder / "cert.pem").write_bytes(made.chain)
    (folder / "key.pem").write_bytes(made.key)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    return (
        f"daemon off; pid {folder}/nginx.pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; {temporary}\n"
        f"server {{ listen {LOOPBACK}:{port} ssl;\n"
        f"ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;\n"
        "location / { default_type text/plain; return 200 $uri; } } }\n"
    )


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("nginx")
    values: dict[str, Any] = load_values(PROJECT / "Pulumi.qual.yaml") | FACTS
    behind = Backend()
    behind.port = free_port()
    settings = folder / "nginx.conf"
    settings.write_text(_settings(folder, behind.port))
    command: list[str | Path] = [need("nginx"), "-p", folder, "-e", "stderr", "-c", settings]
    with (
        running(command, folder=folder, ready=answers(behind.port)),
        genuine(folder, read(values, source="Pulumi.qual.yaml"), values, behind) as one,
    ):
        yield one


@pytest.mark.parametrize("path", _ROUNDABOUT)
def test_on_its_own_host_every_roundabout_way_leads_there(proxy: Proxy, path: str) -> None:
    answer = proxy.ask(proxy.admin, path)
    assert answer.status == 200
    assert _ADMINISTRATION.match(answer.body), "this path would prove nothing elsewhere"


@pytest.mark.parametrize("path", _ROUNDABOUT)
@pytest.mark.parametrize(
    ("label", "before"),
    [
        ("webmail", ""),
        ("webmail", "/SOGo"),
        ("autoconfig", "/mail/config-v1.1.xml"),
        ("autodiscover", "/autodiscover/autodiscover.xml"),
        ("autodiscover", "/autodiscover/autodiscover.json/v1.0"),
    ],
)
def test_on_no_other_host_does_any_way_lead_there(
    proxy: Proxy, label: str, before: str, path: str
) -> None:
    for climb in ("", "/..%2f..", "/..%2f..%2f..%2f.."):
        answer = proxy.ask(proxy.hosts[label], f"{before}{climb}{path}")
        assert answer.status in {400, 404} or not _ADMINISTRATION.match(answer.body), climb
