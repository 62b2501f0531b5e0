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
from typing import Any

import pulumi
import pulumi_command as command
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.settings import monitor_supports_feature

import pulumi_host
from components.compose_override import render_override
from components.mailcow_conf import (
    FIXED,
    FIXED_SECRETS,
    Installation,
    MailcowSecrets,
    fixed_settings,
    render_mailcow_conf,
)
from components.remote import on_host, program_file, readings, with_readings
from declaration.commands import at, program
from declaration.generations import GenerationSettings
from declaration.names import MTA_STS, SECRETS, STATE, Names

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


def release_options(stack: Installation) -> list[str]:
    """Return the options of the program that brings the release."""
    mailcow, release = stack.mailcow, stack.names.release
    options = {
        "--directory": mailcow.directory,
        "--state": STATE,
        "--repository": release.repository,
        "--tag": release.tag,
        "--commit": release.commit,
    }
    if mailcow.release.back_from:
        options["--back-from"] = mailcow.release.back_from
    words = [word for pair in options.items() for word in pair]
    for service in sorted(mailcow.services):
        words += ["--service", service]
    return words


def stack_options(stack: Installation) -> list[str]:
    """Return the options of the program that starts the project, watched files left out."""
    mailcow, release = stack.mailcow, stack.names.release
    return [
        "--project", mailcow.project, "--directory", mailcow.directory, "--memory", _MEMORY,
        "--release", f"{release.tag}@{release.commit}",
    ]  # fmt: skip


def nginx_files(names: Names) -> dict[str, str]:
    """Return nginx's files by name: the MTA-STS policy, if one is declared, and how it is served.

    Mailcow would serve a policy from its database, on its own terms; this is word for word the
    policy whose id the zone publishes.
    """
    if names.mta_sts_policy is None:
        return {}
    location = f"""\
# Written by Pulumi. An exact location goes before Mailcow's own.
location = /.well-known/mta-sts.txt {{
    if ($host != "{MTA_STS}.{names.domain}") {{
        return 404;
    }}
    default_type text/plain;
    alias /etc/nginx/conf.d/mta-sts.txt;
}}
"""
    return {"site.mta-sts.custom": location, "mta-sts.txt": names.mta_sts_policy}


def guarded_settings(stack: Installation, secrets: MailcowSecrets) -> str:
    """Return what the guard on the host compares, as JSON; it holds secrets."""
    hidden = {"DBPASS": secrets.database, "DBROOT": secrets.database_root}
    values = fixed_settings(stack) | hidden
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
    return next((reading for reading in found if isinstance(reading, Mapping)), {})


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


def _hooks(back_from: str | None) -> pulumi.ResourceHookBinding | None:
    if not monitor_supports_feature(resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_HOOKS):
        return None

    def refuse(args: pulumi.ResourceHookArgs) -> None:
        refuse_unsafe_change(args)
        refuse_older_release(args, back_from)

    options = pulumi.ResourceHookOptions(on_dry_run=True)
    return pulumi.ResourceHookBinding(before_update=[pulumi.ResourceHook(_HOOK, refuse, options)])


@dataclass(frozen=True)
class ReleaseArgs:
    """What the release needs to know.

    Attributes:
        stack: The stack, whose release is pinned.
        connection: How commands reach the host.
        after: What must be there first: the directories.
    """

    stack: Installation
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
            f"{program('release.py')} {shlex.join(release_options(args.stack))}",
            connection=args.connection,
            reads=[shipped.revision],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[shipped]),
        )
        self.register_outputs({})


@dataclass(frozen=True)
class MailcowArgs:
    """What the stack needs to know.

    Attributes:
        stack: The stack.
        generations: Which values of the keys are in use.
        connection: How commands reach the host.
        release: The release in its directory.
        spamhaus_dqs_key: Key to Spamhaus' lists, None without one.
        postfix_files: Files that Postfix reads when it starts, by path below the directory of
            the release (`RelayComponent.files`).
        before_start: What must have happened before any container starts: the firewall is
            loaded, the public certificate delivered.
    """

    stack: Installation
    generations: GenerationSettings
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
        settings = secrets.apply(lambda given: guarded_settings(args.stack, given))
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
                generation=getattr(self._args.generations, key, 1),
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
            reads=[fixed_settings(self._args.stack)],
            opts=pulumi.ResourceOptions(parent=self, depends_on=self._programs),
        )

    def _guard_words(self) -> str:
        conf = f"{self._args.stack.mailcow.directory}/mailcow.conf"
        return f"{program('settings_guard.py')} --conf {conf} --file {_STARTED}"

    def _files(
        self, secrets: pulumi.Output[MailcowSecrets], guard: command.remote.Command
    ) -> dict[str, pulumi_host.File]:
        """Write the files that are Mailcow's own, by path below the release's directory."""
        stack = self._args.stack
        mailcow = stack.mailcow
        conf = secrets.apply(lambda given: render_mailcow_conf(stack, given))
        contents: dict[str, tuple[str, pulumi.Input[str], str]] = {
            "mailcow.conf": ("mailcow-conf", conf, "0600"),
            "docker-compose.override.yml": (
                "mailcow-limits",
                render_override(mailcow.services, mailcow.tiers),
                "0644",
            ),
        }
        for file, content in nginx_files(stack.names).items():
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
        args, mailcow = self._args, self._args.stack.mailcow
        nginx = {path: file for path, file in files.items() if path.endswith(".custom")}
        watch = [
            pulumi.Output.concat(f" --watch {service}={path}=", file.revision)
            for service, watched in (
                ("nginx-mailcow", nginx),
                ("postfix-mailcow", args.postfix_files),
            )
            for path, file in sorted(watched.items())
        ]
        stack, options = program("stack.py"), shlex.join(stack_options(args.stack))
        read = [*self._programs, *files.values(), *args.postfix_files.values()]
        return on_host(
            "mailcow",
            # From here on the settings are fixed, even if the start fails half-way.
            pulumi.Output.concat(f"{self._guard_words()} --note && {stack} up {options}", *watch),
            connection=args.connection,
            stdin=settings,
            reads=[
                *(file.revision for file in read),
                release_options(args.stack),
            ],
            delete=with_readings(
                f"[ ! -d {at(mailcow.directory)} ] || {stack} down {options}",
                [fixed_settings(args.stack)],
            ),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[guard, *read, *args.before_start, args.release.checked],
                hooks=_hooks(mailcow.release.back_from),
            ),
        )
