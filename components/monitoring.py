"""Monitoring: exporter container, scrape configuration, dashboard, alert rules.

Prometheus, Grafana and the node exporter run on the host already and are not ours. We write files
where they look for them: `scrape/po-mail.yml` and `rules/po-mail.yml` below the directory of
Prometheus, which must name both folders (`scrape_config_files`, `rule_files`), a dashboard, and
metrics for the node exporter's textfile collector.

The exporter listens on the host's loopback alone, so Prometheus must share the host's network.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_command as command
import pulumi_docker as docker
import yaml

import pulumi_host
from components.alert_rules import JOB, render_rules
from components.dashboard import render_dashboard
from components.remote import on_host, program_file
from components.units import Service, render_service, render_timer, run_program
from declaration.mailcow import MailcowSettings
from declaration.monitoring import Bounds, MonitoringSettings
from declaration.names import (
    DNSBL_UNIT,
    EXPORTER,
    PROJECT,
    QUEUE_UNIT,
    SECRETS,
    STATE,
    UNITS,
    Names,
)

EXPORTER_MEMORY_MIB = 64
"""Limit of the exporter's memory in MiB."""
_EXPORTER_PORT = 9099
"""Port of the exporter inside its container."""
_NOBODY = "65534:65534"


@dataclass(frozen=True)
class Measurement:
    """A program on the host that measures what the exporter does not.

    Attributes:
        name: What its resources are called.
        unit: Name of its systemd units without their kind.
        program: File name in `components/onhost`.
        purpose: What it does, for systemd.
        minutes: Minutes between two runs.
        options: Its command line.
        family: Address family that it speaks (systemd).
        addresses: Who it speaks to over IP.
    """

    name: str
    unit: str
    program: str
    purpose: str
    minutes: int
    options: tuple[str, ...]
    family: str
    addresses: tuple[str, ...] = ()


def measurements(
    monitoring: MonitoringSettings, mailcow: MailcowSettings, names: Names
) -> tuple[Measurement, ...]:
    """Return the programs that measure on the host."""
    textfiles = monitoring.textfile_directory
    queue = {
        "--project": mailcow.project,
        "--directory": mailcow.directory,
        "--relay": names.nexthop.host,
        "--state": f"{STATE}/relay-refusals.json",
        "--metrics": f"{textfiles}/po_mail_queue.prom",
    }
    lists = {
        "--address": names.address,
        "--resolver": monitoring.dnsbl_resolver,
        "--metrics": f"{textfiles}/po_mail_dnsbl.prom",
    }
    zones = [word for zone in monitoring.dnsbl for word in ("--zone", zone)]
    found = [
        Measurement(
            "queue",
            QUEUE_UNIT,
            "queue_metrics.py",
            "Measure the mail queue",
            1,
            _words(queue),
            "AF_UNIX",
        )
    ]
    if zones:
        options = (*_words(lists), *zones)
        found.append(
            Measurement(
                "dnsbl", DNSBL_UNIT, "dnsbl.py", "Ask the block lists", 60, options, "AF_INET",
                (str(monitoring.dnsbl_resolver),),
            )
        )  # fmt: skip
    return tuple(found)


def _words(options: dict[str, str]) -> tuple[str, ...]:
    return tuple(word for pair in options.items() for word in pair)


def render_measurement_service(measurement: Measurement, textfiles: str) -> str:
    """Return the systemd service that measures once.

    Args:
        measurement: The program.
        textfiles: Directory of the textfile collector.
    """
    return render_service(
        Service(
            measurement.purpose,
            [f"ExecStart={run_program(measurement.program, measurement.options)}"],
            families=[measurement.family],
            addresses=measurement.addresses,
            writes=[STATE, f"-{textfiles}"],
            service={"TimeoutStartSec": "180", "PrivateTmp": "yes"},
        )
    )


def render_measurement_timer(measurement: Measurement) -> str:
    """Return the systemd timer of a measurement."""
    return render_timer(
        f"{measurement.purpose}, every {measurement.minutes} min",
        OnBootSec="2min",
        OnUnitActiveSec=f"{measurement.minutes}min",
        AccuracySec="10s",
    )


def render_scrape(port: int, token: str) -> str:
    """Return Prometheus' scrape configuration of the exporter; it holds the token.

    Args:
        port: Port of the exporter on the loopback.
        token: What the exporter wants to see.
    """
    job = {
        "job_name": JOB,
        # The exporter asks Mailcow's API at every scrape; that takes seconds.
        "scrape_interval": "2m",
        "scrape_timeout": "45s",
        "params": {"token": [token]},
        "static_configs": [{"targets": [f"127.0.0.1:{port}"]}],
    }
    text: str = yaml.safe_dump({"scrape_configs": [job]}, sort_keys=False)
    return f"# Written by Pulumi.\n{text}"


def exporter_environment(host: str, api_key: str, token: str) -> list[str]:
    """Return the environment of the exporter's container; it is secret.

    Args:
        host: Host of Mailcow's API.
        api_key: Key to the API; one that can only read will do.
        token: What Prometheus must show.
    """
    return [
        f"MAILCOW_EXPORTER_HOST={host}",
        f"MAILCOW_EXPORTER_API_KEY={api_key}",
        f"MAILCOW_EXPORTER_SECURITY_TOKEN={token}",
    ]


def image_by_digest(image: str, digest: str) -> str:
    """Return the image under the name that cannot be moved: `repository@sha256:...`."""
    repository = image.rpartition(":")[0]
    return f"{repository}@{digest}"


@dataclass(frozen=True)
class MonitoringArgs:
    """What the monitoring needs to know.

    Attributes:
        monitoring: What is watched, and where its files go.
        exporter_digest: What the tag of the exporter's image is.
        mailcow: The stack that is watched.
        names: Hosts and addresses.
        bounds: Beyond what somebody is told.
        company: Name of the company.
        generation: Which token of the exporter is in use.
        connection: How commands reach the host.
        api_key: Key to Mailcow's API, known once Mailcow has started.
        after: What must be there first: the directories on the host.
    """

    monitoring: MonitoringSettings
    exporter_digest: str
    mailcow: MailcowSettings
    names: Names
    bounds: Bounds
    company: str
    generation: int
    connection: command.remote.ConnectionArgs
    api_key: pulumi.Input[str]
    after: Sequence[pulumi.Resource] = ()


class MonitoringComponent(pulumi.ComponentResource):
    """The exporter, what Prometheus and Grafana read, and the programs that measure."""

    exporter: docker.Container
    """The exporter's container."""

    def __init__(
        self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Declare the monitoring.

        Args:
            name: Name of the component.
            args: What it needs to know.
            opts: Resource options; they carry the `docker` and `host` providers.
        """
        super().__init__("mail:components:Monitoring", name, None, opts)
        self._args = args
        self._on_host = pulumi.ResourceOptions(parent=self, depends_on=list(args.after))
        token = pulumi_host.Secret(
            "exporter-token",
            path=f"{SECRETS}/exporter-token",
            length=40,
            generation=args.generation,
            opts=self._on_host,
        )
        self.exporter = self._run_exporter(token)
        self._describe(token)
        for measurement in measurements(args.monitoring, args.mailcow, args.names):
            self._measure(measurement)
        self.register_outputs({})

    def _run_exporter(self, token: pulumi_host.Secret) -> docker.Container:
        """Run the exporter; its secrets are in its environment, which is sealed in the state."""
        args, monitoring = self._args, self._args.monitoring
        image = docker.RemoteImage(
            "exporter-image",
            name=image_by_digest(monitoring.exporter_image, args.exporter_digest),
            keep_locally=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        admin = args.names.administration
        secrets = pulumi.Output.all(pulumi.Output.secret(args.api_key), token.value)
        environment = secrets.apply(lambda pair: exporter_environment(admin, pair[0], pair[1]))
        return docker.Container(
            "exporter",
            name=EXPORTER,
            image=image.image_id,
            envs=environment,
            # The certificate is checked by name; a fresh record may not have spread yet.
            hosts=[docker.ContainerHostArgs(host=admin, ip=args.names.address)],
            ports=[
                docker.ContainerPortArgs(
                    internal=_EXPORTER_PORT, external=monitoring.exporter_port, ip="127.0.0.1"
                )
            ],
            restart="unless-stopped",
            memory=EXPORTER_MEMORY_MIB,
            # Left out, the engine sets twice the memory, and every preview shows a change.
            memory_swap=EXPORTER_MEMORY_MIB,
            user=_NOBODY,
            read_only=True,
            security_opts=["no-new-privileges:true"],
            log_opts={"max-size": "1m", "max-file": "2"},
            opts=pulumi.ResourceOptions(
                parent=self,
                # Two containers cannot publish one port.
                delete_before_replace=True,
                additional_secret_outputs=["envs"],
            ),
        )

    def _describe(self, token: pulumi_host.Secret) -> None:
        """Write what Prometheus and Grafana read."""
        args, monitoring = self._args, self._args.monitoring
        port = monitoring.exporter_port
        scrape = token.value.apply(lambda value: render_scrape(port, value))
        folder = monitoring.prometheus_directory
        pulumi_host.File(
            "monitoring-scrape",
            path=f"{folder}/scrape/{PROJECT}.yml",
            content=pulumi.Output.secret(scrape),
            # It holds the token: for root, and for Prometheus, which runs as a user of its own.
            mode="0640",
            group=str(monitoring.prometheus_group),
            opts=self._on_host,
        )
        contents = {
            "rules": (f"{folder}/rules/{PROJECT}.yml", render_rules(args.bounds)),
            "dashboard": (
                f"{monitoring.grafana_directory}/{PROJECT}.json",
                render_dashboard(args.company, args.names.mail_host, args.bounds),
            ),
        }
        for kind, (path, content) in contents.items():
            pulumi_host.File(f"monitoring-{kind}", path=path, content=content, opts=self._on_host)

    def _measure(self, measurement: Measurement) -> None:
        """Let the host run a program that measures."""
        textfiles = self._args.monitoring.textfile_directory
        shipped = program_file(measurement.program, self._on_host)
        contents = {
            "service": render_measurement_service(measurement, textfiles),
            "timer": render_measurement_timer(measurement),
        }
        units = [
            pulumi_host.File(
                f"{measurement.name}-metrics-{kind}",
                path=f"{UNITS}/{measurement.unit}.{kind}",
                content=content,
                opts=pulumi.ResourceOptions(parent=self, depends_on=[shipped]),
            )
            for kind, content in contents.items()
        ]
        timer = f"{measurement.unit}.timer"
        on_host(
            f"{measurement.name}-metrics-schedule",
            f"systemctl daemon-reload && systemctl enable --now {timer}"
            f" && systemctl restart {timer}",
            connection=self._args.connection,
            reads=[unit.revision for unit in units],
            delete=f"systemctl disable --now {timer} || true",
            opts=pulumi.ResourceOptions(parent=self, depends_on=units),
        )
