"""Resource classes, as a program uses them."""

import string
from typing import Any

import pulumi

ALPHANUMERIC = string.ascii_letters + string.digits
"""The alphabet of a secret unless another is given: safe in shells, URLs and configuration."""


class Provider(pulumi.ProviderResource):
    """How the host is reached.

    The host key is always compared with the declared one; an unknown key is never accepted.
    """

    def __init__(
        self,
        resource_name: str,
        *,
        address: pulumi.Input[str],
        user: pulumi.Input[str],
        private_key: pulumi.Input[str],
        host_key: pulumi.Input[str],
        port: pulumi.Input[int] = 22,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the connection.

        Args:
            resource_name: Name of the resource.
            address: Address or name of the host.
            user: Account on the host; it must be able to write the declared paths.
            private_key: Private key in OpenSSH or PEM format, without a passphrase. Kept secret.
            host_key: Public host key as in known_hosts, without the host: `ssh-ed25519 AAAA...`.
            port: TCP port of sshd.
            opts: Resource options.
        """
        props: dict[str, Any] = {
            "address": address,
            # A provider's configuration travels as strings.
            "port": pulumi.Output.from_input(port).apply(str),
            "user": user,
            "privateKey": pulumi.Output.secret(private_key),
            "hostKey": host_key,
        }
        super().__init__("host", resource_name, props, opts)


class File(pulumi.CustomResource):
    """A file on the host.

    Creating it overwrites whatever the path holds: a deployment owns the files that it declares,
    also on a host that already runs. A file that is already as declared is adopted untouched.
    The write is atomic and is read back. A change on the host is shown by `pulumi refresh` and
    undone by the next `pulumi up`. Deleting the resource removes the file, not its directories.
    Import: `pulumi import host:index:File NAME /absolute/path`.

    The file belongs to the account that deploys, and to its group unless another is given.
    """

    path: pulumi.Output[str]
    """Absolute path."""
    content: pulumi.Output[str]
    """Content; a secret when it was given as one, or when an imported file is not readable by
    everyone."""
    mode: pulumi.Output[str]
    """Permissions in octal, four digits."""
    group: pulumi.Output[str | None]
    """Number of the group that it belongs to, as text; None for that of the account."""
    sha256: pulumi.Output[str]
    """SHA-256 of the content, in hexadecimal; secret when the content is, because a short secret
    could be guessed from it."""
    revision: pulumi.Output[str]
    """Token that changes with every write to the host and only then: a trigger for whatever must
    read the file again. Never secret."""

    def __init__(
        self,
        resource_name: str,
        *,
        path: pulumi.Input[str],
        content: pulumi.Input[str],
        mode: pulumi.Input[str] = "0644",
        group: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the file.

        Args:
            resource_name: Name of the resource.
            path: Absolute path on the host; a change replaces the file.
            content: Content, as text. At most 4 MiB.
            mode: Permissions in octal.
            group: Number of the group that it belongs to, as text; that of the account if None.
            opts: Resource options.
        """
        props: dict[str, Any] = {
            "path": path,
            "content": content,
            "mode": mode,
            "group": group,
            "sha256": None,
            "revision": None,
        }
        super().__init__("host:index:File", resource_name, props, opts)


class Secret(pulumi.CustomResource):
    """A secret that is generated once and kept in a file (0600) on the host.

    A file that is already there is adopted after a check of its content. The file is kept when
    the resource is deleted. When it is lost, `pulumi refresh` shows it and the next `pulumi up`
    writes the same value back. Another `generation` replaces it by a new one: that is how a
    secret is rotated. A value that was changed on the host is taken over by `pulumi refresh`.
    Import: `pulumi import host:index:Secret NAME /absolute/path`.
    """

    path: pulumi.Output[str]
    """Absolute path."""
    length: pulumi.Output[int]
    """Length of a value that is generated, in characters."""
    alphabet: pulumi.Output[str]
    """Characters of which the value consists."""
    generation: pulumi.Output[int]
    """Which value it is, counted from 1."""
    value: pulumi.Output[str]
    """The secret."""
    condition: pulumi.Output[str]
    """What the last look at the file found: `kept`, `lost`, `damaged` or `exposed`."""

    def __init__(
        self,
        resource_name: str,
        *,
        path: pulumi.Input[str],
        length: pulumi.Input[int] = 32,
        alphabet: pulumi.Input[str] = ALPHANUMERIC,
        generation: pulumi.Input[int] = 1,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the secret.

        Args:
            resource_name: Name of the resource.
            path: Absolute path on the host. A change makes a new secret, or adopts the one there.
            length: Length in characters, 8 to 512. A later change does not touch the value.
            alphabet: Characters to choose from. A later change does not touch the value, which
                must consist of them.
            generation: Counted from 1; another number makes a new value in place of the old.
            opts: Resource options.
        """
        props: dict[str, Any] = {
            "path": path,
            "length": length,
            "alphabet": alphabet,
            "generation": generation,
            "value": None,
            "condition": None,
        }
        opts = pulumi.ResourceOptions.merge(
            opts, pulumi.ResourceOptions(additional_secret_outputs=["value"])
        )
        super().__init__("host:index:Secret", resource_name, props, opts)
