"""Traefik and its stand-in in one house: same dynamic directory, same certificates, same backend.

The house is the world's: its stand-in obtains the certificate and keeps it in `acme.json`, which
the genuine Traefik then reads. Who is asked for a page is the only difference.
"""

import json
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509

from components.traefik import Routes, render_dynamic_file, routes_of
from declaration.model import Declaration
from declaration.reading import Reading
from declaration.resolved import resolve
from rehearsal.parts import need
from rehearsal.world.dns import Dns
from rehearsal.world.service import LOOPBACK
from rehearsal.world.traefik import Traefik
from tests.real.server_process import answers, eventually, free_port, running
from tests.real.web_backend import Backend
from tests.world.host_neighbourhood import Neighbourhood, started

ODD = "odd.example.org"
"""A host of somebody else's file in the same directory."""


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        names: Names of the certificate that was shown.
    """

    status: int
    headers: Mapping[str, list[str]]
    body: str
    names: tuple[str, ...]

    @property
    def seen(self) -> dict[str, Any]:
        """What the backend says that it got."""
        document: dict[str, Any] = json.loads(self.body)
        return document


class Proxy:
    """Whoever stands at port 443 of the host."""

    def __init__(
        self,
        declaration: Declaration,
        backend: Backend,
        directory: Path,
        acme: Path,
        port: int,
        complaints: Callable[[], str],
    ) -> None:
        """Take where its files lie, where it listens, and what it complains about."""
        self.routes: Routes = replace(
            routes_of(declaration.traefik, declaration.names),
            backend=f"https://{LOOPBACK}:{backend.port}",
        )
        self.hosts = {
            host.removesuffix(f".{declaration.domain}"): host
            for host in declaration.names.certificate_names
        }
        self.admin = f"{declaration.web.admin}.{declaration.domain}"
        self.backend = backend
        self.complaints = complaints
        self._directory = directory
        self._acme = acme
        self._port = port

    def write(self, content: str | dict[str, Any], name: str = "other.yml") -> None:
        """Put a file into the dynamic directory, in one step."""
        text = content if isinstance(content, str) else yaml.safe_dump(content)
        draft = self._directory / f".{name}.incoming"
        draft.write_text(text)
        draft.replace(self._directory / name)

    def remove(self, name: str = "other.yml") -> None:
        """Take a file out of the dynamic directory."""
        (self._directory / name).unlink()

    def tidy(self) -> None:
        """Take every file out but the deployed one, and wait until that one alone is obeyed."""
        strange = [file for file in self._directory.iterdir() if file.name != "po-mail.yml"]
        for file in strange:
            file.unlink()
        if strange:
            # A change of ours is seen after those before it.
            self.write(render_dynamic_file(self.routes), "po-mail.yml")
            eventually(lambda: self.status(self.admin) == 200 and self.status(ODD) == 404)

    def deploy(self) -> None:
        """Write what the component renders, and wait until it is obeyed."""
        self.write(render_dynamic_file(self.routes), "po-mail.yml")
        assert eventually(lambda: self.status(self.admin) == 200)

    def status(self, host: str, path: str = "/") -> int:
        """Return the status of an answer; 0 if there is none, as while a server starts."""
        try:
            return self.ask(host, path).status
        except OSError:
            return 0

    def ask(
        self, host: str, path: str = "/", *, method: str = "GET", body: str = "",
        sni: str | None = None, headers: Mapping[str, str] | None = None,
    ) -> Answer:  # fmt: skip
        """Ask for a path exactly as it is written; no client tidies it up."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with (
            socket.create_connection((LOOPBACK, self._port), 10) as plain,
            context.wrap_socket(plain, server_hostname=sni or host) as link,
        ):
            shown = x509.load_der_x509_certificate(link.getpeercert(binary_form=True) or b"")
            sent = {"Host": host, "Connection": "close", **(headers or {})}
            if body:
                sent["Content-Length"] = str(len(body.encode()))
            lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in
                                                    sent.items())]  # fmt: skip
            link.sendall("\r\n".join([*lines, "", body]).encode())
            answer = HTTPResponse(link, method=method)
            answer.begin()
            said = answer.read().decode()
        got: dict[str, list[str]] = {}
        for name, value in answer.getheaders():
            got.setdefault(name.lower(), []).append(value)
        return Answer(answer.status, got, said, _names(shown))

    def certificates(self) -> list[dict[str, Any]]:
        """Return what acme.json holds."""
        kept = json.loads(self._acme.read_text())
        return list(kept[self.routes.certificate_resolver]["Certificates"])


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(found.value.get_values_for_type(x509.DNSName))


def _static(directory: Path, acme: Path, port: int, routes: Routes) -> dict[str, Any]:
    """Return a configuration such as the shared Traefik's, but for where the world is."""
    return {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "log": {"level": "INFO", "format": "json"},
        "entryPoints": {routes.entry_point: {"address": f"{LOOPBACK}:{port}"}},
        "providers": {
            "providersThrottleDuration": "100ms",
            "file": {"directory": str(directory), "watch": True},
        },
        "certificatesResolvers": {
            routes.certificate_resolver: {
                "acme": {
                    "email": "postmaster@example.org",
                    "storage": str(acme),
                    # Nobody is there: the certificate that it has must be enough.
                    "caServer": f"https://{LOOPBACK}:1/directory",
                    "dnsChallenge": {"provider": "cloudflare"},
                }
            }
        },
    }


def _errors(log: str) -> str:
    """Return the lines of Traefik's log that are complaints."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    wrong = [line for line in lines if line.get("level") in {"error", "warn"}]
    keys = ("routerName", "error", "message")
    return "\n".join(" ".join(str(item[key]) for key in keys if key in item) for item in wrong)


@contextmanager
def stand_in(
    folder: Path, declaration: Declaration, values: dict[str, Any], backend: Backend
) -> Iterator[tuple[Proxy, Neighbourhood]]:
    """Run the world's Traefik with the deployed file until the block ends."""
    service = Traefik()
    with started(folder, Dns(), service, config=resolve(Reading(values))) as house:
        house.world.addresses.publish(LOOPBACK, backend.port, backend.port)
        directory = house.world.root / declaration.traefik.dynamic_directory.lstrip("/")
        directory.mkdir(parents=True)
        acme = house.world.root / declaration.traefik.acme_storage.lstrip("/")
        proxy = Proxy(
            declaration, backend, directory, acme, service.port,
            lambda: "\n".join(service.log),
        )  # fmt: skip
        proxy.deploy()
        assert eventually(acme.exists)
        yield proxy, house


@contextmanager
def genuine(
    folder: Path, declaration: Declaration, values: dict[str, Any], backend: Backend
) -> Iterator[Proxy]:
    """Run a genuine Traefik on the files of the stand-in's house until the block ends."""
    traefik = need("traefik")
    with stand_in(folder / "house", declaration, values, backend) as (other, house):
        directory = house.world.root / declaration.traefik.dynamic_directory.lstrip("/")
        acme = house.world.root / declaration.traefik.acme_storage.lstrip("/")
        port = free_port()
        settings = folder / "traefik.yml"
        settings.write_text(yaml.safe_dump(_static(directory, acme, port, other.routes)))
        with running(
            [traefik, f"--configFile={settings}"], folder=folder / "traefik",
            ready=answers(port), environment={"CF_DNS_API_TOKEN": "nobody-asks-for-it"},
        ) as server:  # fmt: skip
            proxy = Proxy(
                declaration, backend, directory, acme, port, lambda: _errors(server.log())
            )
            proxy.deploy()
            yield proxy
