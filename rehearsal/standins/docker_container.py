"""Containers of the Docker stand-in."""

import json
from typing import Any, ClassVar

from docker import APIClient
from typing_extensions import override

from pulumi_kit.failures import ProviderError
from pulumi_kit.values import Plain, has_unknown
from rehearsal.standins.base import Kind
from rehearsal.standins.docker_engine import Engine, MissingError
from rehearsal.standins.docker_image import TIMEOUTS
from rehearsal.standins.docker_translation import restart_policy, to_engine, to_state

_IN_PLACE = frozenset({"memory", "memorySwap", "restart"})
"""Inputs that the engine can change on a container that exists."""
_NOTED = frozenset(
    {
        "containerReadRefreshTimeoutMilliseconds", "mustRun", "removeVolumes", "start",
        "waitTimeout",
    }
)  # fmt: skip
"""Inputs that tell the plugin how to go about it, and change nothing on the container."""
_MADE_WITH = frozenset(
    {
        "envs", "hosts", "image", "logOpts", "name", "networkMode", "ports", "readOnly",
        "securityOpts", "user",
    }
)  # fmt: skip
"""Inputs of which another value is another container."""
_SETS = frozenset({"envs", "hosts", "securityOpts"})
"""Inputs in which order means nothing."""
_EMPTY = (
    "deviceReadBps", "deviceReadIops", "deviceRequests", "deviceWriteBps", "deviceWriteIops",
    "devices", "labels", "mounts", "networksAdvanced", "ulimits", "uploads", "volumes",
)  # fmt: skip
"""Outputs that the plugin leaves empty where there is nothing, rather than null."""


class Container(Kind[Engine]):
    """A container."""

    token = "docker:index/container:Container"  # noqa: S105 - a type token
    sdk = "pulumi_docker.container:Container"
    taught = _IN_PLACE | _NOTED | _MADE_WITH
    replaces = _MADE_WITH
    named = "name"
    defaults: ClassVar = {
        "attach": False, "containerReadRefreshTimeoutMilliseconds": 15000, "logs": False,
        "mustRun": True, "networkMode": "bridge", "ports": {"protocol": "tcp"}, "readOnly": False,
        "removeVolumes": True, "restart": "no", "rm": False, "start": True, "stdinOpen": False,
        "tty": False, "wait": False, "waitTimeout": 60,
    }  # fmt: skip
    yielding = frozenset({"user", "workingDir"})
    bridged = True
    meta = f'{{{TIMEOUTS},"schema_version":"2"}}'
    absent = frozenset({"deviceCgroupRules"})

    @override
    def mistakes(self, inputs: Plain) -> list[tuple[str, str]]:
        """Refuse to leave the name to the plugin."""
        return [] if "name" in inputs else [("name", "is required: none is made up here")]

    @override
    def comparable(self, name: str, value: Any, state: Plain) -> Any:
        """Compare what has no order without it."""
        if name in _SETS and isinstance(value, list) and not has_unknown(value):
            return sorted(value, key=lambda item: json.dumps(item, sort_keys=True))
        return value

    @override
    def whole(self, state: Plain) -> Plain:
        """Return the state with what the plugin leaves empty rather than null."""
        return super().whole({**{name: [] for name in _EMPTY}, **state})

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
            await self._start(account, identity, inputs)
        except ProviderError:
            # A container that does not come up would only hold its name against the next attempt.
            await self._remove(account, identity)
            raise
        return identity, to_state(await self._inspect(account, identity), inputs)

    async def _start(self, account: Engine, identity: str, inputs: Plain) -> None:
        """Start it, and see that it runs."""
        if not inputs["start"]:
            return
        what = f"container {inputs['name']}"
        await account.call(what, lambda client: client.start(identity))
        state = (await self._inspect(account, identity))["State"]
        if inputs["mustRun"] and not state["Running"]:
            raise ProviderError(f"{what} exited immediately with code {state.get('ExitCode')}")

    @override
    async def read(self, account: Engine, identity: str, state: Plain) -> tuple[str, Plain] | None:
        try:
            found = await self._inspect(account, identity)
        except MissingError:
            return None
        return found["Id"], to_state(found, state)

    @override
    async def update(self, account: Engine, identity: str, old: Plain, new: Plain) -> Plain:
        if any(new.get(name) != old.get(name) for name in _IN_PLACE):
            change = {
                "restart_policy": restart_policy(new),
                "mem_limit": f"{new['memory']}m" if new.get("memory") else None,
                "memswap_limit": f"{new['memorySwap']}m" if new.get("memorySwap") else None,
            }
            what = f"container {new['name']}"
            await account.call(what, lambda client: client.update_container(identity, **change))
        if new["mustRun"] and not old.get("mustRun", True):
            await self._start(account, identity, new)
        return to_state(await self._inspect(account, identity), new)

    @override
    async def delete(self, account: Engine, identity: str, state: Plain) -> None:
        await self._remove(account, identity)

    @staticmethod
    async def _remove(account: Engine, identity: str) -> None:
        def remove(client: APIClient) -> None:
            client.stop(identity, timeout=0)
            client.remove_container(identity, v=True, force=True)

        try:
            await account.call(f"container {identity[:12]}", remove)
        except MissingError:
            return
