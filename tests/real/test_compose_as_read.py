"""The reader of compose files and genuine Compose agree on files that nobody chose."""

import json
import random
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from readers.compose import Service, read
from readers.mistake import Mistake, MistakeError
from rehearsal.parts import need

pytestmark = pytest.mark.real

VARIABLES = {"SIZE": "64m", "PORT": "127.0.0.1:8025", "WORD": "yes"}
CHOICES: dict[str, list[Any]] = {
    "image": ["i:1", "j@sha256:" + "ab" * 32, "${NOBODY:-k}"],
    "mem_limit": ["64m", "1g", "${SIZE}", 67108864, "1.5G", "lots", "64MiB"],
    "cpus": [1, 0.5, "0.25", "all"],
    "pids_limit": [100],
    "restart": ["always", "no", "unless-stopped", "on-failure:3", "sometimes"],
    "ports": [["25:25"], ["${PORT}:25", "53:53/udp"], ["[::1]:80:80"], ["3000-3002:4000-4002"],
              ["80"], ["x:1"], [{"target": 80, "published": "8080", "host_ip": "127.0.0.1"}]],
    "volumes": [["v:/data"], ["/srv:/data:ro", "./conf:/etc/conf"], ["w:/data"],
                [{"type": "bind", "source": "/srv", "target": "/x", "read_only": True}]],
    "environment": [["A=1", "B=2"], {"A": "x", "C": 3}, ["A=${WORD}"], {"D": True}],
    "labels": [["a=1"], {"a": "2", "b": "c"}],
    "cap_add": [["NET_ADMIN"], ["NET_ADMIN", "SYS_TIME"]],
    "dns": ["1.1.1.1", ["1.1.1.1", "9.9.9.9"]],
    "privileged": [True, False],
    "network_mode": ["host", "none"],
    "networks": [["n"], {"n": {"aliases": ["x"]}}, ["m"]],
    "depends_on": [["b"], {"b": {"condition": "service_started"}}, ["c"]],
    "command": ["a b", ["a", "b c"]],
    "user": ["root", "1000:1000"],
    "deploy": [{"resources": {"limits": limit}} for limit in ({"memory": "64m"}, {"cpus": "1"})],
    "mem_limitt": ["1g"],
}  # fmt: skip
_RARE = ("mem_limitt", "network_mode", "deploy", "networks")


def made_up(dice: random.Random, *, whole: bool) -> str:
    """Return a compose file, or an override."""
    service = {
        name: dice.choice(values)
        for name, values in CHOICES.items()
        if dice.random() < (0.04 if name in _RARE else 0.25) or (whole and name == "image")
    }
    document: dict[str, Any] = {"services": {"a": service}}
    if whole:
        document["services"]["b"] = {"image": "b"}
        document |= {"volumes": {"v": None}, "networks": {"n": {}}}
    text: str = yaml.safe_dump(document)
    return text.replace("restart: 'no'", "restart: no")


def told(service: Service, folder: Path) -> Mapping[str, Any]:
    """Return what is asked of a service."""
    return {
        "image": service.image, "memory": service.memory, "cpus": service.cpus,
        "restart": service.restart, "ports": sorted(service.ports),
        "mounts": sorted(
            (mount.kind, str((folder / mount.source).resolve()) if mount.kind == "bind" else
             mount.source, mount.target, mount.read_only) for mount in service.mounts
        ),
        "environment": service.pairs("environment"), "labels": service.pairs("labels"),
        "capabilities": service.listed("cap_add"), "dns": service.listed("dns"),
        "privileged": bool(service.settings.get("privileged")),
        "network": service.text("network_mode"), "networks": sorted(service.networks),
        "after": sorted(service.depends_on), "user": service.text("user"),
        "processes": service.text("pids_limit"),
    }  # fmt: skip


def read_or_not(texts: Mapping[str, str]) -> tuple[Mapping[str, Service], Mistake | None]:
    """Return the services, or why there are none."""
    try:
        return read(texts, VARIABLES).services, None
    except MistakeError as error:
        return {}, error.mistake


def test_the_same_files_are_merged_to_the_same(tmp_path: Path) -> None:
    program, dice = need("docker-compose"), random.Random(3)
    folder = tmp_path.resolve()
    (folder / ".env").write_text("".join(f"{name}={text}\n" for name, text in VARIABLES.items()))
    merged = 0
    for _ in range(300):
        texts = {
            "docker-compose.yml": made_up(dice, whole=True),
            "docker-compose.override.yml": made_up(dice, whole=False),
        }
        for name, text in texts.items():
            (folder / name).write_text(text)
        done = subprocess.run(
            [program, "--project-directory", folder, "config", "--format", "json"], cwd=folder,
            check=False, capture_output=True, text=True, timeout=60,
            env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
        )  # fmt: skip
        services, mistake = read_or_not(texts)
        if mistake is not None and not mistake.understood:
            continue
        assert bool(done.returncode) == (mistake is not None), (texts, mistake, done.stderr)
        if mistake is not None:
            continue
        genuine = json.loads(done.stdout)["services"]
        assert set(services) == set(genuine)
        for name, settings in genuine.items():
            mine, theirs = told(services[name], folder), told(Service(name, settings), folder)
            assert mine == theirs, texts
        merged += 1
    assert merged > 50
