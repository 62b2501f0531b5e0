"""Images of the Docker stand-in."""

from typing import Any, ClassVar

from typing_extensions import override

from rehearsal.standins.base import Kind
from rehearsal.standins.docker_engine import Engine, MissingError, reference
from rehearsal.standins.values import Plain


class RemoteImage(Kind[Engine]):
    """An image pulled from a registry; building one has no stand-in."""

    token = "docker:index/remoteImage:RemoteImage"  # noqa: S105 - a type token
    sdk = "pulumi_docker.remote_image:RemoteImage"
    replaces = frozenset({"name", "platform", "pullTriggers", "triggers"})
    untaught: ClassVar = frozenset({"build"})

    @override
    def comparable(self, name: str, value: Any, state: Plain) -> Any:
        return sorted(value) if name == "pullTriggers" and isinstance(value, list) else value

    @staticmethod
    def _state(name: str, image: Plain, known: Plain) -> tuple[str, Plain]:
        digests = image.get("RepoDigests") or []
        repository = reference(name)[0]
        own = [one for one in digests if one.partition("@")[0] == repository] or digests
        identity = f"{image['Id']}{name}"
        digest = own[0] if own else ""
        state = {"id": identity, "imageId": image["Id"], "name": name, "repoDigest": digest}
        return identity, {**known, **state}

    @override
    async def create(self, account: Engine, inputs: Plain) -> tuple[str, Plain]:
        return self._state(inputs["name"], await account.image(inputs["name"]), inputs)

    @override
    async def read(self, account: Engine, identity: str, state: Plain) -> tuple[str, Plain] | None:
        name = state.get("name", identity)
        try:
            return self._state(name, await account.held_image(name), state)
        except MissingError:
            return None

    @override
    async def update(self, account: Engine, identity: str, old: Plain, new: Plain) -> Plain:
        return (await self.create(account, new))[1]

    @override
    async def delete(self, account: Engine, identity: str, state: Plain) -> None:
        """Remove the image, unless it is to be kept locally."""
        if state.get("keepLocally"):
            return
        name, force = state["name"], bool(state.get("forceRemove"))
        try:
            await account.call(f"image {name}", lambda client: client.remove_image(name, force))
        except MissingError:
            return
