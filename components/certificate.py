"""The public certificate on its way from Traefik to Postfix, Dovecot and nginx.

Traefik obtains it by DNS-01, for the mail host first and the web hosts besides, as soon as its
dynamic file names them; it needs no Mailcow for that. So the certificate is delivered **before
any container starts**: `delivery` waits for Traefik to have obtained it, tests it as a mail
program would, and puts it in place; `MailcowComponent` takes `delivery` among what must have
happened first. If it fails, nothing starts and the deployment ends with the reason. Mailcow's
snake-oil certificate is never put in place at all, so no mail program can meet it.

From then on a timer looks for a renewed certificate, and writes its end and its own success for
the node exporter, failure included.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_command as command

import pulumi_host
from components.remote import on_host, program_file
from components.units import Service, render_service, render_timer, run_program
from declaration.certificate import CertificateSettings
from declaration.commands import at, program
from declaration.mailcow import MailcowSettings
from declaration.names import AUTHORITIES, CERTIFICATE_UNIT, STATE, UNITS, Names
from declaration.traefik import TraefikSettings

PROGRAM = "certificate_delivery.py"
"""The program that delivers the certificate."""
METRICS = "po_mail_certificate.prom"
"""The file that the program writes for the node exporter."""
WAIT_SECONDS = 600
"""How long the first deployment waits: DNS-01 takes minutes when look-ups are cached."""


@dataclass(frozen=True)
class Delivery:
    """What the program must know that delivers the certificate.

    Attributes:
        traefik: The Traefik that obtains it.
        mailcow: The stack that uses it.
        names: The mail host, and whom to trust.
        textfile_directory: Directory of the node exporter's textfile collector.
    """

    traefik: TraefikSettings
    mailcow: MailcowSettings
    names: Names
    textfile_directory: str


def delivery_options(delivery: Delivery) -> list[str]:
    """Return the options of the program that delivers the certificate."""
    options = {
        "--acme": delivery.traefik.acme_storage,
        "--resolver": delivery.traefik.certificate_resolver,
        "--host": delivery.names.mail_host,
        "--project": delivery.mailcow.project,
        "--directory": delivery.mailcow.directory,
        "--state": STATE,
        "--metrics": delivery.textfile_directory,
    }
    if delivery.names.ca_bundle is not None:
        options["--ca-bundle"] = AUTHORITIES
    return [word for pair in options.items() for word in pair]


def render_delivery_service(delivery: Delivery) -> str:
    """Return the systemd service that looks for a renewed certificate once."""
    ssl = f"{delivery.mailcow.directory}/data/assets/ssl"
    return render_service(
        Service(
            "Deliver the public certificate to the mail services",
            [f"ExecStart={run_program(PROGRAM, delivery_options(delivery))}"],
            writes=[ssl, STATE, f"-{delivery.textfile_directory}"],
            service={"TimeoutStartSec": "600", "PrivateTmp": "yes"},
        )
    )


def render_delivery_timer(check_minutes: int) -> str:
    """Return the systemd timer.

    Args:
        check_minutes: Minutes between two runs.
    """
    return render_timer(
        "Look for a renewed certificate of the mail services",
        OnBootSec="5min",
        OnUnitInactiveSec=f"{check_minutes}min",
        RandomizedDelaySec="60",
    )


@dataclass(frozen=True)
class CertificateArgs:
    """What the certificate's way needs to know.

    Attributes:
        certificate: How often it is looked for.
        delivery: What the program must know.
        connection: How commands reach the host.
        routes: Traefik's dynamic file, which makes Traefik ask for the certificate.
        after: What must be there first: the directories and the release.
    """

    certificate: CertificateSettings
    delivery: Delivery
    connection: command.remote.ConnectionArgs
    routes: pulumi_host.File
    after: Sequence[pulumi.Resource] = ()


class CertificateComponent(pulumi.ComponentResource):
    """Delivers the certificate now, and keeps delivering it."""

    delivery: command.remote.Command
    """The certificate has been delivered; services may start."""

    def __init__(
        self, name: str, args: CertificateArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Declare the certificate's way.

        Args:
            name: Name of the component.
            args: What it needs to know.
            opts: Resource options; they carry the `host` provider.
        """
        super().__init__("mail:components:Certificate", name, None, opts)
        delivery = args.delivery
        after = pulumi.ResourceOptions(parent=self, depends_on=list(args.after))
        shipped = program_file(PROGRAM, after)
        files = [shipped]
        if delivery.names.ca_bundle is not None:
            files.append(
                pulumi_host.File(
                    "certificate-authorities",
                    path=AUTHORITIES,
                    content=delivery.names.ca_bundle,
                    opts=after,
                )
            )
        words = " ".join(delivery_options(delivery))
        self.delivery = on_host(
            "certificate-delivery",
            f"{program(PROGRAM)} {words} --wait {WAIT_SECONDS}",
            connection=args.connection,
            reads=[file.revision for file in (*files, args.routes)],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*args.after, *files]),
        )
        self._schedule(args, shipped)
        self.register_outputs({})

    def _schedule(self, args: CertificateArgs, shipped: pulumi_host.File) -> None:
        """Let the host look for a renewed certificate."""
        delivery = args.delivery
        contents = {
            "service": render_delivery_service(delivery),
            "timer": render_delivery_timer(args.certificate.check_minutes),
        }
        units = [
            pulumi_host.File(
                f"certificate-{kind}",
                path=f"{UNITS}/{CERTIFICATE_UNIT}.{kind}",
                content=content,
                opts=pulumi.ResourceOptions(parent=self, depends_on=[shipped]),
            )
            for kind, content in contents.items()
        ]
        on_host(
            "certificate-schedule",
            f"systemctl daemon-reload && systemctl enable --now {CERTIFICATE_UNIT}.timer"
            f" && systemctl restart {CERTIFICATE_UNIT}.timer",
            connection=args.connection,
            reads=[unit.revision for unit in units],
            # A metric that nobody renews would raise alerts for ever.
            delete=f"systemctl disable --now {CERTIFICATE_UNIT}.timer || true\n"
            f"rm -f {at(f'{delivery.textfile_directory}/{METRICS}')}",
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*units, self.delivery]),
        )
