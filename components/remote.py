"""Commands on the host: one way to say them, so that none runs twice in vain or tells a secret."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pulumi
import pulumi_command as command

import pulumi_host
from declaration.names import PROGRAMS, Ssh

READS = "# reads "
"""What the lines below a command begin with that say what it reads."""

_SOURCES = Path(__file__).parent / "onhost"


def connection_to(ssh: Ssh, private_key: pulumi.Input[str]) -> command.remote.ConnectionArgs:
    """Return how commands reach the host; its key is always compared with the declared one.

    Args:
        ssh: How the host is reached.
        private_key: Private key in OpenSSH format.
    """
    return command.remote.ConnectionArgs(
        host=ssh.address,
        port=ssh.port,
        user=ssh.user,
        private_key=pulumi.Output.secret(private_key),
        host_key=ssh.host_key,
    )


def program_file(name: str, opts: pulumi.ResourceOptions) -> pulumi_host.File:
    """Ship a program of `components/onhost` to the host.

    Args:
        name: File name, such as `release.py`.
        opts: Resource options.
    """
    return pulumi_host.File(
        f"program-{Path(name).stem.replace('_', '-')}",
        path=f"{PROGRAMS}/{name}",
        content=(_SOURCES / name).read_text(encoding="utf-8"),
        mode="0755",
        opts=opts,
    )


def with_readings(run: str, values: Sequence[Any]) -> str:
    """Return a command with what it reads as a comment below it, each on a line of its own."""
    lines = [f"{READS}{json.dumps(value, sort_keys=True)}" for value in values]
    return "\n".join([run.rstrip("\n"), *lines])


def readings(text: str) -> list[Any]:
    """Return what a command reads, from the comment below it."""
    lines = [line for line in text.splitlines() if line.startswith(READS)]
    return [json.loads(line.removeprefix(READS)) for line in lines]


def on_host(
    name: str,
    run: pulumi.Input[str],
    *,
    connection: command.remote.ConnectionArgs,
    reads: Sequence[pulumi.Input[Any]],
    stdin: pulumi.Input[str] | None = None,
    delete: str | None = None,
    opts: pulumi.ResourceOptions,
) -> command.remote.Command:
    """Run a command on the host: once at first, and again whenever what it reads has changed.

    What it reads is written below the command, as a comment. The plugin's own `triggers` replace
    the resource although `update` is set, whatever its documentation says: the command would run,
    and after it the `delete` of the one before.

    Args:
        name: Name of the resource.
        run: Shell command. It must be idempotent: first run and later runs are the same.
        connection: How the host is reached.
        reads: Revisions and hashes of whatever the command reads; never a secret.
        stdin: Standard input, the way for secrets; never in the list of processes.
        delete: Shell command that undoes it, none if there is nothing to undo.
        opts: Resource options.
    """
    text = pulumi.Output.all(run, *reads).apply(lambda all_: with_readings(all_[0], all_[1:]))
    return command.remote.Command(
        name,
        connection=connection,
        create=text,
        update=text,
        delete=delete,
        stdin=stdin,
        # Our programs say on standard error what is wrong, never a secret, and nothing else.
        logging=command.remote.Logging.STDERR,
        add_previous_output_in_env=False,
        opts=pulumi.ResourceOptions.merge(
            opts, pulumi.ResourceOptions(additional_secret_outputs=["stdout", "stderr"])
        ),
    )
