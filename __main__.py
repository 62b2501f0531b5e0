"""The mail of a company, from one declaration.

Procedure, once per stack (`qual` here):

1. `pulumi stack init qual`; describe the company in `Pulumi.qual.yaml` (docs/declaration.md).
2. `pulumi preview`: it lists every mistake, and every secret and account fact that is missing,
   with the command that sets it. Nothing is touched before the list is empty.
3. `pulumi up`. The order: host and firewall, release, smarthost, routes and certificate, the stack,
   people, the MX record that invites mail; beside them the zone, the backup and monitoring.
4. `make prove`: mail leaves signed, arrives, and is refused where it should be.

Afterwards: change the declaration, `pulumi preview`, `pulumi up`. What was changed behind its back
is shown by `pulumi refresh` and repaired by `pulumi up`. A mailbox is protected: to delete one with
its mail, `pulumi state unprotect` it first. `make rehearse` does all of this on one machine.
"""

import pulumi

from components.accounts import open_accounts, open_mailcow
from components.backup import BackupArgs, BackupComponent, Nightly
from components.certificate import CertificateArgs, CertificateComponent, Delivery
from components.cloudflare_zone import ZoneArgs, ZoneComponent
from components.configuration import from_config
from components.host import HostArgs, HostComponent, firewall_of
from components.mailcow import MailcowArgs, MailcowComponent, ReleaseArgs, ReleaseComponent
from components.mailcow_conf import Installation
from components.monitoring import MonitoringArgs, MonitoringComponent
from components.people import PeopleArgs, PeopleComponent
from components.relay import RelayArgs, RelayComponent
from components.traefik import TraefikArgs, TraefikComponent
from declaration.zone_records import records

declaration, secrets = from_config()
names, mailcow = declaration.names, declaration.mailcow
accounts = open_accounts(names, declaration.backup.region, secrets)
connection = accounts.connection
on_host = pulumi.ResourceOptions(providers=[accounts.host])
textfiles = declaration.monitoring.textfile_directory
settings = Installation(mailcow, names)

host = HostComponent("host", HostArgs(firewall_of(mailcow, names), connection), on_host)
release = ReleaseComponent(
    "release", ReleaseArgs(settings, connection, after=[host.library]), on_host
)
smarthost = RelayComponent(
    "smarthost",
    RelayArgs(names, mailcow.directory, secrets.smarthost_password, after=[release.checked]),
    on_host,
)
traefik = TraefikComponent(
    "traefik", TraefikArgs(declaration.traefik, names, after=[host.directories]), on_host
)
certificate = CertificateComponent(
    "certificate",
    CertificateArgs(
        declaration.certificate,
        Delivery(declaration.traefik, mailcow, names, textfiles),
        connection,
        routes=traefik.file,
        after=[release.checked],
    ),
    on_host,
)
stack = MailcowComponent(
    "mailcow",
    MailcowArgs(
        settings,
        declaration.generations,
        connection,
        release=release,
        spamhaus_dqs_key=secrets.spamhaus_dqs_key,
        postfix_files=smarthost.files,
        before_start=[host.firewall, certificate.delivery],
    ),
    on_host,
)
people = PeopleComponent(
    "people",
    PeopleArgs(
        declaration.company,
        declaration.domain,
        declaration.mailboxes,
        declaration.aliases,
        disk_gib=declaration.host.disk_gib,
        restart_sogo=not mailcow.skip_sogo,
        protect=declaration.protect_mailboxes,
        passwords=secrets.passwords,
        imports=declaration.imports,
        import_passwords=secrets.import_passwords,
    ),
    pulumi.ResourceOptions(
        providers=[open_mailcow(names, stack.api_key)], depends_on=[stack.started]
    ),
)
zone = ZoneComponent(
    "zone",
    ZoneArgs(records(declaration), declaration.zone, declaration.domain, receiving=[people]),
    pulumi.ResourceOptions(providers=[accounts.cloudflare]),
)
backup = BackupComponent(
    "backup",
    BackupArgs(
        Nightly(declaration.backup, mailcow, names, textfiles),
        declaration.generations.storage_key,
        connection,
        secrets.backup_passphrase,
        after=[stack.started],
    ),
    pulumi.ResourceOptions(providers=[accounts.minio, accounts.host]),
)
monitoring = MonitoringComponent(
    "monitoring",
    MonitoringArgs(
        declaration.monitoring,
        declaration.exporter_digest,
        mailcow,
        names,
        declaration.bounds,
        declaration.company,
        declaration.generations.exporter_token,
        connection,
        stack.watching_key,
        after=[stack.started],
    ),
    pulumi.ResourceOptions(providers=[accounts.docker, accounts.host]),
)

pulumi.export("mailHost", names.mail_host)
pulumi.export("webmail", f"https://{names.webmail}")
pulumi.export("administration", f"https://{names.administration}")
pulumi.export("release", mailcow.release.tag)
pulumi.export("zoneId", zone.zone_id)
