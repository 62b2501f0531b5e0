"""Each component's arguments for a declaration, as the program gives them."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_command as command

import pulumi_host
from components.backup import BackupArgs, Nightly
from components.certificate import CertificateArgs, Delivery
from components.cloudflare_zone import ZoneArgs
from components.host import HostArgs, firewall_of
from components.mailcow import MailcowArgs, ReleaseArgs, ReleaseComponent
from components.mailcow_conf import Installation
from components.monitoring import MonitoringArgs
from components.people import PeopleArgs
from components.relay import RelayArgs
from components.traefik import TraefikArgs
from declaration.model import Declaration
from declaration.zone_records import records

Connection = command.remote.ConnectionArgs


def host(given: Declaration, connection: Connection) -> HostArgs:
    return HostArgs(firewall_of(given.mailcow, given.names), connection)


def release(
    given: Declaration, connection: Connection, after: Sequence[pulumi.Resource] = ()
) -> ReleaseArgs:
    return ReleaseArgs(Installation(given.mailcow, given.names), connection, after)


def relay(
    given: Declaration, password: pulumi.Input[str], after: Sequence[pulumi.Resource] = ()
) -> RelayArgs:
    return RelayArgs(given.names, given.mailcow.directory, password, after)


def traefik(given: Declaration) -> TraefikArgs:
    return TraefikArgs(given.traefik, given.names)


def delivery(given: Declaration) -> Delivery:
    textfiles = given.monitoring.textfile_directory
    return Delivery(given.traefik, given.mailcow, given.names, textfiles)


def certificate(
    given: Declaration,
    connection: Connection,
    routes: pulumi_host.File,
    after: Sequence[pulumi.Resource] = (),
) -> CertificateArgs:
    return CertificateArgs(given.certificate, delivery(given), connection, routes, after)


def mailcow(
    given: Declaration,
    connection: Connection,
    brought: ReleaseComponent,
    *,
    spamhaus_dqs_key: pulumi.Input[str] | None = None,
    postfix_files: Mapping[str, pulumi_host.File] | None = None,
    before_start: Sequence[pulumi.Resource] = (),
) -> MailcowArgs:
    return MailcowArgs(
        Installation(given.mailcow, given.names),
        given.generations,
        connection,
        brought,
        spamhaus_dqs_key,
        postfix_files or {},
        before_start,
    )


def people(given: Declaration, passwords: Mapping[str, pulumi.Input[str]]) -> PeopleArgs:
    return PeopleArgs(
        given.company,
        given.domain,
        given.mailboxes,
        given.aliases,
        given.host.disk_gib,
        not given.mailcow.skip_sogo,
        given.protect_mailboxes,
        passwords,
        given.imports,
        {source.name: f"planted-{source.name}" for source in given.imports},
    )


def zone(given: Declaration, receiving: Sequence[pulumi.Resource] = ()) -> ZoneArgs:
    return ZoneArgs(records(given), given.zone, given.domain, receiving)


def nightly(given: Declaration) -> Nightly:
    textfiles = given.monitoring.textfile_directory
    return Nightly(given.backup, given.mailcow, given.names, textfiles)


def backup(given: Declaration, connection: Connection, passphrase: pulumi.Input[str]) -> BackupArgs:
    return BackupArgs(nightly(given), given.generations.storage_key, connection, passphrase)


def monitoring(
    given: Declaration, connection: Connection, api_key: pulumi.Input[str]
) -> MonitoringArgs:
    return MonitoringArgs(
        given.monitoring,
        given.exporter_digest,
        given.mailcow,
        given.names,
        given.bounds,
        given.company,
        given.generations.exporter_token,
        connection,
        api_key,
    )
