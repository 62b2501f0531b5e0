"""A container in the words of the plugin, and in those of the Engine API."""

from typing import Any

from pulumi_kit.values import Plain

MIB = 1024 * 1024

_LIMITS = {"memory": "Memory", "memorySwap": "MemorySwap"}


def to_engine(inputs: Plain) -> Plain:
    """Return the body of the request that creates the container."""
    ports = inputs.get("ports", [])
    return {
        "Image": inputs["image"],
        "User": inputs.get("user", ""),
        "Env": list(inputs.get("envs", [])),
        "ExposedPorts": {_port_key(port): {} for port in ports},
        "HostConfig": {
            "ReadonlyRootfs": bool(inputs.get("readOnly")),
            "NetworkMode": inputs["networkMode"],
            "SecurityOpt": inputs.get("securityOpts", []),
            "RestartPolicy": restart_policy(inputs),
            "LogConfig": {"Type": "", "Config": inputs.get("logOpts", {})},
            "PortBindings": _bindings(ports),
            "ExtraHosts": [f"{host['host']}:{host['ip']}" for host in inputs.get("hosts", [])],
            **{theirs: inputs[ours] * MIB for ours, theirs in _LIMITS.items() if ours in inputs},
        },
    }


def _port_key(port: Plain) -> str:
    return f"{port['internal']}/{port['protocol']}"


def _bindings(ports: list[Plain]) -> dict[str, list[Plain]]:
    bindings: dict[str, list[Plain]] = {}
    for port in ports:
        place = {"HostIp": port.get("ip", "0.0.0.0"), "HostPort": str(port.get("external", ""))}
        bindings.setdefault(_port_key(port), []).append(place)
    return bindings


def restart_policy(inputs: Plain) -> Plain:
    """Return the restart policy as the engine takes it, at creation and later."""
    return {"Name": inputs.get("restart", "no"), "MaximumRetryCount": 0}


def to_state(container: Plain, known: Plain) -> Plain:
    """Return the state that an inspected container stands for.

    What the plugin does not read back (the environment, what it was asked to wait for, ...) is
    taken from `known`, the inputs or the state before.
    """
    config, host = container["Config"], container["HostConfig"]
    policy, logs = host.get("RestartPolicy") or {}, host.get("LogConfig") or {}
    running = container["State"]["Running"]
    state = {
        **known,
        "id": container["Id"], "name": container["Name"].lstrip("/"),
        # An image is shown as it was asked for: by its identity, or by a name.
        "image": container["Image"] if known.get("image", "").startswith("sha256:")
        else config["Image"],
        "hostname": config.get("Hostname", ""), "domainname": config.get("Domainname", ""),
        "user": config.get("User", ""), "workingDir": config.get("WorkingDir", ""),
        "command": config.get("Cmd") or [], "entrypoints": config.get("Entrypoint") or [],
        "stopSignal": config.get("StopSignal", ""), "stopTimeout": config.get("StopTimeout") or 0,
        "readOnly": bool(host.get("ReadonlyRootfs")), "init": bool(host.get("Init")),
        "privileged": bool(host.get("Privileged")),
        "publishAllPorts": bool(host.get("PublishAllPorts")),
        "networkMode": host.get("NetworkMode", ""), "ipcMode": host.get("IpcMode", ""),
        "usernsMode": host.get("UsernsMode", ""), "runtime": host.get("Runtime", ""),
        "cpuSet": host.get("CpusetCpus", ""), "cpuShares": host.get("CpuShares") or 0,
        "securityOpts": host.get("SecurityOpt") or [],
        "memory": _mebibytes(host, "Memory"), "memorySwap": _mebibytes(host, "MemorySwap"),
        "memoryReservation": _mebibytes(host, "MemoryReservation"),
        "shmSize": _mebibytes(host, "ShmSize"),
        "restart": policy.get("Name") or "no", "maxRetryCount": policy.get("MaximumRetryCount", 0),
        "logDriver": logs.get("Type", ""), "logOpts": logs.get("Config") or {},
        "hosts": [_extra_host(line) for line in host.get("ExtraHosts") or []],
        "platform": container.get("Platform", ""), "bridge": _networks(container).get("Bridge", ""),
        "networkDatas": _network_datas(container),
        # One that must run and does not shows here, so that an update starts it.
        "mustRun": bool(running and known.get("mustRun", True)),
    }  # fmt: skip
    if not running:
        state["exitCode"] = container["State"].get("ExitCode", 0)
    elif known.get("ports"):
        state["ports"] = _from_ports(_networks(container).get("Ports") or {})
    return state


def _mebibytes(host: Plain, limit: str) -> int:
    length: int = host.get(limit) or 0
    return length // MIB if length > 0 else length


def _networks(container: Plain) -> Plain:
    return container.get("NetworkSettings") or {}


def _network_datas(container: Plain) -> list[Plain]:
    return [
        {
            "networkName": name, "ipAddress": network.get("IPAddress", ""),
            "ipPrefixLength": network.get("IPPrefixLen", 0), "gateway": network.get("Gateway", ""),
            "globalIpv6Address": network.get("GlobalIPv6Address", ""),
            "globalIpv6PrefixLength": network.get("GlobalIPv6PrefixLen", 0),
            "ipv6Gateway": network.get("IPv6Gateway", ""),
            "macAddress": network.get("MacAddress", ""),
        }
        for name, network in (_networks(container).get("Networks") or {}).items()
    ]  # fmt: skip


def _from_ports(ports: dict[str, Any]) -> list[Plain]:
    found = [
        {
            "internal": int(key.partition("/")[0]), "external": int(place["HostPort"] or 0),
            "ip": place["HostIp"], "protocol": key.partition("/")[2],
        }
        for key, places in ports.items()
        for place in places or []
    ]  # fmt: skip
    return sorted(found, key=lambda port: (port["internal"], port["protocol"]))


def _extra_host(line: str) -> Plain:
    name, _, address = line.partition(":")
    return {"host": name, "ip": address}
