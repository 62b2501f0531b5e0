"""Delivering the certificate: only a good one, never half a pair, and nobody left behind."""

import ast
import base64
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from components.onhost import certificate_delivery as delivery
from rehearsal.world.authority import CertificateAuthority, Issued, self_signed
from tests.onhost.fake_docker import Docker

HOST = "mx.example.com"
RUNNING = dict.fromkeys(delivery.SERVICES, "1")
WORDS = [
    "--acme", "/acme.json", "--resolver", "cloudflare", "--host", HOST, "--project", "po-mail",
    "--directory", "/m", "--state", "/state", "--metrics", "/metrics", "--ca-bundle", "/ca.pem",
]  # fmt: skip


def entry(issued: Issued, main: str = HOST, sans: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a certificate as Traefik keeps it."""
    return {
        "domain": {"main": main, "sans": list(sans)},
        "certificate": base64.b64encode(issued.chain).decode(),
        "key": base64.b64encode(issued.key).decode(),
        "Store": "default",
    }


class Host:
    """The rehearsed host."""

    def __init__(self, root: Path, authority: CertificateAuthority) -> None:
        self.root, self.authority = root, authority
        (root / "ca.pem").write_bytes(authority.bundle.read_bytes())
        self.ssl = root / "m/data/assets/ssl"
        self.ssl.mkdir(parents=True)

    def keep(self, *entries: dict[str, Any], resolver: str = "cloudflare") -> None:
        """Let Traefik keep these certificates."""
        content: dict[str, Any] = {resolver: {"Account": {}, "Certificates": list(entries) or None}}
        draft = self.root / "acme.new"
        draft.write_text(json.dumps(content))
        draft.replace(self.root / "acme.json")

    def pair(self) -> tuple[bytes, bytes]:
        """Return what Mailcow would read."""
        return (self.ssl / "cert.pem").read_bytes(), (self.ssl / "key.pem").read_bytes()

    @property
    def metrics(self) -> dict[str, str]:
        """Return the metrics by name."""
        lines = (self.root / "metrics/po_mail_certificate.prom").read_text().splitlines()
        pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {
            name.partition("{")[0].removeprefix("po_mail_certificate_"): v for name, _, v in pairs
        }


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    """Return an authority that the host trusts."""
    return CertificateAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def host(root: Path, authority: CertificateAuthority, docker: Docker) -> Host:
    """Return a host on which nothing runs yet."""
    return Host(root, authority)


@pytest.fixture
def good(authority: CertificateAuthority) -> Issued:
    """Return a good certificate."""
    return authority.issue([HOST, "webmail.example.com"])


def test_the_first_delivery_needs_no_running_services(
    host: Host, good: Issued, docker: Docker
) -> None:
    host.keep(entry(good))
    assert delivery.main(WORDS) == 0
    assert host.pair() == (good.chain, good.key)
    assert docker.told("restart") == []


def test_a_renewed_certificate_reaches_all_three_services(
    host: Host, good: Issued, docker: Docker, authority: CertificateAuthority
) -> None:
    host.keep(entry(good))
    delivery.main(WORDS)
    docker.know(running=RUNNING)
    renewed = authority.issue([HOST], days=120)
    host.keep(entry(renewed))
    assert delivery.main(WORDS) == 0
    assert host.pair() == (renewed.chain, renewed.key)
    assert docker.told("restart") == [["restart", *delivery.SERVICES]]


def test_an_unchanged_certificate_restarts_nothing(
    host: Host, good: Issued, docker: Docker, capsys: pytest.CaptureFixture[str]
) -> None:
    host.keep(entry(good))
    delivery.main(WORDS)
    docker.know(running=RUNNING)
    assert delivery.main(WORDS) == 0
    assert docker.told("restart") == []
    assert "unchanged" in capsys.readouterr().out


def sni(host: Host, name: str, issued: Issued) -> Path:
    """Leave a pair where Mailcow's own acme keeps the one of a host."""
    place = host.ssl / name
    place.mkdir(parents=True)
    (place / "domains").write_text(name)
    (place / "cert.pem").write_bytes(issued.chain)
    (place / "key.pem").write_bytes(issued.key)
    return place


def test_a_pair_of_an_earlier_life_is_not_shown_in_place_of_the_delivered_one(
    host: Host, good: Issued, docker: Docker, authority: CertificateAuthority,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    host.keep(entry(good))
    delivery.main(WORDS)
    docker.know(running=RUNNING)
    former = sni(host, HOST, authority.issue([HOST], days=3))
    other = sni(host, "shop.example.org", authority.issue(["shop.example.org"]))
    for _ in range(2):
        assert delivery.main(WORDS) == 0
    assert not former.exists()
    assert (host.ssl / ".former" / HOST / "key.pem").exists()
    assert other.exists()
    said = capsys.readouterr().out
    assert f".former/{HOST}\n" in said
    assert "to whoever names shop.example.org; nothing here renews it" in said
    assert len(docker.told("restart")) == 1


def test_an_empty_memory_is_rebuilt_and_the_services_are_told_once(
    host: Host, good: Issued, docker: Docker
) -> None:
    host.keep(entry(good))
    delivery.main(WORDS)
    docker.know(running=RUNNING)
    memory = next(host.root.rglob("certificate.json"))
    memory.write_text("")
    for _ in range(2):
        assert delivery.main(WORDS) == 0
    assert len(docker.told("restart")) == 1
    assert host.metrics["delivery_success"] == "1"


def test_a_restart_that_failed_is_told_and_tried_again(
    host: Host, good: Issued, docker: Docker, capsys: pytest.CaptureFixture[str]
) -> None:
    host.keep(entry(good))
    docker.know(running=RUNNING, fails=["restart"])
    assert delivery.main(WORDS) == 3
    assert "restart went wrong" in capsys.readouterr().err
    assert host.metrics["delivery_success"] == "0"
    docker.know(fails=[])
    assert delivery.main(WORDS) == 0
    assert len(docker.told("restart")) == 2


def bad_ones(authority: CertificateAuthority) -> dict[str, Issued]:
    """Return certificates that no mail program accepts."""
    good, other = authority.issue([HOST]), authority.issue([HOST])
    return {
        "self-signed": self_signed(HOST),
        "expired": authority.issue([HOST], days=-1),
        "do not fit": Issued(good.chain, other.key),
        "Hostname mismatch": authority.issue(["webmail.example.com"]),
        "not PEM": Issued(b"", b""),
    }


@pytest.mark.parametrize("reason", ["self-signed", "expired", "do not fit", "Hostname mismatch"])
def test_a_certificate_that_mail_programs_would_refuse_is_not_delivered(
    host: Host, good: Issued, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    host.keep(entry(good))
    delivery.main(WORDS)
    host.keep(entry(bad_ones(host.authority)[reason]))
    assert delivery.main(WORDS) == 1
    assert reason in capsys.readouterr().err
    assert host.pair() == (good.chain, good.key)
    assert host.metrics["delivery_success"] == "0"
    assert int(host.metrics["last_success_timestamp_seconds"]) > 0


def test_a_chain_that_leads_to_no_trusted_authority_is_refused(
    host: Host, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host.keep(entry(CertificateAuthority(tmp_path / "staging").issue([HOST])))
    assert delivery.main(WORDS) == 1
    assert "is refused: " in capsys.readouterr().err
    assert not (host.ssl / "cert.pem").exists()


def test_of_several_the_one_that_is_good_for_longest_is_taken(
    host: Host, authority: CertificateAuthority
) -> None:
    short, long = authority.issue([HOST], days=5), authority.issue([HOST], days=80)
    host.keep(entry(long), entry(short), entry(self_signed(HOST)))
    assert delivery.main(WORDS) == 0
    assert host.pair()[0] == long.chain


@pytest.mark.parametrize(
    ("main", "sans"), [("example.com", (HOST,)), ("*.example.com", ()), (HOST, ())]
)
def test_the_certificate_is_found_under_any_name_that_covers_the_host(
    host: Host, authority: CertificateAuthority, main: str, sans: tuple[str, ...]
) -> None:
    host.keep(entry(authority.issue([main, *sans]), main, sans))
    assert delivery.main(WORDS) == 0


def test_another_resolver_does_not_count(
    host: Host, good: Issued, capsys: pytest.CaptureFixture[str]
) -> None:
    host.keep(entry(good), resolver="letsencrypt")
    assert delivery.main(WORDS) == 1
    assert "resolver cloudflare has no certificate for mx.example.com yet" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"cloudflare": {"Certificates": [{"domain": 1}]}}']
)
def test_a_damaged_storage_is_one_clear_line(
    host: Host, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (host.root / "acme.json").write_text(content)
    assert delivery.main(WORDS) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_plain_pair_found_there_is_taken_over(host: Host, good: Issued) -> None:
    old = self_signed(HOST)
    (host.ssl / "cert.pem").write_bytes(old.chain)
    (host.ssl / "key.pem").write_bytes(old.key)
    host.keep(entry(good))
    assert delivery.main(WORDS) == 0
    assert host.pair() == (good.chain, good.key)


@pytest.mark.parametrize("links", [False, True])
def test_at_no_moment_do_the_two_files_belong_to_different_pairs(
    host: Host, good: Issued, monkeypatch: pytest.MonkeyPatch, *, links: bool
) -> None:
    old = self_signed(HOST)
    if links:
        delivery.install(host.ssl, delivery.Pair(old.chain, old.key, 0))
    else:
        (host.ssl / "cert.pem").write_bytes(old.chain)
        (host.ssl / "key.pem").write_bytes(old.key)
    seen: list[tuple[bytes, bytes]] = []
    genuine = delivery.link

    def watched(path: Path, target: str) -> None:
        genuine(path, target)
        seen.append(host.pair())

    monkeypatch.setattr(delivery, "link", watched)
    delivery.install(host.ssl, delivery.Pair(good.chain, good.key, 0))
    assert seen[-1] == (good.chain, good.key)
    assert set(seen) <= {(old.chain, old.key), (good.chain, good.key)}


def test_the_key_is_for_root_alone_and_old_keys_do_not_stay(
    host: Host, good: Issued, authority: CertificateAuthority
) -> None:
    for issued in (authority.issue([HOST], days=10), good):
        host.keep(entry(issued))
        assert delivery.main(WORDS) == 0
    keys = [path for path in host.ssl.rglob("key.pem") if not path.is_symlink()]
    assert len({path.resolve() for path in keys}) == 1
    assert (host.ssl / "key.pem").stat().st_mode & 0o777 == 0o600
    assert (host.ssl / "cert.pem").stat().st_mode & 0o777 == 0o644


def test_waiting_ends_as_soon_as_traefik_has_the_certificate(
    host: Host, good: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "POLL_SECONDS", 0.01)
    waited = threading.Event()
    genuine = delivery.best

    def first_in_vain(options: Any) -> delivery.Pair:
        try:
            return genuine(options)
        finally:
            if not waited.is_set():
                waited.set()
                host.keep(entry(good))

    monkeypatch.setattr(delivery, "best", first_in_vain)
    assert delivery.main([*WORDS, "--wait", "30"]) == 0
    assert waited.is_set()
    assert host.pair()[0] == good.chain


def test_waiting_in_vain_ends_with_what_to_look_at(
    host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(delivery, "POLL_SECONDS", 0.01)
    assert delivery.main([*WORDS, "--wait", "0.05"]) == 1
    complaint = capsys.readouterr().err
    assert "has Traefik started?" in complaint
    assert "Traefik's log says" in complaint


def test_the_metrics_tell_the_end_of_the_delivered_certificate(host: Host, good: Issued) -> None:
    host.keep(entry(good))
    delivery.main(WORDS)
    assert host.metrics["delivery_success"] == "1"
    left = int(host.metrics["expiry_timestamp_seconds"]) - int(
        host.metrics["last_success_timestamp_seconds"]
    )
    assert 89 * 86400 < left <= 90 * 86400


def test_no_key_is_shown(host: Host, good: Issued, capsys: pytest.CaptureFixture[str]) -> None:
    host.keep(entry(good))
    delivery.main(WORDS)
    body = good.key.decode().splitlines()[1]
    shown = capsys.readouterr()
    assert body not in shown.out + shown.err
    assert body not in (host.root / "state/certificate.json").read_text()
    assert body not in repr(delivery.Pair(good.chain, good.key, 0))


PROGRAMS = sorted(Path(delivery.__file__).parent.glob("[a-z]*.py"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_every_program_is_python_of_the_host(program: Path) -> None:
    tree = ast.parse(program.read_text(), feature_version=(3, 9))
    modules = {
        alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {
        (node.module or "").partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    }
    # On the host they lie side by side; `components.onhost` is what a type checker is told instead.
    beside = {program.stem for program in PROGRAMS} | {"components"}
    assert modules - beside <= sys.stdlib_module_names


@pytest.mark.parametrize(
    "name", ["certificate_delivery.py", "release.py", "settings_guard.py", "stack.py"]
)
def test_every_program_explains_itself(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-s", str(PROGRAMS[0].with_name(name)), "--help"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert "Exit status" in done.stdout
