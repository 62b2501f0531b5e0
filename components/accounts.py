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
from components.declaration import Declaration
from components.remote import connection_to
from components.secrets import Secrets


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


def open_accounts(declaration: Declaration, secrets: Secrets) -> Accounts:
    """Return the accounts that are there before the stack runs.

    Args:
        declaration: The declaration.
        secrets: The secrets of the stack.
    """
    endpoints = declaration.endpoints
    return Accounts(
        cloudflare=cloudflare.Provider(
            "cloudflare",
            api_token=secrets.cloudflare_api_token,
            base_url=endpoints.cloudflare_api,
        ),
        docker=docker.Provider(
            "docker", host=_docker_host(declaration), ssh_opts=_ssh(declaration)
        ),
        host=pulumi_host.Provider(
            "host",
            address=endpoints.ssh.address if endpoints.ssh else declaration.host.address,
            port=endpoints.ssh.port if endpoints.ssh else declaration.host.ssh.port,
            user=declaration.host.ssh.user,
            private_key=secrets.ssh_private_key,
            host_key=declaration.host_key,
        ),
        minio=minio.Provider(
            "minio",
            minio_server=endpoints.storage or declaration.backup.server,
            minio_user=secrets.storage_access_key,
            minio_password=secrets.storage_secret_key,
            minio_region=declaration.backup.region,
            minio_ssl=endpoints.storage_tls,
        ),
        connection=connection_to(declaration, secrets.ssh_private_key),
    )


def open_mailcow(declaration: Declaration, api_key: pulumi.Input[str]) -> pulumi_mailcow.Provider:
    """Return the account at Mailcow's API, which is there once the stack runs.

    The name and its certificate are checked; the address is taken from the declaration, because
    a fresh record has not reached every resolver yet.

    Args:
        declaration: The declaration.
        api_key: Mailcow's API key.
    """
    endpoints = declaration.endpoints
    return pulumi_mailcow.Provider(
        "mailcow",
        endpoint=f"https://{declaration.web.admin}.{declaration.domain}",
        api_key=pulumi.Output.secret(api_key),
        connect_to=endpoints.web or f"{declaration.host.address}:443",
        ca_bundle=endpoints.ca_bundle,
    )


def _docker_host(declaration: Declaration) -> str:
    ssh = declaration.host.ssh
    return declaration.endpoints.docker or f"ssh://{ssh.user}@{declaration.host.address}:{ssh.port}"


def _ssh(declaration: Declaration) -> list[str] | None:
    """Return options for the `ssh` that the Docker provider runs with the operator's own agent.

    It would trust whatever the operator's known_hosts holds; it is given the declared key instead.
    """
    if declaration.endpoints.docker:
        return None
    kind, key = declaration.host_key.split()[:2]
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
