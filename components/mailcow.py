"""The Mailcow stack: one pinned release, its configuration, its limits, its compose project.

The order in which things happen on the host:

1. `ReleaseComponent` brings the release into its directory, after `onhost/release.py` has found
   that the tag is the declared commit and that every service has a tier.
2. `settings_guard.py` refuses settings that are unsafe to change after the first start, before
   `mailcow.conf` is written. It compares with what it noted at the first start, on the host,
   because only the host knows whether there was one. Where the engine knows resource hooks, a
   hook on the start says the same already in the preview, from the state.
3. Configuration, limits, the relay's files and the public certificate are put in place.
4. `stack.py` starts the compose project and waits until it is healthy. Later it also restarts
   what has to read a changed file.

Removing the stack takes the containers down and keeps the volumes, the release and the secrets.
"""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pulumi
import pulumi_command as command
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.settings import monitor_supports_feature
from pydantic import Field, field_validator

import pulumi_host
from components.compose_override import ResourceTier, TierLimits, render_override
from components.mailcow_conf import (
    FIXED,
    FIXED_SECRETS,
    FORBIDDEN_WEB_PORTS,
    MailcowSecrets,
    fixed_settings,
    mail_ports,
    render_mailcow_conf,
)
from components.remote import (
    SECRETS,
    STATE,
    at,
    on_host,
    program,
    program_file,
    readings,
    with_readings,
)
from components.settings import Settings
from components.zone import mta_sts_policy

if TYPE_CHECKING:  # the declaration is made of the parts, which must not import it back
    from components.declaration import Declaration

__all__ = ["ResourceTier", "TierLimits"]


class ReleaseSettings(Settings):
    """Where the release comes from, pinned twice: by tag, and by what the tag must be."""

    repository: str = Field(
        "https://github.com/mailcow/mailcow-dockerized", pattern=r"^https://\S+$"
    )
    """Git address."""
    tag: str = Field(pattern=r"^20\d\d-\d\d[a-z]?$")
    """Release tag."""
    commit: str = Field(pattern=r"^[0-9a-f]{40}$")
    """Commit that the tag stands for. A tag can be moved, a commit cannot."""
    back_from: str | None = Field(None, pattern=r"^20\d\d-\d\d[a-z]?$")
    """The newer release that ran before, once its database was replaced by one from before it; it
    lets an older tag be deployed. Danger: databases do not go back by themselves. `make
    mail-update OPTIONS=return` restores the database and declares this."""


class MailcowSettings(Settings):
    """The compose project `po-mail`."""

    release: ReleaseSettings
    """The pinned release."""
    project: str = Field("po-mail", pattern=r"^[a-z0-9][a-z0-9-]*$")
    """Compose project. Danger: it prefixes the volumes; a change starts on empty ones."""
    directory: str = Field("/opt/po-mail/mailcow", pattern=r"^/[\w./-]+$")
    """Directory of the release on the host."""
    time_zone: str = "Europe/Lisbon"
    """Time zone of the containers (tz database)."""
    http_port: int = Field(9080, ge=1024, le=65535)
    """Host port of nginx without TLS."""
    https_port: int = Field(9443, ge=1024, le=65535)
    """Host port of nginx with TLS: the backend of Traefik."""
    raw_ports: tuple[int, ...] = (25, 465, 587, 993, 4190)
    """Ports bound on the host and open to anyone."""
    ipv4_network: str = Field("172.22.1", pattern=r"^\d{1,3}\.\d{1,3}\.\d{1,3}$")
    """First three octets of the compose network. Unsafe to change after the first start."""
    skip_clamd: bool = False
    """Leave the virus scanner asleep."""
    skip_sogo: bool = False
    """Leave webmail and groupware asleep."""
    skip_fts: bool = False
    """Leave full-text search out."""
    skip_olefy: bool = False
    """Leave the scanner of office documents asleep."""
    tiers: dict[ResourceTier, TierLimits]
    """Limits of the five tiers."""
    services: dict[str, ResourceTier]
    """Tier of every service of the release, by its name in the compose file. A service of the
    release that is missing here stops the deployment before any container starts."""

    @field_validator("services")
    @classmethod
    def _service_names(cls, value: dict[str, ResourceTier]) -> dict[str, ResourceTier]:
        for name in value:
            if not re.fullmatch(r"[a-z0-9-]+-mailcow", name):
                msg = f'"{name}" is not a Mailcow service; their names end in -mailcow'
                raise ValueError(msg)
        return value

    @field_validator("http_port", "https_port")
    @classmethod
    def _web_port(cls, value: int) -> int:
        if value in FORBIDDEN_WEB_PORTS:
            msg = f"{value} is used by nginx itself inside its container; take another port"
            raise ValueError(msg)
        return value

    @field_validator("raw_ports")
    @classmethod
    def _raw_ports(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        mail_ports(value)
        return value


_SECRET_LENGTHS = {
    "database": 28,
    "database_root": 28,
    "redis": 28,
    "sogo_url_key": 16,
    "dovecot_master": 32,
    "api_key": 40,
    "api_key_read_only": 40,
}
_STARTED = f"{STATE}/first-start.json"
_MEMORY = f"{STATE}/stack.json"
_NGINX = "data/conf/nginx"
_HOOK = "mailcow-settings-fixed"


def pinned_commit(declaration: "Declaration") -> str:
    """Return the commit that the release must be, where it is cloned from."""
    release, elsewhere = declaration.mailcow.release, declaration.endpoints.repository
    return elsewhere.commit_of(release.tag, release.commit) if elsewhere else release.commit


def release_options(declaration: "Declaration") -> list[str]:
    """Return the options of the program that brings the release."""
    mailcow, elsewhere = declaration.mailcow, declaration.endpoints.repository
    options = {
        "--directory": mailcow.directory,
        "--state": STATE,
        "--repository": elsewhere.url if elsewhere else mailcow.release.repository,
        "--tag": mailcow.release.tag,
        "--commit": pinned_commit(declaration),
    }
    if mailcow.release.back_from:
        options["--back-from"] = mailcow.release.back_from
    words = [word for pair in options.items() for word in pair]
    for service in sorted(mailcow.services):
        words += ["--service", service]
    return words


def stack_options(declaration: "Declaration") -> list[str]:
    """Return the options of the program that starts the project, watched files left out."""
    mailcow = declaration.mailcow
    return [
        "--project", mailcow.project, "--directory", mailcow.directory, "--memory", _MEMORY,
        "--release", f"{mailcow.release.tag}@{pinned_commit(declaration)}",
    ]  # fmt: skip


def nginx_files(declaration: "Declaration") -> dict[str, str]:
    """Return nginx's files by name: the MTA-STS policy, if one is declared, and how it is served.

    Mailcow would serve a policy from its database, on its own terms; this is word for word the
    policy whose id the zone publishes.
    """
    if declaration.zone.mta_sts is None:
        return {}
    location = f"""\
# Written by Pulumi. An exact location goes before Mailcow's own.
location = /.well-known/mta-sts.txt {{
    if ($host != "mta-sts.{declaration.domain}") {{
        return 404;
    }}
    default_type text/plain;
    alias /etc/nginx/conf.d/mta-sts.txt;
}}
"""
    return {"site.mta-sts.custom": location, "mta-sts.txt": mta_sts_policy(declaration)}


def guarded_settings(declaration: "Declaration", secrets: MailcowSecrets) -> str:
    """Return what the guard on the host compares, as JSON; it holds secrets."""
    hidden = {"DBPASS": secrets.database, "DBROOT": secrets.database_root}
    values = fixed_settings(declaration) | hidden
    settings = {
        key: {"value": values[key], "reason": reason, "secret": key in FIXED_SECRETS}
        for key, reason in FIXED.items()
    }
    return json.dumps(settings)


def refuse_unsafe_change(args: pulumi.ResourceHookArgs) -> None:
    """Refuse, in a preview too, a change of a setting that is unsafe after the first start.

    Args:
        args: The update of the resource that started Mailcow; its `delete` names the settings.

    Raises:
        ValueError: one of them changes, with the reason.
    """
    old, new = (_settings_in(inputs) for inputs in (args.old_inputs, args.new_inputs))
    complaints = [
        f"{key} was {old[key]}, now {new[key]}: {FIXED[key]}"
        for key in old
        if key in FIXED and key in new and old[key] != new[key]
    ]
    if complaints:
        msg = "unsafe to change after the first start: " + "; ".join(complaints)
        raise ValueError(msg)


def _settings_in(inputs: Mapping[str, Any] | None) -> Mapping[str, Any]:
    # Not in `update`: a preview does not know it while a file that is read is to be written.
    text = (inputs or {}).get("delete")
    found = readings(text) if isinstance(text, str) else []
    return next((one for one in found if isinstance(one, Mapping)), {})


def refuse_older_release(args: pulumi.ResourceHookArgs, back_from: str | None) -> None:
    """Refuse, in a preview too, a release that is older than the one that was started.

    Args:
        args: The update of the resource that started Mailcow; its `delete` names the release.
        back_from: The newer release whose database was replaced, as declared.

    Raises:
        ValueError: it is older, with what to declare.
    """
    old, new = (_release_in(inputs) for inputs in (args.old_inputs, args.new_inputs))
    (before, commit), (tag, _) = old, new
    if tag and tag < before and before != back_from:
        msg = (
            f"mail:mailcow.release declares {tag}, but {before} runs, and its database does not go"
            f" back. Declare what runs (tag: {before}, commit: {commit}), or return to {tag} with"
            " its database: make mail-update OPTIONS=return"
        )
        raise ValueError(msg)


def _release_in(inputs: Mapping[str, Any] | None) -> tuple[str, str]:
    """Return tag and commit of the release that was started, empty where none is named."""
    text = (inputs or {}).get("delete")
    words = shlex.split(text, comments=True) if isinstance(text, str) else []
    named = words[words.index("--release") + 1] if "--release" in words else ""
    tag, _, commit = named.partition("@")
    return tag, commit


def _hooks(declaration: "Declaration") -> pulumi.ResourceHookBinding | None:
    if not monitor_supports_feature(resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_HOOKS):
        return None

    def refuse(args: pulumi.ResourceHookArgs) -> None:
        refuse_unsafe_change(args)
        refuse_older_release(args, declaration.mailcow.release.back_from)

    options = pulumi.ResourceHookOptions(on_dry_run=True)
    return pulumi.ResourceHookBinding(before_update=[pulumi.ResourceHook(_HOOK, refuse, options)])


@dataclass(frozen=True)
class ReleaseArgs:
    """What the release needs to know.

    Attributes:
        declaration: The declaration.
        connection: How commands reach the host.
        after: What must be there first: the directories.
    """

    declaration: "Declaration"
    connection: command.remote.ConnectionArgs
    after: Sequence[pulumi.Resource] = ()


class ReleaseComponent(pulumi.ComponentResource):
    """The pinned release in its directory; no container starts here."""

    checked: command.remote.Command
    """The release is in place, and every service of it has a tier."""

    def __init__(
        self, name: str, args: ReleaseArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Declare the release.

        Args:
            name: Name of the component.
            args: What it needs to know.
            opts: Resource options; they carry the `host` provider.
        """
        super().__init__("mail:components:Release", name, None, opts)
        shipped = program_file(
            "release.py", pulumi.ResourceOptions(parent=self, depends_on=list(args.after))
        )
        self.checked = on_host(
            "mailcow-release",
            f"{program('release.py')} {shlex.join(release_options(args.declaration))}",
            connection=args.connection,
            reads=[shipped.revision],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[shipped]),
        )
        self.register_outputs({})


@dataclass(frozen=True)
class MailcowArgs:
    """What the stack needs to know.

    Attributes:
        declaration: The declaration.
        connection: How commands reach the host.
        release: The release in its directory.
        spamhaus_dqs_key: Key to Spamhaus' lists, None without one.
        postfix_files: Files that Postfix reads when it starts, by path below the directory of
            the release (`RelayComponent.files`).
        before_start: What must have happened before any container starts: the firewall is
            loaded, the public certificate delivered.
    """

    declaration: "Declaration"
    connection: command.remote.ConnectionArgs
    release: ReleaseComponent
    spamhaus_dqs_key: pulumi.Input[str] | None = None
    postfix_files: Mapping[str, pulumi_host.File] = field(default_factory=dict)
    before_start: Sequence[pulumi.Resource] = ()


class MailcowComponent(pulumi.ComponentResource):
    """Configuration, limits, and the running compose project."""

    started: command.remote.Command
    """Every container runs and is healthy."""
    api_key: pulumi.Output[str]
    """Key to Mailcow's API, secret. Mailcow knows it once it has `started`: whoever uses it must
    depend on that. The key itself does not, so that a preview knows it also when the stack is to
    be renewed."""
    watching_key: pulumi.Output[str]
    """Key to Mailcow's API that can read and nothing else, secret: for what watches."""

    def __init__(
        self, name: str, args: MailcowArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Declare the stack.

        Args:
            name: Name of the component.
            args: What it needs to know.
            opts: Resource options; they carry the `host` provider.
        """
        super().__init__("mail:components:Mailcow", name, None, opts)
        self._args = args
        self._after_release = pulumi.ResourceOptions(parent=self, depends_on=[args.release.checked])
        secrets = self._secrets()
        self._programs = [
            program_file(file, self._after_release) for file in ("settings_guard.py", "stack.py")
        ]
        settings = secrets.apply(lambda given: guarded_settings(args.declaration, given))
        guard = self._guard(settings)
        self.started = self._start(settings, self._files(secrets, guard), guard)
        self.api_key = pulumi.Output.secret(self._keys["api_key"].value)
        self.watching_key = pulumi.Output.secret(self._keys["api_key_read_only"].value)
        self.register_outputs({})

    def _secrets(self) -> pulumi.Output[MailcowSecrets]:
        """Generate Mailcow's secrets on the host, or take over those that are there."""
        made = {
            key: pulumi_host.Secret(
                f"secret-{key.replace('_', '-')}",
                path=f"{SECRETS}/{key.replace('_', '-')}",
                length=length,
                generation=getattr(self._args.declaration.generations, key, 1),
                opts=self._after_release,
            )
            for key, length in _SECRET_LENGTHS.items()
        }
        self._keys = made
        given = {"spamhaus_dqs_key": self._args.spamhaus_dqs_key or ""}
        values = pulumi.Output.all(**{key: one.value for key, one in made.items()}, **given)
        secrets = values.apply(lambda given: MailcowSecrets(**given))
        return pulumi.Output.secret(secrets)

    def _guard(self, settings: pulumi.Output[str]) -> command.remote.Command:
        """Refuse unsafe changes before anything of them reaches the host."""
        return on_host(
            "mailcow-settings-guard",
            self._guard_words(),
            connection=self._args.connection,
            stdin=settings,
            reads=[fixed_settings(self._args.declaration)],
            opts=pulumi.ResourceOptions(parent=self, depends_on=self._programs),
        )

    def _guard_words(self) -> str:
        conf = f"{self._args.declaration.mailcow.directory}/mailcow.conf"
        return f"{program('settings_guard.py')} --conf {conf} --file {_STARTED}"

    def _files(
        self, secrets: pulumi.Output[MailcowSecrets], guard: command.remote.Command
    ) -> dict[str, pulumi_host.File]:
        """Write the files that are Mailcow's own, by path below the release's directory."""
        declaration = self._args.declaration
        mailcow = declaration.mailcow
        conf = secrets.apply(lambda given: render_mailcow_conf(declaration, given))
        contents: dict[str, tuple[str, pulumi.Input[str], str]] = {
            "mailcow.conf": ("mailcow-conf", conf, "0600"),
            "docker-compose.override.yml": (
                "mailcow-limits",
                render_override(mailcow.services, mailcow.tiers),
                "0644",
            ),
        }
        for file, content in nginx_files(declaration).items():
            title = f"nginx-{re.sub('[^a-z]+', '-', file)}"
            contents[f"{_NGINX}/{file}"] = (title, content, "0644")
        return {
            path: pulumi_host.File(
                title,
                path=f"{mailcow.directory}/{path}",
                content=content,
                mode=mode,
                opts=pulumi.ResourceOptions(parent=self, depends_on=[guard]),
            )
            for path, (title, content, mode) in contents.items()
        }

    def _start(
        self,
        settings: pulumi.Output[str],
        files: Mapping[str, pulumi_host.File],
        guard: command.remote.Command,
    ) -> command.remote.Command:
        """Start the project, once everything that its containers read is there."""
        args, mailcow = self._args, self._args.declaration.mailcow
        nginx = {path: file for path, file in files.items() if path.endswith(".custom")}
        watch = [
            pulumi.Output.concat(f" --watch {service}={path}=", file.revision)
            for service, watched in (
                ("nginx-mailcow", nginx),
                ("postfix-mailcow", args.postfix_files),
            )
            for path, file in sorted(watched.items())
        ]
        stack, options = program("stack.py"), shlex.join(stack_options(args.declaration))
        read = [*self._programs, *files.values(), *args.postfix_files.values()]
        return on_host(
            "mailcow",
            # From here on the settings are fixed, even if the start fails half-way.
            pulumi.Output.concat(f"{self._guard_words()} --note && {stack} up {options}", *watch),
            connection=args.connection,
            stdin=settings,
            reads=[
                *(file.revision for file in read),
                release_options(args.declaration),
            ],
            delete=with_readings(
                f"[ ! -d {at(mailcow.directory)} ] || {stack} down {options}",
                [fixed_settings(args.declaration)],
            ),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[guard, *read, *args.before_start, args.release.checked],
                hooks=_hooks(args.declaration),
            ),
        )
