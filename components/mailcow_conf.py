"""`mailcow.conf`, rendered whole: every key that Mailcow's own generator writes, and ours.

Mailcow's `generate_config.sh` prompts, checks out a branch and may restart Docker; the keys it
writes are known, so the file is rendered instead. The generator is read at release 2026-07a.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from declaration.mailcow import IPV6_NETWORK, PORT_VARIABLES, MailcowSettings
from declaration.names import Names

HEADER = "# Written by Pulumi; the next `pulumi up` undoes edits."
"""First line of the file, by which the programs on the host know it."""


FIXED: Mapping[str, str] = {
    "DBNAME": "MariaDB reads it only when it makes its volume",
    "DBUSER": "MariaDB reads it only when it makes its volume",
    "DBPASS": "MariaDB reads it only when it makes its volume; the others would be locked out",
    "DBROOT": "MariaDB reads it only when it makes its volume",
    "COMPOSE_PROJECT_NAME": "it prefixes the volumes; Mailcow would start on empty ones",
    "MAILDIR_SUB": "Dovecot would look for mail elsewhere; all mail would vanish from view",
    "IPV4_NETWORK": "the network must be taken down and made anew, and containers have fixed "
    "addresses in it",
    "IPV6_NETWORK": "the network must be taken down and made anew",
    "MAILCOW_HOSTNAME": "certificate, PTR record, TLSA record and people's mail programs name it",
}
"""Keys that are unsafe to change after the first start, with the reason."""

FIXED_SECRETS = ("DBPASS", "DBROOT")
"""Those of them that are secret."""

_SECRET = re.compile(r"[A-Za-z0-9-]+")


@dataclass(frozen=True)
class MailcowSecrets:
    """Mailcow's own secrets, generated on the host.

    Attributes:
        database: DBPASS.
        database_root: DBROOT.
        redis: REDISPASS.
        sogo_url_key: SOGO_URL_ENCRYPTION_KEY, exactly 16 characters.
        dovecot_master: DOVECOT_MASTER_PASS.
        api_key: API_KEY.
        api_key_read_only: API_KEY_READ_ONLY, for what only watches.
        spamhaus_dqs_key: SPAMHAUS_DQS_KEY, which Spamhaus gives; empty without one.
    """

    database: str
    database_root: str
    redis: str
    sogo_url_key: str
    dovecot_master: str
    api_key: str
    api_key_read_only: str
    spamhaus_dqs_key: str = ""

    def __post_init__(self) -> None:
        """Refuse what the file could not carry.

        Raises:
            ValueError: a secret has other characters than letters, digits and hyphens, or the
                key of SOGo is not 16 characters long; no secret is repeated.
        """
        given = {name: value for name, value in vars(self).items() if name != "spamhaus_dqs_key"}
        if self.spamhaus_dqs_key:
            given["spamhaus_dqs_key"] = self.spamhaus_dqs_key
        for name, value in given.items():
            if not _SECRET.fullmatch(value):
                msg = f"Mailcow's secret {name} must consist of A-Z, a-z, 0-9 and hyphens"
                raise ValueError(msg)
        if len(self.sogo_url_key) != 16:
            msg = "Mailcow's secret sogo_url_key must be 16 characters long"
            raise ValueError(msg)

    def __repr__(self) -> str:
        """Tell nothing."""
        return "MailcowSecrets(...)"


@dataclass(frozen=True)
class Installation:
    """What is installed, without secrets.

    Attributes:
        mailcow: The stack.
        names: Hosts and addresses.
    """

    mailcow: MailcowSettings
    names: Names


def _yes(on: bool) -> str:  # noqa: FBT001 - Mailcow's own spelling of a boolean
    return "y" if on else "n"


def mail_ports(raw_ports: tuple[int, ...]) -> dict[str, str]:
    """Return the port variables: open ports as they are, all others on loopback alone."""
    return {
        variable: str(port) if port in raw_ports else f"127.0.0.1:{port}"
        for variable, port in PORT_VARIABLES.items()
    }


def _web(stack: Installation) -> dict[str, str]:
    mailcow, names = stack.mailcow, stack.names
    # Not 127.0.0.1: from Traefik's container that would be Traefik itself.
    backend = names.backend_address
    return {
        "HTTP_PORT": str(mailcow.http_port),
        "HTTP_BIND": backend,
        "HTTPS_PORT": str(mailcow.https_port),
        "HTTPS_BIND": backend,
        "HTTP_REDIRECT": "y",
        "TRUSTED_PROXIES": names.proxy_network,
        # autoconfig.*, autodiscover.* and mta-sts.* are served without being named.
        "ADDITIONAL_SERVER_NAMES": f"{names.administration},{names.webmail}",
    }


def _certificates() -> dict[str, str]:
    return {
        "ADDITIONAL_SAN": "",
        "AUTODISCOVER_SAN": "n",
        # Traefik obtains the certificate; components/certificate.py brings it here.
        "SKIP_LETS_ENCRYPT": "y",
        "ACME_DNS_CHALLENGE": "n",
        "ACME_DNS_PROVIDER": "dns_xxx",
        "ACME_ACCOUNT_EMAIL": "me@example.com",
        "ENABLE_SSL_SNI": "n",
        "SKIP_IP_CHECK": "n",
        "SKIP_HTTP_VERIFICATION": "n",
    }


def _switches(mailcow: MailcowSettings) -> dict[str, str]:
    return {
        "SKIP_UNBOUND_HEALTHCHECK": "n",
        "SKIP_CLAMD": _yes(mailcow.skip_clamd),
        "SKIP_OLEFY": _yes(mailcow.skip_olefy),
        "SKIP_SOGO": _yes(mailcow.skip_sogo),
        "SKIP_FTS": _yes(mailcow.skip_fts),
        "FTS_HEAP": "128",
        "FTS_PROCS": "1",
    }


def _people() -> dict[str, str]:
    return {
        "MAILCOW_PASS_SCHEME": "BLF-CRYPT",
        "ACL_ANYONE": "disallow",
        "ALLOW_ADMIN_EMAIL_LOGIN": "n",
        "MAILDIR_GC_TIME": "7200",
        "MAILDIR_SUB": "Maildir",
        "SOGO_EXPIRE_SESSION": "480",
        "WEBAUTHN_ONLY_TRUSTED_VENDORS": "n",
    }


def _watch() -> dict[str, str]:
    return {
        # Watchdog restarts what is unhealthy. Its own mail does not pass Postfix and would be
        # refused everywhere, so alerts come from monitoring instead.
        "USE_WATCHDOG": "y",
        "WATCHDOG_NOTIFY_BAN": "n",
        "WATCHDOG_NOTIFY_START": "n",
        "WATCHDOG_EXTERNAL_CHECKS": "n",
        "WATCHDOG_VERBOSE": "n",
        "LOG_LINES": "9999",
    }


def _network(stack: Installation) -> dict[str, str]:
    return {
        "IPV4_NETWORK": stack.mailcow.ipv4_network,
        "IPV6_NETWORK": IPV6_NETWORK,
        "ENABLE_IPV6": "true" if stack.names.ipv6 else "false",
        "DISABLE_NETFILTER_ISOLATION_RULE": "n",
    }


def public_settings(stack: Installation) -> dict[str, str]:
    """Return every setting that is written, the secret ones empty."""
    groups = _groups(stack, None)
    return {key: value for group in groups.values() for key, value in group.items()}


def fixed_settings(stack: Installation) -> dict[str, str]:
    """Return the public settings that are unsafe to change after the first start."""
    flat = public_settings(stack)
    return {key: flat[key] for key in FIXED if key not in FIXED_SECRETS}


def _groups(stack: Installation, secrets: MailcowSecrets | None) -> dict[str, dict[str, str]]:
    """Return the settings by group; secrets are left empty when there are none."""
    mailcow = stack.mailcow
    return {
        "Identity": {
            "MAILCOW_HOSTNAME": stack.names.mail_host,
            "TZ": mailcow.time_zone,
            "COMPOSE_PROJECT_NAME": mailcow.project,
            # Empty would break Mailcow's restore.
            "DOCKER_COMPOSE_VERSION": "native",
        },
        "Databases": {
            "DBNAME": "mailcow",
            "DBUSER": "mailcow",
            "DBPASS": secrets.database if secrets else "",
            "DBROOT": secrets.database_root if secrets else "",
            "REDISPASS": secrets.redis if secrets else "",
        },
        "Web": _web(stack),
        "Ports": {
            **mail_ports(mailcow.raw_ports),
            "DOVEADM_PORT": "127.0.0.1:19991",
            "SQL_PORT": "127.0.0.1:13306",
            "REDIS_PORT": "127.0.0.1:7654",
        },
        "Certificates": _certificates(),
        "Services": _switches(mailcow),
        "People": _people(),
        "Watchdog and logs": _watch(),
        "Network": _network(stack),
        "Keys": {
            "API_KEY": secrets.api_key if secrets else "",
            "API_KEY_READ_ONLY": secrets.api_key_read_only if secrets else "",
            "API_ALLOW_FROM": ",".join(stack.names.api_clients),
            "SOGO_URL_ENCRYPTION_KEY": secrets.sogo_url_key if secrets else "",
            "DOVECOT_MASTER_USER": "pomailmaster",
            "DOVECOT_MASTER_PASS": secrets.dovecot_master if secrets else "",
            "SPAMHAUS_DQS_KEY": secrets.spamhaus_dqs_key if secrets else "",
        },
    }


def render_mailcow_conf(stack: Installation, secrets: MailcowSecrets) -> str:
    """Return `mailcow.conf`. It holds secrets in clear: mode 0600, and never in a log."""
    blocks = [
        "\n".join((f"# {title}", *(f"{key}={value}" for key, value in group.items())))
        for title, group in _groups(stack, secrets).items()
    ]
    return "\n\n".join((HEADER, *blocks)) + "\n"
