"""Compose files as Compose reads and merges them; `tests/real/test_compose_files.py` judges it."""

import pytest

from readers.compose import Mount, Port, Project, Service, interpolate, memory, ports, read
from readers.mistake import MistakeError

BASE = """\
services:
  a:
    image: i
    restart: no
    ports: ['22:22', 80]
    volumes: [v:/data, './conf:/etc/conf/:ro']
    environment: [A=1, B]
    labels: {x: 1}
    cap_add: [NET_ADMIN]
    dns: 1.1.1.1
    depends_on: [b]
  b: {image: j}
volumes: {v: }
networks: {n: {}}
"""


def merged(override: str, **variables: str) -> Project:
    """Return the base with an override."""
    return read({"base.yml": BASE, "override.yml": override}, variables)


def service(settings: str, **variables: str) -> Service:
    """Return the service of the base, with settings of an override."""
    return merged(f"services: {{a: {{{settings}}}}}", **variables).services["a"]


def test_what_a_file_says_is_read() -> None:
    a = service("")
    assert a.restart == "no"
    assert a.ports == [Port("", "22", 22), Port("", "", 80)]
    assert a.mounts == [
        Mount("volume", "v", "/data"), Mount("bind", "./conf", "/etc/conf", read_only=True),
    ]  # fmt: skip
    assert a.pairs("environment") == {"A": "1", "B": None}
    assert a.networks == {"default": {}}
    assert (a.memory, a.cpus) == (0, 0.0)


def test_an_override_is_merged_as_each_setting_asks() -> None:
    a = merged(
        "services: {a: {image: k, environment: {A: 2, C: true}, labels: [y=2],"
        " cap_add: [NET_ADMIN, SYS_TIME], dns: [9.9.9.9], volumes: ['w:/data', '/x:/y'],"
        " ports: ['22:22', '23:23'], depends_on: {b: {condition: service_healthy}},"
        " networks: [n]}}\nvolumes: {w: }\n"
    ).services["a"]
    assert a.image == "k"
    assert a.pairs("environment") == {"A": "2", "B": None, "C": "true"}
    assert a.pairs("labels") == {"x": "1", "y": "2"}
    assert a.listed("cap_add") == ["NET_ADMIN", "SYS_TIME"]
    assert a.listed("dns") == ["1.1.1.1", "9.9.9.9"]
    assert [mount.source for mount in a.mounts] == ["w", "./conf", "/x"]
    assert [port.published for port in a.ports] == ["22", "", "23"]
    assert a.depends_on == ["b"]
    assert a.networks == {"n": {}}


def test_reset_and_override_are_obeyed() -> None:
    a = service("ports: !override ['2:2'], dns: !reset [], image: !override k")
    assert (a.ports, a.listed("dns"), a.image) == ([Port("", "2", 2)], [], "k")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("mem_limit: 768m", 768 * 2**20), ("mem_limit: 1.5G", 1.5 * 2**30), ("mem_limit: 10", 10),
        ("mem_limit: 10b", 10), ("mem_limit: '2 MiB'", 2**21), ("mem_limit: 786432k", 768 * 2**20),
        ("deploy: {resources: {limits: {memory: 1g}}}", 2**30), ("mem_limit: -1", 0),
        ("mem_limit: 0", 0), ("mem_limit: '${M:-3m}'", 3 * 2**20), ("mem_limit: '${N}'", 2**20),
    ],
)  # fmt: skip
def test_a_limit_of_memory_is_read(settings: str, expected: int) -> None:
    assert service(settings, N="1m").memory == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${A}-$A", "x-x"), ("$${A}", "${A}"), ("${B:-d}", "d"), ("${E:-d}", "d"), ("${E-d}", ""),
        ("${A:+y}", "y"), ("${B:+y}", ""), ("${B:-${A}}", "x"), ("${B}", ""),
    ],
)  # fmt: skip
def test_variables_are_filled_in_by_composes_rules(text: str, expected: str) -> None:
    assert interpolate(text, {"A": "x", "E": ""}) == expected


def test_a_variable_without_a_value_is_named() -> None:
    assert merged("services: {a: {command: '$NOBODY'}}").unset == {"NOBODY"}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("127.0.0.1:53:53/udp", [Port("127.0.0.1", "53", 53, "udp")]),
        ("[::1]:80:80", [Port("::1", "80", 80)]),
        ("3000-3001:4000-4001", [Port("", "3000", 4000), Port("", "3001", 4001)]),
        ("8000-8009:80", [Port("", "8000-8009", 80)]),
        ({"target": 80, "published": "81", "host_ip": "::1"}, [Port("::1", "81", 80)]),
        (":9080:9080", [Port("", "9080", 9080)]),
    ],
)  # fmt: skip
def test_a_port_is_read(entry: object, expected: list[Port]) -> None:
    assert ports(entry) == expected


@pytest.mark.parametrize("entry", ["x:1", "1:x", "70000:1", "1:0", "1-3:1-2", "a:b:c:d", ""])
def test_nonsense_is_no_port(entry: str) -> None:
    with pytest.raises(MistakeError):
        ports(entry)


@pytest.mark.parametrize("size", ["lots", "1q", "1mi", "m", "", "1 2m", "1mbb", "-5m"])
def test_nonsense_is_no_size(size: str) -> None:
    with pytest.raises(MistakeError, match="x: invalid size"):
        memory(size, "x")


def test_services_start_after_what_they_depend_on() -> None:
    assert merged("services: {a: {}}").start_order(["a"]) == ["b", "a"]
    with pytest.raises(MistakeError, match="cycle"):
        merged("services: {b: {depends_on: [a]}}").start_order(["a"])
    with pytest.raises(MistakeError, match="no such service"):
        merged("services: {a: {}}").start_order(["z"])


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("services: [", "line 1"),
        ("services: {a: {}, a: {}}", "already defined"),
        ("- a", "must be a mapping"),
        ("services: [a]", "must be a mapping"),
        ("services: {a: }", "must be a mapping"),
        ("servcies: {}", "additional properties 'servcies'"),
        ("services: {a: {mem_limitt: 1}}", "additional properties 'mem_limitt'"),
        ("services: {c: {restart: always}}", "neither an image nor a build"),
        ("services: {a: {dns: !reset null, ports: 80}}", "cannot override"),
        ("services: {a: {cpus: all}}", "positive number"),
        ("services: {a: {cpus: -1}}", "positive number"),
        ("services: {a: {cpus: 1, deploy: {resources: {limits: {cpus: 2}}}}}", "distinct values"),
        ("services: {a: {restart: sometimes}}", "invalid restart policy"),
        ("services: {a: {networks: [m]}}", "undefined network m"),
        ("services: {a: {volumes: ['w:/w']}}", "undefined volume w"),
        ("services: {a: {depends_on: [z]}}", "undefined service"),
        ("services: {a: {network_mode: host, networks: [n]}}", "mutually exclusive"),
        ("services: {a: {command: '${'}}", "invalid interpolation format"),
        ("services: {a: {command: '${X:?is needed}'}}", "X is missing a value: is needed"),
        ("services: {a: {command: !!python/name:os.system }}", "line 1"),
        ("services: {}\n---\nservices: {}", "line 2"),
    ],
)  # fmt: skip
def test_what_compose_refuses_is_a_mistake(override: str, words: str) -> None:
    with pytest.raises(MistakeError, match=words) as refused:
        merged(override)
    assert refused.value.mistake.understood


@pytest.mark.parametrize(
    "override",
    ["include: [x.yml]", "services: {a: {env_file: x}}", "services: {a: {mem_limit: }}",
     "services: {a: {extends: {file: x.yml, service: b}}}"],
)  # fmt: skip
def test_what_stands_elsewhere_is_not_understood(override: str) -> None:
    with pytest.raises(MistakeError) as refused:
        merged(override)
    assert not refused.value.mistake.understood
