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
from typing import TYPE_CHECKING

import pulumi
import pulumi_command as command
from pydantic import Field

import pulumi_host
from components.remote import BASE, STATE, UNITS, at, on_host, program, program_file
from components.settings import Settings
from components.units import Service, render_service, render_timer, run_program

if TYPE_CHECKING:  # the declaration is made of the parts, which must not import it back
    from components.declaration import Declaration


class CertificateSettings(Settings):
    """The public certificate on its way from Traefik to Postfix, Dovecot and nginx."""

    check_minutes: int = Field(60, ge=5, le=1440)
    """How often the host looks for a renewed certificate."""
    warn_days: int = Field(21, ge=1, le=29)
    """Days before expiry at which an alert is raised; Traefik renews 30 days before."""


UNIT = "po-mail-certificate"
"""Name of the systemd service and of its timer."""
PROGRAM = "certificate_delivery.py"
"""The program that delivers the certificate."""
CA_BUNDLE = f"{BASE}/authorities.pem"
"""Authorities to trust, where they are not the system's."""
METRICS = "po_mail_certificate.prom"
"""The file that the program writes for the node exporter."""
WAIT_SECONDS = 600
"""How long the first deployment waits: DNS-01 takes minutes when look-ups are cached."""


def delivery_options(declaration: "Declaration") -> list[str]:
    """Return the options of the program that delivers the certificate."""
    mailcow, traefik = declaration.mailcow, declaration.traefik
    options = {
        "--acme": traefik.acme_storage,
        "--resolver": traefik.certificate_resolver,
        "--host": declaration.mail_host,
        "--project": mailcow.project,
        "--directory": mailcow.directory,
        "--state": STATE,
        "--metrics": declaration.monitoring.textfile_directory,
    }
    if declaration.endpoints.ca_bundle is not None:
        options["--ca-bundle"] = CA_BUNDLE
    return [word for pair in options.items() for word in pair]


def render_delivery_service(declaration: "Declaration") -> str:
    """Return the systemd service that looks for a renewed certificate once."""
    ssl = f"{declaration.mailcow.directory}/data/assets/ssl"
    return render_service(
        Service(
            "Deliver the public certificate to the mail services",
            [f"ExecStart={run_program(PROGRAM, delivery_options(declaration))}"],
            writes=[ssl, STATE, f"-{declaration.monitoring.textfile_directory}"],
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
        declaration: The declaration.
        connection: How commands reach the host.
        routes: Traefik's dynamic file, which makes Traefik ask for the certificate.
        after: What must be there first: the directories and the release.
    """

    declaration: "Declaration"
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
        declaration = args.declaration
        after = pulumi.ResourceOptions(parent=self, depends_on=list(args.after))
        shipped = program_file(PROGRAM, after)
        files = [shipped]
        if declaration.endpoints.ca_bundle is not None:
            files.append(
                pulumi_host.File(
                    "certificate-authorities",
                    path=CA_BUNDLE,
                    content=declaration.endpoints.ca_bundle,
                    opts=after,
                )
            )
        words = " ".join(delivery_options(declaration))
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
        declaration = args.declaration
        contents = {
            "service": render_delivery_service(declaration),
            "timer": render_delivery_timer(declaration.certificate.check_minutes),
        }
        units = [
            pulumi_host.File(
                f"certificate-{kind}",
                path=f"{UNITS}/{UNIT}.{kind}",
                content=content,
                opts=pulumi.ResourceOptions(parent=self, depends_on=[shipped]),
            )
            for kind, content in contents.items()
        ]
        on_host(
            "certificate-schedule",
            f"systemctl daemon-reload && systemctl enable --now {UNIT}.timer"
            f" && systemctl restart {UNIT}.timer",
            connection=args.connection,
            reads=[unit.revision for unit in units],
            # A metric that nobody renews would raise alerts for ever.
            delete=f"systemctl disable --now {UNIT}.timer || true\n"
            f"rm -f {at(f'{declaration.monitoring.textfile_directory}/{METRICS}')}",
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*units, self.delivery]),
        )
