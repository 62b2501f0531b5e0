"""`docker compose` of the rehearsed host: compose files in, containers in the engine's store."""

import hashlib
import json
import os
import re
import subprocess
import sys
from argparse import REMAINDER, ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from readers import compose as reader
from readers.mistake import MistakeError
from rehearsal.world.host_tools import compose_files, schema
from rehearsal.world.host_tools.engine_client import Engine
from rehearsal.world.host_tools.surroundings import (
    ToolError,
    as_on_host,
    complain,
    on_host,
    root,
    say,
    state,
    tools,
)

VERSION = "2.40.3"
_PROJECT = "com.docker.compose.project"
_SERVICE = "com.docker.compose.service"
_HASH = "com.docker.compose.config-hash"


class Compose:
    """One compose project, as its files and the engine show it."""

    def __init__(self, options: Namespace) -> None:
        """Take the options that stand before the command."""
        self._options = options
        first = Path(options.file[0]).parent if options.file else Path.cwd()
        directory = options.project_directory
        self.directory = on_host(directory).resolve() if directory else first.resolve()
        self.engine = Engine()
        self._files = [Path(path) for path in options.file or ()]

    @cached_property
    def model(self) -> reader.Project:
        """The merged compose files."""
        environment_files = [Path(path) for path in self._options.env_file or ()]
        return compose_files.load(self._files, self.directory, environment_files)

    @property
    def project(self) -> str:
        """Name of the project."""
        name = self._options.project_name or os.environ.get("COMPOSE_PROJECT_NAME")
        if not name:
            variables = compose_files.variables_of([self.directory / ".env"])
            name = variables.get("COMPOSE_PROJECT_NAME")
        name = name or self.model.whole.get("name") or self.directory.name.lower()
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
            raise ToolError(f'invalid project name "{name}": must consist only of lowercase '
                            "alphanumeric characters, hyphens, and underscores")  # fmt: skip
        return str(name)

    def containers(self, services: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Return the project's containers, of these services only if any are named."""
        found = self.engine.containers(f"{_PROJECT}={self.project}")
        found = [
            container for container in found if not services or _service(container) in services
        ]
        return sorted(found, key=lambda one: str(one["Name"]))

    def service_names(self, wanted: Sequence[str]) -> list[str]:
        """Return services in the order in which they start."""
        try:
            return self.model.start_order(wanted or list(self.model.services))
        except MistakeError as error:
            raise ToolError(str(error)) from error

    # From a service's settings to a container

    def _mounts(self, service: reader.Service) -> list[str]:
        binds = []
        for mount in service.mounts:
            source = mount.source
            if mount.kind == "volume":
                source = f"{self.project}_{source}"
            elif not source.startswith("/"):
                source = as_on_host((self.directory / source).resolve())
            binds.append(f"{source}:{mount.target}:{'ro' if mount.read_only else 'rw'}")
        return binds

    def _host_config(self, service: reader.Service) -> dict[str, Any]:
        ports: dict[str, list[dict[str, str]]] = {}
        for port in service.ports:
            binding = {"HostIp": port.address, "HostPort": port.published}
            ports.setdefault(f"{port.target}/{port.protocol}", []).append(binding)
        restart, _, retries = service.restart.partition(":")
        settings = service.settings
        return {
            "Binds": self._mounts(service), "PortBindings": ports,
            "Memory": service.memory,
            "MemorySwap": reader.memory(settings.get("memswap_limit", 0), service.name),
            "NanoCpus": int(service.cpus * 1e9),
            "PidsLimit": settings.get("pids_limit"),
            "RestartPolicy": {"Name": restart, "MaximumRetryCount": int(retries or 0)},
            "NetworkMode": settings.get("network_mode")
                or next(iter(self._networks(service)), "default"),
            "Privileged": bool(settings.get("privileged")), "CapAdd": settings.get("cap_add"),
            "Dns": service.listed("dns"), "SecurityOpt": settings.get("security_opt"),
        }  # fmt: skip

    def _networks(self, service: reader.Service) -> dict[str, dict[str, Any]]:
        return {
            f"{self.project}_{name}": {
                "Aliases": asked.get("aliases"),
                "IPAMConfig": {"IPv4Address": asked.get("ipv4_address", "")},
            }
            for name, asked in service.networks.items()
        }

    def _body(self, name: str) -> dict[str, Any]:
        service = self.model.services[name]
        environment, settings = service.pairs("environment"), service.settings
        command, entry_point = settings.get("command"), settings.get("entrypoint")
        body: dict[str, Any] = {
            "Image": service.image, "Hostname": service.text("hostname"),
            "Env": [key if value is None else f"{key}={value}" for key, value in
                    environment.items()],
            "Tty": bool(settings.get("tty")),
            "Cmd": command.split() if isinstance(command, str) else command,
            "Entrypoint": entry_point.split() if isinstance(entry_point, str) else entry_point,
            "HostConfig": self._host_config(service),
            "NetworkingConfig": {"EndpointsConfig": self._networks(service)},
        }  # fmt: skip
        body["ExposedPorts"] = {port: {} for port in body["HostConfig"]["PortBindings"]}
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        own = {key: value or "" for key, value in service.pairs("labels").items()}
        body["Labels"] = own | {
            _PROJECT: self.project, _SERVICE: name, _HASH: digest,
            "com.docker.compose.oneoff": "False", "com.docker.compose.container-number": "1",
            "com.docker.compose.version": VERSION,
            "com.docker.compose.project.working_dir": as_on_host(self.directory),
            "com.docker.compose.project.config_files":
                ",".join(as_on_host(file.resolve()) for file in
                         compose_files.found(self._files, self.directory)),
        }  # fmt: skip
        return body

    # What is done with containers

    def up(self, name: str, *, recreate: bool) -> bool:
        """Let one service run as its settings say; True when something had to be done."""
        body = self._body(name)
        there = self.containers([name])
        if there:
            same = there[0]["Config"]["Labels"].get(_HASH) == body["Labels"][_HASH]
            if same and not recreate:
                if there[0]["State"]["Running"]:
                    return False
                self.engine.ask("POST", f"/containers/{there[0]['Id']}/start")
                return True
            self.remove(there[0])
        if not self.engine.has_image(body["Image"]):
            self.engine.pull(body["Image"])
        called = self.model.services[name].text("container_name")
        made = self.engine.ask(
            "POST", "/containers/create", body, name=called or f"{self.project}-{name}-1"
        )
        self.engine.ask("POST", f"/containers/{made['Id']}/start")
        if name == schema.SERVICE:
            schema.migrate(self.directory)
        return True

    def remove(self, container: dict[str, Any]) -> None:
        """Stop a container and remove it."""
        if container["State"]["Running"]:
            self.engine.ask("POST", f"/containers/{container['Id']}/stop")
        self.engine.ask("DELETE", f"/containers/{container['Id']}", v="0")

    def make_room(self) -> None:
        """Create the project's networks and volumes."""
        labels = {_PROJECT: self.project}
        used = {net for service in self.model.services.values() for net in self._networks(service)}
        there = {text["Name"] for text in self.engine.ask("GET", "/networks")}
        for network in sorted(used - there):
            name = network.removeprefix(f"{self.project}_")
            settings = reader.deep(self.model.whole, "networks", name)
            body = {"Name": network, "Driver": settings.get("driver", "bridge"), "Labels": labels,
                    "EnableIPv6": str(settings.get("enable_ipv6", "")).lower() == "true",
                    "Options": settings.get("driver_opts") or {}}  # fmt: skip
            self.engine.ask("POST", "/networks/create", body)
        for volume in reader.deep(self.model.whole, "volumes"):
            body = {"Name": f"{self.project}_{volume}", "Labels": labels}
            self.engine.ask("POST", "/volumes/create", body)


def _service(container: dict[str, Any]) -> str:
    return str(container["Config"]["Labels"].get(_SERVICE, ""))


def _wait(compose: Compose, names: Sequence[str]) -> None:
    for container in compose.containers(names):
        if not container["State"]["Running"]:
            code = container["State"]["ExitCode"]
            name = container["Name"].removeprefix("/")
            raise ToolError(f"container {name} exited ({code})")


def _config(compose: Compose, options: Namespace) -> None:
    services = compose.model.services
    if options.services:
        say("\n".join(services))
    elif options.images:
        say("\n".join(service.image for service in services.values()))
    elif options.volumes:
        say("\n".join(reader.deep(compose.model.whole, "volumes")))
    elif not options.quiet:
        model = dict(compose.model.whole) | {"name": compose.project}
        if options.format == "json":
            say(json.dumps(model, indent=2))
        else:
            say(yaml.safe_dump(model, sort_keys=False), end="")


def _pull(compose: Compose, options: Namespace) -> None:
    services = compose.model.services
    for name in options.service or services:
        if name not in services:
            raise ToolError(f"no such service: {name}")
        compose.engine.pull(services[name].image)
        if not options.quiet:
            complain(f" {name} Pulled")


def _up(compose: Compose, options: Namespace) -> None:
    if not (options.detach or options.wait):
        raise ToolError("a rehearsed host runs containers in the background alone: add -d")
    names = options.service if options.no_deps else compose.service_names(options.service)
    compose.service_names(names)
    orphans = [
        container
        for container in compose.containers()
        if _service(container) not in compose.model.services
    ]
    if orphans and options.remove_orphans:
        for orphan in orphans:
            compose.remove(orphan)
    elif orphans:
        found = " ".join(orphan["Name"].removeprefix("/") for orphan in orphans)
        complain(f'level=warning msg="Found orphan containers ([{found}]) for this project."')
    compose.make_room()
    for name in names:
        done = compose.up(name, recreate=options.force_recreate)
        complain(f" Container {compose.project}-{name}-1  {'Started' if done else 'Running'}")
    if options.wait:
        _wait(compose, names)


def _down(compose: Compose, options: Namespace) -> None:
    label = f"{_PROJECT}={compose.project}"
    for container in compose.containers(options.service):
        compose.remove(container)
        complain(f" Container {container['Name'].removeprefix('/')}  Removed")
    if options.service:
        return
    for network in compose.engine.ask("GET", "/networks"):
        if (network.get("Labels") or {}).get(_PROJECT) == compose.project:
            compose.engine.ask("DELETE", f"/networks/{network['Id']}")
    if options.volumes:
        for volume in compose.engine.ask("GET", "/volumes")["Volumes"]:
            if f"{_PROJECT}={(volume.get('Labels') or {}).get(_PROJECT)}" == label:
                compose.engine.ask("DELETE", f"/volumes/{volume['Name']}")


def _ps(compose: Compose, options: Namespace) -> None:
    listed = [
        container
        for container in compose.containers(options.service)
        if (options.all or container["State"]["Running"])
        and (not options.status or container["State"]["Status"] in options.status)
    ]
    if options.services:
        say("\n".join(_service(container) for container in listed))
        return
    if options.quiet:
        say("\n".join(container["Id"] for container in listed))
        return
    if options.format == "json":
        for container in listed:
            say(json.dumps(_row(container)))
        return
    say("NAME\tIMAGE\tSERVICE\tSTATUS")
    for container in listed:
        row = _row(container)
        say(f"{row['Name']}\t{row['Image']}\t{row['Service']}\t{row['Status']}")


def _row(container: dict[str, Any]) -> dict[str, Any]:
    state = container["State"]
    publishers = [
        {"URL": binding["HostIp"], "TargetPort": int(port.partition("/")[0]),
         "PublishedPort": int(binding["HostPort"] or 0),
         "Protocol": port.partition("/")[2] or "tcp"}
        for port, bindings in (container["NetworkSettings"]["Ports"] or {}).items()
        for binding in bindings or ()
    ]  # fmt: skip
    return {
        "ID": container["Id"][:12], "Name": container["Name"].removeprefix("/"),
        "Image": container["Config"]["Image"], "Service": _service(container),
        "Project": container["Config"]["Labels"].get(_PROJECT, ""), "State": state["Status"],
        "Status": "Up 1 second" if state["Running"] else f"Exited ({state['ExitCode']})",
        "Health": "", "ExitCode": state["ExitCode"], "Publishers": publishers,
        "Command": container["Path"],
    }  # fmt: skip


def _each(action: str) -> Callable[[Compose, Namespace], None]:
    def act(compose: Compose, options: Namespace) -> None:
        found = compose.containers(options.service)
        missing = set(options.service) - {_service(container) for container in found}
        if missing:
            raise ToolError(f"no such service: {min(missing)}")
        if not found:
            raise ToolError(f'service "{compose.project}" has no container to {action}')
        for container in found:
            compose.engine.ask("POST", f"/containers/{container['Id']}/{action}")
            complain(f" Container {container['Name'].removeprefix('/')}  {action.capitalize()}ed")

    return act


def _exec(compose: Compose, options: Namespace) -> int:
    found = [
        container
        for container in compose.containers([options.service])
        if container["State"]["Running"]
    ]
    if not found:
        raise ToolError(f'service "{options.service}" is not running')
    return run_inside(found[0], options.command, options.env or ())


def run_inside(container: dict[str, Any], command: Sequence[str], extra: Sequence[str]) -> int:
    """Run a command as if in a container, and return its exit status.

    Its environment is the container's; what the container's image would bring are shims; a path
    that a mount covers is replaced by where the mount comes from.
    """
    if not command:
        raise ToolError("requires at least 1 argument")
    environment = dict(text.partition("=")[::2] for text in container["Config"]["Env"] or ())
    for text in extra:
        name, equals, value = text.partition("=")
        environment[name] = value if equals else os.environ.get(name, "")
    kept = ("DESTDIR", "REHEARSAL_STATE", "REHEARSAL_TOOLS", "REHEARSAL_TOOL_FAULTS")
    environment |= {name: os.environ[name] for name in kept if name in os.environ}
    labels = container["Config"]["Labels"]
    environment |= {
        "PATH": f"{tools()}/inside:{tools()}:/usr/bin:/bin", "HOME": str(root()),
        "REHEARSAL_SERVICE": labels.get(_SERVICE, ""),
        "REHEARSAL_MOUNTS": json.dumps(
            [[mount["Destination"], mount["Source"]] for mount in container["Mounts"]]
        ),
    }  # fmt: skip
    words = [command[0], *(covered(word, environment["REHEARSAL_MOUNTS"]) for word in command[1:])]
    try:
        done = subprocess.run(words, env=environment, cwd=root(), check=False)  # noqa: S603  # that is what exec is for
    except FileNotFoundError:
        complain(f'exec failed: "{command[0]}": executable file not found in $PATH')
        return 127
    return done.returncode if done.returncode >= 0 else 128 - done.returncode


def covered(word: str, mounts: str) -> str:
    """Return an absolute path of a container as the machine knows it; any other word as it is."""
    if not word.startswith("/"):
        return word
    for destination, source in sorted(json.loads(mounts), key=lambda one: -len(one[0])):
        inner = destination.rstrip("/")
        if word == inner or word.startswith(f"{inner}/"):
            return str(on_host(source)) + word[len(inner) :]
    return word


_LOGS = {"postfix-mailcow": "mail-log"}
"""Files in the host's state with what a service logged, each line with its time in front."""


def _logs(compose: Compose, options: Namespace) -> None:
    for container in compose.containers(options.service):
        file = state() / _LOGS.get(_service(container), "no-log")
        lines = file.read_text().splitlines() if file.exists() else []
        if options.tail not in {None, "all"}:
            lines = lines[-int(options.tail) :] if int(options.tail) else []
        for line in lines:
            text = line if options.timestamps else line.partition(" ")[2]
            say(text if options.no_log_prefix else f"{_service(container)}-1  | {text}")


def _version(_compose: Compose, options: Namespace) -> None:
    say(VERSION if options.short else f"Docker Compose version v{VERSION}")


def _parser() -> ArgumentParser:
    parser = ArgumentParser("docker compose")
    parser.add_argument("-p", "--project-name")
    parser.add_argument("--project-directory")
    parser.add_argument("-f", "--file", action="append")
    parser.add_argument("--env-file", action="append")
    parser.add_argument("--ansi", "--progress", "--parallel", "--profile", dest="ignored")
    commands = parser.add_subparsers(dest="command_name", required=True)

    def command(name: str, action: Any, *flags: str, services: bool = True) -> ArgumentParser:
        sub = commands.add_parser(name)
        for flag in flags:
            sub.add_argument(*flag.split("|"), action="store_true")
        if services:
            sub.add_argument("service", nargs="*")
        sub.set_defaults(action=action)
        return sub

    config = command("config", _config, "--services", "--images", "--volumes", "-q|--quiet",
                     services=False)  # fmt: skip
    config.add_argument("--format", default="yaml")
    command("pull", _pull, "-q|--quiet", "--ignore-pull-failures", "--include-deps")
    up = command("up", _up, "-d|--detach", "--wait", "--remove-orphans", "--force-recreate",
                 "--no-recreate", "--no-deps", "--no-build", "--quiet-pull")  # fmt: skip
    for option in ("--wait-timeout", "--pull", "-t|--timeout"):
        up.add_argument(*option.split("|"))
    down = command("down", _down, "-v|--volumes", "--remove-orphans")
    down.add_argument("-t", "--timeout")
    ps = command("ps", _ps, "-a|--all", "-q|--quiet", "--services", "--no-trunc")
    ps.add_argument("--format", default="table")
    ps.add_argument("--status", action="append")
    for name in ("restart", "stop", "start", "kill"):
        command(name, _each(name)).add_argument("-t", "--timeout")
    execute = command("exec", _exec, "-T|--no-TTY", "-d|--detach", "--privileged", services=False)
    execute.add_argument("-e", "--env", action="append")
    for option in ("-u|--user", "-w|--workdir", "--index"):
        execute.add_argument(*option.split("|"))
    execute.add_argument("service")
    execute.add_argument("command", nargs=REMAINDER)
    command("logs", _logs, "-t|--timestamps", "--no-color", "--no-log-prefix").add_argument(
        "-n", "--tail"
    )
    command("version", _version, "--short", services=False)
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run `docker compose` with these arguments and return its exit status."""
    options = _parser().parse_args(arguments)
    root()
    status = options.action(Compose(options), options)
    sys.stdout.flush()
    return status or 0
