"""The Docker engine of the rehearsed host: its HTTP API, without containers behind it."""

import asyncio
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from aiohttp import web

from rehearsal.world.container_insides import Insides
from rehearsal.world.docker_containers import (
    ContainerStore,
    EngineRefusalError,
    published_ports,
    split_reference,
)
from rehearsal.world.mail_exporter import Exporter
from rehearsal.world.service import Service, Surroundings
from rehearsal.world.socket_folder import leave, socket_folder

API_VERSION = "1.47"
"""Version of the Engine API that is spoken; older ones are accepted."""

_PUBLIC = re.compile(
    r"^(docker\.io/|library/)*(ghcr\.io/mailcow/[a-z-]+|mariadb|redis|memcached|mcuadros/ofelia)$"
)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def made_up_digest(repository: str) -> str:
    """Return the digest under which the rehearsed registries offer an image."""
    return "sha256:" + hashlib.sha256(f"rehearsed image {repository}".encode()).hexdigest()


class DockerEngine(Service):
    """The Docker Engine API on a Unix socket that its owner alone can reach.

    Containers are entries in a store, not processes: what the services in them would do is done
    by the world's other services, which ask `running`. Only the exporter answers for itself.
    Memory, swap, ports, labels and restart policy read back as the genuine engine gives them.

    Faults: `fail` (true: every change answers 500), `pull_refused` (true, or a part of the
    image's name), `container_exits` ({name or image: exit code}: it ends as soon as it starts),
    `version` (a release other than 27.5.1).
    """

    name = "docker"
    stands_for: ClassVar[str] = "Docker engine of the host"

    def __init__(self) -> None:
        super().__init__()
        self._runner: web.AppRunner | None = None
        self._exporters: dict[str, Exporter] = {}
        self._published: dict[str, list[tuple[str, int]]] = {}
        self._changed = asyncio.Condition()
        self._socket: Path | None = None

    async def start(self, world: Surroundings) -> None:
        """Read the store and listen; containers that ran go on running."""
        self._world = world
        self.store = ContainerStore(world.folder / "docker", world.root)
        self._insides = Insides(world.root)
        self._exporter = split_reference(world.config["monitoring"]["exporterImage"])[0]
        application = web.Application(middlewares=[self._guard], client_max_size=2**26)
        application.add_routes(self._routes())
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        self._socket = socket_folder(world.folder) / "docker.sock"
        await web.UnixSite(self._runner, self._socket).start()
        self._socket.chmod(0o600)
        for container in self.store.containers.values():
            if container["State"]["Running"]:
                await self._serve(container)

    async def stop(self) -> None:
        """Close the engine and every exporter; the store stays."""
        for identity in [*self._exporters, *self._insides.running]:
            await self._unserve(identity)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._socket is not None:
            self._socket.unlink(missing_ok=True)
            leave(self._socket.parent, self._world.folder)

    @property
    def exporter_digest(self) -> str:
        """Digest under which the exporter's image can be pulled."""
        return made_up_digest(self._exporter)

    @property
    def _release(self) -> str:
        return str(self.faults.get("version", "27.5.1"))

    def overlay(self) -> dict[str, Any]:
        """Tell where the engine listens, and the digest of the exporter."""
        return {
            "endpoints": {"docker": f"unix://{self._socket}"},
            "exporterDigest": self.exporter_digest,
        }

    def running(self, project: str, service: str) -> bool:
        """Return whether this service of this compose project runs."""
        return self.store.running(project, service)

    def control(self) -> Iterable[web.RouteDef]:
        """Show containers and what happened to them; end one as if it had crashed."""
        return (
            web.get("/containers", self._show_containers),
            web.get("/events", self._show_events),
            web.post("/containers/{id}/exit", self._crash),
        )

    async def _show_containers(self, _request: web.Request) -> web.Response:
        return web.json_response(
            [_summary(container) for container in self.store.containers.values()]
        )

    async def _show_events(self, _request: web.Request) -> web.Response:
        return web.json_response(self.store.events)

    async def _crash(self, request: web.Request) -> web.Response:
        try:
            container = self.store.container(request.match_info["id"])
        except EngineRefusalError as refusal:
            return web.json_response({"message": str(refusal)}, status=refusal.status)
        await self._end(container, int(request.query.get("code", "1")), "die")
        return web.json_response({"State": container["State"]})

    def _routes(self) -> list[web.RouteDef]:
        get, post, delete = web.get, web.post, web.delete
        routes = [
            get("/_ping", self._ping), get("/version", self._version), get("/info", self._info),
            post("/images/create", self._pull), get("/images/json", self._images),
            get(r"/images/{name:.+}/json", self._image), delete(r"/images/{name:.+}", self._rmi),
            get("/containers/json", self._list), post("/containers/create", self._create),
            get("/containers/{id}/json", self._inspect),
            post("/containers/{id}/start", self._start), post("/containers/{id}/stop", self._stop),
            post("/containers/{id}/restart", self._restart),
            post("/containers/{id}/wait", self._wait),
            post("/containers/{id}/update", self._update),
            delete("/containers/{id}", self._remove),
            get("/networks", self._networks), post("/networks/create", self._new_network),
            get("/networks/{id}", self._network), delete("/networks/{id}", self._rm_network),
            get("/volumes", self._volumes), post("/volumes/create", self._new_volume),
            get("/volumes/{id}", self._volume), delete("/volumes/{id}", self._rm_volume),
        ]  # fmt: skip
        # The same paths again below their version: `/v1.47/containers/json`.
        versioned = [
            web.RouteDef(route.method, r"/v{api:1\.\d+}" + route.path, route.handler, route.kwargs)
            for route in routes
        ]
        return routes + versioned

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Turn refusals into the engine's words, and obey the faults."""
        if self.faults.get("fail") and request.method not in {"GET", "HEAD"}:
            return web.json_response({"message": "rehearsed failure of the engine"}, status=500)
        try:
            response = await handler(request)
        except EngineRefusalError as refusal:
            return web.json_response({"message": str(refusal)}, status=refusal.status)
        except web.HTTPNotFound:
            return web.json_response({"message": "page not found"}, status=404)
        except (json.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
            text = f"invalid request: {type(error).__name__}"
            return web.json_response({"message": text}, status=400)
        return response

    # The engine itself

    async def _ping(self, _request: web.Request) -> web.Response:
        headers = {"Api-Version": API_VERSION, "Ostype": "linux", "Docker-Experimental": "false"}
        return web.Response(text="OK", headers=headers)

    async def _version(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {
                "Platform": {"Name": "Rehearsed Docker engine"}, "Version": self._release,
                "ApiVersion": API_VERSION, "MinAPIVersion": "1.24", "Os": "linux",
                "Arch": "amd64", "KernelVersion": "rehearsed", "GitCommit": "rehearsed",
                "GoVersion": "none", "BuildTime": "2026-01-01T00:00:00+00:00", "Components": [],
            }
        )  # fmt: skip

    async def _info(self, _request: web.Request) -> web.Response:
        host = self._world.config["host"]
        running = sum(container["State"]["Running"] for container in self.store.containers.values())
        return web.json_response(
            {
                "ID": "rehearsed", "Name": "rehearsed", "ServerVersion": self._release,
                "OSType": "linux", "Architecture": "x86_64", "OperatingSystem": "Rehearsed Linux",
                "Driver": "overlay2", "CgroupVersion": "2", "CgroupDriver": "systemd",
                "NCPU": host["cpus"], "MemTotal": host["memoryMib"] * 2**20,
                "Containers": len(self.store.containers), "ContainersRunning": running,
                "ContainersPaused": 0, "ContainersStopped": len(self.store.containers) - running,
                "Images": len(self.store.images), "MemoryLimit": True, "SwapLimit": True,
                "Swarm": {"LocalNodeState": "inactive"}, "Plugins": {}, "SecurityOptions": [],
                "DockerRootDir": "/var/lib/docker", "RegistryConfig": {}, "Warnings": None,
            }
        )  # fmt: skip

    # Images

    async def _pull(self, request: web.Request) -> web.Response:
        repository, tag = split_reference(request.query["fromImage"])
        tag = request.query.get("tag") or tag
        refused = self.faults.get("pull_refused")
        if refused and (refused is True or str(refused) in repository):
            raise EngineRefusalError(
                500, f"Head {repository}: received unexpected HTTP status: 503"
            )
        if not (_PUBLIC.match(repository) or repository == self._exporter):
            message = (
                f"pull access denied for {repository}, repository does not exist or may require "
                "'docker login': denied: requested access to the resource is denied"
            )
            raise EngineRefusalError(404, message)
        digest = made_up_digest(repository if repository == self._exporter else
                                f"{repository}:{tag}")  # fmt: skip
        if tag.startswith("sha256:") and tag != digest:
            message = f"manifest for {repository}@{tag} not found: manifest unknown"
            raise EngineRefusalError(404, message)
        self.store.add_image(repository, tag, digest)
        separator = "@" if tag.startswith("sha256:") else ":"
        progress = (
            {"status": f"Pulling from {repository}", "id": tag},
            {"status": f"Digest: {digest}"},
            {"status": f"Status: Downloaded newer image for {repository}{separator}{tag}"},
        )
        return web.Response(
            text="".join(json.dumps(line) + "\r\n" for line in progress),
            content_type="application/json",
        )

    async def _images(self, request: web.Request) -> web.Response:
        wanted = _filters(request).get("reference", [])
        listed = []
        for image in self.store.images.values():
            names = [*image["RepoTags"], *image["RepoDigests"]]
            if not wanted or any(split_reference(n)[0] in w for n in names for w in wanted):
                entry = {key: image[key] for key in ("Id", "RepoTags", "RepoDigests", "Size")}
                users = sum(o["Image"] == image["Id"] for o in self.store.containers.values())
                rest = {"ParentId": "", "Created": 1767225600, "SharedSize": -1, "Labels": None}
                listed.append(entry | rest | {"Containers": users})
        return web.json_response(listed)

    async def _image(self, request: web.Request) -> web.Response:
        return web.json_response(self.store.image(request.match_info["name"]))

    async def _rmi(self, request: web.Request) -> web.Response:
        force = _flag(request, "force")
        return web.json_response(self.store.remove_image(request.match_info["name"], force=force))

    # Containers

    def _container(self, request: web.Request) -> dict[str, Any]:
        return self.store.container(request.match_info["id"])

    async def _list(self, request: web.Request) -> web.Response:
        wanted = _filters(request)
        everything = _flag(request, "all") or "status" in wanted
        listed = [
            _summary(container)
            for container in self.store.containers.values()
            if (everything or container["State"]["Running"]) and _passes(container, wanted)
        ]
        return web.json_response(listed)

    async def _create(self, request: web.Request) -> web.Response:
        name = request.query.get("name", "").removeprefix("/")
        body = await request.json()
        cpus = self._world.config["host"]["cpus"]
        if (body.get("HostConfig") or {}).get("NanoCpus", 0) > cpus * 10**9:
            message = f"range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} available"
            raise EngineRefusalError(400, message)
        container = self.store.create(name, body)
        return web.json_response({"Id": container["Id"], "Warnings": []}, status=201)

    async def _inspect(self, request: web.Request) -> web.Response:
        return web.json_response(self._container(request))

    async def _start(self, request: web.Request) -> web.Response:
        container = self._container(request)
        started = await self._begin(container)
        return web.Response(status=204 if started else 304)

    async def _begin(self, container: dict[str, Any]) -> bool:
        started = self.store.started(container)
        name = container["Name"].removeprefix("/")
        exits = self.faults.get("container_exits") or {}
        code = exits.get(name, exits.get(container["Config"]["Image"]))
        if started and code is not None:
            self.store.stopped(container, int(code))
        elif started:
            await self._serve(container)
        return started

    async def _end(self, container: dict[str, Any], code: int, action: str) -> bool:
        await self._unserve(container["Id"])
        ended = self.store.stopped(container, code, action)
        await self._tell()
        return ended

    async def _stop(self, request: web.Request) -> web.Response:
        stopped = await self._end(self._container(request), 0, "stop")
        return web.Response(status=204 if stopped else 304)

    async def _restart(self, request: web.Request) -> web.Response:
        container = self._container(request)
        await self._end(container, 0, "stop")
        await self._begin(container)
        return web.Response(status=204)

    async def _wait(self, request: web.Request) -> web.Response:
        container = self._container(request)
        async with self._changed:
            await self._changed.wait_for(
                lambda: (
                    not container["State"]["Running"]
                    or container["Id"] not in self.store.containers
                )
            )
        return web.json_response({"StatusCode": container["State"]["ExitCode"]})

    async def _update(self, request: web.Request) -> web.Response:
        container = self._container(request)
        container["HostConfig"].update(await request.json())
        self.store.save()
        return web.json_response({"Warnings": []})

    async def _remove(self, request: web.Request) -> web.Response:
        container = self._container(request)
        self.store.remove(container, force=_flag(request, "force"))
        await self._unserve(container["Id"])
        await self._tell()
        return web.Response(status=204)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    # What runs

    async def _serve(self, container: dict[str, Any]) -> None:
        """Start what answers for a container: the exporter, and a Dovecot with its own files."""
        await self._insides.start(container)
        if split_reference(container["Config"]["Image"])[0] != self._exporter:
            image = self.store.images.get(container["Image"], {})
            if not any(name.startswith(self._exporter) for name in image.get("RepoDigests", ())):
                return
        pairs = (entry.partition("=") for entry in container["Config"]["Env"] or [])
        environment = {name: value for name, _, value in pairs}
        exporter = Exporter(environment, lambda: self._world.services.get("mailcow"))
        await exporter.start()
        self._exporters[container["Id"]] = exporter
        for address, port, _protocol in published_ports(container):
            self._world.addresses.publish(address, int(port), exporter.port)
            self._published.setdefault(container["Id"], []).append((address, int(port)))

    async def _unserve(self, identity: str) -> None:
        await self._insides.stop(identity)
        for address, port in self._published.pop(identity, ()):
            self._world.addresses.withdraw(address, port)
        exporter = self._exporters.pop(identity, None)
        if exporter is not None:
            await exporter.stop()

    # Networks and volumes

    async def _networks(self, request: web.Request) -> web.Response:
        names = _filters(request).get("name", [])
        listed = [
            network
            for network in self.store.networks.values()
            if not names or any(name in network["Name"] for name in names)
        ]
        return web.json_response(listed)

    async def _network(self, request: web.Request) -> web.Response:
        return web.json_response(self.store.network(request.match_info["id"]))

    async def _new_network(self, request: web.Request) -> web.Response:
        network = self.store.create_network(await request.json())
        return web.json_response({"Id": network["Id"], "Warning": ""}, status=201)

    async def _rm_network(self, request: web.Request) -> web.Response:
        self.store.remove_network(request.match_info["id"])
        return web.Response(status=204)

    async def _volumes(self, _request: web.Request) -> web.Response:
        return web.json_response({"Volumes": list(self.store.volumes.values()), "Warnings": None})

    async def _volume(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        if name not in self.store.volumes:
            raise EngineRefusalError(404, f"get {name}: no such volume")
        return web.json_response(self.store.volumes[name])

    async def _new_volume(self, request: web.Request) -> web.Response:
        return web.json_response(self.store.create_volume(await request.json()), status=201)

    async def _rm_volume(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        if name not in self.store.volumes:
            raise EngineRefusalError(404, f"get {name}: no such volume")
        self.store.remove_volume(name)
        return web.Response(status=204)


def _flag(request: web.Request, name: str) -> bool:
    return request.query.get(name, "").lower() in ("1", "true")


def _filters(request: web.Request) -> dict[str, list[str]]:
    # Older clients write {"label": {"a=b": true}}, newer ones {"label": ["a=b"]}.
    given = json.loads(request.query.get("filters") or "{}")
    return {name: list(values) for name, values in given.items()}


def _passes(container: dict[str, Any], wanted: dict[str, list[str]]) -> bool:
    labels = container["Config"]["Labels"] or {}
    for label in wanted.get("label", []):
        name, equals, value = label.partition("=")
        if name not in labels or (equals and labels[name] != value):
            return False
    names = wanted.get("name", [])
    if names and not any(re.search(name, container["Name"]) for name in names):
        return False
    identities = wanted.get("id", [])
    if identities and not any(container["Id"].startswith(identity) for identity in identities):
        return False
    states = wanted.get("status", [])
    return not states or container["State"]["Status"] in states


def _summary(container: dict[str, Any]) -> dict[str, Any]:
    ports = []
    for port, bindings in (container["NetworkSettings"]["Ports"] or {}).items():
        private, _, protocol = port.partition("/")
        entry = {"PrivatePort": int(private), "Type": protocol or "tcp"}
        ports += [
            entry | {"IP": binding["HostIp"], "PublicPort": int(binding["HostPort"] or 0)}
            for binding in bindings or []
        ] or [entry]
    state = container["State"]
    status = "Up 1 second" if state["Running"] else f"Exited ({state['ExitCode']})"
    return {
        "Id": container["Id"], "Names": [container["Name"]], "Image": container["Config"]["Image"],
        "ImageID": container["Image"], "Command": container["Path"],
        "Created": int(datetime.fromisoformat(container["Created"]).timestamp()),
        "Ports": ports, "Labels": container["Config"]["Labels"] or {}, "State": state["Status"],
        "Status": "Created" if state["Status"] == "created" else status,
        "HostConfig": {"NetworkMode": container["HostConfig"]["NetworkMode"]},
        "NetworkSettings": {"Networks": container["NetworkSettings"]["Networks"]},
        "Mounts": container["Mounts"],
    }  # fmt: skip
