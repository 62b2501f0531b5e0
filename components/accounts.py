"""Accounts: the explicit provider of each service, opened with the declared endpoint and secret.

No provider is left to find its credentials by itself: what is not declared is not used.
"""

from dataclasses import dataclass

import pulumi
import pulumi_cloudflare as cloudflare
import pulumi_command as command
import pulumi_docker as docker
import pulumi_minio as minio

import pulumi_host
import pulumi_mailcow
from components.configuration import Secrets
from components.remote import connection_to
from declaration.names import Names


@dataclass(frozen=True)
class Accounts:
    """The open accounts.

    Attributes:
        cloudflare: Zone.
        docker: Docker engine of the host.
        host: Files and secrets on the host.
        minio: Object storage, as its administrator.
        connection: How commands reach the host; the one connection of the whole program, for any
            difference in it would run every command again.
    """

    cloudflare: cloudflare.Provider
    docker: docker.Provider
    host: pulumi_host.Provider
    minio: minio.Provider
    connection: command.remote.ConnectionArgs


def open_accounts(names: Names, storage_region: str, secrets: Secrets) -> Accounts:
    """Return the accounts that are there before the stack runs.

    Args:
        names: Where everything is reached.
        storage_region: Region of the object storage.
        secrets: The secrets of the stack.
    """
    return Accounts(
        cloudflare=cloudflare.Provider(
            "cloudflare",
            api_token=secrets.cloudflare_api_token,
            base_url=names.cloudflare_api,
        ),
        docker=docker.Provider("docker", host=names.docker, ssh_opts=_ssh(names)),
        host=pulumi_host.Provider(
            "host",
            address=names.ssh.address,
            port=names.ssh.port,
            user=names.ssh.user,
            private_key=secrets.ssh_private_key,
            host_key=names.ssh.host_key,
        ),
        minio=minio.Provider(
            "minio",
            minio_server=names.storage.server,
            minio_user=secrets.storage_access_key,
            minio_password=secrets.storage_secret_key,
            minio_region=storage_region,
            minio_ssl=names.storage.tls,
        ),
        connection=connection_to(names.ssh, secrets.ssh_private_key),
    )


def open_mailcow(names: Names, api_key: pulumi.Input[str]) -> pulumi_mailcow.Provider:
    """Return the account at Mailcow's API, which is there once the stack runs.

    The name and its certificate are checked; the address is taken from the declaration, because
    a fresh record has not reached every resolver yet.

    Args:
        names: Where everything is reached.
        api_key: Mailcow's API key.
    """
    return pulumi_mailcow.Provider(
        "mailcow",
        endpoint=names.api,
        api_key=pulumi.Output.secret(api_key),
        connect_to=names.web,
        ca_bundle=names.ca_bundle,
    )


def _ssh(names: Names) -> list[str] | None:
    """Return options for the `ssh` that the Docker provider runs with the operator's own agent.

    It would trust whatever the operator's known_hosts holds; it is given the declared key instead.
    """
    if not names.docker_is_remote:
        return None
    kind, key = names.ssh.host_key.split()[:2]
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": "/dev/null",
        "GlobalKnownHostsFile": "/dev/null",
        # %H is the name that ssh looks for, with its port where that is not 22.
        "KnownHostsCommand": f"/bin/echo %H {kind} {key}",
        "HostKeyAlgorithms": f"{kind},rsa-sha2-512,rsa-sha2-256" if kind == "ssh-rsa" else kind,
    }
    return [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
