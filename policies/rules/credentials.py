"""Credentials: sealed where they are used, closed where they lie, nowhere else."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from declaration.mistakes import looks_secret
from policies.model import Area, Finding, Resource, Severity, opened, plain_texts, secret_texts
from policies.registry import in_area
from policies.stack import COMMAND, CONTAINER, FILE, SYNC_JOB, Stack

rule = in_area(Area.CREDENTIALS)

_WORDS = re.compile(r"[^\s\"'`,;:=(){}\[\]<>|&$]+")
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]*-----END CERTIFICATE-----")
"""Public by nature, though its text looks like anything but words."""
_PUBLIC = ("hostKey", "knownHosts", "publicKey", "dkimPublicKey")
_SECRET_PROPERTIES = {
    "cloudflare": ("apiToken", "apiKey"),
    "minio": ("minioPassword", "minioUser", "minioSecretKey"),
    "host": ("privateKey",),
    "mailcow": ("apiKey",),
    "mailcow:index:Mailbox": ("password",),
    "mailcow:index:Relayhost": ("password",),
    "mailcow:index:Transport": ("password",),
    "mailcow:index:DkimKey": ("privateKey",),
    "mailcow:index:AppPassword": ("password",),
    "mailcow:index:DomainAdmin": ("password",),
    SYNC_JOB: ("password1",),
    "minio:index/iamUser:IamUser": ("secret",),
    CONTAINER: (),
}
_SECRET_FILES = {
    "mailcow.conf": 0o600,
    "backup.env": 0o600,
    "backup-passphrase": 0o600,
}
_ENVIRONMENT = re.compile(
    r"(?i)\b[A-Z_]*(?:PASS(?:WORD)?|SECRET|TOKEN|API_KEY|ACCESS_KEY)[A-Z_]*=\S+"
)


@rule(
    "inputs-without-credentials",
    Severity.CRITICAL,
    protects="No plain value of a resource looks like a credential.",
    reason="Plain values stand readable in the state, in every preview and in logs.",
    source="https://www.pulumi.com/docs/iac/concepts/secrets/",
    remedy="take it out, make a new one, and set it with pulumi config set --secret",
)
def _plain(stack: Stack) -> Iterator[Finding]:
    public = (stack.declaration.host_key.split() or [""])[-1]
    dkim = stack.declaration.dkim_public_key
    for resource in stack.resources:
        for name, value in stack.properties(resource).items():
            # What `secrets-sealed` judges by its name is not judged by its looks too.
            if name in _PUBLIC or name in _sealed_names(resource):
                continue
            texts = (text.replace(public, "") if public else text for text in plain_texts(value))
            if any(_suspicious(text, resource, name, dkim) for text in texts):
                message = f"{name} of {resource.name} holds what looks like a credential"
                yield Finding(message, "mail", resource)
                break


def _sealed_names(resource: Resource) -> tuple[str, ...]:
    if resource.type == COMMAND:
        return ("connection",)
    return _SECRET_PROPERTIES.get(resource.type.removeprefix("pulumi:providers:"), ())


def _suspicious(text: str, resource: Resource, name: str, dkim: str) -> bool:
    if (
        resource.type == FILE
        and name == "content"
        and "/bin/" in str(resource.properties.get("path"))
    ):
        return "-----BEGIN" in text and "PRIVATE KEY-----\n" in text  # a shipped program
    if resource.type.startswith("cloudflare:") and name == "content":
        key = "".join(text.split('" "')).strip('"')
        return looks_secret(text) and key != dkim and not re.search(r"\bp=[A-Za-z0-9+/]", key)
    if name == "alphabet":  # what a generated secret is made of
        return False
    return looks_secret(_CERTIFICATE.sub("", text))


@rule(
    "secrets-not-repeated",
    Severity.CRITICAL,
    protects="No secret of the stack stands in clear in another resource.",
    reason="A secret that is woven into a command or a file loses its seal.",
    source="https://www.pulumi.com/docs/iac/concepts/secrets/",
    remedy="keep the value an Output to its end, and hand it over on standard input or in a file",
)
def _repeated(stack: Stack) -> Iterator[Finding]:
    secrets = {
        word
        for resource in stack.resources
        for text in _whole_secrets(stack, resource)
        for word in {text.strip()}
        if len(word) >= 12
    }
    for resource in stack.resources:
        # An id is the provider's choice and never sealed: of a service account, its access key.
        shown = {name: value for name, value in stack.properties(resource).items() if name != "id"}
        words = {word for text in plain_texts(shown) for word in _WORDS.findall(text)}
        if words & secrets:
            yield Finding(f"{resource.name} repeats a secret in clear", "mail", resource)


def _whole_secrets(stack: Stack, resource: Resource) -> Iterator[str]:
    """Yield secrets that are one word: passwords and keys, not whole files."""
    for name, value in stack.properties(resource).items():
        if resource.type == COMMAND and name == "connection":
            continue  # the whole connection is sealed, with public parts such as the address
        for text in secret_texts(value):
            if not re.search(r"\s", text.strip()):
                yield text


@rule(
    "secrets-sealed",
    Severity.CRITICAL,
    protects="Every password, token and key is a secret where it is used.",
    reason="What is not marked is written to the state in clear.",
    source="https://www.pulumi.com/docs/iac/concepts/secrets/",
    remedy="pass the secret of the configuration as it is, or wrap it in pulumi.Output.secret",
)
def _sealed(stack: Stack) -> Iterator[Finding]:
    for resource in stack.resources:
        for name in _sealed_names(resource) if resource.type != COMMAND else ():
            if name in stack.properties(resource) and not stack.sealed(resource, name):
                yield Finding(f"{name} of {resource.name} is not a secret", "mail", resource)
        if resource.type == COMMAND:
            yield from _command(stack, resource)
        if resource.type == CONTAINER:
            for text in plain_texts(stack.properties(resource).get("envs")):
                if _ENVIRONMENT.search(text) and "_FILE=" not in text:
                    yield Finding(
                        f"an environment variable of {resource.name} is not a secret",
                        "mail",
                        resource,
                    )
    conf = stack.files.get(f"{stack.declaration.mailcow.directory}/mailcow.conf")
    if conf is not None and not stack.sealed(conf.resource, "content"):
        yield Finding("mailcow.conf, which holds passwords, is not a secret", "mail", conf.resource)


def _command(stack: Stack, one: Resource) -> Iterator[Finding]:
    connection = stack.properties(one).get("connection")
    if (
        isinstance(connection, Mapping)
        and "privateKey" in connection
        and not stack.sealed(one, "connection", "privateKey")
    ):
        yield Finding(f"{one.name} has the private key in clear", "mail:sshPrivateKey", one)


@rule(
    "commands-quiet",
    Severity.HIGH,
    protects="Commands that are given a secret log nothing, and carry none in their words.",
    reason="The output of a command stands in the log and in the state; its words in the list of"
    " processes.",
    source="https://www.pulumi.com/registry/packages/command/api-docs/remote/command/",
    remedy="log none or stderr, add_previous_output_in_env=False; secrets go on stdin",
)
def _quiet(stack: Stack) -> Iterator[Finding]:
    for resource in stack.of_type(COMMAND):
        if any(
            stack.sealed(resource, name) for name in ("create", "update", "delete", "environment")
        ):
            yield Finding(f"{resource.name} carries a secret in its words", "mail", resource)
        if stack.properties(resource).get("stdin") is None:
            continue
        if stack.text(resource, "logging") not in ("none", "stderr"):
            message = f"{resource.name} is given a secret and logs its output"
            yield Finding(message, "mail", resource, stack.text(resource, "logging"))
        elif stack.get(resource, "addPreviousOutputInEnv") is not False:
            message = f"{resource.name} hands its last output to the environment"
            yield Finding(message, "mail", resource)


@rule(
    "secret-files-closed",
    Severity.HIGH,
    protects="Files with secrets can be read by root alone.",
    reason="Other projects share the host, and so do their users.",
    source="https://docs.mailcow.email/getstarted/install/ (mailcow.conf, mode 600)",
    remedy="give the file the mode 0600",
)
def _closed(stack: Stack) -> Iterator[Finding]:
    for file in stack.files.values():
        name = file.path.rpartition("/")[2]
        if name == "smarthost_passwd":
            continue  # `relay-credential-sealed` judges it: Postfix reads it as its own group
        # Prometheus reads what is for it as a user of its own, by its group.
        watched = f"{stack.declaration.monitoring.prometheus_directory}/"
        others = 0o037 if file.path.startswith(watched) else 0o077
        holds = stack.sealed(file.resource, "content")
        if (holds or name in _SECRET_FILES) and file.mode & others:
            message = f"{file.path} holds secrets and has the mode {file.mode:04o}"
            yield Finding(message, "mail", file.resource, f"{file.mode:04o}")


@rule(
    "accounts-over-tls",
    Severity.CRITICAL,
    protects="Every account is opened over TLS with its certificate checked.",
    reason="The first request carries the key to everything that the account may do.",
    source="RFC 9325 section 3",
    remedy="leave mail:endpoints to rehearsals, which keep to loopback",
)
def _over_tls(stack: Stack) -> Iterator[Finding]:
    rehearsed = bool(stack.declaration.endpoints.model_dump(exclude_defaults=True))
    for provider in stack.providers("mailcow"):
        address = stack.text(provider, "endpoint")
        if address and not address.startswith("https://"):
            yield Finding(
                f"Mailcow's API is reached at {address}", "mail:web.admin", provider, address
            )
    for provider in stack.providers("minio"):
        plain = _yes(stack.get(provider, "minioInsecure")) or not _yes(
            stack.get(provider, "minioSsl")
        )
        if plain and not rehearsed:
            message = "the storage is reached without TLS, or without checking its certificate"
            yield Finding(message, "mail:backup.server", provider)
    for provider in stack.providers("cloudflare"):
        address = stack.text(provider, "baseUrl")
        if address and not rehearsed and not address.startswith("https://api.cloudflare.com"):
            yield Finding(
                f"Cloudflare is reached at {address}", "mail:endpoints", provider, address
            )


def _yes(value: Any) -> bool:
    return opened(value) in (True, "true", "True")
