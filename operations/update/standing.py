"""How the host stands: containers and their images, space, queue, and the database's schema."""

import asyncio
import json
import shlex
import time
from dataclasses import dataclass

from declaration.commands import at
from declaration.names import STATE
from operations.site import Host, Site
from operations.update.releases import UpdateError

_FORMAT = (
    '{{index .Config.Labels "com.docker.compose.service"}}|{{.Config.Image}}|{{.Image}}'
    "|{{.RestartCount}}|{{json .State}}"
)
_SCHEMA = "SELECT version FROM versions WHERE application = 'db_schema'"


@dataclass(frozen=True)
class Container:
    """One container of the project.

    Attributes:
        service: Its service.
        image: Image as the compose file names it.
        identity: Id of the image that it runs.
        restarts: How often Docker started it again.
        state: Docker's word for it.
        health: Docker's word for its health; empty where nothing looks at it.
    """

    service: str
    image: str
    identity: str
    restarts: int
    state: str
    health: str

    @property
    def well(self) -> bool:
        """Whether it runs, and is healthy as far as anything looks."""
        return self.state == "running" and self.health in {"", "none", "healthy"}

    @property
    def words(self) -> str:
        """How it stands, in words."""
        return f"{self.service} is {self.health if self.state == 'running' else self.state}"


def compose(site: Site) -> str:
    """Return the shell words of `docker compose` on the project."""
    mailcow = site.declaration.mailcow
    return f"docker compose -p {mailcow.project} --project-directory {at(mailcow.directory)}"


def read_containers(text: str) -> list[Container]:
    """Return the containers that `docker inspect` told of, by service."""
    found = []
    for line in text.splitlines():
        service, image, identity, restarts, state = line.split("|", 4)
        about = json.loads(state)
        health = str((about.get("Health") or {}).get("Status", ""))
        found.append(
            Container(service, image, identity, int(restarts), str(about["Status"]), health)
        )
    return sorted(found, key=lambda one: one.service)


async def containers(site: Site) -> list[Container]:
    """Return the containers of the project. Their environment is not asked for: it is secret."""
    project = site.declaration.mailcow.project
    chosen = f"--filter label=com.docker.compose.project={project}"
    done = await site.host.run(
        f'ids=$(docker ps -aq {chosen}) && [ -z "$ids" ] ||'
        f" docker inspect --type container --format {shlex.quote(_FORMAT)} $ids",
        what="looking at the containers",
        timeout=120,
    )
    return read_containers(done.stdout)


async def images(site: Site) -> dict[str, str]:
    """Return the image that each service runs, with the digest by which a registry knows it."""
    found = await containers(site)
    identities = sorted({container.identity for container in found})
    if not identities:
        return {}
    done = await site.host.run(
        "docker inspect --type image --format '{{.Id}}|{{json .RepoDigests}}' "
        + shlex.join(identities),
        what="looking at the images", check=False, timeout=120,
    )  # fmt: skip
    digests = {}
    for line in done.stdout.splitlines():
        identity, _, names = line.partition("|")
        digests[identity] = next(
            (name.partition("@")[2] for name in json.loads(names) or ()), identity
        )
    return {
        container.service: f"{container.image} {digests.get(container.identity, '')}".strip()
        for container in found
    }


async def placed(site: Site) -> str:
    """Return the commit of the release in place, empty if there is none."""
    directory = at(site.declaration.mailcow.directory)
    done = await site.host.run(f"git -C {directory} rev-parse HEAD", check=False, timeout=60)
    return done.stdout.strip() if done.ok else ""


async def free_disk_gib(host: Host) -> float:
    """Return the space that is left where images and state lie, in GiB, the less of both."""
    done = await host.run(
        f"for d in {at('/var/lib/docker')} {at(STATE)}; do"
        ' if [ -d "$d" ]; then df -Pk "$d" | tail -n 1; fi; done',
        what="looking at the space that is left", timeout=60,
    )  # fmt: skip
    blocks = [int(line.split()[3]) for line in done.stdout.splitlines() if line.strip()]
    return min(blocks, default=0) / 2**20


async def free_memory_mib(host: Host) -> float:
    """Return the memory that is available, in MiB."""
    done = await host.run(
        "awk '/^MemAvailable:/ {print $2}' /proc/meminfo",
        what="looking at the memory", timeout=60,
    )  # fmt: skip
    return int(done.stdout.strip() or 0) / 1024


async def queued(site: Site) -> int:
    """Return how many messages wait in Postfix's queue."""
    done = await site.host.run(
        f"{compose(site)} exec -T postfix-mailcow postqueue -j",
        what="looking at the queue", timeout=120,
    )  # fmt: skip
    return sum(bool(line.strip()) for line in done.stdout.splitlines())


async def schema(site: Site) -> str:
    """Return the version of the database's schema, empty if the database does not tell."""
    inside = (
        'MYSQL_PWD="$MYSQL_ROOT_PASSWORD" exec mariadb --user=root -N -B "$MYSQL_DATABASE"'
        f' -e "{_SCHEMA}"'
    )
    done = await site.host.run(
        f"{compose(site)} exec -T mysql-mailcow sh -c {shlex.quote(inside)}",
        check=False, timeout=120,
    )  # fmt: skip
    return done.stdout.strip() if done.ok else ""


@dataclass(frozen=True)
class Patience:
    """How long containers are given.

    Attributes:
        settle: Seconds for which all must be well before that is believed.
        longest: Seconds after which it is given up.
    """

    settle: float
    longest: float


def patience(site: Site) -> Patience:
    """Return it: real containers may take minutes, and can fall over after they were well."""
    return Patience(20.0, 600.0) if site.live else Patience(0.2, 20.0)


async def wait_until_well(site: Site, patience: Patience) -> list[Container]:
    """Wait until every declared service runs and is healthy, and stays so for a while.

    Raises:
        UpdateError: it is not so in time; the message says which is not.
    """
    deadline = time.monotonic() + patience.longest
    declared = set(site.declaration.mailcow.services)
    while True:
        before = {container.service: container.restarts for container in await containers(site)}
        await asyncio.sleep(patience.settle)
        second = await containers(site)
        wrong = ailing(second, declared) or [
            f"{container.service} starts again and again"
            for container in second
            if container.restarts > before.get(container.service, 0)
        ]
        if not wrong:
            return second
        if time.monotonic() > deadline:
            raise UpdateError(
                f"not well after {patience.longest:.0f} s: {', '.join(wrong)}. "
                f"`docker compose logs` of it says why"
            )


def ailing(found: list[Container], declared: set[str]) -> list[str]:
    """Return what is not well, in words: services without a container, containers in trouble."""
    missing = sorted(declared - {container.service for container in found})
    return [f"{name} has no container" for name in missing] + [
        container.words for container in found if not container.well
    ]
