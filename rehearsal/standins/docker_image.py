"""Images of the Docker stand-in."""

from typing_extensions import override

from pulumi_kit.values import Plain
from rehearsal.standins.base import Kind
from rehearsal.standins.docker_engine import Engine, MissingError, reference

TIMEOUTS = (
    '"e2bfb730-ecaa-11e6-8f88-34363bc7c4c0":'
    '{"create":1200000000000,"delete":1200000000000,"update":1200000000000}'
)
"""What plugins of this kind note of the time that an operation may take."""


class RemoteImage(Kind[Engine]):
    """An image pulled from a registry."""

    token = "docker:index/remoteImage:RemoteImage"  # noqa: S105 - a type token
    sdk = "pulumi_docker.remote_image:RemoteImage"
    taught = frozenset({"keepLocally", "name"})
    replaces = frozenset({"name"})
    bridged = True
    meta = f"{{{TIMEOUTS}}}"

    @staticmethod
    def _state(name: str, image: Plain, known: Plain) -> tuple[str, Plain]:
        digests = image.get("RepoDigests") or []
        repository = reference(name)[0]
        own = [digest for digest in digests if digest.partition("@")[0] == repository] or digests
        identity = f"{image['Id']}{name}"
        state = {"id": identity, "imageId": image["Id"], "name": name, "repoDigest": own[0]}
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
        name = state["name"]
        try:
            await account.call(f"image {name}", lambda client: client.remove_image(name))
        except MissingError:
            return
