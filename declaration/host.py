"""The host: where it stands, what it can carry, how it is reached."""

from pydantic import Field, PositiveInt

from declaration.settings import AccountName, IPv4, IPv6, Settings


class SshSettings(Settings):
    """How the host is reached for administration."""

    user: AccountName = "root"
    """The account that deploys. It must be able to run Docker and to write under the directories
    that the declaration names."""
    port: int = Field(22, ge=1, le=65535)
    """TCP port of sshd."""


class HostSettings(Settings):
    """The one VPS that carries everything."""

    address: IPv4
    """Public IPv4 address: the A record of `mx` and of every web host."""
    cpus: PositiveInt
    """Virtual CPUs. The resource tiers must fit."""
    memory_mib: PositiveInt
    """Memory in MiB. The tiers' limits, together with `reservedMemoryMib`, must fit."""
    reserved_memory_mib: PositiveInt = 2048
    """Memory in MiB left to the other compose projects on the host."""
    disk_gib: PositiveInt
    """Disk in GiB that mail may use. The sum of the mailbox quotas must fit."""
    country: str = Field(pattern="^[A-Z]{2}$")
    """ISO 3166-1 code of the country where the host stands. Data stays in the EU."""
    neighbours: tuple[str, ...] = ()
    """Compose projects that share the host and must not be touched."""
    ssh: SshSettings = SshSettings()
    """SSH access."""


class Ipv6Settings(Settings):
    """IPv6, one switch with three consequences: AAAA record, PTR record, `inet_protocols`.

    Absent means off: no AAAA is published and Postfix keeps to IPv4.
    """

    address: IPv6
    """Public IPv6 address of the host."""
    reverse_is_set: bool = False
    """Whether the PTR record was set at the host's provider. No API of ours can set it, so it is
    declared. Danger: mail over IPv6 without a PTR record is refused by Gmail and others."""
