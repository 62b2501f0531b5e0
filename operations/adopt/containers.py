"""The exporter: its image and its container on the host's Docker engine."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from declaration.model import Declaration
from operations.adopt.comparing import compared
from operations.adopt.model import Area, Match, Supplied, Wanted, is_open_question
from operations.site import Site
from rehearsal.engine.values import Sealed

CONTAINER, IMAGE = "docker:index/container:Container", "docker:index/remoteImage:RemoteImage"
_HOW = frozenset(
    {"attach", "containerReadRefreshTimeoutMilliseconds", "logs", "mustRun", "removeVolumes", "rm",
     "start", "stdinOpen", "tty", "wait", "waitTimeout", "networkMode"}
)  # fmt: skip
"""What tells the provider how to go about it; the defaults of an ordinary container."""
_IN_PLACE = frozenset({"restart", "memory", "memorySwap"})
MIB = 1024 * 1024


def container_words(
    container: Mapping[str, Any], image: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return an inspected container in the words of the declaration.

    Args:
        container: As `docker inspect` tells it.
        image: Its image, likewise: what the image sets itself is not declared.
    """
    config, host = container["Config"], container["HostConfig"]
    own = set((((image or {}).get("Config")) or {}).get("Env") or ())
    ports = [
        {"internal": int(key.partition("/")[0]), "external": int(place["HostPort"] or 0),
         "ip": place["HostIp"], "protocol": key.partition("/")[2] or "tcp"}
        for key, places in (host.get("PortBindings") or {}).items()
        for place in places or ()
    ]  # fmt: skip
    extra = (extrahost.partition(":") for extrahost in host.get("ExtraHosts") or ())
    return {
        "name": container["Name"].lstrip("/"),
        "image": container["Image"],
        "envs": sorted(variable for variable in config.get("Env") or () if variable not in own),
        "hosts": [{"host": name, "ip": address} for name, _, address in extra],
        "ports": ports,
        "restart": (host.get("RestartPolicy") or {}).get("Name") or "no",
        "memory": (host.get("Memory") or 0) // MIB,
        "memorySwap": (host.get("MemorySwap") or 0) // MIB,
        "user": config.get("User") or "",
        "readOnly": bool(host.get("ReadonlyRootfs")),
        "securityOpts": list(host.get("SecurityOpt") or ()),
        "logOpts": dict((host.get("LogConfig") or {}).get("Config") or {}),
    }


def match_containers(wanted: Sequence[Wanted], inspected: Mapping[str, Mapping[str, Any]]) -> Area:
    """Match the declared image and container with what the engine has.

    Args:
        wanted: Declared resources of Docker's.
        inspected: What `docker inspect` tells, by the name it was asked for.
    """
    area = Area("docker")
    images = {
        resource.text("name"): inspected.get(resource.text("name"))
        for resource in wanted
        if resource.type == IMAGE
    }
    for resource in wanted:
        name = resource.text("name")
        found = inspected.get(name)
        if found is None:
            area.missing.append(resource)
        elif resource.type == IMAGE:
            area.matches.append(_image(resource, name, found))
        else:
            area.matches.append(
                _container(resource, found, next(iter(images.values()), None), inspected)
            )
    return area


def _image(one: Wanted, name: str, found: Mapping[str, Any]) -> Match:
    identity = f"{found['Id']}{name}"
    state = {**one.inputs, "id": identity, "imageId": found["Id"], "repoDigest": name}
    reason = "the provider of Docker imports no image"
    return Match(one, identity, (), Supplied(dict(one.inputs), state, reason))


def _container(
    one: Wanted,
    found: Mapping[str, Any],
    declared_image: Mapping[str, Any] | None,
    inspected: Mapping[str, Mapping[str, Any]],
) -> Match:
    live = container_words(found, inspected.get(found["Image"], declared_image))
    inputs = dict(one.inputs)
    if declared_image is not None and is_open_question(inputs.get("image")):
        inputs["image"] = declared_image["Id"]
    sealed = {**live, "envs": Sealed(live["envs"])}
    kept = {key: sealed.get(key, value) for key, value in one.inputs.items()}
    reason = "its environment holds secrets, which the provider does not read"
    return compared(
        replace(one, inputs=inputs),
        found["Id"],
        live,
        canonical=_container_canonical,
        replacing=live.keys() - _IN_PLACE,
        ignored=_HOW,
        supplied=Supplied(kept, {**kept, "id": found["Id"]}, reason),
    )


def _container_canonical(key: str, value: Any) -> Any:
    if key in {"envs", "securityOpts"} and isinstance(value, list):
        return sorted(value)
    if key in {"ports", "hosts"} and isinstance(value, list):
        return sorted(
            json.dumps({k: v for k, v in item.items() if k != "protocol"}, sort_keys=True)
            for item in value
        )
    return value


async def look(site: Site, wanted: Sequence[Wanted]) -> Area:
    """Ask the host's engine for the declared container and image, and match them."""
    ours = [resource for resource in wanted if resource.type in {CONTAINER, IMAGE}]
    inspected: dict[str, Mapping[str, Any]] = {}
    for mine in ours:
        name = mine.text("name")
        done = await site.host.run(f"docker inspect {shlex.quote(name)}", check=False)
        if done.ok:
            inspected[name] = json.loads(done.stdout)[0]
    area = match_containers(ours, inspected)
    area.warnings += other_mailcows(await _labels(site), site.declaration)
    return area


async def _labels(site: Site) -> list[dict[str, str]]:
    """Return the labels of every Postfix container of a Mailcow on the host."""
    command = (
        "docker ps -q --filter label=com.docker.compose.service=postfix-mailcow"
        " | xargs -r docker inspect"
    )
    done = await site.host.run(command, what="look which Mailcow runs")
    found = json.loads(done.stdout) if done.stdout.strip() else []
    return [dict(container["Config"].get("Labels") or {}) for container in found]


def other_mailcows(labels: Sequence[Mapping[str, str]], declaration: Declaration) -> list[str]:
    """Return a warning for each Mailcow that runs and is not the declared one.

    Args:
        labels: Labels that Compose gave to containers, one of each Mailcow.
        declaration: The declaration.
    """
    mailcow = declaration.mailcow
    complaints = []
    for label in labels:
        project = label.get("com.docker.compose.project", "")
        folder = label.get("com.docker.compose.project.working_dir", "")
        if project == mailcow.project and folder.endswith(mailcow.directory):
            continue
        complaints.append(
            f"a Mailcow runs as project {project} in {folder}. Declared are "
            f"{mailcow.project} in {mailcow.directory}: a deployment would start a second one, on "
            f"empty volumes and the same ports. Set mail:mailcow.project and mail:mailcow.directory"
        )
    return complaints
