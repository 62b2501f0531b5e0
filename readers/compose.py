"""Compose files: what each service gets once the files are merged, as `docker compose config` does.

YAML, variables, `!reset` and `!override`, the merge of one file over another, and what Compose
refuses (https://docs.docker.com/reference/compose-file/). What brings in files that are not at hand
(`include`, `extends`, `env_file`) is not understood.
"""

import json
import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from readers.mistake import MistakeError

TAKEN = tuple(
    f"{stem}{over}.{ending}"
    for stem in ("compose", "docker-compose")
    for over in ("", ".override")
    for ending in ("yaml", "yml")
)
"""Names of files that Compose takes from a project's folder by itself, besides `.env`."""

_VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$)|(?P<bare>[A-Za-z_]\w*)"
    r"|\{(?P<name>[A-Za-z_]\w*)(?:(?P<how>:?[-?+])(?P<word>(?:[^{}]|\{[^{}]*\})*))?\}"
    r"|(?P<bad>))"
)
_SIZE = re.compile(r"(\d*\.?\d+|\d+\.) ?(?:b|([kmgtp])(?:i?b)?)?", re.IGNORECASE)
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
_ELSEWHERE = ("credential_spec", "env_file", "extends", "label_file", "provider")
"""Settings whose meaning stands in a file, or a program, that is not at hand."""
_REPLACED = {"command", "entrypoint"}
_PAIRED = {"annotations", "environment", "labels", "sysctls"}
_UNIQUE = {"cap_add", "cap_drop", "dns", "dns_opt", "dns_search", "expose", "links", "profiles",
           "tmpfs"}  # fmt: skip
_TEXT_OR_LIST = {"dns", "dns_search", "tmpfs"}
_RESTART = re.compile(r"no|always|unless-stopped|on-failure(:\d+)?")
_PORT = re.compile(
    r"(?:(?:(?P<address>\[[0-9a-fA-F:.]*\]|[\d.]*):)?(?P<published>[^:]*):)?(?P<target>[\d-]+)"
)


class _Reset:
    """Value of `!reset`: the key is taken away."""


@dataclass(frozen=True)
class _Override:
    """Value of `!override`: what was there is replaced, not merged."""

    value: Any


class _Loader(yaml.SafeLoader):
    """YAML as Compose reads it: duplicate keys refused, `!reset` and `!override` known."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  # PyYAML's

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002  # PyYAML's signature
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen and key != "<<":
                line = key_node.start_mark.line + 1
                raise MistakeError(f"yaml: line {line}", f'mapping key "{key}" already defined')
            seen.add(key)
        return super().construct_mapping(node, deep)


# Compose reads YAML 1.2: `no` is a word, and `22:22` two ports.
_DECIMAL = r"\.\d+|\d+\.\d*(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+"
_SCALARS = {
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "int": (r"[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|0[0-7_]+)", "-+0123456789"),
    "float": (rf"[-+]?(?:{_DECIMAL}|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)", "-+.0123456789"),
    "merge": ("<<", "<"),
}
for _tag, (_form, _first) in _SCALARS.items():
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_form})\Z"), list(_first)
    )


def _override(loader: _Loader, node: yaml.Node) -> _Override:
    if isinstance(node, yaml.MappingNode):
        return _Override(loader.construct_mapping(node, deep=True))
    if isinstance(node, yaml.SequenceNode):
        return _Override(loader.construct_sequence(node, deep=True))
    return _Override(node.value)


_Loader.add_constructor("!reset", lambda _loader, _node: _Reset())
_Loader.add_constructor("!override", _override)


# Variables


def interpolate(text: str, variables: Mapping[str, str], unset: set[str] | None = None) -> str:
    """Put variables into a text by Compose's rules; names without a value go to `unset`.

    Raises:
        MistakeError: a required variable is missing, or the text is no valid template.
    """

    def value(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        name = match["bare"] or match["name"]
        if name is None:
            raise MistakeError("invalid interpolation format", f'"{text}"')
        how, word = match["how"] or "", match["word"] or ""
        known = variables.get(name)
        present = bool(known) if how.startswith(":") else known is not None
        if how.endswith("+"):
            return interpolate(word, variables, unset) if present else ""
        if present:
            return known or ""
        if how.endswith("?"):
            raise MistakeError(f"required variable {name} is missing a value", word)
        if not how and known is None and unset is not None:
            unset.add(name)
        return interpolate(word, variables, unset) if how else (known or "")

    return _VARIABLE.sub(value, text)


def variables(text: str) -> dict[str, set[str]]:
    """Return the variables that a file asks for, with how each is done without.

    That is as the file has it, such as `:-n`; empty where nothing is said.
    """
    asked: dict[str, set[str]] = {}
    for match in _VARIABLE.finditer(text):
        name = match["bare"] or match["name"]
        if name is not None:
            asked.setdefault(name, set()).add((match["how"] or "") + (match["word"] or ""))
    return asked


def environment_file(
    text: str, variables: Mapping[str, str], place: str = ".env"
) -> dict[str, str]:
    """Read a `.env` file.

    Args:
        text: The file.
        variables: Variables of the surroundings, for values that name others.
        place: What the file is called.

    Raises:
        MistakeError: a line is no assignment.
    """
    values: dict[str, str] = {}
    for raw in text.splitlines():
        line = raw.strip().removeprefix("export ").strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not re.fullmatch(r"[\w.-]+", name.strip()):
            raise MistakeError(f"failed to read {place}", "unexpected character in variable name")
        if not equals:
            continue
        value = value.strip()
        if value[:1] == "'" and value.find("'", 1) > 0:
            values[name.strip()] = value[1 : value.index("'", 1)]
            continue
        inner = value[1 : value.index('"', 1)] if value[:1] == '"' and '"' in value[1:] else None
        bare = re.split(r"\s+#", value, maxsplit=1)[0].strip() if inner is None else inner
        values[name.strip()] = interpolate(bare, {**values, **variables})
    return values


def _interpolated(value: Any, variables: Mapping[str, str], unset: set[str]) -> Any:
    if isinstance(value, str):
        return interpolate(value, variables, unset)
    if isinstance(value, dict):
        return {key: _interpolated(inner, variables, unset) for key, inner in value.items()}
    if isinstance(value, list):
        return [_interpolated(inner, variables, unset) for inner in value]
    if isinstance(value, _Override):
        return _Override(_interpolated(value.value, variables, unset))
    return value


# Values


def pairs(value: Any) -> dict[str, str | None]:
    """Return `environment`, `labels` and the like as a mapping, whichever way they are written."""
    if isinstance(value, dict):
        return {str(key): None if text is None else plain(text) for key, text in value.items()}
    parts = (str(entry).partition("=") for entry in value or ())
    return {name: text if equals else None for name, equals, text in parts}


def plain(value: Any) -> str:
    """Return a scalar as Compose writes it."""
    return json.dumps(value) if isinstance(value, bool) else str(value)


def memory(value: Any, place: str) -> int:
    """Return a size in bytes, such as of `768m`; -1 is none at all.

    Raises:
        MistakeError: it is no size.
    """
    if value == -1 or str(value) == "-1":
        return -1
    match = _SIZE.fullmatch(str(value))
    if match is None or isinstance(value, bool):
        raise MistakeError(place, f"invalid size: '{value}'")
    return int(float(match[1]) * 1024 ** (" kmgtp".index((match[2] or " ").lower())))


@dataclass(frozen=True, order=True)
class Port:
    """A port that a service publishes.

    Attributes:
        address: Address of the host; empty for every one.
        published: Port of the host, or a range to choose from; empty for any that is free.
        target: Port of the container.
        protocol: `tcp` or `udp`.
    """

    address: str
    published: str
    target: int
    protocol: str = "tcp"


def ports(entry: Any, service: str = "") -> list[Port]:
    """Read one entry of `ports`; a range is several ports.

    Raises:
        MistakeError: it is malformed.
    """
    place = f"services.{service}.ports"
    if isinstance(entry, dict):
        published, target = str(entry.get("published") or ""), str(entry.get("target", ""))
        address, protocol = str(entry.get("host_ip") or ""), str(entry.get("protocol") or "tcp")
    else:
        text, _, protocol = str(entry).partition("/")
        match = _PORT.fullmatch(text)
        published = (match["published"] if match else text.split(":")[-2:][0]) or ""
        if not re.fullmatch(r"(\d+(-\d+)?)?", published):
            raise MistakeError("invalid hostPort", published)
        if match is None:
            raise MistakeError(place, f"invalid containerPort or address: {entry}")
        address, target = (match["address"] or "").strip("[]"), match["target"]
    inside, outside = _range(target), _range(published)
    if not inside or min(inside) < 1 or max([*inside, *outside]) > 65535:
        raise MistakeError(place, f"invalid containerPort or address: {entry}")
    if len(outside) not in (0, 1, len(inside)) and len(inside) > 1:
        raise MistakeError(place, f"invalid ranges specified for container and host Ports: {entry}")
    if len(inside) == 1 or not outside:
        return [Port(address, published, port, protocol or "tcp") for port in inside]
    both = zip(outside, inside, strict=True)
    return [Port(address, str(port), target, protocol or "tcp") for port, target in both]


def _range(text: str) -> range:
    first, _, last = text.partition("-")
    if not first.isdecimal() or (last and not last.isdecimal()):
        return range(0)
    return range(int(first), int(last or first) + 1)


@dataclass(frozen=True, order=True)
class Mount:
    """Something of the host, or a volume, that a container sees.

    Attributes:
        kind: `bind`, `volume` or `tmpfs`.
        source: Path on the host as written, or name of the volume; empty for one without a name.
        target: Path in the container.
        read_only: Whether it cannot be written.
    """

    kind: str
    source: str
    target: str
    read_only: bool = False


def mount(entry: Any) -> Mount:
    """Read one entry of `volumes`."""
    if isinstance(entry, dict):
        kind, source = str(entry.get("type", "volume")), str(entry.get("source") or "")
        return Mount(kind, source, _path(str(entry.get("target"))), bool(entry.get("read_only")))
    source, colon, rest = str(entry).partition(":")
    if not colon:
        return Mount("volume", "", _path(source))
    target, _, mode = rest.partition(":")
    kind = "bind" if source.startswith(("/", ".", "~")) else "volume"
    return Mount(kind, source, _path(target), "ro" in mode.split(","))


def _path(text: str) -> str:
    return text.rstrip("/") or "/"


@dataclass(frozen=True)
class Service:
    """A service as it is merged.

    Attributes:
        name: Its name.
        settings: Everything that is set, as written.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def text(self, setting: str) -> str:
        """Return a scalar setting; empty where it is not set."""
        value = self.settings.get(setting)
        return "" if value is None else plain(value)

    def listed(self, setting: str) -> list[Any]:
        """Return a setting that is a list, or one word of such a list."""
        value = self.settings.get(setting) or []
        return list(value) if isinstance(value, list) else [value]

    def pairs(self, setting: str) -> dict[str, str | None]:
        """Return a setting of names and values; None for one without a value."""
        return pairs(self.settings.get(setting))

    @property
    def image(self) -> str:
        """The image."""
        return self.text("image")

    @property
    def memory(self) -> int:
        """The limit of memory in bytes; 0 for none."""
        limit = self.settings.get("mem_limit") or self._limit("memory")
        return max(0, memory(limit or 0, f"services.{self.name}.mem_limit"))

    @property
    def cpus(self) -> float:
        """The limit of processors; 0 for none."""
        return float(self.settings.get("cpus") or self._limit("cpus") or 0)

    def _limit(self, kind: str) -> Any:
        return deep(self.settings, "deploy", "resources", "limits").get(kind)

    @property
    def ports(self) -> list[Port]:
        """What it publishes."""
        return [port for entry in self.listed("ports") for port in ports(entry, self.name)]

    @property
    def mounts(self) -> list[Mount]:
        """What it sees of the host and of volumes."""
        return [mount(entry) for entry in self.listed("volumes")]

    @property
    def networks(self) -> dict[str, Mapping[str, Any]]:
        """The networks of the project that it is in, with what it asks of each."""
        if self.settings.get("network_mode"):
            return {}
        named = _named(self.settings.get("networks") or {"default": None}, "networks")
        return {str(name): asked or {} for name, asked in named.items()}

    @property
    def depends_on(self) -> list[str]:
        """The services that start before it."""
        return list(_named(self.settings.get("depends_on") or {}, "depends_on"))

    @property
    def restart(self) -> str:
        """When it is started again; `no` for never."""
        return self.text("restart") or "no"


def deep(value: Any, *path: str) -> dict[str, Any]:
    """Return a mapping within mappings; empty where there is none."""
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value if isinstance(value, dict) else {}


@dataclass(frozen=True)
class Project:
    """The merged files.

    Attributes:
        services: The services by name.
        whole: Everything that the files say, merged.
        unset: Variables that were asked for and have no value.
    """

    services: Mapping[str, Service]
    whole: Mapping[str, Any]
    unset: frozenset[str] = frozenset()

    def start_order(self, wanted: Iterable[str]) -> list[str]:
        """Return services and everything that they depend on, dependencies first.

        Raises:
            MistakeError: there is no such service, or the dependencies go round in a circle.
        """
        order: list[str] = []

        def visit(name: str, trail: tuple[str, ...]) -> None:
            if name in trail:
                raise MistakeError("dependency cycle detected", " -> ".join((*trail, name)))
            if name in order:
                return
            if name not in self.services:
                raise MistakeError("no such service", name)
            for other in self.services[name].depends_on:
                visit(other, (*trail, name))
            order.append(name)

        for name in wanted:
            visit(name, ())
        return order


# Merging


def _merged(base: Any, over: Any, path: tuple[str, ...]) -> Any:
    key = path[-1] if len(path) == 3 and path[0] == "services" else ""
    if isinstance(over, _Override):
        return over.value
    if key in _PAIRED:
        return pairs(base) | pairs(over)
    if key in _TEXT_OR_LIST:
        base, over = _listed(base), _listed(over)
    base, over = _named(base, key), _named(over, key)
    another_driver = key == "logging" and _driver(base) != _driver(over) != ""
    if not isinstance(base, dict | list) or key in _REPLACED or another_driver:
        return over
    if isinstance(base, dict) and isinstance(over, dict):
        return _merged_mapping(base, over, path)
    if isinstance(base, list) and isinstance(over, list):
        return _merged_list(base, over, key)
    raise MistakeError(".".join(path), "cannot override")


def _driver(logging: Any) -> str:
    return str(deep(logging).get("driver", ""))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


_IDENTITY: dict[str, Callable[[Any], Any]] = {
    "volumes": lambda entry: mount(entry).target,
    "devices": lambda entry: str(entry).split(":")[1:2] or str(entry),
    "ports": lambda entry: tuple(ports(entry)),
}
"""What makes two entries of a list the same: the later one takes the place of the earlier."""


def _merged_list(base: list[Any], over: list[Any], key: str) -> list[Any]:
    identity = _IDENTITY.get(key)
    if identity is not None:
        return list({str(identity(entry)): entry for entry in (*base, *over)}.values())
    return base + [entry for entry in over if key not in _UNIQUE or entry not in base]


def _merged_mapping(
    base: dict[str, Any], over: dict[str, Any], path: tuple[str, ...]
) -> dict[str, Any]:
    result = dict(base)
    for name, value in over.items():
        if isinstance(value, _Reset):
            result.pop(name, None)
        elif name in result and result[name] is not None:
            result[name] = _merged(result[name], value, (*path, str(name)))
        elif isinstance(value, dict):  # it may hold tags
            result[name] = _merged_mapping({}, value, (*path, str(name)))
        else:
            result[name] = value.value if isinstance(value, _Override) else value
    return result


def _named(value: Any, key: str) -> Any:
    if key == "depends_on" and isinstance(value, list):
        return {name: {"condition": "service_started"} for name in value}
    if key == "networks" and isinstance(value, list):
        return dict.fromkeys(value)
    return value


# What Compose refuses


def _check_service(service: Service, whole: Mapping[str, Any]) -> None:
    name, settings = service.name, service.settings
    unknown = sorted(k for k in settings if k not in _SERVICE and not str(k).startswith("x-"))
    if unknown:
        place = f"validating compose file: services.{name}"
        raise MistakeError(place, f"additional properties '{unknown[0]}' not allowed")
    for setting in _ELSEWHERE:
        if setting in settings:
            reason = "what it says stands elsewhere, and is not read here"
            raise MistakeError(f"services.{name}.{setting}", reason, understood=False)
    for setting, value in settings.items():
        if value is None and setting not in _REPLACED:
            raise MistakeError(f"services.{name}.{setting}", "has no value", understood=False)
    if not settings.get("image") and not settings.get("build"):
        place = f'service "{name}" has neither an image nor a build context specified'
        raise MistakeError(place, "invalid compose project")
    for other in service.depends_on:
        if other not in whole["services"]:
            place = f'service "{name}" depends on undefined service "{other}"'
            raise MistakeError(place, "invalid compose project")
    _check_references(service, whole)
    _check_limits(service)


def _check_references(service: Service, whole: Mapping[str, Any]) -> None:
    name, invalid = service.name, "invalid compose project"
    if service.settings.get("network_mode") and service.settings.get("networks"):
        place = f"service {name} declares mutually exclusive `network_mode` and `networks`"
        raise MistakeError(place, invalid)
    for network in service.networks:
        if network != "default" and network not in (whole.get("networks") or {}):
            raise MistakeError(f'service "{name}" refers to undefined network {network}', invalid)
    for volume in service.mounts:
        known = volume.source in (whole.get("volumes") or {})
        if volume.kind == "volume" and volume.source and not known:
            place = f'service "{name}" refers to undefined volume {volume.source}'
            raise MistakeError(place, invalid)


def _check_limits(service: Service) -> None:
    where, settings = f"services.{service.name}", service.settings
    for key in ("mem_limit", "mem_reservation", "memswap_limit", "shm_size"):
        if settings.get(key) is not None:
            memory(settings[key], f"{where}.{key}")
    limits = deep(settings, "deploy", "resources", "limits")
    if "memory" in limits:
        memory(limits["memory"], f"{where}.deploy.resources.limits.memory")
    for value, key in ((settings.get("cpus"), "cpus"), (limits.get("cpus"), "deploy cpus")):
        try:
            wrong = value is not None and (float(value) < 0 or isinstance(value, bool))
        except (TypeError, ValueError):
            wrong = True
        if wrong:
            raise MistakeError(f"{where}.{key}", f"must be a positive number, not '{value}'")
    for one, other, read in (("cpus", "cpus", float), ("mem_limit", "memory", _bytes)):
        twice = settings.get(one) is not None and limits.get(other) is not None
        if twice and read(settings[one]) != read(limits[other]):
            reason = f"can't set distinct values on '{one}' and 'deploy.resources.limits.{other}'"
            raise MistakeError(where, reason)
    if not _RESTART.fullmatch(service.restart):
        raise MistakeError("invalid restart policy", service.restart)
    _ = service.ports  # each is read, or refused


def _bytes(value: Any) -> float:
    return memory(value, "")


def parse(text: str, place: str) -> dict[str, Any]:
    """Read one file, its variables not put in yet.

    Raises:
        MistakeError: it is no compose file.
    """
    try:
        content = yaml.load(text, Loader=_Loader)  # noqa: S506 - it builds on the safe loader
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", 0) + 1
        problem = getattr(error, "problem", "") or "cannot be parsed"
        raise MistakeError(f"parsing {place}: yaml: line {line}", str(problem)) from None
    if not isinstance(content, dict):
        raise MistakeError(f"parsing {place}", "top-level object must be a mapping")
    for key in content:
        if key not in _TOP and not str(key).startswith("x-"):
            reason = f"additional properties '{key}' not allowed"
            raise MistakeError(f"validating {place}", reason)
    if "include" in content:
        reason = "takes in other files, which are not read here"
        raise MistakeError(f"{place}: include", reason, understood=False)
    for section in ("services", "networks", "volumes"):
        entries = content.get(section)
        if entries is not None and not isinstance(entries, dict | _Reset | _Override):
            raise MistakeError(f"validating {place}: {section}", "must be a mapping")
        for name, entry in (entries if isinstance(entries, dict) else {}).items():
            nothing = entry is None and section != "services"
            if not nothing and not isinstance(entry, dict | _Reset | _Override):
                raise MistakeError(f"validating {place}: {section}.{name}", "must be a mapping")
    return content


def read(
    files: Mapping[str, str] | Sequence[tuple[str, str]], variables: Mapping[str, str]
) -> Project:
    """Read and merge compose files, the later over the earlier.

    Args:
        files: Texts by what the files are called.
        variables: Variables of the surroundings and of `.env`.

    Raises:
        MistakeError: Compose would refuse them, or something in them is not understood.
    """
    unset: set[str] = set()
    whole: dict[str, Any] = {"services": {}}
    for place, text in files.items() if isinstance(files, Mapping) else files:
        document = parse(text, place)
        whole = _merged_mapping(whole, _interpolated(document, variables, unset), ())
    services = whole.get("services") or {}
    if not services:
        raise MistakeError("services", "empty compose file")
    project = Project(
        {name: Service(name, settings) for name, settings in services.items()},
        whole | {"services": services},
        frozenset(unset),
    )
    for service in project.services.values():
        _check_service(service, project.whole)
    return project
