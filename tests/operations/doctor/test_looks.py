"""Each look of the preflight, right and wrong, and where nothing can be seen."""

import asyncio
import socket
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from minio.error import S3Error

from components.host import MUST, SHOULD, TOOLS, Condition, passes_senders_on
from declaration.backup import OnTheHostSettings
from declaration.host import Ipv6Settings
from declaration.model import Declaration
from operations.doctor import cloudflare, delivery, host, smarthost, storage
from operations.doctor.looking import Look
from operations.prove.model import Finding, Status
from operations.prove.net import Port, UnseenError
from operations.site.host import Finished
from tests.operations.doctor.preflighted import ZONE, FakeSite, Net, Shell, see, zones

PASS, WARN, FAIL, UNKNOWN = Status.PASS, Status.WARN, Status.FAIL, Status.UNKNOWN
HOST, SMARTHOST = "31.97.159.7", "198.51.100.25"


def named(name: str) -> Look:
    every = (*cloudflare.LOOKS, *smarthost.LOOKS, *delivery.LOOKS, *storage.LOOKS)
    return next(look for look in every if look.name == name)


# Cloudflare


def asked(qual: Declaration, name: str, answer: Callable[..., httpx.Response]) -> Finding:
    return see(named(name), FakeSite(qual, answer))


def test_a_token_that_reads_the_zone_is_taken(qual: Declaration) -> None:
    assert asked(qual, "cloudflare-zone", zones(ZONE)).status is PASS


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (zones(status=403), "Cloudflare refuses the token (403)"),
        (zones(ZONE | {"name": "other.example"}), "the token sees no zone portugalodyssey.pt"),
        (zones(ZONE | {"status": "pending"}), "the zone is pending"),
    ],
)
def test_a_zone_that_is_not_seen_or_not_active_is_wrong(
    qual: Declaration, answer: Callable[..., httpx.Response], words: str
) -> None:
    found = asked(qual, "cloudflare-zone", answer)
    assert found.status is FAIL
    assert words in found.seen


def test_the_declared_id_is_compared(qual: Declaration) -> None:
    zone = qual.zone.model_copy(update={"id": "b" * 32})
    found = asked(qual.model_copy(update={"zone": zone}), "cloudflare-zone", zones(ZONE))
    assert (found.status, found.declared_at) == (FAIL, "mail:zone.id")


@pytest.mark.parametrize("status", [429, 500, 502])
def test_a_cloudflare_in_trouble_tells_nothing(qual: Declaration, status: int) -> None:
    for name in ("cloudflare-zone", "cloudflare-write", "cloudflare-others"):
        with pytest.raises(UnseenError, match=str(status)):
            asked(qual, name, zones(status=status))


def test_the_right_to_write_is_never_seen_to_be_there(qual: Declaration) -> None:
    assert asked(qual, "cloudflare-write", zones(ZONE)).status is UNKNOWN
    assert asked(qual, "cloudflare-write", zones(ZONE | {"permissions": []})).status is UNKNOWN


@pytest.mark.parametrize(
    "answer",
    [zones(ZONE | {"permissions": ["#dns_records:read"]}), zones(), zones(status=403)],
)
def test_a_right_to_write_that_lacks_is_wrong(
    qual: Declaration, answer: Callable[..., httpx.Response]
) -> None:
    assert asked(qual, "cloudflare-write", answer).status is FAIL


def test_a_token_for_more_zones_is_wrong(qual: Declaration) -> None:
    assert asked(qual, "cloudflare-others", zones(ZONE)).status is PASS
    others = [ZONE | {"name": f"{letter}.example"} for letter in "abcde"]
    found = asked(qual, "cloudflare-others", zones(ZONE, *others))
    assert found.status is FAIL
    assert found.seen == "the token sees a.example, b.example, c.example and 2 more as well"


def test_zones_that_are_not_listed_are_not_taken_for_none(qual: Declaration) -> None:
    assert asked(qual, "cloudflare-others", zones(status=403)).status is UNKNOWN


def test_other_rights_are_not_seen(qual: Declaration) -> None:
    assert asked(qual, "cloudflare-rights", zones(ZONE)).status is UNKNOWN


# The smarthost


@pytest.fixture
def resend(qual: Declaration, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Finding]:
    """Return what asks a Resend whose account holds one domain."""

    def ask(look: str, answered: int = 200, /, **domain: Any) -> Finding:
        whole = {
            "id": "d1", "name": qual.domain, "status": "verified", "region": "eu-west-1",
            "records": [
                {"record": "SPF", "name": "send", "type": "TXT", "value": "v=spf1"},
                {"record": "DKIM", "name": "resend._domainkey", "value": qual.dkim_public_key},
            ],
        } | domain  # fmt: skip

        def answer(request: httpx.Request) -> httpx.Response:
            assert request.method == "GET"
            assert request.headers["authorization"] == "Bearer planted-smarthostPassword"
            body = whole if request.url.path == "/domains/d1" else {"data": [whole]}
            return httpx.Response(answered, json=body)

        client = partial(httpx.AsyncClient, transport=httpx.MockTransport(answer))
        monkeypatch.setattr("operations.doctor.smarthost.httpx.AsyncClient", client)
        return see(named(look), FakeSite(qual))

    return ask


def test_a_verified_domain_with_the_declared_key_is_right(resend: Callable[..., Finding]) -> None:
    assert resend("smarthost-domain").status is PASS
    assert resend("smarthost-key").status is PASS


@pytest.mark.parametrize(
    ("domain", "status"),
    [
        ({"name": "other.example"}, FAIL),
        ({"region": "us-east-1"}, FAIL),
        ({"status": "failed"}, FAIL),
        ({"status": "pending"}, WARN),
        ({"status": "not_started"}, WARN),
    ],
)
def test_a_domain_that_is_not_verified_is_told(
    resend: Callable[..., Finding], domain: dict[str, str], status: Status
) -> None:
    assert resend("smarthost-domain", **domain).status is status


def test_another_key_or_none_is_wrong(resend: Callable[..., Finding]) -> None:
    other = {"record": "DKIM", "name": "resend._domainkey", "value": "p=MIGfMA0GCSqGSIb3DQEB"}
    assert "another key" in resend("smarthost-key", records=[other]).seen
    assert "no key under the selector" in resend("smarthost-key", records=[]).seen
    assert resend("smarthost-key", records=[]).status is FAIL


def test_an_account_that_stays_shut_is_not_seen(resend: Callable[..., Finding]) -> None:
    for name in ("smarthost-domain", "smarthost-key"):
        with pytest.raises(UnseenError, match="may send mail only"):
            resend(name, 401)
        with pytest.raises(UnseenError, match="500"):
            resend(name, 500)


def test_a_smarthost_that_shows_its_account_to_others_is_not_seen(qual: Declaration) -> None:
    settings = qual.smarthost.model_copy(update={"provider": "ses", "user": "somebody"})
    site = FakeSite(qual.model_copy(update={"smarthost": settings}))
    for name in ("smarthost-domain", "smarthost-key"):
        with pytest.raises(UnseenError, match="Amazon SES"):
            see(named(name), site)


def test_a_login_is_tried(qual: Declaration, monkeypatch: pytest.MonkeyPatch) -> None:
    async def answers(_site: Any, password: str) -> bool:
        return password == "planted-smarthostPassword"

    monkeypatch.setattr(smarthost, "smarthost_answers", answers)
    assert see(named("smarthost-login"), FakeSite(qual)).status is PASS

    async def refuses(_site: Any, _password: str) -> bool:
        return False

    monkeypatch.setattr(smarthost, "smarthost_answers", refuses)
    assert see(named("smarthost-login"), FakeSite(qual)).status is FAIL


@pytest.mark.parametrize(("said", "status"), [("open", PASS), ("silent", FAIL), ("closed", FAIL)])
def test_the_host_must_reach_the_smarthost(qual: Declaration, said: str, status: Status) -> None:
    site = FakeSite(qual, host=Shell(Finished(0, f"{said}\n", "")))
    assert see(named("smarthost-port"), site).status is status
    assert "smtp.resend.com 587" in site.host.commands[0]


# Delivery


@pytest.mark.parametrize(("said", "status"), [("open", PASS), ("silent", WARN), ("closed", WARN)])
def test_port_25_outwards_is_no_condition(qual: Declaration, said: str, status: Status) -> None:
    site = FakeSite(qual, host=Shell(Finished(0, f"{said}\n", "")))
    assert see(named("port-25-out"), site).status is status


@pytest.mark.parametrize("name", ["port-25-out", "smarthost-port"])
def test_a_host_that_cannot_knock_tells_nothing(qual: Declaration, name: str) -> None:
    site = FakeSite(qual, host=Shell(Finished(127, "", "sh: python3: not found\n")))
    with pytest.raises(UnseenError, match="python3: not found"):
        see(named(name), site)


def test_a_knock_says_what_the_port_does(qual: Declaration) -> None:
    """The very program that the host runs, against ports of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        site: Any = FakeSite(qual, host=Shell(PATH="/usr/bin:/bin:/usr/local/bin"))
        assert _knocked(site, port) == "open"
    assert _knocked(site, port) == "closed"


def _knocked(site: Any, port: int) -> str:
    return asyncio.run(host.knock(site, "127.0.0.1", port))


RESOLVED = {"smtp.resend.com A": [SMARTHOST]}


@pytest.mark.parametrize(
    ("doors", "status"),
    [
        ({(HOST, 25): Port.OPEN}, PASS),
        ({(HOST, 25): Port.CLOSED}, PASS),
        ({(SMARTHOST, 25): Port.OPEN}, FAIL),
        ({(SMARTHOST, 25): Port.CLOSED}, FAIL),
        ({}, UNKNOWN),
    ],
)
def test_port_25_inwards_must_be_answered_for(
    qual: Declaration, doors: dict[tuple[str, int], Port], status: Status
) -> None:
    assert see(named("port-25-in"), FakeSite(qual), Net(RESOLVED, doors)).status is status


POINTER = "7.159.97.31.in-addr.arpa PTR"


@pytest.mark.parametrize(
    ("records", "status"),
    [
        ({POINTER: ["mx.portugalodyssey.pt"], "mx.portugalodyssey.pt A": [HOST]}, PASS),
        ({POINTER: ["mx.portugalodyssey.pt"]}, WARN),
        ({POINTER: ["vps7.example"]}, FAIL),
        ({}, FAIL),
    ],
)
def test_the_reverse_name_is_the_mail_hosts(
    qual: Declaration, records: dict[str, list[str]], status: Status
) -> None:
    found = see(named("reverse-name"), FakeSite(qual), Net(records))
    assert found.status is status
    assert found.mend


# The storage


@pytest.mark.parametrize(
    ("records", "status"),
    [
        ({"minio.portugalodyssey.pt A": ["198.51.100.9"]}, PASS),
        ({"minio.portugalodyssey.pt A": [HOST]}, FAIL),
        ({"minio.portugalodyssey.pt A": ["198.51.100.9", HOST]}, FAIL),
        ({}, FAIL),
    ],
)
def test_the_storage_is_off_the_host(
    qual: Declaration, records: dict[str, list[str]], status: Status
) -> None:
    assert see(named("storage-place"), FakeSite(qual), Net(records)).status is status


def test_a_storage_that_is_the_host_knowingly_is_told(qual: Declaration) -> None:
    knowingly = OnTheHostSettings(reason="until the new server comes", until=date(2027, 1, 31))
    backup = qual.backup.model_copy(update={"server": f"{HOST}:9000", "on_the_host": knowingly})
    found = see(named("storage-place"), FakeSite(qual.model_copy(update={"backup": backup})))
    assert found.status is WARN
    assert "2027-01-31" in found.mend


def test_a_storage_that_is_declared_by_its_address_is_compared(qual: Declaration) -> None:
    backup = qual.backup.model_copy(update={"server": f"{HOST}:9000"})
    site = FakeSite(qual.model_copy(update={"backup": backup}))
    assert see(named("storage-place"), site).status is FAIL


class Bucket:
    """A storage that answers one thing."""

    def __init__(self, code: str) -> None:
        self.code = code

    def get_bucket_versioning(self, _: str) -> None:
        if self.code:
            response: Any = None
            raise S3Error(response, self.code, "message", "/", "request", "host")


def stored(declaration: Declaration, code: str) -> Finding:
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = f"127.0.0.1:{server.getsockname()[1]}"
        endpoints = declaration.endpoints.model_copy(update={"storage": place})
        reached = declaration.model_copy(update={"endpoints": endpoints})
        return see(named("storage-region"), FakeSite(reached, storage=Bucket(code)))


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("", PASS),
        ("NoSuchBucket", PASS),
        ("AuthorizationHeaderMalformed", FAIL),
        ("InvalidAccessKeyId", FAIL),
        ("SignatureDoesNotMatch", FAIL),
    ],
)
def test_the_storage_takes_the_keys_and_the_region(
    qual: Declaration, code: str, status: Status
) -> None:
    assert stored(qual, code).status is status


def test_a_storage_in_trouble_tells_nothing(qual: Declaration) -> None:
    with pytest.raises(UnseenError, match="SlowDown"):
        stored(qual, "SlowDown")
    endpoints = qual.endpoints.model_copy(update={"storage": "127.0.0.1:1"})
    with pytest.raises(UnseenError, match="does not answer"):
        see(named("storage-region"), FakeSite(qual.model_copy(update={"endpoints": endpoints})))


def test_a_region_outside_the_eu_is_wrong(qual: Declaration) -> None:
    backup = qual.backup.model_copy(update={"region": "us-east-1"})
    assert stored(qual.model_copy(update={"backup": backup}), "").status is FAIL


def test_where_the_storage_stands_is_not_seen(qual: Declaration) -> None:
    assert see(named("storage-country"), FakeSite(qual)).status is UNKNOWN


# The host

GOOD = {
    "docker": 'case "$1" in version) echo 28.1.1 ;; esac', "git": "", "nft": "", "restic": "",
    "python3": 'exec /usr/bin/env -i PATH=/usr/bin:/usr/local/bin python3 "$@"',
    "systemctl": "", "uname": "echo 6.1.0", "timedatectl": "echo yes", "df": "",
    "awk": "cat >/dev/null; echo 99999999", "iptables": "echo '-P INPUT ACCEPT'",
}  # fmt: skip
"""A host as it should be, program by program; awk stands for what it would read."""

WRONG: dict[str, tuple[str, str | None]] = {
    **{tool.name: (tool.name, None) for tool in TOOLS},
    "compose": ("docker", '[ "$1" = version ] && echo 28.1.1'),
    "docker-release": ("docker", 'case "$1" in version) echo 20.10.5 ;; esac'),
    "userland-proxy": ("daemon.json", '{"userland-proxy": false}'),
    "kernel": ("uname", "echo 4.19.0"),
    "clock": ("timedatectl", "echo no"),
    "swap": ("awk", "cat >/dev/null; echo 1000"),
    "disk": ("awk", "cat >/dev/null; echo 1000"),
    "input-policy": ("iptables", "echo '-P INPUT DROP'"),
    "ipv6-senders": ("docker", 'case "$1" in version) echo 26.0.0 ;; esac'),
}
"""What is changed so that a condition does not hold; None takes the program away."""


class Machine(Shell):
    """A host that has these programs and no others."""

    def __init__(self, folder: Path, name: str = "", script: str | None = "") -> None:
        tools, root = folder / "tools", folder / "root"
        tools.mkdir()
        (root / "etc/docker").mkdir(parents=True)
        super().__init__(PATH=str(tools), DESTDIR="")
        self.real = name not in {"userland-proxy", "daemon.json", "docker"}
        for tool, words in (GOOD | {name: script}).items():
            if tool == "daemon.json":
                (root / "etc/docker/daemon.json").write_text(str(words))
                self.environment["DESTDIR"] = str(root)
            elif tool and words is not None:
                (tools / tool).write_text(f"#!/bin/sh\n{words}\n")
                (tools / tool).chmod(0o755)
        for tool in ("cut", "grep", "cat"):
            (tools / tool).symlink_to(f"/bin/{tool}" if Path(f"/bin/{tool}").exists() else tool)


def conditions(qual: Declaration, machine: Shell) -> dict[str, Finding]:
    site: Any = FakeSite(qual, host=machine)
    return {look.name.removeprefix("host-"): see(look, site) for look in host.looks(site)}


@pytest.fixture
def over_ipv6(qual: Declaration) -> Declaration:
    ipv6 = Ipv6Settings(address="2a02:4780::7", reverse_is_set=True)
    return qual.model_copy(update={"ipv6": ipv6})


def test_a_host_as_it_should_be_passes(over_ipv6: Declaration, tmp_path: Path) -> None:
    found = conditions(over_ipv6, Machine(tmp_path))
    every = [tool.name for tool in (*TOOLS, *MUST, passes_senders_on(), *SHOULD)]
    assert list(found) == every
    assert {name for name, one in found.items() if one.status is not PASS} == set()


def test_every_condition_can_fail() -> None:
    assert set(WRONG) == {tool.name for tool in (*TOOLS, *MUST, passes_senders_on(), *SHOULD)}


@pytest.mark.parametrize("name", WRONG)
def test_a_host_that_lacks_something_is_told(
    over_ipv6: Declaration, tmp_path: Path, name: str
) -> None:
    found = conditions(over_ipv6, Machine(tmp_path, *WRONG[name]))
    advice = name in {need.name for need in SHOULD}
    assert found[name].status is (WARN if advice else FAIL)
    every: tuple[Condition, ...] = (*TOOLS, *MUST, passes_senders_on(), *SHOULD)
    assert found[name].seen == next(
        condition.otherwise for condition in every if condition.name == name
    )


@pytest.mark.parametrize(
    ("tool", "name"),
    [("timedatectl", "clock"), ("iptables", "input-policy"), ("docker", "compose")],
)
def test_a_condition_that_nothing_shows_does_not_pass(
    qual: Declaration, tmp_path: Path, tool: str, name: str
) -> None:
    assert conditions(qual, Machine(tmp_path, tool, None))[name].status is UNKNOWN


def test_only_a_real_host_shows_what_should_hold(qual: Declaration, tmp_path: Path) -> None:
    found = conditions(qual, Machine(tmp_path, "daemon.json", "{}"))
    assert {found[need.name].status for need in SHOULD} == {UNKNOWN}
    assert {found[tool.name].status for tool in (*TOOLS, *MUST)} == {PASS}
