"""Stand-in for the Docker plugin: images and containers, on the official client."""

from typing_extensions import override

from pulumi_kit.failures import ProviderError
from pulumi_kit.values import Plain
from rehearsal.standins.base import StandIn
from rehearsal.standins.docker_container import Container
from rehearsal.standins.docker_engine import Engine
from rehearsal.standins.docker_image import RemoteImage


class StandInProvider(StandIn[Engine]):
    """Stand-in for pulumi-docker 5.2.0."""

    sdk = "pulumi_docker"
    kinds = (RemoteImage, Container)

    @override
    def open(self, configuration: Plain) -> Engine:
        host = configuration.get("host")
        if not host:
            raise ProviderError("the docker provider needs a host")
        if str(host).startswith("ssh://"):
            raise ProviderError(
                f"{host}: an engine behind SSH has no stand-in, use tcp:// or unix://"
            )
        return Engine(str(host))

    @override
    async def shut(self, account: Engine) -> None:
        account.close()
