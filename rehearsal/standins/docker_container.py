"""Containers of the Docker stand-in."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from docker import APIClient
from typing_extensions import override

from rehearsal.standins import schema
from rehearsal.standins.base import Kind
from rehearsal.standins.difference import is_blank
from rehearsal.standins.docker_engine import Engine, MissingError
from rehearsal.standins.docker_translation import (
    KNOWN,
    nanoseconds,
    restart_policy,
    to_engine,
    to_state,
)
from rehearsal.standins.failure import OperationError
from rehearsal.standins.values import Plain, Unknown

_IN_PLACE = frozenset(
    {"restart", "maxRetryCount", "cpuShares", "cpuSet", "memory", "memoryReservation", "memorySwap"}
)
"""Inputs that the engine can change on a container that exists."""
_NOTED = frozenset(
    {
        "attach", "containerReadRefreshTimeoutMilliseconds", "destroyGraceSeconds", "logs",
        "mustRun", "removeVolumes", "start", "wait", "waitTimeout",
    }
)  # fmt: skip
"""Inputs that tell the plugin how to go about it, and change nothing on the container."""
_SETS = frozenset(
    {
        "dns", "dnsOpts", "dnsSearches", "envs", "groupAdds", "hosts", "labels", "mounts",
        "networksAdvanced", "securityOpts", "ulimits", "volumes",
    }
)  # fmt: skip
"""Inputs in which order means nothing."""
_PORT = {"ip": "0.0.0.0", "protocol": "tcp"}
_POLL = 0.2
"""Seconds between two looks at a container's health."""


def _bare(value: Any) -> Any:
    """Return a value without what is blank, at every depth."""
    if isinstance(value, Mapping):
        return {key: _bare(item) for key, item in value.items() if not is_blank(item)}
    return [_bare(item) for item in value] if isinstance(value, list) else value


class Container(Kind[Engine]):
    """A container."""

    token = "docker:index/container:Container"  # noqa: S105 - a type token
    sdk = "pulumi_docker.container:Container"
    autonamed = "name"
    defaults: ClassVar = {
        "attach": False, "containerReadRefreshTimeoutMilliseconds": 15000, "logs": False,
        "mustRun": True, "networkMode": "bridge", "readOnly": False, "removeVolumes": True,
        "restart": "no", "rm": False, "start": True, "stdinOpen": False, "tty": False,
        "wait": False, "waitTimeout": 60,
    }  # fmt: skip
    replaces = KNOWN - _IN_PLACE - _NOTED - {"healthcheck", "init", "rm", "tmpfs"}
    yielding = frozenset({"user", "workingDir"})
    untaught = schema.of(sdk).inputs.names - KNOWN

    @override
    def mistakes(self, inputs: Plain) -> list[tuple[str, str]]:
        found = []
        health = inputs.get("healthcheck")
        for name in ("interval", "timeout", "startPeriod", "startInterval"):
            if isinstance(health, Mapping) and isinstance(text := health.get(name), str):
                try:
                    nanoseconds(text)
                except ValueError as error:
                    found.append((f"healthcheck.{name}", str(error)))
        if inputs.get("wait") is True and "healthcheck" not in inputs:
            found.append(("wait", "needs a healthcheck"))
        return found

    @override
    def comparable(self, name: str, value: Any, state: Plain) -> Any:
        if name == "ports" and isinstance(value, list):
            # A port left to the engine is whatever the engine chose.
            held = {one.get("internal"): one.get("external") for one in state.get("ports") or []}
            return [
                {**_PORT, "external": held.get(port.get("internal")), **_bare(port)}
                if isinstance(port, Mapping)
                else port
                for port in value
            ]
        if name == "healthcheck" and isinstance(value, Mapping):
            return {key: None if item == "0s" else item for key, item in value.items()}
        if name == "cpus" and isinstance(value, str) and value:
            return float(value)
        if name in _SETS and isinstance(value, list):
            return sorted(map(_bare, value), key=lambda item: json.dumps(item, default=repr))
        return value

    @staticmethod
    async def _inspect(account: Engine, identity: str) -> Plain:
        return await account.call(
            f"container {identity[:12]}", lambda client: dict(client.inspect_container(identity))
        )

    @override
    async def create(self, account: Engine, inputs: Plain) -> tuple[str, Plain]:
        name = inputs["name"]
        what = f"container {name}"
        await account.image(inputs["image"])
        body = to_engine(inputs)
        made = await account.call(
            what, lambda client: client.create_container_from_config(body, name)
        )
        identity: str = made["Id"]
        try:
            await self._connect(account, identity, inputs)
            if inputs.get("start", True):
                await account.call(what, lambda client: client.start(identity))
                await self._settled(account, identity, inputs)
        except OperationError:
            # A container that does not come up would only hold its name against the next attempt.
            await self._remove(account, identity, inputs)
            raise
        return identity, to_state(await self._inspect(account, identity), inputs)

    @staticmethod
    async def _connect(account: Engine, identity: str, inputs: Plain) -> None:
        networks = inputs.get("networksAdvanced") or []
        if not networks:
            return

        def connect(client: APIClient) -> None:
            client.disconnect_container_from_network(identity, "bridge")
            for one in networks:
                client.connect_container_to_network(
                    identity,
                    one["name"],
                    aliases=one.get("aliases"),
                    ipv4_address=one.get("ipv4Address"),
                    ipv6_address=one.get("ipv6Address"),
                )

        await account.call(f"networks of container {inputs['name']}", connect)

    async def _settled(self, account: Engine, identity: str, inputs: Plain) -> None:
        """Wait until the container runs, and is healthy where that is asked for."""
        limit = inputs.get("waitTimeout", 60) if inputs.get("wait") else None
        what = f"container {inputs['name']}"
        try:
            async with asyncio.timeout(limit):
                while True:
                    state = (await self._inspect(account, identity))["State"]
                    if inputs.get("mustRun", True) and not state["Running"]:
                        code = state.get("ExitCode")
                        raise OperationError(f"{what} exited immediately with code {code}")
                    health = (state.get("Health") or {}).get("Status")
                    if limit is None or health == "healthy":
                        return
                    await asyncio.sleep(_POLL)
        except TimeoutError:
            raise OperationError(f"{what} is not healthy after {limit} seconds") from None

    @override
    async def read(self, account: Engine, identity: str, state: Plain) -> tuple[str, Plain] | None:
        try:
            found = await self._inspect(account, identity)
        except MissingError:
            return None
        return found["Id"], to_state(found, state or dict(self.defaults))

    @override
    async def update(self, account: Engine, identity: str, old: Plain, new: Plain) -> Plain:
        what = f"container {new['name']}"
        if any(new.get(name) != old.get(name) for name in _IN_PLACE):
            change = {
                "restart_policy": restart_policy(new),
                "cpu_shares": new.get("cpuShares"),
                "cpuset_cpus": new.get("cpuSet"),
                "mem_limit": f"{new['memory']}m" if new.get("memory") else None,
                "mem_reservation": _size(new.get("memoryReservation")),
                "memswap_limit": _size(new.get("memorySwap")),
            }
            await account.call(what, lambda client: client.update_container(identity, **change))
        if new.get("mustRun", True) and not old.get("mustRun", True) and new.get("start", True):
            await account.call(what, lambda client: client.start(identity))
            await self._settled(account, identity, new)
        return to_state(await self._inspect(account, identity), new)

    @override
    async def delete(self, account: Engine, identity: str, state: Plain) -> None:
        await self._remove(account, identity, state)

    @staticmethod
    async def _remove(account: Engine, identity: str, state: Plain) -> None:
        grace = int(state.get("destroyGraceSeconds", 0))
        volumes = bool(state.get("removeVolumes", True))

        def remove(client: APIClient) -> None:
            client.stop(identity, timeout=grace)
            client.remove_container(identity, v=volumes, force=True)

        try:
            await account.call(f"container {identity[:12]}", remove)
        except MissingError:
            return


def _size(mebibytes: object) -> object:
    """Return a size as the client takes it; -1, which stands for no limit, stays."""
    if isinstance(mebibytes, Unknown) or not mebibytes:
        return None
    return f"{mebibytes}m" if isinstance(mebibytes, int) and mebibytes > 0 else mebibytes
