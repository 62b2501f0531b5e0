"""What a Docker engine keeps: images, containers, networks, volumes, and what happened to them."""

import hashlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

NEVER = "0001-01-01T00:00:00Z"
"""How the engine writes a time that has not come."""

PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"

_DEFAULT_HOST_CONFIG: dict[str, Any] = {
    "Binds": None, "NetworkMode": "bridge", "PortBindings": {}, "AutoRemove": False,
    "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}, "VolumesFrom": None,
    "LogConfig": {"Type": "json-file", "Config": {}}, "CapAdd": None, "CapDrop": None,
    "CgroupnsMode": "private", "Dns": [], "DnsOptions": [], "DnsSearch": [], "ExtraHosts": None,
    "GroupAdd": None, "IpcMode": "private", "Cgroup": "", "Links": None, "OomScoreAdj": 0,
    "PidMode": "", "Privileged": False, "PublishAllPorts": False, "ReadonlyRootfs": False,
    "SecurityOpt": None, "UTSMode": "", "UsernsMode": "", "ShmSize": 67108864, "Runtime": "runc",
    "Isolation": "", "CpuShares": 0, "Memory": 0, "NanoCpus": 0, "CgroupParent": "",
    "BlkioWeight": 0, "CpuPeriod": 0, "CpuQuota": 0, "CpusetCpus": "", "CpusetMems": "",
    "Devices": [], "DeviceCgroupRules": None, "DeviceRequests": None, "MemoryReservation": 0,
    "MemorySwap": 0, "MemorySwappiness": None, "OomKillDisable": None, "PidsLimit": None,
    "Ulimits": None, "ConsoleSize": [0, 0], "ContainerIDFile": "", "VolumeDriver": "",
}  # fmt: skip

_DEFAULT_CONFIG: dict[str, Any] = {
    "Hostname": "", "Domainname": "", "User": "", "AttachStdin": False, "AttachStdout": True,
    "AttachStderr": True, "Tty": False, "OpenStdin": False, "StdinOnce": False, "Env": [],
    "Cmd": None, "Image": "", "Volumes": None, "WorkingDir": "", "Entrypoint": None,
    "OnBuild": None, "Labels": {},
}  # fmt: skip

_NAME_RULE = "[a-zA-Z0-9][a-zA-Z0-9_.-]"
_NAME = re.compile(f"{_NAME_RULE}+")
_VOLUMES = "/var/lib/docker/volumes"


class EngineRefusalError(Exception):
    """What the engine answers instead of doing as told: an HTTP status and a message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def now() -> str:
    """Return the present moment as the engine writes it (RFC 3339, nanoseconds)."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def on_host(root: Path, path: str) -> Path:
    """Return where an absolute path of the host lies on this machine.

    Args:
        root: The host's scratch root.
        path: As the host has it, or below `root` already.

    Raises:
        EngineRefusalError: it leads out of the host, by its words or by a symbolic link.
    """
    place = Path(path)
    place = place if place.is_relative_to(root) else root / path.lstrip("/")
    if not place.resolve().is_relative_to(root.resolve()):
        raise EngineRefusalError(400, f"{path} leads out of the rehearsed host")
    return place


def split_reference(reference: str) -> tuple[str, str]:
    """Split an image reference into repository and tag or digest (`latest` when neither)."""
    if "@" in reference:
        repository, digest = reference.split("@", 1)
        head, colon, tag = repository.rpartition(":")
        return (head if colon and "/" not in tag else repository), digest
    head, colon, tag = reference.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (reference, "latest")


class ContainerStore:
    """The engine's store, written to its folder after every change."""

    def __init__(self, folder: Path, root: Path) -> None:
        """Read the store kept in `folder`; volumes lie below `root`, the host's scratch root."""
        self._file = folder / "state.json"
        self._root = root
        self.images: dict[str, dict[str, Any]] = {}
        self.containers: dict[str, dict[str, Any]] = {}
        self.networks: dict[str, dict[str, Any]] = {}
        self.volumes: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        folder.mkdir(parents=True, exist_ok=True)
        if self._file.exists():
            self.__dict__.update(json.loads(self._file.read_bytes()))
        for name in ("bridge", "host", "none"):
            if not any(network["Name"] == name for network in self.networks.values()):
                self.create_network({"Name": name, "Driver": "null" if name == "none" else name})

    def save(self) -> None:
        """Write the store; readable by its owner alone, since environments may hold secrets."""
        kept = ("images", "containers", "networks", "volumes", "events")
        text = json.dumps({name: getattr(self, name) for name in kept})
        scratch = self._file.with_suffix(".new")
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        scratch.replace(self._file)

    def happened(self, kind: str, action: str, actor: str, attributes: dict[str, str]) -> None:
        """Note an event, as `docker events` would show it."""
        moment = time.time_ns()
        self.events.append(
            {
                "Type": kind, "Action": action, "status": action, "id": actor,
                "Actor": {"ID": actor, "Attributes": attributes}, "scope": "local",
                "time": moment // 10**9, "timeNano": moment,
            }
        )  # fmt: skip
        del self.events[:-1000]
        self.save()

    # Images

    def add_image(self, repository: str, tag_or_digest: str, digest: str) -> dict[str, Any]:
        """Keep an image that was pulled as `repository:tag` or `repository@digest`."""
        by_digest = f"{repository}@{digest}"
        image = next(
            (image for image in self.images.values() if by_digest in image["RepoDigests"]), None
        )
        if image is None:
            # The genuine id is the digest of the image's configuration, not of its manifest.
            identity = "sha256:" + hashlib.sha256(f"config {by_digest}".encode()).hexdigest()
            image = {
                "Id": identity, "RepoTags": [], "RepoDigests": [by_digest], "Parent": "",
                "Created": "2026-01-01T00:00:00Z", "Size": 20_000_000, "Architecture": "amd64",
                "Os": "linux", "Author": "", "Comment": "", "DockerVersion": "",
                "Config": {"Env": None, "Cmd": None, "Labels": None, "Entrypoint": None},
                "GraphDriver": {"Name": "overlay2", "Data": {}},
                "RootFS": {"Type": "layers", "Layers": []}, "Metadata": {"LastTagTime": NEVER},
            }  # fmt: skip
            self.images[identity] = image
        tag = f"{repository}:{tag_or_digest}"
        if not tag_or_digest.startswith("sha256:") and tag not in image["RepoTags"]:
            image["RepoTags"].append(tag)
        self.happened("image", "pull", tag, {"name": tag})
        return image

    def image(self, reference: str) -> dict[str, Any]:
        """Find an image by id, tag or digest."""
        repository, rest = split_reference(reference)
        for image in self.images.values():
            identity = image["Id"].removeprefix("sha256:")
            bare = reference.removeprefix("sha256:")
            if len(bare) >= 12 and identity.startswith(bare):
                return image
            if f"{repository}:{rest}" in image["RepoTags"]:
                return image
            if f"{repository}@{rest}" in image["RepoDigests"]:
                return image
        raise EngineRefusalError(404, f"No such image: {reference}")

    def remove_image(self, reference: str, *, force: bool) -> list[dict[str, str]]:
        """Remove an image unless a container still uses it."""
        image = self.image(reference)
        users = [
            container for container in self.containers.values() if container["Image"] == image["Id"]
        ]
        if users and not (force and not any(user["State"]["Running"] for user in users)):
            short = image["Id"].removeprefix("sha256:")[:12]
            message = (
                f"conflict: unable to delete {short} (must be forced) - image is being used by "
                f"container {users[0]['Id'][:12]}"
            )
            raise EngineRefusalError(409, message)
        del self.images[image["Id"]]
        self.happened("image", "delete", image["Id"], {"name": reference})
        return [{"Deleted": image["Id"]}]

    # Containers

    def container(self, reference: str) -> dict[str, Any]:
        """Find a container by name, id, or the beginning of its id."""
        for container in self.containers.values():
            if container["Name"] == f"/{reference.removeprefix('/')}":
                return container
        found = [one for key, one in self.containers.items() if key.startswith(reference)]
        if len(found) != 1 or not reference:
            raise EngineRefusalError(404, f"No such container: {reference}")
        return found[0]

    def create(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create a container from the body of `POST /containers/create`."""
        self._refuse_taken(name)
        image = self.image(body.get("Image") or "")
        asked = dict(body)
        host = _DEFAULT_HOST_CONFIG | (asked.pop("HostConfig", None) or {})
        networking = asked.pop("NetworkingConfig", None) or {}
        _complete_host_config(host)
        identity = secrets.token_hex(32)
        config = _DEFAULT_CONFIG | {key: value for key, value in asked.items() if value is not None}
        config["Hostname"] = config["Hostname"] or identity[:12]
        command = [*(config["Entrypoint"] or []), *(config["Cmd"] or [])] or ["/init"]
        container = {
            "Id": identity, "Created": now(), "Path": command[0], "Args": command[1:],
            "State": {
                "Status": "created", "Running": False, "Paused": False, "Restarting": False,
                "OOMKilled": False, "Dead": False, "Pid": 0, "ExitCode": 0, "Error": "",
                "StartedAt": NEVER, "FinishedAt": NEVER,
            },
            "Image": image["Id"], "ResolvConfPath": "", "HostnamePath": "", "HostsPath": "",
            "LogPath": "", "Name": f"/{name or 'rehearsed-' + identity[:8]}", "RestartCount": 0,
            "Driver": "overlay2", "Platform": "linux", "MountLabel": "", "ProcessLabel": "",
            "AppArmorProfile": "", "ExecIDs": None, "HostConfig": host,
            "GraphDriver": {"Name": "overlay2", "Data": {}}, "SizeRw": None,
            "Mounts": self._mounts(host), "Config": config,
            "NetworkSettings": self._network_settings(host, networking),
        }  # fmt: skip
        self.containers[identity] = container
        self._note(container, "create")
        return container

    def _refuse_taken(self, name: str) -> None:
        if name and not _NAME.fullmatch(name):
            message = f"Invalid container name ({name}), only {_NAME_RULE} are allowed"
            raise EngineRefusalError(400, message)
        for container in self.containers.values():
            if name and container["Name"] == f"/{name}":
                message = (
                    f'Conflict. The container name "/{name}" is already in use by container '
                    f'"{container["Id"]}". You have to remove (or rename) that container to be '
                    "able to reuse that name."
                )
                raise EngineRefusalError(409, message)

    def _mounts(self, host: dict[str, Any]) -> list[dict[str, Any]]:
        mounts = []
        for bind in host.get("Binds") or []:
            source, target, *mode = bind.split(":")
            read_write = "ro" not in (mode[0].split(",") if mode else [])
            entry = {"Destination": target, "Mode": "".join(mode), "RW": read_write}
            if source.startswith("/"):
                on_host(self._root, source)
                mounts.append(entry | {"Type": "bind", "Source": source, "Propagation": "rprivate"})
            else:
                volume = self.create_volume({"Name": source})
                where = {"Source": volume["Mountpoint"], "Driver": "local", "Propagation": ""}
                mounts.append(entry | {"Type": "volume", "Name": source} | where)
        for mount in host.get("Mounts") or []:
            kind = mount.get("Type", "bind")
            source = mount.get("Source", "")
            entry = {"Type": kind, "Source": source, "Destination": mount["Target"], "Mode": "",
                     "RW": not mount.get("ReadOnly", False), "Propagation": ""}  # fmt: skip
            if kind == "volume":
                volume = self.create_volume({"Name": source} if source else {})
                entry |= {"Name": volume["Name"], "Source": volume["Mountpoint"], "Driver": "local"}
            else:
                on_host(self._root, source)
            mounts.append(entry)
        return mounts

    def _network_settings(self, host: dict[str, Any], networking: dict[str, Any]) -> dict[str, Any]:
        mode = host["NetworkMode"]
        names = list(networking.get("EndpointsConfig") or {}) or [mode]
        networks = {}
        for name in names:
            if name.startswith("container:"):
                continue
            network = self.network(name)
            asked = (networking.get("EndpointsConfig") or {}).get(name) or {}
            networks[network["Name"]] = _endpoint(network, asked)
        return {
            "Bridge": "", "SandboxID": "", "SandboxKey": "", "Ports": {}, "HairpinMode": False,
            "EndpointID": "", "Gateway": "", "IPAddress": "", "IPPrefixLen": 0, "MacAddress": "",
            "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0, "IPv6Gateway": "",
            "LinkLocalIPv6Address": "", "LinkLocalIPv6PrefixLen": 0,
            "SecondaryIPAddresses": None, "SecondaryIPv6Addresses": None, "Networks": networks,
        }  # fmt: skip

    def started(self, container: dict[str, Any]) -> bool:
        """Mark a container as running; False when it ran already.

        Raises:
            EngineRefusalError: a port that it publishes is taken by another container.
        """
        if container["State"]["Running"]:
            return False
        self._refuse_taken_ports(container)
        container["State"].update(
            Status="running", Running=True, Pid=100_000 + len(self.events), ExitCode=0, Error="",
            StartedAt=now(), FinishedAt=NEVER,
        )  # fmt: skip
        exposed = dict.fromkeys(container["Config"].get("ExposedPorts") or {})
        container["NetworkSettings"]["Ports"] = exposed | {
            port: [
                {"HostIp": binding.get("HostIp") or "0.0.0.0", "HostPort": str(binding["HostPort"])}
                for binding in bindings or []
            ]
            for port, bindings in (container["HostConfig"]["PortBindings"] or {}).items()
        }
        self._note(container, "start")
        return True

    def _refuse_taken_ports(self, container: dict[str, Any]) -> None:
        wanted = set(published_ports(container))
        for other in self.containers.values():
            if other is container or not other["State"]["Running"]:
                continue
            for address, port, protocol in published_ports(other):
                for mine in ((address, port, protocol), ("0.0.0.0", port, protocol)):
                    if mine in wanted:
                        message = (
                            "driver failed programming external connectivity on endpoint "
                            f"{container['Name'].removeprefix('/')}: Bind for {mine[0]}:{port} "
                            "failed: port is already allocated"
                        )
                        raise EngineRefusalError(500, message)

    def stopped(self, container: dict[str, Any], exit_code: int, action: str = "die") -> bool:
        """Mark a container as ended; False when it did not run."""
        if not container["State"]["Running"]:
            return False
        container["State"].update(
            Status="exited", Running=False, Pid=0, ExitCode=exit_code, FinishedAt=now()
        )
        container["NetworkSettings"]["Ports"] = {}
        self._note(container, action)
        return True

    def remove(self, container: dict[str, Any], *, force: bool) -> None:
        """Remove a container; one that runs only by force."""
        if container["State"]["Running"] and not force:
            name = container["Name"]
            message = (
                f'cannot remove container "{name}": container is running: stop the container '
                "before removing or force remove"
            )
            raise EngineRefusalError(409, message)
        del self.containers[container["Id"]]
        self._note(container, "destroy")

    def _note(self, container: dict[str, Any], action: str) -> None:
        labels = container["Config"]["Labels"] or {}
        name = container["Name"].removeprefix("/")
        attributes = {"name": name, "image": container["Config"]["Image"]} | labels
        self.happened("container", action, container["Id"], attributes)

    def running(self, project: str, service: str) -> bool:
        """Return whether a container of this service of this compose project runs."""
        return any(
            container["State"]["Running"]
            for container in self.containers.values()
            if (container["Config"]["Labels"] or {}).get(PROJECT_LABEL) == project
            and (container["Config"]["Labels"] or {}).get(SERVICE_LABEL) == service
        )

    # Networks and volumes

    def network(self, reference: str) -> dict[str, Any]:
        """Find a network by name or id."""
        wanted = "bridge" if reference in ("default", "") else reference
        for network in self.networks.values():
            if network["Name"] == wanted or network["Id"].startswith(wanted):
                return network
        raise EngineRefusalError(404, f"network {reference} not found")

    def create_network(self, body: dict[str, Any]) -> dict[str, Any]:
        """Create a network."""
        name = body["Name"]
        if any(network["Name"] == name for network in self.networks.values()):
            raise EngineRefusalError(409, f"network with name {name} already exists")
        identity = secrets.token_hex(32)
        self.networks[identity] = {
            "Name": name, "Id": identity, "Created": now(), "Scope": "local",
            "Driver": body.get("Driver") or "bridge", "EnableIPv4": True,
            "EnableIPv6": bool(body.get("EnableIPv6")), "Internal": bool(body.get("Internal")),
            "IPAM": body.get("IPAM") or {"Driver": "default", "Options": {}, "Config": []},
            "Attachable": bool(body.get("Attachable")), "Ingress": False, "ConfigOnly": False,
            "ConfigFrom": {"Network": ""}, "Containers": {}, "Options": body.get("Options") or {},
            "Labels": body.get("Labels") or {},
        }  # fmt: skip
        self.happened("network", "create", identity, {"name": name})
        return self.networks[identity]

    def remove_network(self, reference: str) -> None:
        """Remove a network that no container is attached to."""
        network = self.network(reference)
        name = network["Name"]
        if any(
            name in container["NetworkSettings"]["Networks"]
            for container in self.containers.values()
        ):
            raise EngineRefusalError(
                403, f"error while removing network: {name} has active endpoints"
            )
        del self.networks[network["Id"]]
        self.happened("network", "destroy", network["Id"], {"name": name})

    def create_volume(self, body: dict[str, Any]) -> dict[str, Any]:
        """Create a volume, or return the one that has this name already."""
        name = body.get("Name") or secrets.token_hex(32)
        if not _NAME.fullmatch(name):
            message = (
                f'create {name}: "{name}" includes invalid characters for a local volume name, '
                f'only "{_NAME_RULE}" are allowed. If you intended to pass a host directory, use '
                "absolute path"
            )
            raise EngineRefusalError(400, message)
        if name not in self.volumes:
            mount_point = f"{_VOLUMES}/{name}/_data"
            on_host(self._root, mount_point).mkdir(parents=True, exist_ok=True)
            self.volumes[name] = {
                "Name": name, "Driver": body.get("Driver") or "local", "Mountpoint": mount_point,
                "CreatedAt": now(), "Labels": body.get("Labels") or {}, "Scope": "local",
                "Options": body.get("DriverOpts") or {},
            }  # fmt: skip
            self.happened("volume", "create", name, {"driver": "local"})
        return self.volumes[name]

    def remove_volume(self, name: str) -> None:
        """Remove a volume with what is in it, unless a container uses it."""
        for container in self.containers.values():
            if any(mount.get("Name") == name for mount in container["Mounts"]):
                identity = container["Id"]
                raise EngineRefusalError(409, f"remove {name}: volume is in use - [{identity}]")
        shutil.rmtree(on_host(self._root, f"{_VOLUMES}/{name}"), ignore_errors=True)
        del self.volumes[name]
        self.happened("volume", "destroy", name, {"driver": "local"})


def published_ports(container: dict[str, Any]) -> Iterable[tuple[str, str, str]]:
    """Return (address, port, protocol) of everything that a container publishes on its host."""
    for port, bindings in (container["HostConfig"]["PortBindings"] or {}).items():
        for binding in bindings or []:
            protocol = port.partition("/")[2] or "tcp"
            yield binding.get("HostIp") or "0.0.0.0", str(binding["HostPort"]), protocol


def _complete_host_config(host: dict[str, Any]) -> None:
    # The genuine engine completes these; a client that reads them back must find the same.
    if host["Memory"] and not host["MemorySwap"]:
        host["MemorySwap"] = 2 * host["Memory"]
    if host["Memory"] and host["MemorySwap"] > 0 and host["MemorySwap"] < host["Memory"]:
        message = "Minimum memoryswap limit should be larger than memory limit, see usage"
        raise EngineRefusalError(400, message)
    if 0 < host["Memory"] < 6 * 1024 * 1024:
        raise EngineRefusalError(400, "Minimum memory limit allowed is 6MB")
    if host["NetworkMode"] in ("default", ""):
        host["NetworkMode"] = "bridge"
    if not (host["RestartPolicy"] or {}).get("Name"):
        host["RestartPolicy"] = {"Name": "no", "MaximumRetryCount": 0}
    host["RestartPolicy"].setdefault("MaximumRetryCount", 0)
    if not (host["LogConfig"] or {}).get("Type"):
        options = (host["LogConfig"] or {}).get("Config") or {}
        host["LogConfig"] = {"Type": "json-file", "Config": options}
    for name in ("IpcMode", "ShmSize", "CgroupnsMode", "Runtime"):
        host[name] = host[name] or _DEFAULT_HOST_CONFIG[name]


def _endpoint(network: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    address = (asked.get("IPAMConfig") or {}).get("IPv4Address", "")
    return {
        "IPAMConfig": asked.get("IPAMConfig"), "Links": asked.get("Links"),
        "Aliases": asked.get("Aliases"), "NetworkID": network["Id"],
        "EndpointID": secrets.token_hex(32), "Gateway": "", "IPAddress": address,
        "IPPrefixLen": 0, "IPv6Gateway": "", "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0,
        "MacAddress": "", "DriverOpts": asked.get("DriverOpts"), "DNSNames": None,
    }  # fmt: skip
