"""A container in the words of the plugin, and in those of the Engine API."""

import re
from collections.abc import Iterable, Mapping

from rehearsal.standins.values import Plain

MIB = 1024 * 1024

_CONFIG = {
    "hostname": "Hostname", "domainname": "Domainname", "user": "User", "workingDir": "WorkingDir",
    "tty": "Tty", "stdinOpen": "OpenStdin", "stopSignal": "StopSignal", "command": "Cmd",
    "stopTimeout": "StopTimeout", "entrypoints": "Entrypoint",
}  # fmt: skip
_HOST = {
    "readOnly": "ReadonlyRootfs", "privileged": "Privileged", "publishAllPorts": "PublishAllPorts",
    "cpuShares": "CpuShares", "cpuSet": "CpusetCpus", "networkMode": "NetworkMode", "dns": "Dns",
    "dnsOpts": "DnsOptions", "dnsSearches": "DnsSearch", "tmpfs": "Tmpfs", "init": "Init",
    "securityOpts": "SecurityOpt", "sysctls": "Sysctls", "groupAdds": "GroupAdd",
    "rm": "AutoRemove", "ipcMode": "IpcMode", "usernsMode": "UsernsMode", "runtime": "Runtime",
    "storageOpts": "StorageOpt",
}  # fmt: skip
_MEMORY = {
    "memory": "Memory", "memoryReservation": "MemoryReservation", "memorySwap": "MemorySwap",
    "shmSize": "ShmSize",
}  # fmt: skip
_UNITS = {"ms": 10**6, "us": 10**3, "ns": 1, "h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9}
_HEALTH = {
    "interval": "Interval", "timeout": "Timeout", "startPeriod": "StartPeriod",
    "startInterval": "StartInterval",
}  # fmt: skip

KNOWN = frozenset(
    {
        *_CONFIG, *_HOST, *_MEMORY, "image", "name", "envs", "labels", "ports", "healthcheck",
        "restart", "maxRetryCount", "cpus", "capabilities", "hosts", "logDriver", "logOpts",
        "mounts", "volumes", "ulimits", "networksAdvanced", "start", "wait", "waitTimeout",
        "mustRun", "attach", "logs", "removeVolumes", "destroyGraceSeconds",
        "containerReadRefreshTimeoutMilliseconds",
    }
)  # fmt: skip
"""Inputs that the stand-in knows what to do with."""


def nanoseconds(text: str) -> int:
    """Return a duration such as `1m30s` in nanoseconds.

    Raises:
        ValueError: it is no duration.
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|us|ns|h|m|s)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text} is no duration such as 30s or 1m30s")
    return round(sum(float(number) * _UNITS[unit] for number, unit in parts))


def duration(length: int) -> str:
    """Return nanoseconds as Go writes a duration: `1m30s`, `500ms`, `0s`."""
    if 0 < length < 10**9:
        return f"{length / 10**6:g}ms"
    hours, rest = divmod(length, 3600 * 10**9)
    minutes, rest = divmod(rest, 60 * 10**9)
    text = f"{rest / 10**9:g}s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    return f"{hours}h{text}" if hours else text


def _bytes(mebibytes: int) -> int:
    return mebibytes * MIB if mebibytes > 0 else mebibytes


def _mebibytes(length: int) -> int:
    return length // MIB if length > 0 else length


def to_engine(inputs: Plain) -> Plain:
    """Return the body of the request that creates the container."""
    body: Plain = {engine: inputs[ours] for ours, engine in _CONFIG.items() if inputs.get(ours)}
    body["Image"] = inputs["image"]
    if envs := inputs.get("envs"):
        body["Env"] = list(envs)
    if labels := inputs.get("labels"):
        body["Labels"] = {one["label"]: one["value"] for one in labels}
    if health := inputs.get("healthcheck"):
        body["Healthcheck"] = {
            "Test": health.get("tests", []),
            "Retries": health.get("retries", 0),
            **{engine: nanoseconds(health.get(ours, "0s")) for ours, engine in _HEALTH.items()},
        }
    ports = inputs.get("ports", [])
    body["ExposedPorts"] = {_port_key(port): {} for port in ports}
    body["HostConfig"] = _to_host(inputs)
    return body


def _port_key(port: Plain) -> str:
    return f"{port['internal']}/{port.get('protocol', 'tcp')}"


def _to_host(inputs: Plain) -> Plain:
    host: Plain = {engine: inputs[ours] for ours, engine in _HOST.items() if inputs.get(ours)}
    host |= {engine: _bytes(inputs[ours]) for ours, engine in _MEMORY.items() if inputs.get(ours)}
    host["RestartPolicy"] = restart_policy(inputs)
    host["LogConfig"] = {"Type": inputs.get("logDriver", ""), "Config": inputs.get("logOpts", {})}
    bindings: dict[str, list[Plain]] = {}
    for port in inputs.get("ports", []):
        external = str(port["external"]) if port.get("external") else ""
        place = {"HostIp": port.get("ip", "0.0.0.0"), "HostPort": external}
        bindings.setdefault(_port_key(port), []).append(place)
    host["PortBindings"] = bindings
    if cpus := inputs.get("cpus"):
        host["NanoCpus"] = round(float(cpus) * 10**9)
    if capabilities := inputs.get("capabilities"):
        host["CapAdd"] = capabilities.get("adds", [])
        host["CapDrop"] = capabilities.get("drops", [])
    host["ExtraHosts"] = [f"{one['host']}:{one['ip']}" for one in inputs.get("hosts", [])]
    host["Ulimits"] = [
        {"Name": one["name"], "Soft": one["soft"], "Hard": one["hard"]}
        for one in inputs.get("ulimits", [])
    ]
    host["Mounts"] = [_to_mount(one) for one in inputs.get("mounts", [])]
    host["Binds"] = [_bind(one) for one in inputs.get("volumes", []) if "containerPath" in one]
    host["VolumesFrom"] = [
        one["fromContainer"] for one in inputs.get("volumes", []) if one.get("fromContainer")
    ]
    return host


def restart_policy(inputs: Plain) -> Plain:
    """Return the restart policy as the engine takes it, at creation and later."""
    count = inputs.get("maxRetryCount", 0)
    return {"Name": inputs.get("restart", "no"), "MaximumRetryCount": count}


def _bind(volume: Plain) -> str:
    source = volume.get("hostPath") or volume.get("volumeName", "")
    mode = "ro" if volume.get("readOnly") else "rw"
    return f"{source}:{volume['containerPath']}:{mode}"


def _to_mount(mount: Plain) -> Plain:
    told: Plain = {
        "Type": mount["type"], "Target": mount["target"], "Source": mount.get("source", ""),
        "ReadOnly": bool(mount.get("readOnly")),
    }  # fmt: skip
    if bind := mount.get("bindOptions"):
        told["BindOptions"] = {"Propagation": bind.get("propagation", "")}
    if volume := mount.get("volumeOptions"):
        told["VolumeOptions"] = {
            "NoCopy": bool(volume.get("noCopy")),
            "Labels": {one["label"]: one["value"] for one in volume.get("labels", [])},
        }
    if tmpfs := mount.get("tmpfsOptions"):
        told["TmpfsOptions"] = {
            "SizeBytes": tmpfs.get("sizeBytes", 0), "Mode": tmpfs.get("mode", 0),
        }  # fmt: skip
    return told


def to_state(container: Plain, known: Plain) -> Plain:
    """Return the state that an inspected container stands for.

    What the plugin does not read back (environment, labels, what it was asked to wait for, ...)
    is taken from `known`, the inputs or the state before.
    """
    config, host = container["Config"], container["HostConfig"]
    state = {
        **known,
        **{ours: config.get(engine) for ours, engine in _CONFIG.items()},
        **{ours: host.get(engine) for ours, engine in _HOST.items()},
        **{ours: _mebibytes(host.get(engine) or 0) for ours, engine in _MEMORY.items()},
        **_restart_and_logs(host, known),
        "id": container["Id"], "name": container["Name"].lstrip("/"),
        "image": container["Image"] if known.get("image", "").startswith("sha256:")
        else config["Image"],
        "init": bool(host.get("Init")),
        "hosts": [_extra_host(one) for one in host.get("ExtraHosts") or []],
        "mounts": [_from_mount(one) for one in host.get("Mounts") or []],
        "envs": known.get("envs", []), "labels": known.get("labels", []),
        "containerLogs": known.get("containerLogs", ""),
        "platform": container.get("Platform", ""),
        **_network(container, known),
        **_running(container, known),
    }  # fmt: skip
    if host.get("NanoCpus"):
        state["cpus"] = f"{host['NanoCpus'] / 10**9:g}"
    if host.get("CapAdd") or host.get("CapDrop"):
        adds, drops = host.get("CapAdd") or [], host.get("CapDrop") or []
        state["capabilities"] = {"adds": adds, "drops": drops}
    if health := config.get("Healthcheck"):
        state["healthcheck"] = _from_health(health)
    return {key: value for key, value in state.items() if value is not None}


def _restart_and_logs(host: Plain, known: Plain) -> Plain:
    policy, logs = host.get("RestartPolicy") or {}, host.get("LogConfig") or {}
    told = {
        "restart": policy.get("Name") or "no",
        "maxRetryCount": policy.get("MaximumRetryCount", 0),
        "logDriver": logs.get("Type", ""),
    }
    return {**told, "logOpts": logs.get("Config")} if known.get("logOpts") else told


def _running(container: Plain, known: Plain) -> Plain:
    """A container that must run and does not is shown by `mustRun`, so that an update starts it."""
    running = container["State"]["Running"]
    code = container["State"].get("ExitCode", 0)
    return {"mustRun": bool(running and known.get("mustRun", True)), "exitCode": code}


def _network(container: Plain, known: Plain) -> Plain:
    settings = container.get("NetworkSettings") or {}
    told: Plain = {
        "bridge": settings.get("Bridge", ""),
        "networkDatas": [
            {
                "networkName": name, "ipAddress": one.get("IPAddress", ""),
                "ipPrefixLength": one.get("IPPrefixLen", 0), "gateway": one.get("Gateway", ""),
                "globalIpv6Address": one.get("GlobalIPv6Address", ""),
                "globalIpv6PrefixLength": one.get("GlobalIPv6PrefixLen", 0),
                "ipv6Gateway": one.get("IPv6Gateway", ""),
                "macAddress": one.get("MacAddress", ""),
            }
            for name, one in (settings.get("Networks") or {}).items()
        ],
    }  # fmt: skip
    if known.get("ports") and container["State"]["Running"]:
        told["ports"] = _from_ports(settings.get("Ports") or {})
    return told


def _from_ports(ports: Mapping[str, Iterable[Plain] | None]) -> list[Plain]:
    found = []
    for key, places in ports.items():
        internal, _, protocol = key.partition("/")
        found += [
            {
                "internal": int(internal), "external": int(place["HostPort"] or 0),
                "ip": place["HostIp"], "protocol": protocol,
            }
            for place in places or []
        ]  # fmt: skip
    return sorted(found, key=lambda port: (port["internal"], port["protocol"]))


def _extra_host(line: str) -> Plain:
    name, _, address = line.partition(":")
    return {"host": name, "ip": address}


def _from_health(health: Plain) -> Plain:
    return {
        "tests": health.get("Test") or [],
        "retries": health.get("Retries", 0),
        **{ours: duration(health.get(engine) or 0) for ours, engine in _HEALTH.items()},
    }


def _from_mount(mount: Plain) -> Plain:
    told: Plain = {
        "type": mount["Type"], "target": mount["Target"], "source": mount.get("Source", ""),
        "readOnly": bool(mount.get("ReadOnly")),
    }  # fmt: skip
    if bind := mount.get("BindOptions"):
        told["bindOptions"] = {"propagation": bind.get("Propagation", "")}
    if volume := mount.get("VolumeOptions"):
        labels = [
            {"label": key, "value": text} for key, text in (volume.get("Labels") or {}).items()
        ]
        told["volumeOptions"] = {"noCopy": bool(volume.get("NoCopy")), "labels": labels}
    if tmpfs := mount.get("TmpfsOptions"):
        told["tmpfsOptions"] = {
            "sizeBytes": tmpfs.get("SizeBytes", 0), "mode": tmpfs.get("Mode", 0),
        }  # fmt: skip
    return told
