"""Reading compose files: YAML, variables, merging, and what Compose would refuse."""

import json
import os
import re
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from rehearsal.world.host_tools.surroundings import ToolError, complain

_VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$)|(?P<bare>[A-Za-z_]\w*)"
    r"|\{(?P<name>[A-Za-z_]\w*)(?:(?P<how>:?[-?+])(?P<word>(?:[^{}]|\{[^{}]*\})*))?\}"
    r"|(?P<bad>))"
)
_SIZE = re.compile(
    r"^(\d+(?:\.\d+)?) ?(b|k|kb|ki|kib|m|mb|mi|mib|g|gb|gi|gib|t|tb|ti|tib)?$", re.IGNORECASE
)
_TOP = {"name", "version", "services", "networks", "volumes", "configs", "secrets", "include"}
_SERVICE = {
    "annotations", "attach", "blkio_config", "build", "cap_add", "cap_drop", "cgroup",
    "cgroup_parent", "command", "configs", "container_name", "cpu_count", "cpu_percent",
    "cpu_period", "cpu_quota", "cpu_rt_period", "cpu_rt_runtime", "cpu_shares", "cpus", "cpuset",
    "credential_spec", "depends_on", "deploy", "develop", "device_cgroup_rules", "devices", "dns",
    "dns_opt", "dns_search", "domainname", "entrypoint", "env_file", "environment", "expose",
    "extends", "external_links", "extra_hosts", "gpus", "group_add", "healthcheck", "hostname",
    "image", "init", "ipc", "isolation", "label_file", "labels", "links", "logging",
    "mac_address", "mem_limit", "mem_reservation", "mem_swappiness", "memswap_limit",
    "network_mode", "networks", "oom_kill_disable", "oom_score_adj", "pid", "pids_limit",
    "platform", "ports", "post_start", "pre_stop", "privileged", "profiles", "provider",
    "pull_policy", "read_only", "restart", "runtime", "scale", "secrets", "security_opt",
    "shm_size", "stdin_open", "stop_grace_period", "stop_signal", "storage_opt", "sysctls",
    "tmpfs", "tty", "ulimits", "user", "userns_mode", "uts", "volumes", "volumes_from",
    "working_dir",
}  # fmt: skip
_REPLACED = {"command", "entrypoint"}
_RESTART = re.compile(r"^(no|always|unless-stopped|on-failure(:\d+)?)$")


class _Reset:
    """Value of `!reset`: the key is taken away."""


class _Override:
    """Value of `!override`: what was there is replaced, not merged."""

    def __init__(self, value: Any) -> None:
        self.value = value


class _Loader(yaml.SafeLoader):
    """YAML as Compose reads it: duplicate keys refused, `!reset` and `!override` known."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002  # PyYAML's signature
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen and key != "<<":
                line = key_node.start_mark.line + 1
                raise ToolError(f'yaml: line {line}: mapping key "{key}" already defined', 15)
            seen.add(key)
        return super().construct_mapping(node, deep)


def _override(loader: _Loader, node: yaml.Node) -> _Override:
    if isinstance(node, yaml.MappingNode):
        return _Override(loader.construct_mapping(node, deep=True))
    if isinstance(node, yaml.SequenceNode):
        return _Override(loader.construct_sequence(node, deep=True))
    return _Override(loader.construct_object(node))


_Loader.add_constructor("!reset", lambda _loader, _node: _Reset())
_Loader.add_constructor("!override", _override)


def interpolate(text: str, variables: Mapping[str, str], unset: set[str] | None = None) -> str:
    """Put variables into `text` by Compose's rules; names without a value go to `unset`.

    Raises:
        ToolError: a required variable is missing, or the text is no valid template.
    """

    def value(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        name = match["bare"] or match["name"]
        if name is None:
            raise ToolError(f'invalid interpolation format: "{text}"', 15)
        how, word = match["how"] or "", match["word"] or ""
        found = variables.get(name)
        present = bool(found) if how.startswith(":") else found is not None
        if how.endswith("+"):
            return interpolate(word, variables, unset) if present else ""
        if present:
            return found or ""
        if how.endswith("?"):
            raise ToolError(f"required variable {name} is missing a value: {word}", 15)
        if not how and found is None and unset is not None:
            unset.add(name)
        return interpolate(word, variables, unset) if how else (found or "")

    return _VARIABLE.sub(value, text)


def read_environment_file(path: Path) -> dict[str, str]:
    """Read a `.env` file."""
    values: dict[str, str] = {}
    for raw in path.read_text().splitlines():
        line = raw.strip().removeprefix("export ").strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not re.fullmatch(r"[\w.-]+", name.strip()):
            raise ToolError(f"failed to read {path}: unexpected character in variable name", 15)
        if not equals:
            continue
        value = value.strip()
        if value[:1] == "'" and value.find("'", 1) > 0:
            values[name.strip()] = value[1 : value.index("'", 1)]
        elif value[:1] == '"' and value.find('"', 1) > 0:
            inner = value[1 : value.index('"', 1)]
            values[name.strip()] = interpolate(inner, values | dict(os.environ))
        else:
            bare = re.split(r"\s+#", value, maxsplit=1)[0].strip()
            values[name.strip()] = interpolate(bare, values | dict(os.environ))
    return values


def _interpolated(value: Any, variables: Mapping[str, str], unset: set[str]) -> Any:
    if isinstance(value, str):
        return interpolate(value, variables, unset)
    if isinstance(value, dict):
        return {key: _interpolated(one, variables, unset) for key, one in value.items()}
    if isinstance(value, list):
        return [_interpolated(one, variables, unset) for one in value]
    if isinstance(value, _Override):
        return _Override(_interpolated(value.value, variables, unset))
    return value


def pairs(value: Any) -> dict[str, str | None]:
    """Return `environment`, `labels` and the like as a mapping, whichever way they are written."""
    if isinstance(value, dict):
        return {str(k): None if v is None else _plain(v) for k, v in value.items()}
    found = (str(one).partition("=") for one in value or ())
    return {name: text if equals else None for name, equals, text in found}


def _plain(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _target_of(volume: Any) -> str:
    if isinstance(volume, dict):
        return str(volume.get("target"))
    parts = str(volume).split(":")
    return parts[1] if len(parts) > 1 else parts[0]


def _merged(base: Any, over: Any, path: tuple[str, ...]) -> Any:
    key = path[-1] if len(path) == 3 and path[0] == "services" else ""
    if isinstance(over, _Override) or key in _REPLACED:
        return over.value if isinstance(over, _Override) else over
    if key in {"environment", "labels", "sysctls"}:
        return pairs(base) | pairs(over)
    base, over = _named(base, key), _named(over, key)
    if isinstance(base, dict) and isinstance(over, dict):
        return _merged_mapping(base, over, path)
    if isinstance(base, list) and isinstance(over, list):
        return _merged_list(base, over, key)
    return over


def _merged_list(base: list[Any], over: list[Any], key: str) -> list[Any]:
    if key == "volumes":
        by_target = {_target_of(one): one for one in [*base, *over]}
        return list(by_target.values())
    return base + [one for one in over if one not in base]


def _merged_mapping(
    base: dict[str, Any], over: dict[str, Any], path: tuple[str, ...]
) -> dict[str, Any]:
    result = dict(base)
    for name, value in over.items():
        if isinstance(value, _Reset):
            result.pop(name, None)
        elif name in result:
            result[name] = _merged(result[name], value, (*path, str(name)))
        else:
            result[name] = value.value if isinstance(value, _Override) else value
    return result


def _named(value: Any, key: str) -> Any:
    if key == "depends_on" and isinstance(value, list):
        return {one: {"condition": "service_started"} for one in value}
    if key == "networks" and isinstance(value, list):
        return dict.fromkeys(value)
    return value


def memory(value: Any, where: str) -> int:
    """Return a size in bytes.

    Raises:
        ToolError: it is none.
    """
    match = _SIZE.match(str(value).strip())
    if match is None or isinstance(value, bool):
        raise ToolError(f"{where}: invalid size: '{value}'", 15)
    exponent = {"b": 0, "k": 1, "m": 2, "g": 3, "t": 4}[(match[2] or "b")[0].lower()]
    return int(float(match[1]) * 1024**exponent)


def _check_service(name: str, service: Any, whole: Mapping[str, Any]) -> None:
    if not isinstance(service, dict):
        raise ToolError(f"services.{name} must be a mapping", 15)
    unknown = sorted(k for k in service if k not in _SERVICE and not str(k).startswith("x-"))
    if unknown:
        raise ToolError(
            f"validating compose file: services.{name} additional properties "
            f"'{unknown[0]}' not allowed", 15,
        )  # fmt: skip
    if not service.get("image") and not service.get("build"):
        raise ToolError(
            f'service "{name}" has neither an image nor a build context specified: '
            "invalid compose project", 15,
        )  # fmt: skip
    for other in _named(service.get("depends_on") or {}, "depends_on"):
        if other not in whole["services"]:
            raise ToolError(
                f'service "{name}" depends on undefined service "{other}": '
                "invalid compose project", 15,
            )  # fmt: skip
    _check_references(name, service, whole)
    _check_limits(name, service)


def _check_references(name: str, service: Mapping[str, Any], whole: Mapping[str, Any]) -> None:
    if service.get("network_mode") and service.get("networks"):
        raise ToolError(
            f"service {name} declares mutually exclusive `network_mode` and `networks`: "
            "invalid compose project", 15,
        )  # fmt: skip
    for network in _named(service.get("networks") or {}, "networks"):
        if network != "default" and network not in (whole.get("networks") or {}):
            raise ToolError(
                f'service "{name}" refers to undefined network {network}: '
                "invalid compose project", 15,
            )  # fmt: skip
    for volume in service.get("volumes") or ():
        source = volume.get("source", "") if isinstance(volume, dict) else volume.split(":")[0]
        kind = volume.get("type", "volume") if isinstance(volume, dict) else ""
        named = bool(re.match(r"^[A-Za-z0-9]", source)) and kind != "bind"
        if named and ":" in str(volume) and source not in (whole.get("volumes") or {}):
            raise ToolError(
                f'service "{name}" refers to undefined volume {source}: '
                "invalid compose project", 15,
            )  # fmt: skip


def _check_limits(name: str, service: Mapping[str, Any]) -> None:
    where = f"services.{name}"
    for key in ("mem_limit", "mem_reservation", "memswap_limit", "shm_size"):
        if key in service and str(service[key]) != "-1":
            memory(service[key], f"{where}.{key}")
    limits = ((service.get("deploy") or {}).get("resources") or {}).get("limits") or {}
    if "memory" in limits:
        memory(limits["memory"], f"{where}.deploy.resources.limits.memory")
    for value, key in ((service.get("cpus"), "cpus"), (limits.get("cpus"), "deploy cpus")):
        try:
            wrong = value is not None and float(value) <= 0
        except (TypeError, ValueError):
            wrong = True
        if wrong:
            raise ToolError(f"{where}.{key} must be a positive number, not '{value}'", 15)
    if "cpus" in service and "cpus" in limits and float(service["cpus"]) != float(limits["cpus"]):
        raise ToolError(f"{where}: can't set distinct values on 'cpus' and 'deploy cpus'", 15)
    if "restart" in service and not _RESTART.match(str(service["restart"])):
        raise ToolError(f"invalid restart policy: {service['restart']}", 15)
    for port in service.get("ports") or ():
        publish(port, name)


def publish(port: Any, service: str) -> dict[str, str]:
    """Return one entry of `ports` as HostIp, HostPort and container port with protocol.

    Raises:
        ToolError: it is malformed.
    """
    if isinstance(port, dict):
        protocol = port.get("protocol", "tcp")
        return {
            "HostIp": str(port.get("host_ip", "")), "HostPort": str(port.get("published", "")),
            "container": f"{port['target']}/{protocol}",
        }  # fmt: skip
    text, _, protocol = str(port).partition("/")
    match = re.fullmatch(r"(?:(?:(\[[0-9a-fA-F:]*\]|[\d.]*):)?(\d*):)?(\d+)", text)
    numbers = [int(one) for one in (match[2], match[3]) if one] if match else []
    host_port = text.split(":")[-2] if ":" in text else ""
    if match is None and host_port and not host_port.isdecimal():
        raise ToolError(f"invalid hostPort: {host_port}", 15)
    if match is None or any(not 0 < one < 65536 for one in numbers):
        raise ToolError(f"services.{service}.ports: invalid containerPort or address: {port}", 15)
    return {
        "HostIp": match[1] or "", "HostPort": match[2] or "",
        "container": f"{match[3]}/{protocol or 'tcp'}",
    }  # fmt: skip


def _read(path: Path, variables: Mapping[str, str], unset: set[str]) -> dict[str, Any]:
    try:
        text = path.read_text()
    except OSError as error:
        raise ToolError(f"open {path}: {(error.strerror or '').lower()}", 14) from error
    try:
        # The loader builds on SafeLoader and makes no objects of its own choosing.
        content = yaml.load(text, Loader=_Loader)  # noqa: S506
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", 0) + 1
        problem = getattr(error, "problem", "") or "cannot be parsed"
        raise ToolError(f"parsing {path}: yaml: line {line}: {problem}", 15) from error
    if not isinstance(content, dict):
        raise ToolError(f"parsing {path}: top-level object must be a mapping", 15)
    for key in content:
        if key not in _TOP and not str(key).startswith("x-"):
            raise ToolError(f"validating {path}: additional properties '{key}' not allowed", 15)
    result: dict[str, Any] = _interpolated(content, variables, unset)
    return result


def load(
    files: Iterable[Path], directory: Path, environment_files: Iterable[Path] = ()
) -> dict[str, Any]:
    """Read and merge compose files as Compose does, with variables from `.env` in `directory`.

    Raises:
        ToolError: what Compose would refuse.
    """
    chosen = list(files)
    if not chosen:
        names = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
        base = next((directory / name for name in names if (directory / name).exists()), None)
        if base is None:
            raise ToolError("no configuration file provided: not found", 14)
        over = base.with_suffix(f".override{base.suffix}")
        chosen = [base, over] if over.exists() else [base]
    variables: dict[str, str] = {}
    for file in list(environment_files) or [directory / ".env"]:
        if file.exists():
            variables |= read_environment_file(file)
    variables |= os.environ
    unset: set[str] = set()
    whole: dict[str, Any] = {"services": {}}
    for path in chosen:
        whole = _merged(whole, _read(path, variables, unset), ())
    for name in sorted(unset):
        complain(f'level=warning msg="The \\"{name}\\" variable is not set. '
                 'Defaulting to a blank string."')  # fmt: skip
    whole["services"] = whole.get("services") or {}
    if not whole["services"]:
        raise ToolError("empty compose file", 15)
    for name, service in whole["services"].items():
        _check_service(name, service, whole)
    whole["-files"] = [str(path) for path in chosen]
    return whole


def start_order(services: Mapping[str, Any], wanted: Iterable[str]) -> list[str]:
    """Return `wanted` and everything they depend on, dependencies first.

    Raises:
        ToolError: no such service, or the dependencies go round in a circle.
    """
    order: list[str] = []

    def visit(name: str, trail: tuple[str, ...]) -> None:
        if name in trail:
            raise ToolError(f"dependency cycle detected: {' -> '.join((*trail, name))}", 15)
        if name in order:
            return
        if name not in services:
            raise ToolError(f"no such service: {name}")
        for other in _named(services[name].get("depends_on") or {}, "depends_on"):
            visit(other, (*trail, name))
        order.append(name)

    for name in wanted:
        visit(name, ())
    return order
