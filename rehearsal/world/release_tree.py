"""A tree that looks like a Mailcow release to a deployment: services, images, ports, file names.

Every line of it is our own; only the names that a deployment touches are Mailcow's (2026-07a).
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from rehearsal.world.release_editions import Edition

FILE, PROGRAM, LINK = 0o100644, 0o100755, 0o120000
"""Git's modes of what a tree holds."""


@dataclass(frozen=True)
class _Service:
    """One service of the release, as far as a deployment sees it."""

    image: str
    ports: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    address: int = 0
    more: Mapping[str, Any] = field(default_factory=dict)


_DATABASE = ("DBNAME", "DBUSER", "DBPASS")
_SOCKET = "mysql-socket-vol-1:/var/run/mysqld/"
_TLS = "./data/assets/ssl:/etc/ssl/mail/:ro"
_ENGINE = "/var/run/docker.sock:/var/run/docker.sock:ro"

_SERVICES = {
    "unbound": _Service(
        "ghcr.io/mailcow/unbound:1.25.1-1", environment=("SKIP_UNBOUND_HEALTHCHECK:-n",),
        volumes=("./data/conf/unbound/unbound.conf:/etc/unbound/unbound.conf:ro",), address=254,
        more={"tty": True},
    ),
    "mysql": _Service(
        "mariadb:10.11", ("${SQL_PORT:-127.0.0.1:13306}:3306",),
        volumes=("mysql-vol-1:/var/lib/mysql/", _SOCKET,
                 "./data/conf/mysql/:/etc/mysql/conf.d/:ro"),
        after=("unbound", "netfilter"), more={"stop_grace_period": "45s"},
    ),
    "redis": _Service(
        "redis:7.4.6-alpine", ("${REDIS_PORT:-127.0.0.1:7654}:6379",), ("REDISPASS",),
        ("redis-vol-1:/data/", "./data/conf/redis/redis-conf.sh:/redis-conf.sh"), ("netfilter",),
        249, {"entrypoint": ["/bin/sh", "/redis-conf.sh"]},
    ),
    "clamd": _Service(
        "ghcr.io/mailcow/clamd:1.71", environment=("SKIP_CLAMD:-n",),
        volumes=("./data/conf/clamav/:/etc/clamav/", "clamd-db-vol-1:/var/lib/clamav"),
        after=("unbound",),
    ),
    "rspamd": _Service(
        "ghcr.io/mailcow/rspamd:4.1.4-1", environment=("REDISPASS", "SPAMHAUS_DQS_KEY:-"),
        volumes=("./data/conf/rspamd/custom/:/etc/rspamd/custom",
                 "./data/conf/rspamd/override.d/:/etc/rspamd/override.d",
                 "rspamd-vol-1:/var/lib/rspamd"),
        after=("dovecot", "clamd"),
    ),
    "php-fpm": _Service(
        "ghcr.io/mailcow/phpfpm:8.2.29-3",
        environment=(*_DATABASE, "REDISPASS", "MAILCOW_HOSTNAME", "API_KEY:-invalid",
                     "API_KEY_READ_ONLY:-invalid", "API_ALLOW_FROM:-invalid", "SKIP_SOGO:-n",
                     "SKIP_CLAMD:-n", "SKIP_FTS:-y", "SKIP_OLEFY:-n"),
        volumes=("./data/web:/web", "rspamd-vol-1:/var/lib/rspamd", _SOCKET),
        after=("redis",), more={"command": "php-fpm -d date.timezone=${TZ} -d expose_php=0"},
    ),
    "sogo": _Service(
        "ghcr.io/mailcow/sogo:5.12.9-1",
        environment=(*_DATABASE, "MAILCOW_HOSTNAME", "SKIP_SOGO:-n", "REDISPASS",
                     "SOGO_EXPIRE_SESSION:-480", "SOGO_URL_ENCRYPTION_KEY:-unsafe-default00"),
        volumes=("./data/conf/sogo/:/etc/sogo/", _SOCKET, "sogo-web-vol-1:/sogo_web",
                 "sogo-userdata-backup-vol-1:/sogo_backup"),
        address=248,
    ),
    "dovecot": _Service(
        "ghcr.io/mailcow/dovecot:2.3.21.1-2",
        ("${DOVEADM_PORT:-127.0.0.1:19991}:12345", "${IMAP_PORT:-143}:143",
         "${IMAPS_PORT:-993}:993", "${POP_PORT:-110}:110", "${POPS_PORT:-995}:995",
         "${SIEVE_PORT:-4190}:4190"),
        (*_DATABASE, "DOVECOT_MASTER_USER:-", "DOVECOT_MASTER_PASS:-", "MAILCOW_HOSTNAME",
         "MAILDIR_SUB:-", "MAILDIR_GC_TIME:-7200", "SKIP_FTS:-y", "REDISPASS"),
        ("./data/conf/dovecot:/etc/dovecot", _TLS, "vmail-vol-1:/var/vmail",
         "vmail-index-vol-1:/var/vmail_index", "crypt-vol-1:/mail_crypt/", _SOCKET),
        ("mysql", "netfilter", "redis"), 250, {"tty": True, "cap_add": ["NET_BIND_SERVICE"]},
    ),
    "postfix": _Service(
        "ghcr.io/mailcow/postfix:3.10.12-1",
        ("${SMTP_PORT:-25}:25", "${SMTPS_PORT:-465}:465", "${SUBMISSION_PORT:-587}:587"),
        (*_DATABASE, "MAILCOW_HOSTNAME", "REDISPASS", "SPAMHAUS_DQS_KEY:-"),
        ("./data/conf/postfix:/opt/postfix/conf", _TLS, "postfix-vol-1:/var/spool/postfix",
         "crypt-vol-1:/var/lib/zeyple", _SOCKET),
        ("mysql", "unbound", "postfix-tlspol"), 253, {"cap_add": ["NET_BIND_SERVICE"]},
    ),
    "postfix-tlspol": _Service(
        "ghcr.io/mailcow/postfix-tlspol:1.8.23",
        volumes=("postfix-tlspol-vol-1:/var/lib/postfix-tlspol",), after=("unbound",),
    ),
    "memcached": _Service("memcached:alpine"),
    "nginx": _Service(
        "ghcr.io/mailcow/nginx:1.30.4-1",
        ("${HTTPS_BIND:-}:${HTTPS_PORT:-443}:${HTTPS_PORT:-443}",
         "${HTTP_BIND:-}:${HTTP_PORT:-80}:${HTTP_PORT:-80}"),
        ("HTTP_PORT:-80", "HTTPS_PORT:-443", "HTTP_REDIRECT:-n", "MAILCOW_HOSTNAME",
         "ADDITIONAL_SERVER_NAMES:-", "TRUSTED_PROXIES:-", "SKIP_SOGO:-n"),
        ("./data/web:/web:ro", "./data/assets/ssl/:/etc/ssl/mail/:ro",
         "./data/conf/nginx/:/etc/nginx/conf.d/"),
        ("redis", "php-fpm", "sogo", "rspamd"),
    ),
    "acme": _Service(
        "ghcr.io/mailcow/acme:1.98",
        environment=(*_DATABASE, "MAILCOW_HOSTNAME", "SKIP_LETS_ENCRYPT:-n", "ADDITIONAL_SAN",
                     "AUTODISCOVER_SAN:-y", "REDISPASS"),
        volumes=("./data/assets/ssl:/var/lib/acme/",
                 "./data/assets/ssl-example:/var/lib/ssl-example/:ro", _SOCKET),
        after=("nginx", "unbound"),
    ),
    "netfilter": _Service(
        "ghcr.io/mailcow/netfilter:1.64",
        environment=("REDISPASS", "DISABLE_NETFILTER_ISOLATION_RULE:-n"),
        volumes=("/lib/modules:/lib/modules:ro",),
        more={"network_mode": "host", "privileged": True},
    ),
    "watchdog": _Service(
        "ghcr.io/mailcow/watchdog:2.11",
        environment=(*_DATABASE, "DBROOT", "REDISPASS", "USE_WATCHDOG:-n",
                     "WATCHDOG_NOTIFY_EMAIL:-", "WATCHDOG_NOTIFY_WEBHOOK:-",
                     "WATCHDOG_NOTIFY_WEBHOOK_BODY:-", "SKIP_CLAMD:-n", "SKIP_OLEFY:-n"),
        volumes=("rspamd-vol-1:/var/lib/rspamd", "postfix-vol-1:/var/spool/postfix", _TLS),
        after=("postfix", "dovecot", "mysql", "acme", "redis"),
    ),
    "dockerapi": _Service(
        "ghcr.io/mailcow/dockerapi:2.12", environment=("DBROOT", "REDISPASS"), volumes=(_ENGINE,),
    ),
    "olefy": _Service("ghcr.io/mailcow/olefy:1.15", environment=("SKIP_OLEFY:-n",)),
    "ofelia": _Service(
        "mcuadros/ofelia:latest", environment=("COMPOSE_PROJECT_NAME",), volumes=(_ENGINE,),
        after=("sogo", "dovecot"), more={"command": "daemon --docker"},
    ),
}  # fmt: skip

SERVICES = tuple(f"{name}-mailcow" for name in _SERVICES)
"""Names of the release's services, as in its compose file."""

_VOLUMES = (
    "vmail-vol-1", "vmail-index-vol-1", "mysql-vol-1", "mysql-socket-vol-1", "redis-vol-1",
    "rspamd-vol-1", "postfix-vol-1", "postfix-tlspol-vol-1", "crypt-vol-1", "sogo-web-vol-1",
    "sogo-userdata-backup-vol-1", "clamd-db-vol-1",
)  # fmt: skip

_IGNORED = """\
# What a running stack writes, and what its operator does
.env.local
data/assets/ssl-example/*
data/assets/ssl/*
data/conf/acme/dns-01.conf
data/conf/dovecot/dovecot-master.passwd
data/conf/dovecot/dovecot-master.userdb
data/conf/dovecot/extra.conf
data/conf/nginx/*.active
data/conf/nginx/*.conf
data/conf/postfix/custom_transport.pcre
data/conf/postfix/extra.cf
data/conf/postfix/sni.map
data/conf/postfix/sql
data/conf/rspamd/custom/*
data/conf/rspamd/local.d/*
data/conf/rspamd/override.d/*
data/hooks/postfix/*
data/web/inc/app_info.inc.php
data/web/inc/vars.local.inc.php
docker-compose.override.yml
mailcow.conf
mailcow.conf_backup
!/**/.gitkeep
"""

_MAIN_CF = """\
# Rehearsed main.cf: what the mail server of the rehearsal obeys. Write overrides to extra.cf.
append_dot_mydomain = no
smtpd_tls_cert_file = /etc/ssl/mail/cert.pem
smtpd_tls_key_file = /etc/ssl/mail/key.pem
relayhost =
inet_interfaces = all
inet_protocols = all
mynetworks_style = subnet
message_size_limit = 104857600
maximal_queue_lifetime = 5d
recipient_delimiter = +
smtp_tls_security_level = dane
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = proxy:mysql:/opt/postfix/conf/sql/mysql_sasl_passwd_maps_transport_maps.cf
smtp_sasl_security_options =
smtp_sasl_mechanism_filter = plain, login
smtpd_relay_restrictions = permit_mynetworks,
  permit_sasl_authenticated,
  defer_unauth_destination
"""

_MASTER_CF = """\
# Rehearsed master.cf: the services that people and other servers reach
smtp       inet  n  -  n  -  1  postscreen
smtps      inet  n  -  n  -  -  smtpd -o smtpd_tls_wrappermode=yes
submission inet  n  -  n  -  -  smtpd -o smtpd_tls_security_level=encrypt
"""

_REFUSING = """\
#!/usr/bin/env bash
# The genuine script asks questions, restarts Docker and checks out a branch. A deployment that is
# declared renders what it would have written, so in a rehearsal nobody may call it.
echo "{name}: refused: the configuration of this host is declared" >&2
exit 1
"""


_OTHER_OPTIONS = (
    "ACL_ANYONE", "ADDITIONAL_SERVER_NAMES", "COMPOSE_PROJECT_NAME", "DOCKER_COMPOSE_VERSION",
    "ENABLE_IPV6", "FTS_HEAP", "FTS_PROCS", "LOG_LINES", "MAILCOW_PASS_SCHEME",
    "WATCHDOG_VERBOSE",
)  # fmt: skip
"""Options that the updater knows besides those of the compose file."""

_SCHEMA = "19022026_1220"
"""Version of the database's schema."""


def _edited(edition: Edition) -> dict[str, _Service]:
    """Return the services of an edition."""
    services = {
        name: replace(
            service,
            image=edition.images.get(name, service.image),
            environment=(*service.environment, *edition.environment.get(name, ())),
            ports=(*service.ports, *edition.ports.get(name, ())),
            volumes=(*service.volumes, *edition.volumes.get(name, ())),
            after=tuple(other for other in service.after if other not in edition.removed),
        )
        for name, service in _SERVICES.items()
        if name not in edition.removed
    }
    return services | {name: _Service(image) for name, image in edition.added.items()}


def _options(edition: Edition, compose: str) -> str:
    """Return the script by which the updater adds options to `mailcow.conf`, to be read alone."""
    named = set(re.findall(r"\$\{([A-Z][A-Z0-9_]+)", compose))
    options = (named | {*_OTHER_OPTIONS, *edition.options_added}) - set(edition.options_removed)
    lines = "".join(f'  "{option}"\n' for option in sorted(options))
    head = "#!/usr/bin/env bash\n# Rehearsed\nadapt_new_options() {\n"
    return f"{head}  CONFIG_ARRAY=(\n{lines}  )\n}}\n"


def _schema(edition: Edition) -> str:
    version = edition.schema or _SCHEMA
    return f'<?php // Rehearsed\nfunction init_db_schema() {{ $db_version = "{version}"; }}\n'


def _volumes(edition: Edition) -> tuple[str, ...]:
    """Return the volumes that the compose file declares."""
    more = (item.partition(":")[0] for all_ in edition.volumes.values() for item in all_)
    return (*_VOLUMES, *(item for item in more if not item.startswith((".", "/"))))


def _compose(services: Mapping[str, _Service], volumes: tuple[str, ...]) -> str:
    content: dict[str, Any] = {"services": {}}
    for name, service in services.items():
        entry: dict[str, Any] = {"image": service.image, "restart": "always"}
        names = ("TZ", *service.environment)
        entry["environment"] = [f"{name.partition(':')[0]}=${{{name}}}" for name in names]
        if name == "mysql":
            entry["environment"] += [
                "MYSQL_ROOT_PASSWORD=${DBROOT}", "MYSQL_DATABASE=${DBNAME}",
                "MYSQL_USER=${DBUSER}", "MYSQL_PASSWORD=${DBPASS}",
            ]  # fmt: skip
        for key, values in (("volumes", service.volumes), ("ports", service.ports)):
            if values:
                entry[key] = list(values)
        if service.after:
            entry["depends_on"] = [f"{other}-mailcow" for other in service.after]
        if "network_mode" not in service.more:
            network: dict[str, Any] = {"aliases": [name.replace("-fpm", "fpm")]}
            if service.address:
                network["ipv4_address"] = f"${{IPV4_NETWORK:-172.22.1}}.{service.address}"
            entry["networks"] = {"mailcow-network": network}
        content["services"][f"{name}-mailcow"] = entry | dict(service.more)
    subnets = ["${IPV4_NETWORK:-172.22.1}.0/24", "${IPV6_NETWORK:-fd4d:6169:6c63:6f77::/64}"]
    content["networks"] = {
        "mailcow-network": {
            "driver": "bridge",
            "driver_opts": {"com.docker.network.bridge.name": "br-mailcow"},
            "enable_ipv6": "${ENABLE_IPV6:-true}",
            "ipam": {"driver": "default", "config": [{"subnet": subnet} for subnet in subnets]},
        }
    }
    content["volumes"] = dict.fromkeys(volumes)
    head = "# Rehearsed release: service names, images and ports of Mailcow, nothing of its text\n"
    return head + yaml.safe_dump(content, sort_keys=False, width=1000)


def _snake_oil() -> tuple[bytes, bytes]:
    """Return the example certificate and key that nobody should meet; the same every time."""
    seed = hashlib.sha256(b"rehearsed snake oil, known to everyone").digest()
    key = Ed25519PrivateKey.from_private_bytes(seed)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.example.org")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=3650))
        # Ed25519 signs the same text the same way, so the commit stays the same too.
        .sign(key, None)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


def release(
    extra: Mapping[str, str] | None = None, edition: Edition | None = None
) -> dict[str, tuple[int, bytes]]:
    """Return the release's files by path: Git mode and content.

    `extra` adds services, name (with `-mailcow`) to image, as a later release would; `edition`
    is how it differs otherwise.
    """
    edition = edition or Edition()
    services = _edited(edition)
    for name, image in (extra or {}).items():
        services[name.removesuffix("-mailcow")] = _Service(image)
    certificate, key = _snake_oil()
    compose = _compose(services, _volumes(edition))
    texts = {
        ".gitignore": _IGNORED,
        "README.md": "A rehearsed release. The genuine one: https://mailcow.email\n",
        "docker-compose.yml": compose,
        "_modules/scripts/new_options.sh": _options(edition, compose),
        "data/conf/postfix/main.cf": _MAIN_CF,
        "data/conf/postfix/master.cf": _MASTER_CF,
        "data/conf/dovecot/dovecot.conf": "# Rehearsed\nprotocols = imap lmtp sieve pop3\n",
        "data/conf/unbound/unbound.conf": "# Rehearsed\nserver:\n  interface: 0.0.0.0\n",
        "data/conf/mysql/my.cnf": "# Rehearsed\n[mysqld]\n",
        "data/conf/redis/redis-conf.sh": "#!/bin/sh\n# Rehearsed\n",
        "data/conf/clamav/clamd.conf": "# Rehearsed\n",
        "data/conf/sogo/sogo.conf": "// Rehearsed\n",
        "data/conf/nginx/templates/nginx.conf.j2": "# Rehearsed\n",
        "data/web/index.php": "<?php // Rehearsed\n",
        "data/web/inc/vars.inc.php": "<?php // Rehearsed\n",
        "data/web/inc/init_db.inc.php": _schema(edition),
        "data/assets/ssl-example/dhparams.pem": "# Rehearsed\n",
    }
    for path, lines in edition.appended.items():
        texts[path] += lines
    kept = ("data/conf/acme", *(f"data/hooks/{name}" for name in ("dovecot", "phpfpm", "postfix",
            "rspamd", "sogo", "unbound")))  # fmt: skip
    programs = ("generate_config.sh", "update.sh", "helper-scripts/backup_and_restore.sh")
    return {
        **{path: (FILE, text.encode()) for path, text in texts.items()},
        **{f"{folder}/.gitkeep": (FILE, b"") for folder in kept},
        **{path: (PROGRAM, _REFUSING.format(name=path).encode()) for path in programs},
        "data/assets/ssl-example/cert.pem": (FILE, certificate),
        "data/assets/ssl-example/key.pem": (FILE, key),
        ".env": (LINK, b"mailcow.conf"),
    }
