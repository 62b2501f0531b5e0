"""The configuration of the stack that is being deployed: its declaration and its secrets."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pulumi
from pulumi.runtime import config as runtime_config

from declaration import secrets
from declaration.lines import located
from declaration.mistakes import PREFIX, DeclarationError
from declaration.model import Declaration
from declaration.reading import Reading, sealed_needlessly
from declaration.secrets import IMPORT_PASSWORD, PASSWORD
from declaration.stack_file import ENGINE


@dataclass(frozen=True)
class Secrets:
    """What the stack's file keeps sealed; none of it is in the declaration.

    Attributes:
        cloudflare_api_token: Token that may edit the records of the zone.
        ssh_private_key: Private key of the deploying account, PEM.
        smarthost_password: Password of the smarthost login; at Resend the API key.
        storage_access_key: Access key of the MinIO administrator.
        storage_secret_key: Secret key of the MinIO administrator.
        backup_passphrase: Passphrase of the encrypted archives.
        passwords: Password of each mailbox, by local part.
        import_passwords: Password at the server of each import, by its name.
        spamhaus_dqs_key: Key to Spamhaus' lists, None without one.
    """

    cloudflare_api_token: pulumi.Output[str]
    ssh_private_key: pulumi.Output[str]
    smarthost_password: pulumi.Output[str]
    storage_access_key: pulumi.Output[str]
    storage_secret_key: pulumi.Output[str]
    backup_passphrase: pulumi.Output[str]
    passwords: Mapping[str, pulumi.Output[str]] = field(default_factory=dict)
    import_passwords: Mapping[str, pulumi.Output[str]] = field(default_factory=dict)
    spamhaus_dqs_key: pulumi.Output[str] | None = None


def from_configuration(
    config: pulumi.Config, mailboxes: Iterable[str], imports: Iterable[str]
) -> Secrets:
    """Return the secrets of the stack that is being deployed.

    Args:
        config: The configuration, in which every secret is set.
        mailboxes: Local parts of the declared mailboxes.
        imports: Names of the declared imports.
    """
    return Secrets(
        cloudflare_api_token=config.require_secret("cloudflareApiToken"),
        # `pulumi config set` takes the last line break of a file off, other ways leave it; a
        # difference in it would run every command on the host again.
        ssh_private_key=config.require_secret("sshPrivateKey").apply(str.strip),
        smarthost_password=config.require_secret("smarthostPassword"),
        storage_access_key=config.require_secret("storageAccessKey"),
        storage_secret_key=config.require_secret("storageSecretKey"),
        backup_passphrase=config.require_secret("backupPassphrase"),
        passwords={name: config.require_secret(PASSWORD + name) for name in mailboxes},
        import_passwords={name: config.require_secret(IMPORT_PASSWORD + name) for name in imports},
        spamhaus_dqs_key=config.get_secret("spamhausDqsKey"),
    )


def from_config() -> tuple[Declaration, Secrets]:
    """Read the declaration and the secrets of the stack that is being deployed.

    Raises:
        pulumi.RunError: all mistakes and all missing values at once, as text for the operator.
    """
    source = f"Pulumi.{pulumi.get_stack()}.yaml"
    # Both ways in which a runtime hands configuration over.
    everything = runtime_config.get_config_env() | runtime_config.CONFIG.get()
    given = {
        key.removeprefix(PREFIX): value
        for key, value in everything.items()
        if not key.startswith(ENGINE)
    }
    sealed = {key for key in given if runtime_config.is_config_secret(PREFIX + key)}
    hidden = {key: given[key] for key in given if key in sealed and secrets.names_secret(key)}
    plain = {key: value for key, value in given.items() if key not in hidden}
    reading = Reading(plain)
    names, imports = reading.mailbox_names(), reading.import_names()
    mistakes = [
        *(sealed_needlessly(key) for key in plain if key in sealed),
        *(
            mistake
            for mistake in reading.mistakes
            if mistake.path.removeprefix(PREFIX) not in sealed
        ),
        *secrets.mistakes(hidden, names, imports),
    ]
    if reading.declaration is None or names is None or imports is None or mistakes:
        raise pulumi.RunError(str(DeclarationError(source, located(mistakes, Path(source)))))
    return reading.declaration, from_configuration(pulumi.Config("mail"), names, imports)
