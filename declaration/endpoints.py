"""Where the outside services are reached, when that is not where the world would look."""

from pydantic import Field

from declaration.settings import Settings


class SshEndpoint(Settings):
    """Where sshd of the host listens."""

    address: str
    """Address."""
    port: int = Field(ge=1, le=65535)
    """TCP port."""


class RepositoryEndpoint(Settings):
    """Where the Mailcow release is cloned from."""

    url: str
    """Git address."""
    commit: str = Field(pattern=r"^[0-9a-f]{40}$")
    """Commit that the declared tag stands for there."""
    tag: str | None = None
    """Tag that `commit` goes with; any tag if None. With another tag, the declared commit holds."""

    def commit_of(self, tag: str, declared: str) -> str:
        """Return the commit that a tag stands for there.

        Args:
            tag: Declared tag.
            declared: Declared commit.
        """
        return self.commit if self.tag in {None, tag} else declared


class Endpoints(Settings):
    """Addresses of the services around the host.

    All absent in a real stack: the program then uses the public ones. A rehearsal sets them all
    to loopback; that is the only difference between the two.
    """

    cloudflare_api: str | None = None
    """Base URL of Cloudflare's API, such as `http://127.0.0.1:8080/client/v4`."""
    ssh: SshEndpoint | None = None
    """Where sshd is reached; otherwise `host.address` and `host.ssh.port`."""
    web: str | None = None
    """`address:port` where Traefik answers HTTPS; otherwise port 443 of `host.address`."""
    ca_bundle: str | None = None
    """Certificate authorities (PEM) to trust for `web`; otherwise the system's."""
    docker: str | None = None
    """Docker engine, such as `unix:///run/docker.sock`; otherwise over SSH to the host."""
    storage: str | None = None
    """`address:port` of the object storage; otherwise `backup.server`."""
    storage_tls: bool = True
    """Whether the object storage is spoken to over TLS."""
    repository: RepositoryEndpoint | None = None
    """Git address of the release; otherwise `mailcow.release`."""
