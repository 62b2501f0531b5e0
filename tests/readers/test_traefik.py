"""Which router answers a URL, and which of a file's routers stand at all."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import pytest
import yaml

from readers.traefik.dynamic import (
    FileError,
    Request,
    Router,
    Static,
    answering,
    not_understood,
    read,
)
from readers.traefik.rules import RuleError, read_rule

STATIC = Static("websecure", "cloudflare")


def router(rule: str, **changes: Any) -> dict[str, Any]:
    tls = {"certResolver": "cloudflare"}
    return {"entryPoints": ["websecure"], "rule": rule, "service": "mail", "tls": tls, **changes}


def routed(routers: Mapping[str, Any], **http: Any) -> tuple[list[Router], list[str]]:
    service = {"loadBalancer": {"servers": [{"url": "https://172.20.0.1:9443"}]}}
    document = {"http": {"routers": dict(routers), "services": {"mail": service}, **http}}
    said: list[str] = []
    return read({PurePath("a.yml"): yaml.safe_dump(document)}, STATIC, said.append), said


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/", "all"),
        ("/admin", "admin"),
        ("/%61dmin", "admin"),
        ("/x/../admin", "admin"),
        ("/x/%2e%2e/admin", "admin"),
        ("//admin", "admin"),
        ("/x/..%2fadmin", "all"),
        ("/admin?x=1", "admin"),
        ("/ADMIN", "all"),
    ],
)
def test_a_path_is_tidied_before_a_rule_sees_it(path: str, name: str) -> None:
    routers, _ = routed(
        {"all": router("Host(`a.example`)"), "admin": router("Host(`a.example`) && Path(`/admin`)")}
    )

    found = answering(routers, Request("A.example", path))

    assert found is not None
    assert found.name == name


def test_a_router_with_a_priority_is_asked_before_a_longer_rule() -> None:
    routers, _ = routed(
        {
            "long": router("Host(`a.example`) && PathPrefix(`/`) && !Path(`/x`)"),
            "first": router("PathPrefix(`/`)", priority=1000),
        }
    )

    found = answering(routers, Request("a.example"))
    assert found is not None
    assert found.name == "first"


def test_nobody_answers_a_host_that_no_rule_names() -> None:
    routers, _ = routed({"a": router("Host(`a.example`)")})

    for host in ("b.example", "x.a.example", "a.example.evil", "xa.example"):
        assert answering(routers, Request(host)) is None
    assert answering(routers, Request("a.example", "/#x")) is None


@pytest.mark.parametrize(
    "rule",
    [
        "Host(a.example)",
        "Host(`a.example`",
        "Host(`a.example`, `b.example`)",
        "Hosts(`a.example`)",
        "Host(`a.example`) & Path(`/x`)",
        "Host(`a.example`) &&",
        "Path(`x`)",
        "PathRegexp(`(`)",
        "",
        "HostSNI(`*`)",
    ],
)
def test_a_rule_that_traefik_cannot_read_is_refused(rule: str) -> None:
    with pytest.raises(RuleError):
        read_rule(rule)


@pytest.mark.parametrize(
    "changes",
    [
        {"service": "nowhere"},
        {"entryPoints": ["web"]},
        {"middlewares": ["strip"]},
    ],
)
def test_a_router_that_cannot_stand_is_left_out_and_said(changes: dict[str, Any]) -> None:
    routers, said = routed({"a": router("Host(`a.example`)", **changes)})

    assert routers == []
    assert len(said) == 1


def test_a_file_that_is_none_is_refused_whole() -> None:
    for text in ("http: [", "http: {routerz: {}}", "- a"):
        with pytest.raises(FileError):
            read({PurePath("a.yml"): text}, STATIC, print)


def test_sections_that_are_not_read_are_named() -> None:
    tcp = {"tcp": {"routers": {"all": {"rule": "HostSNI(`*`)", "service": "x"}}}}

    found = not_understood({PurePath("a.yml"): yaml.safe_dump(tcp), PurePath("b.yml"): "http: {}"})

    assert [mistake.place for mistake in found] == ["a.yml: tcp"]
    assert not found[0].understood
